"""archsim: a cycle-level simulator of analog-memory chips that train neural networks.

The flow, each arrow a function from value to value:

    load_arch, load_workload -> build_chip -> map_workload -> build_schedule -> simulate -> account -> evaluate
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsim.api import floorplan
    from archsim.api.commands import (
        ablate,
        compare,
        crosscheck,
        network,
        optimise,
        published,
        run,
        sensitivity,
        study,
        survey,
        sweep,
        train,
    )
    from archsim.base.errors import ArchsimError, SpecError
    from archsim.base.plugin_loading import load_plugin
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

__all__ = [
    "ArchsimError", "SpecError", "ablate", "account", "build_chip", "build_schedule", "compare", "crosscheck",
    "evaluate", "floorplan", "frame", "load_arch", "load_plugin", "load_workload", "map_workload", "network",
    "optimise", "peak", "published", "run", "sensitivity", "simulate", "study", "survey", "sweep", "train",
    "write_report",
]  # fmt: skip

_HOMES = {
    **dict.fromkeys(["ablate", "compare", "crosscheck", "network", "optimise", "published", "run", "sensitivity",
                     "study", "survey", "sweep", "train"], "archsim.api.commands"),
    "ArchsimError": "archsim.base.errors",
    "SpecError": "archsim.base.errors",
    "account": "archsim.results.bill",
    "build_chip": "archsim.chip",
    "build_schedule": "archsim.mapping",
    "evaluate": "archsim.results.evaluate",
    "floorplan": "archsim.api",
    "frame": "archsim.studies.stores",
    "load_arch": "archsim.spec.loading",
    "load_plugin": "archsim.base.plugin_loading",
    "load_workload": "archsim.workload",
    "map_workload": "archsim.mapping",
    "peak": "archsim.results.peak",
    "simulate": "archsim.simulation",
    "write_report": "archsim.studies.run.study",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `archsim --help` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'archsim' has no attribute '{name}'")
    home = importlib.import_module(_HOMES[name])
    return getattr(home, name) if hasattr(home, name) else importlib.import_module(f"{_HOMES[name]}.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
