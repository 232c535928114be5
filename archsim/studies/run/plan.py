"""Runs as files: what is to be simulated, and how it is repeated exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationError

from archsim.base.atomic import Content
from archsim.base.documents import dump_yaml, read_text, read_yaml
from archsim.base.errors import MOST_TOLD, Problem, SpecError, nearest
from archsim.base.limits import EXAMPLES, SEED
from archsim.base.section import Flag, Section
from archsim.base.shipped import builtin_names
from archsim.base.units import Dimension
from archsim.export.formats import TRACES
from archsim.results.bill import ActivityFile
from archsim.results.metrics import package_version
from archsim.spec.arch import ArchSpec
from archsim.spec.faults import problems_of
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.named import Taken, taking
from archsim.spec.settings import split_overrides
from archsim.studies.again import (
    Code,
    file_of_run,
    known_files,
    other_plugins,
    other_version,
    plugins_again,
    plugins_named,
    plugins_said,
    with_plugins,
)
from archsim.studies.names import all_faults
from archsim.studies.study import Pair
from archsim.workload import Workload, load_workload

ARCH_FILE, WORKLOAD_FILE, ACTIVITY_FILE = "inputs/arch.yaml", "inputs/workload.yaml", "inputs/activity.yaml"


@dataclass(frozen=True)
class Inputs(Pair):
    """A chip, a workload, how much of it is run, by what activity it is billed, and what trace is written."""

    words = "run"
    epochs: int | None = None
    examples: int | None = None
    seed: int = 0
    activity: Path | None = None
    trace: str | None = None
    full: bool = False


class RunFile(Section):
    """A run as a file. Specs and activity lie beside it, so that the folder alone repeats the run."""

    version: str
    command: str
    arch: str
    arch_hash: str
    arch_overrides: tuple[str, ...] = ()
    workload: str
    workload_hash: str
    workload_overrides: tuple[str, ...] = ()
    activity: str | None = None
    activity_from: str = ""
    examples: Annotated[int, Dimension("", least=1, above=False, most=EXAMPLES.most, whole=True)]
    full: Flag
    seed: Annotated[int, Dimension("", above=False, most=SEED.most, whole=True)]
    trace: str | None = None
    study: str | None = None
    plugins: dict[str, str] = {}
    files: dict[str, str] = {}


@dataclass(frozen=True)
class RunPlan:
    """What is to be simulated, resolved. `command` repeats it; `notes` are for the user to read.

    `activity_from` says in words, or by the name of a file, where the activity was measured.
    """

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    count: int
    full: bool
    seed: int
    activity: ActivityFile | None
    activity_text: str
    trace: str | None
    command: str
    notes: tuple[str, ...] = ()
    activity_from: str = ""
    taken: Taken = field(default_factory=Taken)
    study: str = ""
    plugins: Mapping[str, Code] = field(default_factory=dict)

    def files(self) -> dict[str, Content]:
        """Return what repeats the run, by file name: run.yaml and its inputs."""
        run = {
            "kind": "run",
            "version": package_version(),
            "command": self.command,
            "arch": ARCH_FILE,
            "arch_hash": self.arch.hash,
            "arch_overrides": list(self.arch.overrides),
            "workload": WORKLOAD_FILE,
            "workload_hash": self.workload.hash,
            "workload_overrides": list(self.workload.overrides),
            **({"activity": ACTIVITY_FILE, "activity_from": self.activity_from} if self.activity is not None else {}),
            "examples": self.count,
            "full": self.full,
            "seed": self.seed,
            **({"trace": self.trace} if self.trace else {}),
        }
        named, places = with_plugins(self.taken, self.plugins).inputs("inputs/named")
        files: dict[str, Content] = {
            "run.yaml": dump_yaml(
                {
                    **run,
                    **({"study": self.study} if self.study else {}),
                    **plugins_said(self.plugins),
                    **({"files": places} if places else {}),
                }
            ),
            **self.arch.files(ARCH_FILE.removesuffix(".yaml")),
            **self.workload.files(WORKLOAD_FILE.removesuffix(".yaml")),
            **named,
        }
        return {**files, ACTIVITY_FILE: self.activity_text} if self.activity is not None else files


def plan_from_options(
    arch: str,
    workload: str,
    *,
    sets: Sequence[str] = (),
    epochs: int | None = None,
    examples: int | None = None,
    full: bool = False,
    seed: int = 0,
    activity: Path | None = None,
    trace: str | None = None,
) -> RunPlan:
    """Return the plan of a run from what the command was given; raise SpecError with all that is wrong."""
    line = Inputs(arch, workload, sets=tuple(sets), epochs=epochs, examples=examples, seed=seed, activity=activity,
                  trace=trace, full=full).line  # fmt: skip
    if epochs is not None and examples is not None:
        raise SpecError([Problem("run", "--epochs and --examples were both given", "give one")])
    _check_trace(trace)
    mine, theirs = split_overrides(sets)
    loads: list[Callable[[], Any]] = [lambda: load_arch(arch, mine), lambda: load_workload(workload, theirs)]
    with taking() as taken:
        chip, network = all_faults(loads)
    named = Taken(met={name: own for name, own in taken.met.items() if name in (chip.named, network.named)})
    measured, text = _activity(activity, network.value) if activity is not None else (None, "")
    count = examples or (epochs or network.value.epochs) * network.value.dataset.examples
    EXAMPLES.check(count, "--examples" if examples else "--epochs, times the examples of one")
    given = str(activity) if activity is not None else ""
    return RunPlan(chip, network, count, full, seed, measured, text, trace, line, activity_from=given, taken=named,
                   plugins=plugins_named())  # fmt: skip


def plan_from_file(name: str, trace: str | None = None) -> RunPlan:
    """Return the plan that a run.yaml holds; raise SpecError if its inputs are not those of the run."""
    path = file_of_run(name)
    for folder, what, example in () if path.is_file() else (
        ("arch_specs", "a chip, and no workload", f"{name} mlp_digits"),
        ("workloads", "a workload, and no chip", f"ambrogio_nature_2018 {name}"),
    ):  # fmt: skip
        if name in builtin_names(folder):
            raise SpecError.at("run", f"'{name}' is {what} was given", f"for example: archsim run {example}")
    plain = read_yaml(read_text(path, name), name)
    kind = plain.pop("kind", None)
    if kind != "run":
        pairs = {"arch": f"{name} mlp_digits", "workload": f"ambrogio_nature_2018 {name}"}
        pair = f", for example: archsim run {pairs[kind]}" if isinstance(kind, str) and kind in pairs else ""
        hint = f"give a RUN.yaml alone, or ARCH and WORKLOAD{pair}"
        raise SpecError([Problem(f"{name}: kind", f"{_quoted(kind)} is not 'run'", hint)])
    try:
        run = RunFile.model_validate(plain)
    except ValidationError as error:
        raise SpecError(problems_of(error, RunFile, plain, name)) from None
    here = path.parent
    known = known_files(run.files, here, name)
    used = plugins_again(run.plugins, known, name)
    loads: list[Callable[[], Any]] = [
        lambda: load_arch(here / run.arch, run.arch_overrides),
        lambda: load_workload(here / run.workload, run.workload_overrides),
    ]
    with taking(Taken(known)) as taken:
        chip, network = all_faults(loads)
    named = Taken(met={text: own for text, own in taken.met.items() if text in (chip.named, network.named)})
    changed = [
        Problem(f"{name}: {key}", f"{given} was written, {file} gives {loaded.hash}", "run ARCH and WORKLOAD")
        for key, given, file, loaded in (("arch_hash", run.arch_hash, run.arch, chip),
                                         ("workload_hash", run.workload_hash, run.workload, network))
        if given != loaded.hash
    ]  # fmt: skip
    if changed:
        raise SpecError(changed)
    measured, text = _activity(here / run.activity, network.value) if run.activity else (None, "")
    _check_trace(trace or run.trace)
    notes = [*filter(None, [other_version(run.version, name)]), *other_plugins(run.plugins, used, name)]
    return RunPlan(
        chip, network, run.examples, run.full, run.seed, measured, text, trace or run.trace, run.command, tuple(notes),
        run.activity_from or run.activity or "", named, plugins=plugins_named(used),
    )  # fmt: skip


def _quoted(kind: Any) -> str:
    return f"'{kind}'" if kind else "nothing"


def _check_trace(trace: str | None) -> None:
    if trace is not None:
        TRACES.lookup(trace, "--trace")


def _activity(path: Path, workload: Workload) -> tuple[ActivityFile, str]:
    label = str(path)
    text = read_text(path, label)
    wanted = "give the activity.yaml that `archsim train` wrote"
    plain = read_yaml(text, label, wanted)
    kind = plain.pop("kind", None)
    if kind != "activity":
        raise SpecError.at(f"{label}: kind", f"{_quoted(kind)} is not 'activity'", wanted)
    try:
        activity = ActivityFile.model_validate(plain)
    except ValidationError as error:
        raise SpecError(problems_of(error, ActivityFile, plain, label)) from None
    names = [layer.name for layer in workload.layers]
    strange = [name for name in activity.layers if name not in names]
    if strange:
        raise SpecError((
            Problem(f"{label}: layers.{name}", f"the workload has no layer '{name}'", nearest(name, names))
            for name in strange[:MOST_TOLD]
        ), len(strange[MOST_TOLD:]))  # fmt: skip
    return activity, text
