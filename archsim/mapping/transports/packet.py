"""Digital packets: every vector is converted, sent as flits through routers, stored, and encoded again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from archsim.chip.graph import Chip
from archsim.components.interconnect import PacketLink
from archsim.mapping.buffers import tree_of
from archsim.mapping.builder import Groups, Signal, StepBuilder, refuse_link
from archsim.mapping.recipes import Side, TileKit, whole_bytes
from archsim.mapping.schedule import Message, Stage, Use
from archsim.mapping.shards import Shard
from archsim.spec.choices import TRANSPORTS


class Packet:
    """Digital packets: every vector is converted, sent as flits through routers, stored, and encoded again."""

    held = False
    one_op = False

    def check(self, chip: Chip, steps: int) -> None:
        """Packets need links that carry flits."""
        if not isinstance(chip.spec.routing.link, PacketLink):
            refuse_link(chip, "packet", "packet_link")

    def after_read(self, kit: TileKit, side: Side, lines: int, *, signed: bool) -> tuple[Stage, ...]:
        """All lines are converted."""
        return (kit.convert(side, lines, signed=signed),)

    def read_out(self, builder: StepBuilder, signal: Signal, phase: str, layer: int) -> Signal:
        """It is digital already."""
        return signal

    def drive(self, builder: StepBuilder, signal: Signal, stage: Stage, shard: Shard, side: Side) -> Stage | None:
        """Packets are stored first."""
        return None

    def send(self, builder: StepBuilder, signal: Signal, groups: Groups, phase: str, layer: int) -> dict[int, int]:
        """A multicast tree per group: one op per link, the head going on while the tail follows."""
        link = builder.chip.spec.routing.link
        assert isinstance(link, PacketLink)
        arrived: dict[int, int] = {}
        width = whole_bytes(builder.value_bits(signal))
        for tiles, values in groups:
            bits = values * width
            remote = [tile for tile in tiles if tile != signal.tile]
            if len(remote) < len(tiles):
                arrived[signal.tile] = signal.op
            if remote:
                first, there = send_tree(builder, signal.op, signal.tile, remote, link.flits(bits), phase, layer)
                arrived.update(there)
                builder.messages.append(Message(first, tuple(there[tile] for tile in remote), bits))
        return arrived

    def peak_stages(self, kit: TileKit, side: Side, lines: int) -> tuple[Stage, ...]:
        """The conversion; and the flits on one link and through one router, billed."""
        link, router = kit.chip.spec.routing.link, kit.chip.router
        assert isinstance(link, PacketLink)
        flits = link.flits(lines * whole_bytes(kit.bits(side)))
        wire = kit.chip.longest_link.unit
        body = kit.chip.spec.cycles(kit.chip.longest_link.flit_s, flits)
        sent = Stage(body, (wire,), ((body, wire),), (Use(wire, "flit", flits), Use(router, "forward", flits)))
        return kit.convert(side, lines), sent


def send_tree(
    builder: StepBuilder, need: int, source: int, tiles: Sequence[int], flits: int, phase: str, layer: int
) -> tuple[int, dict[int, int]]:
    """Add the ops of one multicast after op `need`; return the first op, and by tile the op by which all has arrived.

    An op per link, apart from where a packet branches out of a buffer, or goes on and is taken over one link (on a
    bus): there, what follows waits for the grant of the link and not for the same moment, and is an op by itself.
    """
    chip, buffers = builder.chip, builder.buffers
    tree = tree_of(chip, source, tiles)
    buffers.trees.append(tree)
    buffers.largest_flits = max(buffers.largest_flits, flits)
    owner = source if source >= 0 else tiles[0]
    waits = (owner, "waiting_link")
    leaving = Counter((hop.before, hop.via) for hop in tree)  # over how many links it goes on from each buffer
    fronts = {place: buffers.first(*place) for place in leaving if place[0]}
    came: dict[tuple[str, int], int] = {}  # by buffer from which it branches: the op by which it is the first there
    bodies = {hop.link: chip.spec.cycles(chip.links[hop.link].flit_s, flits) for hop in tree}
    granted: dict[tuple[str, int], list[int]] = {}
    heads = {"": need}
    arrived: dict[int, int] = {}
    first = -1

    def add(after: Sequence[int], label: str, *stages: Stage) -> int:
        return builder.op("send", phase, layer, owner, stages, after, label=label)

    for hop in tree:
        place = (hop.before, hop.via)
        wire, slots = chip.links[hop.link], [buffers.unit(hop.link, kind) for kind in hop.classes if buffers.limited]
        leaves = bool(hop.before) and buffers.limited
        branches = leaves and leaving[place] > 1
        alone = not branches and not (hop.classes and hop.tiles)
        body = bodies[hop.link]
        over, through = chip.crossing_cycles(wire)
        after_tail, after_head = over + body, through + (body if wire.between_chips else 0)
        uses = [Use(wire.unit, "flit", flits)]
        if hop.classes:
            uses.append(Use(chip.router, "forward", flits))
        sent = () if hop.before or source < 0 else ((source, "send"),)
        received = tuple((tile, "receive") for tile in hop.tiles)
        front = fronts.get(place)
        release = [(body, wire.unit)]
        if leaves and not branches:
            release += [(body, unit) for unit in (buffers.unit(*place), front) if unit is not None]
        latency = (after_head if hop.classes else after_tail) if alone else 0
        shows = (*sent, *received) if alone else ()
        port = buffers.port(hop)
        taking = [Stage(0, (slot,), waits=waits, port=port) for slot in slots]
        after = heads[hop.before]
        if front is not None:
            be_first = Stage(0, (front,), waits=waits, in_order=True)
            if not branches:
                taking.insert(0, be_first)
            elif place not in came:
                came[place] = add([after], hop.before, be_first)
            after = came.get(place, after)
        passage = Stage(latency, (wire.unit,), tuple(release), tuple(uses), shows, waits, port)
        grant = add([after], hop.link, *taking, passage)
        first = grant if first < 0 else first
        if branches:
            grants = granted.setdefault(place, [])
            grants.append(grant)
            if len(grants) == leaving[place]:
                last = max(bodies[each.link] for each in tree if (each.before, each.via) == place)
                left = [(last, unit) for unit in (buffers.unit(*place), front) if unit is not None]
                add(grants, hop.before, Stage(last, (), tuple(left)))
        if hop.classes:
            heads[hop.link] = grant if alone else add([grant], hop.link, Stage(after_head, shows=sent))
        if hop.tiles:
            taken = grant if alone else add([grant], hop.link, Stage(after_tail, shows=(*sent, *received)))
            arrived.update(dict.fromkeys(hop.tiles, taken))
    return first, arrived


TRANSPORTS.add("packet")(Packet())
