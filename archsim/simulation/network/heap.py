"""Events in order of time: a binary heap of integers in an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Without numba's count of references to arrays, which would be an atomic operation at each access to one and take two
# thirds of the time. What is compiled so must allocate nothing.
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}
compiled = cast("Callable[[F], F]", numba.njit(**_OPTIONS))


@compiled
def push(heap: Any, event: Any) -> None:
    """Add an event to a heap, whose first entry is how many it holds."""
    heap[0] += 1
    place = heap[0]
    while place > 1 and heap[place >> 1] > event:
        heap[place] = heap[place >> 1]
        place >>= 1
    heap[place] = event


@compiled
def pop(heap: Any) -> Any:
    """Take the earliest event from a heap that holds one, and return it."""
    first, event, size = heap[1], heap[heap[0]], heap[0] - 1
    heap[0] = size
    place, child = 1, 2
    while child <= size:
        if child < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= event:
            break
        heap[place] = heap[child]
        place, child = child, 2 * child
    heap[place] = event
    return first
