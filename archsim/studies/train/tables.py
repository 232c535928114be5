"""The tables of a training: what it reached, epoch by epoch, saturation, and what the cells hold and lose."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from archsim.base.words import counted, per_cent
from archsim.functional.findings import Findings
from archsim.functional.paired import difference
from archsim.functional.ranges import OF_TRANSFERS, REMEDIES, WORTH_A_WARNING
from archsim.report.table import Column, Said, Table, words
from archsim.studies.train.history import History
from archsim.studies.train.measures import NATS, measure

MOST_EPOCHS = 200
"""So many rows of epochs are in a page; the CSV file has all of them."""
MOST_LAYERS_ACROSS = 4
"""So many layers stand side by side; of more, each is a row."""


def final_table(data: History) -> Table | None:
    """Return what was reached after the last epoch; None if no epoch was finished, or the training diverged."""
    what, seeds = measure(data), len(data.seeds)
    if data.diverged is not None or not any(data.loss_chip):
        return None
    read = {"the test set": (*data.reached, data.final.difference)}
    if data.validated:
        chip, floating = data.validation
        apart = None if chip is None or floating is None else chip - floating
        read = {data.judged_on: (chip, floating, apart), **read}
    on_chip, in_float, differences = zip(*read.values(), strict=True)
    entropies = data.final_entropies
    columns = (
        Column("after the last epoch" + (f", mean of {counted(seeds, 'seed')}" if seeds > 1 else "")),
        *(Column(f"{what.name} on {where}", what.unit, 2) for where in read),
        *(Column(f"cross-entropy on {where}, {NATS}") for where in entropies),
        Column("mean loss in training"),
    )
    rows = (
        ("on the chip", *on_chip, *(own for own, _ in entropies.values()),
         fmean(run[-1] for run in data.loss_chip if run)),
        ("in floating point", *in_float, *(own for _, own in entropies.values()),
         fmean(run[-1] for run in data.loss_float if run)),
        (
            "difference",
            *(Said(own, difference_text(data, own)) if what.unit and own is not None else own for own in differences),
            *(_excess(data, *own) for own in entropies.values()),
            None,
        ),
    )  # fmt: skip
    return Table("final", "What was reached", columns, rows, brief=True)


def _excess(data: History, chip: float | None, floating: float | None) -> Said | None:
    """Return by what share the chip's cross-entropy is above the baseline's, as people read it."""
    if chip is None or not floating:
        return None
    return Said(chip / floating - 1, difference_text(data, chip / floating - 1, "cross_entropy"))


def difference_text(data: History, value: float, of: str = "accuracy") -> str:
    """Return a difference in words; one that is none is not shown as a number."""
    comparison = data.final.comparison
    return "does not count" if comparison is not None and comparison.against else difference(value, of)


def history_table(data: History) -> Table:
    """Return what each epoch of each seed reached."""
    what = measure(data)
    tested = data.tested.values() if data.validated else ()
    entropies = data.entropies
    every = (*data.merit.values(), *data.losses.values(), *entropies.values(), data.pulses_per_synapse,
             data.clipped_share, *tested)  # fmt: skip
    rows = [
        (seed, epoch, *values)
        for seed, *runs in zip(data.seeds, *every, strict=True)
        for epoch, values in enumerate(zip(*runs, strict=True), 1)
    ]
    columns = (
        Column("seed"), Column("epoch"), Column(what.head("on the chip"), what.unit, 2),
        Column(what.head("floating point"), what.unit, 2), Column("loss, chip"), Column("loss, float"),
        *(Column(f"cross-entropy, {where}") for where in entropies),
        Column("pulses per synapse"), Column("clipped", "%", 2),
        *(Column(what.head(f"{where}, test"), what.unit, 2) for where in ("chip", "float") if data.validated),
    )  # fmt: skip
    return Table("history", "Epochs", columns, tuple(rows), most=MOST_EPOCHS)


# ---- saturation


def saturation_table(data: History) -> Table:
    """Return the shares of what met an end of a range by seed, epoch and layer, and of what transfers programmed."""
    kinds = (*REMEDIES, OF_TRANSFERS)
    rows = [
        (seed, epoch, layer, *(own.get(kind) for kind in kinds))
        for seed, run in zip(data.seeds, data.saturation, strict=True)
        for epoch, layers in enumerate(run, 1)
        for layer, own in layers.items()
    ]
    columns = (Column("seed"), Column("epoch"), Column("layer"), *(Column(words(kind), "%", 2) for kind in kinds))
    return Table("saturation", "By seed, epoch and layer", columns, tuple(rows), most=0)


def most_saturated(data: History) -> Table:
    """Return by layer the largest share that any seed and epoch had; those worth a warning are marked."""
    found: dict[str, list[Mapping[str, float]]] = {}
    for layer, own in ((layer, own) for run in data.saturation for layers in run for layer, own in layers.items()):
        found.setdefault(layer, []).append(own)
    rows = tuple(
        (layer, *(max((own[kind] for own in all_of if kind in own), default=None) for kind in REMEDIES))
        for layer, all_of in found.items()
    )
    marked = {
        (place, i) for place, row in enumerate(rows) for i, value in enumerate(row)
        if not isinstance(value, str) and value is not None and value > WORTH_A_WARNING
    }  # fmt: skip
    columns = (Column("layer"), *(Column(words(kind), "%", 2) for kind in REMEDIES))
    return Table("saturation_most", "Largest shares", columns, rows, f"Above {per_cent(WORTH_A_WARNING, 0)} in bold.",
                 marked=frozenset(marked), turned=len(rows) <= MOST_LAYERS_ACROSS)  # fmt: skip


# ---- cells


def conductances_table(findings: Findings) -> Table:
    """Return the histograms of all quantities of the cells, for their file."""
    rows = [
        (each.name, moment, 1e-6 * low, 1e-6 * high, count)
        for each in findings.histograms
        for moment, counts in each.counts.items()
        for low, high, count in zip(each.edges_us, each.edges_us[1:], counts, strict=False)
    ]
    columns = (Column("quantity"), Column("moment"), Column("from", "S"), Column("to", "S"), Column("cells"))
    return Table("conductances", "Bins of the histograms", columns, tuple(rows), most=0)


def weight_error_table(findings: Findings) -> Table:
    """Return what leakage took from the weights by layer and time; of each layer, the longest time is shown."""
    rows, longest = [], []
    for each in findings.losses:
        for time, n, mean, rms in zip(each.time_s, each.samples, each.mean_us, each.rms_us, strict=True):
            nominal = 1e-6 * findings.nominal_us(time) if findings.tau_s else None
            rows.append(
                (each.layer, time, n, 1e-6 * rms, 1e-6 * mean, nominal, rms / each.alpha_us, mean / each.alpha_us)
            )
        longest.append(rows[-1])
    columns = (
        Column("layer"), Column("time since the transfer", "s"), Column("samples"), Column("RMS", "S"),
        Column("mean", "S"), Column("offset of the nominal cell", "S"), Column("RMS, network units"),
        Column("mean, network units"),
    )  # fmt: skip
    note = "Of each layer the longest time; weight_error.csv has all."
    return Table("weight_error", "What leakage took at the longest", columns, tuple(rows), note, shown=tuple(longest),
                 turned=len(longest) <= MOST_LAYERS_ACROSS)  # fmt: skip
