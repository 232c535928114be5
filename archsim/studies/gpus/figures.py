"""Figures of a chip against GPUs: time and energy per example by batch size, efficiency and density as bars."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping

from archsim.base.units import engineering
from archsim.report.colours import CYCLE
from archsim.report.figure import Axis, Bar, Bars, Dot, Piece, Plot, Series, logarithmic
from archsim.results.metric_words import metric_text
from archsim.studies.gpus.shape import Compared, MeasuredGpu, Own, Rate, Row
from archsim.studies.gpus.tables import ends, says, times

CHIP, SUSTAINED = "#46505a", "#7d7d7d"


def tones(data: Compared) -> dict[str, str]:
    """Return a colour for each GPU by name: the same in all comparisons, after those that are not known."""
    from archsim.baselines.gpus import baselines

    known = list(baselines().gpus)
    order = [*known, *(gpu.name for gpu in data.gpus if gpu.name not in known)]
    return dict(zip(order, itertools.cycle(CYCLE), strict=False))


def by_batch(
    data: Compared, name: str, title: str, says_: str, of: Callable[[Row | Own], float | None], unit: str
) -> Plot:
    """Return a figure per example against batch size: GPUs as lines, the chip as level lines; axes logarithmic."""

    def dots(words: str, values: Iterable[tuple[int, float]], size: float, hollow: bool) -> tuple[Dot, ...]:
        return tuple(
            Dot(batch, value, f"{words}, batch {batch:,}: {engineering(value, unit)}", size=size, hollow=hollow)
            for batch, value in values
        )

    series = []
    for gpu in data.gpus:
        words = f"{gpu.name}, {says(gpu.fastest)}, {gpu.modelled_words}"
        values = [(row.batch, value) for row in gpu.quickest if (value := of(row)) is not None]
        series.append(Series(words, tones(data)[gpu.name], dots(words, values, 0.5, hollow=False)))
    for each in data.measured:
        words = f"{each.baseline or each.gpu}, measured, best precision"
        if found := dots(words, _best(each, of), 0.8, hollow=True):
            series.append(Series(words, tones(data).get(each.baseline or "", "#7f8c8d"), found, line=False))
    batches = [dot.x for own in series for dot in own.dots]
    for which, chip, dashed in (("sustained", data.chip.sustained, False), ("peak", data.chip.peak, True)):
        if level := of(chip):
            tip = f"chip, {which}: {engineering(level, unit)}"
            ends = tuple(Dot(at, level, tip, size=0.1) for at in (min(batches), max(batches)))
            series.append(Series(f"chip, {which}", CHIP, ends, dashed=dashed, shown=False))
    y = logarithmic(title.lower(), [dot.y for own in series for dot in own.dots],
                    lambda value: engineering(value, unit, 3), room=0.03)  # fmt: skip
    shown = sorted({int(batch) for batch in batches})
    ticks = tuple((float(at), f"{at:,}") for at in shown[:: max(1, -(-len(shown) // 7))])
    x = Axis("batch size of the GPU", min(batches) / 1.2, max(batches) * 1.2, ticks, log=True)
    return Plot(name, title, says_, x, y, tuple(series))


def _best(each: MeasuredGpu, of: Callable[[Row | Own], float | None]) -> list[tuple[int, float]]:
    """Return (batch, value): of all precisions and ways, the one that is best at each batch."""
    best: dict[int, float] = {}
    for row in each.rows:
        if (value := of(row)) is not None:
            best[row.batch] = min(value, best.get(row.batch, value))
    return sorted(best.items())


def bars(data: Compared, name: str, title: str, metric: str, of: Callable[[Rate], float | None]) -> Bars:
    """Return one figure of chip and GPUs as bars: peaks, and what is sustained; the chip's lead over each beside."""
    chip = data.chip
    lines = [("chip, peak", of(chip.peak), CHIP, ""), ("chip, sustained", of(chip.sustained), SUSTAINED, "")]
    for gpu in data.gpus:
        tone = tones(data)[gpu.name]
        lead = f"chip's peak {times(of(gpu.peak.ratio.peak))}"
        lines.append((f"{gpu.name} {says(gpu.fastest)}, data sheet", of(gpu.peak), tone, lead))
        for row in ends(gpu.quickest):
            lead = f"sustained chip {times(of(row.ratio.sustained))}"
            lines.append((f"batch {row.batch:,}, {gpu.modelled_words}", of(row), f"{tone}88", lead))
    axis = logarithmic("", [value for _, value, *_ in lines if value], lambda value: metric_text(value, metric, 3),
                       room=0.05)  # fmt: skip
    made = tuple(
        Bar(words, lead, (Piece(axis.low, value - axis.low, tone, f"{words}: {metric_text(value, metric, 4)}"),)
            if value else ())
        for words, value, tone, lead in lines
    )  # fmt: skip
    return Bars(name, title, "The axis is logarithmic.", made, axis)


ALL: Mapping[str, Callable[[Compared], Plot | Bars]] = {
    "gpus_time": lambda data: by_batch(
        data, "gpus_time", "Time per example",
        "A GPU gets quicker with the batch, the chip takes one example after another.",
        lambda own: own.time_per_example_s, "s",
    ),
    "gpus_energy": lambda data: by_batch(
        data, "gpus_energy", "Energy per example", "By batch size.", lambda own: own.energy_per_example_j, "J"
    ),
    "gpus_efficiency": lambda data: bars(
        data, "gpus_efficiency", "Energy efficiency", "efficiency_op_per_j", lambda own: own.efficiency_op_per_j
    ),
    "gpus_density": lambda data: bars(
        data, "gpus_density", "Throughput per area", "throughput_per_area_op_per_s_m2",
        lambda own: own.throughput_per_area_op_per_s_m2,
    ),
}  # fmt: skip
OF_PEAKS = ("gpus_efficiency", "gpus_density")


def figures(data: Compared, names: Collection[str] = ALL) -> tuple[Plot | Bars, ...]:
    """Return the figures of a comparison with GPUs of these names; by batch, where it is modelled."""
    return tuple(ALL[name](data) for name in ALL if name in names and (name in OF_PEAKS or data.modelled))
