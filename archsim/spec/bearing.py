"""What the drivers of a crossbar must bear: currents of its rows, and what resistive lines drop of the voltages."""

from __future__ import annotations

from math import asinh, cosh, sqrt

from archsim.base.units import engineering
from archsim.base.words import counted, per_cent
from archsim.components.crossbar import Crossbar
from archsim.components.wires import Wires
from archsim.spec.arch import ArchSpec
from archsim.spec.tile import TileSpec


def far_share(wire_ohm: float, conductance_siemens: float, cells: int, *, both: bool = False) -> float:
    """Return the share of its driver's voltage that a line's last cell sees; with both ends driven, the middle one.

    The cells are alike, their other ends are at ground, and a wire of this resistance leads to each from the one
    before: cosh(a / 2) / cosh((N + 1/2) a), or 1 / cosh((N + 1) a / 2); 2 sinh(a / 2) = sqrt(r G).

    >>> round(far_share(0.35, 18e-6, 512), 2), far_share(0, 18e-6, 512)
    (0.51, 1.0)
    """
    a = 2 * asinh(sqrt(wire_ohm * conductance_siemens) / 2)
    if both:
        return 1 / cosh((cells + 1) * a / 2)
    return cosh(a / 2) / cosh((cells + 0.5) * a)


def write_drop_v(wires: Wires, current_a: float, rows: int, cols: int, rows_at_once: int) -> float:
    """Return what the lines drop where a row's cells are programmed, each with this current, in volts, at the most."""
    if wires.write_return == "column":
        return current_a * wires.col_ohm * rows * rows_at_once
    ends = wires.rows_driven
    return current_a * wires.row_ohm * (cols * (cols + 2) / 8 if ends == "both" else cols * (cols + 1) / 2)


def bearing(spec: ArchSpec) -> list[str]:
    """Return sentences on what the drivers of each kind of tile must bear, and what its lines drop of it."""
    return [
        f"{place}.array.wires: {words}"
        for name, tile in spec.tile_kinds if isinstance(tile.array, Crossbar)
        for place in (name if name == "tile" else f"variants.{name}",)
        for words in _of_tile(tile, tile.array.wires, spec.schedule.rows_written)
    ]  # fmt: skip


def _of_tile(tile: TileSpec, wires: Wires, rows_at_once: int) -> list[str]:
    found, device, converter = [], tile.device, tile.col_converter
    apart = converter.groups if converter.group_cells == "own" else 1  # one cell in so many conducts at once
    at_once = tile.cols // apart
    cells = counted(at_once, "cell")
    if conducts := device.conducting_siemens:
        current = engineering(at_once * conducts * device.read_v, "A")
        words = f"a row's driver bears {current} in a read of {cells} of {engineering(conducts, 'S')}"
        if wires.row_ohm:
            both = wires.rows_driven == "both"
            share = per_cent(far_share(wires.row_ohm * apart, conducts, at_once, both=both))
            where = "the middle" if both else "the far"
            words += f" if none of its voltage were lost; {where} one sees {share} of it"
        found.append(words)
    if power := device.peak_power_w(device.writing_steps):
        each = power / wires.write_v
        along = "row" if wires.write_return == "row" else "columns"
        words = (
            f"a row that is programmed draws {engineering(tile.cols * each, 'A')}, {engineering(each, 'A')} a cell at "
            f"{engineering(wires.write_v, 'V')}, which returns along the {along}"
        )
        if drop := write_drop_v(wires, each, tile.rows, tile.cols, rows_at_once):
            words += f" and drops {engineering(drop, 'V')} there"
            if drop > wires.write_v:
                words += ", more than it is programmed with: shorten the lines, or let it return along " + (
                    "the columns" if along == "row" else "the row"
                )
        found.append(words)
    return found
