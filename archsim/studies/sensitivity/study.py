"""Sensitivity: each assumption of a spec is halved and doubled in turn, and the run is made again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from archsim.base.errors import ArchsimError
from archsim.chip.graph import build_chip
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.results.bill import account
from archsim.results.peak import peak
from archsim.simulation.run import simulate
from archsim.spec.arch import ArchSpec
from archsim.workload.network import Workload

if TYPE_CHECKING:
    from archsim.spec.loading import Loaded

METRICS = (
    "time_per_example_s",
    "energy_per_example_j",
    "area_m2",
    "efficiency_op_per_j",
    "efficiency_peak_op_per_j",
    "throughput_per_area_peak_op_per_s_m2",
)
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Effect:
    """One assumption at one value: the metrics that follow, or why it cannot be."""

    path: str
    given: str
    status: str
    factor: str
    value: str
    metrics: Mapping[str, float]
    refused: str = ""


@dataclass(frozen=True)
class Study:
    """The metrics as given, and with each assumption halved and doubled."""

    arch: str
    workload: str
    hashes: Mapping[str, str]
    command: str
    examples: int
    base: Mapping[str, float]
    effects: tuple[Effect, ...]

    def ranked(self, metric: str) -> list[tuple[str, float | None, float | None]]:
        """Return (path, ratio when halved, ratio when doubled) for a metric, the widest first.

        A ratio is the metric over its value as given; None where that value is refused.
        """
        pairs: dict[str, list[float | None]] = {}
        for effect in self.effects:
            place = pairs.setdefault(effect.path, [None, None])
            if not effect.refused:
                place[effect.factor == "x 2"] = effect.metrics[metric] / self.base[metric]
        rows = [(path, low, high) for path, (low, high) in pairs.items()]

        def width(row: tuple[str, float | None, float | None]) -> float:
            return max(abs(ratio - 1) for ratio in (row[1], row[2], 1.0) if ratio is not None)

        return sorted(rows, key=lambda row: (-width(row), row[0]))


def outcome(spec: ArchSpec, workload: Workload, examples: int) -> dict[str, float]:
    """Return the metrics of a study for one spec, in SI units."""
    chip = build_chip(spec)
    trace = simulate(build_schedule(chip, map_workload(workload, chip), examples))
    energy_j, top = account(trace).total_j, peak(chip, workload.mode, workload.steps)
    ops = workload.ops_per_example * examples
    return {
        "time_per_example_s": trace.cycles / float(spec.technology.clock_hz) / examples,
        "energy_per_example_j": energy_j / examples,
        "area_m2": chip.area_m2,
        "efficiency_op_per_j": ops / energy_j,
        "efficiency_peak_op_per_j": top.efficiency_op_per_j,
        "throughput_per_area_peak_op_per_s_m2": top.throughput_op_per_s / top.area_m2,
    }


def scaled(text: str, factor: Fraction) -> str | None:
    """Return a figure's text times a factor, exactly; None for zero and for what is not a number.

    >>> scaled("64 ns", Fraction(1, 2)), scaled("15", Fraction(2)), scaled("0 J", Fraction(2))
    ('32 ns', '30', None)
    """
    match = _NUMBER.match(text)
    if match is None:
        return None
    number = Fraction(match[1]) * factor
    if not number:
        return None
    return f"{number.numerator if number.denominator == 1 else float(number)!s}{match[2].rstrip()}"


def sensitivity(
    arch: Loaded[ArchSpec],
    workload: Loaded[Workload],
    *,
    examples: int | None = None,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Return the study of every figure of the arch spec that is an assumption or fitted.

    `examples` is by default the whole training run. A value that is out of range, or with which the workload
    does not fit, is kept with the reason.
    """
    count = workload.value.examples if examples is None else examples
    base = outcome(arch.value, workload.value, count)
    figures = [
        (path, figure) for path, figure in arch.figures.items()
        if figure.status in ("assumption", "fitted") and not path.startswith(("published", "scaling"))
    ]  # fmt: skip
    effects: list[Effect] = []
    factors: Sequence[tuple[str, Fraction]] = (("x 1/2", Fraction(1, 2)), ("x 2", Fraction(2)))
    for number, (path, figure) in enumerate(figures):
        for name, factor in factors:
            given = figure.to_set
            value = scaled(given, factor)
            if value is None:
                continue
            try:
                changed = arch.with_overrides([f"{path}={_whole(given, value)}"]).value
                effect = Effect(path, given, figure.status, name, value, outcome(changed, workload.value, count))
            except ArchsimError as error:
                effect = Effect(path, given, figure.status, name, value, {}, str(error).splitlines()[0])
            effects.append(effect)
        if progress is not None:
            progress(number + 1, len(figures))
    hashes = {"arch": arch.hash, "workload": workload.hash}
    return Study(arch.value.name, workload.value.name, hashes, command, count, base, tuple(effects))


def _whole(given: str, value: str) -> str:
    """Return a halved odd count rounded up, so that a count stays a count."""
    if given.strip().isdigit() and not value.isdigit():
        return str(-(-int(given) // 2))
    return value
