"""Recipes: which units of a tile each step occupies, for how long, and what it is billed.

Both the schedule and the computed peak are made of these, so that they cannot disagree.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, log2
from typing import Concatenate, ParamSpec

from archsim.chip.graph import Chip, Tile
from archsim.components.base import Action
from archsim.components.converters import Converter
from archsim.components.drivers import Driver
from archsim.mapping.schedule import Stage, Use
from archsim.spec.tile import TileSpec
from archsim.workload.layers import Layer


@dataclass(frozen=True)
class Side:
    """One direction through a crossbar: which edge drives it, which edge is read, and how its lines are billed.

    `lines` are driven by the tile's own drivers, `ramp_lines` by a ramp of another tile.
    """

    phase: str
    driver: str
    reader: str
    hold: str
    lines: str
    ramp_lines: str


FORWARD = Side("forward", "row_driver", "col_converter", "col_hold", "read_rows", "ramp_rows")
BACKWARD = Side("backward", "col_driver", "row_converter", "row_hold", "read_cols", "ramp_cols")


def whole_bytes(bits: int) -> int:
    """Return the bits of the whole bytes that hold so many."""
    return 8 * -(-bits // 8)


P = ParamSpec("P")


@dataclass(frozen=True)
class Made:
    """What tiles of a kind were asked for, by how: stages, as those of a tile 0 whose units are first, and cycles."""

    stages: dict[Hashable, Stage] = field(default_factory=dict)
    cycles: dict[Hashable, int] = field(default_factory=dict)


@functools.lru_cache(maxsize=64)  # studies make many chips of the same kinds of tiles
def _made_for(tile: TileSpec, clock_hz: Fraction, state_bits: int) -> Made:
    """Return what tiles of a kind were asked for, at a clock, with states of so many bits."""
    return Made()


def kits_of(chip: Chip, tiles: Iterable[int]) -> dict[int, TileKit]:
    """Return what tiles of a chip can perform, by tile; those of a kind share what does not depend on the place."""
    clock_hz, bits = chip.spec.technology.clock_hz, chip.spec.numerics.state_bits
    made = {name: _made_for(tile, clock_hz, bits) for name, tile in chip.spec.tile_kinds}
    return {tile: TileKit(chip, chip.tiles[tile], made[chip.tiles[tile].kind]) for tile in tiles}


def placed(stage: Stage, first: int, tile: int) -> Stage:
    """Return the stage of a tile 0, whose units are the first ones, as that of another tile."""
    return Stage(
        stage.latency_cycles,
        tuple([first + unit for unit in stage.acquire]),
        tuple([(at, first + unit) for at, unit in stage.release]),
        tuple([Use(first + use.unit, use.action, use.count) for use in stage.uses]),
        tuple([(tile, state) for _, state in stage.shows]),
        None if stage.waits is None else (tile, stage.waits[1]),
    )


def _alike(make: Callable[Concatenate[TileKit, P], Stage]) -> Callable[Concatenate[TileKit, P], Stage]:
    """Make a stage once for all tiles of a kind: it depends on their place by the numbers of tile and units alone."""
    name = make.__name__

    @functools.wraps(make)
    def asked(kit: TileKit, /, *args: P.args, **named: P.kwargs) -> Stage:
        key = (name, args, *named.items())
        first, tile = kit.tile.units["crossbar"], kit.tile.index
        found = kit.made.stages.get(key)
        if found is None:
            found = kit.made.stages[key] = placed(make(kit, *args, **named), -first, 0)
        return placed(found, first, tile)

    return asked


@dataclass(frozen=True)
class TileKit:
    """The stages that one tile can perform; energies and times come from its components.

    `made` keeps those that tiles of its kind were asked for.
    """

    chip: Chip
    tile: Tile
    made: Made = field(default_factory=Made, repr=False, compare=False)

    def action(self, unit: str, action: str) -> Action:
        """Return an action of one of the tile's units."""
        return self.chip.units[self.tile.units[unit]].actions[action]

    def use(self, unit: str, action: str, count: int) -> Use:
        """Return a billed use of one of the tile's units."""
        return Use(self.tile.units[unit], action, count)

    def duration(self, unit: str, action: str, count: int, banks: int = 1) -> int:
        """Return the cycles that a unit is occupied by `count` items."""
        return self.chip.spec.cycles(self.action(unit, action).duration_s(count, banks)[1])

    def driver(self, side: Side) -> Driver:
        """Return the driver that encodes a vector for this direction."""
        return self.tile.spec.row_driver if side is FORWARD else self.tile.spec.backward_driver

    def window_s(self, side: Side) -> Fraction:
        """Time for which a vector drives the array in one pass, its lines being charged included, in seconds."""
        spec, driver = self.tile.spec, self.driver(side)
        if driver.line_current_a is None:
            return driver.window_s
        crossed = spec.cols if side is FORWARD else spec.rows
        return driver.window_s + driver.charges * spec.array.charge_s(crossed, driver.line_current_a)

    def signs(self, side: Side, *, signed: bool) -> int:
        """In how many passes numbers of either sign drive the array; errors, which go backward, always have both."""
        spec = self.tile.spec
        way = spec.array.signed_rows if side is FORWARD else spec.updated_array.signed_columns
        return 2 if (signed or side is BACKWARD) and way == "two_passes" else 1

    def passes(self, side: Side, *, signed: bool) -> int:
        """In how many windows a vector drives the array, for one group of lines: in each phase, those of its signs."""
        return self.signs(side, signed=signed) * self.driver(side).phases

    def samples(self, side: Side, *, signed: bool) -> int:
        """How often lines of one group are sampled and converted for a vector: at each step, in each pass, or once."""
        passes = self.passes(side, signed=signed)
        if self.driver(side).samples > 1 or self.converter(side).converted == "each_phase":
            return self.driver(side).samples * passes
        return 1

    def driven_s(self, side: Side, *, signed: bool, sample: int = 0) -> Fraction:
        """Time for which a vector drives the array for one of its driver's samples, in seconds, until it is taken."""
        driver, more_s = self.driver(side), self.window_s(side) - self.driver(side).window_s
        passes, samples = self.passes(side, signed=signed), self.samples(side, signed=signed)
        own_s = driver.windows_s[sample] + more_s / driver.samples
        return own_s * passes * driver.samples / samples

    def integrate_cycles(self, side: Side, *, signed: bool) -> int:
        """Cycles of one read of the whole array, up to its first sample: the drivers' windows, then settling."""
        return self.chip.spec.cycles(self.driven_s(side, signed=signed) + self.tile.spec.array.settle_s)

    def ramp_s(self, side: Side) -> Fraction:
        """Time in which the converters of this side send a line's sample as a duration, in seconds."""
        return self.action(side.reader, "ramp_out").latency_s

    def bits(self, side: Side) -> int:
        """Bits of a value that leaves on this side; of one that was added up step by step, those of the inputs."""
        driver = self.driver(side)
        return driver.bits if driver.lockstep else self.converter(side).bits

    def converter(self, side: Side) -> Converter:
        """Return the converter that is read on this side."""
        return self.tile.spec.col_converter if side is FORWARD else self.tile.spec.backward_converter

    def banks(self, side: Side, lines: int) -> int:
        """Return how many converters serve so many lines of this side."""
        return -(-lines // self.converter(side).lines_per_unit)

    def ramps(self, side: Side, lines: int, widest: int = 0, wires: int = 1) -> int:
        """Return how many ramps send the samples of `lines` lines, `widest` of them over the same `wires`.

        A converter sends its lines one after another; at each ramp a wire carries one value.
        """
        return max(-(-lines // self.banks(side, lines)), -(-widest // wires))

    def words(self, values: int, bits: int) -> int:
        """Return how many words of the tile's memory hold so many values, each in whole bytes."""
        return self.tile.spec.memory.words_for(values, whole_bytes(bits))

    @_alike
    def integrate(
        self, side: Side, rows: int, cols: int, stored: int, *, signed: bool = False, kept: int = 0,
        by_ramp: bool = False,
    ) -> Stage:  # fmt: skip
        """Return the stage that reads rows x cols cells and takes samples.

        `stored` values and `kept` words are written to memory. The drivers read the values there again, while the
        array is at work (an assumption: they hold two vectors). `by_ramp`: a ramp of another tile drives the lines, so
        that nothing is read and encoded. A line is charged in the pass of its own sign; drivers work in each. What
        phases and groups repeat is billed as often. Where several samples are taken, the array is held on for them.
        """
        lines, groups = rows if side is FORWARD else cols, self.converter(side).groups
        charged, conducted = self.tile.spec.read_repeats(backward=side is BACKWARD)
        encoded = lines * self.passes(side, signed=signed) * groups
        cycles = self.integrate_cycles(side, signed=signed)
        words = self.words(stored, self.bits(side))
        units = self.tile.units
        accesses = {"write": words + kept} if by_ramp else {"write": words + kept, "read": words}
        uses = (
            *(() if by_ramp else (self.use(side.driver, "encode", encoded),)),
            self.use("crossbar", side.ramp_lines if by_ramp else side.lines, lines * charged),
            self.use("device", "read", rows * cols * conducted),
            *(self.use("memory", access, count) for access, count in accesses.items()),
        )
        held = (units["crossbar"], units[side.driver])
        release = [(cycles, unit) for unit in held] if self.samples(side, signed=signed) * groups == 1 else []
        acquire = [*held, units[side.hold]]
        if words or kept:
            acquire.append(units["memory"])
            busy = sum(self.duration("memory", access, count) for access, count in accesses.items())
            release.append((busy, units["memory"]))
        return self._stage(cycles, acquire, release, uses, side.phase)

    @_alike
    def convert(self, side: Side, lines: int, *, signed: bool = False) -> Stage:
        """Return the stage that converts the samples of `lines` lines and frees them."""
        if self.samples(side, signed=signed) * self.converter(side).groups > 1:
            return self._convert_samples(side, lines, signed=signed)
        unit = self.tile.units[side.reader]
        passes = self.passes(side, signed=signed)
        count = lines * self.converter(side).conversions(passes)
        taken = self._taken(side, 0, passes)
        free_s = self._converting_s(side, taken, count, lines)
        ready, free = map(self.chip.spec.cycles, (free_s + self._delay_s(side), free_s))
        release = [(free, unit), (free, self.tile.units[side.hold])]
        uses = [self.use(side.reader, action, count * each) for action, each in taken.items()]
        if (slices := self.converter(side).slices) > 1:
            uses.append(self.use("accumulator", "add", count * slices))
        return self._stage(ready, [unit], release, tuple(uses), "convert")

    def _taken(self, side: Side, sample: int, passes: int = 1) -> dict[str, int]:
        """Return by action of the converter how often a line does it for a sample of its driver, or of so many."""
        driver = self.driver(side)
        return self.converter(side).taken(driver.earlier_bits[sample], driver.integrations[sample] * passes)

    def _converting_s(self, side: Side, taken: Mapping[str, int], count: int, lines: int) -> Fraction:
        """Return for how long converters of so many lines are busy with `count` samples, in seconds."""
        banks = self.banks(side, lines)
        return sum((each * self.action(side.reader, name).duration_s(count, banks)[1] for name, each in taken.items()),
                   Fraction(0))  # fmt: skip

    def _delay_s(self, side: Side) -> Fraction:
        action = self.action(side.reader, "convert")
        return action.latency_s - action.duration_s(1)[1]

    def _convert_samples(self, side: Side, lines: int, *, signed: bool) -> Stage:
        """Return the stage that follows the first of several samples: at each step, in each pass, of each group.

        One sample is converted while the next is taken, and a step lasts as long as the slowest of reading, converting
        and adding; where a line can hold only one, reading and converting take turns. The array and its drivers, held
        since the first sample, are free when the last step begins, in which the last sample is converted. Of a driver
        that is sampled at each of its steps, that takes one step more.
        """
        units, driver, converter = self.tile.units, self.driver(side), self.converter(side)
        samples, passes = self.samples(side, signed=signed), self.passes(side, signed=signed)
        share, times = -(-lines // converter.groups), converter.conversions(passes if samples == 1 else 1)
        added, add_s = share * times * converter.slices if samples * converter.slices > 1 else 0, Fraction(0)
        if added:
            accumulator = self.tile.spec.accumulator
            assert accumulator is not None  # as the spec was checked
            add_s = self.action("accumulator", "add").duration_s(added, accumulator.units(lines))[1]
        own = 1 if driver.lockstep else driver.samples  # all samples in lockstep are alike
        reads_s, works_s, counts = list[Fraction](), list[Fraction](), dict[str, int]()
        for sample in range(own):
            taken = self._taken(side, sample, passes if samples == 1 else 1)
            reads_s.append(self.driven_s(side, signed=signed, sample=sample) + self.tile.spec.array.settle_s)
            works_s.append(max(times * self._converting_s(side, taken, share, lines), add_s))
            for name, each in taken.items():
                counts[name] = counts.get(name, 0) + samples // own * lines * times * each
        uses = [self.use(side.reader, name, count) for name, count in counts.items()]
        if added:
            uses.append(self.use("accumulator", "add", samples * lines * times * converter.slices))
        if driver.lockstep:
            last_s = max(reads_s[0], works_s[0])
            before_s = (samples * converter.groups - 1) * last_s
        else:
            by_turns = converter.sample_hold == 1
            following = zip(works_s, [*reads_s[1:], reads_s[0]], strict=True)
            steps_s = [work_s + read_s if by_turns else max(work_s, read_s) for work_s, read_s in following]
            rounds, last_s = samples // own * converter.groups, works_s[-1]
            before_s = rounds * sum(steps_s, Fraction(0)) - steps_s[-1]
        delay_s = self._delay_s(side)
        gone, freed, cycles = map(self.chip.spec.cycles, (before_s, before_s + last_s, before_s + last_s + delay_s))
        release = [(gone, units["crossbar"]), (gone, units[side.driver])]
        release += [(freed, units[side.reader]), (freed, units[side.hold])]
        return self._stage(cycles, [units[side.reader]], release, tuple(uses), side.phase)

    @_alike
    def read_out(self, side: Side, lines: int, widest: int = 0, wires: int = 1) -> Stage:
        """Return the stage that reads samples as durations into latches of the same tile, or over wires to others."""
        unit = self.tile.units[side.reader]
        cycles = self.chip.spec.cycles(self.ramps(side, lines, widest, wires) * self.ramp_s(side))
        release = [(cycles, unit), (cycles, self.tile.units[side.hold])]
        return self._stage(cycles, [unit], release, (self.use(side.reader, "ramp_out", lines),), "convert")

    def digital(self, action: str, values: int, memory: str = "", bits: int = 0) -> Stage:
        """Return a step of the neuron unit, with the memory words that it reads or writes."""
        return self.work({action: values}, {memory: self._packed(values, bits)} if memory else {})

    def work(self, counts: Mapping[str, int], words: Mapping[str, int] | None = None) -> Stage:
        """Return a stage in which the neuron unit does so many of each action, one kind after another.

        Meanwhile so many `words` of memory are read or written, by "read" and "write".
        """
        return self._work(tuple(counts.items()), tuple([pair for pair in (words or {}).items() if pair[1]]))

    @_alike
    def _work(self, counts: tuple[tuple[str, int], ...], accesses: tuple[tuple[str, int], ...]) -> Stage:
        unit, store = self.tile.units["neuron"], self.tile.units["memory"]
        cycles = sum(self.duration("neuron", action, count) for action, count in counts)
        uses = tuple(self.use("neuron", action, count) for action, count in counts)
        acquire, release = [unit], [(cycles, unit)]
        if accesses:
            uses += tuple(self.use("memory", access, count) for access, count in accesses)
            acquire.append(store)
            release.append((sum(self.duration("memory", access, count) for access, count in accesses), store))
        latency = max(cycles, *(at for at, _ in release))
        return self._stage(latency, acquire, release, uses, "digital")

    @_alike
    def recall(self, values: int) -> Stage:
        """Return the stage that reads so many numbers of a vector x from memory."""
        words, store = self.words(values, self.bits(FORWARD)), self.tile.units["memory"]
        cycles = self.duration("memory", "read", words)
        return self._stage(cycles, [store], [(cycles, store)], (self.use("memory", "read", words),), "digital")

    @_alike
    def maximum(self, values: int) -> Stage:
        """Return the stage that finds the largest of digital values, to which the drivers scale them.

        The neuron unit compares as many at once as it has lanes, then these in a tree.
        """
        unit, neuron = self.tile.units["neuron"], self.tile.spec.neuron
        tree = self.chip.spec.cycles(ceil(log2(min(values, neuron.lanes))) * neuron.step_s)
        cycles = self.duration("neuron", "compare", values) + tree
        return self._stage(cycles, [unit], [(cycles, unit)], (self.use("neuron", "compare", values),), "digital")

    @_alike
    def scan(self, side: Side, lines: int) -> Stage:
        """Return the stage that finds the largest of the samples on some lines, before a ramp reads them out.

        A ramp falls until the first comparator switches; it lasts a whole ramp, since that may be late. The comparators
        are billed as those of the neuron unit, and latches and counters, which are not driven, are not: an estimate.
        """
        unit = self.tile.units[side.reader]
        cycles = self.chip.spec.cycles(self.ramps(side, lines) * self.ramp_s(side))
        return self._stage(cycles, [unit], [(cycles, unit)], (self.use("neuron", "compare", lines),), "convert")

    def kept(self, layer: Layer, outputs: int, *, backward: bool = True) -> int:
        """Return the words of memory that hold what is needed of so many outputs of a layer at one step.

        That is what backward reads again; where nothing goes backward, the state that the next step needs.
        """
        if backward and layer.kept_bits:
            return self._packed(outputs, layer.kept_bits)
        bits, own, every = self.chip.spec.numerics.state_bits, layer.state_values, layer.kept_values
        if not backward:
            return self.words(own * outputs, bits)
        if not own or whole_bytes(bits) == whole_bytes(self.bits(FORWARD)):
            return self.words(every * outputs, self.bits(FORWARD))
        return self.words(own * outputs, bits) + self.words((every - own) * outputs, self.bits(FORWARD))

    def _packed(self, values: int, bits: int) -> int:
        return self.tile.spec.memory.words_for(values, bits)

    @_alike
    def update(self, rows: int, cols: int, inputs: int, *, signed: bool = False) -> Stage:
        """Return the update of all cells by coincidence; x and d are read from memory meanwhile."""
        units, array = self.tile.units, self.tile.spec.updated_array
        phases = array.phases(signed=signed)  # a row fires in the phase of its own sign
        words = self.words(inputs, self.bits(FORWARD)) + self.words(cols, self.bits(BACKWARD))
        uses = (
            self.use("row_driver", "pulse", rows), self.use("col_driver", "pulse", cols * phases),
            self.use("crossbar", "update_rows", rows), self.use("crossbar", "update_cols", cols * phases),
            self.use("memory", "read", words),
            *((self.use("device", "update", rows * cols),) if self.tile.spec.device.pulse_j else ()),
        )  # fmt: skip
        fetch = self.duration("memory", "read", words)
        held = [units["crossbar"], units["row_driver"], units["col_driver"]]
        latency = max(self.chip.spec.cycles(phases * array.update_s), fetch)
        release = [*((latency, unit) for unit in held), (fetch, units["memory"])]
        return self._stage(latency, [*held, units["memory"]], release, uses, "update")

    def maintenance_cycles(self, steps: tuple[str, ...], rows: int, cols: int) -> int:
        """Return the cycles in which a group of rows goes through these steps."""
        key = (steps, rows, cols)
        found = self.made.cycles.get(key)
        if found is None:
            found = self.made.cycles[key] = self.chip.spec.cycles(self.maintenance_s(steps, rows, cols))
        return found

    def maintenance_s(self, steps: tuple[str, ...], rows: int, cols: int) -> Fraction:
        """Return the time in which a group of rows goes through these steps, in seconds.

        All rows take a step at once, but reads: a row drives the array for the time that the cell says, or for as long
        as the converters of the columns need it, and is converted before the next one is read; so is each group of its
        columns. Phases of a vector's read are none of it.
        """
        device, actions, converter = self.tile.spec.device, self.tile.spec.device.actions(), self.converter(FORWARD)
        groups = converter.groups
        convert_s = self.action("col_converter", "convert").duration_s(-(-cols // groups), self.banks(FORWARD, cols))[0]
        total = Fraction(0)
        for step in steps:
            time_s = actions[step].latency_s
            if step in device.converted_steps:
                time_s = rows * groups * (max(time_s, converter.least_window_s) + convert_s)
            total += device.repeats(step) * time_s
        return total

    def maintain(self, steps: Sequence[str], state: str, groups: Sequence[int], cols: int, group_cycles: int) -> Stage:
        """Return the stage that transfers or rewrites groups of rows one after another.

        Cells are read through the converters of their columns, once each for every read; where all conduct while any
        group of columns is read, they do so for each.
        """
        own = self._maintain(tuple(steps), state, tuple(groups), cols, group_cycles)
        chip, tile = self.chip, self.tile.index
        written = chip.programming[
            tile * len(chip.programming) // len(chip.tiles)
        ]  # as much at once as its chip allows
        release = (*own.release, (own.latency_cycles, written))
        return replace(own, acquire=(*own.acquire, written), release=release, waits=(tile, "waiting_transfer"))

    @_alike
    def _maintain(
        self, steps: tuple[str, ...], state: str, groups: tuple[int, ...], cols: int, group_cycles: int
    ) -> Stage:
        device, units, cells = self.tile.spec.device, self.tile.units, sum(groups) * cols
        converter = self.converter(FORWARD)
        again = converter.groups if converter.group_cells == "all" else 1
        times = {step: again if step in device.converted_steps else 1 for step in steps}
        uses = [self.use("device", step, times[step] * device.repeats(step) * cells) for step in steps]
        uses.append(self.use("col_converter", "convert", device.conversions(steps) * cells))
        held = [units[name] for name in ("crossbar", "row_driver", "col_driver", "col_converter") if name in units]
        cycles = len(groups) * group_cycles
        return self._stage(cycles, held, [(cycles, unit) for unit in held], tuple(uses), state)

    def _stage(
        self, cycles: int, acquire: Sequence[int], release: Sequence[tuple[int, int]], uses: tuple[Use, ...], state: str
    ) -> Stage:
        here = self.tile.index
        billed = tuple(use for use in uses if use.count)
        return Stage(cycles, tuple(acquire), tuple(release), billed, ((here, state),), (here, "waiting_tile"))
