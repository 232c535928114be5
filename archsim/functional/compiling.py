"""Functions compiled with others put in the places of some that they call, and kept on disk where that is safe."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import numba

from archsim.base.machine_code import files_of, njit, rebuilt


def is_kept(function: Callable[..., Any]) -> bool:
    """Return whether numba keeps a compiled function on disk, and a file holds it that another process can import."""
    module, stats = sys.modules.get(function.__module__), getattr(function, "stats", None)
    return bool(getattr(stats, "cache_path", None) and getattr(module, "__file__", None))


def compiled(
    function: Callable[..., Any], parts: Mapping[str, Any], words: str, *, keep: bool, inline: bool = False
) -> Callable[..., Any]:
    """Return a function compiled with these parts; `inline` puts it into whatever compiled function calls it.

    If told to `keep` it, numba does so on disk. As numba looks only at the function's own file, the name under which it
    does tells apart, too, the contents of all files that `files_of` finds, and `words` the parts. Numba's files of a
    function are not safe from two processes that compile it for different types at once: let `words` tell types apart.
    Keep code only if all that it calls `is_kept`. The interpreter cannot call what is taken in (`inline`): numba leaves
    out what would turn its arguments. It counts no references, so that it cannot make arrays.
    """
    own = rebuilt(function, parts)
    if keep:
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in files_of(own))).hexdigest()
        own.__qualname__ = f"{own.__name__}.{words}.{digest[:16]}"
    options: dict[str, Any] = {
        "forceinline": inline,
        "no_cpython_wrapper": inline,
        "no_cfunc_wrapper": True,
        "_nrt": False,
    }
    return cast("Callable[..., Any]", (njit if keep else numba.njit)(error_model="numpy", **options)(own))
