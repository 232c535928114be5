"""IR drop: the net of resistive lines, the fast form of what reads see, and trainings with it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.components.cells.numeric.base import Cells, DeviceLine
from archsim.components.wires import Wires
from archsim.functional.chip_model import ChipModel
from archsim.functional.datasets import load_data
from archsim.functional.line_drop import Seen, reach
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.mapping.schedule import Schedule
from archsim.simulation.run import simulate
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from tests.functional.wires_reference import Net, by_lines
from tests.helpers import REFERENCE, STATIC, schedule_of

Drawn = np.random.default_rng
WIRED = ("tile.array.wires.row=30 ohm", "tile.array.wires.col=40 ohm")
ENDS = st.sampled_from(["first", "last", "both"])
LINES = st.sampled_from(["one", "pairs", "each"])


def drawn_devices(rows: int, cols: int, span: int, seed: int) -> list[DeviceLine]:
    draw = Drawn(seed)
    sign = draw.choice([-1.0, 1.0], (rows, 1)).astype(np.float32)
    shapes = [(cols, 3, 1), (cols, -3, 1), (cols, sign, 1), (-(-cols // span), -sign, span)]
    return [
        DeviceLine(draw.uniform(0, 20, (rows, width)).astype(np.float32), counts, own, own == 1 and place == 2)
        for place, (width, counts, own) in enumerate(shapes)
    ]


class Devices:
    """Cells of which nothing is known but their devices."""

    def __init__(self, devices: list[DeviceLine], cols: int) -> None:
        self._devices = devices
        held = [np.repeat(each.counts * each.conductance, each.span, axis=1)[:, :cols] for each in devices]
        self.weights = np.sum(held, axis=0, dtype=np.float32)

    def devices(self, start: int = 0, stop: int | None = None) -> list[DeviceLine]:
        return [
            each._replace(
                conductance=each.conductance[start:stop],
                counts=each.counts if np.isscalar(each.counts) else each.counts[start:stop],
            )
            for each in self._devices
        ]


def rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def reference_cells(rows: int, cols: int, leaked_s: float, seed: int = 0) -> Cells:
    device = load_arch(REFERENCE).value.tile.device
    cells = device.cells(rows, cols, seed, 0)
    cells.program(Drawn(seed).normal(0, 8, (rows, cols)).astype(np.float32), seed)
    cells.leak(0, rows, leaked_s)
    return cells


# ---- the net


@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 8), LINES, ENDS, ENDS, st.integers(0, 99))
def test_backward_sees_the_weights_transposed(
    rows: int, cols: int, span: int, lines: Any, row_ends: Any, col_ends: Any, seed: int
) -> None:
    # Origin: the reciprocity of a net of resistors (Lorentz 1896), where lines are driven and read at the same ends.
    devices, wires = drawn_devices(rows, cols, span, seed), Wires(row_ohm=400.0, col_ohm=900.0, row_lines=lines)
    net = Net(devices, cols, wires, (row_ends, col_ends), (3, 2))
    for forward, backward in zip(net.forward(), net.backward(), strict=True):
        np.testing.assert_allclose(forward, backward, rtol=1e-9, atol=1e-12)


def test_large_nets_are_solved_line_by_line_as_all_at_once() -> None:
    cells, wires = reference_cells(14, 20, 4e-3), Wires(row_ohm=80.0, col_ohm=50.0)
    whole = Net(cells.devices(), 20, wires).forward()
    for found, expected in zip(by_lines(cells.devices(), 20, wires, range(14)), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


# ---- what is seen


@given(st.integers(1, 60), st.floats(0.01, 30), st.floats(0.1, 50))
def test_a_line_of_equal_cells_is_a_hyperbola(cells: int, ohm: float, conductance: float) -> None:
    # Origin: the ladder's difference equation, v(n-1) - (2 + r G) v(n) + v(n+1) = 0, with v = 1 before the first cell
    # and no current beyond the last: v(n) = cosh((N - n - 1/2) a) / cosh((N + 1/2) a), 2 sinh(a/2) = sqrt(r G).
    a = 2 * np.arcsinh(np.sqrt(ohm * conductance * 1e-6) / 2)
    expected = np.cosh((cells - np.arange(cells) - 0.5) * a) / np.cosh((cells + 0.5) * a)
    alike = np.full((cells, 2), conductance, np.float32)
    for ends, turn in (("first", slice(None)), ("last", slice(None, None, -1))):
        found = reach(alike, ohm, ends, 0)  # type: ignore[arg-type]
        np.testing.assert_allclose(found[turn, 1], expected, rtol=2e-5)
    assert (reach(alike, 0.0, "both", 0) == 1).all()


@given(
    st.integers(1, 12), st.integers(1, 16), st.integers(1, 8), LINES, ENDS, ENDS, st.floats(0, 20), st.floats(0, 20),
    st.integers(0, 99),
)  # fmt: skip
def test_what_is_seen_of_any_devices_is_the_net_s(
    rows: int, cols: int, span: int, lines: Any, row_ends: Any, col_ends: Any, row: float, col: float, seed: int
) -> None:
    devices, wires = drawn_devices(rows, cols, span, seed), Wires(row_ohm=row, col_ohm=col, row_lines=lines)
    seen = Seen(Devices(devices, cols), wires, (row_ends, col_ends), (3, 2))  # type: ignore[arg-type]
    net = Net(devices, cols, wires, (row_ends, col_ends), (3, 2))
    exact = net.weights(net.forward())
    assert rms(seen.weights - exact) < 0.01 * rms(exact) + 1e-4


@pytest.mark.parametrize("lines", ["one", "pairs", "each"])
def test_the_fast_form_is_within_a_hundredth_of_the_net(lines: Any) -> None:
    # Scaled down from 512 x 512 at 0.35 ohm: r G N^2 is the same. 18 uS a cell: the leak has gone on for half of its
    # time constant.
    cells, ohm = reference_cells(64, 64, 1.6e-3), 0.35 * (512 / 64) ** 2
    assert cells.conductances().mean() == pytest.approx(16, abs=2)
    wires, rows = Wires(row_ohm=ohm, col_ohm=ohm, row_lines=lines), [0, 21, 40, 63]
    net = Net(cells.devices(), 64, wires)
    exact = np.sum([
        np.repeat(np.broadcast_to(each.counts, (64, 1))[rows] * own, each.span, axis=1)
        for each, own in zip(net.devices, net.forward(rows), strict=True)
    ], axis=0)  # fmt: skip
    seen = Seen(cells, wires, ("first", "first"), (0, 0))
    assert rms(seen.weights[rows] - exact) < 0.01 * rms(exact)
    assert rms(cells.weights[rows] - exact) > 0.1 * rms(exact)
    # A driver's current, too, when it drives alone.
    assert seen.rows_drawn[21] == pytest.approx(net.drawn(21), rel=0.01)


@pytest.mark.slow
def test_the_fast_form_of_a_whole_crossbar_is_within_a_hundredth() -> None:
    cells, wires, rows = reference_cells(512, 512, 1.6e-3), Wires(row_ohm=0.35, col_ohm=0.35), [0, 200, 511]
    exact = np.sum([
        np.repeat(np.broadcast_to(each.counts, (512, 1))[rows] * own, each.span, axis=1)
        for each, own in zip(cells.devices(), by_lines(cells.devices(), 512, wires, rows), strict=True)
    ], axis=0)  # fmt: skip
    seen = Seen(cells, wires, ("first", "first"), (0, 0))
    assert rms(seen.weights[rows] - exact) < 0.01 * rms(exact)


def test_some_rows_are_seen_as_all_are() -> None:
    cells, wires = reference_cells(20, 24, 1e-3), Wires(row_ohm=20.0, col_ohm=20.0)
    one, all_of_it = (Seen(cells, wires, ("first", "last"), (2, 0)) for _ in range(2))
    cells.weights[5:8] *= 0  # stale until it is looked at
    one.take(5, 8)
    all_of_it.take()
    for name, array in all_of_it.arrays().items():
        np.testing.assert_array_equal(one.arrays()[name], array, name)


# ---- trainings


@cache
def schedule(*sets: str) -> Schedule:
    settings = ("tile.rows=64", "tile.cols=32", "schedule.transfer.interval_examples=300", *sets)
    return schedule_of(load_workload("mlp_digits").value, 700, settings)


def model_of(*sets: str, ablate: tuple[str, ...] = ()) -> ChipModel:
    return chip_model(schedule(*sets), load_data(load_workload("mlp_digits").value), 0, Order(1438, 2, 0), ablate)


def records(own: Schedule) -> list[Any]:
    timeline = simulate(own, timeline=True).timeline
    assert timeline is not None
    return list(timeline.chunks())


def trained(*sets: str, ablate: tuple[str, ...] = ()) -> ChipModel:
    model = model_of(*sets, ablate=ablate)
    model.play(records(schedule(*sets)))
    return model


def same(a: ChipModel, b: ChipModel) -> bool:
    return all(np.array_equal(one.weights, two.weights) for one, two in zip(a.cells, b.cells, strict=True))


def test_lines_without_resistance_change_nothing() -> None:
    plain, taken = trained(), trained(*WIRED, ablate=("ir_drop",))
    assert plain.drops == taken.drops == []
    shards, bars = len(plain.cells), plain.crossbars
    assert bars.seen[: 2 * shards] == bars.weights[:shards] * 2
    assert same(plain, taken)
    assert plain.reads() == taken.reads()
    assert not any(name.startswith("drop") for name in plain.arrays())


@pytest.mark.parametrize("sets", [(), ("tile.array.wires.rows_read=last",), (STATIC, "schedule.transfer=null")])
def test_reads_see_the_weights_as_updates_left_them(sets: tuple[str, ...]) -> None:
    sets = tuple(each for each in sets if each != "schedule.transfer=null")
    model = trained(*WIRED, *sets)
    assert not same(model, trained(*sets))
    for place, (cells, drop) in enumerate(zip(model.cells, model.drops, strict=True)):
        assert len(drop.sides) == (2 if "tile.array.wires.rows_read=last" in sets else 1)
        for side, seen in zip(drop.sides, (place, place + len(model.cells)), strict=False):
            assert model.crossbars.seen[seen] is side.weights
            # Since the lines were last looked at, pulses and leaks were seen through the same factor; to the bit.
            np.testing.assert_array_equal(side.weights, cells.weights * side.factor + side.rest)
            before = side.weights.copy()
            side.take()
            assert rms(side.weights - before) < 0.03 * rms(before)


def test_a_network_learns_on_what_its_reads_see() -> None:
    data = load_data(load_workload("mlp_digits").value)
    plain, dropping = (trained(*sets).evaluate(data.test_x, data.test_y)[0] for sets in ((), WIRED))
    assert plain > 200
    assert dropping > 0.9 * plain  # of 359; a tenth are right by chance


def test_reads_draw_what_resistive_lines_let_through() -> None:
    model = trained(*WIRED)
    for cells, drop in zip(model.cells, model.drops, strict=True):
        drop.take()
        given = cells.conductances()
        for drawn, conducted in ((drop.forward.rows_drawn, given.sum(1)), (drop.backward.columns_drawn, given.sum(0))):
            assert 0.7 < drawn.sum() / conducted.sum() < 0.99
    for less, more in list(zip(model.reads(), trained().reads(), strict=True))[:1]:  # of the layer that pixels drive
        assert less.on_s == more.on_s
        assert 0.7 * more.energy_j < less.energy_j < 0.95 * more.energy_j


def test_a_transfer_leaves_what_its_read_saw() -> None:
    # The weights that a row is written are those with which, its capacitors reset, reads see what they saw before.
    sets = ("tile.device.transfer_noise=0 uS", "tile.device.leak_time_constant=0.2 ms", "tile.device.offset=0 uS",
            "tile.device.leak_compensation=none", "tile.device.residual_pulses=1000")  # fmt: skip
    model, moved = model_of(*WIRED, *sets), 0
    for op, n, start in records(schedule(*WIRED, *sets)):
        for i in range(len(op)):
            maintenance = model.schedule.ops[op[i]].maintenance
            if maintenance is None:
                model.feed(op[i : i + 1], n[i : i + 1], start[i : i + 1])
                continue
            drop, cells = model.drops[maintenance.shard], model.cells[maintenance.shard]
            drop.take()
            seen, weights = drop.forward.weights.copy(), cells.weights.copy()
            model.feed(op[i : i + 1], n[i : i + 1], start[i : i + 1])
            after = drop.forward.weights
            assert rms(after - seen) < 0.75 * rms(cells.weights - weights)
            moved += 1
    assert moved == 6


def test_a_training_goes_on_from_what_was_kept() -> None:
    chunks = records(schedule(*WIRED))
    whole, first, second = (model_of(*WIRED) for _ in range(3))
    op, n, start = (np.concatenate([chunk[i] for chunk in chunks]) for i in range(3))
    half = len(op) // 2 + 7
    whole.feed(op, n, start)
    first.feed(op[:half], n[:half], start[:half])
    second.restore(first.arrays())
    second.feed(op[half:], n[half:], start[half:])
    for name, array in whole.arrays().items():
        if not name.startswith("counters"):
            np.testing.assert_array_equal(second.arrays()[name], array, name)


def test_open_idle_rows_are_refused() -> None:
    with pytest.raises(SpecError, match=r"tile\.array\.wires\.idle_rows: .* cannot be trained in numbers"):
        model_of(*WIRED, "tile.array.wires.idle_rows=open")
    assert model_of("tile.array.wires.idle_rows=open").drops == []
