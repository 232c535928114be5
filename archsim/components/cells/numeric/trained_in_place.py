"""A base of cells that pulses train in place and that keep their weight: a kind says what one pulse does, no more.

Float32 in a fixed order, as in `capacitor_kernels`; weights are in uS. `kernels` makes the updates of such a cell from
compiled functions of its law, and `TrainedInPlace` is what all of them do otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from archsim.base.arrays import F32, Flags
from archsim.base.machine_code import files_of, rebuilt
from archsim.components.cells.numeric.base import Cells, Parameters, TransferCounts
from archsim.components.cells.numeric.coincidences import coincide, columns_pulsed
from archsim.components.cells.numeric.draws import compiled, taken_in

Law: TypeAlias = Callable[..., Any]
_ZERO = np.float32(0)


class Kernels(NamedTuple):
    """The compiled updates of a kind of cells: by pulses, and by real numbers in place of them (`exact_updates`)."""

    update: Callable[..., Any]
    update_exactly: Callable[..., Any]


@taken_in
def undisturbed(state: Any, numbers: Any, row: Any, col: Any, weight: Any) -> Any:
    """Return a weight as it is: what a pulse does has no noise of its own."""
    return weight


def _by_pulses(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and those that a limit cut."""
    columns, upward = columns_pulsed(nd, slots)
    pulses = clipped = 0
    if columns.shape[0] == 0:
        return pulses, clipped
    sizes = np.abs(nd[columns])
    coincidences = np.zeros(sizes.max() + 1, np.int64)
    for row in range(nx.shape[0]):
        if nx[row] == 0:
            continue
        coincide(coincidences, nx[row], phi[row], slots)
        for place in range(columns.shape[0]):
            col, count = columns[place], coincidences[sizes[place]]
            weight, most = state.weights[row, col], largest(state, numbers, row, col)  # type: ignore[name-defined] # noqa: F821
            for _ in range(count):
                weight = weight + step(state, numbers, row, col, weight, place < upward)  # type: ignore[name-defined] # noqa: F821
                weight = disturbed(state, numbers, row, col, weight)  # type: ignore[name-defined] # noqa: F821
                if abs(weight) > most:
                    weight = most if weight > _ZERO else -most
                    clipped += 1
            state.weights[row, col] = weight
            pulses += count
    return pulses, clipped


def _exactly(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Change all cells by x n steps as they stand, up to their limits; return their worth and how many were cut."""
    pulses, limited = 0.0, 0
    for row in range(nx.shape[0]):
        if nx[row] == _ZERO:
            continue
        for col in range(nd.shape[0]):
            count, weight = nx[row] * abs(nd[col]), state.weights[row, col]
            most = largest(state, numbers, row, col)  # type: ignore[name-defined] # noqa: F821
            after = weight + count * step(state, numbers, row, col, weight, nd[col] > _ZERO)  # type: ignore[name-defined] # noqa: F821
            limited += abs(after) > most
            state.weights[row, col] = min(max(after, -most), most)
            pulses += count
    return pulses, limited


def kernels(step: Law, largest: Law, disturbed: Law = undisturbed) -> Kernels:
    """Return the updates of cells whose law is given as functions that are `taken_in`, in uS.

    step(state, numbers, row, col, weight, upward)
        By what one pulse changes a cell of this weight: above zero if upward, else below it.
    largest(state, numbers, row, col)
        The largest weight of the cell, of either sign, where a change is cut.
    disturbed(state, numbers, row, col, weight)
        The weight after a pulse with the noise of that pulse, which exact updates leave out.
    """
    parts = {"step": step, "largest": largest, "disturbed": disturbed}
    return Kernels(_made(_by_pulses, parts), _made(_exactly, parts))


def _made(template: Law, parts: dict[str, Law]) -> Callable[..., Any]:
    """Return a template compiled with the parts of a law; what is kept of it depends on the files of the law."""
    own = rebuilt(template, parts)
    code = hashlib.sha256(b"".join(path.read_bytes() for path in files_of(own))).hexdigest()[:16]
    names = (f"{each.__module__}.{each.__name__}" for each in parts.values())
    own.__qualname__ = ".".join([template.__name__, *names, code])
    return compiled(own)


class TrainedInPlace(Cells):
    """Cells that keep their weights by themselves: they do not leak, and there is nothing to transfer or rewrite.

    A kind gives its `updates`, says the `largest` weight, and what conducts (`conductances`, `devices`).
    """

    updates: Kernels

    def __init__(self, state: Any, parameters: Parameters, key: tuple[int, int]) -> None:
        super().__init__(state, parameters, key)
        self.kernel, self.exact_kernel = self.updates

    @property
    def largest(self) -> F32 | np.float32:
        """The largest weight of either sign, in uS: of each cell [rows, cols], or of all."""
        return np.float32(self.reach)

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Set the weights as exactly as their limits allow; those beyond are counted.

        Pulses of any amplitude, each verified, are taken to leave no error.
        """
        wanted = self._wanted(weights)
        self.weights[:] = np.clip(wanted, -self.largest, self.largest)
        left = np.abs(wanted - self.weights)
        return TransferCounts(
            wanted.size, clipped=int((left > 0).sum()), residual_sum=float(left.sum(dtype=np.float64)),
            residual_max=float(left.max()), programmed=wanted.size, written=wanted.size,
            left_over=int((left > self.step).sum()),
        )  # fmt: skip

    def out_of_range(self, weights: F32) -> Flags:
        """Return which weights are at or beyond the largest of their own cell."""
        found: Flags = np.abs(weights) >= self.largest
        return found

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W."""
        return {"W": self.weights[row_start:row_stop]}
