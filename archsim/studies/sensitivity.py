"""Sensitivity: each assumption of a spec goes to the ends of its range, or is halved and doubled, a run for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from archsim.base.record import Named, Record
from archsim.base.words import agreeing, counted
from archsim.report.colours import COLOURS
from archsim.report.document import Block, Document, Fold, Points, Section, say
from archsim.report.figure import Bar, Bars, Piece, logarithmic
from archsim.report.table import Column, Table
from archsim.results.metric_words import metric_name, metric_text
from archsim.spec.arch import ArchSpec
from archsim.spec.figures import Figure
from archsim.spec.loading import Loaded
from archsim.studies.names import default_folder
from archsim.studies.study import Data, Pair, Prepared, Progress, Study, named, registered, signed, silent
from archsim.studies.tasks.bench import Compute, Spread, alone, bench, outcomes
from archsim.studies.tasks.on_chip import Headline, HeadlineTask
from archsim.workload.network import Workload

FACTORS = (("x 1/2", Fraction(1, 2)), ("x 2", Fraction(2)))
ENDS = ("low", "high")
"""What a figure becomes: times a factor, or an end of its range."""
SHOWN, WIDEST = 20, 4
"""So many figures are drawn for each metric, and so many are named for it above all."""
MOVED = 5e-4
"""A figure that moves a metric by no more, as a share, is left out of the report."""
LABELS = ("lowest or halved", "highest or doubled")
TONES = tuple(zip(LABELS, (COLOURS["forward"], COLOURS["convert"]), strict=True))
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)$", re.DOTALL)
Ratios: TypeAlias = tuple[str, float | None, float | None]
"""A figure; a metric over its value as given with the figure lower, and higher; None where that is refused."""


@dataclass(frozen=True)
class Inputs(Spread, Pair):
    """A chip, a workload, and how many examples of it are run, by default its whole training.

    The seed is that of every command; nothing here is drawn.
    """

    words = "sensitivity"
    examples: int | None = None
    seed: int = 0


class Effect(Record):
    """A figure at an end of its range, or times a factor: its value, and the metrics with it, or why it was refused."""

    figure: str
    given: str
    status: str
    factor: str
    value: str
    metrics: Mapping[str, float] | None
    refused: str | None


class Sensitivity(Data):
    """What sensitivity.json holds: the metrics with the figures as given, and with each lower and higher."""

    schema_id: Literal["archsim-sensitivity-1"] = signed("archsim-sensitivity-1")
    arch: Named
    workload: Named
    examples: int
    metrics: Mapping[str, float]
    effects: tuple[Effect, ...]


def prepare(inputs: Inputs) -> Prepared[Sensitivity]:
    """Return a study to be made; raise SpecError with all that is wrong."""
    chip, network = inputs.load()

    def compute(progress: Progress, folder: Path) -> Sensitivity:
        with bench(inputs, folder) as tasks_done:
            return sensitivity(chip, network, examples=inputs.examples, command=inputs.line, progress=progress,
                               compute=tasks_done)  # fmt: skip

    return Prepared(default_folder(chip, network, "sensitivity"), compute)


def scaled(text: str, factor: Fraction) -> str | None:
    """Return a figure's text times a factor, exactly; None for zero and for what is not a number.

    >>> scaled("64 ns", Fraction(1, 2)), scaled("15", Fraction(2)), scaled("0 J", Fraction(2))
    ('32 ns', '30', None)
    """
    match = _NUMBER.match(text)
    if match is None:
        return None
    number = Fraction(match[1]) * factor
    if not number:
        return None
    return f"{number.numerator if number.denominator == 1 else float(number)!s}{match[2].rstrip()}"


def sensitivity(
    arch: Loaded[ArchSpec],
    workload: Loaded[Workload],
    *,
    examples: int | None = None,
    command: str = "",
    progress: Progress = silent,
    compute: Compute = alone,
) -> Sensitivity:
    """Return the study of every figure of the arch spec that is an assumption or fitted, or has a range.

    `examples` is by default the whole training run. A value that is out of range, or with which the workload
    does not fit, is kept with the reason.
    """
    count = workload.value.examples if examples is None else examples
    figures = [
        (path, figure) for path, figure in arch.figures.items()
        if (figure.status in ("assumption", "fitted") or figure.range) and not path.startswith(("published", "scaling"))
    ]  # fmt: skip
    varied = [
        (path, figure, name, value) for path, figure in figures for name, value in _others(figure)
    ]  # fmt: skip
    tasks = [HeadlineTask(arch, workload, count)]
    tasks += [
        HeadlineTask(arch, workload, count, (f"{path}={_whole(figure.to_set, value)}",))
        for path, figure, _, value in varied
    ]
    base, *found = outcomes(compute, tasks, progress, needs_first=True)
    assert isinstance(base, Headline)
    effects = []
    for (path, figure, name, value), own in zip(varied, found, strict=True):
        effects.append(Effect(
            figure=path, given=figure.to_set, status=figure.status, factor=name, value=value,
            metrics=own.metrics if isinstance(own, Headline) else None,
            refused=None if isinstance(own, Headline) else str(own).splitlines()[0],
        ))  # fmt: skip
    return Sensitivity(command=command, arch=named(arch), workload=named(workload), examples=count,
                       metrics=base.metrics, effects=tuple(effects))  # fmt: skip


def _others(figure: Figure) -> list[tuple[str, str]]:
    """Return what a figure is set to, by name; of one that is zero and has no range nothing."""
    if figure.range:
        return list(zip(ENDS, figure.range, strict=True))
    return [(name, value) for name, factor in FACTORS if (value := scaled(figure.to_set, factor)) is not None]


def _higher(effect: Effect) -> bool:
    return effect.factor in (ENDS[1], FACTORS[1][0])


def _whole(given: str, value: str) -> str:
    """Return a halved odd count rounded up, so that a count stays a count."""
    if given.strip().isdigit() and not value.isdigit():
        return str(-(-int(given) // 2))
    return value


def ranked(data: Sensitivity, metric: str) -> list[Ratios]:
    """Return what each figure does to a metric, those first that move it most."""
    pairs: dict[str, list[float | None]] = {}
    for effect in data.effects:
        pair = pairs.setdefault(effect.figure, [None, None])
        if effect.metrics is not None:
            pair[_higher(effect)] = effect.metrics[metric] / data.metrics[metric]
    return sorted(((path, low, high) for path, (low, high) in pairs.items()), key=lambda row: (-_width(row), row[0]))


def moving(data: Sensitivity, metric: str) -> list[Ratios]:
    """Return the figures that move a metric, those first that move it most."""
    return [row for row in ranked(data, metric) if _width(row) > MOVED]


def _width(row: Ratios) -> float:
    return max(abs(ratio - 1) for ratio in (row[1], row[2], 1.0) if ratio is not None)


# ---- the report


def document(data: Sensitivity) -> Document:
    """Return the report of a study: it depends on what sensitivity.json holds alone."""
    count = len({effect.figure for effect in data.effects})
    refused = [effect for effect in data.effects if effect.refused]
    told: list[Block] = [
        say("Each figure that has a range goes to its ends in turn; other assumptions, and what was fitted, are halved "
            "and doubled ({count} in all), and {examples} {are} run again. A ratio is the metric over its value as "
            "given. Figures that are zero are not varied, nor are quoted and derived ones without a range.",
            count=count, examples=counted(data.examples, "example"),
            are=agreeing(data.examples, "is", "are")),
        say("As given: {metrics}.", brief=True, metrics=", ".join(
            f"{metric_name(metric)} {metric_text(value, metric)}" for metric, value in data.metrics.items()
        )),
        _widest(data),
    ]  # fmt: skip
    last: list[Section] = []
    if refused:
        told.append(say("{values} {were} refused; the end of the report says why.", brief=True,
                        values=counted(len(refused), "value"), were=agreeing(len(refused), "was", "were")))  # fmt: skip
        reasons = tuple(say("`{figure}` {factor} ({value}): {refused}", **effect.plain()) for effect in refused)
        last.append(Section("refused", "Refused", (
            say("These values make the chip impossible for the workload:"), Points(reasons)
        )))  # fmt: skip
    return Document(
        f"Sensitivity: {data.arch.name} x {data.workload.name}",
        tuple(told),
        (*(_of(data, metric) for metric in data.metrics), *last),
        data.ends(data.arch, data.workload),
        stem="sensitivity",
    )  # fmt: skip


def _widest(data: Sensitivity) -> Table:
    """The figures that move each metric most."""
    rows = [
        (metric_name(metric), *row) for metric in data.metrics for row in moving(data, metric)[:WIDEST]
    ]  # fmt: skip
    columns = tuple(map(Column, ("metric", "figure", *(f"{label}: x" for label in LABELS))))
    return Table("widest", "What moves each metric most", columns, tuple(rows), brief=True, most=len(rows) or 1)


def _of(data: Sensitivity, metric: str) -> Section:
    """Return one metric's tornado, with its table under it."""
    shown = moving(data, metric)[:SHOWN]
    title = f"{metric_name(metric).capitalize()}: {metric_text(data.metrics[metric], metric)}"
    given = {effect.figure: effect for effect in data.effects}
    rows = {row[0]: (row[0], given[row[0]].given, given[row[0]].status, *row[1:]) for row in ranked(data, metric)}
    columns = tuple(map(Column, ("figure", "value", "status", *(f"{label}: x" for label in LABELS))))
    every = Table(metric, title, columns, tuple(rows.values()), "Without a ratio, the value was refused.",
                  shown=tuple(rows[path] for path, *_ in shown))  # fmt: skip
    if not shown:
        return Section(metric, title, (say("No assumption moves it by more than 0.05 %."), every))
    more = f"All {counted(len(rows), 'figure')} are in tables/{metric}.csv."
    return Section(metric, title, (
        tornado(data, metric), Fold("As a table", (every, say("{more}", kind="note", more=more)))
    ))  # fmt: skip


def tornado(data: Sensitivity, metric: str) -> Bars:
    """Return what moves a metric as bars from its value as given: above, the figure lower; below, higher."""
    rows = moving(data, metric)[:SHOWN]
    values = {(effect.figure, _higher(effect)): effect for effect in data.effects}
    bars = []
    for path, *ratios in rows:
        pieces = []
        for place, ((_, tone), ratio) in enumerate(zip(TONES, ratios, strict=True)):
            if ratio is not None:
                tip = f"{path} = {values[path, bool(place)].value}: x {ratio:.3f}"
                pieces.append(Piece(min(1.0, ratio), abs(ratio - 1), tone, tip, (place, len(TONES))))
        text = ", ".join("refused" if ratio is None else f"x {ratio:.3f}" for ratio in ratios)
        given = next(effect.given for effect in data.effects if effect.figure == path)
        bars.append(Bar(f"{path} = {given}", text, tuple(pieces)))
    known = [ratio for _, *ratios in rows for ratio in ratios if ratio is not None]
    axis = logarithmic("", [*known, 0.95, 1.05], lambda value: f"x {value:g}", room=0.03)
    title = f"{metric_name(metric).capitalize()} over its value as given"
    return Bars(metric, title, "The axis is logarithmic.", tuple(bars), axis, TONES, zero=1.0)


STUDY = registered(Study(Inputs, Sensitivity, "sensitivity.json", prepare, document))
