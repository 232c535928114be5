"""Signals: pieces of vectors on their way from op to op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archsim.mapping.recipes import Side


@dataclass(frozen=True)
class Signal:
    """A piece `start` to `stop` of a vector, where it is and which op brought it there.

    `held` says that it is still a sample on the lines of `side`; else it is digital in the tile's memory.
    `tile` is -1 for the host. `bits` of one number are given where they are not those of its side.
    """

    op: int
    tile: int
    start: int
    stop: int
    side: Side
    held: bool = False
    bits: int = 0

    @property
    def values(self) -> int:
        """How many numbers."""
        return self.stop - self.start


Groups = Sequence[tuple[tuple[int, ...], int]]
