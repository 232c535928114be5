"""Published figures against simulated ones, over the chips whose specs carry any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archsim.capability import chip_metrics
from archsim.chip.graph import Chip, build_chip
from archsim.errors import Problem, SpecError, nearest
from archsim.loading import Loaded, builtin_names, load_arch
from archsim.metrics import beside, evaluate
from archsim.report import check_folder
from archsim.report.published import write_published
from archsim.runs import folder_of
from archsim.spec import ArchSpec, Published
from archsim.workload import load_workload

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
