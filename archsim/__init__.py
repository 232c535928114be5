"""archsim: a cycle-level simulator of analog-memory chips that train neural networks.

The flow, each arrow a function from value to value:

    load_arch, load_workload -> build_chip -> map_workload -> build_schedule -> simulate -> account -> evaluate
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsim.chip import build_chip
    from archsim.mapping import build_schedule, map_workload
    from archsim.results.bill import account
    from archsim.results.evaluate import evaluate
    from archsim.results.peak import peak
    from archsim.simulation import simulate
    from archsim.spec.loading import load_arch
    from archsim.studies.run.study import write_report
    from archsim.studies.stores import frame
    from archsim.workload import load_workload

_HOMES = {
    "load_arch": "archsim.spec.loading",
    "load_workload": "archsim.workload",
    "build_chip": "archsim.chip",
    "map_workload": "archsim.mapping",
    "build_schedule": "archsim.mapping",
    "simulate": "archsim.simulation",
    "account": "archsim.results.bill",
    "peak": "archsim.results.peak",
    "evaluate": "archsim.results.evaluate",
    "frame": "archsim.studies.stores",
    "write_report": "archsim.studies.run.study",
}

__all__ = [
    "account", "build_chip", "build_schedule", "evaluate", "frame", "load_arch", "load_workload", "map_workload",
    "peak", "simulate", "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `archsim --help` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'archsim' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
