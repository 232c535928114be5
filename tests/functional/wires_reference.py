"""The net of a crossbar's resistive lines, solved exactly by nodal analysis: Kirchhoff's law wherever a device ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from archsim.components.cells.numeric.base import DeviceLine
from archsim.components.wires import Ends, Wires

TOGETHER = {"one": 4, "pairs": 2, "each": 1}


class Net:
    """Nodes where devices meet row lines and column lines, joined by wire and devices; conductances in uS.

    `ends` are those at which rows and columns are connected, `unused` cells beyond the last of a column, of a row.
    """

    def __init__(
        self, devices: Sequence[DeviceLine], cols: int, wires: Wires, ends: tuple[Ends, Ends] = ("first", "first"),
        unused: tuple[int, int] = (0, 0),
    ) -> None:  # fmt: skip
        self.devices, self.rows, self.cols = devices, len(devices[0].conductance), cols
        row_us, col_us = (1e6 / max(ohm, 1e-9) for ohm in (wires.row_ohm, wires.col_ohm))
        step = TOGETHER[wires.row_lines]
        self.on_row = [place // step for place in range(len(devices))]
        self.count = 0
        self.links: list[tuple[Any, Any, Any]] = []
        self.ground: list[tuple[Any, Any]] = []
        row_lines = [self._nodes(cols) for _ in range(max(self.on_row) + 1)]
        column_lines = [self._nodes(device.conductance.shape[1]) for device in devices]
        self.row_ends = [self._wire(lines, row_us, ends[0], unused[1]) for lines in row_lines]
        self.column_ends = [self._wire(lines.T, col_us, ends[1], unused[0]) for lines in column_lines]
        for place, (device, own) in enumerate(zip(devices, column_lines, strict=True)):
            on_row = row_lines[self.on_row[place]][:, :: device.span]
            self.links.append((on_row.ravel(), own.ravel(), device.conductance.astype(float).ravel()))
        from scipy.sparse.linalg import splu  # a second, which whoever collects tests would wait for

        self.solve = splu(self._matrix().tocsc()).solve

    def _nodes(self, width: int) -> Any:
        first, self.count = self.count, self.count + self.rows * width
        return np.arange(first, self.count).reshape(self.rows, width)

    def _wire(self, lines: Any, wire: float, ends: Ends, unused: int) -> list[tuple[Any, float]]:
        """Join the nodes of lines [line, cell]; return the nodes at their connected ends, and what joins these."""
        self.links.append((lines[:, 1:].ravel(), lines[:, :-1].ravel(), np.full(lines[:, 1:].size, wire)))
        joined = {"first": (lines[:, 0], wire), "last": (lines[:, -1], wire / (1 + unused))}
        found = [joined[end] for end in ("first", "last") if ends in (end, "both")]
        self.ground += [(nodes, np.full(len(nodes), own)) for nodes, own in found]
        return found

    def _matrix(self) -> Any:
        from scipy import sparse

        a, b, g = (np.concatenate(each) for each in zip(*self.links, strict=True))
        where, to_ground = (np.concatenate(each) for each in zip(*self.ground, strict=True))
        i, j = np.concatenate([a, b, a, b, where]), np.concatenate([a, b, b, a, where])
        return sparse.coo_matrix((np.concatenate([g, g, -g, -g, to_ground]), (i, j)), (self.count, self.count))

    def forward(self, rows: Sequence[int] | None = None) -> list[Any]:
        """Return by device the current at its column lines' ends for a volt on each of these rows alone, in uA."""
        found: list[list[Any]] = [[] for _ in self.devices]
        for row in range(self.rows) if rows is None else rows:
            by_line = [self.solve(self._driven(ends, row)) for ends in self.row_ends]
            for place, ends in enumerate(self.column_ends):
                found[place].append(sum(by_line[self.on_row[place]][nodes] * own for nodes, own in ends))
        return [np.array(each) for each in found]

    def backward(self) -> list[Any]:
        """Return by device the current at the row line's ends for a volt on each of its column lines alone, in uA."""
        found = []
        for place, ends in enumerate(self.column_ends):
            solved = [self.solve(self._driven(ends, line)) for line in range(self.devices[place].conductance.shape[1])]
            own = self.row_ends[self.on_row[place]]
            found.append(np.array([sum(each[nodes] * joined for nodes, joined in own) for each in solved]).T)
        return found

    def drawn(self, row: int) -> float:
        """Return the current of a row's drivers, driven alone at a volt, in uA."""
        total = 0.0
        for ends in self.row_ends:
            solved = self.solve(self._driven(ends, row))
            total += sum(float((1 - solved[nodes[row]]) * own) for nodes, own in ends)
        return total

    def _driven(self, ends: list[tuple[Any, float]], line: int) -> Any:
        volts = np.zeros(self.count)
        for nodes, own in ends:
            volts[nodes[line]] += own
        return volts

    def weights(self, by_device: Sequence[Any]) -> Any:
        """Return what currents by device count in W, [rows, cols] in uS."""
        total: Any = 0.0
        for device, own in zip(self.devices, by_device, strict=True):
            total = total + np.repeat(device.counts * own, device.span, axis=1)[:, : self.cols]
        return total


def by_lines(devices: Sequence[DeviceLine], cols: int, wires: Wires, rows: Sequence[int], most: int = 60) -> list[Any]:
    """Return what `Net.forward` does, of large nets: lines are solved in turn, rows and columns, until nothing moves.

    All devices hang on one row line, and lines are connected at their first ends. Each sweep leaves less than half of
    the error of the one before.
    """
    places = [np.arange(device.conductance.shape[1]) * device.span for device in devices]
    given = [device.conductance.astype(float) for device in devices]
    row_us, col_us = 1e6 / wires.row_ohm, 1e6 / wires.col_ohm
    loads = np.zeros((len(given[0]), cols))
    for place, own in zip(places, given, strict=True):
        loads[:, place] += own
    found: list[list[Any]] = [[] for _ in devices]
    for row in rows:
        volts = [np.zeros_like(own) for own in given]
        for _ in range(most):
            into = np.zeros_like(loads)
            into[row, 0] = row_us
            for place, own, at in zip(places, given, volts, strict=True):
                into[:, place] += own * at
            on_rows = _lines(loads.T, row_us, into.T).T
            before, volts = (
                volts,
                [_lines(own, col_us, own * on_rows[:, place]) for place, own in zip(places, given, strict=True)],
            )
            if max(float(abs(a - b).max()) for a, b in zip(before, volts, strict=True)) < 1e-12:
                break
        else:
            raise AssertionError("the lines did not settle")
        for kept, at in zip(found, volts, strict=True):
            kept.append(at[0] * col_us)
    return [np.array(each) for each in found]


def _lines(load: Any, wire: float, into: Any) -> Any:
    """Return the voltages along lines [cells, lines] whose first ends are grounded by a wire, by Thomas's algorithm."""
    diagonal, right = load + 2 * wire, into.copy()
    diagonal[-1] -= wire
    for cell in range(len(load) - 2, -1, -1):
        part = wire / diagonal[cell + 1]
        diagonal[cell] -= part * wire
        right[cell] += part * right[cell + 1]
    volts = np.empty_like(right)
    volts[0] = right[0] / diagonal[0]
    for cell in range(1, len(load)):
        volts[cell] = (right[cell] + wire * volts[cell - 1]) / diagonal[cell]
    return volts
