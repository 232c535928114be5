"""How the event loop is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from archsim.base.machine_code import njit

F = TypeVar("F", bound=Callable[..., Any])

# Without numba's count of references to arrays, which would be an atomic operation at each access to one and take two
# thirds of the time. What is compiled so must allocate nothing.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False, "forceinline": True}


def compiled(function: F) -> F:
    """Return a function compiled, and sooner if its name begins with _, for calls by compiled code alone."""
    options = _OPTIONS | {"no_cpython_wrapper": function.__name__.startswith("_"), "no_cfunc_wrapper": True}
    return njit(**options)(function)
