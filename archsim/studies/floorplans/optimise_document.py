"""The report of a search for a better floorplan: what was tried, what was found, and by how much it is better."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.report.colours import CYCLE
from archsim.report.document import Block, Command, Document, Fold, Points, Section, Text, say
from archsim.report.figure import Dot, Plot, Series, axis, linear
from archsim.report.table import Column, Table

Data: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]
BEST_SHOWN = 10
PHASES = {
    "start": "as given", "coarse": "by the guess", "local": "one choice from the best", "random": "at random",
}  # fmt: skip
METRICS = (
    ("time per example", "time_per_example_s", "s"),
    ("energy per example", "energy_per_example_j", "J"),
    ("area", "area_m2", "m2"),
)
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


def document(data: Data) -> Document:
    """Return the report of a search: it depends on what optimise.json holds alone."""
    return Document(
        f"Floorplan and placement of {data['arch']['name']} for {data['workload']['name']}",
        (
            say("Searched for the least {title}: {simulations} of {examples} out of {points}.", kind="lead", brief=True,
                title=data["objective"]["title"], simulations=counted(data["simulated"], "simulation"),
                examples=counted(data["examples"], "example"), points=counted(data["points"], "point")),
        ),
        (
            Section("found", "What was found", tuple(_found(data))),
            Section("tried", "What was tried", tuple(_tried(data))),
            Section("rules", "How the search goes", (Points(tuple(map(say, RULES))),)),
        ),
        (
            Command(data["command"]),
            say("Spec {arch}; workload {workload}; archsim {version}; seed {seed}.", kind="note",
                arch=data["arch"]["hash"], workload=data["workload"]["hash"], version=data["version"],
                seed=data["seed"]),
        ),
        stem="optimise",
    )  # fmt: skip


def _found(data: Data) -> Iterator[Block]:
    start, best = _numbered(data, data["start"]), _numbered(data, data["best"])
    yield gain_table(data)
    if start is best:
        yield say("Nothing better than the spec as given was found.", brief=True)
    else:
        changes = (f"{title} {_change(before, after)}" for title, before, after, _ in _compared(data))
        yield say("Change: {changes}.", brief=True, changes=", ".join(changes))
        yield say("Before: {before}. After: {after}.", brief=True, before=_where(start), after=_where(best))
        yield changes_table(data)
    yield say("The spec is `{file}`; in this folder the following command gives these figures.", brief=True,
              file=data["file"])  # fmt: skip
    yield Command(data["run"])


def _tried(data: Data) -> Iterator[Block]:
    yield trajectory(data)
    yield best_table(data)
    yield Fold("All candidates, in the order in which they were tried", (candidates_table(data),))
    reasons: dict[str, list[Row]] = {}
    for row in data["candidates"]:
        if row["refused"] is not None:
            reasons.setdefault(row["refused"], []).append(row)
    if reasons:
        yield say("These cannot be built or run:")
        yield Points(tuple(_refused(reason, rows) for reason, rows in reasons.items()))
    if data["left_out"]:
        yield say("Kinds of floorplan that were left out:")
        yield Points(tuple(say("{name}: {why}", name=row["kind"], why=row["why"]) for row in data["left_out"]))


def _refused(reason: str, rows: Sequence[Row]) -> Text:
    more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    return say("{where}{more}: {reason}", where=_where(rows[0]), more=more, reason=reason)


# ---- tables


def gain_table(data: Data) -> Table:
    """What the search was for and the metrics, before and after."""
    compared = _compared(data)
    columns = (Column(""), *(Column(title, unit) for title, *_, unit in compared))
    rows = (("before", *(before for _, before, _, _ in compared)), ("after", *(after for _, _, after, _ in compared)))
    return Table("gain", "Before and after", columns, rows, turned=True, brief=True)


def changes_table(data: Data) -> Table:
    """Which figures of the spec were changed; none where nothing better was found."""
    rows = tuple((row["key"], row["before"], row["after"]) for row in data["changes"])
    return Table("changes", "Changes to the spec", tuple(map(Column, ("figure", "before", "after"))), rows)


def best_table(data: Data) -> Table:
    """The best candidates, the very best first."""
    start, named = _numbered(data, data["start"]), _numbered(data, data["best"])
    done = [row for row in data["candidates"] if row["value"] is not None and row is not named]
    ranked = [named, *sorted(done, key=lambda row: (row["value"], row["time_per_example_s"], row["number"]))]
    rows = tuple(
        (
            row["number"], row["floorplan"], row["columns"], row["placement"], row["topology"],
            *(row[key] for _, key, _ in METRICS), _share(start["value"], row["value"]),
        )
        for row in ranked[:BEST_SHOWN]
    )  # fmt: skip
    columns = (
        *map(Column, ("simulation", "floorplan", "columns", "placement", "topology")),
        *(Column(title, unit, alike=True) for title, _, unit in METRICS),
        Column(f"change of {data['objective']['title']}", "%", 2),
    )
    note = f"The spec as given is simulation {data['start']}."
    return Table("best", f"The best {len(rows)}" if len(rows) > 1 else "The best", columns, rows, note)


def candidates_table(data: Data) -> Table:
    """Every candidate in the order in which it was tried, refused ones too."""
    keys = ("number", "phase", "floorplan", "columns", "placement", "topology", "value", "time_per_example_s",
            "energy_per_example_j", "area_m2", "best_so_far", "refused", "hash")  # fmt: skip
    unit = data["objective"]["unit"]
    units = {"value": unit, "best_so_far": unit, **{key: own for _, key, own in METRICS}}
    columns = tuple(Column(key.replace("_", " "), units.get(key, "")) for key in keys)
    rows = tuple(tuple(row[key] for key in keys) for row in data["candidates"])
    return Table("candidates", "Candidates", columns, rows)


# ---- the figure


def trajectory(data: Data) -> Plot:
    """Return the objective, over its value as given, by simulation, and the best so far as a line."""
    rows = [row for row in data["candidates"] if row["value"] is not None]
    title, unit = data["objective"]["title"], data["objective"]["unit"]
    base = _numbered(data, data["start"])["value"]
    best = [(row["number"], row["best_so_far"] / base) for row in rows]
    steps = [best[0], *(corner for a, b in itertools.pairwise(best) for corner in ((b[0], a[1]), b))]

    def dot(row: Row) -> Dot:
        said = f"{engineering(row['value'], unit)}, {_change(base, row['value'])}"
        return Dot(row["number"], row["value"] / base, f"simulation {row['number']}: {_where(row)}; {said}")

    series = [Series("best so far", "#7f8c8d", tuple(Dot(x, y, "", size=0.1) for x, y in steps), shown=False)]
    for tone, (phase, label) in zip(CYCLE, PHASES.items(), strict=False):
        own = tuple(dot(row) for row in rows if row["phase"] == phase)
        series += [Series(label, tone, own, line=False)] if own else []
    x = linear("simulation", [0.0, max(2.0, *(row["number"] for row in rows))], lambda at: f"{at:g}", room=0.03)
    y = axis(f"{title}, of its value as given", [row["value"] / base for row in rows], "%")
    return Plot("trajectory", f"The search for the least {title}", "", x, y, tuple(series))


# ---- words


def _numbered(data: Data, number: int) -> Row:
    return next(row for row in data["candidates"] if row["number"] == number)


def _where(row: Row) -> str:
    columns = f" of {counted(row['columns'], 'column')}" if row["columns"] is not None else ""
    return f"{row['floorplan']}{columns}, placement {row['placement']}, topology {row['topology']}"


def _compared(data: Data) -> list[tuple[str, float, float, str]]:
    """Return (what, before, after, unit) of all metrics and of what the search was for."""
    start, best = _numbered(data, data["start"]), _numbered(data, data["best"])
    metrics = [(title, start[key], best[key], unit) for title, key, unit in METRICS]
    own = data["objective"]
    if own["title"] not in [title for title, *_ in metrics]:
        metrics.append((own["title"], start["value"], best["value"], own["unit"]))
    return metrics


def _share(before: float, after: float) -> float:
    """Return the relative change; what is less than 0.005 % is none."""
    return round(after / before - 1, 4) + 0.0 if before else 0.0


def _change(before: float, after: float) -> str:
    """Return by how much a figure changed.

    >>> _change(4.0, 3.0), _change(4.0, 4.0)
    ('-25.00 %', '0.00 %')
    """
    share = _share(before, after)
    return f"{share:+.2%}".replace("%", " %") if share else "0.00 %"
