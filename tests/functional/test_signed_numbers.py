"""Vectors of either sign on the chip: read whole, updated in two phases, and never cut at zero without a word."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.components.cells.base import Switches
from archsim.functional.ablations import ABLATIONS
from archsim.functional.chip_model import ChipModel
from archsim.functional.data_set import Data
from archsim.functional.floating_point import initial_weights
from archsim.functional.hashes import PHASE, ROUNDING, ROW_ROUNDING, key, uniform
from archsim.functional.order import Order
from archsim.functional.periphery import Quantisers
from archsim.functional.pulses import EXACT, PULSED, Trains
from archsim.functional.setup import examples_of
from archsim.functional.train import chip_model
from archsim.mapping.schedule import Schedule
from archsim.simulation.run import simulate
from archsim.workload.activations import ACTIVATIONS
from tests.components.test_cell_conformance import KINDS, REFERENCES, device_of
from tests.functional.interpreted import interpreted_play
from tests.functional.network_reference import FUNCTIONS, HIDDEN, trained
from tests.helpers import STATIC, network, schedule_of

SIGNED = [name for name in HIDDEN if ACTIVATIONS[name].signed]
QUANTISERS = Quantisers(127, 127, 255, 255, partial_range=4.0, output_range=16.0, pulses=15, step=0.05)
SIZES, RANGE = (6, 5, 4), 2.0  # the chip's range of activations without a largest value
NOMINAL = Switches(leakage=False, variability=False, programming_error=False)


@functools.cache
def scheduled(hidden: str) -> Schedule:
    """Return the schedule of one example on the reference chip, whose cells are replaced by others."""
    return schedule_of(network(*SIZES, hidden=hidden, output="linear", target="values", signed=True, slope=0.3), 1)


def cells_of(kind: str, seed: int, plain: bool, switches: Switches = NOMINAL) -> list[Any]:
    """Return the cells of both crossbars, compiled or in plain numpy, with weights well within what they hold."""
    device, found = device_of(kind), []
    draws = np.random.default_rng(seed)
    for s in scheduled("tanh").mapping.shards:
        own = device.cells(s.rows, s.cols, seed, s.index, switches)
        top = 0.2 * min(own.reach, 80 * own.step)
        if plain:
            own = REFERENCES[device.kind](device, s.rows, s.cols, seed, s.index, switches)
        own.program(draws.uniform(-top, top, own.weights.shape).astype(np.float32), seed)
        found.append(own)
    return found


def chip(cells: list[Any], hidden: str, seed: int) -> ChipModel:
    """Return a chip of two crossbars of these cells, whose loop the interpreter runs."""
    x = np.random.default_rng(seed).uniform(-1, 1, (3, SIZES[0])).astype(np.float32)
    model = ChipModel(
        scheduled(hidden), cells, cells[0].kernel, alpha=np.full(2, 10, np.float32), quantisers=QUANTISERS,
        examples=examples_of(x, np.zeros(3, np.int64), np.zeros((3, SIZES[-1]), np.float32), Order(3, 1, seed)[:]),
        rates=np.full(1, 0.3, np.float32), per_epoch=3, seed=seed,
    )  # fmt: skip
    interpreted(model, cells[0].kernel, PULSED)
    return model


def interpreted(model: ChipModel, fire: Any, trains: Trains) -> None:
    """Have a chip's loop run by the interpreter, with this update and what drives it."""
    parts = {"fire": fire, "rows_fire": trains.rows, "columns_fire": trains.columns}
    model._play = interpreted_play(parts)


def update(model: ChipModel, layer: int, x: Any, d: Any) -> None:
    """Play the update of a layer, whose crossbar's vector is x (bias included) and whose deltas are d."""
    ops = [op.index for op in model.schedule.ops if op.kind == "update" and op.layer == layer]
    model.buffers.acts[layer, 0, : len(x)], model.buffers.deltas[layer, 0, : len(d)] = x, d
    zero = np.zeros(1, np.int64)
    model._play(np.array(ops), zero, zero, 0, 0, 64, model.crossbars, model.setup)


def by_hand(cells: Any, layer: int, x: Any, d: Any, full: float, seed: int) -> None:
    """Update plain cells row by row of a sign: as many pulses as the rows' |x| say, towards x d."""
    f = np.float32
    phases, rounding, rows = (np.uint64(key(seed, what, layer, 0)) for what in (PHASE, ROUNDING, ROW_ROUNDING))
    own = np.array([uniform(rows, i) for i in range(len(x))], dtype=f)
    nx = np.minimum(np.floor(np.minimum(np.abs(x) / f(full), f(1)) * f(15) + own), 15).astype(np.int64)
    phi = np.array([uniform(phases, i) for i in range(len(x))], dtype=f)
    wanted = f(0.3) * f(full) * f(10) / f(QUANTISERS.step) * np.abs(d)
    count = [min(15, int(np.floor(own + uniform(rounding, j)))) for j, own in enumerate(wanted)]
    nd = np.array(count) * np.sign(d).astype(np.int64)
    for sign in (1, -1):
        cells.update(np.where(np.sign(x) == sign, nx, 0), sign * nd, phi, 15)


vectors = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 1), st.sampled_from(SIGNED), st.sampled_from([1, -1]))


def drawn(seed: int, layer: int, full: float) -> tuple[Any, Any]:
    draws = np.random.default_rng(seed)
    x = full * draws.uniform(-1, 1, SIZES[layer] + 1) * (draws.random(SIZES[layer] + 1) > 0.2)
    x[-1] = 1.0
    d = draws.uniform(-0.3, 0.3, SIZES[layer + 1]) * (draws.random(SIZES[layer + 1]) > 0.2)
    return x.astype(np.float32), d.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(vectors)
def test_a_mirrored_input_gives_the_references_update_sign_by_sign(kind: str, case: tuple[int, int, str, int]) -> None:
    # Origin: plain numpy cells, whose rows with x > 0 are pulsed with d, those with x < 0 with -d.
    seed, layer, hidden, mirror = case
    full = 1.0 if layer == 0 or hidden == "tanh" else RANGE
    x, d = drawn(seed, layer, full)
    x[:-1] *= mirror
    switches = Switches(leakage=False)
    compiled, plain = (cells_of(kind, seed % 1000, own, switches) for own in (False, True))
    update(chip(compiled, hidden, seed % 1000), layer, x, d)
    by_hand(plain[layer], layer, x, d, full, seed % 1000)
    np.testing.assert_array_equal(compiled[layer].weights, plain[layer].weights)
    nominal = cells_of(kind, seed % 1000, plain=False)  # others may move the wrong way
    before = nominal[layer].weights.copy()
    update(chip(nominal, hidden, seed % 1000), layer, x, d)
    assert ((nominal[layer].weights - before) * np.sign(np.outer(x, d)) >= 0).all()


@given(vectors)
def test_a_mirrored_input_undoes_what_the_input_did(case: tuple[int, int, str, int]) -> None:
    # Origin: equal steps up and down; W -> W + s n and W + s n - s n, within the rounding of single precision.
    seed, layer, hidden, _ = case
    x, d = drawn(seed, layer, 1.0)
    x[-1] = 0.0
    model = chip(cells_of("static_cell", 1, plain=False), hidden, 1)
    before = model.cells[layer].weights.copy()
    update(model, layer, x, d)
    update(model, layer, -x, d)
    np.testing.assert_allclose(model.cells[layer].weights, before, atol=1e-4)


def test_such_inputs_move_weights() -> None:
    moved = 0
    for seed in range(10):
        model = chip(cells_of("static_cell", 1, plain=False), HIDDEN[0], 1)
        before = model.cells[1].weights.copy()
        update(model, 1, *drawn(seed, 1, 1.0))
        moved += bool((model.cells[1].weights != before).any())
    assert moved >= 5  # pulses are drawn: with a few small values there may be none


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_read_of_either_sign_is_the_product_with_signed_levels(hidden: str) -> None:
    # Origin: W^T x in double precision, x rounded to 127 steps of 1 either side, the result to codes of its range.
    model = chip(cells_of("static_cell", 3, plain=False), hidden, 3)
    x = model.setup.examples.x[model.setup.examples.order[0]]
    ops = np.array([op.index for op in model.schedule.ops if op.kind == "forward" and op.layer == 0])
    zero = np.zeros(1, np.int64)
    model._play(ops, zero, zero, 0, 0, 64, model.crossbars, model.setup)
    levels = np.append(np.rint(x.astype(np.float64) * 127) / 127, 1.0)
    z = levels @ model.cells[0].weights.astype(np.float64) / 10
    layer = model.schedule.mapping.workload.dense_layers()[0]
    full = {"clipped_relu": layer.bound}.get(hidden, 1.0 if layer.function.full else RANGE)
    codes = 127 if layer.function.signed else 255
    a = np.clip(FUNCTIONS[hidden](z, layer), -full, full)
    assert (x < 0).any()
    np.testing.assert_allclose(
        model.buffers.acts[1, 0, : SIZES[1]], np.rint(a / full * codes) * full / codes, atol=1e-6
    )
    # What drove the lines is |x|, in shares of the window.
    np.testing.assert_allclose(model.measures.drive[0, 0, : SIZES[0]], np.abs(levels[:-1]), atol=1e-6)


WIDE = [
    STATIC, "numerics.weight_scale=1 uS", "numerics.output_weight_scale=1 uS", "numerics.activation_range=100",
    "numerics.partial_range=1000", "numerics.output_range=1000",
]  # fmt: skip


@pytest.mark.parametrize(("output", "target"), [("softmax", "class"), ("sigmoid", "values"), ("linear", "values")])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_without_all_that_can_be_ablated_the_chip_does_the_baselines_update(
    hidden: str, output: str, target: str
) -> None:
    # Origin: backpropagation in double precision, of 5 examples of either sign, one after another.
    workload = network(*SIZES, hidden=hidden, output=output, target=target, signed=True, slope=0.3)
    schedule = schedule_of(workload, 5, WIDE)
    draws = np.random.default_rng(7)
    x = draws.uniform(-1, 1, (1000, SIZES[0])).astype(np.float32)
    y, t = draws.integers(0, SIZES[-1], 1000), draws.random((1000, SIZES[-1])).astype(np.float32)
    values = t if target == "values" else None
    order = Order(1000, 1, 0)
    model = chip_model(schedule, Data(x, y, x, y, SIZES[-1], "drawn", "drawn", values, values), 0, order, ABLATIONS)
    interpreted(model, model.cells[0].exact_kernel, EXACT)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    begun = model.matrices()
    model.play(timeline.chunks())
    targets = t if values is not None else np.eye(SIZES[-1])[y]
    expected = trained(initial_weights(workload, 0), workload.dense_layers(), x, targets, order[:5], 0.05, 1)
    for found, wanted, start in zip(model.matrices(), expected, begun, strict=True):
        np.testing.assert_allclose(found, wanted, atol=3e-6)
        assert np.abs(wanted - start).max() > 3e-3


def test_negative_inputs_that_are_not_announced_are_refused() -> None:
    schedule = schedule_of(network(*SIZES), 1)
    x = np.full((3, SIZES[0]), -0.25, np.float32)
    device = device_of("static_cell")
    cells: list[Any] = [device.cells(s.rows, s.cols, 0, s.index, NOMINAL) for s in schedule.mapping.shards]
    with pytest.raises(SpecError, match=r"dataset.signed: an input is -0.25.*give dataset.signed=true"):
        ChipModel(
            schedule, cells, cells[0].kernel, alpha=np.full(2, 10, np.float32), quantisers=QUANTISERS,
            examples=examples_of(x, np.zeros(3, np.int64), None), rates=np.ones(1, np.float32), per_epoch=3, seed=0,
        )  # fmt: skip
