"""The report of runs side by side as a document: a column for each run, with ratios to the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from archsim.base.units import engineering, si_of_metric
from archsim.base.words import agreeing, counted
from archsim.report.document import Block, Command, Document, Fold, Section, say
from archsim.report.figure import Bars, Plot
from archsim.report.table import MOST_ROWS, Column, Table, words
from archsim.results.metric_words import metric_text
from archsim.studies.common_draws import told
from archsim.studies.run import headline
from archsim.studies.runs import figures
from archsim.studies.runs.data import OneRun, Runs
from archsim.studies.runs.figures import PARTS
from archsim.studies.train.measures import ACCURACY, R2

HEADLINE = (
    *(name for own in headline.HEADLINE for name in (own.metric, own.bound, own.peak) if name),
    "tiles_used", "transfer_time_share", "refresh_time_share", "dwell_time_mean_s", "dwell_time_max_s",
    "pcm_writes_per_cell_max",
)  # fmt: skip
"""The metrics that are shown first; all of them stand below."""
MOST_COLUMNS = 4
"""So many runs fit beside each other on a terminal."""
ABOUT: dict[str, Callable[[OneRun], str]] = {
    "arch": lambda run: f"{run.arch.name} {run.arch.hash}",
    "workload": lambda run: f"{run.workload.name} {run.workload.hash}",
    "examples": lambda run: f"{run.examples:,}",
    "seed": lambda run: str(run.seed),
    "version": lambda run: run.version,
    "activity": lambda run: run.activity or "-",
    "audits": lambda run: f"FAILED: {'; '.join(run.audits_failed)}" if run.audits_failed else "passed",
    "command": lambda run: run.command,
}


def document(data: Runs) -> Document:
    """Return the report of runs side by side: it depends on what runs.json holds alone."""
    runs = data.runs
    sections = (
        Section("headline", "Headline figures", _headline(data)),
        Section("differences", "What differs between the specs", _differences(data)),
        _part("time", "Time per example", (figures.time(data), _breakdown(
            "time", "Time per example", runs, lambda run: dict(run.time_per_example_parts_s), "s",
            lambda part: PARTS[part][0], "The parts are differences between runs, and may be negative.", PARTS,
        ))),
        _part("energy", "Energy per example", (
            figures.energy(data),
            _breakdown("energy", "Energy per example by component", runs,
                       lambda run: run.energy_per_example_j.component, "J"),
            _breakdown("energy_phase", "Energy per example by phase", runs,
                       lambda run: run.energy_per_example_j.phase, "J"),
        )),
        _part("area", "Area", (
            figures.area(data), _breakdown("area", "Area by component", runs, lambda run: run.area_m2, "m2"),
        )),
        _part("stalls", "What used tiles do", (
            figures.stalls(data),
            _breakdown("stalls", "What used tiles do", runs, lambda run: run.stalls_shares, "%"),
        )),
        _part("links", "Links", (
            figures.links(data),
            _breakdown("links", "Load of links", runs,
                       lambda run: {link.name: link.utilisation for link in run.links}, "%", str,
                       "Share of all cycles for which a link is held; only links that were used."),
            _breakdown("links_wait", "Waiting for links", runs,
                       lambda run: {link.name: link.wait_cycles_per_example for link in run.links}, "cycles",
                       str, "Cycles per example that messages waited for a link; several wait at once, so that these "
                       "add up to more than the time lost."),
        )),
        Section("runs", "How each run was made", (_about(data),)),
    )  # fmt: skip
    foot = (
        Command(data.command),
        say("archsim {version}. Nothing was simulated anew: all of it is what the runs' reports hold.", kind="note",
            version=data.version),
    )  # fmt: skip
    return Document(f"{counted(len(runs), 'run')} side by side", _head(data), sections, foot, stem="runs")


def _part(name: str, title: str, blocks: Iterable[Bars | Plot | Table | None]) -> Section:
    return Section(name, title, tuple(block for block in blocks if block is not None))


def _head(data: Runs) -> tuple[Block, ...]:
    """Return the audits that failed, and the runs, a row for each."""
    runs = data.runs
    failed = [
        say("**Audits of {run} FAILED:** {names}.", kind="failed", brief=True, run=run.name,
            names="; ".join(run.audits_failed))
        for run in runs if run.audits_failed
    ]  # fmt: skip
    texts = [say("Ratios are to the first run.")]
    if len({run.workload.hash for run in runs}) > 1:
        what = "The runs train different workloads: what is per example does not compare like with like."
        texts.append(say(what, kind="warning", brief=True))
    rows = []
    for run in runs:
        pairs = [(run.metrics.get(key), runs[0].metrics.get(key))
                 for key in ("time_per_example_s", "energy_per_example_j")]  # fmt: skip
        times = [cell for value, base in pairs for cell in (value, _share(value, base))]
        rows.append((run.name, run.arch.name, run.workload.name, *times, run.metrics.get("area_m2")))
    columns = (Column("run"), Column("chip"), Column("workload"), Column("time per example", "s"), Column("ratio"),
               Column("energy per example", "J"), Column("ratio"), Column("die", "m2"))  # fmt: skip
    return (*failed, *texts, Table("overview", "The runs", columns, tuple(rows), most=len(rows), brief=True))


def _columns(data: Runs, first: str) -> tuple[Column, ...]:
    return (Column(first), *(Column(run.name) for run in data.runs))


def _share(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _beside(values: Sequence[float | None], text: Callable[[float | None], str]) -> list[str]:
    """Return a text for each value, all but the first with its ratio to the first."""
    found = []
    for place, value in enumerate(values):
        ratio = _share(value, values[0]) if place else None
        found.append(text(value) + ("" if ratio is None else f" (x {ratio:.4g})"))
    return found


def _headline(data: Runs) -> tuple[Block, ...]:
    runs = data.runs
    rows = [(_label(name), *_beside([run.metrics.get(name) for run in runs], _text_of(name))) for name in HEADLINE]
    judged = [{
        (ACCURACY, "chip"): run.accuracy_chip, (ACCURACY, "float"): run.accuracy_float,
        (R2, "chip"): run.r2_chip, (R2, "float"): run.r2_float,
    } for run in runs]  # fmt: skip
    for what in (ACCURACY, R2):
        text = _percent if what is ACCURACY else what.text
        for where, side in (("chip", "on the chip"), ("float", "in floating point")):
            values = [own[what, where] for own in judged]
            if any(value is not None for value in values):
                rows.append((f"{what.name} {side}", *_beside(values, text)))
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    every = [
        (name, si_of_metric(name).replace("m**2", "m2"), *(run.metrics.get(name) for run in runs)) for name in names
    ]
    columns = (Column("metric"), Column("unit"), *map(Column, (run.name for run in runs)))
    return (
        Table("headline", "Headline figures", _columns(data, "figure"), tuple(rows), brief=len(runs) <= MOST_COLUMNS),
        *told(data.ratios, runs[0].name),
        Fold("All metrics, in SI units", (Table("metrics", "All metrics", columns, tuple(every), most=len(every)),)),
    )


def _text_of(metric: str) -> Callable[[float | None], str]:
    """Return how values of a metric are written."""
    if metric.endswith(("_share", "_utilisation")):
        return _percent
    return lambda value: metric_text(value, metric)


def _label(metric: str) -> str:
    for tail in ("_op_per_s_m2", "_op_per_s", "_op_per_j", "_m2", "_s", "_j", "_w"):
        if metric.endswith(tail):
            return words(metric.removesuffix(tail))
    return words(metric)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.4g} %"


def _differences(data: Runs) -> tuple[Block, ...]:
    rows = tuple((row.figure, *row.texts) for row in data.differences)
    text = say("{figures} of the specs {differ}.", brief=True, figures=counted(len(rows), "figure"),
               differ=agreeing(len(rows), "differs", "differ"))  # fmt: skip
    table = Table("differences", "What differs between the specs", _columns(data, "figure"), rows, most=len(rows))
    return (text if rows else say("The specs are the same.", brief=True), table)


def _about(data: Runs) -> Table:
    rows = tuple((head, *map(told, data.runs)) for head, told in ABOUT.items())
    return Table("runs", "How each run was made", _columns(data, "of the run"), rows)


def _breakdown(
    name: str,
    title: str,
    runs: Sequence[OneRun],
    pick: Callable[[OneRun], Mapping[str, float | None]],
    unit: str,
    said: Callable[[str], str] = words,
    note: str = "",
    order: Iterable[str] = (),
) -> Table:
    """Return the parts of something by run, in an order or the largest in any run first, and what they add up to.

    It shows them with their ratios to the first run. Shares ("%") are not added up: those of links are of different
    wholes.
    """
    picked = [pick(run) for run in runs]
    parts = dict.fromkeys(part for own in picked for part in own)
    ranked = list(order) or sorted(parts, key=lambda part: (-max(own.get(part) or 0.0 for own in picked), part))
    rows: list[tuple[Any, ...]] = [(said(part), *(own.get(part) for own in picked)) for part in ranked
                                   if any(own.get(part) for own in picked)]  # fmt: skip
    total = [("total", *(sum(value or 0.0 for value in own.values()) for own in picked))] if unit != "%" else []
    columns = (Column(title.split(" by ")[-1] if " by " in title else "part"),
               *(Column(run.name, "" if unit == "%" else unit) for run in runs))  # fmt: skip
    text = _TEXTS.get(unit, lambda value: engineering(value, unit))
    shown = tuple((row[0], *_beside(row[1:], text)) for row in (*rows[:MOST_ROWS], *total))
    if len(rows) > MOST_ROWS:
        note = f"{note} The first {MOST_ROWS} of {counted(len(rows), 'part')}; tables/{name}.csv has all.".strip()
    return Table(name, title, columns, (*rows, *total), note, shown=shown)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"


_TEXTS: Mapping[str, Callable[[float | None], str]] = {"%": _percent, "cycles": _number}
"""How values in units are written that are no SI units."""
