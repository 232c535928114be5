"""Loading a workload by built-in name or path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from archsim.spec.loading import Loaded, load_section
from archsim.workload.network import Workload


def load_workload(name: str | Path, overrides: Sequence[str] = ()) -> Loaded[Workload]:
    """Return a workload by built-in name or path, with `key=value` overrides.

    >>> load_workload("mlp_mnist").value.synapses
    164885
    """
    loaded = load_section(Workload, "workload", "workloads", str(name), overrides)
    given = loaded.value.weights
    if given is None or Path(given).is_absolute() or not Path(name).is_file():
        return loaded
    return replace(loaded, value=loaded.value.model_copy(update={"weights": str(Path(name).parent / given)}))
