"""Figures of a chip against GPUs: time and energy per example by batch size, efficiency and density as bars."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from archsim.base.units import engineering
from archsim.report.colours import CYCLE
from archsim.report.figure import Axis, Bar, Bars, Dot, Piece, Plot, Series, logarithmic
from archsim.report.table import metric_text
from archsim.studies.gpus.tables import ends, modelled, says, times

Data: TypeAlias = Mapping[str, Any]
CHIP, SUSTAINED = "#46505a", "#7d7d7d"


def tones(data: Data) -> dict[str, str]:
    """Return a colour for each GPU by name: the same in all comparisons, after those that are not known."""
    from archsim.baselines.gpus import baselines

    known = list(baselines().gpus)
    order = [*known, *(gpu["name"] for gpu in data["gpus"] if gpu["name"] not in known)]
    return dict(zip(order, itertools.cycle(CYCLE), strict=False))


def by_batch(data: Data, name: str, title: str, says_: str, key: str, unit: str) -> Plot:
    """Return a figure per example against batch size: GPUs as lines, the chip as level lines; axes logarithmic."""
    series = []
    for gpu in data["gpus"]:
        words = f"{gpu['name']}, {says(gpu['fastest'])}, modelled"
        rows = [row for row in gpu["modelled"] if row["precision"] == gpu["fastest"]]
        dots = tuple(Dot(row["batch"], row[key], _tip(words, row["batch"], row[key], unit), size=0.5) for row in rows)
        series.append(Series(words, tones(data)[gpu["name"]], dots))
    for each in data["measured"]:
        words = f"{each['baseline'] or each['gpu']}, measured, best precision"
        dots = tuple(
            Dot(batch, value, _tip(words, batch, value, unit), size=0.8, hollow=True)
            for batch, value in _best(each, key)
        )  # fmt: skip
        if dots:
            series.append(Series(words, tones(data).get(each["baseline"], "#7f8c8d"), dots, line=False))
    batches = [dot.x for own in series for dot in own.dots]
    for which, dashed in (("sustained", False), ("peak", True)):
        value = data["chip"][which][key]
        if value:
            level = tuple(
                Dot(at, value, f"chip, {which}: {engineering(value, unit)}", size=0.1)
                for at in (min(batches), max(batches))
            )  # fmt: skip
            series.append(Series(f"chip, {which}", CHIP, level, dashed=dashed, shown=False))
    y = logarithmic(title.lower(), [dot.y for own in series for dot in own.dots],
                    lambda value: engineering(value, unit, 3), room=0.03)  # fmt: skip
    shown = sorted({int(batch) for batch in batches})
    ticks = tuple((float(at), f"{at:,}") for at in shown[:: max(1, -(-len(shown) // 7))])
    x = Axis("batch size of the GPU", min(batches) / 1.2, max(batches) * 1.2, ticks, log=True)
    return Plot(name, title, says_, x, y, tuple(series))


def _tip(words: str, batch: int, value: float, unit: str) -> str:
    return f"{words}, batch {batch:,}: {engineering(value, unit)}"


def _best(each: Data, key: str) -> list[tuple[int, float]]:
    """Return (batch, value): of all precisions and ways, the one that is best at each batch."""
    best: dict[int, float] = {}
    for row in each["rows"]:
        if row[key] is not None:
            best[row["batch"]] = min(row[key], best.get(row["batch"], row[key]))
    return sorted(best.items())


def bars(data: Data, name: str, title: str, key: str) -> Bars:
    """Return one figure of chip and GPUs as bars: peaks, and what is sustained; the chip's lead over each beside."""
    chip = data["chip"]
    lines: list[tuple[str, float, str, str]] = [
        ("chip, peak", chip["peak"][key], CHIP, ""),
        ("chip, sustained", chip["sustained"][key] or 0.0, SUSTAINED, ""),
    ]
    for gpu in data["gpus"]:
        tone = tones(data)[gpu["name"]]
        peak = next(row for row in gpu["peaks"] if row["precision"] == gpu["fastest"])
        lead = f"chip's peak {times(peak['ratio']['peak'][key])}"
        lines.append((f"{gpu['name']} {says(gpu['fastest'])}, data sheet", peak[key], tone, lead))
        rows = [row for row in gpu["modelled"] if row["precision"] == gpu["fastest"]]
        for place in ends(rows):
            row = rows[place]
            lead = f"sustained chip {times(row['ratio']['sustained'][key])}"
            lines.append((f"batch {row['batch']:,}, modelled", row[key], f"{tone}88", lead))
    known = [value for _, value, *_ in lines if value > 0]
    ends_ = logarithmic("", known, lambda value: metric_text(value, key, 3), room=0.05)
    made = tuple(
        Bar(words, lead, (Piece(ends_.low, value - ends_.low, tone, f"{words}: {metric_text(value, key, 4)}"),)
            if value > 0 else ())
        for words, value, tone, lead in lines
    )  # fmt: skip
    return Bars(name, title, "The axis is logarithmic.", made, ends_)


ALL: Mapping[str, Callable[[Data], Plot | Bars]] = {
    "gpus_time": lambda data: by_batch(
        data, "gpus_time", "Time per example",
        "A GPU gets quicker with the batch, the chip takes one example after another.", "time_per_example_s", "s",
    ),
    "gpus_energy": lambda data: by_batch(
        data, "gpus_energy", "Energy per example", "By batch size.", "energy_per_example_j", "J"
    ),
    "gpus_efficiency": lambda data: bars(data, "gpus_efficiency", "Energy efficiency", "efficiency_op_per_j"),
    "gpus_density": lambda data: bars(
        data, "gpus_density", "Throughput per area", "throughput_per_area_op_per_s_m2"
    ),
}  # fmt: skip
OF_PEAKS = ("gpus_efficiency", "gpus_density")


def figures(data: Data, names: Collection[str] = ALL) -> tuple[Plot | Bars, ...]:
    """Return the figures of a comparison with GPUs of these names; by batch, where it is modelled."""
    return tuple(ALL[name](data) for name in ALL if name in names and (name in OF_PEAKS or modelled(data)))
