"""Cross-checks as the command makes them: a run's report with the comparison, at the activity measured in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archsim.base.errors import SpecError
from archsim.base.limits import EVENTS
from archsim.chip import build_chip
from archsim.functional.data_set import Data
from archsim.functional.datasets import following
from archsim.functional.train import check_cells, check_network
from archsim.mapping import map_workload
from archsim.mapping.modes import build_schedule
from archsim.mapping.schedule import Schedule
from archsim.report.document import Document
from archsim.report.folder import reserved
from archsim.results.bill import activity_yaml
from archsim.results.crosscheck import TOLERANCE, crosscheck, default_examples
from archsim.results.evaluate import Result, evaluate
from archsim.spec.named import taking
from archsim.studies.names import default_folder
from archsim.studies.run.plan import RunPlan, plan_from_options
from archsim.studies.run.study import written
from archsim.studies.study import Pair

MEASURED = "measured in the cross-check"


@dataclass(frozen=True)
class Inputs(Pair):
    """A chip, a workload, how much of it is compared, and by how much accuracy may fall short, in points."""

    words = "crosscheck"
    examples: int | None = None
    seed: int = 0
    tolerance: float | None = None


@dataclass(frozen=True)
class CheckPlan:
    """What is to be compared, resolved: the run, its schedule, the data, and by how much accuracy may fall short."""

    run: RunPlan
    schedule: Schedule
    data: Data
    tolerance: float
    command: str

    @property
    def folder(self) -> Path:
        """The folder of its report, where none is named."""
        return default_folder(self.run.arch, self.run.workload, "crosscheck")


def plan_of(
    arch: str,
    workload: str,
    *,
    sets: Sequence[str] = (),
    examples: int | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    data_folder: Path | None = None,
) -> CheckPlan:
    """Return the plan of a cross-check; `tolerance` is in percentage points. Raises SpecError with what is wrong."""
    line = Inputs(arch, workload, sets=tuple(sets), examples=examples, seed=seed, tolerance=tolerance).line
    with taking() as taken:
        run = plan_from_options(arch, workload, sets=sets, examples=examples, seed=seed)
    check_cells(run.arch.value)
    check_network(run.workload.value)
    network, data = following(run.workload, data_folder, seed)
    if network.value.timed is not network.value:
        what = "is mean, and events and numbers are compared step by step, of the longest example"
        raise SpecError.at(f"{network.value.name}: length", what, "give length=longest")
    chip = build_chip(run.arch.value)
    mapping = map_workload(network.value, chip)
    count = examples if examples is not None else default_examples(chip, mapping)
    EVENTS.check(count, "--examples")
    run = replace(plan_from_options(arch, workload, sets=sets, examples=count, seed=seed), command=line, taken=taken,
                  study=Inputs.words, workload=network)  # fmt: skip
    share = TOLERANCE if tolerance is None else tolerance / 100
    return CheckPlan(run, build_schedule(chip, mapping, count), data, share, line)


def execute_crosscheck(
    plan: CheckPlan, out: Path | None = None, progress: Callable[[int], None] | None = None
) -> tuple[Result, Document, Path]:
    """Return a run's result with the comparison in it, its report, and the folder of that."""
    folder = out if out is not None else plan.folder
    with reserved(folder):
        result, run = crosschecked(plan, progress)
        return result, *written(result, folder, files=run.files())


def crosschecked(plan: CheckPlan, progress: Callable[[int], None] | None = None) -> tuple[Result, RunPlan]:
    """Return a run's result with the comparison in it, and its plan, billed by the activity that was measured."""
    run = plan.run
    found = crosscheck(plan.schedule, plan.data, seed=run.seed, tolerance=plan.tolerance, progress=progress)
    run = replace(run, activity=found.activity, activity_text=activity_yaml(found.activity), activity_from=MEASURED)
    result = evaluate(
        run.arch, run.workload, examples=run.count, seed=run.seed, activity=run.activity,
        activity_from=run.activity_from, command=plan.command,
    )  # fmt: skip
    return replace(result, data={**result.data, "crosscheck": list(found.rows)}), run
