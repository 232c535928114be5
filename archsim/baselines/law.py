"""Constants of the model of GPUs, shared by all of them; model.yaml says of each what it is and where it is from."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

from archsim.base.section import Section
from archsim.base.units import Count, CountOrZero, Dimension, Energy, EnergyPerBit, Length, Ratio, Share, TimeOrZero
from archsim.baselines.gpus import FOLDER
from archsim.spec.loading import load_section

Fraction1 = Annotated[float, Dimension("", most=1.0)]


class Launch(Section):
    """What a kernel costs before and after its work, by who starts it; `eager` is time of the host."""

    stream_s: TimeOrZero
    graph_s: TimeOrZero
    eager_s: TimeOrZero


class PowerLaw(Section):
    """Energy of an operation at a node and at full clock: FP32 on vector units, TF32 and 16 bits on matrix units.

    At another node it is in proportion to a power of the node. Besides, of a bit from the memory and from the cache;
    and of limit - idle, the share that is drawn when kernels run, whatever they do. As the clock falls, the voltage
    falls by `voltage_slope` of it.
    """

    awake_share: Share
    node_m: Length
    vector_j: Energy
    tf32_j: Energy
    matrix_j: Energy
    vector_exponent: Ratio
    matrix_exponent: Ratio
    memory_j_per_bit: EnergyPerBit
    cache_j_per_bit: EnergyPerBit
    voltage_slope: Annotated[float, Dimension("", above=False, most=1.0)]
    slowest_clock: Fraction1


class Spread(Section):
    """Factors within which 80 % of measured steps lie of modelled ones, either way: of their time, of their power."""

    time: Annotated[float, Dimension("", least=1.0, above=False, most=100.0)]
    power: Annotated[float, Dimension("", least=1.0, above=False, most=100.0)]


class Tiles(Section):
    """Tiles (rows x columns of the result) that the library has kernels for, and pieces it cuts the depth into."""

    shapes: tuple[tuple[Count, Count], ...]
    splits: tuple[Count, ...]


class Fusing(Section):
    """Into which kernels a library makes what a layer does with a sequence.

    Of `input_steps` steps the products with inputs are one; a cell's step has so many `pointwise` kernels besides its
    product with its own outputs. Where `stays` is not zero, one kernel goes through all steps with the weights in its
    registers, and each takes so long, until all multiprocessors have done it. A product of two vectors of a sequence
    has `scores` kernels behind it; with none, all is one kernel that keeps the scores. Other work of a layer without
    weights is of `beside` kernels.
    """

    input_steps: Count
    pointwise: Count
    stays_s: TimeOrZero
    scores: CountOrZero
    beside: Count


class Sequences(Section):
    """Networks of several steps or of other layers: as is expected, and the two ends of an interval."""

    expected: Fusing
    quickest: Fusing
    slowest: Fusing


class Constants(Section):
    """Constants of the model."""

    name: str
    description: str = ""
    arithmetic_share: Fraction1
    bandwidth_share: Fraction1
    cache_bytes_per_clock: Ratio
    results_to_fill: Ratio
    unaligned: Ratio
    adding_s: TimeOrZero
    overlap: Annotated[float, Dimension("", least=1.0, above=False, most=20.0)]
    launch: Launch
    power: PowerLaw
    spread: Spread
    tiles: Tiles
    sequences: Sequences


@functools.cache
def constants(path: Path = FOLDER / "model.yaml") -> Constants:
    """Return the constants that come with archsim."""
    return load_section(Constants, "gpu_model", "", str(path)).value
