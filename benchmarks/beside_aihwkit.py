"""archsim beside IBM's aihwkit: the same network, devices, pulses, bits, bounds and noise, on one thread, batch 1.

`python -m benchmarks.beside_aihwkit updates` compares single updates, mean and deviation of what they change; `reads`
the answers and the gradients of the same weights without noise; `train [DEVICE [EPOCHS [SEEDS]]]` trainings of MNIST in
ARCHSIM_DATA or in ../shared/data. They print what the README of this folder shows.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from archsim.base.arrays import F64
from archsim.chip import build_chip
from archsim.components.cells.base import Switches
from archsim.functional.floating_point import initial_weights
from archsim.functional.hashes import key, uniform
from archsim.functional.pulses import PULSED
from archsim.functional.train import Training, order_of
from archsim.mapping import build_schedule, map_workload
from archsim.simulation import simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.data import data_or_drawn
from benchmarks.stochastic_trains import STOCHASTIC, drive_stochastically, roomy, slot_by_slot

MISSING = """\
aihwkit is not installed here, so nothing can be measured beside it; the last table stands, with its date, in
benchmarks/README.md. Tried: `pip install torch==2.10.0 aihwkit==1.1.0` beside archsim, with Python 3.11 on Linux; the
wheel of 1.1.0 misreads tensors with torch 2.13."""

PERIPHERY = (
    "tile.row_driver.bits=7", "tile.col_driver.bits=7", "tile.col_converter.bits=8", "tile.row_converter.bits=8",
    "tile.array.pulses=15", "tile.count=4", "numerics.read_noise=0.06", "numerics.partial_range=4",
    "numerics.output_range=16",
)  # fmt: skip
"""What both devices have around them: the bits of the reference chip, aihwkit's usual noise of outputs."""


@dataclass(frozen=True)
class Device:
    """A device that both have: archsim's chip with changes, without what is ablated; aihwkit's class and its fields."""

    arch: str
    changes: tuple[str, ...]
    ablated: tuple[str, ...]
    kind: str
    fields: Callable[[ArchSpec], dict[str, float]]

    def spec(self, *changes: str) -> ArchSpec:
        return load_arch(self.arch, [*PERIPHERY, *self.changes, *changes]).value


def _constant_step(spec: ArchSpec) -> dict[str, float]:
    cell: Any = spec.tile.device
    scale = spec.numerics.weight_scale_siemens
    return {
        "dw_min": cell.step_siemens / scale, "dw_min_dtod": cell.step_spread, "up_down_dtod": cell.asymmetry_spread,
        "w_max": cell.bound_siemens / scale, "w_min": -cell.bound_siemens / scale,
        "w_max_dtod": cell.bound_spread, "w_min_dtod": cell.bound_spread, "dw_min_std": 0.0,
    }  # fmt: skip


def _linear_step(spec: ArchSpec) -> dict[str, float]:
    """Steps up and down vary independently: their mean and half their difference by sqrt(1/2) of either each."""
    cell: Any = spec.tile.device
    per_v = cell.transistor_siemens_per_v / spec.numerics.weight_scale_siemens
    up_v, down_v = cell.capacitor_most_v - cell.capacitor_start_v, cell.capacitor_start_v - cell.capacitor_least_v
    bend_per_v, spread = cell.step_bend / cell.capacitor_start_v, cell.step_spread * math.sqrt(0.5)
    return {
        "dw_min": cell.step_v * per_v, "dw_min_dtod": spread, "up_down_dtod": spread, "dw_min_std": 0.0,
        "w_max": up_v * per_v, "w_min": -down_v * per_v, "w_max_dtod": 0.0, "w_min_dtod": 0.0,
        "gamma_up": bend_per_v * up_v, "gamma_down": bend_per_v * down_v, "gamma_up_dtod": 0.0, "gamma_down_dtod": 0.0,
    }  # fmt: skip


DEVICES = {
    # The steps, bounds and spreads of Gokmen and Vlasov (2016), which are aihwkit's defaults: 0.001 of 0.6.
    "ConstantStep": Device(
        "gokmen_frontiers_2016",
        ("tile.device.kind=static_cell", "numerics.weight_scale=100 uS", "numerics.output_weight_scale=100 uS"),
        (), "ConstantStepDevice", _constant_step,
    ),
    # The reference's capacitor, with its bend and its spread of steps, in steps of 0.5 mV that are 0.001 of a weight.
    # It neither leaks nor differs in its transistors, and its range ends before the threshold.
    "LinearStep": Device(
        "ambrogio_nature_2018_3t1c",
        ("tile.rows=1024", "tile.cols=1024", "schedule.refresh.policy=none", "tile.device.step=0.5 mV",
         "tile.device.threshold=0.1 V", "tile.device.start_conductance=16 uS", "tile.device.threshold_spread=0 V",
         "tile.device.transistor_spread=0", "tile.device.residual_pulses=2000", "tile.device.trim_pulses=200",
         "tile.device.transfer_noise=0 S", "tile.device.residual_noise=0 S", "tile.device.residual_range=0 S",
         "numerics.weight_scale=20 uS", "numerics.output_weight_scale=20 uS"),
        ("leakage",), "LinearStepDevice", _linear_step,
    ),
}  # fmt: skip
"""Devices by aihwkit's names."""


def made(device: Device, spec: ArchSpec, seed: int = 0, **changes: float) -> Any:
    """Return aihwkit's device for a chip; without a seed it draws its cells from the clock."""
    from aihwkit.simulator import configs

    return getattr(configs, device.kind)(construction_seed=seed, **{**device.fields(spec), **changes})


X, D = (1.0, 0.75, 0.5, 0.2), (-1.0, -0.4, 0.1, 0.02)  # x of full scale; for what share of the slots a column fires
DRAWS = 20_000


def slots_of(spec: ArchSpec) -> int:
    array: Any = spec.tile.array
    return int(array.pulses)


def updates() -> None:
    """Print mean and standard deviation of what an update changes, in steps, for nominal cells."""
    spec = DEVICES["ConstantStep"].spec("tile.device.step_spread=0", "tile.device.asymmetry_spread=0",
                                        "tile.device.bound_spread=0")  # fmt: skip
    slots, d = slots_of(spec), np.array(D)
    ours = changed_by_archsim(spec, np.array(X), d), changed_by_archsim(spec, np.array(X), d, stochastic=True)
    theirs = {kind: changed_by_aihwkit(spec, np.array(X), d, kind)
              for kind in ("STOCHASTIC_COMPRESSED", "DETERMINISTIC_IMPLICIT")}  # fmt: skip
    print(
        "x, d as shares of slots: expected mean; archsim, aihwkit's two kinds of pulses, mean and deviation, in steps"
    )
    for i, j in itertools.product(range(len(X)), range(len(D))):
        cells = [f"{own[:, i, j].mean():8.4f} {own[:, i, j].std():7.4f}" for own in (*ours, *theirs.values())]
        print(f"{X[i]:5.2f} {d[j]:7.4f}  {-slots * X[i] * d[j]:8.4f} |", " | ".join(cells))


def changed_by_archsim(spec: ArchSpec, x: F64, d: F64, *, stochastic: bool = False) -> F64:
    """Return [draws, rows, columns] by how many steps cells change in an update, by archsim's trains or aihwkit's."""
    slots, trains = slots_of(spec), STOCHASTIC if stochastic else PULSED
    cells = spec.tile.device.cells(len(x), len(d), 0, 0, Switches())
    kernel, room = slot_by_slot(cells.kernel) if stochastic else cells.kernel, roomy(max(len(x), len(d)))
    nx, nd, found = np.zeros(len(x), np.int64), np.zeros(len(d), np.int64), np.zeros((DRAWS, len(x), len(d)))
    for draw in range(DRAWS):
        rows, columns, phases = (np.uint64(key(0, what, 0, draw)) for what in range(3))
        trains.rows(x.astype(np.float32), 1.0, slots, rows, 0, nx)
        trains.columns((-d).astype(np.float32), np.float32(slots), slots, columns, 0, nd)
        late = np.array([uniform(phases, i) for i in range(len(x))], np.float32)
        cells.weights[:] = 0.0
        kernel(cells.state, cells.numbers, nx, nd, late, slots, room)
        found[draw] = cells.weights / cells.step
    return found


def changed_by_aihwkit(spec: ArchSpec, x: F64, d: F64, kind: str) -> F64:
    """Return the same of aihwkit, for one of its kinds of pulses; its d are gradients, archsim's are against them."""
    import torch

    from benchmarks.aihwkit_network import tile_of

    own = made(DEVICES["ConstantStep"], spec, 1)
    tile = tile_of((len(x), len(d)), own, slots_of(spec), kind)
    xs, ds = (torch.tensor(each, dtype=torch.float32)[None] for each in (x, d))
    found = np.zeros((DRAWS, len(x), len(d)))
    for draw in range(DRAWS):
        tile.set_weights(torch.zeros(len(d), len(x)))
        tile.update(xs, ds)
        found[draw] = tile.get_weights()[0].numpy().T / own.dw_min
    return found


def reads() -> None:
    """Print how far answers and gradients of the same weights are apart, without noise."""
    device = replace(quiet := DEVICES["ConstantStep"], changes=(
        *quiet.changes, "numerics.read_noise=0", "tile.device.bound_spread=0"))  # fmt: skip
    model, data, workload, timeline = _model(device, 0, 1, "dataset.examples=4000")
    model.play(timeline.chunks())
    right = np.zeros(len(data.test_y), np.bool_)
    loss = model.evaluate(data.test_x, data.test_y, right=right).loss
    network = _network(
        model, device, 0, [cells.weights / own for cells, own in zip(model.cells, model.alpha, strict=True)]
    )
    theirs, hits = network.answer(data.test_x, data.test_y)
    print(f"after 4,000 examples, on {len(right):,} for testing: mean loss {loss / len(right):.5f}, "
          f"{theirs / len(right):.5f}; {(hits != right).sum()} answers differ")  # fmt: skip
    apart, beyond, lines = 0.0, 0, 0
    for seed in range(20):
        model, data, workload, timeline = _model(device, seed, 1, "dataset.examples=1")
        network = _network(model, device, seed, initial_weights(workload, seed))
        model.play(timeline.chunks())
        gradients = network.gradients(data.train_x[0], int(data.train_y[0]), float(model.setup.rules.rates[0]))
        for layer, own in enumerate(gradients):
            off = np.abs(own + model.buffers.deltas[layer, 0, : len(own)]) / np.abs(own).max()
            apart, beyond, lines = max(apart, off.max()), beyond + (off > 1e-5).sum(), lines + len(own)
    print(f"gradients of 20 first examples: {beyond} of {lines:,} differ by more than 0.00001 of the largest; "
          f"{apart:.1e} at most")  # fmt: skip


def train(name: str = "ConstantStep", epochs: str = "3", seeds: str = "5", kind: str = "STOCHASTIC_COMPRESSED") -> None:
    """Print the accuracy on the test set after each epoch, and the times of the epochs, of both, seed by seed."""
    if name not in DEVICES:
        sys.exit(f"no device '{name}'; there are {', '.join(DEVICES)}")
    device, count = DEVICES[name], int(epochs)
    sides = {
        "archsim": lambda seed, *changes: in_archsim(device, seed, count, *changes),
        "archsim, stochastic trains": lambda seed, *changes: in_archsim(device, seed, count, *changes, stochastic=True),
        "aihwkit": lambda seed, *changes: in_aihwkit(device, seed, count, kind, *changes),
    }
    found: dict[str, list[Any]] = {side: [] for side in sides}
    for train_one in sides.values():
        list(train_one(0, "dataset.examples=64"))  # compiles
    for seed in range(int(seeds)):
        for side, train_one in sides.items():
            found[side].append(list(train_one(seed)))
            told = ", ".join(f"{100 * accuracy:.2f} % ({seconds:.1f} s)" for accuracy, seconds in found[side][-1])
            print(f"{name}, seed {seed}, {side}: {told}", flush=True)
    for epoch, side in itertools.product(range(count), sides):
        own, other = (100 * np.array([each[epoch][0] for each in found[one]]) for one in (side, "aihwkit"))
        error = math.hypot(own.std(ddof=1), other.std(ddof=1)) / math.sqrt(len(own))
        print(f"epoch {epoch + 1}, {side}: {own.mean():.2f} %, {own.mean() - other.mean():+.2f} +- {error:.2f} to "
              f"aihwkit, {np.mean([each[epoch][1] for each in found[side]]):.1f} s")  # fmt: skip


def _model(device: Device, seed: int, epochs: int, *changes: str) -> Any:
    """Return a chip in numbers, its data, its workload and its timeline."""
    workload = load_workload("mlp_mnist", changes).value
    data, chip = data_or_drawn(workload), build_chip(device.spec())
    schedule = build_schedule(chip, map_workload(workload, chip), epochs * workload.dataset.examples)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    training = Training(schedule, data, seed=seed, ablate=device.ablated, compared=False)
    return training.model, data, workload, timeline


def in_archsim(
    device: Device, seed: int, epochs: int, *changes: str, stochastic: bool = False
) -> Iterator[tuple[float, float]]:
    """Yield accuracy and processor time of each epoch, in seconds, with archsim's own trains or with aihwkit's."""
    model, data, _, timeline = _model(device, seed, epochs, *changes)
    model = drive_stochastically(model) if stochastic else model
    found: list[tuple[float, float]] = []
    begin = time.process_time()

    def ended(epoch: int, statistics: Any) -> None:
        nonlocal begin
        seconds = time.process_time() - begin
        found.append((model.evaluate(data.test_x, data.test_y)[0] / len(data.test_y), seconds))
        begin = time.process_time()

    model.play(timeline.chunks(), ended)
    yield from found


def in_aihwkit(device: Device, seed: int, epochs: int, kind: str, *changes: str) -> Iterator[tuple[float, float]]:
    """Yield the same of aihwkit, which begins with the same weights and takes the examples in the same order."""
    model, data, workload, _ = _model(device, seed, epochs, *changes)
    network = _network(model, device, seed, initial_weights(workload, seed), kind)
    orders = order_of(workload, epochs * len(data.train_y), seed)
    for epoch in range(epochs):
        order = orders[epoch * len(data.train_y) : (epoch + 1) * len(data.train_y)]
        begin = time.process_time()
        network.learn(data.train_x, data.train_y, order, float(model.setup.rules.rates[epoch]))
        seconds = time.process_time() - begin
        yield float(network.answer(data.test_x, data.test_y)[1].mean()), seconds


def _network(model: Any, device: Device, seed: int, weights: list[Any], kind: str = "STOCHASTIC_COMPRESSED") -> Any:
    """Return aihwkit's network beside a chip in numbers, which begins with these weights; on one thread."""
    import torch

    from benchmarks.aihwkit_network import Network

    torch.set_num_threads(1)
    own = [made(device, device.spec(), 1 + 10 * seed + layer) for layer in range(len(weights))]
    network = Network(model, own, kind)
    network.begin(weights)
    return network


def main(arguments: list[str]) -> int:
    try:
        importlib.metadata.version("aihwkit")
    except importlib.metadata.PackageNotFoundError:
        print(MISSING, file=sys.stderr)
        return 2
    what = {"updates": updates, "reads": reads, "train": train}
    if not arguments or arguments[0] not in what:
        print(f"say what to compare: {', '.join(what)}", file=sys.stderr)
        return 2
    what[arguments[0]](*arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
