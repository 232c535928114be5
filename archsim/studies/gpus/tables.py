"""Tables of a chip against GPUs: the paper's comparison and what is left of it, peaks, modelled and measured rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, TypeAlias

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.baselines.comparison import FIGURES, catch_text
from archsim.baselines.gpus import PRECISIONS
from archsim.report.table import Column, Table

Data: TypeAlias = Mapping[str, Any]

COUNTED = {
    6: "6 per synapse and example (2 forward, 2 backward, 2 update)",
    2: "2 per synapse and example (forward alone)",
}
"""Operations per synapse and example, in words."""

BATCHED = {
    "training": "a GPU that trains at batch b updates once per b examples, which is another algorithm than the chip's "
    "and may need more epochs; only batch 1 is the same.",
    "inference": "a GPU that infers at batch b waits until b examples are there, and answers all of them at once.",
}
"""By mode: what it means that a GPU takes examples in batches."""


def conventions(data: Data) -> tuple[str, ...]:
    """Return what must be said beside the figures: what is counted, what each includes, what differs."""
    counted = COUNTED[data["ops_per_synapse"]]
    return (
        f"Operations are counted alike on both sides: {counted}, bias rows included, whether or not the hardware does "
        "all of them. Ratios are chip / GPU: above 1 the chip is ahead.",
        "Chip, peak: all cells of all tiles busy all the time, without transfers and the host port; its time per "
        "example is that of as many operations. Chip, sustained: this run, transfers, host port and the whole die "
        "included.",
        "GPU, data sheet: dense peak (no sparsity), board power limit, area of the die; memory, board and host are in "
        "the power but not in the area. GPU, modelled: all of a step's kernels replayed as a graph, inputs on the "
        "device, which is the leanest way to work.",
        f"What differs: {BATCHED[data['mode']]} At small batches a GPU waits for launches rather than computes, and "
        "several networks side by side would use it better; that is not counted here. The GPU computes in FP32, TF32, "
        "FP16 or BF16, the chip in analog values of a few bits; accuracy is compared elsewhere. The chip is a "
        "simulated spec, the reference one calibrated to its published peak; GPUs are products.",
        *filter(None, [model_check(data)]),
        *([] if modelled(data) else [UNMODELLED]),
    )


UNMODELLED = (
    "This network is not modelled on GPUs: the model knows fully connected layers and examples of one step alone. What "
    "is compared are peaks."
)


def modelled(data: Data) -> bool:
    """Return whether the network's steps on GPUs were modelled."""
    return any(gpu["modelled"] for gpu in data["gpus"])


def ends(rows: Sequence[Data]) -> tuple[int, ...]:
    """Return the places of the first and the last row, if there are any, each once."""
    return tuple(dict.fromkeys((0, len(rows) - 1))) if rows else ()


def says(precision: str) -> str:
    """Return the words for a precision."""
    return PRECISIONS[precision].says


def times(value: float | None) -> str:
    """Return a ratio to three digits.

    >>> times(280.65), times(0.03577), times(None)
    ('281x', '0.0358x', '-')
    """
    if value is None:
        return "-"
    return f"{value:,.0f}x" if value >= 100 else f"{value:#.3g}x".replace(".x", "x")


def density(value: float | None) -> str:
    """Return operations per second and area as text."""
    return "-" if value is None else f"{engineering(value * 1e-6, 'OP/s')}/mm2"


def _round(value: float | None) -> float | int | None:
    """Return a ratio to four digits, without decimals from 1,000 on."""
    if value is None:
        return None
    short = float(f"{value:.4g}")
    return int(short) if short >= 1000 else short


def _per_mm2(value: float | None) -> float | None:
    return None if value is None else value * 1e-6


def efficiency(value: float | None) -> str:
    """Return operations per joule as text."""
    return "-" if value is None else f"{engineering(value, 'OP/s')}/W"


def ladder(data: Data) -> Iterator[tuple[str, float | None, float | None, str]]:
    """Yield from the paper's claim to what is left of it: (comparison, ratio of efficiency, of density, remark)."""
    paper, key, area = data["paper"], "efficiency_op_per_j", "throughput_per_area_op_per_s_m2"
    if paper is not None:
        peak = engineering(paper["throughput_op_per_s"], "OP/s")
        of = f"{paper['gpu']} {says(paper['precision'])}, peak taken as {peak}"
        quoted = f"the paper says {paper['quoted'][key]:.0f}x and {paper['quoted'][area]:.0f}x"
        yield f"published figures / {of}", paper["published_ratio"][key], paper["published_ratio"][area], quoted
        for name, words in (("peak", "this chip's peak"), ("sustained", "this chip, sustained")):
            yield f"{words} / {of}", paper["ratio"][name][key], paper["ratio"][name][area], ""
    for gpu in data["gpus"]:
        peak = next(row for row in gpu["peaks"] if row["precision"] == gpu["fastest"])
        of = f"{gpu['name']} {says(gpu['fastest'])}"
        for name, words in (("peak", "chip's peak / data-sheet peak"), ("sustained", "sustained / data-sheet peak")):
            yield f"{of}: {words}", peak["ratio"][name][key], peak["ratio"][name][area], ""
        rows = [row for row in gpu["modelled"] if row["precision"] == gpu["fastest"]]
        for row in ends(rows):
            found, batch = rows[row]["ratio"]["sustained"], rows[row]["batch"]
            yield f"{of}: sustained / modelled, batch {batch:,}", found[key], found[area], ""


def ladder_table(data: Data) -> Table:
    """The paper's comparison, and what is left of it against sustained figures and today's GPUs."""
    columns = (Column("chip / GPU"), Column("efficiency"), Column("density"), Column("remark"))
    rows = tuple((words, times(a), times(b), remark) for words, a, b, remark in ladder(data))
    return Table("gpus_ratios", "The published comparison, and what is left of it", columns, rows)


def peaks_table(data: Data) -> Table:
    """Chip and GPUs by their peaks; the chip's sustained figures beside."""
    rows: list[tuple[Any, ...]] = []
    for name in ("peak", "sustained"):
        own = data["chip"][name]
        rows.append((f"chip, {name}", "analog", own["throughput_op_per_s"], own["efficiency_op_per_j"],
                     _per_mm2(own["throughput_per_area_op_per_s_m2"]), None, None))  # fmt: skip
    for gpu in data["gpus"]:
        for row in gpu["peaks"]:
            ratio = row["ratio"]["peak"]
            rows.append((gpu["name"], says(row["precision"]), row["throughput_op_per_s"], row["efficiency_op_per_j"],
                         _per_mm2(row["throughput_per_area_op_per_s_m2"]), _round(ratio["efficiency_op_per_j"]),
                         _round(ratio["throughput_per_area_op_per_s_m2"])))  # fmt: skip
    columns = (
        Column("what"), Column("precision"), Column("throughput", "OP/s"), Column("efficiency", "OP/s/W"),
        Column("density", "OP/s/mm2"), Column("chip's peak / GPU: efficiency"), Column("density"),
    )  # fmt: skip
    return Table("gpus_peaks", "Peaks by data sheet", columns, tuple(rows))


def _row(row: Data) -> tuple[Any, ...]:
    ratio = row["ratio"]["sustained"]
    return (row["batch"], row["time_per_example_s"], row["energy_per_example_j"], row["power_w"],
            row["throughput_op_per_s"], row["efficiency_op_per_j"], _per_mm2(row["throughput_per_area_op_per_s_m2"]),
            *(_round(ratio[key]) for key in FIGURES))  # fmt: skip


_OF_ROW = (
    Column("batch"), Column("time per example", "s"), Column("energy per example", "J"), Column("power", "W"),
    Column("throughput", "OP/s"), Column("efficiency", "OP/s/W"), Column("density", "OP/s/mm2"),
    Column("sustained chip / GPU: throughput"), Column("chip / GPU: efficiency"), Column("chip / GPU: density"),
)  # fmt: skip


def modelled_table(data: Data, brief: bool = False) -> Table:
    """A row per GPU, precision and batch, as modelled; if brief, of the fastest precision, and at most 7 batches."""
    batches = sorted({row["batch"] for gpu in data["gpus"] for row in gpu["modelled"]})
    shown = batches[:: max(1, -(-len(batches) // 7))] if brief else batches
    rows = tuple(
        (gpu["name"], says(row["precision"]), *_row(row))
        for gpu in data["gpus"] for row in gpu["modelled"]
        if row["batch"] in shown and (not brief or row["precision"] == gpu["fastest"])
    )  # fmt: skip
    return Table("gpus_modelled", "Modelled", (Column("GPU"), Column("precision"), *_OF_ROW), rows)


def measured_table(data: Data, brief: bool = False) -> Table:
    """A row per measured GPU, precision, way and batch, with what the model says; if brief, the quickest series."""
    columns = (Column("GPU"), Column("precision"), Column("how"), *_OF_ROW, Column("modelled / measured: time"),
               Column("modelled / measured: energy"))  # fmt: skip
    rows = tuple(
        (each["gpu"], says(row["precision"]), row["how"], *_row(row), _round(row.get("modelled_over_measured_time")),
         _round(row.get("modelled_over_measured_energy")))
        for each in data["measured"] for row in each["rows"]
        if not brief or (row["precision"], row["how"]) == _quickest(each["rows"])
    )  # fmt: skip
    return Table("gpus_measured", "Measured", columns, rows)


def _quickest(rows: Sequence[Data]) -> tuple[str, str]:
    """Return the precision and way that take the least time per example at the largest batch."""
    largest = max(row["batch"] for row in rows)
    best = min((row for row in rows if row["batch"] == largest), key=lambda row: float(row["time_per_example_s"]))
    return best["precision"], best["how"]


def model_check(data: Data) -> str:
    """Return in words how far the model is from the measured steps of this network; "" if there are none."""
    rows = [row for each in data["measured"] for row in each["rows"] if row["how"] == "graph"]
    words = []
    for what in ("time", "energy"):
        found = sorted(row[key] for row in rows if row.get(key := f"modelled_over_measured_{what}") is not None)
        if found:
            words.append(f"{what} x {median(found):.2f} in the middle, {found[0]:.2f} to {found[-1]:.2f}")
    if not words:
        return ""
    return (
        f"The model against {counted(len(rows), 'measured step')} of this network, as graphs: {'; '.join(words)}. The "
        "cost of a launch and the power without work were taken from the measurements that come with archsim: against "
        "those, this is in part a fit."
    )


def catches_table(data: Data) -> Table:
    """From which batch on each GPU needs no more time, or energy, per example than the chip sustains."""
    rows: list[tuple[str, ...]] = []
    keys = ("time_per_example_s", "energy_per_example_j")
    for gpu in data["gpus"]:
        rows += [(f"{gpu['name']}, modelled", says(found["precision"]), *(catch_text(found, key) for key in keys))
                 for found in gpu["catches_up"]]  # fmt: skip
    for each in data["measured"]:
        of = f"{each['baseline'] or each['gpu']}, measured"
        rows += [(f"{of}, {found['how']}", says(found["precision"]), *(catch_text(found, key) for key in keys))
                 for found in each["catches_up"]]  # fmt: skip
    note = "Of the powers of 2 from 1 to 4,096, and of what was measured; against the chip's sustained figures."
    columns = (Column("GPU"), Column("precision"), Column("in time"), Column("in energy"))
    return Table("gpus_catch_up", "Batch size at which the GPU catches up", columns, tuple(rows), note)
