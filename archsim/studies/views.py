"""What there is, what a file says and what differs, as lines of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archsim.base.doors import door, read_json, read_plain
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.plugin_loading import load_installed
from archsim.base.plugins import active
from archsim.base.registry import Registry
from archsim.base.schema import json_schema
from archsim.base.section import Section
from archsim.base.shipped import builtin_names
from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.baselines.gpus import PRECISIONS, Gpu, known_gpus
from archsim.chip.graph import build_chip
from archsim.components import COMPONENTS
from archsim.estimates.base import ESTIMATORS
from archsim.export.formats import TRACES
from archsim.noc.patterns import TRAFFIC
from archsim.results.metric_words import metric_text
from archsim.spec.arch import ArchSpec
from archsim.spec.bearing import bearing
from archsim.spec.choices import (
    FLOORPLANS,
    PLACEMENTS,
    REDUCTIONS,
    REFRESH_POLICIES,
    TOPOLOGIES,
    TRANSFER_POLICIES,
    TRANSPORTS,
)
from archsim.spec.finding import description_of, find_file, kind_of
from archsim.spec.loading import Loaded, differences, flat, load_arch
from archsim.spec.scaling import factors_of, left_alone
from archsim.studies.run.plan import plan_from_file
from archsim.workload import Workload, load_workload
from archsim.workload.layers import LAYERS
from archsim.workload.network import MODES


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


def check_lines(name: str, sets: Sequence[str] = ()) -> list[str]:
    """Return what a file is, with some figures replaced; raise SpecError with everything that is wrong in it."""
    path = Path(name)
    if path.is_file():
        kind = kind_of(path)
        if kind == "run" and not sets:
            plan = plan_from_file(name)
            return [f"{name}: a run of {counted(plan.count, 'example')} on {plan.arch.value.name}, fine"]
    loaded = load_any(name, sets)
    told: list[str] = []
    if isinstance(loaded.value, ArchSpec):
        build_chip(loaded.value)
        told = bearing(loaded.value)
    tally: dict[str, int] = {}
    for figure in loaded.figures.values():
        tally[figure.status] = tally.get(figure.status, 0) + 1
    statuses = ", ".join(f"{tally[status]} {status}" for status in sorted(tally))
    line = f"{name}: {loaded.kind} {loaded.value.name}, fine; {counted(len(loaded.figures), 'figure')}: {statuses}"
    return [
        line, *([f"  {taken}"] if (taken := loaded.defaults_told) else []),
        *(f"  {path} is read no more: {why}" for path, why in loaded.retired.items()),
        *(f"  {words}" for words in loaded.misfits(stand_ins=True)),
        *(f"  {words}" for words in told),
    ]  # fmt: skip


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
    if isinstance(loaded.value, ArchSpec) and loaded.value.scaling is not None:
        lines += scaling_lines(loaded.value)
    lines += [f"{path:{wide}}  {text:16}  {status:10}  {source}".rstrip() for path, text, status, source in rows]
    return lines


def scaling_lines(spec: ArchSpec) -> list[str]:
    """Return what the spec's scaling does, and what it leaves alone."""
    if spec.scaling is None:
        return []
    scaling = spec.scaling.onto(spec.technology.node_m)
    factors = factors_of(scaling, spec.technology.supply_v)
    told = ", ".join(f"{quantity} x {factor:g} ({source})" for quantity, (factor, source) in factors.items())
    kept = "leakage, clock" if "delay" in factors else "delays, leakage, clock"
    return [
        f"  digital parts from {scaling.words}: {told}", f"  left alone: {kept}, {', '.join(left_alone(spec))}"
    ]  # fmt: skip


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
    hint = "give the folder of a report"
    text = read_plain(path, name, hint)
    with door(name, "not a result file: {why}", hint):
        data = read_json(text)
    if not isinstance(data, dict) or not isinstance(data.get("metrics"), dict):
        raise SpecError.at(name, "not a result file", hint)
    for key, value in data["metrics"].items():
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise SpecError.at(f"{name}: metrics.{key}", "is neither a number nor null", hint)
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
            rows.append((name, metric_text(one, name, 4), metric_text(two, name, 4), ratio))
    wide = max((len(name) for name, *_ in rows), default=0)
    lines += [f"{name:{wide}}  {one:>16}  {two:>16}  {ratio}".rstrip() for name, one, two, ratio in rows]
    return lines or ["no difference"]


def _short(value: Any) -> str:
    return " ".join(str(value.get(key)) for key in ("name", "hash")) if isinstance(value, dict) else str(value)


CHOICES: dict[str, list[tuple[str, Registry[Any]]]] = {
    "layer": [("layer", LAYERS)],
    "mode": [("mode", MODES)],
    "topology": [("topology", TOPOLOGIES)],
    "placement": [("placement", PLACEMENTS)],
    "policy": [("transfer policy", TRANSFER_POLICIES), ("refresh policy", REFRESH_POLICIES)],
    "transport": [("transport", TRANSPORTS)],
    "reduction": [("reduction", REDUCTIONS)],
    "floorplan": [("floorplan", FLOORPLANS)],
    "traffic": [("traffic", TRAFFIC)],
    "estimator": [("estimator", ESTIMATORS)],
}


def nouns() -> list[str]:
    """Return of what there is a list."""
    return ["arch", "workload", "component", *CHOICES, "trace", "gpu", "plugin"]


def catalogue(noun: str | None, gpu_files: Sequence[Path] = ()) -> list[tuple[str, str, str]]:
    """Return (kind, name, what it is) of all there is to choose, or of one noun; with the GPUs of a user's files."""
    noun = {"chip": "arch", "chips": "arch", "device": "component", "devices": "component"}.get(noun or "", noun)
    if noun is not None and noun not in nouns():
        raise SpecError([Problem("list", f"'{noun}' is not something to list", nearest(noun, nouns()))])
    if gpu_files and noun not in (None, "gpu"):
        raise SpecError(
            [Problem("--gpus", f"holds GPUs, not what 'list {noun}' lists", "archsim list gpu --gpus FILE")]
        )
    found: list[tuple[str, str, str]] = []
    for each in nouns() if noun is None else [noun]:
        if each in ("arch", "workload"):
            folder = "arch_specs" if each == "arch" else "workloads"
            found += [(each, name, _first_sentence(description_of(name, folder))) for name in builtin_names(folder)]
        elif each == "gpu":
            found += [(each, name, _about(gpu)) for name, gpu in known_gpus(gpu_files).items()]
        elif each == "trace":
            found += [(each, name, _said(TRACES, name, kind.build)) for name, kind in TRACES.items()]
        elif each == "component":
            found += [(cls.role, kind, _said(COMPONENTS, kind, cls)) for kind, cls in COMPONENTS.items()]
        elif each == "plugin":
            load_installed()
            named: dict[str, list[str]] = {}
            for own in active():
                named.setdefault(own.label if own.way == "installed" else own.name, []).extend(own.registered)
            found += [("plug-in", name, ", ".join(registered)) for name, registered in named.items() if registered]
        else:
            for kind, registry in CHOICES[each]:
                found += [(kind, name, _said(registry, name, entry)) for name, entry in registry.items()]
    return found


def _said(registry: Registry[Any], name: str, entry: Any) -> str:
    """Return what an entry is, and whose, where it is not archsim's own."""
    said, own = _first_sentence(entry.__doc__), registry.plugin_of(name)
    return said if own is None else f"{said} ({own.name})"


def _about(gpu: Gpu) -> str:
    peak = engineering(gpu.peaks_op_per_s[gpu.fastest], "OP/s")
    words = PRECISIONS[gpu.fastest].says
    return f"{gpu.title}, {gpu.node_m * 1e9:.0f} nm: {peak} in {words}, {engineering(gpu.power_limit_w, 'W')}"


def _first_sentence(text: str | None) -> str:
    flat_text = " ".join((text or "").split())
    return re.split(r"(?<=[a-z)])[.:] ", flat_text, maxsplit=1)[0].rstrip(".")


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of `arch` or `workload` files."""
    classes: dict[str, type[Section]] = {"arch": ArchSpec, "workload": Workload}
    if kind not in classes:
        raise SpecError([Problem("schema", f"'{kind}' is not a kind of file", nearest(kind, classes))])
    return json_schema(classes[kind], kind)
