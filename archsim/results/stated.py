"""What reads take by stated values: drivers, lines, cells and converters, from distributions instead of a training.

A driver's codes say how often its line toggles and for what share of the window it is on; a cell takes what its drive
and its weight make of the figure that its spec quotes, or of its conductance; what a driver or a converter takes beside
that goes with values in the part of its energy that its spec says (`data_dependent`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from archsim.components.converters import Converter
from archsim.components.drivers import Driver
from archsim.mapping.recipes import BACKWARD, FORWARD, Side
from archsim.spec.tile import TileSpec
from archsim.spec.values import Distribution, Values

SIDES = {"forward": FORWARD, "backward": BACKWARD}
"""By phase of an op which side of a tile is driven in it."""


@dataclass(frozen=True)
class Drive:
    """What stated values make of a driver, on average: a line's `swings` in a read, and the most that any value makes.

    `on_share` is for what share of the window the line is on, `used` how many lines are driven at all.
    """

    swings: float
    most_swings: int
    on_share: float
    used: float


@functools.lru_cache(maxsize=256)
def drive_of(driver: Driver, values: Distribution) -> Drive:
    """Return what values, rounded to the driver's codes, make of it."""
    codes = driver.codes()
    shares = values.code_shares(len(codes))
    swings = np.array([driver.swings_at(code) for code in codes], dtype=np.float64)
    on_share = float(shares @ np.array(driver.on_shares()))
    return Drive(float(shares @ swings), int(swings.max()), on_share, float(1 - shares[0]))


def stated_j(tile: TileSpec, component: str, action: str, phase: str, values: Values) -> float | None:
    """Return the joules of one item of an action in a phase, by the stated values; None where they do not say."""
    side = SIDES.get(phase)
    if side is None:
        return None
    if side is FORWARD and component == "col_converter":
        converter, outputs = tile.col_converter, values.outputs
        return None if outputs is None else _with_data(converter.actions()[action].energy_j, converter, outputs.mean)
    driven = values.inputs if side is FORWARD else values.errors
    if component == "device" and action == "read":
        return _read_j(tile, side, driven, values.weights)
    if driven is None:
        return None
    driver = tile.row_driver if side is FORWARD else tile.backward_driver
    drive = drive_of(driver, driven)
    if component == side.driver and action == "encode":
        toggles = drive.swings / max(drive.most_swings, 1)
        return _with_data(driver.actions()["encode"].energy_j, driver, toggles)
    if component == "crossbar" and action in (side.lines, side.ramp_lines):
        swings = drive.swings if action == side.lines else drive.used
        return swings * tile.array.line_energy_j(tile.cols if side is FORWARD else tile.rows)
    return None


def _with_data(energy_j: float, part: Driver | Converter, share: float) -> float:
    """Return an energy at full scale, as it is where the values are a share of that."""
    return energy_j * (1 - part.data_dependent * (1 - share))


def _read_j(tile: TileSpec, side: Side, driven: Distribution | None, weights: Distribution | None) -> float | None:
    driver = tile.row_driver if side is FORWARD else tile.backward_driver
    on_share = None if driven is None else drive_of(driver, driven).on_share
    weight = None if weights is None else weights.mean
    return tile.device.read_energy_of_j(on_share, weight, float(driver.window_s))
