"""Where the vectors of a forward pass are: which ops brought them there."""

from __future__ import annotations

from dataclasses import dataclass, field

from archsim.mapping.builder import Signal, StepBuilder
from archsim.mapping.recipes import FORWARD


@dataclass(frozen=True)
class Forward:
    """The ops of a forward pass: loads by step, reads by (shard, step), outputs where they are by (layer, step).

    `backward` says whether a backward pass follows, for which derivatives are kept. `unfed` are reads of own outputs
    alone at the first step, for which nothing is sent.
    """

    backward: bool
    loads: list[int] = field(default_factory=list)
    ops: dict[tuple[int, int], int] = field(default_factory=dict)
    outputs: dict[tuple[int, int], list[Signal]] = field(default_factory=dict)
    unfed: list[int] = field(default_factory=list)


def inputs_of_layer(builder: StepBuilder, index: int, found: Forward, digital: bool) -> list[Signal]:
    """Return where a layer's inputs of the builder's step are; as `digital` numbers, if they go several ways."""
    step = builder.step
    if not index:
        return [Signal(found.loads[step], -1, 0, builder.mapping.workload.layers[0].inputs, FORWARD)]
    if digital:
        sources = found.outputs[index - 1, step]
        phase = "forward" if builder.mapping.workload.layers[index].blocks else "digital"
        found.outputs[index - 1, step] = [builder.transport.read_out(builder, each, phase, index) for each in sources]
    return found.outputs[index - 1, step]
