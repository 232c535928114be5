"""Work that makes many values and no circles of them: Python need not look for such circles meanwhile."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def uncollected(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function run without Python's collector of circles, which would go through all values again and again.

    What is no longer referred to is freed all the same; circles are looked for afterwards.
    """

    @functools.wraps(function)
    def called(*args: P.args, **named: P.kwargs) -> R:
        if not gc.isenabled():
            return function(*args, **named)
        gc.disable()
        try:
            return function(*args, **named)
        finally:
            gc.enable()

    return called
