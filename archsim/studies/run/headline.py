"""The headline of a run: the metrics that its cards, its first table and runs side by side show first."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.base.units import percent
from archsim.results.metric_words import metric_text


@dataclass(frozen=True)
class Headline:
    """A headline figure: its label, its metric sustained, at the peak and as a lower bound, and what it includes.

    "" stands where there is no such metric. In `says`, "{counted}" stands for what operations are counted.
    """

    label: str
    metric: str
    peak: str = ""
    bound: str = ""
    says: str = ""


HEADLINE = (
    Headline("time per example", "time_per_example_s", "time_per_example_peak_s", "time_per_example_lower_bound_s",
             "transfers and the host port included"),
    Headline("throughput", "throughput_op_per_s", "throughput_peak_op_per_s", says="{counted}"),
    Headline("energy efficiency", "efficiency_op_per_j", "efficiency_peak_op_per_j",
             says="leakage and the host port included"),
    Headline("throughput per area", "throughput_per_area_op_per_s_m2", "throughput_per_area_peak_op_per_s_m2",
             says="over the whole die"),
    Headline("energy per example", "energy_per_example_j", says="the whole chip, leakage included"),
    Headline("power", "power_w", "power_peak_w", says="mean of the run, the whole chip"),
    Headline("area", "area_m2", "area_peak_m2", says="the whole die; the peak's is without the host port"),
    Headline("crossbars busy", "tile_utilisation", says="share of the used tiles' cycles that compute"),
)  # fmt: skip
"""A metric is made in `results/metrics.py`; named here, it stands in every headline."""


def headline_text(value: float | None, metric: str, digits: int = 5) -> str:
    """Return a headline's value with its unit, a share in percent; "-" where there is none."""
    if value is not None and metric.endswith(("_share", "_utilisation")):
        return percent(value)
    return metric_text(value, metric, digits)
