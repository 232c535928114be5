"""Duration-coded circuits: a vector goes as pulses from ramps over wires straight to the array it drives."""

from __future__ import annotations

from math import ceil

from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.components.interconnect import DurationLink
from archsim.mapping.buffers import node_of
from archsim.mapping.builder import Groups, Signal, StepBuilder, refuse_link
from archsim.mapping.recipes import BACKWARD, FORWARD, Side, TileKit, whole_bytes
from archsim.mapping.schedule import Message, Stage, Use
from archsim.mapping.shards import Shard
from archsim.spec.choices import TRANSPORTS


class Circuit:
    """Duration-coded circuits: the ramp-out of one array is the input window of the next.

    A path, all of its links at once, is held for one window. Where partial sums must be added, where a vector
    goes to several arrays, or at the network's ends, durations are captured in latches first: a ramp from minus to plus
    full scale sends both signs in one window, while an array is driven by those of one sign at a time.
    """

    held = True
    one_op = True

    def check(self, chip: Chip, steps: int) -> None:
        """Circuits need wires per value, and converters that can send durations."""
        if not isinstance(chip.spec.routing.link, DurationLink):
            refuse_link(chip, "circuit", "duration_link")
        if chip.spec.routing.router.by_port:
            what = f"'{chip.spec.routing.router.arbitration}' is for packets; circuits are granted oldest first"
            raise SpecError([Problem("routing.router.arbitration", what, "use 'age', or transport 'packet'")])
        for name, tile in chip.spec.tile_kinds:
            banks = {"col_converter": tile.col_converter, "row_converter": tile.row_converter}
            for field, converter in banks.items():
                if not isinstance(converter, str) and converter.ramp_window_s is None:
                    what = f"a '{converter.kind}' cannot send durations, which routing.transport 'circuit' needs"
                    raise SpecError([Problem(f"{name}.{field}", what, "use a 'ramp_adc', or transport 'packet'")])
                if not isinstance(converter, str) and converter.slices > 1:
                    what = f"durations of {converter.slices} slices of a weight cannot be added on their way"
                    raise SpecError([Problem(f"{name}.{field}.slices", what, "give slices: 1, or transport 'packet'")])
                for key, once in (("groups", 1), ("converted", "once")):
                    if not isinstance(converter, str) and (given := getattr(converter, key)) != once:
                        what = f"is {given}, and routing.transport 'circuit' sends one sample of all lines at once"
                        hint = f"give {key}: {once}, or transport 'packet'"
                        raise SpecError([Problem(f"{name}.{field}.{key}", what, hint)])
            for field, driver in (("row_driver", tile.row_driver), ("col_driver", tile.col_driver)):
                if not isinstance(driver, str) and driver.samples > 1:
                    what = "is sampled at each of its steps, which routing.transport 'circuit' cannot send on"
                    raise SpecError([Problem(f"{name}.{field}", what, "use a 'pwm_driver', or transport 'packet'")])
                if not isinstance(driver, str) and driver.line_current_a is not None:
                    what = "is given, and a ramp of another tile drives these lines in routing.transport 'circuit'"
                    hint = "leave it out, or give transport 'packet'"
                    raise SpecError([Problem(f"{name}.{field}.line_current", what, hint)])
                if not isinstance(driver, str) and driver.phases > 1:
                    what = f"is {driver.phases}, and a ramp drives an array of routing.transport 'circuit' in one phase"
                    raise SpecError([Problem(f"{name}.{field}.phases", what, "give phases: 1, or transport 'packet'")])
            hold, flying = tile.col_converter.sample_hold, chip.spec.schedule.examples_in_flight
            samples = flying * steps if flying > 1 else 1  # of one example, all steps go forward before any goes back
            if tile.row_converter == "shared" and hold < samples:
                of_steps = f" of {counted(steps, 'step')}" if steps > 1 else ""
                what = (
                    f"{counted(hold, 'sample')} per line cannot serve {counted(flying, 'example')}{of_steps} in flight "
                    "on a shared converter: samples of forward and backward passes would wait for each other's places "
                    "for ever"
                )
                hint = f"give a sample_hold of {samples}, a row_converter of its own, or fewer in flight"
                raise SpecError([Problem(f"{name}.col_converter.sample_hold", what, hint)])

    def after_read(self, kit: TileKit, side: Side, lines: int, *, signed: bool) -> tuple[Stage, ...]:
        """The sample stays on the line until it is sent."""
        return ()

    def read_out(self, builder: StepBuilder, signal: Signal, phase: str, layer: int) -> Signal:
        """One ramp into latches of the same tile."""
        if not signal.held:
            return signal
        stage = builder.kits[signal.tile].read_out(signal.side, signal.values)
        op = builder.op("convert", phase, layer, signal.tile, [stage], [signal.op])
        return Signal(op, signal.tile, signal.start, signal.stop, signal.side)

    def send(self, builder: StepBuilder, signal: Signal, groups: Groups, phase: str, layer: int) -> dict[int, int]:
        """As many windows as are needed over the union of all paths, captured at the far ends."""
        remote = tuple(dict.fromkeys(tile for tiles, _ in groups for tile in tiles if tile != signal.tile))
        if not remote:
            return {signal.tile: self.read_out(builder, signal, phase, layer).op}
        total = sum(count for tiles, count in groups if tiles != (signal.tile,))
        away = [(tuple(tile for tile in tiles if tile != signal.tile), count) for tiles, count in groups]
        cycles, acquire, uses = self._path(builder, signal, [(tiles, count) for tiles, count in away if tiles])
        release = [(cycles, unit) for unit in acquire]
        if signal.held:
            release.append((cycles, builder.chip.tiles[signal.tile].units[signal.side.hold]))
        shows = [(tile, "receive") for tile in remote if tile >= 0]
        if signal.tile >= 0:
            shows.append((signal.tile, "send"))
        owner = signal.tile if signal.tile >= 0 else remote[0]
        stage = Stage(cycles, acquire, tuple(release), uses, tuple(shows), (owner, "waiting_link"))
        op = builder.op("send", phase, layer, owner, [stage], [signal.op])
        builder.messages.append(Message(op, (op,) * len(remote), total * whole_bytes(builder.value_bits(signal))))
        arrived = dict.fromkeys(remote, op)
        if any(signal.tile in tiles for tiles, _ in groups):
            arrived[signal.tile] = op if signal.held else signal.op
        return arrived

    def drive(self, builder: StepBuilder, signal: Signal, stage: Stage, shard: Shard, side: Side) -> Stage | None:
        """The source's ramp, the path and the array at its far end work as one stage, in as many windows as passes."""
        if signal.tile < 0 or signal.tile == shard.tile:
            return None
        kit, signed = builder.kits[shard.tile], builder.signed(shard)
        passes = kit.passes(side, signed=signed)
        cycles, acquire, uses = self._path(builder, signal, [((shard.tile,), signal.values)], passes)
        driven = builder.chip.spec.cycles(kit.driven_s(side, signed=signed))
        latency = cycles + kit.integrate_cycles(side, signed=signed) - driven
        release = [(cycles, unit) for unit in acquire]
        longer = max(0, latency - stage.latency_cycles)
        release += [(latency if at == stage.latency_cycles else at + longer, unit) for at, unit in stage.release]
        if signal.held:
            release.append((cycles, builder.chip.tiles[signal.tile].units[signal.side.hold]))
        shows = (*stage.shows, (signal.tile, "send"))
        waits = (shard.tile, "waiting_link")
        return Stage(latency, (*acquire, *stage.acquire), tuple(release), (*uses, *stage.uses), shows, waits)

    def _path(
        self, builder: StepBuilder, signal: Signal, groups: Groups, passes: int = 1
    ) -> tuple[int, tuple[int, ...], tuple[Use, ...]]:
        """Return the cycles in which pieces go to groups of tiles, the units held, and what is billed.

        A wire carries the pieces of all groups behind it; to the tiles of a group it carries the same. In two passes a
        number is a pulse in the one of its sign; what sends it works in both.
        """
        chip = builder.chip
        link = chip.spec.routing.link
        assert isinstance(link, DurationLink)
        carried: dict[str, int] = {}
        routed = flight = 0
        source = node_of(signal.tile)
        for tiles, count in groups:
            behind: dict[str, None] = {}
            for tile in tiles:
                way = chip.way(source, node_of(tile))
                behind.update(dict.fromkeys(way.links))
                routed += way.routers * count
                flight = max(flight, chip.flight_cycles(way))
            for name in behind:
                carried[name] = carried.get(name, 0) + count
        acquire = [chip.link_units[name] for name in carried]
        uses = [Use(unit, "pulse", count) for unit, count in zip(acquire, carried.values(), strict=True)]
        uses.append(Use(chip.router, "forward", routed))
        widest = max(carried.values())
        windows = passes * ceil(widest / link.wires)
        if signal.tile < 0:
            window = builder.kits[groups[0][0][0]].window_s(FORWARD)
        else:
            kit = builder.kits[signal.tile]
            if signal.held:
                name, action = signal.side.reader, "ramp_out"
                window = kit.ramp_s(signal.side)
                windows = passes * kit.ramps(signal.side, signal.values, widest, link.wires)
            else:  # a digital vector leaves through the drivers of the edge on which it was read, if that has any
                other = BACKWARD if signal.side is FORWARD and "col_driver" in kit.tile.units else FORWARD
                name, action, window = other.driver, "encode", kit.window_s(other)
            uses.append(kit.use(name, action, passes * signal.values))
            acquire.append(kit.tile.units[name])
        cycles = chip.spec.cycles(window, windows) + flight
        return cycles, tuple(acquire), tuple(use for use in uses if use.count)

    def peak_stages(self, kit: TileKit, side: Side, lines: int) -> tuple[Stage, ...]:
        """The ramp, and the pulses on one link and through one router, billed."""
        link = kit.chip.spec.routing.link
        assert isinstance(link, DurationLink)
        ramp = kit.read_out(side, lines, lines, link.wires)
        wire = kit.chip.longest_link.unit
        uses = (Use(wire, "pulse", lines), Use(kit.chip.router, "forward", lines))
        cycles = ramp.latency_cycles
        return ramp, Stage(cycles, (wire,), ((cycles, wire),), uses)


TRANSPORTS.add("circuit")(Circuit())
