"""The wires of a crossbar: the resistance of its lines, which there are, and where they are driven and read."""

from __future__ import annotations

from typing import Literal, TypeAlias

from archsim.base.section import Section
from archsim.base.units import Resistance, Voltage

Ends: TypeAlias = Literal["first", "last", "both"]


class Wires(Section):
    """Rows and columns as resistive lines, `row` and `col` ohms from a cell to the next; 0, the default, drops nothing.

    Each device of a cell hangs between a row line and a column line. Each kind of device has column lines of its own,
    since their currents count differently; devices that columns share, such as a reference, have one for these.
    `row_lines` says how many a row has: `one` for all devices, one for each of the cells' `pairs`, or one for `each`.

    Row lines are connected at their `first` end, beside column 0, at their `last` end or at `both`, when drivers drive
    them and when they are read; so are column lines, whose first end is beside row 0. A line that is read is a virtual
    ground, and one that is idle is grounded where it would be driven, so that what a read sees of the weights does not
    depend on what is read. With `idle_rows: open` it does, and such a chip is not trained in numbers. Cells that no
    layer uses conduct nothing; the wire along them remains.

    While a row is programmed, at `write` volts, its cells' currents return along the row, all on one line, or each
    along its column (`write_return`).
    """

    row_ohm: Resistance = 0.0
    """Resistance of a row line from a cell to the next; 0 drops no voltage."""
    col_ohm: Resistance = 0.0
    """Resistance of a column line from a cell to the next; 0 drops no voltage."""
    row_lines: Literal["one", "pairs", "each"] = "one"
    """How many row lines a row has: one for all devices of its cells, one for each pair, or one for each device."""
    rows_driven: Ends = "first"
    """At which end row lines are driven."""
    rows_read: Ends = "first"
    """At which end row lines are read."""
    cols_driven: Ends = "first"
    """At which end column lines are driven."""
    cols_read: Ends = "first"
    """At which end column lines are read."""
    idle_rows: Literal["grounded", "open"] = "grounded"
    """What rows are connected to that a transfer does not read; a chip with open ones is not trained in numbers."""
    write_return: Literal["row", "column"] = "row"
    """Along which line the current of cells that are programmed returns."""
    write_v: Voltage = 1.5
    """Voltage at which cells are programmed; `check` reckons with it."""

    @property
    def resistive(self) -> bool:
        """Whether any line has a resistance."""
        return self.row_ohm > 0 or self.col_ohm > 0
