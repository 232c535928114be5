"""Functions compiled to machine code, which is kept on disk where there is a folder for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
UNKEPT = (
    "no folder can be written that would keep compiled code, so each command compiles anew, for seconds to minutes; "
    "set NUMBA_CACHE_DIR to a folder that can"
)


@cache
def _tell() -> None:
    warnings.warn(UNKEPT, stacklevel=1)


def njit(**options: Any) -> Callable[[F], F]:
    """Return a decorator that compiles with numba; its code is kept beside the source, or in numba's own folder.

    If neither can be written (a read-only installation without a home), nothing is kept, which a warning says.
    """

    def compiled(function: F) -> F:
        try:
            return cast("F", numba.njit(cache=True, **options)(function))
        except RuntimeError as error:
            if "no locator available" not in str(error):  # numba's own words: nothing else tells it apart
                raise
        _tell()
        return cast("F", numba.njit(**options)(function))

    return compiled
