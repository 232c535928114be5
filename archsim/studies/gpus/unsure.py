"""A comparison in draws: how far ranges of chips and GPUs, and the spread of the model of GPUs, move its figures.

What two chips have of one source, or of one estimator, is one draw of both, and so is the same assumption of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import e
from typing import Any

import numpy as np

from archsim.base.arrays import F64
from archsim.baselines.comparison import FIGURES, FIGURES_AND_UNITS, Side, Value, chip_figures, modelled_steps, ratios
from archsim.baselines.gpus import Gpu
from archsim.baselines.law import constants
from archsim.baselines.unrolled import bounded_steps
from archsim.results.evaluate import Result
from archsim.results.intervals import (
    BILLED,
    Drawn,
    Draws,
    Uncertainty,
    drawn_run,
    has_intervals,
    named_as_drawn,
    told_of,
)
from archsim.spec.figure_ranges import SHARE, Range, with_figures
from archsim.studies.gpus.shape import Beside
from archsim.studies.study import named
from archsim.workload.network import Workload

TOLD = (*FIGURES, "time_per_example_s", "energy_per_example_j")
"""What has intervals."""


def spreads(name: str, workload: Workload) -> tuple[Range, ...]:
    """Return how far the model may be off a GPU's steps: factors of their time and of their power.

    Of steps whose kernels are an assumption there is a third, whose logarithm goes from -1, the quickest, to 1.
    """
    law = constants().spread
    time, power = (
        Range(f"modelled {what} of {name}", f"model of {name}: {what}", 1 / own, 1.0, own, lognormal=True)
        for what, own in (("time", law.time), ("power", law.power))
    )
    if workload.plain:
        return time, power
    what = f"modelled kernels of {name}"
    return time, power, Range(what, f"model of {name}: how kernels are fused", 1 / e, 1.0, e)


@dataclass(frozen=True)
class InDraws:
    """Runs of a workload on chips, the first of which is compared, and GPUs with their ranges, all in common draws.

    `runs` hold, by chip, its metrics in each draw.
    """

    results: tuple[Result, ...]
    runs: tuple[Drawn | None, ...]
    ranges: Mapping[str, Sequence[Range]]
    count: int

    @classmethod
    def of(cls, results: Sequence[Result], ranges: Mapping[str, Sequence[Range]]) -> InDraws | None:
        """Return runs in as many draws as all chips allow; None where one of them is too large for any."""
        if any(own.arch.ranges and not has_intervals(own.arch) for own in results):
            return None
        found = [own.drawn for own in results]
        count = min((len(own.metrics) for own in found if own is not None), default=BILLED)
        again = tuple(
            own if own is None or len(own.metrics) == count
            else drawn_run(result.arch, result.trace, result.activity, result.bill.programmed, count)
            for result, own in zip(results, found, strict=True)
        )  # fmt: skip
        made = cls(tuple(results), again, ranges, count)
        return made if len(made.places) > count // 2 else None

    @cached_property
    def places(self) -> list[int]:
        """The draws in which there are all chips."""
        metrics = [own.metrics for own in self.runs if own is not None]
        return [i for i in range(self.count) if all(own[i] is not None for own in metrics)]

    @cached_property
    def draws(self) -> Draws:
        """The draws of all that is drawn."""
        chips = [own for result in self.results for own in named_as_drawn(result.arch.ranges)]
        gpus = [
            own
            for name, given in self.ranges.items()
            for own in (*named_as_drawn(given), *spreads(name, self.results[0].workload.value))
        ]
        return Draws.of([*chips, *gpus], self.count)

    @property
    def uncertainty(self) -> Uncertainty:
        """How intervals are found."""
        simulated = any(own is not None and own.simulated for own in self.runs)
        known = len(self.places)
        return Uncertainty(draws=known, refused=self.count - known, simulated=simulated, held=SHARE, causes={})

    @property
    def chip(self) -> dict[str, dict[str, Any]]:
        """What `chip_figures` returns of the first chip, in draws."""
        return self.chip_of(0)

    def chip_of(self, which: int) -> dict[str, dict[str, Any]]:
        """Return what `chip_figures` returns of a chip, in draws."""
        metrics, run = self.results[which].data["metrics"], self.runs[which]
        if run is None:
            return chip_figures(metrics)
        known = [own for i in self.places if (own := run.metrics[i]) is not None]
        names = [f"{figure}{infix}_{unit}" for figure, unit in FIGURES_AND_UNITS for infix in ("", "_peak")]
        drawn = {name: np.array([own[name] for own in known]) for name in names
                 if name in known[0] and metrics[name] is not None}  # fmt: skip
        return chip_figures({**metrics, **drawn})

    def _at(self, own: Range) -> F64:
        """Return the figure of a range in each draw."""
        quantiles = self.draws.quantiles[self.places, self.draws.names.index(own.name)]
        return np.array([own.at(at) for at in quantiles.tolist()])

    def side(self, name: str, gpu: Gpu, workload: Workload) -> Side:
        """Return a GPU in draws."""
        time, power, *kernels = map(self._at, spreads(name, workload))
        prefix = f"gpus.{name}."
        figures = {own.path.removeprefix(prefix): self._at(own) for own in named_as_drawn(self.ranges.get(name, ()))}
        cards = [gpu] if not figures else [
            with_figures(gpu, {path: float(values[i]) for path, values in figures.items()})
            for i in range(len(self.places))
        ]  # fmt: skip

        def steps(precision: str, batches: Sequence[int]) -> Sequence[tuple[Value, Value]]:
            if kernels:
                ends = [bounded_steps(card, precision, workload, batches) for card in cards]
                places = np.log(kernels[0])[:, None]
                time_s, energy_j = (
                    between(
                        np.array([getattr(own.quickest, what) for own in ends]),
                        np.array([getattr(own.expected, what) for own in ends]),
                        np.array([getattr(own.slowest, what) for own in ends]),
                        places,
                    )
                    for what in ("time_s", "energy_j")
                )
            else:
                found = [modelled_steps(card, precision, workload, batches) for card in cards]
                time_s, energy_j = (np.array([getattr(own, what) for own in found]) for what in ("time_s", "energy_j"))
            return [(time_s[:, i] * time, energy_j[:, i] * time * power) for i in range(len(batches))]

        def every(values: list[float]) -> Value:
            return values[0] if len(values) == 1 else np.array(values)

        peaks = {precision: every([card.peaks_op_per_s[precision] for card in cards])
                 for precision in gpu.peaks_op_per_s}  # fmt: skip
        return Side(gpu, every([card.area_m2 for card in cards]), every([card.power_limit_w for card in cards]), peaks,
                    steps)  # fmt: skip

    def tell(self, own: Mapping[str, Any], drawn: Mapping[str, Any]) -> None:
        """Put intervals into a comparison, and causes where it is said what makes most of them."""
        pairs = dict(enumerate(_pairs(own, drawn)))
        arrays = {
            (place, figure): values for place, (_, other) in pairs.items() for figure in TOLD
            if isinstance(values := other.get(figure), np.ndarray)
        }  # fmt: skip
        ends, causes = told_of(self.draws, self.places, arrays)
        said = [id(each) for each in _said(own)]
        for place, figure in ends:
            known, _ = pairs[place]
            known.setdefault("intervals", {})[figure] = ends[place, figure]
            if id(known) in said:
                known.setdefault("causes", {})[figure] = causes[place, figure]


def between(quickest: F64, expected: F64, slowest: F64, places: F64) -> F64:
    """Return figures at places from -1 to 1 between two ends, by their logarithms; 0 is what is expected."""
    low, high = np.fmin(np.fmin(quickest, slowest), expected), np.fmax(np.fmax(quickest, slowest), expected)
    return np.asarray(expected * np.where(places < 0, expected / low, high / expected) ** places)


def beside_chips(results: Sequence[Result], unsure: InDraws | None) -> tuple[Beside, ...]:
    """Return each chip but the first, and the first over it, with intervals of both unless they are sure."""
    found = []
    first = chip_figures(results[0].data["metrics"])
    for which, result in enumerate(results[1:], 1):
        own = _over(first, chip_figures(result.data["metrics"]))
        if unsure is not None:
            unsure.tell(own, _over(unsure.chip, unsure.chip_of(which)))
        found.append(Beside(arch=named(result.arch), **own))
    return tuple(found)


def _over(first: Mapping[str, Any], chip: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chip, and the first over it: peak over peak, sustained over sustained."""
    return {"chip": chip, "ratio": {name: ratios(first, own)[name] for name, own in chip.items()}}


def _pairs(own: Any, drawn: Any) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Yield the mappings of a comparison, each with the one that holds its figures in draws."""
    if isinstance(own, dict):
        yield own, drawn
        for key, below in list(own.items()):
            if key in drawn:
                yield from _pairs(below, drawn[key])
    elif isinstance(own, list):
        for one, other in zip(own, drawn, strict=True):
            yield from _pairs(one, other)


def _said(own: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the figures of a comparison of whose intervals the causes are told: the chip's, and the last ratios."""
    yield from own["chip"].values()
    yield from own.get("ratio", {}).values()
    for gpu in own.get("gpus", ()):
        rows = [row for row in gpu["modelled"] if row["precision"] == gpu["fastest"]]
        yield from (row["ratio"]["sustained"] for row in rows[-1:])
