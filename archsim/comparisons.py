"""Chips side by side as the command compares them: named, run on one workload, and written as one report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archsim.errors import Problem, SpecError
from archsim.explore.compare import Progress, compare
from archsim.loading import load_arch, split_overrides
from archsim.metrics import package_version
from archsim.report import check_folder
from archsim.report.compare import SCHEMA, write_compare
from archsim.report.floorplan import load_of
from archsim.runs import all_faults, folder_of, names_of
from archsim.workload import load_workload


def execute_comparison(
    workload: str,
    archs: Sequence[str],
    *,
    sets: Sequence[str] = (),
    examples: int | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Path]:
    """Return a comparison, as its file holds it, and the folder of its report.

    `progress` is called with the chips done, with their part, how many there are, and words. Raises SpecError with all
    that is wrong.
    """
    if len(archs) < 2:
        hint = f"give at least two, for example: archsim floorplan compare {shlex.join([workload, *archs])} OTHER"
        raise SpecError([Problem("ARCH", f"there is only {' '.join(archs) or 'nothing'} to compare", hint)])
    mine, theirs = split_overrides(sets)
    loads: list[Callable[[], Any]] = [lambda: load_workload(workload, theirs)]
    loads += [lambda arch=arch: load_arch(arch, mine) for arch in dict.fromkeys(archs)]  # type: ignore[misc]
    network, *loaded = all_faults(loads)
    by_text = dict(zip(dict.fromkeys(archs), loaded, strict=True))
    names = names_of(archs, [by_text[arch].value.name for arch in archs])
    chips = {name: by_text[arch] for name, arch in zip(names, archs, strict=True)}
    words = ["archsim", "floorplan", "compare", workload, *archs]
    words += [word for given in sets for word in ("--set", given)]
    words += ["--examples", str(examples)] if examples else []
    folder = out or folder_of([network.value.name, "floorplans"], [*archs, *sets])
    check_folder(folder)
    found = compare(chips, network, examples=examples, progress=progress)
    data = {
        "schema": SCHEMA,
        "workload": {"name": network.value.name, "hash": network.hash},
        "version": package_version(),
        "command": shlex.join(words),
        "set": list(sets),
        "examples": found.examples,
        "passed": found.passed,
        "chips": found.data(),
    }
    drawn = {row.name: (result.chip, load_of(result)) for row, result in zip(found.rows, found.results, strict=True)}
    return data, write_compare(data, drawn, folder)
