"""GPUs by data sheet: peaks by precision, memory, power and area, each figure with its source."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ParamSpec, Self, TypeVar

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.section import Choice, FreeName, Section
from archsim.base.units import Area, Count, DataRate, Dimension, Frequency, Length, Power, Ratio, Throughput
from archsim.spec.figure_ranges import Range
from archsim.spec.figures import Figure
from archsim.spec.loading import load_section
from archsim.workload.network import MODES

FOLDER = Path(__file__).parent
Part = Annotated[float, Dimension("", most=1.0)]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Precision:
    """How numbers are held and multiplied: bytes of a value, the word for it, and whether matrix units do it."""

    value_bytes: int
    says: str
    matrix: bool


PRECISIONS: Mapping[str, Precision] = {
    "fp32": Precision(4, "FP32", matrix=False),
    "tf32": Precision(4, "TF32 tensor", matrix=True),
    "fp16_vector": Precision(2, "FP16 vector", matrix=False),
    "fp16_tensor": Precision(2, "FP16 tensor", matrix=True),
    "bf16": Precision(2, "BF16 tensor", matrix=True),
}


class Peaks(Section):
    """Operations per second by precision, dense; what a GPU has no unit for is left out."""

    fp32_op_per_s: Throughput
    tf32_op_per_s: Throughput | None = None
    fp16_vector_op_per_s: Throughput | None = None
    fp16_tensor_op_per_s: Throughput | None = None
    bf16_op_per_s: Throughput | None = None


class Reached(Section):
    """Shares of the peaks that a GPU's instructions reach at all, by precision; 1 where nothing is known."""

    fp32: Part = 1.0
    tf32: Part = 1.0
    fp16_vector: Part = 1.0
    fp16_tensor: Part = 1.0
    bf16: Part = 1.0


class Gpu(Section):
    """A GPU: multiprocessors with vector and matrix units, a common cache, and the memory.

    `cache_bandwidth` is what programs reach of the cache's; without it, the model's clocks say. `narrowest_tile` is of
    the library of its time: columns of the narrowest tile that need not be filled; narrower ones take whole tiles only.
    """

    title: str
    node_m: Length
    area_m2: Area
    power_limit_w: Power
    power_idle_w: Power
    clock_hz: Frequency
    processors: Count
    cache_bytes: Count
    bandwidth_bit_per_s: DataRate
    peaks: Peaks
    cache_bandwidth_bit_per_s: DataRate | None = None
    reached: Reached = Reached()
    narrowest_tile: Count = 1

    @model_validator(mode="after")
    def _has_power_to_work(self) -> Self:
        if not self.power_idle_w < self.power_limit_w:
            message = "power_idle of {idle} W leaves nothing of a limit of {limit} W; give power_idle < power_limit"
            context = {"idle": self.power_idle_w, "limit": self.power_limit_w}
            raise PydanticCustomError("idle_power", message, context)
        return self

    @property
    def peaks_op_per_s(self) -> dict[str, float]:
        """Peaks in operations per second by precision, of those that it has."""
        found = {name: getattr(self.peaks, f"{name}_op_per_s") for name in PRECISIONS}
        return {name: peak for name, peak in found.items() if peak is not None}

    @property
    def fastest(self) -> str:
        """The precision of the highest peak; of two, the one that stands later: BF16 before FP16."""
        peaks = self.peaks_op_per_s
        return max(reversed(peaks), key=lambda name: peaks[name])


class Paper(Section):
    """The comparison that the paper made: its GPU, what it took as that one's peak, and what came out."""

    mode: Annotated[str, Choice(MODES)]
    gpu: str
    precision: str
    throughput_op_per_s: Throughput
    efficiency_op_per_j: Annotated[float, Dimension("op/s/W", most=1e18)]
    density_op_per_s_m2: Annotated[float, Dimension("op/s/m**2", most=1e24)]
    energy_ratio: Ratio
    area_ratio: Ratio


class GpuFile(Section):
    """A file of GPUs: that of archsim, which also holds the paper's comparison, or a user's own."""

    name: FreeName
    description: str = ""
    paper: Paper | None = None
    gpus: dict[FreeName, Gpu]


@dataclass(frozen=True)
class Baselines:
    """GPUs by name, in order of their years, the paper's comparison, and every figure by its dotted path.

    `ranges` are by GPU how low and how high its figures may be, where that is said.
    """

    gpus: Mapping[str, Gpu]
    paper: Paper | None
    figures: Mapping[str, Figure]
    ranges: Mapping[str, tuple[Range, ...]]


def load_gpus(path: Path = FOLDER / "gpus.yaml") -> Baselines:
    """Return the GPUs of a file; raise SpecError with all of its faults."""
    loaded = load_section(GpuFile, "gpus", "", str(path))
    quoted, gpus = loaded.value.paper, loaded.value.gpus
    if not gpus:
        raise SpecError([Problem(f"{loaded.path_label}: gpus", "holds no GPU", "give one entry at least")])
    if quoted is not None and quoted.gpu not in gpus:
        where = f"{loaded.path_label}: paper.gpu"
        raise SpecError([Problem(where, f"'{quoted.gpu}' is not a GPU of this file", nearest(quoted.gpu, gpus))])
    ranges = {name: tuple(own for own in loaded.ranges if own.path.startswith(f"gpus.{name}.")) for name in gpus}
    return Baselines(gpus, quoted, loaded.figures, ranges)


def gathered(problems: list[Problem], ask: Callable[P, T], *args: P.args, **named: P.kwargs) -> T | None:
    """Return what a call does; if it raises SpecError, None, and what is wrong is added to `problems`."""
    try:
        return ask(*args, **named)
    except SpecError as error:
        problems += error.problems
        return None


@functools.cache
def baselines() -> Baselines:
    """Return the GPUs that come with archsim."""
    return load_gpus()


def paper() -> Paper:
    """Return the comparison that the paper made."""
    found = baselines().paper
    assert found is not None  # of archsim's own file
    return found


def known_gpus(files: Sequence[Path] = ()) -> dict[str, Gpu]:
    """Return archsim's GPUs and those of a user's files, in order; of two of one name, the later one.

    Raises SpecError with the faults of all files.
    """
    return {name: gpu for own in _known(files) for name, gpu in own.gpus.items()}


def known_ranges(files: Sequence[Path] = ()) -> dict[str, tuple[Range, ...]]:
    """Return by name the ranges of the GPUs that `known_gpus` returns; raise SpecError as that does."""
    return {name: ranges for own in _known(files) for name, ranges in own.ranges.items()}


def _known(files: Sequence[Path]) -> list[Baselines]:
    problems: list[Problem] = []
    found = [gathered(problems, load_gpus, path) for path in files]
    if problems:
        raise SpecError(problems)
    return [baselines(), *filter(None, found)]


def find_gpus(names: Sequence[str], known: Mapping[str, Gpu] | None = None) -> dict[str, Gpu]:
    """Return the GPUs of these names among the known ones (archsim's if not given), or all of them.

    Raises SpecError with the nearest name for each that there is not.
    """
    known = baselines().gpus if known is None else known
    by_lower = {name.lower(): name for name in known}
    wrong = [Problem("--gpu", f"'{name}' is not a GPU", nearest(name.upper(), known))
             for name in names if name.lower() not in by_lower]  # fmt: skip
    if wrong:
        raise SpecError(wrong)
    return {by_lower[name.lower()]: known[by_lower[name.lower()]] for name in names} or dict(known)
