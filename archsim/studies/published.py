"""Published figures against simulated ones, over the chips whose specs carry any."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.base.errors import Problem, SpecError, nearest
from archsim.chip.graph import Chip, build_chip
from archsim.report.drawing import draw
from archsim.report.folder import check_folder, write_folder
from archsim.report.table import Column, Table, metric_text
from archsim.results.evaluate import evaluate
from archsim.results.metrics import beside
from archsim.results.peak import chip_metrics
from archsim.spec.arch import ArchSpec, Published
from archsim.spec.loading import Loaded, builtin_names, load_arch
from archsim.studies.study import folder_of
from archsim.workload import load_workload

if TYPE_CHECKING:
    from matplotlib.figure import Figure


EXACT = 0.01
"""How far an `input` figure, a line of the spec converted, may be from what is simulated: rounding to cycles."""


def execute_published(
    names: Sequence[str] = (), *, out: Path | None = None, progress: Callable[[int], None] | None = None
) -> tuple[list[dict[str, Any]], Path]:
    """Return the comparison of these chips, or of all built-in ones with published figures, and its report's folder.

    Raises SpecError with all that is wrong.
    """
    names = list(dict.fromkeys(names))
    folder = out if out is not None else folder_of(["published", *names], ())
    check_folder(folder)
    chips = [load_arch(name) for name in names or builtin_names("arch_specs")]
    rows = compare([chip for chip in chips if chip.value.published or names], progress)
    return rows, write_published(rows, folder)


def compare(chips: Sequence[Loaded[ArchSpec]], progress: Callable[[int], None] | None = None) -> list[dict[str, Any]]:
    """Return a row per published figure: arch, metric, published, simulated, ratio, kind, tolerance, source, and more.

    `ratio` is simulated / published. `passed` says of a fit whether it is within its tolerance, of an input within
    1 %; of a prediction it is None. Raises SpecError where a figure has no source or no metric of that name.
    """
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
    rows: list[dict[str, Any]] = []
    for chip in chips:
        rows += _rows(chip)
        if progress is not None:
            progress(len(rows))
    return rows


def failed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of figures that are fitted, or a line of the spec, and not met."""
    return [row for row in rows if row["passed"] is False]


def _rows(arch: Loaded[ArchSpec]) -> list[dict[str, Any]]:
    built = build_chip(arch.value)
    known: dict[tuple[str, str], dict[str, Any]] = {}
    rows = []
    for i, figure in enumerate(arch.value.published):
        key = (figure.mode, figure.workload)
        if key not in known:
            known[key] = _metrics(arch, built, figure)
        place = f"{arch.path_label}: published[{i}]"
        if figure.metric not in known[key]:
            hint = "name the workload on which it holds, or one of the chip's own: "
            where = Problem(f"{place}.metric", f"'{figure.metric}' is not a metric of a chip without a workload",
                            hint + nearest(figure.metric, known[key]))  # fmt: skip
            raise SpecError([where])
        row = beside(place, figure, known[key])
        written = arch.figures[f"published[{i}].value"]
        rows.append({
            "arch": arch.value.name, **row, "source": written.source, "mode": figure.mode, "workload": figure.workload,
            "passed": _passed(row), "note": written.note,
        })  # fmt: skip
    return rows


def _metrics(arch: Loaded[ArchSpec], chip: Chip, figure: Published) -> dict[str, Any]:
    """Return the metrics among which a figure is found: of the chip alone, or of a run of its workload, too."""
    found: dict[str, Any] = dict(chip_metrics(chip, figure.mode))
    if figure.workload:
        workload = load_workload(figure.workload, [f"mode={figure.mode}"])
        found.update(evaluate(arch, workload).data["metrics"])
    return found


def _passed(row: dict[str, Any]) -> bool | None:
    if row["kind"] == "predicted":
        return None
    allowed = EXACT if row["kind"] == "input" else row["tolerance"]
    return row["ratio"] is not None and abs(row["ratio"] - 1) <= allowed


Row: TypeAlias = Mapping[str, Any]

NAME = "published.json"
OWNED = (NAME, "published.md", "published.csv", "published.svg")
AIM = 0.2
"""How far off a prediction may be without a word; the band of the figure."""
WORDS = {
    "efficiency_op_per_j": "sustained efficiency",
    "efficiency_peak_op_per_j": "peak efficiency",
    "throughput_peak_op_per_s": "peak throughput",
    "throughput_per_area_peak_op_per_s_m2": "peak throughput per area",
    "time_per_example_peak_s": "peak time per example",
    "power_peak_w": "peak power",
    "area_peak_m2": "area without the host port",
    "area_m2": "area",
    "tile_area_m2": "area of a tile",
    "read_latency_s": "time of a read",
    "read_energy_j": "energy of a read",
    "read_back_latency_s": "time of a transposed read",
    "update_latency_s": "time of an update",
}
KINDS = {  # what it means, marker, colour: told apart by both
    "fit": ("fitted to it", "s", "#8e5ea2"),
    "input": ("a line of the spec, converted", "D", "#7f8c8d"),
    "predicted": ("from its parts", "o", "#1b6ca8"),
}


def write_published(rows: Sequence[Row], folder: Path) -> Path:
    """Write the comparison as `folder`, and return it; SpecError if it cannot be written."""
    table = _si_table(rows)
    files = {
        NAME: json.dumps(list(rows), indent=1, allow_nan=False) + "\n",
        "published.md": _page(rows),
        "published.csv": table.csv(),
        "published.svg": ratios_figure(rows),
    }
    return write_folder(folder, files, OWNED)


def words(row: Row) -> str:
    """Return a figure's name in words, and what it is of where that is not the chip."""
    name = WORDS.get(row["metric"], row["metric"].replace("_", " "))
    return f"{name} on {row['workload']}" if row["workload"] else name


def off(row: Row) -> bool:
    """Return whether a prediction is further from what was published than is aimed at."""
    return row["kind"] == "predicted" and (row["ratio"] is None or abs(row["ratio"] - 1) > AIM)


def published_lines(rows: Sequence[Row]) -> list[str]:
    """Return what the command prints: a line per figure, and under it why a prediction is off."""
    wide = max((len(words(row)) for row in rows), default=0)
    lines: list[str] = []
    for i, row in enumerate(rows):
        if i == 0 or rows[i - 1]["arch"] != row["arch"]:
            lines += ["", row["arch"]] if lines else [row["arch"]]
        told = [metric_text(row[key], row["metric"], 4) for key in ("published", "simulated")]
        verdict = {True: "", False: "  FAILED", None: "  off" if off(row) else ""}[row["passed"]]
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f}"
        lines.append(f"  {words(row):{wide}}  {told[0]:>16}  {told[1]:>16}  x {ratio:>6}  {row['kind']}{verdict}")
    lines += ["", "published, simulated, and simulated / published; of a prediction that is off by more than "
                  f"{AIM:.0%}, published.md says why"]  # fmt: skip
    return lines


def _page(rows: Sequence[Row]) -> str:
    columns = tuple(map(Column, ("chip", "figure", "published", "simulated", "ratio", "kind", "source")))
    cells = [
        (row["arch"], words(row), metric_text(row["published"], row["metric"]), metric_text(row["simulated"], row["metric"]),
         _ratio(row), row["kind"] + ("" if row["passed"] in (True, None) else ", FAILED"), row["source"])
        for row in rows
    ]  # fmt: skip
    marked = {(i, 4) for i, row in enumerate(rows) if off(row) or row["passed"] is False}
    told = [
        f"- {row['arch']}, {words(row)} (x {_ratio(row)}): {row['note'] or 'no reason is given'}"
        for row in rows if off(row)
    ]  # fmt: skip
    kinds = ", ".join(f"*{kind}*: {meaning}" for kind, (meaning, _, _) in KINDS.items())
    text = [
        "# Published figures against simulated ones", f"Ratio is simulated / published. {kinds}. Bold: a prediction "
        f"more than {AIM:.0%} off, or a fit or an input that is not met.", "![ratios](published.svg)",
        Table("published", "", columns, tuple(cells), marked=marked).markdown(),
    ]  # fmt: skip
    text += ["## Where predictions are off, and why", "\n".join(told)] if told else []
    return "\n\n".join(text) + "\n"


def _ratio(row: Row) -> str:
    return "-" if row["ratio"] is None else f"{row['ratio']:.3f}"


def _si_table(rows: Sequence[Row]) -> Table:
    keys = ("arch", "metric", "mode", "workload", "published", "simulated", "ratio", "kind", "tolerance", "source")
    return Table("published", "", tuple(map(Column, keys)), tuple(tuple(row[key] for key in keys) for row in rows))


def ratios_figure(rows: Sequence[Row]) -> str:
    """Return the SVG of the ratios, a line per figure, on a logarithmic axis with the band that is aimed at."""
    shown = [row for row in rows if row["ratio"]]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.axvspan(1 - AIM, 1 + AIM, color="#eef3f7", zorder=0)
        axes.axvline(1, color="#566573", linewidth=0.8)
        for kind, (meaning, marker, colour) in KINDS.items():
            own = [(row["ratio"], i) for i, row in enumerate(shown) if row["kind"] == kind]
            if own:
                ratios, places = zip(*own, strict=True)
                axes.scatter(ratios, places, marker=marker, s=34, color=colour, label=f"{kind}: {meaning}", zorder=3)
        for i, row in enumerate(shown):
            axes.annotate(f"{row['ratio']:.2f}", (row["ratio"], i), xytext=(7, 0), textcoords="offset points",
                          va="center", fontsize=7.5)  # fmt: skip
            if i and shown[i - 1]["arch"] != row["arch"]:
                axes.axhline(i - 0.5, color="#d5dbdd", linewidth=0.6)
        axes.set_yticks(range(len(shown)), [f"{row['arch']}: {words(row)}" for row in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        most = max([3.0, *(max(row["ratio"], 1 / row["ratio"]) * 1.3 for row in shown)])
        axes.set_xlim(1 / most, most)
        ticks = [tick for tick in (0.1, 0.2, 0.5, 0.8, 1, 1.2, 2, 5, 10) if 1 / most <= tick <= most]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(f"simulated / published (band: within {AIM:.0%})")
        axes.grid(axis="x")
        figure.legend(loc="outside upper left", ncols=len(KINDS), fontsize=8)

    return draw(paint, 9.0, 1.3 + 0.24 * max(len(shown), 1))
