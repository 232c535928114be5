"""Networks over sequences in floating point: forward, and backpropagation through time by plain gradient descent.

Werbos, Proc. IEEE 78, 1550 (1990). The whole sequence goes forward, then back; then all of its steps are learnt. Steps
before a sequence's first one, in front of which shorter ones are filled up, are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, I32, I64
from archsim.base.machine_code import njit
from archsim.functional.answers import Each
from archsim.functional.floating_point import backward_rows, forward_rows, widest_of
from archsim.functional.functions import activate, derive
from archsim.functional.losses import output_delta
from archsim.functional.numbers import KEPT, Chain
from archsim.functional.recurrent_units import EXACT, derive_units, evaluate_units


class Sequences(NamedTuple):
    """Examples of several vectors."""

    table: F32  # [vectors, inputs]
    rows: I32  # [examples, steps]: which vector each step takes
    begin: I64  # [examples]: the first step that counts
    y: I64  # [examples, steps at which the last layer runs]: labels


class Unrolled(NamedTuple):
    """One example unrolled, by layer and step."""

    acts: F32  # [layers, steps, rows]: vectors with biases
    deltas: F32  # [layers, steps, 2, columns]: negative gradients of sums, by block of rows
    errors: F32  # [layers, steps, outputs]: negative gradients of outputs
    kept: F32  # [layers, steps, KEPT, outputs]
    passed: F32  # [layers, outputs]: what a step leaves of a state's error to the one before


class Now(NamedTuple):
    """What recurrent layers go on from, [layers, outputs]: states, and outputs of the last step."""

    states: F32
    last: F32


@njit()
def unrolled(weights: tuple[F32, ...], steps: Any) -> Unrolled:
    """Return room for an example of a network."""
    layers, widest = len(weights), widest_of(weights)
    return Unrolled(
        np.zeros((layers, steps, widest), dtype=np.float32),
        np.zeros((layers, steps, 2, widest), dtype=np.float32),
        np.zeros((layers, steps, widest), dtype=np.float32),
        np.zeros((layers, steps, KEPT, widest), dtype=np.float32),
        np.zeros((layers, widest), dtype=np.float32),
    )


@njit()
def beginning(weights: tuple[F32, ...]) -> Now:
    """Return states and outputs of zero."""
    shape = (len(weights), widest_of(weights))
    return Now(np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32))


@njit()
def forward_through(
    weights: tuple[F32, ...], chain: Chain, data: Sequences, example: Any, room: Unrolled, now: Now
) -> tuple[float, int]:  # fmt: skip
    """Compute an example, each step's loss and the gradient of its output; return the loss and how many were right.

    A stateful network goes on from `now`, which is changed; any other one from zero.
    """
    layers, steps, begin = len(weights), data.rows.shape[1], data.begin[example]
    loss, right = 0.0, 0
    z, apart = np.zeros(room.acts.shape[2], dtype=np.float32), np.zeros(room.acts.shape[2], dtype=np.float32)
    if not chain.stateful:
        now.states[:] = np.float32(0.0)
        now.last[:] = np.float32(0.0)
    for step in range(begin, steps):
        for layer in range(layers):
            if step < chain.first[layer]:
                continue
            w, acts = weights[layer], room.acts[layer, step]
            inputs, outputs, own, top = chain.inputs[layer], chain.outputs[layer], chain.own[layer], chain.top[layer]
            if layer == 0:
                source = data.table[data.rows[example, step]]
                for i in range(inputs):
                    acts[i] = source[i]
            if own >= 0:
                for i in range(outputs):
                    acts[own + i] = now.last[layer, i]
            if chain.bias[layer]:
                acts[top - 1] = np.float32(1.0)
                acts[w.shape[0] - 1] = np.float32(1.0)
            for j in range(w.shape[1]):
                z[j] = apart[j] = np.float32(0.0)
            forward_rows(acts[:top], w[:top], z[: w.shape[1]])
            if top < w.shape[0]:
                forward_rows(acts[top : w.shape[0]], w[top:], apart[: w.shape[1]])
            if layer == layers - 1:
                label = data.y[example, step - chain.first[layer]]
                delta = room.deltas[layer, step, 0, :outputs]
                cost, hit, _ = output_delta(chain.code[layer], z[:outputs], label, data.table[0, :0], delta)
                loss += cost
                right += hit
            else:
                after = room.acts[layer + 1, step]
                if own >= 0:
                    state = now.states[layer, :outputs]
                    evaluate_units(
                        chain.code[layer], chain.parameter[layer], z, apart, state, EXACT, room.kept[layer, step],
                        state, now.last[layer, :outputs],
                    )  # fmt: skip
                    for i in range(outputs):
                        after[i] = now.last[layer, i]
                else:
                    activate(chain.code[layer], chain.parameter[layer], z[:outputs])
                    for i in range(outputs):
                        after[i] = z[i]
    return loss, right


@njit()
def backward_through(weights: tuple[F32, ...], chain: Chain, begin: Any, room: Unrolled) -> None:
    """Go back through an example, from the gradients of its outputs to those of all sums."""
    layers, steps = len(weights), room.acts.shape[1]
    room.errors[:] = np.float32(0.0)
    room.passed[:] = np.float32(0.0)
    e = np.zeros(room.acts.shape[2], dtype=np.float32)
    for step in range(steps - 1, begin - 1, -1):
        for layer in range(layers - 1, -1, -1):
            if step < chain.first[layer]:
                continue
            w, d = weights[layer], room.deltas[layer, step]
            inputs, outputs, own, top = chain.inputs[layer], chain.outputs[layer], chain.own[layer], chain.top[layer]
            if layer < layers - 1:
                errors = room.errors[layer, step, :outputs]
                if own >= 0:
                    derive_units(
                        chain.code[layer], chain.parameter[layer], room.kept[layer, step], errors, room.passed[layer],
                        d[0], d[1],
                    )  # fmt: skip
                else:
                    derive(chain.code[layer], chain.parameter[layer], room.acts[layer + 1, step], errors, d[0])
            if layer > 0:
                backward_rows(d[0, : w.shape[1]], w, inputs, e)
                for i in range(inputs):
                    room.errors[layer - 1, step, i] += e[i]
            if own >= 0 and step > begin:
                backward_rows(d[1 if own == top else 0, : w.shape[1]], w[own:], outputs, e)
                for i in range(outputs):
                    room.errors[layer, step - 1, i] += e[i]


@njit()
def learn_through(weights: tuple[F32, ...], chain: Chain, begin: Any, room: Unrolled, rate: Any) -> None:
    """Change weights by what all steps of an example ask for."""
    for layer in range(len(weights)):
        w, top = weights[layer], chain.top[layer]
        for step in range(max(begin, chain.first[layer]), room.acts.shape[1]):
            for i in range(w.shape[0]):
                value = rate * room.acts[layer, step, i]
                if value != 0.0:
                    row, d = w[i], room.deltas[layer, step, 0 if i < top else 1]
                    for j in range(w.shape[1]):
                        row[j] += value * d[j]


@njit()
def train_through(
    weights: tuple[F32, ...], chain: Chain, data: Sequences, order: I32, rate: float, batch: int
) -> tuple[float, int]:
    """Train on the examples in this order; return the summed loss and how many answers were right before an update.

    A stateful network's states begin at zero.
    """
    steps, loss, right = data.rows.shape[1], 0.0, 0
    rooms, now = [unrolled(weights, steps) for _ in range(batch)], beginning(weights)
    eta = np.float32(rate)
    for start in range(0, order.shape[0], batch):
        size = min(batch, order.shape[0] - start)
        for b in range(size):
            example = order[start + b]
            cost, hits = forward_through(weights, chain, data, example, rooms[b], now)
            loss += cost
            right += hits
            backward_through(weights, chain, data.begin[example], rooms[b])
        for b in range(size):
            learn_through(weights, chain, data.begin[order[start + b]], rooms[b], eta)
    return loss, right


@njit()
def evaluate_through(
    weights: tuple[F32, ...], chain: Chain, data: Sequences, each: Each
) -> tuple[float, int]:  # fmt: skip
    """Return the summed loss of all examples in turn, and how many answers are right; set those of `each`."""
    room, now, loss, right = unrolled(weights, data.rows.shape[1]), beginning(weights), 0.0, 0
    for example in range(data.rows.shape[0]):
        cost, hits = forward_through(weights, chain, data, example, room, now)
        loss += cost
        right += hits
        each.right[example] = hits > 0
        each.loss[example] = cost
    return loss, right
