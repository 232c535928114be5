"""What a saved comparison with GPUs must look like before it is shown: see `archsim.studies.run.saved`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OrNull:
    """A shape that a value has, or the value is null."""

    shape: Any


NUMBER, COUNT, FIGURE, TEXT, MAYBE = (int, float), int, (int, float, type(None)), str, (str, type(None))
_RATE = dict.fromkeys(("throughput_op_per_s", "efficiency_op_per_j", "throughput_per_area_op_per_s_m2"), FIGURE)
_COST = dict.fromkeys(("time_per_example_s", "energy_per_example_j"), FIGURE)
_BOTH = {"peak": _RATE, "sustained": _RATE}
_PAIR = dict.fromkeys(("efficiency_op_per_j", "throughput_per_area_op_per_s_m2"), NUMBER)
_ROW = {"batch": COUNT, "precision": TEXT, "power_w": FIGURE, "ratio": _BOTH, **_RATE, **_COST}
_CATCH = {
    "batches": [COUNT], "known": dict.fromkeys(_COST, bool), "peak": _COST, "sustained": _COST, "precision": TEXT,
}  # fmt: skip
_FOUND = dict.fromkeys(("modelled_over_measured_time", "modelled_over_measured_energy"), FIGURE)

GPUS: dict[str, Any] = {
    "mode": TEXT,
    "ops_per_synapse": COUNT,
    "chip": {"peak": {**_RATE, **_COST}, "sustained": {**_RATE, **_COST}},
    "paper": OrNull({
        **_RATE, "gpu": TEXT, "precision": TEXT, "published": _PAIR, "published_ratio": _PAIR, "quoted": _PAIR,
        "ratio": _BOTH,
    }),
    "gpus": [
        {
            "name": TEXT, "title": TEXT, "fastest": TEXT, "area_m2": NUMBER, "power_limit_w": NUMBER,
            "modelled": [_ROW], "catches_up": [_CATCH], "peaks": [{"precision": TEXT, "ratio": _BOTH, **_RATE}],
        }
    ],
    "measured": [
        {
            "gpu": TEXT, "baseline": MAYBE, "date": TEXT, "file": TEXT, "method": TEXT, "software": {"*": MAYBE},
            "catches_up": [{**_CATCH, "how": TEXT}], "rows": [{**_ROW, "how": TEXT, **_FOUND}],
        }
    ],
}  # fmt: skip
