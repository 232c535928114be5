"""How the functions of the compiled loop are compiled: each is taken into what calls it, and counts no references."""

from __future__ import annotations

from typing import Any

from archsim.base.machine_code import njit

OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False, "forceinline": True}
compiled = njit(**OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)
