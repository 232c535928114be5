"""Surveys as the command makes them: networks by name on one design of chip, written as one report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from archsim.errors import InfeasibleError, Problem, SpecError
from archsim.explore.survey import Progress, plain, survey
from archsim.loading import builtin_names, load_arch, split_overrides
from archsim.metrics import package_version
from archsim.report import check_folder
from archsim.report.survey import SCHEMA, write_survey
from archsim.runs import all_faults, folder_of
from archsim.units import parse_quantity
from archsim.workload import load_workload


def execute_survey(
    arch: str,
    workloads: Sequence[str],
    *,
    mode: str | None = None,
    sets: Sequence[str] = (),
    examples: int | None = None,
    hold: str | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Path]:
    """Return a survey of workloads (all built-in ones if none is named), as its file holds it, and its folder.

    With `mode` all are trained, or all infer; `hold` is a time, such as "7.4 ms". Raises SpecError with all that is
    wrong, InfeasibleError where none of the networks can be run.
    """
    mine, theirs = split_overrides(sets)
    names = list(dict.fromkeys(workloads)) or builtin_names("workloads")
    if theirs:
        raise SpecError([Problem("--set", f"'{theirs[0]}' is of one workload", "set figures of the chip alone")])
    hold_s = None if hold is None else _hold_s(hold)
    given = [] if mode is None else [f"mode={mode}"]
    loads: list[Callable[[], Any]] = [lambda: load_arch(arch, mine)]
    loads += [lambda name=name: load_workload(name, given) for name in names]  # type: ignore[misc]
    chip, *networks = all_faults(loads)
    words = ["archsim", "survey", arch, *workloads, *(["--mode", mode] if mode else [])]
    words += [word for setting in sets for word in ("--set", setting)]
    words += ["--hold", hold] if hold else []
    words += ["--examples", str(examples)] if examples else []
    folder = out or folder_of([chip.value.name, "survey"], [*workloads, *given, *sets, *([hold] if hold else [])])
    check_folder(folder)
    rows = survey(chip, networks, examples=examples, hold_s=hold_s, progress=progress)
    if all(row.reason for row in rows):
        raise InfeasibleError("\n".join(dict.fromkeys(f"{row.name}: {row.reason}" for row in rows)))
    data = {
        "schema": SCHEMA,
        "arch": {"name": chip.value.name, "hash": chip.hash},
        "version": package_version(),
        "command": shlex.join(words),
        "passed": all(row.passed for row in rows),
        "networks": plain(rows),
    }
    return data, write_survey(data, folder)


def _hold_s(text: str) -> Fraction:
    """Return a time in seconds; raise SpecError unless it is one, and above 0."""
    hint = "give a time above 0, for example --hold '7.4 ms'"
    try:
        hold_s = parse_quantity(text, "s")
    except ValueError as error:
        raise SpecError([Problem("--hold", str(error), hint)]) from None
    if hold_s <= 0:
        raise SpecError([Problem("--hold", f"'{text}' is not above 0", hint)])
    return hold_s
