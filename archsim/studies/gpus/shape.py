"""A comparison with GPUs as a file holds it, alone or in the details of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import SerializerFunctionWrapHandler, model_serializer

from archsim.base.record import Named, Record
from archsim.results.intervals import Cause, Uncertainty
from archsim.studies.study import Data, signed

Figure: TypeAlias = float | None


class Pair(Record):
    """Efficiency and density, or ratios of them."""

    efficiency_op_per_j: float
    throughput_per_area_op_per_s_m2: float


class Sure(Record):
    """Figures of which some have intervals, by name, and of some of these what makes most of it."""

    intervals: Mapping[str, tuple[float, float]] = {}
    causes: Mapping[str, tuple[Cause, ...]] = {}

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return {key: own for key, own in found.items() if own or key not in ("intervals", "causes")}

    def end(self, figure: str, which: int) -> float | None:
        """Return the low (0) or the high (1) end of a figure's interval; None without one."""
        return self.intervals[figure][which] if figure in self.intervals else None


class Rate(Sure):
    """What is compared, or ratios of it, chip / GPU."""

    throughput_op_per_s: Figure
    efficiency_op_per_j: Figure
    throughput_per_area_op_per_s_m2: Figure


class Cost(Sure):
    """What an example takes."""

    time_per_example_s: Figure
    energy_per_example_j: Figure


class Own(Rate, Cost):
    """The chip's figures, at its peak or sustained."""


class Chip(Record):
    """The chip's figures."""

    peak: Own
    sustained: Own


class Ratios(Record):
    """Chip / GPU, with the chip at its peak and sustained."""

    peak: Rate
    sustained: Rate


class Paper(Rate):
    """The paper's comparison, as quoted, and as it follows from published and from simulated figures."""

    gpu: str
    precision: str
    quoted: Pair
    published: Pair
    published_ratio: Pair
    ratio: Ratios


class Peak(Rate):
    """A GPU's peak in a precision, by data sheet."""

    precision: str
    ratio: Ratios


class Row(Rate):
    """A step of a batch, per example."""

    precision: str
    batch: int
    time_per_example_s: float
    energy_per_example_j: Figure
    power_w: Figure
    ratio: Ratios


class BoundedRow(Row):
    """A step whose kernels are an assumption; `validated` says whether such were held against measured ones."""

    time_per_example_interval_s: tuple[float, float]
    energy_per_example_interval_j: tuple[float, float]
    validated: bool


class MeasuredRow(Row):
    """A measured step, and the model's over it."""

    how: str
    modelled_over_measured_time: Figure = None
    modelled_over_measured_energy: Figure = None


class Known(Record):
    """Whether there are such figures at all."""

    time_per_example_s: bool
    energy_per_example_j: bool


class Batch(Record):
    """From which batch on a GPU needs no more than the chip; None: not at the largest."""

    time_per_example_s: int | None
    energy_per_example_j: int | None


class Catch(Record):
    """From which of some batches on a GPU catches up with the chip's peak, and with what it sustains."""

    precision: str
    batches: tuple[int, ...]
    known: Known
    peak: Batch
    sustained: Batch


class MeasuredCatch(Catch):
    """The same of measured steps."""

    how: str


class GpuRows(Record):
    """A GPU: its figures by data sheet, and its steps as modelled."""

    name: str
    title: str
    node_m: float
    area_m2: float
    power_limit_w: float
    bandwidth_bytes_per_s: float
    fastest: str
    peaks: tuple[Peak, ...]
    modelled: tuple[BoundedRow | Row, ...]
    catches_up: tuple[Catch, ...]

    @property
    def peak(self) -> Peak:
        """Its peak in the fastest precision."""
        return next(row for row in self.peaks if row.precision == self.fastest)

    @property
    def modelled_words(self) -> str:
        """What its modelled steps are called wherever they are shown."""
        unchecked = any(isinstance(row, BoundedRow) and not row.validated for row in self.modelled)
        return "modelled, NOT validated" if unchecked else "modelled"

    @property
    def quickest(self) -> tuple[Row, ...]:
        """Its modelled steps in the fastest precision."""
        return tuple(row for row in self.modelled if row.precision == self.fastest)


class MeasuredGpu(Record):
    """A GPU that was measured: its name among the known ones, if it is one of them."""

    file: str
    gpu: str
    baseline: str | None
    date: str
    software: Mapping[str, str | None]
    method: str
    rows: tuple[MeasuredRow, ...]
    catches_up: tuple[MeasuredCatch, ...]


class Compared(Record):
    """A run against GPUs."""

    mode: str
    ops_per_synapse: int
    ops_per_example: int
    synapses: int
    chip: Chip
    paper: Paper | None
    gpus: tuple[GpuRows, ...]
    measured: tuple[MeasuredGpu, ...]

    @property
    def modelled(self) -> bool:
        """Whether the network's steps on GPUs were modelled."""
        return any(gpu.modelled for gpu in self.gpus)


class Beside(Record):
    """Another chip with the same workload: its figures, and ratios of the first chip to it."""

    arch: Named
    chip: Chip
    ratio: Ratios


class GpuComparison(Compared, Data):
    """What gpus.json holds. Intervals are in common draws of all chips and GPUs; `uncertainty` is None without any."""

    schema_id: Literal["archsim-gpus-1"] = signed("archsim-gpus-1")
    arch: Named
    workload: Named
    seed: int
    examples: int
    passed: bool
    chips: tuple[Beside, ...] = ()
    uncertainty: Uncertainty | None = None
