"""A chip against GPUs: simulated, and set beside the baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.baselines.comparison import BATCHES, compare_gpus, parse_batches
from archsim.baselines.gpus import Gpu, find_gpus, known_gpus, known_ranges
from archsim.baselines.measured import measurements, read_measured
from archsim.results.evaluate import Result, evaluate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, flat, load_arch
from archsim.studies import study
from archsim.studies.gpus.document import document
from archsim.studies.gpus.shape import GpuComparison
from archsim.studies.gpus.unsure import InDraws, beside_chips
from archsim.studies.names import all_faults, default_folder
from archsim.studies.run.plan import plan_from_options
from archsim.studies.study import Prepared, Progress, Study, given, named, registered


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """A chip, a workload, and GPUs by name, all if none is given; `gpus` are files of a user's own.

    Chips `beside` the first have the same workload; `sets` change figures of the first, and of the workload.
    """

    words = "compare"
    arch: str
    workload: str
    gpu: tuple[str, ...] = ()
    gpus: tuple[Path, ...] = ()
    batch: str | None = None
    measured: tuple[Path, ...] = ()
    beside: tuple[str, ...] = ()
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
    loads += [lambda name=name: load_arch(name) for name in inputs.beside]  # type: ignore[misc]
    loads += [lambda path=path: read_measured(path, found or None) for path in inputs.measured]  # type: ignore[misc]
    _, plan, sizes, _, *more = all_faults(loads)
    others: list[Loaded[ArchSpec]] = more[: len(inputs.beside)]
    measurements(plan.workload.value, inputs.measured, found)
    chosen, ranges = find_gpus(inputs.gpu, found), known_ranges(inputs.gpus)

    def compute(progress: Progress, folder: Path) -> GpuComparison:
        every = plan.count * (1 + len(others))
        results: list[Result] = []
        for arch in (plan.arch, *others):
            before = plan.count * len(results)
            results.append(evaluate(arch, plan.workload, examples=plan.count, seed=inputs.seed,
                                    progress=lambda done, before=before: progress(before + done, every)))  # type: ignore[misc]  # fmt: skip
        unsure = InDraws.of(results, {name: ranges[name] for name in chosen})
        compared = compare_gpus(results[0], inputs.gpu, sizes, inputs.measured, found, unsure)
        return GpuComparison(
            command=inputs.line, arch=named(plan.arch), workload=named(plan.workload), seed=inputs.seed,
            examples=plan.count, passed=all(own.passed for own in results), **compared,
            chips=beside_chips(results, unsure), uncertainty=None if unsure is None else unsure.uncertainty,
        )  # fmt: skip

    return Prepared(default_folder(plan.arch, plan.workload, "gpus"), compute)


def steps(data: GpuComparison) -> list[dict[str, Any]]:
    """Return each modelled step of each GPU, then the measured ones, as flat figures."""
    modelled = [flat({"gpu": gpu.name, **row.plain()}) for gpu in data.gpus for row in gpu.modelled]
    return [*modelled, *(flat({"gpu": own.gpu, **row.plain()}) for own in data.measured for row in own.rows)]


STUDY = registered(Study(
    Inputs, GpuComparison, "gpus.json", prepare, document, lambda data: data.passed, rows=steps
))  # fmt: skip
