"""Sensitivity: each assumption of a spec is halved and doubled in turn, and the run is made again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.errors import ArchsimError
from archsim.base.words import agreeing, counted
from archsim.report.colours import COLOURS
from archsim.report.document import Block, Command, Document, Fold, Points, Section, say
from archsim.report.figure import Bar, Bars, Piece, logarithmic
from archsim.report.folder import check_folder
from archsim.report.table import Column, Table, metric_name, metric_text
from archsim.results.evaluate import headline_metrics
from archsim.results.metrics import package_version
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch, split_overrides
from archsim.studies.study import Study, default_folder, registered
from archsim.workload import load_workload
from archsim.workload.network import Workload

SCHEMA, NAME = "archsim-sensitivity-1", "sensitivity.json"
OWNED = (NAME, "sensitivity.html", "sensitivity.md", "figures", "tables")
"""What the study writes; anything else in its folder is kept."""
FACTORS = (("x 1/2", Fraction(1, 2)), ("x 2", Fraction(2)))
SHOWN, WIDEST = 20, 4
"""So many figures are drawn for each metric, and so many are named for it above all."""
MOVED = 5e-4
"""A figure that moves a metric by no more, as a share, is left out of the report."""
TONES = (("halved", COLOURS["forward"]), ("doubled", COLOURS["convert"]))
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)$", re.DOTALL)
Data: TypeAlias = Mapping[str, Any]
Ratios: TypeAlias = tuple[str, float | None, float | None]
"""A figure; a metric over its value as given with the figure halved, and doubled; None where that is refused."""


def execute_sensitivity(
    arch: str,
    workload: str,
    *,
    sets: Sequence[str] = (),
    examples: int | None = None,
    out: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Any], Document, Path]:
    """Return a study, as its file holds it and as its report shows it, and the report's folder.

    Raises SpecError with all that is wrong, and InfeasibleError where the workload does not fit as it is given.
    """
    mine, theirs = split_overrides(sets)
    chip, network = load_arch(arch, mine), load_workload(workload, theirs)
    line = ["archsim", "sensitivity", arch, workload, *(word for given in sets for word in ("--set", given))]
    line += ["--examples", str(examples)] if examples else []
    folder = out or default_folder(chip, network, "sensitivity")
    check_folder(folder)
    data = sensitivity(chip, network, examples=examples, command=shlex.join(line), progress=progress)
    return data, *STUDY.write(data, folder)


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
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Return the study of every figure of the arch spec that is an assumption or fitted, as its file holds it.

    `examples` is by default the whole training run. A value that is out of range, or with which the workload
    does not fit, is kept with the reason.
    """
    count = workload.value.examples if examples is None else examples
    base = headline_metrics(arch.value, workload.value, count)
    figures = [
        (path, figure) for path, figure in arch.figures.items()
        if figure.status in ("assumption", "fitted") and not path.startswith(("published", "scaling"))
    ]  # fmt: skip
    effects = []
    for number, (path, figure) in enumerate(figures):
        for name, factor in FACTORS:
            value = scaled(figure.to_set, factor)
            if value is None:
                continue
            metrics: dict[str, float] | None = None
            refused: str | None = None
            try:
                changed = arch.with_overrides([f"{path}={_whole(figure.to_set, value)}"]).value
                metrics = headline_metrics(changed, workload.value, count)
            except ArchsimError as error:
                refused = str(error).splitlines()[0]
            effects.append({"figure": path, "given": figure.to_set, "status": figure.status, "factor": name,
                            "value": value, "metrics": metrics, "refused": refused})  # fmt: skip
        if progress is not None:
            progress(number + 1, len(figures))
    return {
        "schema": SCHEMA,
        "arch": {"name": arch.value.name, "hash": arch.hash},
        "workload": {"name": workload.value.name, "hash": workload.hash},
        "version": package_version(),
        "command": command,
        "examples": count,
        "metrics": base,
        "effects": effects,
    }


def _whole(given: str, value: str) -> str:
    """Return a halved odd count rounded up, so that a count stays a count."""
    if given.strip().isdigit() and not value.isdigit():
        return str(-(-int(given) // 2))
    return value


def ranked(data: Data, metric: str) -> list[Ratios]:
    """Return what each figure does to a metric, those first that move it most."""
    pairs: dict[str, list[float | None]] = {}
    for effect in data["effects"]:
        pair = pairs.setdefault(effect["figure"], [None, None])
        if effect["metrics"] is not None:
            pair[effect["factor"] == "x 2"] = effect["metrics"][metric] / data["metrics"][metric]
    return sorted(((path, low, high) for path, (low, high) in pairs.items()), key=lambda row: (-_width(row), row[0]))


def moving(data: Data, metric: str) -> list[Ratios]:
    """Return the figures that move a metric, those first that move it most."""
    return [row for row in ranked(data, metric) if _width(row) > MOVED]


def _width(row: Ratios) -> float:
    return max(abs(ratio - 1) for ratio in (row[1], row[2], 1.0) if ratio is not None)


# ---- the report


def document(data: Data) -> Document:
    """Return the report of a study: it depends on what sensitivity.json holds alone."""
    count = len({effect["figure"] for effect in data["effects"]})
    refused = [effect for effect in data["effects"] if effect["refused"]]
    told: list[Block] = [
        say("Each figure that is an assumption or fitted ({count} of them) is halved and doubled in turn, and "
            "{examples} {are} run again. A ratio is the metric over its value as given. Figures that are zero are not "
            "varied, nor are quoted and derived ones.", count=count, examples=counted(data["examples"], "example"),
            are=agreeing(data["examples"], "is", "are")),
        say("As given: {metrics}.", brief=True, metrics=", ".join(
            f"{metric_name(metric)} {metric_text(value, metric)}" for metric, value in data["metrics"].items()
        )),
        _widest(data),
    ]  # fmt: skip
    last: list[Section] = []
    if refused:
        told.append(say("{values} {were} refused; the last section says why.", brief=True,
                        values=counted(len(refused), "value"), were=agreeing(len(refused), "was", "were")))  # fmt: skip
        reasons = tuple(say("`{figure}` {factor} ({value}): {refused}", **effect) for effect in refused)
        last.append(Section("refused", "Refused", (
            say("These values make the chip impossible for the workload:"), Points(reasons)
        )))  # fmt: skip
    return Document(
        f"Sensitivity: {data['arch']['name']} x {data['workload']['name']}",
        tuple(told),
        (*(_of(data, metric) for metric in data["metrics"]), *last),
        (
            Command(data["command"]),
            say("Spec {arch}; workload {workload}; archsim {version}.", kind="note", arch=data["arch"]["hash"],
                workload=data["workload"]["hash"], version=data["version"]),
        ),
        stem="sensitivity",
    )  # fmt: skip


def _widest(data: Data) -> Table:
    """The figures that move each metric most."""
    rows = [
        (metric_name(metric), *row) for metric in data["metrics"] for row in moving(data, metric)[:WIDEST]
    ]  # fmt: skip
    columns = tuple(map(Column, ("metric", "figure", "halved: x", "doubled: x")))
    return Table("widest", "What moves each metric most", columns, tuple(rows), brief=True, most=len(rows) or 1)


def _of(data: Data, metric: str) -> Section:
    """Return one metric's tornado, with its table under it."""
    shown = moving(data, metric)[:SHOWN]
    title = f"{metric_name(metric).capitalize()}: {metric_text(data['metrics'][metric], metric)}"
    given = {effect["figure"]: effect for effect in data["effects"]}
    rows = {row[0]: (row[0], given[row[0]]["given"], given[row[0]]["status"], *row[1:]) for row in ranked(data, metric)}
    columns = tuple(map(Column, ("figure", "value", "status", "halved: x", "doubled: x")))
    every = Table(metric, title, columns, tuple(rows.values()), "Without a ratio, the value was refused.",
                  shown=tuple(rows[path] for path, *_ in shown))  # fmt: skip
    if not shown:
        return Section(metric, title, (say("No assumption moves it by more than 0.05 %."), every))
    more = f"All {counted(len(rows), 'figure')} are in tables/{metric}.csv."
    return Section(metric, title, (
        tornado(data, metric), Fold("As a table", (every, say("{more}", kind="note", more=more)))
    ))  # fmt: skip


def tornado(data: Data, metric: str) -> Bars:
    """Return what moves a metric as bars from its value as given: above, the figure halved; below, doubled."""
    rows = moving(data, metric)[:SHOWN]
    values = {(effect["figure"], effect["factor"]): effect for effect in data["effects"]}
    bars = []
    for path, *ratios in rows:
        pieces = []
        for place, ((factor, _), (label, tone), ratio) in enumerate(zip(FACTORS, TONES, ratios, strict=True)):
            if ratio is not None:
                tip = f"{path} {label}, {values[path, factor]['value']}: x {ratio:.3f}"
                pieces.append(Piece(min(1.0, ratio), abs(ratio - 1), tone, tip, (place, len(FACTORS))))
        text = ", ".join("refused" if ratio is None else f"x {ratio:.3f}" for ratio in ratios)
        given = next(effect["given"] for effect in data["effects"] if effect["figure"] == path)
        bars.append(Bar(f"{path} = {given}", text, tuple(pieces)))
    known = [ratio for _, *ratios in rows for ratio in ratios if ratio is not None]
    axis = logarithmic("", [*known, 0.95, 1.05], lambda value: f"x {value:g}", room=0.03)
    title = f"{metric_name(metric).capitalize()} over its value as given"
    return Bars(metric, title, "The axis is logarithmic.", tuple(bars), axis, TONES, zero=1.0)


STUDY = registered(Study(NAME, SCHEMA, "sensitivity", document, OWNED))
