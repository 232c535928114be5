"""Metrics in words: what each is called, its unit, and its value as people read it."""

from __future__ import annotations

import re

from archsim.base.units import engineering, si_of_metric
from archsim.report.table import words


def metric_name(metric: str) -> str:
    """Return a metric's name as words, without its unit, a peak as such first.

    >>> metric_name("throughput_per_area_peak_op_per_s_m2"), metric_name("area_m2")
    ('peak throughput per area', 'area')
    """
    name = re.sub(r"(_op_per)?_(s_m2|s|j|w|m2)$", "", metric)
    return words(f"peak_{name.replace('_peak', '')}" if "_peak" in name else name)


def display_unit(metric: str) -> str:
    """Return the unit in which a metric is shown: operations are OP, as the field writes them."""
    return si_of_metric(metric).replace("m**2", "m2").replace("op", "OP")


def metric_text(value: float | None, metric: str, digits: int = 5) -> str:
    """Return a metric's value as text in its display unit."""
    unit = display_unit(metric)
    if value is not None and unit in ("", "1/s"):
        return f"{value:,}{unit[1:]}" if isinstance(value, int) else f"{value:,.{digits}g}{unit[1:]}"
    if metric.endswith("_op_per_s_m2"):
        return "-" if value is None else f"{engineering(value * 1e-6, 'OP/s', digits)}/mm2"
    return engineering(value, unit, digits)
