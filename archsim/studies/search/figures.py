"""The figures of a search: how it went, what it found, where the good points lie, and which keys matter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from archsim.base.words import per_cent, shortened
from archsim.report.colours import CYCLE
from archsim.report.figure import Axis, Bar, Bars, Dot, Piece, Plot, Series, axis, linear
from archsim.studies.search.goals import Goal
from archsim.studies.search.tables import name_of, said_of, text_of, unit_of
from archsim.studies.search.trials import Saved, Trial
from archsim.studies.sweep.tables import heads

GREY, BEST, GIVEN = "#95a5a6", CYCLE[0], CYCLE[1]
TENTH = 0.1
"""Of the points that meet all conditions, such a part is drawn apart where there is one goal: PED-ANOVA's, too."""
MOST_LINES = 200
"""Of parallel coordinates: more cannot be told apart."""
LETTERS = 14
BELOW = -0.12
"""Where the least value of a parallel coordinate is written, as a share of its length."""


def figures(data: Saved) -> Iterator[Plot | Bars]:
    """Yield the figures of a search; none where nothing that could be run meets the conditions."""
    if not data.best:
        return
    first, *others = data.goals
    yield from (plane(data, first, other) for other in others)
    yield from (history(data, goal) for goal in data.goals)
    if len(data.search) > 1:
        yield coordinates(data)
    if data.importances:
        yield shares(data)


def _tip(data: Saved, own: Trial) -> str:
    metrics = ", ".join(f"{said_of(goal.metric)} {_text(own, goal)}" for goal in data.goals)
    settings = ", ".join(f"{head}={value}" for head, value in zip(_heads(data), own.settings.values(), strict=True))
    return f"point {own.number}: {settings}; {metrics}{'; not ' + ', '.join(own.broken) if own.broken else ''}"


def _text(own: Trial, goal: Goal) -> str:
    return text_of(goal.metric, own.get(goal.metric))


def _heads(data: Saved) -> list[str]:
    return heads([own.key for own in data.search])


def _axis(data: Saved, goal: Goal, trials: Sequence[Trial]) -> Axis:
    values = [float(own.figure(goal.metric)) for own in trials]
    if data.start is not None and data.start.has(goal.metric):
        values.append(float(data.start.figure(goal.metric)))
    return axis(said_of(goal.metric), values, unit_of(goal.metric))


def _run(data: Saved, goals: Sequence[Goal]) -> list[Trial]:
    return [own for own in data.trials if all(own.has(goal.metric) for goal in goals)]


def plane(data: Saved, first: Goal, other: Goal) -> Plot:
    """Return all points in two goals, those that are Pareto-optimal joined where these are the only ones."""
    run = _run(data, (first, other))

    def dots(trials: Sequence[Trial], *, hollow: bool = False, size: float = 0.5) -> tuple[Dot, ...]:
        return tuple(
            Dot(own.figure(first.metric), own.figure(other.metric), _tip(data, own), size=size, hollow=hollow)
            for own in trials
        )  # fmt: skip

    series = [
        Series("does not meet the conditions", GREY, dots([own for own in run if own.broken], hollow=True), line=False),
        Series("tried", GREY, dots([own for own in run if own.counts and not own.best]), line=False),
        Series("Pareto-optimal", BEST, dots(data.best, size=0.75), line=len(data.goals) == 2),
    ]  # fmt: skip
    start = data.start
    if start is not None and start.has(first.metric) and start.has(other.metric):
        at = Dot(start.figure(first.metric), start.figure(other.metric), "the spec as given", size=1.0, hollow=True)
        series.append(Series("as given", GIVEN, (at,), line=False))
    title = f"{said_of(other.metric).capitalize()} against {said_of(first.metric)}"
    return Plot(f"front_{other.metric}", title, "", _axis(data, first, run), _axis(data, other, run),
                tuple(own for own in series if own.dots))  # fmt: skip


def history(data: Saved, goal: Goal) -> Plot:
    """Return the points in one goal in the order of asking, and the best of those that meet all conditions so far."""
    run = _run(data, (goal,))

    def dots(trials: Sequence[Trial], *, hollow: bool = False) -> tuple[Dot, ...]:
        return tuple(
            Dot(own.number, own.figure(goal.metric), _tip(data, own), size=0.5, hollow=hollow) for own in trials
        )  # fmt: skip

    counted = [own for own in run if own.counts]
    costs = itertools.accumulate((goal.cost(own.figure(goal.metric)) for own in counted), min)
    so_far = [(own.number, goal.cost(cost)) for own, cost in zip(counted, costs, strict=True)]
    steps = [so_far[0], *(corner for a, b in itertools.pairwise(so_far) for corner in ((b[0], a[1]), b))]
    series = [
        Series("does not meet the conditions", GREY, dots([own for own in run if own.broken], hollow=True), line=False),
        Series("tried", CYCLE[2], dots(counted), line=False),
        Series("best so far", BEST, tuple(Dot(x, y, "", size=0.1) for x, y in steps), shown=False),
    ]  # fmt: skip
    x = linear("point", [0.0, max(2.0, len(data.trials))], lambda at: f"{at:g}", room=0.03)
    return Plot(f"history_{goal.metric}", f"The search for the {name_of(goal)}", "", x, _axis(data, goal, run),
                tuple(own for own in series if own.dots))  # fmt: skip


def coordinates(data: Saved) -> Plot:
    """Return the points that meet the conditions as lines over the keys and the goals: parallel coordinates."""
    count, goals = len(data.search), data.goals
    costs = {own.number: [goal.cost(own.figure(goal.metric)) for goal in goals] for own in data.trials if own.counts}
    ranked = sorted((own for own in data.trials if own.counts), key=lambda own: (not own.best, costs[own.number]))
    spans = [[float(own.figure(goal.metric)) for own in ranked] for goal in goals]
    ends = [(min(own), max(own)) for own in spans]
    apart = sum(own.best for own in ranked) if len(goals) > 1 else max(1, round(TENTH * len(ranked)))

    def line(place: int, own: Trial) -> Series:
        tip = _tip(data, own)
        heights = [each.place(own.settings[each.key]) for each in data.search]
        heights += [
            (own.figure(goal.metric) - low) / (high - low) if high > low else 0.5
            for goal, (low, high) in zip(goals, ends, strict=True)
        ]  # fmt: skip
        dots = tuple(Dot(x, y, tip, size=0.2) for x, y in enumerate(heights))
        label = ("Pareto-optimal" if len(goals) > 1 else "best tenth") if place < apart else "others"
        return Series(label, BEST if place < apart else GREY, dots, shown=False, thin=place >= apart, tip=tip)

    lines = [line(place, own) for place, own in enumerate(ranked[:MOST_LINES])][::-1]
    texts = [each.ends for each in data.search]
    texts += [
        (text_of(goal.metric, low), text_of(goal.metric, high)) for goal, (low, high) in zip(goals, ends, strict=True)
    ]
    names = [*_heads(data), *(said_of(goal.metric) for goal in goals)]
    rules = [
        Series("", GREY, tuple(Dot(x, y, f"{name}: {text}", shortened(text, LETTERS), 0.1)
                               for y, text in zip((BELOW, 1.0), (low, high), strict=True)), dashed=True)
        for x, (name, (low, high)) in enumerate(zip(names, texts, strict=True))
    ]  # fmt: skip
    ticks = tuple((float(x), shortened(name, LETTERS)) for x, name in enumerate(names))
    says = f"Each line is a point, over {count} keys and what was asked for; the best are drawn last."
    if len(ranked) > MOST_LINES:
        says += f" The best {MOST_LINES} of {len(ranked):,} are shown."
    x = Axis("keys, then what was asked for", -0.3, len(names) - 0.7, ticks)
    y = Axis("from the least to the most", 1.5 * BELOW, 1.1, ())
    return Plot("coordinates", "Parallel coordinates", says, x, y, (*rules, *lines))


def shares(data: Saved) -> Bars:
    """Return how much each key decides whether a point is among the best tenth, for each goal."""
    found = [(goal, data.importances[goal.metric]) for goal in data.goals if goal.metric in data.importances]
    keys = sorted((own.key for own in data.search), key=lambda key: -max(own[key] for _, own in found))
    legend = tuple((name_of(goal), CYCLE[place % len(CYCLE)]) for place, (goal, _) in enumerate(found))
    bars = []
    for key in keys:
        pieces = tuple(
            Piece(0.0, own[key], tone, f"{key}, {label}: {per_cent(own[key], 1)}", (place, len(found)))
            for place, ((label, tone), (_, own)) in enumerate(zip(legend, found, strict=True))
        )
        bars.append(Bar(key, ", ".join(per_cent(own[key], 0) for _, own in found), pieces))
    across = linear(
        "", [0.0, max(own[key] for _, own in found for key in keys)], lambda at: f"{100 * at:.6g} %", low=0.0
    )
    says = (
        "By PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023): how much a key alone tells the best tenth of the "
        "points from all of them, as shares of one."
    )
    return Bars("importances", "What matters", says, tuple(bars), across, legend)
