"""Published figures against simulated ones, over the chips whose specs carry any."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, Self, TypeAlias

from pydantic import TypeAdapter, model_validator

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.record import Number, Record
from archsim.base.shipped import builtin_names
from archsim.base.words import counted, per_cent
from archsim.chip.graph import build_chip
from archsim.report.document import Block, Document, Facts, Points, Section, say
from archsim.report.figure import Axis, Bar, Bars, Piece
from archsim.report.table import Column, Said, Table
from archsim.results.intervals import NUDGE, of_chip
from archsim.results.metric_words import metric_name, metric_text
from archsim.results.metrics import beside
from archsim.results.peak import chip_metrics
from archsim.spec.arch import ArchSpec
from archsim.spec.figure_ranges import SHARE, with_figures
from archsim.spec.figures import dimension_at, value_at
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.settings import COMMAND_LINE
from archsim.spec.values import Values
from archsim.studies.names import folder_of
from archsim.studies.study import Prepared, Progress, Study, given, registered, silent
from archsim.studies.tasks.bench import Compute, Spread, alone, bench, results
from archsim.studies.tasks.on_chip import Ran, RunTask
from archsim.workload import load_workload

EXACT = 0.01
"""How far an `input` figure, a line of the spec converted, may be from what is simulated: rounding to cycles."""
Runs: TypeAlias = Mapping[tuple[str, str, tuple[str, ...]], Ran]
"""A chip's runs by mode, workload and settings."""


Parts: TypeAlias = Literal["own", "estimates", "stand-ins"]
"""Of what a figure is made: the chip's own parts, estimated ones, or such as others published or we assume."""
OF_STATUS: Mapping[str, Parts] = {"estimated": "estimates", "stand-in": "stand-ins", "assumption": "stand-ins"}
"""By status of a figure in a spec; all others are of the chip itself."""
SIZES = frozenset({"J", "J/bit", "J/bit/m", "W", "m**2", "s", "s/m", "F", "F/m"})
"""Units of the figures of which metrics are made."""


@dataclass(frozen=True)
class Inputs(Spread):
    """Chips; if none is named, all built-in ones with published figures."""

    words = "published"
    archs: tuple[str, ...] = given("")


class Row(Record):
    """A published figure: `ratio` is simulated / published.

    `passed` says of a fit whether it is within its tolerance, of an input within 1 %; of others it is None.
    `interval` is that of the simulated figure, if a range moves it. `parts` says what most of it is made of, `design`
    that the chip was designed and not measured. `settings` are those with which it was measured and is simulated, `at`
    the same in short words.
    """

    arch: str
    metric: str
    published: float
    simulated: Number | None
    ratio: float | None
    kind: Literal["fit", "input", "shape", "predicted"]
    tolerance: float | None
    source: str
    mode: str
    workload: str
    passed: bool | None
    note: str
    interval: tuple[float, float] | None = None
    parts: Parts = "own"
    design: bool = False
    settings: tuple[str, ...] = ()
    at: str = ""

    @property
    def inside(self) -> bool | None:
        """Whether the published figure lies in the simulated one's interval; None without any."""
        return None if self.interval is None else self.interval[0] <= self.published <= self.interval[1]


class Comparison(Record):
    """What published.json holds: the rows, as a list alone."""

    rows: tuple[Row, ...]

    @model_validator(mode="before")
    @classmethod
    def _of_list(cls, data: Any) -> Any:
        return {"rows": data} if isinstance(data, list) else data

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what a file holds."""
        return cls(rows=TypeAdapter(tuple[Row, ...]).validate_json(text, strict=True))

    def plain(self) -> Any:
        """Return the list."""
        return super().plain()["rows"]

    @property
    def missed(self) -> list[Row]:
        """The figures that are fitted, or a line of the spec, and not met."""
        return [row for row in self.rows if row.passed is False]


def prepare(inputs: Inputs) -> Prepared[Comparison]:
    """Return the comparison to be made; raise SpecError with all that is wrong."""
    names = list(dict.fromkeys(inputs.archs))
    chips = [load_arch(name) for name in names or builtin_names("arch_specs")]
    chosen = [chip for chip in chips if chip.value.published or names]
    check_sources(chosen)

    def compute(progress: Progress, folder: Path) -> Comparison:
        with bench(inputs, folder) as tasks_done:
            return compare(chosen, progress, tasks_done)

    return Prepared(folder_of(["published", *names], ()), compute)


def compare(
    chips: Sequence[Loaded[ArchSpec]], progress: Progress = silent, compute: Compute = alone
) -> Comparison:  # fmt: skip
    """Return the published figures of chips beside the simulated ones."""
    keys = list(dict.fromkeys(
        (place, figure.mode, figure.workload, figure.settings) for place, chip in enumerate(chips)
        for figure in chip.value.published if figure.workload
    ))  # fmt: skip
    tasks = []
    for place, mode, name, settings in keys:
        workload = load_workload(name, [f"mode={mode}"])
        tasks.append(RunTask(chips[place].with_overrides(settings), workload, workload.value.examples))
    runs = dict(zip(keys, results(compute, tasks, progress), strict=True))
    rows: list[Row] = []
    for place, chip in enumerate(chips):
        rows += rows_of(chip, {(mode, name, set_): run for (of, mode, name, set_), run in runs.items() if of == place})
    return Comparison(rows=tuple(rows))


def check_sources(chips: Sequence[Loaded[ArchSpec]]) -> None:
    """Raise SpecError where a figure has no source, or a chip no figure."""
    problems = [
        Problem(f"{chip.path_label}: published[{i}]", "has no source", "say who published it, and where")
        for chip in chips for i in range(len(chip.value.published)) if not chip.figures[f"published[{i}].value"].source
    ]  # fmt: skip
    problems += [
        Problem(f"{chip.path_label}: published", "nothing is there to compare", "give a figure, or name another chip")
        for chip in chips if not chip.value.published
    ]  # fmt: skip
    if problems:
        raise SpecError(problems)


def rows_of(arch: Loaded[ArchSpec], runs: Runs) -> list[Row]:
    """Return a row for each published figure of a chip; raise SpecError where no metric has the name of one."""
    known: dict[object, dict[str, Any]] = {}
    sure: dict[object, Mapping[str, tuple[float, float]]] = {}
    chip = functools.cache(arch.with_overrides)
    made = functools.cache(lambda mode, settings, values: made_of(chip(settings), mode, values))
    rows = []
    for i, figure in enumerate(arch.value.published):
        key = (figure.mode, figure.workload, figure.settings, figure.values)
        if key not in known:
            ran, own = runs.get(key[:3]), chip(figure.settings)
            alone = chip_metrics(build_chip(own.value), figure.mode, figure.values)
            known[key] = {**alone, **({} if ran is None else ran.metrics)}
            sure[key] = {**_intervals(own, figure.mode, figure.values), **({} if ran is None else ran.intervals)}
        place = f"{arch.path_label}: published[{i}]"
        if figure.metric not in known[key]:
            hint = "name the workload on which it holds, or one of the chip's own: "
            where = Problem(f"{place}.metric", f"'{figure.metric}' is not a metric of a chip without a workload",
                            hint + nearest(figure.metric, known[key]))  # fmt: skip
            raise SpecError([where])
        row = beside(place, figure, known[key])
        written = arch.figures[f"published[{i}].value"]
        parts = made(figure.mode, figure.settings, figure.values)
        rows.append(Row(
            arch=arch.value.name, **row, source=written.source, mode=figure.mode, workload=figure.workload,
            passed=_passed(row), note=written.note,
            interval=None if figure.kind == "fit" else sure[key].get(figure.metric),
            parts=parts.get(figure.metric, parts[PEAK]), design=not arch.value.silicon, settings=figure.settings,
            at=figure.at,
        ))  # fmt: skip
    return rows


PEAK = "efficiency_peak_op_per_j"
"""What a sustained figure is made of is told by this one."""


def _intervals(arch: Loaded[ArchSpec], mode: str, values: Values | None) -> Mapping[str, tuple[float, float]]:
    found = of_chip(arch, lambda chip: chip_metrics(chip, mode, values))
    return {} if found is None else found.intervals


def made_of(arch: Loaded[ArchSpec], mode: str, values: Values | None = None) -> dict[str, Parts]:
    """Return by metric of a chip what parts make most of it: those whose figures move it most, changed all at once.

    What it is set to counts as its own.
    """
    groups: dict[Parts, dict[str, float]] = {"own": {}, "estimates": {}, "stand-ins": {}}
    for path, figure in arch.figures.items():
        mark, value = dimension_at(arch.value, path), value_at(arch.value, path)
        if mark is not None and mark.si in SIZES and value and not path.startswith("published"):
            status = "" if figure.source == COMMAND_LINE else figure.status  # set as published
            groups[OF_STATUS.get(status, "own")][path] = float(value) * NUDGE
    built = build_chip(arch.value)
    before = chip_metrics(built, mode, values)
    moved = {
        parts: chip_metrics(build_chip(with_figures(arch.value, own), like=built), mode, values)
        for parts, own in groups.items()
    }
    return {
        name: max(groups, key=lambda parts: abs(math.log(moved[parts][name] / value)))
        for name, value in before.items()
    }  # fmt: skip


def _passed(row: dict[str, Any]) -> bool | None:
    if row["kind"] in FORETOLD:
        return None
    allowed = EXACT if row["kind"] == "input" else row["tolerance"]
    return row["ratio"] is not None and abs(row["ratio"] - 1) <= allowed


# ---- the report


AIM = 0.2
"""How far off a prediction may be without a word; the band of the figure."""
NARROW = 4.0
"""An interval says something if its ends are no further apart than this factor."""
WORDS = {
    "efficiency_op_per_j": "sustained efficiency",
    "area_peak_m2": "area without the host port",
    "tile_area_m2": "area of a tile",
    "read_latency_s": "time of a read",
    "read_energy_j": "energy of a read",
    "read_back_latency_s": "time of a transposed read",
    "update_latency_s": "time of an update",
}
"""Names of metrics that do not follow from their keys."""
KINDS = {
    "fit": ("fitted to it", "#8e5ea2"),
    "input": ("a line of the spec, converted", "#7f8c8d"),
    "shape": ("only how it goes with a setting", "#d0743c"),
    "predicted": ("from its parts", "#1b6ca8"),
}
"""By kind: what it means, and its colour."""
FORETOLD = ("shape", "predicted")
"""Kinds of figures that may be off."""
LEAST_AXIS = 3.0
"""The axis of ratios reaches at least from 1 / 3 to 3."""
TICKS = (0.1, 0.2, 0.5, 0.8, 1, 1.2, 2, 5, 10)


def document(data: Comparison) -> Document:
    """Return the report of a comparison: it depends on what published.json holds alone."""
    rows, missed = data.rows, data.missed
    kinds = ", ".join(f"*{kind}*: {meaning}" for kind, (meaning, _) in KINDS.items())
    head: list[Block] = [
        say(f"Ratio is simulated over published. {kinds}. Bold: a prediction or a shape that is off by more "
            f"than {per_cent(AIM, 0)}, or a fit or an input that is not met.", brief=True)
    ]  # fmt: skip
    if missed:
        head.insert(0, say("**{n} FAILED:** {names}.", kind="failed", brief=True, n=counted(len(missed), "figure"),
                           names="; ".join(f"{row.arch}, {name_of(row)}" for row in missed)))  # fmt: skip
    head += _summary([row for row in rows if row.kind == "predicted"])
    shapes = [row for row in rows if row.kind == "shape"]
    if shapes:
        head.append(say(
            "Counted apart, as their parts were fitted to the same measurement or come from it at another setting, so "
            "that only their shape is predicted: {n}, of which {close} are within {aim}.",
            n=counted(len(shapes), "figure"), close=sum(not off(row) for row in shapes), aim=per_cent(AIM, 0),
            brief=True,
        ))  # fmt: skip
    told = tuple(
        say("{arch}, {name} (x {ratio}): {why}", arch=row.arch, name=name_of(row), ratio=_ratio(row),
            why=row.note or "no reason is given")
        for row in rows if off(row)
    )  # fmt: skip
    sections = [Section("ratios", "Figure by figure", (ratios_figure(rows), table(rows)))]
    sections += [Section("off", "Where predictions are off, and why", (Points(told),))] if told else []
    return Document("Published figures against simulated ones", tuple(head),
                    (*sections, Section("sources", "Sources", (_sources(rows),))), stem="published")  # fmt: skip


def _summary(rows: Sequence[Row]) -> list[Block]:
    """Return how good predictions are: each chip's share first, then their mean, so that no chip counts for more."""
    if not rows:
        return []
    chips = {row.arch: [own for own in rows if own.arch == row.arch] for row in rows}
    silicon = sum(not own[0].design for own in chips.values())
    own = [row for row in rows if row.parts == "own"]
    sure = [row for row in rows if row.inside is not None]
    alike = fmean(fmean(not off(row) for row in each) for each in chips.values())
    found: list[Block] = [say(
        "Of {n} of {chips}, {silicon} of them measured silicon, {close} are within {aim} ({alike} where each chip "
        "counts alike); of the {own} that the chip's own parts make, {own_close}{sure}.",
        n=counted(len(rows), "prediction"),
        chips=counted(len(chips), "chip"), silicon=silicon, close=sum(not off(row) for row in rows),
        aim=per_cent(AIM, 0), alike=per_cent(alike, 0), own=len(own), own_close=sum(not off(row) for row in own),
        sure=f" (95 %: {' to '.join(per_cent(end, 0) for end in wilson(sum(not off(row) for row in own), len(own)))})"
        if own else "",
        brief=True,
    )]  # fmt: skip
    if sure:
        inside = sum(row.inside is True for row in sure)
        low, high = wilson(inside, len(sure))
        narrow = sum(row.interval is not None and row.interval[1] <= NARROW * row.interval[0] for row in sure)
        found.append(say(
            "{inside} of the {n} with an interval ({held} of the draws) hold what was published; with so few that is "
            "{low} to {high}. {narrow} are no wider than a factor of {factor}.", inside=inside, n=len(sure),
            held=per_cent(SHARE, 0), low=per_cent(low, 0), high=per_cent(high, 0), narrow=narrow, factor=f"{NARROW:g}",
            brief=True,
        ))  # fmt: skip
    return found


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share that was hit so often (Wilson 1927).

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    share, more = hits / of, z**2 / of
    middle = (share + more / 2) / (1 + more)
    half = z / (1 + more) * math.sqrt(share * (1 - share) / of + more / (4 * of))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def name_of(row: Row) -> str:
    """Return a figure's name in words, what it is of where that is not the chip, and what that is set to."""
    name = WORDS.get(row.metric) or metric_name(row.metric)
    name += f" on {row.workload}" if row.workload else ""
    if row.at:
        return f"{name} at {row.at}"
    told = ", ".join(own.removeprefix("tile.").replace("=", " ", 1) for own in row.settings)
    return f"{name} ({told})" if told else name


def off(row: Row) -> bool:
    """Return whether a prediction is further from what was published than is aimed at."""
    return row.kind in FORETOLD and (row.ratio is None or abs(row.ratio - 1) > AIM)


def _ratio(row: Row) -> str:
    return "-" if row.ratio is None else f"{row.ratio:.3f}"


def _interval(row: Row, end: int) -> object:
    return None if row.interval is None else Said(row.interval[end], f"{row.interval[end] / row.published:.2f}")


def table(rows: Sequence[Row]) -> Table:
    """Every figure; its file holds SI values, and the source of each. Ends of intervals are shown as ratios."""
    cells = []
    for row in rows:
        verdict = ", FAILED" if row.passed is False else ", off" if off(row) else ""
        published, simulated = (Said(own, metric_text(own, row.metric)) for own in (row.published, row.simulated))
        cells.append((
            row.arch, Said(row.metric, name_of(row)), row.mode, row.workload, published, simulated,
            Said(row.ratio, _ratio(row)), Said(row.kind, row.kind + verdict), _interval(row, 0), _interval(row, 1),
            row.parts, row.tolerance, "; ".join(row.settings), row.source,
        ))  # fmt: skip
    heads = ("arch", "metric", "mode", "workload", "published", "simulated", "ratio", "kind", "low", "high", "parts",
             "tolerance", "settings", "source")  # fmt: skip
    hidden = ("mode", "workload", "tolerance", "settings", "source")
    marked = {(i, heads.index("ratio")) for i, row in enumerate(rows) if off(row) or row.passed is False}
    columns = tuple(Column(head, shown=head not in hidden) for head in heads)
    return Table("published", "Published and simulated", columns, tuple(cells), marked=marked, most=200, brief=True)


def _sources(rows: Sequence[Row]) -> Facts:
    """Return where each figure was published, chip by chip."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((row.arch, row.source), []).append(name_of(row))
    return Facts(tuple(
        (arch, say("{names}: {source}", names=", ".join(names), source=source))
        for (arch, source), names in found.items()
    ))  # fmt: skip


def ratios_figure(rows: Sequence[Row]) -> Bars:
    """Return the ratios as bars from 1, chip by chip, on a logarithmic axis with the band that is aimed at."""
    shown = [(row, row.ratio) for row in rows if row.ratio]
    bars = []
    for arch, own in itertools.groupby(shown, key=lambda pair: pair[0].arch):
        bars.append(Bar(arch, "", head=True))
        for row, ratio in own:
            meaning, tone = KINDS[row.kind]
            told = [metric_text(own, row.metric, 4) for own in (row.published, row.simulated)]
            tip = f"{arch}, {name_of(row)}: published {told[0]}, simulated {told[1]}, x {_ratio(row)}; {meaning}"
            piece = Piece(min(1.0, ratio), abs(ratio - 1), tone, tip)
            bars.append(Bar(name_of(row), f"x {_ratio(row)} {row.kind}{', off' if off(row) else ''}", (piece,)))
    most = max([LEAST_AXIS, *(max(ratio, 1 / ratio) * 1.1 for _, ratio in shown)])
    ticks = tuple((float(tick), f"{tick:g}") for tick in TICKS if 1 / most <= tick <= most)
    axis = Axis("simulated / published, logarithmic", 1 / most, most, ticks, log=True)
    legend = tuple((f"{kind}: {meaning}", tone) for kind, (meaning, tone) in KINDS.items())
    says = f"The band is within {per_cent(AIM, 0)}."
    return Bars("published", "Simulated over published", says, tuple(bars), axis, legend, zero=1.0,
                band=(1 - AIM, 1 + AIM))  # fmt: skip


STUDY = registered(Study(
    Inputs, Comparison, "published.json", prepare, document, lambda data: not data.missed,
    once=("published.csv", "published.svg"),
))  # fmt: skip
