"""A chip against GPUs: simulated, and set beside the baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.baselines.comparison import BATCHES, compare_gpus, parse_batches
from archsim.baselines.gpus import Gpu, find_gpus, known_gpus
from archsim.baselines.measured import measurements, read_measured
from archsim.results.evaluate import evaluate
from archsim.studies import study
from archsim.studies.gpus.document import document
from archsim.studies.gpus.shape import GpuComparison
from archsim.studies.names import all_faults, default_folder
from archsim.studies.run.plan import plan_from_options
from archsim.studies.study import Prepared, Progress, Study, given, named, registered


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """A chip, a workload, and GPUs by name, all if none is given; `gpus` are files of a user's own."""

    words = "compare"
    arch: str
    workload: str
    gpu: tuple[str, ...] = ()
    gpus: tuple[Path, ...] = ()
    batch: str | None = None
    measured: tuple[Path, ...] = ()
    sets: tuple[str, ...] = given("--set")
    epochs: int | None = None
    examples: int | None = None
    seed: int = 0


def prepare(inputs: Inputs) -> Prepared[GpuComparison]:
    """Return a comparison to be made; raise SpecError with all that is wrong, before anything is simulated."""
    found: dict[str, Gpu] = {}  # none, if a file has faults: names are then not held against it
    loads: list[Callable[[], Any]] = [
        lambda: found.update(known_gpus(inputs.gpus)),
        lambda: plan_from_options(
            inputs.arch, inputs.workload, sets=inputs.sets, epochs=inputs.epochs, examples=inputs.examples,
            seed=inputs.seed,
        ),
        lambda: BATCHES if inputs.batch is None else parse_batches(inputs.batch),
        lambda: find_gpus(inputs.gpu, found) if found else None,
    ]  # fmt: skip
    loads += [lambda path=path: read_measured(path, found or None) for path in inputs.measured]  # type: ignore[misc]
    _, plan, sizes, *_ = all_faults(loads)
    measurements(plan.workload.value, inputs.measured, found)

    def compute(progress: Progress, folder: Path) -> GpuComparison:
        result = evaluate(plan.arch, plan.workload, examples=plan.count, seed=inputs.seed,
                          progress=lambda done: progress(done, plan.count))  # fmt: skip
        return GpuComparison(
            command=inputs.line, arch=named(plan.arch), workload=named(plan.workload), seed=inputs.seed,
            examples=plan.count, passed=result.passed,
            **compare_gpus(result, inputs.gpu, sizes, inputs.measured, found),
        )  # fmt: skip

    return Prepared(default_folder(plan.arch, plan.workload, "gpus"), compute)


STUDY = registered(Study(Inputs, GpuComparison, "gpus.json", prepare, document, lambda data: data.passed))
