"""Noise of array reads: normal, of the size that is given, keyed by what is read; and nothing where it is off."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from archsim.functional.chip_model import ChipModel
from archsim.functional.data_set import Data
from archsim.functional.hashes import READ, add_noise, key
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.simulation.run import simulate
from tests.helpers import STATIC, network, schedule_of

SIGMA = 0.06  # units of w x: the option of the design, section 8


def data(inputs: int, classes: int) -> Data:
    rng = np.random.default_rng(1)
    x, y = rng.random((40, inputs)).astype(np.float32), rng.integers(0, classes, 40)
    return Data(x, y, x, y, classes, "drawn", "a generator")


def model_of(*sizes: int, noise: float, seed: int = 0, ablate: tuple[str, ...] = ("converters",)) -> ChipModel:
    settings = [f"numerics.read_noise={noise}", "numerics.output_range=1000", "numerics.partial_range=1000"]
    workload = network(*sizes)
    schedule = schedule_of(workload, 40, [*settings, "tile.rows=32", "tile.cols=16"])
    return chip_model(schedule, data(sizes[0], sizes[-1]), seed, Order(40, 60, seed), ablate)


def read(model: ChipModel, kind: str, layer: int, example: int, delta: Any = None) -> Any:
    """Play all reads of a layer in one direction, and return what its converters gave, [shards, lines]."""
    ops = np.array([op.index for op in model.schedule.ops if op.kind == kind and op.layer == layer])
    n = np.full(len(ops), example)
    slot = example % model.program.slots
    if delta is not None:
        model.buffers.deltas[layer, slot, : len(delta)] = delta
    model._turn_to(ops, n)
    model._play(ops, n, n, 0, 0, 64, model.crossbars, model.setup)
    return (model.buffers.sums if kind == "forward" else model.buffers.errors)[layer, slot].copy()


def test_noise_of_forward_reads_is_normal_and_of_its_size() -> None:
    noisy, quiet = model_of(40, 20, 10, noise=SIGMA), model_of(40, 20, 10, noise=0)
    rows, cols = noisy.program.grid[0]
    assert (rows, cols) == (2, 2)  # 41 rows of 32, 20 columns of 16
    z = np.array([(read(noisy, "forward", 0, n) - read(quiet, "forward", 0, n))[:, :20] for n in range(400)]) / SIGMA
    assert abs(z.mean()) < 5 / math.sqrt(z.size)
    assert z.std() == pytest.approx(1, abs=5 / math.sqrt(2 * z.size))
    assert ((np.abs(z) < 1).mean()) == pytest.approx(math.erf(1 / math.sqrt(2)), abs=5 * 0.5 / math.sqrt(z.size))
    # Of row shards, columns and examples, no two have the same draws.
    for one, other in ((z[:, 0], z[:, 1]), (z[:, :, :10], z[:, :, 10:]), (z[1:], z[:-1])):
        assert abs((one * other).mean()) < 5 / math.sqrt(one.size)


def test_noise_of_backward_reads_is_relative_to_the_largest_gradient() -> None:
    noisy, quiet = model_of(40, 20, 10, noise=SIGMA), model_of(40, 20, 10, noise=0)
    found = []
    for n in range(400):
        delta = np.random.default_rng(n).normal(0, 0.1, 10).astype(np.float32)
        both = [read(model, "backward", 1, n, delta)[:1, :20] for model in (noisy, quiet)]
        found.append((both[0] - both[1]) / (SIGMA * np.abs(delta).max()))
    z = np.array(found)
    assert abs(z.mean()) < 5 / math.sqrt(z.size)
    assert z.std() == pytest.approx(1, abs=5 / math.sqrt(2 * z.size))


def test_noise_is_keyed_by_seed_and_example_alone() -> None:
    first, second = (model_of(40, 20, 10, noise=SIGMA) for _ in range(2))
    read(first, "forward", 0, 7)
    read(first, "forward", 0, 8)
    assert np.array_equal(read(first, "forward", 0, 9), read(second, "forward", 0, 9))
    values = np.zeros((3, 50), np.float32)
    for row, seed in zip(values, (1, 1, 2), strict=True):
        add_noise(row, 1.0, np.uint64(key(seed, READ, 0, 5)), 0)
    assert np.array_equal(values[0], values[1])
    assert not np.any(values[0] == values[2])


def trained(noise: float | None) -> Any:
    settings = [STATIC] + ([] if noise is None else [f"numerics.read_noise={noise}"])
    schedule = schedule_of(network(12, 6, 4), 40, settings)
    model = chip_model(schedule, data(12, 4), 0, Order(40, 60, 0))
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks(500))
    return [cells.weights.copy() for cells in model.cells]


def test_no_noise_leaves_training_to_the_bit_and_noise_does_not() -> None:
    off, zero, on = trained(None), trained(0), trained(SIGMA)
    assert all(np.array_equal(a, b) for a, b in zip(off, zero, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(off, on, strict=True))
