"""Traces of a run's beginning, for viewers: Perfetto (Chrome trace events) and GTKWave (value change dump)."""

from __future__ import annotations

from collections.abc import Callable

from archsim.export.perfetto import perfetto
from archsim.export.vcd import vcd
from archsim.results.evaluate import Result

TRACES: dict[str, tuple[str, Callable[[Result], str]]] = {
    "perfetto": ("trace.perfetto.json", perfetto),
    "vcd": ("trace.vcd", vcd),
}
"""By kind of trace: the name of its file, and the function that makes it."""

__all__ = ["TRACES"]
