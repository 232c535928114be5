"""The smoothest vectors over a graph: eigenvectors of its Laplacian with the smallest eigenvalues above 0.

They are found by inverse iteration (Golub and Van Loan, Matrix Computations, 8.2), each step solved by conjugate
gradients, so that time is linear in the graph's edges; no library of linear algebra decides on the last bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Effort:
    """In how many `rounds` vectors are found, and to what `residual` and in how many `steps` each round is solved.

    A vector that is left with a part of the next is hardly less smooth.
    """

    rounds: int
    residual: float
    steps: int


def smoothest(
    ends: tuple[NDArray[np.int64], NDArray[np.int64]], weights: Floats, count: int, effort: Effort
) -> list[Floats]:
    """Return two orthogonal vectors over `count` nodes, smoothest first, whose elements add up to 0.

    The edges, each in both directions, go from nodes `ends[0]` to nodes `ends[1]`; they must connect all nodes.
    Two nodes have one such vector only, and the second means nothing.
    """
    degrees: Floats = np.bincount(ends[0], weights, count).astype(np.float64)

    def laplacian(vector: Floats) -> Floats:
        return degrees * vector - np.bincount(ends[0], weights * vector[ends[1]], count)

    line = np.linspace(0.0, 1.0, count)
    found: list[Floats] = [line**0.5, line**2]  # without any symmetry, lest they lack one of the vectors sought
    for _ in range(effort.rounds):
        lower: list[Floats] = []
        for vector in found:
            lower.append(_apart(_solve(laplacian, degrees, vector, effort), lower))
        found = lower
    return found


def _apart(vector: Floats, others: list[Floats]) -> Floats:
    """Return the vector without its mean and its parts along others, of length 1 (or 0 if that is 0)."""
    for other in [np.full(len(vector), len(vector) ** -0.5), *others] * 2:  # once more, for what rounding left
        vector = vector - (vector * other).sum() * other
    length = float((vector * vector).sum()) ** 0.5
    return np.asarray(vector / length if length else vector)


def _solve(matrix: Callable[[Floats], Floats], diagonal: Floats, right: Floats, effort: Effort) -> Floats:
    """Return x with matrix x = right by conjugate gradients, begun from the best multiple of `right`."""
    right = right - right.mean()
    image = matrix(right)
    x = right * ((right * right).sum() / max((right * image).sum(), 1e-300))
    rest = right - matrix(x)
    goal = effort.residual**2 * (right * right).sum()
    way = scaled = rest / diagonal
    product = float((rest * scaled).sum())
    for _ in range(effort.steps):
        if (rest * rest).sum() <= goal:
            break
        image = matrix(way)
        step = product / float((way * image).sum())
        x, rest = x + step * way, rest - step * image
        scaled = rest / diagonal
        before, product = product, float((rest * scaled).sum())
        way = scaled + product / before * way
    return np.asarray(x)
