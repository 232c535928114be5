"""Runs as files: what is to be simulated, where its report goes, and how it is repeated exactly."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archsim.accounting import ActivityFile
from archsim.chip.graph import build_chip
from archsim.components import COMPONENTS
from archsim.documents import dump_yaml, read_text, read_yaml
from archsim.errors import Problem, SpecError, nearest
from archsim.loading import (
    Loaded,
    builtin_names,
    differences,
    find_file,
    flat,
    json_schema,
    kind_of,
    load_arch,
    problems_of,
)
from archsim.metrics import Result, evaluate, package_version
from archsim.report import TRACES, check_folder, write_report
from archsim.report.tables import areal
from archsim.section import Flag, Section
from archsim.spec import (
    FLOORPLANS,
    PLACEMENTS,
    REDUCTIONS,
    REFRESH_POLICIES,
    TOPOLOGIES,
    TRANSFER_POLICIES,
    TRANSPORTS,
    ArchSpec,
)
from archsim.units import Count, CountOrZero
from archsim.workload import Workload, load_workload

ARCH_FILE, WORKLOAD_FILE, ACTIVITY_FILE = "inputs/arch.yaml", "inputs/workload.yaml", "inputs/activity.yaml"


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
    examples: Count
    full: Flag
    seed: CountOrZero
    trace: str | None = None


@dataclass(frozen=True)
class RunPlan:
    """What is to be simulated, resolved. `command` repeats it; `notes` are for the user to read."""

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

    def files(self) -> dict[str, str]:
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
            **({"activity": ACTIVITY_FILE} if self.activity is not None else {}),
            "examples": self.count,
            "full": self.full,
            "seed": self.seed,
            **({"trace": self.trace} if self.trace else {}),
        }
        files = {
            "run.yaml": dump_yaml(run),
            ARCH_FILE: self.arch.document(),
            WORKLOAD_FILE: self.workload.document(),
        }
        return {**files, ACTIVITY_FILE: self.activity_text} if self.activity is not None else files


def split_overrides(settings: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the settings of the arch spec and those of the workload, told apart by their first key."""
    own = {"dataset", "layers", "training"}
    mine = [bool(own & {re.split(r"[.\[=]", setting, maxsplit=1)[0].strip()}) for setting in settings]
    arch = [setting for setting, is_work in zip(settings, mine, strict=True) if not is_work]
    return arch, [setting for setting, is_work in zip(settings, mine, strict=True) if is_work]


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
    if epochs is not None and examples is not None:
        raise SpecError([Problem("run", "--epochs and --examples were both given", "give one")])
    _check_trace(trace)
    mine, theirs = split_overrides(sets)
    loads: list[Callable[[], Any]] = [lambda: load_arch(arch, mine), lambda: load_workload(workload, theirs)]
    chip, network = _all_faults(loads)
    measured, text = _activity(activity, network.value) if activity is not None else (None, "")
    count = examples or (epochs or network.value.training.epochs) * network.value.dataset.examples
    words = ["archsim", "run", arch, workload]
    for setting in sets:
        words += ["--set", setting]
    options = (("--epochs", epochs), ("--examples", examples), ("--seed", seed or None), ("--activity", activity),
               ("--trace", trace))  # fmt: skip
    for option, value in options:
        words += [option, str(value)] if value is not None else []
    command = shlex.join([*words, "--full"] if full else words)
    return RunPlan(chip, network, count, full, seed, measured, text, trace, command)


def plan_from_file(name: str, trace: str | None = None) -> RunPlan:
    """Return the plan that a run.yaml holds; raise SpecError if its inputs are not those of the run."""
    path = Path(name)
    if path.is_dir() and (path / "run.yaml").is_file():
        path = path / "run.yaml"
    if not path.is_file() and name in builtin_names("arch_specs"):
        hint = f"for example: archsim run {name} {builtin_names('workloads')[0]}"
        raise SpecError([Problem("run", f"'{name}' is a chip, and no workload was given", hint)])
    plain = read_yaml(read_text(path, name), name)
    kind = plain.pop("kind", None)
    if kind != "run":
        hint = "give a RUN.yaml alone, or ARCH and WORKLOAD"
        raise SpecError([Problem(f"{name}: kind", f"{_quoted(kind)} is not 'run'", hint)])
    try:
        run = RunFile.model_validate(plain)
    except ValidationError as error:
        raise SpecError(problems_of(error, RunFile, plain, name)) from None
    here = path.parent
    loads: list[Callable[[], Any]] = [
        lambda: load_arch(here / run.arch, run.arch_overrides),
        lambda: load_workload(here / run.workload, run.workload_overrides),
    ]
    chip, network = _all_faults(loads)
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
    notes: tuple[str, ...] = ()
    if run.version != package_version():
        notes = (f"{name} was written by archsim {run.version}; this is {package_version()}, and figures may differ",)
    return RunPlan(
        chip, network, run.examples, run.full, run.seed, measured, text, trace or run.trace, run.command, notes
    )


def execute(
    plan: RunPlan, out: Path | None = None, progress: Callable[[int], None] | None = None
) -> tuple[Result, Path]:
    """Return the result of a run and the folder of its report, which is either written as a whole or not at all."""
    folder = out if out is not None else default_folder(plan.arch, plan.workload)
    check_folder(folder)
    result = evaluate(
        plan.arch,
        plan.workload,
        examples=plan.count,
        full=plan.full,
        seed=plan.seed,
        activity=plan.activity,
        command=plan.command,
        progress=progress,
    )
    return result, write_report(result, folder, files=plan.files(), trace=plan.trace)


def default_folder(arch: Loaded[ArchSpec], workload: Loaded[Workload], suffix: str = "") -> Path:
    """Return `reports/<arch>--<workload>[--<suffix>][--<hash of the overrides>]`."""
    parts = [arch.value.name, workload.value.name, *([suffix] if suffix else [])]
    overrides = [*arch.overrides, *workload.overrides]
    if overrides:
        parts.append(hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8])
    return Path("reports") / "--".join(re.sub(r"[^\w.+-]+", "_", part).strip(".") or "_" for part in parts)


def _all_faults(loads: Sequence[Callable[[], Any]]) -> list[Any]:
    found: list[Any] = []
    problems: list[Problem] = []
    for load in loads:
        try:
            found.append(load())
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return found


def _quoted(kind: Any) -> str:
    return f"'{kind}'" if kind else "nothing"


def _check_trace(trace: str | None) -> None:
    if trace is not None and trace not in TRACES:
        raise SpecError([Problem("--trace", f"'{trace}' is not a kind of trace", nearest(trace, TRACES))])


def _activity(path: Path, workload: Workload) -> tuple[ActivityFile, str]:
    label = str(path)
    text = read_text(path, label)
    plain = read_yaml(text, label)
    kind = plain.pop("kind", None)
    if kind != "activity":
        raise SpecError([Problem(f"{label}: kind", f"{_quoted(kind)} is not 'activity'",
                                 "give the activity.yaml that `archsim train` wrote")])  # fmt: skip
    try:
        activity = ActivityFile.model_validate(plain)
    except ValidationError as error:
        raise SpecError(problems_of(error, ActivityFile, plain, label)) from None
    names = [layer.name for layer in workload.layers]
    strange = [name for name in activity.layers if name not in names]
    if strange:
        raise SpecError(
            Problem(f"{label}: layers.{name}", f"the workload has no layer '{name}'", nearest(name, names))
            for name in strange
        )
    return activity, text


# ---- check, show, diff, list, schema


def load_any(name: str, overrides: Sequence[str] = ()) -> Loaded[Any]:
    """Return an arch spec or a workload, whichever a name or path stands for."""
    if "/" not in name and not name.endswith((".yaml", ".yml")):
        known = {folder: builtin_names(folder) for folder in ("arch_specs", "workloads")}
        if name in known["arch_specs"]:
            return load_arch(name, overrides)
        if name in known["workloads"]:
            return load_workload(name, overrides)
        if not Path(name).exists():
            hint = nearest(name, [*known["arch_specs"], *known["workloads"]])
            raise SpecError([Problem(name, "neither a file nor a built-in name", hint)])
    kind = kind_of(find_file(name, "arch_specs"))
    if kind == "arch":
        return load_arch(name, overrides)
    if kind == "workload":
        return load_workload(name, overrides)
    raise SpecError([Problem(f"{name}: kind", f"'{kind}' is not a kind of spec", nearest(kind, ["arch", "workload"]))])


def check_file(name: str) -> str:
    """Return a line that says what a file is; raise SpecError with everything that is wrong in it."""
    path = Path(name)
    if path.is_file():
        kind = kind_of(path)
        if kind == "run":
            plan = plan_from_file(name)
            return f"{name}: a run of {plan.count:,} examples on {plan.arch.value.name}, fine"
    loaded = load_any(name)
    if isinstance(loaded.value, ArchSpec):
        build_chip(loaded.value)
    tally: dict[str, int] = {}
    for figure in loaded.figures.values():
        tally[figure.status] = tally.get(figure.status, 0) + 1
    statuses = ", ".join(f"{tally[status]} {status}" for status in sorted(tally))
    return f"{name}: {loaded.kind} {loaded.value.name}, fine; {len(loaded.figures)} figures: {statuses}"


def show_lines(loaded: Loaded[Any]) -> list[str]:
    """Return the resolved spec line by line: path, value, status, and where it comes from."""
    resolved = {path: "" if value is None else str(value) for path, value in flat(loaded.value.resolved()).items()}
    rows = []
    for path, text in resolved.items():
        figure = loaded.figures.get(path)
        if figure is None:
            rows.append((path, " ".join(text.split()), "", ""))
        else:
            rows.append((path, figure.text, figure.status, "; ".join(filter(None, (figure.source, figure.note)))))
    wide = max(len(path) for path, *_ in rows)
    lines = [f"{loaded.kind} {loaded.value.name}  {loaded.hash}  ({loaded.path_label})"]
    lines += [f"  --set {setting}" for setting in loaded.overrides]
    lines += [f"{path:{wide}}  {text:16}  {status:10}  {source}".rstrip() for path, text, status, source in rows]
    return lines


def diff_lines(a: str, b: str) -> list[str]:
    """Return what differs between two specs, or between the metrics of two report folders."""
    left, right = _metrics_of(a), _metrics_of(b)
    if (left is None) != (right is None):
        raise SpecError(
            [Problem("diff", f"one of '{a}' and '{b}' is a run and the other a spec", "give two of a kind")]
        )
    if left is not None and right is not None:
        return _run_differences(left, right)
    first, second = load_any(a), load_any(b)
    if first.kind != second.kind:
        raise SpecError([Problem("diff", f"{a} is of kind {first.kind}, {b} of {second.kind}", "give two of a kind")])
    rows = differences(first, second)
    wide = max((len(path) for path, *_ in rows), default=0)
    middle = max((len(text) for _, text, _ in rows), default=0)
    return [f"{path:{wide}}  {one:{middle}}  {two}" for path, one, two in rows] or ["no difference"]


def _metrics_of(name: str) -> dict[str, Any] | None:
    path = Path(name)
    path = path / "metrics.json" if path.is_dir() else path
    if path.suffix != ".json":
        return None
    try:
        data = json.loads(read_text(path, name))
    except json.JSONDecodeError as error:
        raise SpecError([Problem(name, f"not a result file: {error.msg}", "give the folder of a report")]) from None
    if not isinstance(data, dict) or not isinstance(data.get("metrics"), dict):
        raise SpecError([Problem(name, "not a result file", "give the folder of a report")])
    return data


def _run_differences(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    lines = []
    for key in ("arch", "workload", "version", "seed", "command"):
        one, two = left.get(key), right.get(key)
        if one != two:
            lines += [f"{key}: {_short(one)}", f"{' ' * len(key)}  {_short(two)}"]
    rows = []
    for name in dict.fromkeys([*left["metrics"], *right["metrics"]]):
        one, two = left["metrics"].get(name), right["metrics"].get(name)
        if one != two:
            ratio = f"x {two / one:.4g}" if one and two is not None else ""
            rows.append((name, areal(one, name, 4), areal(two, name, 4), ratio))
    wide = max((len(name) for name, *_ in rows), default=0)
    lines += [f"{name:{wide}}  {one:>16}  {two:>16}  {ratio}".rstrip() for name, one, two, ratio in rows]
    return lines or ["no difference"]


def _short(value: Any) -> str:
    return f"{value['name']} {value['hash']}" if isinstance(value, dict) else str(value)


_CHOICES = {
    "topology": [("topology", TOPOLOGIES)],
    "placement": [("placement", PLACEMENTS)],
    "policy": [("transfer policy", TRANSFER_POLICIES), ("refresh policy", REFRESH_POLICIES)],
    "transport": [("transport", TRANSPORTS)],
    "reduction": [("reduction", REDUCTIONS)],
    "floorplan": [("floorplan", FLOORPLANS)],
}


def catalogue(noun: str | None) -> list[tuple[str, str, str]]:
    """Return (kind, name, what it is) of all there is to choose, or of one noun."""
    nouns = ["arch", "workload", "component", *_CHOICES]
    if noun is not None and noun not in nouns:
        raise SpecError([Problem("list", f"'{noun}' is not something to list", nearest(noun, nouns))])
    found: list[tuple[str, str, str]] = []
    for each in nouns if noun is None else [noun]:
        if each in ("arch", "workload"):
            names = builtin_names("arch_specs" if each == "arch" else "workloads")
            found += [(each, name, _first_sentence(load_any(name).value.description)) for name in names]
        elif each == "component":
            found += [(cls.role, kind, _first_sentence(cls.__doc__)) for kind, cls in COMPONENTS.items()]
        else:
            for kind, registry in _CHOICES[each]:
                found += [(kind, name, _first_sentence(entry.__doc__)) for name, entry in registry.items()]
    return found


def _first_sentence(text: str | None) -> str:
    flat_text = " ".join((text or "").split())
    return re.split(r"(?<=[a-z)])[.:] ", flat_text, maxsplit=1)[0].rstrip(".")


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of `arch` or `workload` files."""
    classes: dict[str, type[Section]] = {"arch": ArchSpec, "workload": Workload}
    if kind not in classes:
        raise SpecError([Problem("schema", f"'{kind}' is not a kind of file", nearest(kind, classes))])
    return json_schema(classes[kind], kind)
