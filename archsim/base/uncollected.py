"""Work that makes many values and no circles of them: Python need not look for such circles meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage, which takes most of the time where values are made by the million.

    What is no longer referred to is freed all the same; circles are looked for afterwards. It decorates functions, too.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


SELDOM = (200_000, 20, 100)
"""After so many more values than were let go, and so many such looks, and so many of these. Time and memory alone
depend on it."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Have Python look for garbage less often than it does: a command imports and makes much, and makes few circles."""
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
