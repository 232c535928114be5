"""The executor: plays a timeline in numbers, op by op, on the cells of each shard.

It reads from the timeline in which order crossbars were read, written and transferred, and from the schedule
what belongs together; it knows no time of its own. Whatever the events' order makes stale is stale here.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias, cast

import numba
import numpy as np
import numpy.typing as npt

from archsim.functional.floating_point import backward_rows, forward_rows
from archsim.functional.functions import activate, derive
from archsim.functional.hashes import PHASE, READ, READ_BACK, ROUNDING, ROW_ROUNDING, add_noise, key, uniform
from archsim.functional.losses import output_delta
from archsim.functional.periphery import either_side, to_levels, to_span
from archsim.functional.pulses import PULSED, Trains
from archsim.mapping.schedule import Schedule

F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]
FORWARD, BACKWARD, UPDATE, MAINTENANCE = 0, 1, 2, 3
KINDS = {"forward": FORWARD, "backward": BACKWARD, "update": UPDATE, "transfer": MAINTENANCE, "refresh": MAINTENANCE}
FIRED, LIMITED, COLUMNS_FIRED, COLUMNS_CLIPPED = range(4)  # rows of `pulsed`
NUMBERS = 2  # row of `sort_of` that says which numbers the cells of a shard have; those above, which driver
DONE, AT_MAINTENANCE, AFTER_UPDATE = 0, 1, 2

# Columns of the table of shards.
LAYER, ROW, COL, ROW_START, ROW_STOP, COL_START, COL_STOP, INPUTS = range(8)


@dataclass(frozen=True)
class Program:
    """What the executor needs of a schedule, as arrays: by op its kind and shard, by shard its place.

    `slots` is how many examples may be under way at once; `grid` the row and column shards of each layer.
    """

    kind: I64
    shard: I64
    shards: I64
    grid: I64
    widths: I64
    slots: int


def program_of(schedule: Schedule) -> Program:
    """Return the program of a schedule."""
    mapping = schedule.mapping
    by_place = {(s.layer, s.row, s.col): s.index for s in mapping.shards}
    by_tile = {s.tile: s.index for s in mapping.shards}
    assert len(by_place) == len(by_tile) == len(mapping.shards)
    kind = np.array([KINDS.get(op.kind, -1) for op in schedule.ops], dtype=np.int64)
    shard = np.array([by_tile.get(op.tile, -1) if op.kind in KINDS else -1 for op in schedule.ops], dtype=np.int64)
    table = np.array(
        [(s.layer, s.row, s.col, s.row_start, s.row_stop, s.col_start, s.col_stop, s.inputs) for s in mapping.shards],
        dtype=np.int64,
    )
    widths = np.array([[layer.inputs, layer.outputs] for layer in mapping.workload.layers], dtype=np.int64)
    slots = 2 * (schedule.in_flight + schedule.batch + schedule.chip.spec.schedule.prefetch) + 2
    return Program(kind, shard, table, np.array(mapping.grid, dtype=np.int64), widths, slots)


class Buffers:
    """What is under way: vectors, partial sums and counts of finished shards, by layer and slot of an example."""

    def __init__(self, program: Program) -> None:
        layers = len(program.grid)
        widest = int(program.widths.max()) + 1
        rows, cols = int(program.grid[:, 0].max()), int(program.grid[:, 1].max())
        self.acts = np.zeros((layers, program.slots, widest), dtype=np.float32)
        self.deltas = np.zeros((layers, program.slots, widest), dtype=np.float32)
        self.sums = np.zeros((layers, program.slots, rows, widest), dtype=np.float32)
        self.errors = np.zeros((layers, program.slots, cols, widest), dtype=np.float32)
        self.counts = np.zeros((2, layers, program.slots), dtype=np.int64)
        self.stats = np.zeros(3, dtype=np.float64)  # the loss, how many examples were right, the squares of errors


class Measures:
    """What is counted while a timeline is played, by shard; whole numbers but for the drive and exact updates.

    `work` [kind, shard] counts operations (2 per cell and pass) of forward, backward and update. `applied` counts
    updates, `began` adds up the cycles in which they began. `stale[s, k]` counts forward passes that read the shard
    while k updates of earlier examples were still to come; the last column also those beyond. `drive` [direction,
    shard, line] adds up the shares of the window for which a line drove the array since it was last read off. `swings`
    [direction, shard] counts how often lines were charged for that, `fired` [row, column or cell, shard] the pulses of
    updates: those that rows fired, those that columns fired, and those that cells saw. `pulsed` [what, shard] counts
    pulses fired and those that met a cell's limit, columns that fired and those whose count was clipped, since it was
    last read off.
    """

    def __init__(self, program: Program) -> None:
        shards = len(program.shards)
        self.work = np.zeros((3, shards), dtype=np.int64)
        self.applied = np.zeros(shards, dtype=np.int64)
        self.began = np.zeros(shards, dtype=np.int64)
        self.stale = np.zeros((shards, program.slots), dtype=np.int64)
        self.drive = np.zeros((2, shards, int(program.widths.max()) + 1), dtype=np.float64)
        self.swings = np.zeros((2, shards), dtype=np.int64)
        self.fired = np.zeros((3, shards), dtype=np.float64)
        self.pulsed = np.zeros((4, shards), dtype=np.float64)

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The arrays, in the order in which the executor takes them."""
        return self.work, self.applied, self.began, self.stale, self.drive, self.swings, self.fired, self.pulsed


@numba.njit(cache=True)
def add_drive(values: F32, full: Any, shares: F64, swings: I64, top: Any, drive: F64) -> int:
    """Add to each line's drive the share of the window that its driver is on at a value of `full` scale.

    Return how often lines were charged.
    """
    scale = top / np.float64(full)
    charged = 0
    for i in range(values.shape[0]):
        code = np.int64(abs(values[i]) * scale + 0.5)
        drive[i] += shares[code]
        charged += swings[code]
    return charged


rows_fire, columns_fire, COUNT = PULSED.rows, PULSED.columns, PULSED.count  # `make_play` may put in others


def fire(state: Any, numbers: Any, row_pulses: I64, column_pulses: I64, phases: F32, slots: Any) -> tuple[int, int]:
    """Fire the pulses of an update on one shard's cells; return how many there were and how many met a limit.

    It stands for the update of some cells, which `make_play` puts in its place.
    """
    raise NotImplementedError


def play(  # type: ignore[no-untyped-def]
    op, n, start, position, stop, tick, kind_of, shard_of, shards, grid, widths, functions, weights, states, numbers,
    alpha, edges, ranges, x, y, order, rates, per_epoch, seed, acts, deltas, sums, errors, counts, stats, work,
    applied, began, stale, drive, swings, fires, pulsed, on_shares, on_swings, on_tops, sort_of, targets, spans,
):  # fmt: skip
    """Play records from a position on, with `fire` for the update of the cells; return (position, why).

    `functions` and `spans` are those of `activations`. A vector of either sign is read in two passes of one conversion,
    which is one product here, and updated in two phases: x > 0 with d, then x < 0 with -d.

    That is at the end of the records, at a maintenance op, or just after an update whose instance is `tick - 1` modulo
    `tick`, or `stop - 1`.
    """
    layers = grid.shape[0]
    slots = acts.shape[1]
    code, parameter, bias = functions.code, functions.parameter, functions.bias
    widest = acts.shape[2]
    driven = np.zeros(widest, dtype=np.float32)
    z = np.zeros(widest, dtype=np.float32)
    nx = np.zeros(widest, dtype=COUNT)
    nd = np.zeros(widest, dtype=COUNT)
    phase = np.zeros(widest, dtype=np.float32)
    for at in range(position, op.shape[0]):
        kind = kind_of[op[at]]
        if kind < 0:
            continue
        if kind == MAINTENANCE:
            return at, AT_MAINTENANCE
        s = shard_of[op[at]]
        layer, r, c = shards[s, LAYER], shards[s, ROW], shards[s, COL]
        row0, row1 = shards[s, ROW_START], shards[s, ROW_STOP]
        col0, col1 = shards[s, COL_START], shards[s, COL_STOP]
        rows, cols = row1 - row0, col1 - col0
        drive_levels, delta_levels = edges[s, 0], edges[s, 1]
        read_levels, error_levels, pulses = edges[s, 2], edges[s, 3], edges[s, 4]
        partial_range, output_range, step, noise = ranges[s, 0], ranges[s, 1], ranges[s, 2], ranges[s, 3]
        example = n[at]
        slot = example % slots
        full = spans.drive[layer]
        inputs, outputs = widths[layer, 0], widths[layer, 1]
        if kind == FORWARD:
            stale[s, min(example - applied[s], stale.shape[1] - 1)] += 1
            if layer == 0:
                source = x[order[example]]
                for i in range(row0, min(row1, inputs)):
                    acts[0, slot, i] = source[i]
            if bias[layer] and row1 > inputs:
                acts[layer, slot, inputs] = np.float32(1.0)
            to_levels(acts[layer, slot, row0:row1], full, drive_levels, driven[:rows])
            sort = sort_of[FORWARD, s]
            swings[FORWARD, s] += add_drive(
                driven[:rows], full, on_shares[sort], on_swings[sort], on_tops[sort], drive[FORWARD, s]
            )
            work[FORWARD, s] += 2 * rows * cols
            z[:cols] = np.float32(0.0)
            forward_rows(driven[:rows], weights[s], z[:cols])
            if noise > 0:
                add_noise(z[:cols], noise * alpha[layer], key(seed, READ, layer, example), r * widest + col0)
            last = layer == layers - 1
            z[:cols] /= alpha[layer]
            read_out = sums[layer, slot, r, col0:col1]
            if grid[layer, 0] > 1:
                to_levels(z[:cols], partial_range, either_side(read_levels), read_out)
            elif last:
                to_levels(z[:cols], output_range, either_side(read_levels), read_out)
            else:
                activate(code[layer], parameter[layer], z[:cols])
                levels = either_side(read_levels) if spans.low[layer] < 0 else read_levels
                to_levels(z[:cols], spans.full[layer], levels, read_out)
            counts[0, layer, slot] += 1
            if counts[0, layer, slot] == grid[layer, 0] * grid[layer, 1]:
                counts[0, layer, slot] = 0
                for j in range(outputs):
                    total = np.float32(0.0)
                    for k in range(grid[layer, 0]):
                        total += sums[layer, slot, k, j]
                    z[j] = total
                if last:
                    loss, hit, squares = output_delta(
                        code[layer], z[:outputs], y[order[example]], targets[order[example]],
                        deltas[layer, slot, :outputs],
                    )  # fmt: skip
                    stats[0] += loss
                    stats[1] += hit
                    stats[2] += squares
                else:
                    if grid[layer, 0] > 1:
                        activate(code[layer], parameter[layer], z[:outputs])
                        if spans.kept[layer] > 0:
                            to_levels(z[:outputs], spans.full[layer], spans.kept[layer], z[:outputs])
                    to_span(z[:outputs], spans.low[layer], spans.full[layer], acts[layer + 1, slot, :outputs])
        elif kind == BACKWARD:
            largest = np.float32(0.0)
            for j in range(col0, col1):  # each column of shards scales to its own
                largest = max(largest, abs(deltas[layer, slot, j]))
            to_levels(deltas[layer, slot, col0:col1], largest, delta_levels if largest > 0 else 0, driven[:cols])
            if largest > 0:
                sort = sort_of[BACKWARD, s]
                swings[BACKWARD, s] += add_drive(
                    driven[:cols], largest, on_shares[sort], on_swings[sort], on_tops[sort], drive[BACKWARD, s]
                )
            work[BACKWARD, s] += 2 * (min(row1, inputs) - row0) * cols
            backward_rows(driven[:cols], weights[s], min(row1, inputs) - row0, z)
            scale = alpha[layer] * largest
            if noise > 0:
                add_noise(z[: row1 - row0], noise * scale, key(seed, READ_BACK, layer, example), c * widest + row0)
            # The converter sees the product at full drive; the scale is restored digitally.
            read_back = errors[layer, slot, c, row0 : min(row1, inputs)]
            if largest > 0:
                z[: read_back.shape[0]] /= scale
                to_levels(z[: read_back.shape[0]], partial_range, either_side(error_levels), read_back)
                read_back *= largest
            else:
                read_back[:] = np.float32(0.0)
            counts[1, layer, slot] += 1
            if counts[1, layer, slot] == grid[layer, 0] * grid[layer, 1]:
                counts[1, layer, slot] = 0
                for i in range(inputs):
                    total = np.float32(0.0)
                    for k in range(grid[layer, 1]):
                        total += errors[layer, slot, k, i]
                    z[i] = total
                derive(
                    code[layer - 1], parameter[layer - 1], acts[layer, slot, :inputs], z[:inputs],
                    deltas[layer - 1, slot],
                )  # fmt: skip
        else:
            rate = rates[example // per_epoch]
            base = key(seed, ROUNDING, layer, example)
            unit = rate * full * alpha[layer] / np.float32(step)
            columns, clipped, own = columns_fire(deltas[layer, slot, col0:col1], unit, pulses, base, col0, nd)
            fires[1, s] += own
            pulsed[COLUMNS_FIRED, s] += columns
            pulsed[COLUMNS_CLIPPED, s] += clipped
            base, rounding = key(seed, PHASE, layer, example), key(seed, ROW_ROUNDING, layer, example)
            for turn in range(spans.phases[layer]):  # rows with x > 0 and the columns' pulses, then x < 0 and theirs
                towards = -full if turn else full
                fires[0, s] += rows_fire(acts[layer, slot, row0:row1], towards, pulses, rounding, row0, nx)
                for i in range(rows):
                    if nx[i] > 0:
                        phase[i] = uniform(base, row0 + i)
                if turn:
                    nd[:cols] = -nd[:cols]
                fired, limited = fire(
                    states[s], numbers[sort_of[NUMBERS, s]], nx[:rows], nd[:cols], phase[:rows], pulses
                )
                fires[2, s] += fired
                pulsed[FIRED, s] += fired
                pulsed[LIMITED, s] += limited
            work[UPDATE, s] += 2 * rows * cols
            applied[s] += 1
            began[s] += start[at]
            if (example + 1) % tick == 0 or example + 1 == stop:
                return at + 1, AFTER_UPDATE
    return op.shape[0], DONE


@functools.cache
def make_play(update: Callable[..., Any], shards: int, sorts: int, trains: Trains = PULSED) -> Callable[..., Any]:
    """Return `play`, compiled for cells with this update in the place of `fire`, in so many shards of so many sorts.

    `trains` is what drives the update.

    For archsim's own cells numba keeps it on disk. As it looks only at this file, the name under which it does also
    tells apart the update and the contents of all files with functions that the loop calls; what those call in other
    files is not seen: delete `__pycache__` after a change there. The counts are in the name, as they are in the types,
    because numba's files of a function are not safe from two processes that compile it for different types at once.
    Compiled code of foreign cells is not kept, since only their own module could load it again.
    """
    parts = {fire.__name__: update, "rows_fire": trains.rows, "columns_fire": trains.columns, "COUNT": trains.count}
    own = FunctionType(play.__code__, {**globals(), **parts}, play.__name__)
    module = getattr(update, "__module__", "")
    is_ours = module.startswith("archsim.")
    if is_ours:
        called = [own.__globals__.get(name) for name in play.__code__.co_names]
        files = {str(sys.modules[each.__module__].__file__) for each in called if hasattr(each, "py_func")}
        digest = hashlib.sha256(b"".join(Path(file).read_bytes() for file in sorted(files))).hexdigest()
        own.__qualname__ = (
            f"{play.__name__}.{module}.{update.__name__}.{trains.rows.__name__}.{digest[:16]}.{shards}.{sorts}"
        )
    return cast("Callable[..., Any]", numba.njit(cache=is_ours, error_model="numpy")(own))
