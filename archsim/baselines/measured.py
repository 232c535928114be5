"""Measured GPUs: files that `python -m archsim.baselines.measure` writes, read, checked and matched to a workload."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError, model_validator
from pydantic_core import PydanticCustomError

from archsim.base.documents import read_text, read_yaml
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.section import Flag, FreeName, Section
from archsim.base.units import Count, Dimension
from archsim.base.words import counted
from archsim.baselines.gpus import FOLDER, Gpu, baselines, gathered
from archsim.spec.faults import problems_of
from archsim.spec.named import lies
from archsim.workload.network import Workload

SCHEMA = "archsim-measured-1"
PRECISION_OF = {"fp32": "fp32", "tf32": "tf32", "bf16": "bf16", "fp16": "fp16_tensor"}
"""A file's precisions by the names that the data sheets have them under."""
Seconds = Annotated[float, Dimension("", most=1e4)]
Joules = Annotated[float, Dimension("", most=1e6)]
Watts = Annotated[float, Dimension("", most=1e4)]


class MeasuredRow(Section):
    """Steps of SGD at one batch size: median time, energy and power per step; null where nothing measures them."""

    precision: Literal["fp32", "tf32", "bf16", "fp16"]
    batch: Count
    how: Literal["eager", "graph"]
    time_per_step_s: Seconds
    energy_per_step_j: Joules | None = None
    power_w: Watts | None = None
    steps: Count


class MeasuredNetwork(Section):
    """A network as it was measured: (inputs, outputs) per layer, and a row per precision, batch and way.

    It was trained, on examples of one step, and all layers are dense, unless `mode`, `steps` and `kinds` say otherwise.
    """

    name: FreeName
    layers: tuple[tuple[Count, Count], ...]
    bias: Flag
    kinds: tuple[FreeName, ...] | None = None
    steps: Count = 1
    mode: Literal["training", "inference"] = "training"
    rows: tuple[MeasuredRow, ...]

    @model_validator(mode="after")
    def _filled(self) -> MeasuredNetwork:
        if not self.rows or not self.layers:
            raise PydanticCustomError("empty", "holds no rows or no layers; measure again, the file seems truncated")
        if self.kinds is not None and len(self.kinds) != len(self.layers):
            raise PydanticCustomError("kinds", "has not as many kinds as layers; measure again")
        return self

    @property
    def shape(self) -> tuple[Any, ...]:
        """What a network must have in common with it, to be the same on a GPU."""
        return self.layers, self.kinds or ("dense",) * len(self.layers), self.bias, self.steps, self.mode


class MeasuredProduct(Section):
    """A product of (outputs x inputs) weights with a batch of vectors."""

    precision: Literal["fp32", "tf32", "bf16", "fp16"]
    outputs_m: Count
    batch_n: Count
    inputs_k: Count
    time_s: Seconds
    energy_j: Joules | None = None


class Device(Section):
    """The GPU that was measured: as it calls itself, and its name among the baselines, if it is one."""

    name: FreeName
    baseline: str | None = None


class MeasuredFile(Section):
    """A measured file."""

    schema_: Literal["archsim-measured-1"] = SCHEMA  # type: ignore[assignment]
    gpu: Device
    date: str
    software: dict[str, str | None] = {}
    method: str
    power_idle_w: Watts | None = None
    power_limit_w: Watts | None = None
    workloads: tuple[MeasuredNetwork, ...]
    gemms: tuple[MeasuredProduct, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A measured file's content, and what it is called in messages."""

    label: str
    file: MeasuredFile

    def network(self, workload: Workload) -> MeasuredNetwork | None:
        """Return what was measured of a workload; None if it was another, or did another thing."""
        own = shape_of(workload)
        return next((each for each in self.file.workloads if each.shape == own), None)


def shape_of(workload: Workload) -> tuple[Any, ...]:
    """Return what makes two networks the same on a GPU: sizes, kinds, biases, steps, and what is done."""
    sizes = tuple((layer.inputs, layer.outputs) for layer in workload.layers)
    bias = all(block.bias for layer in workload.layers for block in layer.blocks)
    return sizes, tuple(layer.kind for layer in workload.layers), bias, workload.timed.steps, workload.mode


def read_measured(path: Path, known: Mapping[str, Gpu] | None = None) -> Measured:
    """Return a measured file, whose GPU may be one of the known ones (archsim's if not given).

    Raises SpecError with all that is wrong in it.
    """
    label = str(path)
    again = "give a file that `python -m archsim.baselines.measure` wrote"
    plain = read_yaml(read_text(lies(path), label), label, again)
    kind = plain.pop("kind", None)
    if kind != "measured":
        given = f"'{kind}' is not 'measured'" if isinstance(kind, str) else "is missing"
        raise SpecError([Problem(f"{label}: kind", given, again)])
    schema = plain.get("schema", SCHEMA)
    if schema != SCHEMA:
        what = f"'{schema}' is not a schema that this archsim reads"
        raise SpecError([Problem(f"{label}: schema", what, f"it reads {SCHEMA}; a newer archsim may read this one")])
    try:
        file = MeasuredFile.model_validate(plain)
    except ValidationError as error:
        raise SpecError(problems_of(error, MeasuredFile, plain, label)) from None
    known = baselines().gpus if known is None else known
    if file.gpu.baseline is not None and file.gpu.baseline not in known:
        what = f"'{file.gpu.baseline}' is not a GPU"
        raise SpecError([Problem(f"{label}: gpu.baseline", what, f"{nearest(file.gpu.baseline, known)} or null")])
    return Measured(label, file)


@functools.cache
def shipped() -> tuple[Measured, ...]:
    """Return the measured files that come with archsim, in the order of their names."""
    found = [read_measured(path) for path in sorted((FOLDER / "measured").glob("*.yaml"))]
    return tuple(Measured(Path(each.label).name, each.file) for each in found)


def measurements(
    workload: Workload, paths: Sequence[Path] = (), known: Mapping[str, Gpu] | None = None
) -> list[tuple[Measured, MeasuredNetwork]]:
    """Return what was measured of a workload's layers: in the shipped files, and in each of the files given.

    Raises SpecError for a file that cannot be read, or that was given and holds other networks only.
    """
    found = [(each, network) for each in shipped() if (network := each.network(workload)) is not None]
    problems: list[Problem] = []
    for path in paths:
        if (each := gathered(problems, read_measured, path, known)) is None:
            continue
        if (network := each.network(workload)) is None:
            problems.append(_another(each, workload))
        else:
            found.append((each, network))
    if problems:
        raise SpecError(problems)
    return found


def _another(each: Measured, workload: Workload) -> Problem:
    def says(shape: tuple[Any, ...]) -> str:
        layers, kinds, bias, steps, mode = shape
        sizes = "-".join(map(str, [layers[0][0], *(outputs for _, outputs in layers)]))
        of = "" if set(kinds) == {"dense"} else f" of {', '.join(dict.fromkeys(kinds))}"
        over = f", {counted(steps, 'step')}" if steps > 1 else ""
        return f"{sizes}{of}, {'with' if bias else 'without'} biases{over}, {mode}"

    has = ", ".join(f"{network.name} ({says(network.shape)})" for network in each.file.workloads)
    what = f"holds steps of {has or 'no network'}; {workload.name} is {says(shape_of(workload))}"
    hint = "measure this workload: python -m archsim.baselines.measure"
    return Problem(f"--measured {each.label}", what, hint)
