"""The executor: plays a timeline in numbers, op by op, on the cells of each shard.

It reads from the timeline in which order crossbars were read, written and transferred, and from the schedule
what belongs together; it knows no time of its own. Whatever the events' order makes stale is stale here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from archsim.base.arrays import F32, F64, I64
from archsim.base.machine_code import lean
from archsim.components.cells.numeric.flutter import add_to_columns, add_to_rows
from archsim.functional import vector_steps
from archsim.functional.compiling import compiled, is_kept
from archsim.functional.floating_point import backward_rows, forward_rows
from archsim.functional.functions import activate, derive
from archsim.functional.hashes import (
    FLUTTER,
    FLUTTER_BACK,
    PHASE,
    READ,
    READ_BACK,
    ROUNDING,
    ROW_ROUNDING,
    add_noise,
    key,
    uniform,
)
from archsim.functional.line_drop import follow
from archsim.functional.losses import output_delta
from archsim.functional.mismatch import (
    COL_CONVERTERS,
    COL_DRIVERS,
    ROW_CONVERTERS,
    ROW_DRIVERS,
    drive_unevenly,
    read_unevenly,
)
from archsim.functional.periphery import either_side, to_levels, to_span
from archsim.functional.pulses import PULSED, Trains, shifted
from archsim.functional.setup import (
    BACKWARD,
    COL,
    COL_START,
    COL_STOP,
    COLUMNS_CLIPPED,
    COLUMNS_FIRED,
    DELTAS,
    FIRED,
    FORWARD,
    LAYER,
    LIMITED,
    MAINTENANCE,
    NUMBERS,
    ROW,
    ROW_START,
    ROW_STOP,
    UPDATE,
)

DONE, AT_MAINTENANCE, AFTER_UPDATE = 0, 1, 2


@lean()
def add_drive(values: F32, full: Any, shares: F64, swings: I64, top: Any, drive: F64) -> int:
    """Add to each line's drive the share of the window that its driver is on at a value of `full` scale, none at 0.

    Return how often lines were charged.
    """
    scale = top / np.float64(full)
    charged = 0
    for i in range(values.shape[0]):
        if values[i] != 0:
            code = np.int64(abs(values[i]) * scale + 0.5)
            drive[i] += shares[code]
            charged += swings[code]
    return charged


rows_fire, columns_fire = PULSED.rows, PULSED.columns  # `make_play` may put in others


def fire(
    state: Any, numbers: Any, row_pulses: I64, column_pulses: I64, phases: F32, slots: Any, scratch: Any
) -> tuple[int, int]:
    """Fire the pulses of an update on one shard's cells; return how many there were and how many met a limit.

    It stands for the update of some cells, which `make_play` puts in its place.
    """
    raise NotImplementedError


def take_inputs(setup: Any, s: Any, example: Any, step: Any, acts: F32) -> None:
    """Set those of a layer's lines that are a shard's, and that no layer before it has set: inputs and biases."""
    program, examples = setup.program, setup.examples
    layer, row0, row1 = program.shards[s, LAYER], program.shards[s, ROW_START], program.shards[s, ROW_STOP]
    inputs = program.widths[layer, 0]
    if layer == 0:
        source = examples.x[examples.order[example - examples.begin]]
        for i in range(row0, min(row1, inputs)):
            acts[i] = source[i]
    if setup.rules.functions.bias[layer] and row1 > inputs:
        acts[inputs] = np.float32(1.0)


def read_forward(setup: Any, weights: Any, s: Any, example: Any, step: Any, driven: Any, z: Any) -> Any:
    """Read a shard in forward; return whether all of its layer are read. `driven` and `z` are of lines, to work in.

    A vector of either sign is read in two passes of one conversion, which is one product here.
    """
    program, tables, spans, buffers = setup.program, setup.tables, setup.rules.spans, setup.buffers
    functions, alpha, measures, grid = setup.rules.functions, setup.rules.alpha, setup.measures, program.grid
    layer, r = program.shards[s, LAYER], program.shards[s, ROW]
    row0, row1 = program.shards[s, ROW_START], program.shards[s, ROW_STOP]
    col0, col1 = program.shards[s, COL_START], program.shards[s, COL_STOP]
    rows, cols = row1 - row0, col1 - col0
    drive_levels, read_levels = tables.levels[s, 0], tables.levels[s, 2]
    partial_range, output_range, noise = tables.ranges[s, 0], tables.ranges[s, 1], tables.ranges[s, 3]
    vector, full = example * program.steps + step, spans.drive[layer]
    place = vector % buffers.acts.shape[1]
    acts = buffers.acts[layer, place]
    behind = example - measures.applied[s] // program.updates[s]
    measures.stale[s, min(behind, measures.stale.shape[1] - 1)] += 1
    take_inputs(setup, s, example, step, acts)
    to_levels(acts[row0:row1], full, drive_levels, driven[:rows])
    sort = tables.sort_of[FORWARD, s]
    measures.swings[FORWARD, s] += add_drive(
        driven[:rows], full, tables.on_shares[sort], tables.on_swings[sort], tables.on_tops[sort],
        measures.drive[FORWARD, s],
    )  # fmt: skip
    uneven = tables.gains.shape[2] > 0
    if uneven:
        own = tables.gains[ROW_DRIVERS, s], tables.offsets[ROW_DRIVERS, s]
        drive_unevenly(driven[:rows], own[0], own[1], full)
    measures.work[FORWARD, s] += 2 * rows * cols
    measures.reads[FORWARD, s] += 1
    for j in range(cols):
        z[j] = np.float32(0.0)
    forward_rows(driven[:rows], weights, z[:cols])
    if noise > 0:
        base = key(setup.rules.seed, READ, layer, vector)
        add_noise(z[:cols], noise * alpha[layer], base, r * buffers.acts.shape[2] + col0)
    if tables.flutter.shape[2] > 0:
        flutter, base = tables.flutter[:, s, :rows], key(setup.rules.seed, FLUTTER, layer, vector)
        first = r * buffers.acts.shape[2] + col0
        add_to_columns(driven[:rows], flutter[0], flutter[1], tables.spans[s], base, first, z[:cols])
    for j in range(cols):
        z[j] /= alpha[layer]
    read_out = buffers.sums[layer, place, r, col0:col1]
    summed = grid[layer, 0] > 1 or layer == grid.shape[0] - 1 or spans.gate[layer] > 0
    full = (partial_range if grid[layer, 0] > 1 else output_range) if summed else spans.full[layer]
    if spans.gate[layer] > 0:
        full = spans.gate[layer]
    if uneven:
        own = tables.gains[COL_CONVERTERS, s], tables.offsets[COL_CONVERTERS, s]
        read_unevenly(z[:cols], own[0], own[1], full)
    if summed:
        to_levels(z[:cols], full, either_side(read_levels), read_out)
    else:
        activate(functions.code[layer], functions.parameter[layer], z[:cols])
        levels = either_side(read_levels) if spans.low[layer] < 0 else read_levels
        to_levels(z[:cols], full, levels, read_out)
    buffers.counts[0, layer, place] += 1
    return buffers.counts[0, layer, place] == grid[layer, 0] * grid[layer, 1]


def end_forward(setup: Any, layer: Any, example: Any, step: Any, z: Any) -> None:
    """Add up what was read of a layer, and hand it to the next one; of the last, take the loss and its gradient."""
    buffers, spans, functions, grid = setup.buffers, setup.rules.spans, setup.rules.functions, setup.program.grid
    place, outputs = example % buffers.acts.shape[1], setup.program.widths[layer, 1]
    buffers.counts[0, layer, place] = 0
    for j in range(outputs):
        total = np.float32(0.0)
        for k in range(grid[layer, 0]):
            total += buffers.sums[layer, place, k, j]
        z[j] = total
    if layer == grid.shape[0] - 1:
        which = setup.examples.order[example - setup.examples.begin]
        loss, hit, squares = output_delta(
            functions.code[layer], z[:outputs], setup.examples.y[which], setup.examples.targets[which],
            buffers.deltas[layer, place, :outputs],
        )  # fmt: skip
        buffers.stats[0] += loss
        buffers.stats[1] += hit
        buffers.stats[2] += squares
    else:
        if grid[layer, 0] > 1:
            activate(functions.code[layer], functions.parameter[layer], z[:outputs])
            if spans.kept[layer] > 0:
                to_levels(z[:outputs], spans.full[layer], spans.kept[layer], z[:outputs])
        to_span(z[:outputs], spans.low[layer], spans.full[layer], buffers.acts[layer + 1, place, :outputs])


def read_backward(setup: Any, weights: Any, op: Any, example: Any, driven: Any, z: Any) -> Any:
    """Read a shard in backward; return whether all of its layer are read. `driven` and `z` are of lines, to work in.

    Each column of shards drives its gradients at the scale of its own largest one. Rows that nobody asks for, such as
    those of biases, are not read.
    """
    program, tables, buffers, measures = setup.program, setup.tables, setup.buffers, setup.measures
    s, first, rows = program.shard[op], program.asked[op, 0], program.asked[op, 1]
    layer, c = program.shards[s, LAYER], program.shards[s, COL]
    row0, at = program.shards[s, ROW_START] + first, program.shards[s, DELTAS]
    cols = program.shards[s, COL_STOP] - program.shards[s, COL_START]
    delta_levels, error_levels = tables.levels[s, 1], tables.levels[s, 3]
    partial_range, noise = tables.ranges[s, 0], tables.ranges[s, 3]
    vector = example * program.steps + program.step[op]
    place = vector % buffers.acts.shape[1]
    deltas = buffers.deltas[layer, place, at : at + cols]
    largest = np.float32(0.0)
    for j in range(cols):
        largest = max(largest, abs(deltas[j]))
    to_levels(deltas, largest, delta_levels if largest > 0 else 0, driven[:cols])
    if largest > 0:
        sort = tables.sort_of[BACKWARD, s]
        measures.swings[BACKWARD, s] += add_drive(
            driven[:cols], largest, tables.on_shares[sort], tables.on_swings[sort], tables.on_tops[sort],
            measures.drive[BACKWARD, s],
        )  # fmt: skip
    uneven = tables.gains.shape[2] > 0
    if uneven:
        own = tables.gains[COL_DRIVERS, s], tables.offsets[COL_DRIVERS, s]
        drive_unevenly(driven[:cols], own[0], own[1], largest)
    measures.work[BACKWARD, s] += 2 * rows * cols
    measures.reads[BACKWARD, s] += 1
    if largest > 0:  # else nothing is driven, as at steps in front of a sequence
        backward_rows(driven[:cols], weights[first:], rows, z)
    scale = setup.rules.alpha[layer] * largest
    if noise > 0:
        base = key(setup.rules.seed, READ_BACK, layer, vector)
        add_noise(z[:rows], noise * scale, base, c * buffers.acts.shape[2] + row0)
    if tables.flutter.shape[2] > 0:
        flutter = tables.flutter[:, s, first : first + rows]
        base, line = key(setup.rules.seed, FLUTTER_BACK, layer, vector), c * buffers.acts.shape[2] + row0
        add_to_rows(driven[:cols], flutter[0], flutter[1], tables.spans[s], base, line, z[:rows])
    # The converter sees the product at full drive; the scale is restored digitally.
    read_back = buffers.errors[layer, place, c, row0 : row0 + rows]
    if largest > 0:
        for i in range(read_back.shape[0]):
            z[i] /= scale
        if uneven:
            own = tables.gains[ROW_CONVERTERS, s, first:], tables.offsets[ROW_CONVERTERS, s, first:]
            read_unevenly(z[:rows], own[0], own[1], partial_range)
        to_levels(z[: read_back.shape[0]], partial_range, either_side(error_levels), read_back)
        for i in range(read_back.shape[0]):
            read_back[i] *= largest
    else:
        for i in range(read_back.shape[0]):
            read_back[i] = np.float32(0.0)
    buffers.counts[1, layer, place] += 1
    return buffers.counts[1, layer, place] == program.asked[op, 2]


def end_backward(setup: Any, layer: Any, example: Any, step: Any, z: Any) -> None:
    """Add up what was read of a layer, and hand its gradient to the one before it."""
    buffers, functions = setup.buffers, setup.rules.functions
    place, inputs = example % buffers.acts.shape[1], setup.program.widths[layer, 0]
    buffers.counts[1, layer, place] = 0
    for i in range(inputs):
        total = np.float32(0.0)
        for k in range(setup.program.grid[layer, 1]):
            total += buffers.errors[layer, place, k, i]
        z[i] = total
    code, parameter = functions.code[layer - 1], functions.parameter[layer - 1]
    derive(code, parameter, buffers.acts[layer, place, :inputs], z[:inputs], buffers.deltas[layer - 1, place])


def pulse_columns(setup: Any, s: Any, example: Any, vector: Any, nd: Any) -> Any:
    """Set what a shard's columns fire in an update, `nd` [lines], and count it; return how many times less rows fire.

    They fire as many times more (see `Crossbar.update_shift`).
    """
    program, rules, measures, buffers = setup.program, setup.rules, setup.measures, setup.buffers
    layer, at = program.shards[s, LAYER], program.shards[s, DELTAS]
    cols = program.shards[s, COL_STOP] - program.shards[s, COL_START]
    step, pulses, most_shift = setup.tables.ranges[s, 2], setup.tables.levels[s, 4], setup.tables.levels[s, 5]
    base = key(rules.seed, ROUNDING, layer, vector)
    unit = rules.rates[example // rules.per_epoch] * rules.spans.drive[layer] * rules.alpha[layer] / np.float32(step)
    deltas = buffers.deltas[layer, vector % buffers.acts.shape[1], at : at + cols]
    factor = shifted(deltas, unit, pulses, most_shift)
    columns, clipped, fired = columns_fire(deltas, unit * factor, pulses, base, at, nd)
    measures.fired[1, s] += fired
    measures.pulsed[COLUMNS_FIRED, s] += columns
    measures.pulsed[COLUMNS_CLIPPED, s] += clipped
    return factor


def pulse_rows(setup: Any, s: Any, vector: Any, negative: Any, factor: Any, nx: Any, phases: Any) -> None:
    """Set what a shard's rows with x > 0, or x < 0, fire in an update, `nx` and `phases` [lines], and count it.

    They fire `factor` times less than the slots that x is worth.
    """
    program, seed, buffers = setup.program, setup.rules.seed, setup.buffers
    layer, row0, row1 = program.shards[s, LAYER], program.shards[s, ROW_START], program.shards[s, ROW_STOP]
    base, rounding = key(seed, PHASE, layer, vector), key(seed, ROW_ROUNDING, layer, vector)
    full, pulses = setup.rules.spans.drive[layer] * factor, setup.tables.levels[s, 4]
    acts = buffers.acts[layer, vector % buffers.acts.shape[1], row0:row1]
    setup.measures.fired[0, s] += rows_fire(acts, -full if negative else full, pulses, rounding, row0, nx)
    for i in range(row1 - row0):
        if nx[i] > 0:
            phases[i] = uniform(base, row0 + i)


def play(op: I64, n: I64, start: I64, position: int, stop: int, tick: int, crossbars: Any, setup: Any) -> Any:
    """Play records (op, instance, start cycle) from a position on; return (position, why).

    A vector of either sign is updated in two phases: rows with x > 0 with d, then those with x < 0 with -d. The
    vectors of an example are updated one after another, each by a record. It stops at the end of the records, at a
    maintenance op, or just after the last update of an instance that is `tick - 1` modulo `tick`, or `stop - 1`.
    """
    program, tables, measures = setup.program, setup.tables, setup.measures
    shards, (driven, z, phases, nx, nd, scratch) = program.shards.shape[0], setup.room
    for at in range(position, op.shape[0]):
        kind = program.kind[op[at]]
        if kind < 0:
            continue
        if kind == MAINTENANCE:
            return at, AT_MAINTENANCE
        s, example, step = program.shard[op[at]], n[at], program.step[op[at]]
        layer = program.shards[s, LAYER]
        if kind == FORWARD:
            if read_forward(setup, crossbars.seen[s], s, example, step, driven, z):
                end_forward(setup, layer, example, step, z)
        elif kind == BACKWARD:
            if read_backward(setup, crossbars.seen[s + shards], op[at], example, driven, z):
                end_backward(setup, layer, example, step, z)
        else:
            rows = program.shards[s, ROW_STOP] - program.shards[s, ROW_START]
            cols = program.shards[s, COL_STOP] - program.shards[s, COL_START]
            state, numbers = crossbars.states[s], crossbars.numbers[tables.sort_of[NUMBERS, s]]
            slot = example % measures.under_way.shape[1]
            done = measures.under_way[s, slot]  # after a transfer, examples that waited for it take turns
            vector = example * program.steps + step + done
            factor = pulse_columns(setup, s, example, vector, nd)
            for phase in range(setup.rules.spans.phases[layer]):
                pulse_rows(setup, s, vector, phase, factor, nx, phases)
                if phase:
                    for j in range(cols):
                        nd[j] = -nd[j]
                fired, limited = fire(state, numbers, nx[:rows], nd[:cols], phases[:rows], tables.levels[s, 4], scratch)
                for side in (s, s + shards):
                    if crossbars.terms[side].shape[1]:
                        seen, terms = crossbars.seen[side], crossbars.terms[side]
                        follow(crossbars.weights[s], terms, nx[:rows], nd[:cols], seen, scratch.places)
                measures.fired[2, s] += fired
                measures.pulsed[FIRED, s] += fired
                measures.pulsed[LIMITED, s] += limited
            measures.work[UPDATE, s] += 2 * rows * cols
            measures.applied[s] += 1
            measures.under_way[s, slot] = (done + 1) % program.updates[s]
            measures.began[s] += start[at]
            if done + 1 == program.updates[s] and ((example + 1) % tick == 0 or example + 1 == stop):
                return at + 1, AFTER_UPDATE
    return op.shape[0], DONE


STEPS = (vector_steps.take_inputs, vector_steps.end_forward, vector_steps.end_backward)
"""What stands in the places of some of them where networks are not plain."""
TAKES = take_inputs.__name__
READS = (read_forward, end_forward, read_backward, end_backward)
PULSES = (pulse_columns, pulse_rows)


@functools.cache
def make_pieces(trains: Trains, plain: bool = True) -> dict[str, Callable[..., Any]]:
    """Return by name the compiled pieces of the loop that depend neither on the cells nor on how many shards there are.

    Those that read are one each for all chips, `plain` or not, those that pulse for all whose updates are driven alike.
    """
    parts = {"rows_fire": trains.rows, "columns_fire": trains.columns}
    words = trains.rows.__name__
    pulses = {each.__name__: compiled(each, parts, words, keep=True, inline=True) for each in PULSES}
    if trains is not PULSED:
        return make_pieces(PULSED, plain) | pulses
    own = {} if plain else {each.__name__: each for each in STEPS}
    words = "plain" if plain else "steps"
    takes = {TAKES: compiled(own.get(TAKES, take_inputs), {}, words, keep=True, inline=True)}
    return pulses | {
        each.__name__: compiled(own.get(each.__name__, each), takes, words, keep=True, inline=True) for each in READS
    }


@functools.cache
def make_play(
    update: Callable[..., Any], shards: int, sorts: int, trains: Trains = PULSED, plain: bool = True
) -> Callable[..., Any]:
    """Return `play`, compiled for cells with this update in the place of `fire`, in so many shards of so many sorts.

    `trains` is what drives the update, `plain` whether the network is of fully connected layers and single vectors.
    It is kept on disk if the update is; the counts are in its name as they are in its types.
    """
    words = f"{update.__module__}.{update.__name__}.{trains.rows.__name__}.{shards}.{sorts}.{plain}"
    parts = {**make_pieces(trains, plain), fire.__name__: update}
    return compiled(play, parts, words, keep=is_kept(update))
