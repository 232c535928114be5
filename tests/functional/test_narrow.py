"""Networks of any widths on any cells: compiled code has one type for them, and gives plain numpy's bits."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.components.cells.capacitor import CapacitorPair
from archsim.components.cells.numeric.conformance import SWITCHES
from archsim.functional.chip_model import ChipModel
from archsim.functional.data_set import Data
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.mapping.schedule import Schedule
from archsim.simulation.run import simulate
from tests.components.test_cell_conformance import KINDS, REFERENCES, device_of
from tests.functional.interpreted import interpreted_play
from tests.helpers import network, schedule_of

shapes = st.tuples(st.integers(1, 20), st.integers(1, 20))
every_kind = pytest.mark.parametrize("kind", KINDS)


def spans_of(kind: str, span: int) -> dict[str, Any]:
    return {"cells_per_reference": span} if issubclass(type(device_of(kind)), CapacitorPair) else {}


@every_kind
@given(shapes, st.integers(1, 16), st.sampled_from(SWITCHES))
def test_cells_of_all_shapes_are_of_one_type_to_compiled_code(
    kind: str, shape: tuple[int, int], span: int, switches: Any
) -> None:
    whole = device_of(kind).cells(9, 17, 1, 2, SWITCHES[0])
    cells = device_of(kind, **spans_of(kind, span)).cells(*shape, 1, 2, switches)
    for name in ("state", "numbers", "weights"):
        assert numba.typeof(getattr(cells, name)) == numba.typeof(getattr(whole, name)), name


# ---- whole networks: the compiled loop on compiled cells, and the same loop in plain Python on numpy's cells


def device_setting(kind: str, span: int) -> str:
    options = {**type(device_of(kind)).example, **spans_of(kind, span)}
    return f"tile.device={{kind: {kind}, {', '.join(f'{name}: {value}' for name, value in options.items())}}}"


def data_for(schedule: Schedule, seed: int) -> Data:
    layers = schedule.mapping.workload.layers
    draws = np.random.default_rng(seed)
    x = draws.random((1000, layers[0].inputs)).astype(np.float32)
    y = draws.integers(0, layers[-1].outputs, 1000)
    return Data(x, y, x, y, layers[-1].outputs, "drawn", "drawn")


def plain(schedule: Schedule, data: Data, seed: int) -> ChipModel:
    """The same chip with cells of plain numpy, whose loop is played by the interpreter."""
    model = chip_model(schedule, data, seed, Order(1000, 1, seed))
    for index, shard in enumerate(schedule.mapping.shards):
        device: Any = schedule.chip.tiles[shard.tile].spec.device
        own = REFERENCES[device.kind](device, shard.rows, shard.cols, seed, index, SWITCHES[0])
        for array, start in zip(own.state, model.cells[index].state, strict=True):
            array[...] = start
        own.parameters = model.cells[index].parameters
        model.cells[index] = own
    cells: Any = model.cells
    places = {id(own.state): own for own in cells}
    model.crossbars = model.crossbars._replace(
        weights=tuple(own.weights for own in cells),
        states=tuple(own.state for own in cells),
        seen=tuple(own.weights for own in cells) * 2,
    )

    def fire(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, _: Any) -> tuple[int, int]:
        return tuple(places[id(state)].update(nx.copy(), nd.copy(), phi.copy(), int(slots)))

    model._play = interpreted_play({"fire": fire})
    model._meter._cells = cells
    return model


def check(schedule: Schedule, seed: int = 3) -> None:
    data = data_for(schedule, seed)
    compiled, interpreted = chip_model(schedule, data, seed, Order(1000, 1, seed)), plain(schedule, data, seed)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    with np.errstate(all="ignore"):
        for model in (compiled, interpreted):
            model.play(timeline.chunks())
    assert compiled.measures.work.sum() > 0
    for shard, (one, other) in enumerate(zip(compiled.cells, interpreted.cells, strict=True)):
        for name, array in other.state._asdict().items():
            np.testing.assert_array_equal(getattr(one.state, name), array, f"{name} of shard {shard}")
    for name, array in interpreted.measures._asdict().items():
        np.testing.assert_array_equal(getattr(compiled.measures, name), array, name)


@pytest.mark.parametrize("sizes", [(64, 8, 10)])
def test_a_layer_of_one_reference_a_row_beside_a_wider_one(sizes: tuple[int, ...]) -> None:
    check(schedule_of(network(*sizes), 12, ["tile.rows=128", "tile.cols=128"]))


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.sampled_from(KINDS), st.lists(st.integers(1, 20), min_size=2, max_size=6), st.integers(1, 16), st.booleans(),
    st.sampled_from(["8", "20", "30"]), st.integers(0, 9),
)  # fmt: skip
def test_networks_of_all_widths_run_and_are_plain_numpy_to_the_bit(
    kind: str, sizes: list[int], span: int, bias: bool, size: str, seed: int
) -> None:
    interval = "schedule.transfer.interval_examples=10"
    sets = [device_setting(kind, span), f"tile.rows={size}", f"tile.cols={size}", interval, "tile.count=40"]
    check(schedule_of(network(*sizes, bias=bias), 25, sets), seed)
