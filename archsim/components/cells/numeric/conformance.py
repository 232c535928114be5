"""What all cells in numbers have to do, as checks of one device at a time: for archsim's own and for those of plug-ins.

A check is given a device, draws what it does from a seed, and raises AssertionError where its cells do something else.
`conforms` makes all of them. A cell's compiled code is compared, to the bit, with a reference in plain numpy: a class
of `Cells` that is made as `Reference` says. It may use `draws_in_numpy`, which gives the draws of `draws`, and
`coincidences`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeAlias, cast

import numpy as np

from archsim.base.arrays import F32, I64
from archsim.base.words import counted
from archsim.components.cells.base import Device, Switches
from archsim.components.cells.numeric.base import Cells

Reference: TypeAlias = Callable[..., Cells]
"""Called as `reference(device, rows, cols, seed, shard, switches, levels)`."""
Call: TypeAlias = tuple[Any, ...]
"""What is done to cells: a method's name, what it is done with, and whether to the second half of the rows alone."""
LEVELS = 31
"""Five bits, in which maintenance's reads are converted if a device has a range for that."""
EVERYTHING = Switches()
IDEAL = Switches(leakage=False, variability=False, programming_error=False, pulse_noise=False)
NAMES = [each.name for each in fields(Switches)]
SWITCHES = [Switches(*flags) for flags in itertools.product([True, False], repeat=4)]
SWITCHES += [replace(EVERYTHING, **{name: False} if name else {}) for name in NAMES[4:]]
"""Combinations of the first four imperfections, and each of the others taken away alone."""


def coincidences(nx: I64, nd: I64, phi: F32, slots: int) -> I64:
    """Return floor(nx |nd| / slots + phi) by cell, in whole numbers, and none where a line fires none."""
    phase = np.floor(phi.astype(np.float64) * slots).astype(np.int64)
    count = (nx[:, None] * np.abs(nd)[None, :] + phase[:, None]) // slots
    count[nx == 0, :] = 0
    count[:, nd == 0] = 0
    return cast("I64", count)


def cells_of(
    device: Device, rows: int, cols: int, switches: Switches = EVERYTHING, seed: int = 1, shard: int = 2
) -> Any:  # fmt: skip
    """Return rows x cols cells of a device in numbers."""
    return device.cells(rows, cols, seed, shard, switches, None, LEVELS)


def weights_for(cells: Cells, seed: int = 0, share: float = 0.25) -> Any:
    """Return weights well within what these cells hold, in uS."""
    top = share * min(cells.reach, 80 * cells.step)
    return np.random.default_rng(seed).uniform(-top, top, cells.weights.shape).astype(np.float32)


def arrays(cells: Cells) -> dict[str, bytes]:
    """Return all that cells hold, by name."""
    return {name: array.tobytes() for name, array in cells.state._asdict().items()}


def pulse_all(cells: Cells, sign: int, times: int = 1) -> None:
    """Pulse all cells up or down."""
    rows, cols = cells.weights.shape
    for _ in range(times):
        cells.update(np.full(rows, 15), np.full(cols, sign), np.zeros(rows, np.float32))


def call(cells: Cells, name: str, value: Any, cut: bool) -> Any:
    """Do something to cells, drawn from a value, to all rows or the second half, and return what it returns."""
    rows, cols = cells.weights.shape
    start, stop = (rows // 2, rows) if cut else (0, rows)
    if name == "program":
        return cells.program(np.random.default_rng(value).normal(0, 20, (rows, cols)).astype(np.float32), value % 7)
    if name == "update":
        rng: Any = np.random.default_rng(value)
        slots = int(rng.choice([15, 15, 1, 40, 1023, 3000]))
        most = min(slots, int(rng.choice([1, 3, 15, 60])))
        nx = rng.integers(0, slots + 1, rows) * rng.integers(0, 2, rows)
        nd = rng.integers(-most, most + 1, cols) * rng.integers(0, 2, cols)
        return cells.update(nx, nd, rng.random(rows, np.float32), slots)
    if name == "leak":
        return cells.leak(start, stop, value)
    if name == "transfer":
        return cells.transfer(start, stop, 3, value, value % 2 == 0, value * 5e-4)
    return cells.rewrite(start, stop, value, 4, 2)


def check_kernels(
    device: Device,
    reference: Reference,
    shape: tuple[int, int],
    switches: Switches,
    seed: int,
    sequence: Sequence[Call],
) -> None:
    """Compiled cells and those in plain numpy hold and answer the same after each call of a sequence, to the bit."""
    kernel, plain = cells_of(device, *shape, switches, seed, 3), reference(device, *shape, seed, 3, switches, LEVELS)
    for step in (("made",), *sequence):
        found, expected = (None, None) if step[0] == "made" else (call(kernel, *step), call(plain, *step))
        _holds(found == expected, f"{step} answers {found}, in plain numpy {expected}")
        for name, array in plain.state._asdict().items():
            np.testing.assert_array_equal(getattr(kernel.state, name), array, f"{name} after {step}")
        _holds(kernel.conductances().tobytes() == plain.conductances().tobytes(), f"conductances() after {step}")
        _holds(bool((kernel.conductances() >= 0).all()), f"a conductance is negative after {step}")
        ours, theirs = ({name: own.tobytes() for name, own in each.quantities().items()} for each in (kernel, plain))
        _holds(ours == theirs, f"quantities() after {step}")
        for mine, its in zip(kernel.devices(), plain.devices(), strict=True):
            np.testing.assert_array_equal(mine.conductance, its.conductance)
            np.testing.assert_array_equal(mine.counts, its.counts)
            _holds(mine[2:] == its[2:], f"devices() after {step}")


def check_programming(device: Device, seed: int) -> None:
    """What is programmed is read back within what it reports."""
    cells = cells_of(device, 5, 9, seed=seed)
    wanted = weights_for(cells, seed)
    _check_counts(cells.program(wanted, seed), cells.weights - wanted)


def check_transfer(device: Device, seed: int) -> None:
    """A transfer whose reads have no noise keeps the weights within what it reports."""
    cells = cells_of(device, 6, 11, seed=seed)
    cells.program(weights_for(cells, seed, 1), seed)
    before = cells.weights.copy()
    _check_counts(cells.transfer(0, 6, seed, 1, True), cells.weights - before)


def _check_counts(counts: Any, errors: Any) -> None:
    error = np.abs(errors)
    _holds(counts.cells == error.size, f"{counted(counts.cells, 'cell')} counted, {error.size} there")
    np.testing.assert_allclose(counts.residual_max, error.max(), atol=1e-5, rtol=1e-6, err_msg="residual_max")
    total = error.sum(dtype=np.float64)
    np.testing.assert_allclose(counts.residual_sum, total, atol=1e-4, rtol=1e-6, err_msg="residual_sum")


def check_steps(device: Device, sign: int, pulses: int, seed: int) -> None:
    """N pulses move a nominal weight by about n steps, which bend or shrink on the way from the middle."""
    cells = cells_of(device, 3, 7, IDEAL, seed)
    before = cells.weights.copy()
    fired = cells.update(np.full(3, 15), np.full(7, sign * pulses), np.zeros(3, np.float32))
    moved = (cells.weights - before) * sign
    _holds(fired == (3 * 7 * pulses, 0), f"update() returns {fired} where 3 x 7 x {pulses} fire, and none is clipped")
    _holds(bool((moved > 0).all()), "a pulse moves a weight the other way")
    _holds(
        bool((moved <= pulses * cells.step * 1.001).all()),
        f"{counted(pulses, 'pulse')} changed a weight by more than as many steps",
    )
    # By more than (1 - 1/25)^15 = 0.54 of as many steps: the softest bound in use is 25 steps away.
    _holds(
        bool((moved >= 0.54 * pulses * cells.step).all()),
        f"{counted(pulses, 'pulse')} changed a weight by less than half as many steps",
    )
    one = cells_of(device, 3, 7, IDEAL, seed)
    pulse_all(one, sign)
    np.testing.assert_allclose(np.abs(one.weights), cells.step, rtol=1e-3, err_msg="one pulse, and `step`")


def check_keys(device: Device) -> None:
    """What is drawn depends on keys only, and not on how rows are cut into groups."""

    def work(shard: int, groups: Sequence[tuple[int, int]]) -> dict[str, bytes]:
        cells = cells_of(device, 7, 9, seed=5, shard=shard)
        cells.program(weights_for(cells, share=1), 1)
        pulse_all(cells, +1, 30)
        for index in (0, 1):
            for start, stop in groups:
                cells.leak(start, stop, 1e-4)
                cells.transfer(start, stop, 2, index, True)
                cells.rewrite(start, stop, 1e-4, 2, index)
            pulse_all(cells, -1)
        return arrays(cells)

    alone = work(1, [(0, 7)])
    _holds(work(1, [(0, 7)]) == alone, "the same calls end differently")
    _holds(work(1, [(5, 7), (0, 2), (2, 5)]) == alone, "rows cut into groups end differently")
    varies = arrays(cells_of(device, 7, 9, shard=1)) != arrays(cells_of(device, 7, 9, shard=2))
    _holds(not varies or work(2, [(0, 7)]) != alone, "another shard ends alike")


def check_leak(device: Device) -> None:
    """Time changes nothing where there is no leak, or it is taken away."""
    leaks = device.leak_time_constant_at_s(300.0) > 0 or "leak_time_constant_s" in type(device).model_fields
    for switches, still in ((EVERYTHING, not leaks), (Switches(leakage=False), True)):
        cells = cells_of(device, 4, 9, switches)
        cells.program(weights_for(cells), 1)
        before = arrays(cells)
        cells.leak(0, 4, 1e-3)
        _holds((arrays(cells) == before) == still, f"leak() where {'nothing' if still else 'something'} leaks")


def check_state(device: Device) -> None:
    """Other cells of the device that are given the arrays go on to the same bits: resuming relies on it."""
    one, other = cells_of(device, 5, 9, seed=3), cells_of(device, 5, 9, seed=3)
    one.program(weights_for(one, share=1), 1)
    pulse_all(one, +1, 20)
    one.leak(0, 5, 1e-3)
    one.transfer(0, 3, 1, 1, True)
    for name, array in one.state._asdict().items():
        _holds(isinstance(array, np.ndarray), f"{name} of the state is no array")
        getattr(other.state, name)[...] = array
    for cells in (one, other):
        pulse_all(cells, -1, 20)
        cells.leak(0, 5, 1e-3)
        cells.transfer(0, 5, 1, 2, True)
        cells.rewrite(0, 5, 1e-4, 1, 3)
    _holds(arrays(one) == arrays(other), "cells that are given the arrays of others go on differently")
    _holds(one.weights is one.state.weights, "`weights` is not that of the state")
    hash(one.numbers)  # cells with the same numbers are played by the same code


def check_quantities(device: Device) -> None:
    """Quantities are named and add up to the weight, and so do what devices conduct times what they count."""
    cells = cells_of(device, 6, 11)
    cells.program(weights_for(cells), 1)
    pulse_all(cells, +1, 3)
    cells.leak(0, 6, 1e-4)
    cells.transfer(0, 3, 1, 1, True)
    found = cells.quantities()
    gain, polarity = getattr(device, "gain", 0), getattr(cells.state, "polarity", np.ones(6))
    expected = gain * (found.get("G+", np.zeros(1)) - found.get("G-", np.zeros(1)))
    expected = expected + polarity[:, None] * found.get("g - g_shared", np.zeros(1))
    _holds(found["W"].tobytes() == cells.weights.tobytes(), "W is not the weights")
    if len(found) > 1:
        np.testing.assert_allclose(np.broadcast_to(expected, cells.weights.shape), cells.weights, atol=1e-4, rtol=1e-6)
    _holds(set(found) <= {"W", "g - g_shared", "G+", "G-"}, f"quantities() has {sorted(found)}")
    for name, array in cells.quantities(2, 5).items():
        _holds(array.tobytes() == found[name][2:5].tobytes(), f"{name} of some rows")
    devices = cells.devices()
    held = [np.repeat(each.counts * each.conductance, each.span, axis=1)[:, :11] for each in devices]
    np.testing.assert_allclose(sum(held), cells.weights, atol=1e-4, err_msg="what devices count, and W")
    drawn = [np.repeat(each.conductance / each.span, each.span, axis=1)[:, :11] for each in devices]
    np.testing.assert_allclose(sum(drawn), cells.conductances(), rtol=1e-5, err_msg="devices(), and conductances()")
    for part, whole in zip(cells.devices(2, 5), devices, strict=True):
        own = np.ascontiguousarray(whole.conductance[2:5])
        _holds(part.conductance.tobytes() == own.tobytes(), "devices() of some rows")


def conforms(device: Device, reference: Reference, trials: int = 25, seed: int = 0) -> None:
    """Raise AssertionError unless cells of a device do what all cells have to do, in so many drawn trials."""
    rng = np.random.default_rng(seed)
    draws: dict[str, Callable[[], Any]] = {
        "update": lambda: int(rng.integers(2**32)), "leak": lambda: float(rng.choice([1e-6, 15e-6, 1e-3])),
        "transfer": lambda: int(rng.integers(6)), "rewrite": lambda: float(rng.choice([1e-6, 1e-4])),
        "program": lambda: int(rng.integers(2**32)),
    }  # fmt: skip
    for _ in range(trials):
        names = [str(name) for name in rng.choice([*draws, "update"], int(rng.integers(1, 9)))]
        sequence = [(name, draws[name](), bool(rng.integers(2))) for name in names]
        shape = int(rng.integers(1, 7)), int(rng.integers(1, 21))
        switches = SWITCHES[int(rng.integers(len(SWITCHES)))]
        check_kernels(device, reference, shape, switches, int(rng.integers(2**32 - 1)), sequence)
        check_programming(device, int(rng.integers(100)))
        check_steps(device, int(rng.choice([-1, 1])), int(rng.integers(1, 16)), int(rng.integers(100)))
    check_transfer(device, seed)
    check_keys(device)
    check_leak(device)
    check_state(device)
    check_quantities(device)


def _holds(condition: bool, words: str) -> None:
    if not condition:
        raise AssertionError(words)
