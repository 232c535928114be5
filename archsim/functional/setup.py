"""What the executor's compiled loop works on: a few named records of arrays, made once for a chip and its training.

The types of their fields depend on nothing but the kind of cells: neither on data nor, but for `Crossbars`, on how many
shards there are. So no chip has the loop's parts compiled anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, F64, I32, I64, Array
from archsim.components.cells.numeric.base import Scratch, scratch_of
from archsim.functional.functions import Functions, Spans
from archsim.functional.numbers import KEPT, Chain
from archsim.functional.sequences import Frames
from archsim.functional.targets import targets_or_none
from archsim.mapping.schedule import Schedule

FORWARD, BACKWARD, UPDATE, MAINTENANCE = 0, 1, 2, 3
KINDS = {"forward": FORWARD, "backward": BACKWARD, "update": UPDATE, "transfer": MAINTENANCE, "refresh": MAINTENANCE}
LAYER, ROW, COL, ROW_START, ROW_STOP, COL_START, COL_STOP, DELTAS = range(8)  # columns of `Program.shards`
NUMBERS = 2  # row of `Tables.sort_of` that says which numbers the cells of a shard have; those above, which driver
FIRED, LIMITED, COLUMNS_FIRED, COLUMNS_CLIPPED = range(4)  # rows of `Measures.pulsed`


class Program(NamedTuple):
    """What the executor needs of a schedule: by op its kind and shard, by shard its place."""

    kind: I64  # [ops]: one of `KINDS`, or -1 of an op that does nothing in numbers
    shard: I64  # [ops]: the shard that is read or written, or -1
    step: I64  # [ops]: the step of the example; of an update, the first
    asked: I64  # [ops, 3]: of a backward read the first row and how many, and how many shards are read with it
    shards: I64  # [shards, 8]: layer, place in its grid, lines, and where its columns' gradients begin
    updates: I64  # [shards]: updates of an example, one for each vector
    grid: I64  # [layers, 2]: row shards and column shards
    blocks: I64  # [layers]: row shards of the first block of rows
    widths: I64  # [layers, 2]: inputs and outputs
    slots: int  # how many examples may be under way at once
    steps: int  # vectors of an example
    lines: int  # the most that any layer needs
    units: int  # the most that any layer of a network over sequences has


class Crossbars(NamedTuple):
    """The cells, as compiled code takes them; what training changes lies in the states.

    Each may be longer than said, by what comes last once more: see `line_drop.filled`.
    """

    weights: tuple[F32, ...]  # by shard [rows, cols], in uS
    states: tuple[Any, ...]  # by shard the arrays of its cells
    numbers: tuple[Any, ...]  # by sort what all cells of a sort have in common
    seen: tuple[F32, ...]  # what reads see of the weights: forward by shard, then backward
    terms: tuple[F32, ...]  # [2, rows, cols]: factor and rest of each, see `line_drop.Seen`; empty where all is seen


class Tables(NamedTuple):
    """The periphery of each shard."""

    levels: I64  # [shards, 6]: those of `Quantisers.levels`
    ranges: F32
    """[shards, 4]: those of `Quantisers.ranges`: two of values, the step of a pulse in uS, the noise of a read."""
    on_shares: F64  # [drivers, codes]: share of the window for which a line is on at that code
    on_swings: I64  # [drivers, codes]: how often a line is charged for that
    on_tops: F64  # [drivers]: the code at full scale
    flutter: F64
    """[2, shards, rows]: by what variance cells and references fluctuate in a read, in uS^2; no rows if none does."""
    spans: I64  # [shards]: columns that share a reference
    gains: F32  # [edges, shards, lines]: of drivers and converters, by `mismatch.ROW_DRIVERS` and so on; or no lines
    offsets: F32  # [edges, shards, lines]: of the same, as shares of full scale
    sort_of: I64  # [3, shards]: which driver, in forward and in backward, and which sort of cells


class Rules(NamedTuple):
    """How values become weights, and how they are learnt."""

    alpha: F32  # [layers]: the conductance of a weight of one, in uS
    functions: Functions
    spans: Spans
    chain: Chain
    rates: F32  # [epochs]: learning rates
    per_epoch: int  # examples
    seed: int


class Examples(NamedTuple):
    """The examples, and which of them each step takes."""

    x: F32  # [examples, inputs], or of sequences [vectors, inputs]
    y: I64  # [examples x answers]: labels
    targets: F32  # [examples, outputs], or [examples, 0] where labels are all there is
    order: I32  # [steps]: the example of each
    begin: int  # the step that comes first in `order`
    rows: I32  # [examples, steps]: which vector a sequence has at each step
    first: I64  # [examples]: the first step of it that counts
    answers: int  # labels of an example


class Buffers(NamedTuple):
    """What is under way: vectors, partial sums and counts of finished shards, by layer and place of a vector."""

    acts: F32  # [layers, places, lines]: the vectors that layers take
    deltas: F32  # [layers, places, lines]: the negative gradients of their sums
    sums: F32  # [layers, places, row shards, lines]: what converters gave in forward
    errors: F32  # [layers, places, column shards, lines]: the same in backward
    counts: I64  # [direction, layers, places]: shards that were read
    stats: F64  # [3]: the loss, how many examples were right, the squares of errors
    kept: F32  # [layers, places, KEPT, units]: what a recurrent unit keeps for the way back
    states: F32  # [layers, places, units]: its states
    grads: F32  # [layers, places, units]: the negative gradients of outputs, as far as they have come
    passed: F32  # [layers, places, units]: what the step after left of a state's
    pending: I64  # [layers, places]: how many parts of the gradients have come
    carried: F32  # [layers, 3, units]: outputs and states of the last step, and zeros


class Measures(NamedTuple):
    """What is counted while a timeline is played, by shard; whole numbers but for the drive and exact updates."""

    work: I64  # [kind, shards]: operations (2 per cell and pass) of forward, backward and update
    reads: I64  # [direction, shards]: reads
    applied: I64  # [shards]: updates
    under_way: I64  # [shards, slots]: updates that an example has had, none once it has had all of them
    began: I64  # [shards]: the sum of the cycles in which these began
    stale: I64
    """[shards, k]: forward passes with k updates of earlier examples still to come; the last, also those beyond."""
    drive: F64
    """[direction, shards, lines]: shares of the window for which a line drove the array since it was last read off."""
    swings: I64  # [direction, shards]: how often lines were charged for that
    fired: F64
    """[3, shards]: pulses of updates: those that rows fired, those that columns fired, and those that cells saw."""
    pulsed: F64  # [what, shards]: since it was last read off: pulses, those at a cell's limit, columns, those clipped


class Room(NamedTuple):
    """What the loop works in, [lines] each, so that it need make no arrays; what it holds means nothing."""

    driven: F32
    sums: F32
    phases: F32
    row_pulses: Array  # as `Trains.count` has it
    column_pulses: Array
    update: Scratch


class Setup(NamedTuple):
    """All that the loop works on but the cells; it changes buffers, measures and room."""

    program: Program
    tables: Tables
    rules: Rules
    examples: Examples
    buffers: Buffers
    measures: Measures
    room: Room


def program_of(schedule: Schedule) -> Program:
    """Return the program of a schedule."""
    mapping = schedule.mapping
    by_place = {(s.layer, s.row, s.col): s.index for s in mapping.shards}
    by_tile = {s.tile: s.index for s in mapping.shards}
    assert len(by_place) == len(by_tile) == len(mapping.shards)
    kind = np.array([KINDS.get(op.kind, -1) for op in schedule.ops], dtype=np.int64)
    shard = np.array([by_tile.get(op.tile, -1) if op.kind in KINDS else -1 for op in schedule.ops], dtype=np.int64)
    step = np.array([op.step for op in schedule.ops], dtype=np.int64)
    asked = np.zeros((len(schedule.ops), 3), dtype=np.int64)
    for op in (op for op in schedule.ops if op.kind == "backward"):
        own = mapping.shards[shard[op.index]]
        rows = mapping.backward_inputs(own, op.step)
        others = sum(bool(mapping.backward_inputs(each, op.step)) for each in mapping.by_layer[own.layer])
        asked[op.index] = rows.start - own.input_start, len(rows), others
    layers = mapping.workload.layers
    updates, blocks = np.zeros(len(mapping.shards), dtype=np.int64), np.zeros(len(layers), dtype=np.int64)
    for own in mapping.shards:
        blocks[own.layer] += own.col == own.block == 0
    for own, index in zip(mapping.shards, schedule.updates, strict=True):
        vectors = layers[own.layer].vectors(mapping.workload)
        step[index], updates[own.index] = vectors.start, len(vectors)
    table = np.array(
        [
            (s.layer, s.row, s.col, s.row_start, s.row_stop, s.col_start, s.col_stop,
             s.block * layers[s.layer].columns + s.col_start)
            for s in mapping.shards
        ],
        dtype=np.int64,
    )  # fmt: skip
    # Lines that a layer needs are those of its vector, of its outputs, or of sequences those of all its sums.
    widths = np.array([[layer.inputs, layer.outputs] for layer in layers], dtype=np.int64)
    widest = max(max(own.rows, own.columns * len(own.blocks), own.inputs + 1, own.outputs + 1) for own in layers)
    if mapping.workload.plain:
        widest = int(widths.max()) + 1
    slots = 2 * (schedule.in_flight + schedule.batch + schedule.chip.spec.schedule.prefetch) + 2
    grid = np.array(mapping.grid, dtype=np.int64)
    units = 0 if mapping.workload.plain else int(widths[:, 1].max())
    return Program(kind, shard, step, asked, table, updates, grid, blocks, widths, slots, mapping.workload.steps,
                   widest, units)  # fmt: skip


def examples_of(
    x: F32, y: I64, targets: F32 | None, order: I32 | None = None, frames: Frames | None = None
) -> Examples:  # fmt: skip
    """Return examples with or without target values, taken in an order: their own, if none is given."""
    rows, first = np.zeros((0, 0), dtype=np.int32), np.zeros(0, dtype=np.int64)
    answers = 1 if y.ndim == 1 else y.shape[1]
    if frames is not None:
        rows, first = np.ascontiguousarray(frames.rows), frames.begin
    own = np.arange(len(y), dtype=np.int32) if order is None else order
    return Examples(x, np.ascontiguousarray(y).reshape(-1), targets_or_none(x, targets), own, 0, rows, first, answers)


def buffers_of(program: Program) -> Buffers:
    """Return the buffers of a program, with nothing under way."""
    layers, places = len(program.grid), program.slots * program.steps
    widest, kept = program.lines, (layers, places, program.units)
    rows, cols = int(program.grid[:, 0].max()), int(program.grid[:, 1].max())
    return Buffers(
        acts=np.zeros((layers, places, widest), dtype=np.float32),
        deltas=np.zeros((layers, places, widest), dtype=np.float32),
        sums=np.zeros((layers, places, rows, widest), dtype=np.float32),
        errors=np.zeros((layers, places, cols, widest), dtype=np.float32),
        counts=np.zeros((2, layers, places), dtype=np.int64),
        stats=np.zeros(3, dtype=np.float64),
        kept=np.zeros((layers, places, KEPT, program.units), dtype=np.float32),
        states=np.zeros(kept, dtype=np.float32),
        grads=np.zeros(kept, dtype=np.float32),
        passed=np.zeros(kept, dtype=np.float32),
        pending=np.zeros((layers, places), dtype=np.int64),
        carried=np.zeros((layers, 3, program.units), dtype=np.float32),
    )


def room_of(program: Program, count: type[np.generic]) -> Room:
    """Return room for the loop of a program whose updates' pulses are counted in this kind of number."""
    driven, sums, phases = np.zeros((3, program.lines), dtype=np.float32)
    counts = np.zeros((2, program.lines), dtype=count)
    return Room(driven, sums, phases, counts[0], counts[1], scratch_of(program.lines))


def measures_of(program: Program) -> Measures:
    """Return the measures of a program, with nothing counted."""
    shards = len(program.shards)
    return Measures(
        work=np.zeros((3, shards), dtype=np.int64),
        reads=np.zeros((2, shards), dtype=np.int64),
        applied=np.zeros(shards, dtype=np.int64),
        under_way=np.zeros((shards, program.slots), dtype=np.int64),
        began=np.zeros(shards, dtype=np.int64),
        stale=np.zeros((shards, program.slots), dtype=np.int64),
        drive=np.zeros((2, shards, program.lines), dtype=np.float64),
        swings=np.zeros((2, shards), dtype=np.int64),
        fired=np.zeros((3, shards), dtype=np.float64),
        pulsed=np.zeros((4, shards), dtype=np.float64),
    )
