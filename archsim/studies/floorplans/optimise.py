"""A better floorplan and placement of a chip: searched for, what was tried and found, and by how much it is better."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.texts import slug
from archsim.base.units import engineering
from archsim.base.words import counted, per_cent
from archsim.report.colours import CYCLE
from archsim.report.document import Block, Command, Document, Fold, Points, Section, Text, say
from archsim.report.figure import Dot, Plot, Series, axis, linear
from archsim.report.table import Column, Table
from archsim.spec.settings import split_overrides
from archsim.studies.floorplans.candidates import Optimised, Refused, Simulated, Tried, name_of, optimised, spec_of
from archsim.studies.floorplans.search import BUDGET, check_objective, optimise
from archsim.studies.names import all_faults, default_folder
from archsim.studies.study import Pair, Prepared, Progress, Study, given, registered
from archsim.studies.tasks.bench import Spread, bench


@dataclass(frozen=True)
class Inputs(Spread):
    """A chip, a workload, the name of what is to be least, and how many simulations the search may take.

    Each has `examples` of the workload, by default as many as there are up to the first transfer of weights.
    """

    words = "floorplan optimise"
    arch: str
    workload: str
    objective: str = given("--objective", "")
    budget: int = BUDGET
    examples: int | None = None
    sets: tuple[str, ...] = given("--set")
    seed: int = 0
    topologies: bool = False


def prepare(inputs: Inputs) -> Prepared[Optimised]:
    """Return a search to be made; raise SpecError with all that is wrong."""
    pair = Pair(inputs.arch, inputs.workload, sets=inputs.sets)
    _, (chip, network) = all_faults([lambda: check_objective(inputs.objective, inputs.budget), pair.load])

    def compute(progress: Progress, folder: Path) -> Optimised:
        with bench(inputs, folder) as tasks_done:
            found = optimise(
                chip, network, inputs.objective, budget=inputs.budget, examples=inputs.examples, seed=inputs.seed,
                topologies=inputs.topologies, progress=progress, compute=tasks_done,
            )  # fmt: skip
        stem, (_, theirs) = slug(name_of(found)), split_overrides(inputs.sets)
        file = f"{stem}.yaml"
        again = ["archsim", "run", file, inputs.workload, *(word for setting in theirs for word in ("--set", setting))]
        data = optimised(found, inputs.line, file, shlex.join([*again, "--examples", str(found.examples)]))
        data.beside(spec_of(found, stem))
        return data

    return Prepared(default_folder(chip, network, f"optimise-{inputs.objective}"), compute)


# ---- the report


Row: TypeAlias = Simulated | Refused
Shown: TypeAlias = tuple[str, str, Callable[[Row], Any]]
"""A column of candidates: heading, unit, and what of a candidate."""
CHOICES: tuple[Shown, ...] = (
    ("floorplan", "", lambda row: row.floorplan),
    ("columns", "", lambda row: row.columns),
    ("placement", "", lambda row: row.placement),
    ("topology", "", lambda row: row.topology),
)
METRICS: tuple[Shown, ...] = (
    ("time per example", "s", lambda row: row.time_per_example_s),
    ("energy per example", "J", lambda row: row.energy_per_example_j),
    ("area", "m2", lambda row: row.area_m2),
)
BEST_SHOWN = 10
PHASES = {
    "start": "as given", "coarse": "by the guess", "local": "one choice from the best", "random": "at random",
}  # fmt: skip
RULES = (
    "The spec as given is simulated first, so that what is found is never worse.",
    "Half of the simulations go to the points that look best by a guess: the sum of traffic x length of route for "
    "time and energy, the area itself for area. The guess knows nothing of waiting. Points that it cannot tell from "
    "one that was tried come last.",
    "The others go to points that differ from the best in one choice, by the same guess; where all of those are "
    "known, to points drawn at random.",
    "White space and the widths of channels stay as they are, and no core, block or channel is lost. A width that "
    "the spec as given does not say is nothing.",
    "Other topologies are tried only if asked for, with their default options. The spec's router costs the same with "
    "any number of ports, which favours those with few and large ones.",
    "Each simulation has the same examples, by default up to the first transfer of weights, which takes as long "
    "wherever tiles are; with transfers and refresh, changes are smaller.",
)


def document(data: Optimised) -> Document:
    """Return the report of a search: it depends on what optimise.json holds alone."""
    return Document(
        f"Floorplan and placement of {data.arch.name} for {data.workload.name}",
        (
            say("Searched for the least {title}: {simulations} of {examples} out of {points}.", kind="lead", brief=True,
                title=data.objective.title, simulations=counted(data.simulated, "simulation"),
                examples=counted(data.examples, "example"), points=counted(data.points, "point")),
        ),
        (
            Section("found", "What was found", tuple(_found(data))),
            Section("tried", "What was tried", tuple(_tried(data))),
            Section("rules", "How the search goes", (Points(tuple(map(say, RULES))),)),
        ),
        (
            Command(data.command),
            say("Spec {arch}; workload {workload}; archsim {version}; seed {seed}.", kind="note", arch=data.arch.hash,
                workload=data.workload.hash, version=data.version, seed=data.seed),
        ),
        stem="optimise",
    )  # fmt: skip


def _found(data: Optimised) -> Iterator[Block]:
    yield gain_table(data)
    if data.start == data.best:
        yield say("Nothing better than the spec as given was found.", brief=True)
    else:
        changes = (f"{title} {_change(before, after)}" for title, before, after, _ in _compared(data))
        before, after = (_where(data.numbered(number)) for number in (data.start, data.best))
        yield say("Change: {changes}.", brief=True, changes=", ".join(changes))
        yield say("Before: {before}. After: {after}.", brief=True, before=before, after=after)
        yield changes_table(data)
    yield say("The spec is `{file}`; in this folder `{run}` gives these figures.", brief=True, file=data.file,
              run=data.run)  # fmt: skip


def _tried(data: Optimised) -> Iterator[Block]:
    yield trajectory(data)
    yield best_table(data)
    yield Fold("All candidates, in the order in which they were tried", (candidates_table(data),))
    reasons: dict[str, list[Tried]] = {}
    for row in data.candidates:
        if isinstance(row, Refused):
            reasons.setdefault(row.refused, []).append(row)
    if reasons:
        yield say("These cannot be built or run:")
        yield Points(tuple(_refused(reason, rows) for reason, rows in reasons.items()))
    if data.left_out:
        yield say("Kinds of floorplan that were left out:")
        yield Points(tuple(say("{name}: {why}", name=row.kind, why=row.why) for row in data.left_out))


def _refused(reason: str, rows: Sequence[Tried]) -> Text:
    more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    return say("{where}{more}: {reason}", where=_where(rows[0]), more=more, reason=reason)


# ---- tables


def gain_table(data: Optimised) -> Table:
    """What the search was for and the metrics, before and after."""
    compared = _compared(data)
    columns = (Column(""), *(Column(title, unit) for title, *_, unit in compared))
    rows = (("before", *(before for _, before, _, _ in compared)), ("after", *(after for _, _, after, _ in compared)))
    return Table("gain", "Before and after", columns, rows, turned=True, brief=True)


def changes_table(data: Optimised) -> Table:
    """Which figures of the spec were changed; none where nothing better was found."""
    rows = tuple((row.key, row.before, row.after) for row in data.changes)
    return Table("changes", "Changes to the spec", tuple(map(Column, ("figure", "before", "after"))), rows)


def best_table(data: Optimised) -> Table:
    """The best candidates, the very best first."""
    start, named = data.numbered(data.start), data.numbered(data.best)
    others = sorted((row for row in data.done if row is not named),
                    key=lambda row: (row.value, row.time_per_example_s, row.number))  # fmt: skip
    shown: tuple[Shown, ...] = (("simulation", "", lambda row: row.number), *CHOICES)
    columns = (
        *(Column(heading) for heading, *_ in shown), *(Column(title, unit, alike=True) for title, unit, _ in METRICS),
        Column(f"change of {data.objective.title}", "%", 2),
    )  # fmt: skip
    rows = tuple(
        (*(of(row) for *_, of in (*shown, *METRICS)), _share(start.value, row.value))
        for row in (named, *others)[:BEST_SHOWN]
    )
    note = f"The spec as given is simulation {data.start}."
    return Table("best", f"The best {len(rows)}" if len(rows) > 1 else "The best", columns, rows, note)


def candidates_table(data: Optimised) -> Table:
    """Every candidate in the order in which it was tried, refused ones too."""
    unit = data.objective.unit
    shown: tuple[Shown, ...] = (
        ("number", "", lambda row: row.number), ("phase", "", lambda row: row.phase), *CHOICES,
        ("value", unit, lambda row: row.value), *((f"{title} {own.lower()}", own, of) for title, own, of in METRICS),
        ("best so far", unit, lambda row: row.best_so_far), ("refused", "", lambda row: row.refused),
        ("hash", "", lambda row: row.hash),
    )  # fmt: skip
    rows = tuple(tuple(of(row) for *_, of in shown) for row in data.candidates)
    return Table("candidates", "Candidates", tuple(Column(heading, own) for heading, own, _ in shown), rows)


# ---- the figure


def trajectory(data: Optimised) -> Plot:
    """Return the objective, over its value as given, by simulation, and the best so far as a line."""
    title, base = data.objective.title, data.numbered(data.start).value
    best = [(row.number, row.best_so_far / base) for row in data.done]
    steps = [best[0], *(corner for a, b in itertools.pairwise(best) for corner in ((b[0], a[1]), b))]

    def dot(row: Simulated) -> Dot:
        said = f"{engineering(row.value, data.objective.unit)}, {_change(base, row.value)}"
        return Dot(row.number, row.value / base, f"simulation {row.number}: {_where(row)}; {said}")

    series = [Series("best so far", "#7f8c8d", tuple(Dot(x, y, "", size=0.1) for x, y in steps), shown=False)]
    for tone, (phase, label) in zip(CYCLE, PHASES.items(), strict=False):
        own = tuple(dot(row) for row in data.done if row.phase == phase)
        series += [Series(label, tone, own, line=False)] if own else []
    x = linear("simulation", [0.0, max(2.0, *(row.number for row in data.done))], lambda at: f"{at:g}", room=0.03)
    y = axis(f"{title}, of its value as given", [row.value / base for row in data.done], "%")
    return Plot("trajectory", f"The search for the least {title}", "", x, y, tuple(series))


# ---- words


def _where(row: Tried) -> str:
    columns = f" of {counted(row.columns, 'column')}" if row.columns is not None else ""
    return f"{row.floorplan}{columns}, placement {row.placement}, topology {row.topology}"


def _compared(data: Optimised) -> list[tuple[str, float, float, str]]:
    """Return (what, before, after, unit) of all metrics and of what the search was for."""
    start, best, own = data.numbered(data.start), data.numbered(data.best), data.objective
    metrics = [(title, of(start), of(best), unit) for title, unit, of in METRICS]
    known = own.title in [title for title, *_ in METRICS]
    return metrics if known else [*metrics, (own.title, start.value, best.value, own.unit)]


def _share(before: float, after: float) -> float:
    """Return the relative change; what is less than 0.005 % is none."""
    return round(after / before - 1, 4) + 0.0 if before else 0.0


def _change(before: float, after: float) -> str:
    """Return by how much a figure changed.

    >>> _change(4.0, 3.0), _change(4.0, 4.0)
    ('-25.00 %', '0.00 %')
    """
    share = _share(before, after)
    return per_cent(share, 2, "+") if share else "0.00 %"


STUDY = registered(Study(Inputs, Optimised, "optimise.json", prepare, document, once=("optimise.svg",)))
