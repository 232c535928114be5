"""Loading a workload by built-in name or path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archsim.spec.loading import Loaded, load_section
from archsim.workload.network import Workload


def load_workload(name: str | Path, overrides: Sequence[str] = ()) -> Loaded[Workload]:
    """Return a workload by built-in name or path, with `key=value` overrides.

    >>> load_workload("mlp_mnist").value.synapses
    164885
    """
    return load_section(Workload, "workload", "workloads", str(name), overrides)
