"""The figures of a training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.functional.findings import Findings
from archsim.report.colours import COLOURS, CYCLE
from archsim.report.figure import Axis, Box, Dot, Plot, Series, axis, linear, logarithmic
from archsim.studies.train.history import History, Sides
from archsim.studies.train.measures import NATS, measure

SIDES = (("float", "#7f8c8d", "floating point"), ("chip", COLOURS["forward"], "on the chip"))
MOST_EPOCHS = 30
"""Beyond so many, epochs have no dots of their own."""


def learning(history: History, name: str = "accuracy") -> Plot | None:
    """Return accuracy (or R2) by epoch, on the chip and in floating point; None before the first.

    It is that on the validation set where there is one, else on the test set.
    """
    what = measure(history)
    words = f"{what.name} on {history.judged_on}"
    return _curves(name, f"{words[0].upper()}{words[1:]}", words, history.merit, history.seeds, what.unit, what.text)


def entropies(history: History) -> Plot | None:
    """Return cross-entropy by epoch, where sequences are answered step by step; None before the first."""
    if not history.entropies:
        return None
    words = f"cross-entropy on {history.judged_on}"
    label = f"{words}, {NATS}"
    return _curves("cross_entropy", f"{words[0].upper()}{words[1:]}", label, history.entropies, history.seeds, "",
                   "{:.4g}".format)  # fmt: skip


def losses(history: History) -> Plot | None:
    """Return the mean loss of each epoch, on the chip and in floating point; None before the first."""
    words = "Loss", "mean loss in training"
    return _curves("loss", *words, history.losses, history.seeds, "", "{:.4g}".format, zero=True)


def _curves(
    name: str, title: str, label: str, runs: Sides, seeds: Sequence[int], unit: str, text: Any, zero: bool = False
) -> Plot | None:  # fmt: skip
    known = {
        side: [[(epoch, value) for epoch, value in enumerate(run, 1) if value is not None] for run in own]
        for side, own in runs.items()
    }
    values = [value for own in known.values() for run in own for _, value in run]
    if not values:
        return None
    epochs = max(epoch for own in known.values() for run in own for epoch, _ in run)
    several = max(map(len, known.values())) > 1
    series = []
    for side, tone, words in SIDES:
        for seed, run in zip(seeds, known[side], strict=False):
            dots = tuple(
                Dot(epoch, value, f"{words}, seed {seed}, epoch {epoch}: {text(value)}", size=0.6)
                for epoch, value in run
            )  # fmt: skip
            own = f"{words}, seed {seed}" if several else words
            shown = not several and epochs <= MOST_EPOCHS
            series.append(Series(own, tone, dots, dashed=side == "float", shown=shown, thin=several))
        if several:
            dots = tuple(_means(words, known[side], text))
            series.append(Series(words, tone, dots, dashed=side == "float", shown=epochs <= MOST_EPOCHS))
    says = "Full lines are the chip's, dashed ones those in floating point."
    says += " Thick lines are the mean of the seeds that reached an epoch, thin ones the seeds." if several else ""
    x = linear("epoch", [1, max(epochs, 2)], "{:,.6g}".format, low=1.0, high=float(max(epochs, 2)))
    x = Axis(x.label, x.low, x.high, tuple((at, say) for at, say in x.ticks if at == int(at)))
    return Plot(name, title, says, x, axis(label, values, unit, zero=zero), tuple(series))


def _means(words: str, runs: Sequence[Sequence[tuple[int, float]]], text: Any) -> Iterator[Dot]:
    """Yield the mean of the seeds that reached an epoch, for each epoch."""
    for epoch in sorted({epoch for run in runs for epoch, _ in run}):
        own = [value for run in runs for at, value in run if at == epoch]
        least, mean, most = (text(value) for value in (min(own), fmean(own), max(own)))
        says = f"{mean}, mean of {counted(len(own), 'seed')}, {least} to {most}"
        yield Dot(epoch, fmean(own), f"{words}, epoch {epoch}: {says}", size=0.6)


def conductances(findings: Findings) -> list[Plot]:
    """Return a histogram of each quantity of the cells, before and after the last transfer."""
    tones = {"before": COLOURS["load"], "after": COLOURS["forward"], "at the end": COLOURS["forward"]}
    found = []
    for place, each in enumerate(findings.histograms):
        most = max((count for counts in each.counts.values() for count in counts), default=0)
        y = logarithmic("cells", [0.7, max(most, 2)], "{:,.6g}".format)
        boxes, series, legend = [], [], []
        bins = list(zip(each.edges_us, each.edges_us[1:], strict=False))
        tips = [
            f"{low:.3g} to {high:.3g} uS: "
            + ", ".join(f"{counted(own[i], 'cell')} {_says(moment, findings)}" for moment, own in each.counts.items())
            for i, (low, high) in enumerate(bins)
        ]  # fmt: skip
        for moment, counts in each.counts.items():
            # Under a line that shows what is after, boxes that cannot be seen have the tooltips.
            tone = tones[moment] if moment == "before" else "transparent"
            boxes += [Box(low, y.low, high - low, count - y.low, tone, tip)
                      for (low, high), count, tip in zip(bins, counts, tips, strict=True) if count]  # fmt: skip
            if moment == "before":
                legend.append((_says(moment, findings), tone))
            else:
                corners = [
                    Dot(at, max(count, y.low), "") for ends, count in zip(bins, counts, strict=True) for at in ends
                ]
                series.append(Series(_says(moment, findings), tones[moment], tuple(corners), shown=False))
        x = axis(f"{each.name}, uS", [each.edges_us[0], each.edges_us[-1]], room=0.0)
        name = "conductances" if not place else f"conductances_{place + 1}"
        found.append(Plot(name, f"Cells by {each.name}", "", x, y, tuple(series), tuple(boxes), tuple(legend)))
    return found


def _says(moment: str, findings: Findings) -> str:
    return f"{moment} the last transfer" if findings.transferred else moment


def weight_error(findings: Findings) -> list[Plot]:
    """Return what leakage took from the weights of each layer by the time since their transfer: in uS, in weights."""
    return [_leaked(findings, "weight_error", "uS", in_weights=False),
            _leaked(findings, "weight_error_network", "network units", in_weights=True)]  # fmt: skip


def _leaked(findings: Findings, name: str, unit: str, in_weights: bool) -> Plot:
    series = []
    for place, each in enumerate(findings.losses):
        tone, scale = CYCLE[place % len(CYCLE)], each.alpha_us if in_weights else 1.0
        for label, values, dashed in (("RMS", each.rms_us, False), ("mean", each.mean_us, True)):
            dots = tuple(
                Dot(time, value / scale,
                    f"{each.layer}, {label}, {engineering(time, 's')} after its transfer: {value / scale:.3g} {unit}",
                    size=0.5)
                for time, value in zip(each.time_s, values, strict=True)
            )  # fmt: skip
            series.append(Series(each.layer, tone, dots, dashed=dashed))
    longest = max(each.time_s[-1] for each in findings.losses)
    if findings.tau_s and findings.offset_us and not in_weights:
        dots = tuple(Dot(longest * i / 100, findings.nominal_us(longest * i / 100), "") for i in range(101))
        series.append(Series("offset, nominal cell", "#b03a2e", dots, shown=False, dashed=True))
    taken = [dot.y for own in series for dot in own.dots]
    return Plot(
        name, f"What leakage took, in {unit}", "Full lines are root mean squares over cells, dashed ones means.",
        axis("time since the transfer", [0.0, longest], "s", zero=True, room=0.0),
        axis(f"taken from a weight, {unit}", [0.0, *taken]), tuple(series),
    )  # fmt: skip
