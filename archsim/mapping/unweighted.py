"""Layers without weights: what their places of work send each other, keep in memory and read again, and their work.

A place is a tile on which outputs of the layer before are. It is sent the inputs that it needs and does not hold,
writes all that it needs to its memory, and reads it from there; numbers that all places must know are added up over
them, and sent back. So all that is read was sent or written before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.mapping.builder import Signal, StepBuilder, Target
from archsim.mapping.recipes import FORWARD, TileKit, kits_of
from archsim.mapping.shards import Mapping as ShardMap
from archsim.mapping.vectors import Forward, inputs_of_layer
from archsim.workload.layers import Layer, share
from archsim.workload.network import Workload


@dataclass(frozen=True)
class Place:
    """Where a share of a digital layer's work is done: a tile, the outputs made there, and its operations of a step."""

    tile: int
    outputs: range
    ops: int


def places_of(layer: Layer, tiles: Sequence[int]) -> list[Place]:
    """Return the places of a layer's work on these tiles: as many as it can be dealt out to."""
    count = min(len(tiles), layer.splits)
    pieces = layer.splits if layer.splits < layer.outputs else layer.digital_ops
    found = []
    for place, tile in enumerate(tiles[:count]):
        own = share(pieces, place, count)
        ops = layer.digital_ops
        done = len(own) if pieces == ops else ops * own.stop // pieces - ops * own.start // pieces
        found.append(Place(tile, layer.outputs_at(place, count), done))
    return found


def places_in(mapping: ShardMap, index: int) -> list[Place]:
    """Return the places of a digital layer of the network: on tiles that finish the layer before."""
    layers = mapping.workload.layers
    first = next(i for i in reversed(range(index)) if layers[i].blocks)
    tiles = [shard.tile for shard in mapping.of_layer(first)[-1]]
    found: list[Place] = []
    for layer in layers[first + 1 : index + 1]:
        found = places_of(layer, tiles)
        tiles = [place.tile for place in found]
    return found


@dataclass(frozen=True)
class Reading:
    """What a place reads of its memory at one step, and what is written for it, in words.

    `new` are those of a step's inputs, `skipped` those of what is added to them; `steps_written` is of how many steps
    inputs are written for one step of work, `changed` what backward writes.
    """

    new: int
    skipped: int
    read: int
    steps_written: int
    changed: int

    @property
    def written(self) -> int:
        """Words that are written for one step of work."""
        return self.new * self.steps_written + self.skipped


def reading(kit: TileKit, workload: Workload, index: int, place: Place) -> Reading:
    """Return what a place of a digital layer reads and writes at each step of its own, in words of its memory."""
    layer, bits = workload.layers[index], kit.bits(FORWARD)
    steps, own = len(workload.layers[index - 1].vectors(workload)), len(layer.vectors(workload))
    new = kit.words(sum(len(part) for part in layer.needed(place.outputs)), bits)
    skipped = len(layer.skips) * kit.words(len(place.outputs), bits)
    again = kit.words(layer.read_again(place.outputs, steps), bits)
    passes = 2 if layer.shared_values else 1
    return Reading(new, skipped, passes * (again + skipped), steps if own < steps else 1, again + skipped)


def digital_words(chip: Chip, mapping: ShardMap, *, training: bool) -> dict[str, tuple[int, int]]:
    """Return by digital layer the words that it reads and writes of memories with an example."""
    workload, found = mapping.workload, {}
    for index, layer in enumerate(workload.layers):
        if not layer.blocks:
            places = list(places_in(mapping, index))
            kits = kits_of(chip, [place.tile for place in places])
            own = [reading(kits[place.tile], workload, index, place) for place in places]
            steps = len(layer.vectors(workload))
            read, written = sum(each.read for each in own), sum(each.written for each in own)
            if training:
                read, written = 3 * read, written + sum(each.changed for each in own)
            found[layer.name] = steps * read, steps * written
    return found


def exchange(
    builder: StepBuilder, sources: Sequence[Signal], wanted: Mapping[int, Sequence[range]], index: int
) -> dict[int, list[int]]:
    """Send to each tile the pieces that it wants of a vector; return by tile what to wait for.

    What is wanted of a source by several tiles alike goes to them in one multicast.
    """
    arrived: dict[int, list[int]] = {tile: [] for tile in wanted}
    for source in sources:
        alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for tile, ranges in wanted.items():
            pieces = [(max(part.start, source.start), min(part.stop, source.stop)) for part in ranges]
            if own := tuple((start, stop) for start, stop in pieces if stop > start):
                if tile == source.tile:
                    arrived[tile].append(source.op)
                else:
                    alike.setdefault(own, []).append(tile)
        if alike:
            groups = [(tuple(tiles), sum(stop - start for start, stop in own)) for own, tiles in alike.items()]
            piece = replace(source, start=0, stop=sum(values for _, values in groups))
            for tile, op in builder.send(piece, groups, "digital", index).items():
                arrived[tile].append(op)
    return arrived


def exchange_inputs(builder: StepBuilder, index: int, found: Forward) -> dict[int, list[int]]:
    """Send a digital layer's inputs of the builder's step to where they are needed; return by tile what to wait for."""
    layer = builder.mapping.workload.layers[index]
    sources = inputs_of_layer(builder, index, found, digital=True)
    places = places_in(builder.mapping, index)
    return exchange(builder, sources, {place.tile: layer.needed(place.outputs) for place in places}, index)


def gather(builder: StepBuilder, index: int, found: Forward) -> list[int]:
    """Send the inputs of a layer at all steps to where they are needed; return the op after which that is done."""
    ops = []
    workload = builder.mapping.workload
    for step in workload.layers[index - 1].vectors(workload):
        builder.step = step
        ops += [op for own in exchange_inputs(builder, index, found).values() for op in own]
    return [builder.op("gather", "digital", index, -1, (), ops)]


def digital_layer(builder: StepBuilder, index: int, found: Forward, waits: Sequence[int]) -> None:
    """Add the work of a digital layer at the builder's step, and what is sent for it, after `waits` too."""
    workload, step = builder.mapping.workload, builder.step
    layer, places = workload.layers[index], places_in(builder.mapping, index)
    arrived = {place.tile: [] for place in places} if layer.gathers else exchange_inputs(builder, index, found)
    numbers = {other.name: number for number, other in enumerate(workload.layers)}
    for name in layer.skips:
        skipped = inputs_of_layer(builder, numbers[name], found, digital=True)
        for tile, ops in exchange(builder, skipped, {each.tile: [each.outputs] for each in places}, index).items():
            arrived[tile] += ops
    words = {place: reading(builder.kits[place.tile], workload, index, place) for place in places}
    needs = {place.tile: [*arrived[place.tile], *waits] for place in places}
    accesses = {place.tile: {"write": words[place].written, "read": words[place].read} for place in places}
    done = work_at(
        builder, index, places, {place.tile: {"multiply_add": place.ops} for place in places}, accesses, needs
    )
    found.outputs[index, step] = made_at(places, done)


def made_at(places: Sequence[Place], done: Mapping[int, int]) -> list[Signal]:
    """Return the outputs of places, which are there after the ops of `done`, by tile."""
    return [Signal(done[each.tile], each.tile, each.outputs.start, each.outputs.stop, FORWARD) for each in places]


def work_at(
    builder: StepBuilder, index: int, places: Sequence[Place], counts: Mapping[int, Mapping[str, int]],
    words: Mapping[int, Mapping[str, int]], needs: Mapping[int, Sequence[int]],
) -> dict[int, int]:  # fmt: skip
    """Let each place do what it must, by tile; return by tile the op after which it is done.

    Where all must know numbers that are added up over them, the first half of the work comes before that and the second
    after it; what is read is read in equal halves.
    """
    layer = builder.mapping.workload.layers[index]

    def add(place: Place, half: int, halves: int, after: Sequence[int]) -> int:
        own = {name: len(share(count, half, halves)) for name, count in counts[place.tile].items()}
        moved = {name: len(share(count, half, halves)) for name, count in words[place.tile].items()}
        moved["write"] = 0 if half else words[place.tile]["write"]  # what comes is written before it is read
        stage = builder.kits[place.tile].work({name: count for name, count in own.items() if count}, moved)
        return builder.op("digital", "digital", index, place.tile, [stage], after)

    if not layer.shared_values or len(places) == 1:
        return {place.tile: add(place, 0, 1, needs[place.tile]) for place in places}
    bits = builder.chip.spec.numerics.state_bits
    halves = {place.tile: add(place, 0, 2, needs[place.tile]) for place in places}
    parts = [Signal(halves[each.tile], each.tile, 0, layer.shared_values, FORWARD, bits=bits) for each in places]
    total = builder.add_up(parts, "digital", index)
    others = tuple(place.tile for place in places if place.tile != total.tile)
    known = {total.tile: total.op, **builder.send(total, [(others, total.values)], "digital", index)}
    return {place.tile: add(place, 1, 2, [halves[place.tile], known[place.tile]]) for place in places}


def digital_needs(builder: StepBuilder, inputs: int, results: int, room: int | None) -> Iterator[tuple[int, int, str]]:
    """Yield (tile, words, of what) that memories must hold for digital layers, of examples and steps at a time.

    In inference the inputs of `inputs` examples, of all steps where they are gathered and of `room` steps else; what is
    added waits until the layers between have done as many steps each. In training all of `results` examples.
    """
    workload = builder.mapping.workload
    numbers = {layer.name: index for index, layer in enumerate(workload.layers)}
    for index, layer in enumerate(workload.layers):
        if layer.blocks:
            continue
        steps = len(workload.layers[index - 1].vectors(workload))
        examples = results or inputs
        held = steps if layer.gathers or room is None or results else min(steps, room)
        waits = 0
        for name in layer.skips:
            between = workload.layers[numbers[name] : index]
            whole = room is None or results or any(other.gathers for other in (*between, layer))
            stages = sum(bool(other.blocks) for other in between) + 1
            waits += steps if whole else min(steps, (room or 0) * stages)
        for place in places_in(builder.mapping, index):
            own = reading(builder.kits[place.tile], workload, index, place)
            each = own.skipped // len(layer.skips) if layer.skips else 0
            words = examples * (held * own.new + waits * each)
            if words:
                yield place.tile, words, f"{counted(words, 'word')} of inputs of {layer.name}"


def arrivals(builder: StepBuilder, index: int, sums: Sequence[Sequence[Signal]]) -> dict[int, list[int]]:
    """Bring d of a digital layer's outputs at the builder's step to its places; return by tile what to wait for."""
    places = places_in(builder.mapping, index)
    targets: list[Target] = [(each.outputs.start, each.outputs.stop, (each.tile,)) for each in places]
    return builder.spread([signal for part in sums for signal in part], targets, "digital", index)


def work_back(
    builder: StepBuilder, index: int, arrived: Mapping[int, Sequence[int]], waits: Sequence[int], parts: int
) -> tuple[list[list[Signal]], list[Signal]]:
    """Let a digital layer work back at the builder's step, where `parts` contributions to d of its outputs have come.

    It does twice what it did forward, reads twice as much, and writes d of all inputs that it read. Returns d of its
    inputs, lists that must be added up, and d of what it added to them.
    """
    workload = builder.mapping.workload
    layer, places = workload.layers[index], places_in(builder.mapping, index)
    counts, words = {}, {}
    for place in places:
        own = reading(builder.kits[place.tile], workload, index, place)
        added = {"add": (parts - 1) * len(place.outputs)} if parts > 1 else {}
        counts[place.tile] = {**added, "multiply_add": 2 * place.ops}
        words[place.tile] = {"read": 2 * own.read, "write": own.changed}
    needs = {place.tile: [*arrived[place.tile], *waits] for place in places}
    done = work_at(builder, index, places, counts, words, needs)
    pieces = [
        [Signal(done[each.tile], each.tile, part.start, part.stop, FORWARD) for part in layer.needed(each.outputs)]
        for each in places
    ]
    whole = all(len(piece) == 1 and piece[0].values == layer.inputs for piece in pieces)
    deltas = pieces if whole else [[signal for piece in pieces for signal in piece]]
    return deltas, [
        Signal(done[each.tile], each.tile, each.outputs.start, each.outputs.stop, FORWARD) for each in places
    ]
