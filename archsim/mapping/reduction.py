"""Reductions: in which order partial sums on several tiles are added up."""

from __future__ import annotations

from archsim.spec.choices import REDUCTIONS


@REDUCTIONS.add("chain")
def chain(count: int) -> list[tuple[int, int]]:
    """Return (source, target) additions one after another; the last place holds the sum.

    >>> chain(4)
    [(0, 1), (1, 2), (2, 3)]
    """
    return [(i, i + 1) for i in range(count - 1)]


@REDUCTIONS.add("tree")
def tree(count: int) -> list[tuple[int, int]]:
    """Return (source, target) additions of a binary tree; the last place holds the sum.

    >>> tree(4)
    [(0, 1), (2, 3), (1, 3)]
    """
    adds: list[tuple[int, int]] = []
    live = list(range(count))
    while len(live) > 1:
        odd = len(live) % 2  # the first of an odd number waits
        adds += zip(live[odd::2], live[odd + 1 :: 2], strict=True)
        live = live[:odd] + live[odd + 1 :: 2]
    return adds


@REDUCTIONS.add("gather")
def gather(count: int) -> list[tuple[int, int]]:
    """Return (source, target) additions of all parts at the last place, one after another.

    >>> gather(4)
    [(0, 3), (1, 3), (2, 3)]
    """
    return [(i, count - 1) for i in range(count - 1)]
