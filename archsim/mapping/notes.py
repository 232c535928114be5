"""What a chip's circuits do for a workload in another way than for the plainest one: sentences for its user."""

from __future__ import annotations

from collections.abc import Iterator

from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.components.converters import Converter
from archsim.components.drivers import Driver
from archsim.mapping.recipes import FORWARD, TileKit
from archsim.mapping.training import counts_vectors, transfer_interval
from archsim.spec.choices import TRANSPORTS
from archsim.workload.kinds import Dense
from archsim.workload.layers import Layer
from archsim.workload.network import Workload


def notes_of(chip: Chip, workload: Workload) -> Iterator[str]:
    """Yield a sentence for each such way that a workload takes on a chip, with the layers that it concerns."""
    layers, training = workload.layers, workload.mode == "training"
    if workload.timed is not workload:
        mean = counted(workload.timed.steps, "step")
        yield f"time, energy and transfers follow examples of {mean}, the mean; the longest has {workload.steps}"
    if training and counts_vectors(chip.spec, workload):
        between = transfer_interval(chip.spec, workload)
        own = counted(between, "sequence") if between > 1 else "sequence"
        yield f"transfers come after every {own}, as schedule.transfer.interval_vectors says and not interval_examples"
    kits = [TileKit(chip, next(tile for tile in chip.tiles if tile.kind == kind)) for kind, _ in chip.spec.tile_kinds]
    signed = ", ".join(layer.name for i, layer in enumerate(layers) if layer.blocks and workload.signed_vector(i))
    if signed and any(kit.signs(FORWARD, signed=True) > 1 for kit in kits):
        yield f"numbers below 0 drive the rows in a pass of their own (array.signed_rows: two_passes): {signed}"
    if signed and training and any(kit.tile.spec.updated_array.phases(signed=True) > 1 for kit in kits):
        yield f"numbers below 0 are updated in a phase of their own (array.signed_updates: two_phases): {signed}"
    yield from _repeated(chip, training=training)
    if not TRANSPORTS[chip.spec.routing.transport].held:
        return
    inner = layers[:-1] if layers[-1].loss_activates else layers
    shapeless = ", ".join(_with_activation(layer) for layer in inner if layer.blocks and not layer.ramp_activates)
    if shapeless:
        yield f"no ramp can have the shape of these activations, which neuron units evaluate: {shapeless}"
    ungated = ", ".join(map(_with_activation, (own for own in inner if own.ramp_activates and not own.ramp_derives)))
    if ungated and training:
        yield f"no gate on a line can apply these derivatives, which neuron units multiply: {ungated}"


def _repeated(chip: Chip, *, training: bool) -> Iterator[str]:
    """Yield a sentence for each edge whose vectors drive the array more than once."""
    for name, tile in chip.spec.tile_kinds:
        edges: list[tuple[str, Driver, str, Converter]] = [("row", tile.row_driver, "col", tile.col_converter)]
        if training:
            reader = "col" if tile.row_converter == "shared" else "row"
            edges.append(("col", tile.backward_driver, reader, tile.backward_converter))
        for driving, driver, reading, converter in edges:
            parts = [f"{driving}_driver.phases: {driver.phases}"] if driver.phases > 1 else []
            parts += [f"{reading}_converter.groups: {converter.groups}"] if converter.groups > 1 else []
            if parts:
                times = counted(driver.phases * converter.groups, "time")
                yield f"a vector drives the array of {name} {times}, lines charged anew in each ({', '.join(parts)})"


def _with_activation(layer: Layer) -> str:
    return f"{layer.name} ({layer.activation if isinstance(layer, Dense) else layer.kind})"
