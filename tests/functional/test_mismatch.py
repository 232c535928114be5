"""Mismatch of drivers and converters: fixed by line, of its size, in closed form; nothing where it is off."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from archsim.components.converters import Converter
from archsim.functional.ablations import ABLATIONS
from archsim.functional.chip_model import ChipModel
from archsim.functional.mismatch import (
    COL_CONVERTERS,
    COL_DRIVERS,
    ROW_CONVERTERS,
    ROW_DRIVERS,
    Edge,
    drawn,
    drive_unevenly,
)
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.simulation.run import simulate
from archsim.spec.loading import load_arch
from tests.functional.test_read_noise import data, read
from tests.helpers import network, schedule_of

ALL = tuple(f"tile.{edge}.{key}" for edge in ("row_driver", "col_driver", "col_converter", "row_converter")
            for key in ("gain_spread=5 %", "offset_spread=2 %"))  # fmt: skip
RANGES = ("numerics.output_range=8", "numerics.partial_range=8", "tile.rows=32", "tile.cols=16")


def model_of(*settings: str, seed: int = 0, ablate: tuple[str, ...] = ("converters",)) -> ChipModel:
    schedule = schedule_of(network(40, 20, 10), 40, [*RANGES, *settings])
    return chip_model(schedule, data(40, 10), seed, Order(40, 60, seed), ablate)


def of(model: ChipModel, edge: int, shard: int, lines: int) -> tuple[Any, Any]:
    tables = model.setup.tables
    return tables.gains[edge, shard, :lines].astype(float), tables.offsets[edge, shard, :lines].astype(float)


# ---- what lines do with it, in closed form


def test_forward_reads_in_closed_form() -> None:
    model = model_of(*ALL)
    assert list(model.program.grid[0]) == [2, 2]
    found = read(model, "forward", 0, 3)
    x = np.append(model.setup.examples.x[model.setup.examples.order[3]].astype(float), 1.0)
    for shard in model.schedule.mapping.by_layer[0]:
        gain, offset = of(model, ROW_DRIVERS, shard.index, shard.rows)
        own = x[shard.row_start : shard.row_stop]
        driven = np.where(own != 0, np.maximum(own * gain + offset, 0), 0)  # full scale is 1
        gain, offset = of(model, COL_CONVERTERS, shard.index, shard.cols)
        expected = driven @ model.cells[shard.index].weights.astype(float) / model.alpha[0] * gain + offset * 8
        assert found[shard.row, shard.col_start : shard.col_stop] == pytest.approx(expected, abs=2e-5)


def test_backward_reads_in_closed_form() -> None:
    model = model_of(*ALL)
    delta = np.random.default_rng(1).normal(0, 0.1, 10).astype(np.float32)
    found = read(model, "backward", 1, 3, delta)
    (shard,) = model.schedule.mapping.by_layer[1]
    top = np.abs(delta).max()
    gain, offset = of(model, COL_DRIVERS, shard.index, 10)
    driven = np.sign(delta) * np.maximum(np.abs(delta) * gain + offset * top, 0)
    gain, offset = of(model, ROW_CONVERTERS, shard.index, 20)
    product = model.cells[shard.index].weights[:20].astype(float) @ driven / model.alpha[1] / top
    assert found[0, :20] == pytest.approx((product * gain + offset * 8) * top, abs=2e-5)


def test_an_offset_biases_every_backward_pass_alike() -> None:
    """The mean over many gradients, of either sign, is the offset of the line times the largest gradient."""
    model, even = model_of("tile.row_converter.offset_spread=2 %"), model_of()
    moved = []
    for n in range(30):
        delta = np.random.default_rng(n).normal(0, 0.1, 10).astype(np.float32)
        both = [read(each, "backward", 1, n, delta)[0, :20] for each in (model, even)]
        moved.append((both[0] - both[1]) / np.abs(delta).max())
    (shard,) = model.schedule.mapping.by_layer[1]
    bias = 8 * of(model, ROW_CONVERTERS, shard.index, 20)[1]
    assert np.array(moved) == pytest.approx(np.tile(bias, (30, 1)), abs=1e-5)


def test_a_line_that_is_not_driven_stays_so_and_none_turns_round() -> None:
    values = np.array([0.0, 0.5, -0.5, 0.01, -0.01], np.float32)
    drive_unevenly(values, np.full(5, 1.1, np.float32), np.full(5, -0.05, np.float32), np.float32(1))
    assert values == pytest.approx([0, 0.5, -0.5, 0, 0], abs=1e-6)


# ---- what is drawn


@pytest.mark.parametrize(("gain", "offset"), [(0.01, 0.0), (0.0, 0.02), (0.05, 0.005)])
def test_draws_are_normal_of_their_sizes_and_independent(gain: float, offset: float) -> None:
    edges = [[Edge(place, gain, offset) for place in range(4)]] * 3
    gains, offsets = drawn(edges, [(400, 300)] * 3, 7)
    for found, mean, sigma in ((gains, 1, gain), (offsets, 0, offset)):
        lines = found[[0, 3], :, :400].astype(float).ravel()
        assert lines.mean() == pytest.approx(mean, abs=5 * sigma / np.sqrt(lines.size) + 1e-7)
        assert lines.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * lines.size), abs=1e-7)
    if gain and offset:
        z = [(gains - 1)[:, :, :300].ravel() / gain, offsets[:, :, :300].ravel() / offset]
        assert abs(np.mean(z[0] * z[1])) < 5 / np.sqrt(z[0].size)
        first, second = z[0].reshape(4, 3, 300)[0, :2]
        assert abs(np.mean(first * second)) < 5 / np.sqrt(300)
    assert (drawn(edges, [(400, 300)] * 3, 7)[0] == gains).all()
    assert gain == 0 or (drawn(edges, [(400, 300)] * 3, 8)[0] != gains).any()
    assert (gains[1, :, 300:] == 1).all()  # columns: there are no more


def test_lines_of_a_converter_are_off_alike_and_one_that_serves_both_sides_too() -> None:
    model = model_of(*ALL[4:6], "tile.col_converter.lines_per_unit=4", "tile.row_converter=shared")
    gain, offset = of(model, COL_CONVERTERS, 0, 10)
    for own in (gain, offset):
        assert (own[:4] == own[0]).all()
        assert (own[4:8] == own[4]).all()
        assert len(set(own)) == 3
    shared = of(model, ROW_CONVERTERS, 0, 10)
    assert (shared[0] == gain).all()
    assert (shared[1] == offset).all()


def test_nulled_offsets_are_within_half_a_code() -> None:
    """Uniform over a code of 1 / 127 of full scale: it leaves 1 / 127 / sqrt(12)."""
    (edge,) = (Edge(0, offset=0.05, codes=127.0),)
    left = edge.offsets(1, 0, 4000)
    assert np.abs(left).max() <= 0.5 / 127 + 1e-12
    assert left.std() == pytest.approx(1 / 127 / np.sqrt(12), rel=0.05)
    assert not Edge(0, offset=0.05, codes=np.inf).offsets(1, 0, 40).any()
    found = {}
    for calibration, ablate in (("none", ()), ("nulled", ()), ("nulled", ("converters",))):
        chosen = ["tile.row_converter.offset_spread=5 %", f"tile.row_converter.offset_calibration={calibration}"]
        found[calibration, ablate] = of(model_of(*chosen, ablate=ablate), ROW_CONVERTERS, 0, 20)[1]
    assert np.abs(found["none", ()]).max() > 0.05
    assert 0 < np.abs(found["nulled", ()]).max() <= 0.5 / 127 + 1e-7
    assert not found["nulled", ("converters",)].any()  # no codes: nothing is left


# ---- off, and taken away


def trained(*settings: str, ablate: tuple[str, ...] = ()) -> bytes:
    schedule = schedule_of(network(40, 20, 10), 40, [*RANGES, *settings, "schedule.transfer.interval_examples=15"])
    model = chip_model(schedule, data(40, 10), 0, Order(40, 60, 0), ablate)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks(500))
    return b"".join(cells.weights.tobytes() for cells in model.cells)


def test_it_is_off_by_default_and_is_taken_away_to_the_bit() -> None:
    assert "mismatch" in ABLATIONS
    assert model_of().setup.tables.gains.shape[2] == 0
    assert model_of(*ALL, ablate=("mismatch",)).setup.tables.gains.shape[2] == 0
    off = trained()
    assert trained(*ALL) != off
    assert trained(*ALL, ablate=("mismatch",)) == off
    zero = [setting.split("=")[0] + "=0" for setting in ALL]
    assert trained(*zero) == off


@pytest.mark.parametrize("setting", ALL)
def test_each_figure_matters_alone(setting: str) -> None:
    edges = {"row_driver": ROW_DRIVERS, "col_driver": COL_DRIVERS, "col_converter": COL_CONVERTERS,
             "row_converter": ROW_CONVERTERS}  # fmt: skip
    tables = model_of(setting).setup.tables
    own = edges[setting.split(".")[1]]
    changed, same = (tables.gains, tables.offsets) if "gain" in setting else (tables.offsets, tables.gains)
    assert len(np.unique(changed[own])) > 10
    assert len(np.unique(same)) == 1
    assert all(len(np.unique(changed[place])) == 1 for place in range(4) if place != own)


def test_a_word_that_is_no_calibration_is_refused() -> None:
    with pytest.raises(Exception, match="nulled"):
        load_arch("ambrogio_nature_2018", ["tile.row_converter.offset_calibration=often"])
    converter = load_arch("ambrogio_nature_2018").value.tile.row_converter
    assert isinstance(converter, Converter)
    assert json.dumps(converter.offset_calibration) == '"none"'
