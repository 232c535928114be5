"""A chip against GPUs as the command compares them: simulated, set beside the baselines, and written as a report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archsim.baselines.comparison import BATCHES, SCHEMA, compare_gpus, parse_batches
from archsim.baselines.gpus import Gpu, find_gpus, known_gpus
from archsim.baselines.measured import measurements, read_measured
from archsim.report.document import Document
from archsim.report.folder import check_folder
from archsim.results.evaluate import evaluate
from archsim.results.metrics import package_version
from archsim.studies.gpus.document import document
from archsim.studies.names import all_faults, default_folder
from archsim.studies.old import Study, registered
from archsim.studies.run.plan import plan_from_options

NAME = "gpus.json"
OWNED = (NAME, "gpus.html", "gpus.md", "figures", "tables")
"""What a comparison writes; anything else in its folder is kept."""


def execute_gpus(
    arch: str,
    workload: str,
    *,
    gpus: Sequence[str] = (),
    batch: str | None = None,
    measured: Sequence[Path] = (),
    files: Sequence[Path] = (),
    sets: Sequence[str] = (),
    epochs: int | None = None,
    examples: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], Document, Path]:
    """Return a comparison with GPUs, as its file holds it and as its report shows it, and the report's folder.

    `files` are of a user's own GPUs, to choose among beside archsim's. Raises SpecError with all that is wrong,
    before anything is simulated.
    """
    found: dict[str, Gpu] = {}  # none, if a file has faults: names are then not held against it
    loads: list[Callable[[], Any]] = [
        lambda: found.update(known_gpus(files)),
        lambda: plan_from_options(arch, workload, sets=sets, epochs=epochs, examples=examples, seed=seed),
        lambda: BATCHES if batch is None else parse_batches(batch),
        lambda: find_gpus(gpus, found) if found else None,
    ]
    loads += [lambda path=path: read_measured(path, found or None) for path in measured]  # type: ignore[misc]
    _, plan, sizes, *_ = all_faults(loads)
    measurements(plan.workload.value, measured, found)
    words = ["archsim", "compare", arch, workload]
    words += [word for name in gpus for word in ("--gpu", name)]
    words += [word for path in files for word in ("--gpus", str(path))]
    words += [] if batch is None else ["--batch", batch]
    words += [word for path in measured for word in ("--measured", str(path))]
    words += [word for given in sets for word in ("--set", given)]
    for option, value in (("--epochs", epochs), ("--examples", examples), ("--seed", seed or None)):
        words += [option, str(value)] if value is not None else []
    folder = out or default_folder(plan.arch, plan.workload, "gpus")
    check_folder(folder)
    result = evaluate(plan.arch, plan.workload, examples=plan.count, seed=seed, progress=progress)
    data = {
        "schema": SCHEMA,
        "arch": result.data["arch"],
        "workload": result.data["workload"],
        "version": package_version(),
        "seed": seed,
        "command": shlex.join(words),
        "examples": plan.count,
        "passed": result.passed,
        **compare_gpus(result, gpus, sizes, measured, found),
    }
    return data, *STUDY.write(data, folder)


STUDY = registered(Study(NAME, SCHEMA, "compare", document, OWNED))
