"""Examples of several vectors on the chip: what stands in the loop's pieces where networks are not plain.

A recurrent layer is driven by its inputs and by its own outputs of the step before; errors come to it from the layer
behind and from the step after. Steps in front of a sequence are gone through with nothing driven and nothing pulsed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.base.arrays import F32
from archsim.base.machine_code import lean
from archsim.functional.functions import activate, derive
from archsim.functional.losses import output_delta
from archsim.functional.periphery import to_levels, to_span
from archsim.functional.recurrent_units import Fineness, derive_units, evaluate_units
from archsim.functional.setup import LAYER, ROW_START, ROW_STOP

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
OUTPUTS, STATES, NOTHING = 0, 1, 2  # rows of `Buffers.carried`


@lean()
def goes_on(setup: Any, example: Any) -> Any:
    """Return whether an example goes on from the states of the one before."""
    return setup.rules.chain.stateful and example % setup.rules.per_epoch != 0


@lean()
def first_step(setup: Any, example: Any) -> Any:
    """Return the first step of an example that counts."""
    return setup.examples.first[setup.examples.order[example - setup.examples.begin]]


def take_inputs(setup: Any, s: Any, example: Any, step: Any, acts: F32) -> None:
    """Set those of a layer's lines that are a shard's, and that no read has set: inputs, biases, outputs before."""
    program, examples, chain = setup.program, setup.examples, setup.rules.chain
    layer, row0, row1 = program.shards[s, LAYER], program.shards[s, ROW_START], program.shards[s, ROW_STOP]
    if step < first_step(setup, example):
        for i in range(row0, row1):
            acts[i] = _ZERO
        return
    inputs, outputs, own = chain.inputs[layer], chain.outputs[layer], chain.own[layer]
    if layer == 0:
        source = examples.x[examples.rows[examples.order[example - examples.begin], step]]
        for i in range(row0, min(row1, inputs)):
            acts[i] = source[i]
    if own >= 0 and step == 0:
        before = setup.buffers.carried[layer, OUTPUTS if goes_on(setup, example) else NOTHING]
        for i in range(max(row0, own), min(row1, own + outputs)):
            acts[i] = before[i - own]
    if chain.bias[layer]:
        for i in (chain.top[layer] - 1, chain.rows[layer] - 1):
            if row0 <= i < row1:
                acts[i] = _ONE


def end_forward(setup: Any, layer: Any, example: Any, step: Any, z: Any) -> None:
    """Add up what was read of a layer at a step, and hand it on; of the last, take the loss and its gradient."""
    buffers, spans, chain, program = setup.buffers, setup.rules.spans, setup.rules.chain, setup.program
    place = (example * program.steps + step) % buffers.acts.shape[1]
    outputs, own, counts = chain.outputs[layer], chain.own[layer], step >= first_step(setup, example)
    columns, code, parameter = chain.gates[layer] * outputs, chain.code[layer], chain.parameter[layer]
    buffers.counts[0, layer, place] = 0
    begin = 0
    for block in range(2):
        end = program.blocks[layer] if block == 0 else program.grid[layer, 0]
        for j in range(columns):
            total = _ZERO
            for k in range(begin, end):
                total += buffers.sums[layer, place, k, j]
            z[block * columns + j] = total
        begin = end
        if end == program.grid[layer, 0]:
            break
    if layer == program.grid.shape[0] - 1:
        deltas = buffers.deltas[layer, place, :outputs]
        if counts:
            which = setup.examples.order[example - setup.examples.begin]
            label = setup.examples.y[which * setup.examples.answers + step - chain.first[layer]]
            loss, hit, squares = output_delta(code, z[:outputs], label, setup.examples.targets[0], deltas)
            buffers.stats[0] += loss
            buffers.stats[1] += hit
            buffers.stats[2] += squares
        else:
            for j in range(outputs):
                deltas[j] = _ZERO
        return
    buffers.pending[layer, place] = 0
    for j in range(outputs):
        buffers.grads[layer, place, j] = buffers.passed[layer, place, j] = _ZERO
    after, state = buffers.acts[layer + 1, place, :outputs], buffers.states[layer, place, :outputs]
    if not counts:
        for j in range(outputs):
            after[j] = state[j] = _ZERO
    elif own < 0:
        if program.grid[layer, 0] > 1:
            activate(code, parameter, z[:outputs])
            if spans.kept[layer] > 0:
                to_levels(z[:outputs], spans.full[layer], spans.kept[layer], z[:outputs])
        to_span(z[:outputs], spans.low[layer], spans.full[layer], after)
    else:
        before = buffers.carried[layer, STATES if goes_on(setup, example) else NOTHING, :outputs]
        if step > 0:
            before = buffers.states[layer, place - 1, :outputs]
        fine = Fineness(spans.kept[layer], np.float64(spans.full[layer]), spans.states[layer],
                        np.float64(spans.reach[layer]))  # fmt: skip
        evaluate_units(
            code, parameter, z[:columns], z[columns : 2 * columns], before, fine, buffers.kept[layer, place], state,
            after,
        )  # fmt: skip
        to_span(after, spans.low[layer], spans.full[layer], after)
    if own >= 0 and step + 1 < program.steps:
        for j in range(outputs):
            buffers.acts[layer, place + 1, own + j] = after[j]
    elif own >= 0:
        for j in range(outputs):
            buffers.carried[layer, OUTPUTS, j], buffers.carried[layer, STATES, j] = after[j], state[j]


@lean(error_model="numpy")
def go_through(setup: Any, layer: Any, example: Any, step: Any) -> None:
    """Make the gradients of a layer's sums at a step, once what comes from behind and from the step after is there."""
    buffers, chain, program = setup.buffers, setup.rules.chain, setup.program
    place = (example * program.steps + step) % buffers.acts.shape[1]
    outputs, own = chain.outputs[layer], chain.own[layer]
    due = (step >= chain.first[layer + 1]) + (own >= 0 and step + 1 < program.steps)
    buffers.pending[layer, place] += 1
    if buffers.pending[layer, place] < due:
        return
    columns, deltas = chain.gates[layer] * outputs, buffers.deltas[layer, place]
    if step < first_step(setup, example):
        for j in range(deltas.shape[0]):
            deltas[j] = _ZERO
        return
    errors, passed = buffers.grads[layer, place, :outputs], buffers.passed[layer, place]
    if own < 0:
        acts = buffers.acts[layer + 1, place, :outputs]
        derive(chain.code[layer], chain.parameter[layer], acts, errors, deltas)
        return
    derive_units(
        chain.code[layer], chain.parameter[layer], buffers.kept[layer, place], errors, passed, deltas,
        deltas[columns:],
    )  # fmt: skip
    if step > 0:
        for j in range(outputs):
            buffers.passed[layer, place - 1, j] = passed[j]


def end_backward(setup: Any, layer: Any, example: Any, step: Any, z: Any) -> None:
    """Add up what was read of a layer at a step, and hand it to the layer before and to the step before."""
    buffers, chain, program = setup.buffers, setup.rules.chain, setup.program
    place = (example * program.steps + step) % buffers.acts.shape[1]
    inputs, outputs, own = chain.inputs[layer], chain.outputs[layer], chain.own[layer]
    buffers.counts[1, layer, place] = 0
    if layer > 0:
        for i in range(inputs):
            total = _ZERO
            for k in range(program.grid[layer, 1]):
                total += buffers.errors[layer, place, k, i]
            buffers.grads[layer - 1, place, i] += total
    if own >= 0 and step > 0:
        for i in range(outputs):
            total = _ZERO
            for k in range(program.grid[layer, 1]):
                total += buffers.errors[layer, place, k, own + i]
            buffers.grads[layer, place - 1, i] += total
        go_through(setup, layer, example, step - 1)
    if layer > 0:
        go_through(setup, layer - 1, example, step)
