"""What the memories of tiles must hold, checked before a schedule is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archsim.base.errors import InfeasibleError
from archsim.base.words import counted
from archsim.mapping.builder import StepBuilder
from archsim.mapping.recipes import BACKWARD, FORWARD
from archsim.mapping.shards import Shard
from archsim.mapping.unweighted import digital_needs


@dataclass(frozen=True)
class Held:
    """What memories hold at most: x of `inputs` examples, d and derivatives of `results`, of `room` steps or all."""

    inputs: int
    results: int
    room: int | None = None


def memory_needs(builder: StepBuilder, held: Held) -> Iterator[tuple[Shard, int, str]]:
    """Yield for each shard the words that its memory must hold, and of what; of all steps where they are gathered."""
    workload = builder.mapping.workload
    inputs, results = held.inputs, held.results
    last = max(index for index, layer in enumerate(workload.layers) if layer.blocks)
    home = builder.grids[last][-1][-1]  # where the loss is computed
    beside: dict[int, list[tuple[int, str]]] = {}
    for tile, words, what in digital_needs(builder, inputs, results, held.room):
        beside.setdefault(tile, []).append((words, what))
    for shard in builder.mapping.shards:
        kit, layer = builder.kits[shard.tile], workload.layers[shard.layer]
        steps = len(layer.vectors(workload))
        places = steps if held.room is None else min(steps, held.room)
        x = kit.words(shard.inputs, kit.bits(FORWARD))
        need, units = places * inputs * x, shard.cols // layer.gates
        parts = f"{counted(inputs * places, 'vector')} x of {counted(x, 'word')}"
        if results:
            d = kit.words(shard.cols, kit.bits(BACKWARD))
            if shard.layer < len(workload.layers) - 1 or not layer.loss_activates:  # the loss derives at once
                d += kit.kept(layer, units)
            need += places * results * d
            parts += f" and {results * places} of d and derivative of {d}"
            if shard == home and (target := builder.target_words(shard.tile)):
                count = len(workload.layers[last].vectors(workload)) * (
                    inputs if workload.dataset.target == "values" else results
                )
                need += count * target
                parts += f" and {count} targets of {target}"
        elif state := kit.kept(layer, units, backward=False):
            need += inputs * state
            parts += f" and {inputs} of states of {state}"
        for words, what in beside.get(shard.tile, ()):
            need += words
            parts += f" and {what}"
        yield shard, need, parts


def check_memory(builder: StepBuilder, held: Held) -> None:
    """Raise InfeasibleError unless each memory can hold what it must."""
    workload = builder.mapping.workload
    for shard, need, parts in memory_needs(builder, held):
        have, layer = builder.kits[shard.tile].tile.spec.memory.words, workload.layers[shard.layer]
        if need > have:
            fewer = ", or fewer steps" if len(layer.vectors(workload)) > 1 else ""
            raise InfeasibleError(
                f"layer {layer.name}, shard {shard.name}: the memory of tile {shard.tile} must hold "
                f"{counted(need, 'word')} ({parts}), it has {have:,} ({need - have:,} short); use a larger "
                f"tile.memory.words, a smaller batch or fewer examples in flight{fewer}"
            )
