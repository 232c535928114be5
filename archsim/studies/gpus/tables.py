"""Tables of a chip against GPUs: the paper's comparison and what is left of it, peaks, modelled and measured rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import Any, TypeAlias

from archsim.base.units import engineering
from archsim.base.words import counted, per_cent
from archsim.baselines.gpus import PRECISIONS
from archsim.report.table import Column, Said, Table
from archsim.results.intervals import Cause
from archsim.studies.gpus.shape import (
    BoundedRow,
    Catch,
    Compared,
    GpuComparison,
    MeasuredRow,
    Own,
    Pair,
    Rate,
    Row,
    Sure,
)

Figure: TypeAlias = float | None

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


def conventions(data: Compared) -> tuple[str, ...]:
    """Return what must be said beside the figures: what is counted, what each includes, what differs."""
    counted = COUNTED[data.ops_per_synapse]
    return (
        f"Operations are counted alike on both sides: {counted}, bias rows included, whether or not the hardware does "
        "all of them. Ratios are chip / GPU: above 1 the chip is ahead.",
        "Chip, peak: all cells of all tiles busy all the time, without transfers and the host port; its time per "
        "example is that of as many operations. Chip, sustained: this run, transfers, host port and the whole die "
        "included.",
        "GPU, data sheet: dense peak (no sparsity), board power limit, area of the die; memory, board and host are in "
        "the power but not in the area. GPU, modelled: all of a step's kernels replayed as a graph, inputs on the "
        "device, which is the leanest way to work.",
        f"What differs: {BATCHED[data.mode]} At small batches a GPU waits for launches rather than computes, and "
        "several networks side by side would use it better; that is not counted here. The GPU computes in FP32, TF32, "
        "FP16 or BF16, the chip in analog values of a few bits; accuracy is compared elsewhere. The chip is a "
        "simulated spec, the reference one calibrated to its published peak; GPUs are products.",
        *filter(None, [model_check(data)]),
        *trust(data),
    )


def trust(data: Compared) -> tuple[str, ...]:
    """Return how far to trust modelled steps of several vectors, or of layers without weights; nothing of others."""
    validated = {row.validated for gpu in data.gpus for row in gpu.modelled if isinstance(row, BoundedRow)}
    return tuple((CHECKED if each else NOT_VALIDATED) + INTERVAL for each in validated)


CHECKED = (
    "No constant of the model was fitted to layers without weights. Held against 45 times of encoders that NVIDIA "
    "published of a V100 and an A100 it is off by 13 % in the median and by 22 % at the 90th percentile. "
)
NOT_VALIDATED = (
    "Modelled steps of this network are NOT validated: no measured ones of recurrent layers, or of training through "
    "layers without weights, are at hand. "
)
INTERVAL = (
    "How a library fuses kernels is assumed. The intervals go from a kernel that stays for all steps to kernels that "
    "the host starts one by one."
)


def ends(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the first and the last row, if there are any, each once."""
    return tuple(rows[:1]) + tuple(rows[-1:] if len(rows) > 1 else ())


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


def ladder(data: Compared) -> Iterator[tuple[str, Pair | Rate, str]]:
    """Yield from the paper's claim to what is left of it: comparison, ratios of efficiency and density, remark."""
    paper = data.paper
    if paper is not None:
        taken = engineering(paper.throughput_op_per_s, "OP/s")
        of = f"{paper.gpu} {says(paper.precision)}, peak taken as {taken}"
        quoted = paper.quoted
        claim = f"{quoted.efficiency_op_per_j:.0f}x and {quoted.throughput_per_area_op_per_s_m2:.0f}x"
        yield f"the reference chip as published / {of}", paper.published_ratio, f"the paper says {claim}"
        yield f"this chip's peak / {of}", paper.ratio.peak, ""
        yield f"this chip, sustained / {of}", paper.ratio.sustained, ""
    for gpu in data.gpus:
        of = f"{gpu.name} {says(gpu.fastest)}"
        yield f"{of}: chip's peak / data-sheet peak", gpu.peak.ratio.peak, ""
        yield f"{of}: sustained / data-sheet peak", gpu.peak.ratio.sustained, ""
        for row in ends(gpu.quickest):
            yield f"{of}: sustained / {gpu.modelled_words}, batch {row.batch:,}", row.ratio.sustained, between(row)


EFFICIENCY, DENSITY = "efficiency_op_per_j", "throughput_per_area_op_per_s_m2"
SHORT = {EFFICIENCY: "efficiency", DENSITY: "density"}


def _ends(own: Pair | Sure, figure: str) -> tuple[str, str]:
    ends = own.intervals.get(figure, (None, None)) if isinstance(own, Sure) else (None, None)
    low, high = ("" if end is None else times(end) for end in ends)
    return low, high


def ladder_table(data: Compared) -> Table:
    """The paper's comparison, and what is left of it against sustained figures and today's GPUs."""
    lines = list(ladder(data))
    ended = {name: any(_ends(own, name)[0] for _, own, _ in lines) for name in SHORT}
    heads, rows = [Column("chip / GPU")], [[words] for words, *_ in lines]
    for name, head in SHORT.items():
        heads += [Column(head), *([Column(f"{head}, low"), Column("high")] if ended[name] else [])]
        for row, (_, own, _) in zip(rows, lines, strict=True):
            row += [times(getattr(own, name)), *(_ends(own, name) if ended[name] else ())]
    columns, rows = (*heads, Column("remark")), [[*row, remark] for row, (*_, remark) in zip(rows, lines, strict=True)]
    return Table("gpus_ratios", "The published comparison, and what is left of it", columns, tuple(map(tuple, rows)))


def sure_table(data: Compared) -> Table:
    """The intervals of the chip's figures, of what GPUs are modelled to reach, and of their ratios."""
    rows: list[tuple[Any, ...]] = []

    def line(what: str, own: Rate, name: str, text: Callable[[float | None], str]) -> None:
        if name in own.intervals:
            nominal, low, high = (Said(each, text(each)) for each in (getattr(own, name), *own.intervals[name]))
            rows.append((what, SHORT[name], nominal, low, high, causes_text(own.causes.get(name, ()))))

    for name, text in ((EFFICIENCY, efficiency), (DENSITY, density)):
        for words, own in (("chip, peak", data.chip.peak), ("chip, sustained", data.chip.sustained)):
            line(words, own, name, text)
    for gpu in data.gpus:
        for row in gpu.quickest[-1:]:
            of = f"{gpu.name} {says(row.precision)}, batch {row.batch:,}"
            line(f"{of}, {gpu.modelled_words}", row, EFFICIENCY, efficiency)
            line(f"chip, sustained / {of}", row.ratio.sustained, EFFICIENCY, times)
    columns = (Column("what"), Column("figure"), Column("nominal"), Column("low"), Column("high"),
               Column("most of it by"))  # fmt: skip
    return Table("gpus_intervals", "Intervals, and what makes most of them", columns, tuple(rows), brief=True)


def causes_text(causes: Sequence[Cause]) -> str:
    """Return in words what makes most of an interval: of each cause the first figure, how many more, and its share."""
    told = []
    for cause in causes:
        first, *more = cause.figures
        told.append(f"{first}{f' and {len(more)} more' if more else ''} ({per_cent(cause.share, 0)})")
    return "; ".join(told)


def chips_table(data: GpuComparison) -> Table:
    """Chips beside each other, and the first over each of the others, in common draws."""
    rows: list[tuple[Any, ...]] = []
    every = [(data.arch.name, data.chip, None), *((own.arch.name, own.chip, own.ratio) for own in data.chips)]
    for words, attribute in (("sustained", "sustained"), ("peak", "peak")):
        for name, chip, ratio in every:
            own: Own = getattr(chip, attribute)
            over: Rate | None = getattr(ratio, attribute) if ratio is not None else None
            cells: list[Any] = [f"{name}, {words}", own.time_per_example_s]
            for figure in SHORT:
                scale = 1e-6 if figure == DENSITY else 1.0
                values = (getattr(own, figure), own.end(figure, 0), own.end(figure, 1))
                cells += [None if value is None else value * scale for value in values]
                ratios = (None,) * 3 if over is None else (getattr(over, figure), over.end(figure, 0),
                                                           over.end(figure, 1))  # fmt: skip
                cells += [_round(value) for value in ratios]
            cells.append("" if over is None else causes_text(over.causes.get(EFFICIENCY, ())))
            rows.append(tuple(cells))
    first = data.arch.name
    columns = [Column("chip"), Column("time per example", "s")]
    for head, unit in (("efficiency", "OP/s/W"), ("density", "OP/s/mm2")):
        columns += [Column(head, unit), Column("low", unit), Column("high", unit), Column(f"{first} / it: {head}"),
                    Column("low"), Column("high")]  # fmt: skip
    columns.append(Column("most of the ratio of efficiencies by"))
    note = "Figures of one source, or of one estimator, are one draw of both chips, and so is an assumption of both."
    return Table("gpus_chips", "Chips beside each other", tuple(columns), tuple(rows), note, turned=True, brief=True)


def peaks_table(data: Compared) -> Table:
    """Chip and GPUs by their peaks; the chip's sustained figures beside."""
    rows: list[tuple[Any, ...]] = []
    for name, own in (("peak", data.chip.peak), ("sustained", data.chip.sustained)):
        rows.append((f"chip, {name}", "analog", *_rate(own), None, None))
    for gpu in data.gpus:
        for row in gpu.peaks:
            ratio = row.ratio.peak
            rows.append((gpu.name, says(row.precision), *_rate(row), _round(ratio.efficiency_op_per_j),
                         _round(ratio.throughput_per_area_op_per_s_m2)))  # fmt: skip
    columns = (
        Column("what"), Column("precision"), Column("throughput", "OP/s"), Column("efficiency", "OP/s/W"),
        Column("density", "OP/s/mm2"), Column("chip's peak / GPU: efficiency"), Column("density"),
    )  # fmt: skip
    return Table("gpus_peaks", "Peaks by data sheet", columns, tuple(rows))


def _rate(own: Rate) -> tuple[Figure, ...]:
    return own.throughput_op_per_s, own.efficiency_op_per_j, _per_mm2(own.throughput_per_area_op_per_s_m2)


def _row(row: Row) -> tuple[Any, ...]:
    ratio = row.ratio.sustained
    ratios = (ratio.throughput_op_per_s, ratio.efficiency_op_per_j, ratio.throughput_per_area_op_per_s_m2)
    ends = (ratio.end(name, which) for name in ("throughput_op_per_s", *SHORT) for which in (0, 1))
    own = (row.end(name, which) for name in ("time_per_example_s", "energy_per_example_j") for which in (0, 1))
    return (row.batch, row.time_per_example_s, row.energy_per_example_j, row.power_w, *_rate(row),
            *map(_round, ratios), *map(_round, ends), *own)  # fmt: skip


def between(row: Row) -> str:
    """Return the interval of a modelled step's time in words; nothing where it has none."""
    if not isinstance(row, BoundedRow):
        return ""
    low, high = (engineering(each, "s", 3) for each in row.time_per_example_interval_s)
    return f"{low} to {high} an example"


def _bounds(row: Row) -> tuple[float, ...]:
    if not isinstance(row, BoundedRow):
        return ()
    return (*row.time_per_example_interval_s, *row.energy_per_example_interval_j)


_OF_BOUNDED = (
    Column("time: quickest kernels", "s"), Column("time: slowest", "s"), Column("energy: least", "J"),
    Column("energy: most", "J"),
)  # fmt: skip


def _of_rows(rows: Iterable[Row]) -> tuple[Column, ...]:
    """Return the columns of rows; ends of intervals, but for those of efficiency, stand in the file alone."""
    ended = any(row.ratio.sustained.intervals for row in rows)
    return (
        Column("batch"), Column("time per example", "s"), Column("energy per example", "J"), Column("power", "W"),
        Column("throughput", "OP/s"), Column("efficiency", "OP/s/W"), Column("density", "OP/s/mm2"),
        Column("sustained chip / GPU: throughput"), Column("chip / GPU: efficiency"), Column("chip / GPU: density"),
        *(Column(f"chip / GPU: {name}, {end}", shown=ended and name == "efficiency", brief=False)
          for name in ("throughput", "efficiency", "density") for end in ("low", "high")),
        *(Column(f"{name} per example, {end}", unit, shown=False)
          for name, unit in (("time", "s"), ("energy", "J")) for end in ("low", "high")),
    )  # fmt: skip


def modelled_table(data: Compared, brief: bool = False) -> Table:
    """A row per GPU, precision and batch, as modelled; if brief, of the fastest precision, and at most 7 batches."""
    batches = sorted({row.batch for gpu in data.gpus for row in gpu.modelled})
    shown = batches[:: max(1, -(-len(batches) // 7))] if brief else batches
    rows = tuple(
        (gpu.name, says(row.precision), *_row(row), *_bounds(row))
        for gpu in data.gpus for row in gpu.modelled
        if row.batch in shown and (not brief or row.precision == gpu.fastest)
    )  # fmt: skip
    title = data.gpus[0].modelled_words if data.gpus else "modelled"
    of_rows = _of_rows(row for gpu in data.gpus for row in gpu.modelled)
    columns = (Column("GPU"), Column("precision"), *of_rows, *(_OF_BOUNDED if trust(data) else ()))
    return Table("gpus_modelled", title[0].upper() + title[1:], columns, rows)


def measured_table(data: Compared, brief: bool = False) -> Table:
    """A row per measured GPU, precision, way and batch, with what the model says; if brief, the quickest series."""
    of_rows = _of_rows(row for each in data.measured for row in each.rows)
    columns = (Column("GPU"), Column("precision"), Column("how"), *of_rows, Column("modelled / measured: time"),
               Column("modelled / measured: energy"))  # fmt: skip
    rows = tuple(
        (each.gpu, says(row.precision), row.how, *_row(row), _round(row.modelled_over_measured_time),
         _round(row.modelled_over_measured_energy))
        for each in data.measured for row in each.rows
        if not brief or (row.precision, row.how) == _quickest(each.rows)
    )  # fmt: skip
    return Table("gpus_measured", "Measured", columns, rows)


def _quickest(rows: Sequence[MeasuredRow]) -> tuple[str, str]:
    """Return the precision and way that take the least time per example at the largest batch."""
    largest = max(row.batch for row in rows)
    best = min((row for row in rows if row.batch == largest), key=lambda row: row.time_per_example_s)
    return best.precision, best.how


def model_check(data: Compared) -> str:
    """Return in words how far the model is from the measured steps of this network; "" if there are none."""
    rows = [row for each in data.measured for row in each.rows if row.how == "graph"]
    words = []
    for what, known in (("time", [row.modelled_over_measured_time for row in rows]),
                        ("energy", [row.modelled_over_measured_energy for row in rows])):  # fmt: skip
        found = sorted(own for own in known if own is not None)
        if found:
            words.append(f"{what} x {median(found):.2f} in the middle, {found[0]:.2f} to {found[-1]:.2f}")
    if not words:
        return ""
    return (
        f"The model against {counted(len(rows), 'measured step')} of this network, as graphs: {'; '.join(words)}. The "
        "cost of a launch and the power without work were taken from the measurements that come with archsim: against "
        "those, this is in part a fit."
    )


def catches_table(data: Compared) -> Table:
    """From which batch on each GPU needs no more time, or energy, per example than the chip sustains."""
    rows: list[tuple[str, ...]] = []
    for gpu in data.gpus:
        rows += [(f"{gpu.name}, {gpu.modelled_words}", says(own.precision), *caught(own)) for own in gpu.catches_up]
    for each in data.measured:
        of = f"{each.baseline or each.gpu}, measured"
        rows += [(f"{of}, {own.how}", says(own.precision), *caught(own)) for own in each.catches_up]
    note = "Of the powers of 2 from 1 to 4,096, and of what was measured; against the chip's sustained figures."
    columns = (Column("GPU"), Column("precision"), Column("batch to catch up in time"), Column("in energy"))
    return Table("gpus_catch_up", "Batch size at which the GPU catches up", columns, tuple(rows), note)


def caught(own: Catch) -> tuple[str, str]:
    """Return in words from which batch on a GPU catches up with what the chip sustains, in time and in energy."""
    return (
        _from(own, own.sustained.time_per_example_s, own.known.time_per_example_s),
        _from(own, own.sustained.energy_per_example_j, own.known.energy_per_example_j),
    )


def _from(own: Catch, batch: int | None, known: bool) -> str:
    if not known:
        return "not measured"
    if batch is None:
        return f"not up to {max(own.batches):,}"
    return "at every batch" if batch == min(own.batches) == 1 else f"from {batch:,}"
