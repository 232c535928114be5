"""Loading a workload by built-in name or path."""

from __future__ import annotations

from pathlib import Path

from archsim.spec.loading import Loaded, load_section
from archsim.spec.settings import Settings, settings_of
from archsim.workload.network import Workload


def load_workload(name: str | Path, overrides: Settings = ()) -> Loaded[Workload]:
    """Return a workload by built-in name or path; raise SpecError with all of its faults at once.

    `overrides` are settings, such as {"dataset.examples": 1000}.

    >>> load_workload("mlp_mnist").value.synapses
    164885
    """
    return load_section(Workload, "workload", "workloads", str(name), settings_of(overrides))
