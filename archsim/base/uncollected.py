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
