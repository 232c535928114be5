"""A chip against GPUs: time, energy, throughput, efficiency and density per example, as plain data.

The same operations are counted on both sides: 6 per synapse and example of training and 2 of inference, bias rows
included, whether or not the hardware does all of them. A figure may be an array over draws: so are then those that
follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from archsim.base.arrays import F64
from archsim.base.errors import Problem, SpecError
from archsim.base.limits import BATCH
from archsim.baselines.gpus import PRECISIONS, Gpu, baselines, find_gpus, gathered, paper
from archsim.baselines.measured import PRECISION_OF, Measured, MeasuredNetwork, measurements
from archsim.baselines.model import Steps, steps
from archsim.baselines.unrolled import bounded_steps, is_validated, sequence_steps

if TYPE_CHECKING:
    from archsim.spec.loading import Loaded
    from archsim.workload.network import Workload

BATCHES = tuple(2**i for i in range(13))
KEPT_STEPS = 256
"""Steps of so many networks and GPUs are kept for those that are compared next."""
FIGURES_AND_UNITS = (("throughput", "op_per_s"), ("efficiency", "op_per_j"), ("throughput_per_area", "op_per_s_m2"))
FIGURES = tuple(f"{figure}_{unit}" for figure, unit in FIGURES_AND_UNITS)
"""What is compared; the ratio of each is chip / GPU, so that above 1 the chip is ahead."""


Value: TypeAlias = "float | F64"


@dataclass(frozen=True)
class Side:
    """A GPU as it is compared: figures of its data sheet, in SI units, each a number or an array over draws.

    `steps` gives by precision and batch size the time and the energy of a step, as modelled.
    """

    gpu: Gpu
    area_m2: Value
    power_limit_w: Value
    peaks_op_per_s: Mapping[str, Value]
    steps: Callable[[str, Sequence[int]], Sequence[tuple[Value, Value]]]


class Unsure(Protocol):
    """Draws of a comparison: the chip's figures and GPUs in these, and what is told of what comes out."""

    @property
    def chip(self) -> Mapping[str, Mapping[str, Value | None]]:
        """What `chip_figures` returns, in draws."""

    def side(self, name: str, gpu: Gpu, workload: Workload) -> Side:
        """Return a GPU in draws."""

    def tell(self, own: Mapping[str, Any], drawn: Mapping[str, Any]) -> None:
        """Put into a comparison what the same one in draws says of it."""


class Simulated(Protocol):
    """What is needed of a run's result: the data of its metrics.json, and its workload."""

    @property
    def data(self) -> Mapping[str, Any]:
        """What metrics.json holds."""

    @property
    def workload(self) -> Loaded[Workload]:
        """The workload that was run."""


def parse_batches(text: str) -> tuple[int, ...]:
    """Return batch sizes, each once and in order, from "1,16"; raise SpecError for each that is not one.

    >>> parse_batches("16, 1,16")
    (1, 16)
    """
    found, problems = set(), []
    for part in text.split(","):
        word = part.strip().replace("_", "")
        if not word.isdecimal():
            problems.append(Problem("--batch", f"'{part.strip()}' is not a whole number", "for example --batch 1,16"))
        elif len(word) > 12 or not int(word):
            hint = f"give sizes from 1 to {BATCH.most:,}"
            problems.append(Problem("--batch", f"'{part.strip()}' is not a batch size", hint))
        elif faults := [*BATCH.faults(int(word), "--batch")]:
            problems += faults
        else:
            found.add(int(word))
    if problems:
        raise SpecError(problems)
    return tuple(sorted(found))


def compare_gpus(
    result: Simulated, gpus: Sequence[str] = (), batches: Sequence[int] = BATCHES, measured: Sequence[Path] = (),
    known: Mapping[str, Gpu] | None = None, unsure: Unsure | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a run against known GPUs (archsim's if not given; all if none is named), with what was measured.

    Plain data in SI units: `chip` (peak and sustained), `paper`, `gpus` (peaks by data sheet, modelled rows, from which
    batch on the GPU catches up) and `measured`; of what is `unsure`, intervals. Raises SpecError for GPUs and measured
    files that will not do.
    """
    known = baselines().gpus if known is None else known
    workload = result.workload.value
    problems: list[Problem] = []
    chosen = gathered(problems, find_gpus, gpus, known) or {}
    found = gathered(problems, measurements, workload, measured, known) or []
    if problems:
        raise SpecError(problems)
    kept = [(each, network) for each, network in found
            if each.file.gpu.baseline in chosen or each.file.gpu.baseline is None]  # fmt: skip
    chip, sides = chip_figures(result.data["metrics"]), {name: _side(gpu, workload) for name, gpu in chosen.items()}
    own = _beside(chip, sides, kept, workload, sorted({*BATCHES, *batches}))
    if not workload.plain:
        _bound(own["gpus"], chosen, workload)
    for gpu in own["gpus"]:
        of = {precision: [row for row in gpu["modelled"] if row["precision"] == precision] for precision in
              dict.fromkeys(row["precision"] for row in gpu["modelled"])}  # fmt: skip
        gpu["catches_up"] = [
            {"precision": precision, **_catches([row for row in rows if row["batch"] in BATCHES], chip)}
            for precision, rows in of.items()
        ]
        gpu["modelled"] = [row for row in gpu["modelled"] if row["batch"] in batches]
    for each in own["measured"]:
        series = dict.fromkeys((row["precision"], row["how"]) for row in each["rows"])
        each["catches_up"] = [
            {"precision": precision, "how": how, **_catches(
                [row for row in each["rows"] if (row["precision"], row["how"]) == (precision, how)], chip)}
            for precision, how in series
        ]  # fmt: skip
    if unsure is not None:
        drawn = {name: unsure.side(name, gpu, workload) for name, gpu in chosen.items()}
        unsure.tell(own, _beside(unsure.chip, drawn, kept, workload, sorted(batches)))
    return {
        "mode": workload.mode, "ops_per_synapse": workload.ops_per_synapse,
        "ops_per_example": workload.ops_per_example, "synapses": workload.synapses, **own,
    }  # fmt: skip


def _beside(
    chip: Mapping[str, Any], sides: Mapping[str, Side], found: Sequence[tuple[Measured, MeasuredNetwork]],
    workload: Workload, batches: Sequence[int],
) -> dict[str, Any]:  # fmt: skip
    return {
        "chip": chip, "paper": _paper(chip) if workload.mode == paper().mode else None,
        "gpus": [_gpu(name, side, workload, chip, batches) for name, side in sides.items()],
        "measured": [_measured(each, network, workload, chip, sides) for each, network in found],
    }  # fmt: skip


def _bound(gpus: Sequence[Mapping[str, Any]], chosen: Mapping[str, Gpu], workload: Workload) -> None:
    """Put into modelled rows whose kernels are an assumption its two ends, and whether such steps are validated."""
    for gpu in gpus:
        for precision in chosen[gpu["name"]].peaks_op_per_s:
            rows = [row for row in gpu["modelled"] if row["precision"] == precision]
            ends = bounded_steps(chosen[gpu["name"]], precision, workload, [row["batch"] for row in rows])
            for place, row in enumerate(rows):
                row |= {**ends.per_example(place), "validated": is_validated(workload)}


def chip_figures(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the chip's figures at its peak and sustained, per example in operations of the convention."""
    ops = metrics["ops_per_example"]
    found = {}
    for name, infix in (("peak", "_peak"), ("sustained", "")):
        own = {f"{figure}_{unit}": metrics[f"{figure}{infix}_{unit}"] for figure, unit in FIGURES_AND_UNITS}
        per_example = _over(ops, own["throughput_op_per_s"]), _over(ops, own["efficiency_op_per_j"])
        found[name] = {"time_per_example_s": per_example[0], "energy_per_example_j": per_example[1], **own}
    return found


def _paper(chip: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paper's comparison as it follows from its published figures and from the simulated ones."""
    quoted = paper()
    gpu = baselines().gpus[quoted.gpu]
    own = _figures(quoted.throughput_op_per_s, gpu.power_limit_w, gpu.area_m2)
    published = {"efficiency_op_per_j": quoted.efficiency_op_per_j,
                 "throughput_per_area_op_per_s_m2": quoted.density_op_per_s_m2}  # fmt: skip
    return {
        "gpu": quoted.gpu, "precision": quoted.precision, **own,
        "quoted": {"efficiency_op_per_j": quoted.energy_ratio, "throughput_per_area_op_per_s_m2": quoted.area_ratio},
        "published": published,
        "published_ratio": {name: value / own[name] for name, value in published.items()},
        "ratio": ratios(chip, own),
    }  # fmt: skip


@lru_cache(maxsize=KEPT_STEPS)
def _steps(gpu: Gpu, precision: str, workload: Workload, batches: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    """Return (s, J) of a step at each batch size; many runs of one workload are set against the same GPUs."""
    found = modelled_steps(gpu, precision, workload, batches)
    return tuple(zip(found.time_s.tolist(), found.energy_j.tolist(), strict=True))


def _side(gpu: Gpu, workload: Workload) -> Side:
    def steps_of(precision: str, batches: Sequence[int]) -> Sequence[tuple[Value, Value]]:
        return _steps(gpu, precision, workload, tuple(batches))

    return Side(gpu, gpu.area_m2, gpu.power_limit_w, gpu.peaks_op_per_s, steps_of)


def _gpu(name: str, side: Side, workload: Workload, chip: Mapping[str, Any], batches: Sequence[int]) -> dict[str, Any]:
    gpu = side.gpu
    peaks, modelled = [], []
    for precision, peak in side.peaks_op_per_s.items():
        own = _figures(peak, side.power_limit_w, side.area_m2)
        peaks.append({"precision": precision, **own, "ratio": ratios(chip, own)})
        modelled += _rows(side, precision, workload, chip, batches)
    return {
        "name": name, "title": gpu.title, "node_m": gpu.node_m, "area_m2": gpu.area_m2,
        "power_limit_w": gpu.power_limit_w, "bandwidth_bytes_per_s": float(gpu.bandwidth_bit_per_s) / 8,
        "fastest": gpu.fastest, "peaks": peaks, "modelled": modelled,
    }  # fmt: skip


def modelled_steps(gpu: Gpu, precision: str, workload: Workload, batches: Sequence[int], how: str = "graph") -> Steps:
    """Return steps of SGD on a workload's layers, or forward passes where it infers, by the model."""
    if not workload.plain:
        return sequence_steps(gpu, precision, workload, batches, how=how)
    layers = [(layer.inputs, layer.outputs) for layer in workload.layers]
    bias = all(layer.bias for layer in workload.dense_layers())
    training = workload.mode == "training"
    return steps(gpu, precision, layers, batches, bias=bias, training=training, how=how)


def _rows(
    side: Side, precision: str, workload: Workload, chip: Mapping[str, Any], batches: Sequence[int]
) -> list[dict[str, Any]]:
    rows = []
    for batch, (time_s, energy_j) in zip(batches, side.steps(precision, batches), strict=True):
        own = _of_step(workload.ops_per_example, batch, time_s, energy_j, side.area_m2)
        rows.append({"precision": precision, "batch": batch, **own, "ratio": ratios(chip, own)})
    return rows


def _of_step(
    ops_per_example: int, batch: int, time_s: Value, energy_j: Value | None, area_m2: Value | None
) -> dict[str, Any]:
    """Return the figures per example of a step of a batch; None where energy or area is not known."""
    power_w = _over(energy_j, time_s)
    return {
        "time_per_example_s": time_s / batch,
        "energy_per_example_j": _over(energy_j, batch),
        "power_w": power_w,
        **_figures(ops_per_example * batch / time_s, power_w, area_m2),
    }


def _figures(throughput_op_per_s: Value, power_w: Value | None, area_m2: Value | None) -> dict[str, Any]:
    values = (throughput_op_per_s, _over(throughput_op_per_s, power_w), _over(throughput_op_per_s, area_m2))
    return dict(zip(FIGURES, values, strict=True))


def _over(value: Value | None, by: Value | None) -> Value | None:
    if value is None or by is None:
        return None
    return value / by if isinstance(by, np.ndarray) or by else None


def ratios(chip: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return chip / GPU by figure, with the chip at its peak and sustained."""
    return {name: {key: _over(chip[name][key], own[key]) for key in FIGURES} for name in ("peak", "sustained")}


def _catches(rows: Sequence[Mapping[str, Any]], chip: Mapping[str, Any]) -> dict[str, Any]:
    """Return from which batch on, of those in rows, a GPU needs no more time and energy per example than the chip.

    At all larger ones it does so, too; None: not at the largest. `known` says whether there is such a figure at all.
    """
    keys = ("time_per_example_s", "energy_per_example_j")
    found: dict[str, Any] = {
        "batches": [row["batch"] for row in rows],
        "known": {key: any(row[key] is not None for row in rows) for key in keys},
    }
    for name in ("peak", "sustained"):
        found[name] = {}
        for key in keys:
            limit = chip[name][key]
            own = [(row["batch"], row[key]) for row in rows if limit is not None and row[key] is not None]
            ahead = max((batch for batch, value in own if value > limit), default=0)  # the last at which the chip is
            found[name][key] = min((batch for batch, _ in own if batch > ahead), default=None)
    return found


def _measured(
    each: Measured, network: MeasuredNetwork, workload: Workload, chip: Mapping[str, Any], sides: Mapping[str, Side]
) -> dict[str, Any]:
    name = each.file.gpu.baseline
    side = None if name is None else sides[name]
    gpu, area_m2 = (None, None) if side is None else (side.gpu, side.area_m2)
    asked: dict[tuple[str, str], list[int]] = {}
    for row in network.rows:
        asked.setdefault((PRECISION_OF[row.precision], row.how), []).append(row.batch)
    modelled = {
        (precision, how, batch): (float(time_s), float(energy_j))
        for (precision, how), batches in asked.items() if gpu is not None and precision in gpu.peaks_op_per_s
        for found in [modelled_steps(gpu, precision, workload, batches, how)]
        for batch, time_s, energy_j in zip(batches, found.time_s, found.energy_j, strict=True)
    }  # fmt: skip
    ops = workload.ops_per_example
    rows = []
    for row in network.rows:
        own = _of_step(ops, row.batch, row.time_per_step_s, row.energy_per_step_j, area_m2)
        precision = PRECISION_OF[row.precision]
        line = {"precision": precision, "batch": row.batch, "how": row.how, **own, "ratio": ratios(chip, own)}
        if (precision, row.how, row.batch) in modelled:
            time_s, energy_j = modelled[precision, row.how, row.batch]
            line["modelled_over_measured_time"] = time_s / row.time_per_step_s
            line["modelled_over_measured_energy"] = _over(energy_j, row.energy_per_step_j)
        rows.append(line)
    rows.sort(key=lambda line: (list(PRECISIONS).index(line["precision"]), line["how"] != "graph", line["batch"]))
    return {
        "file": each.label, "gpu": each.file.gpu.name, "baseline": name, "date": each.file.date,
        "software": dict(each.file.software), "method": each.file.method, "rows": rows,
    }  # fmt: skip
