"""The figures of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.base.units import engineering
from archsim.report.colours import COLOURS, CYCLE
from archsim.report.figure import Axis, Box, Dot, Plot, Series, axis, linear, logarithmic
from archsim.studies.train.measures import measure

if TYPE_CHECKING:
    from archsim.functional.probe import Findings

SIDES = (("float", COLOURS["load"], "floating point"), ("chip", COLOURS["forward"], "on the chip"))
MOST_EPOCHS = 30
"""Beyond so many, epochs have no dots of their own."""


def learning(history: Mapping[str, Any], name: str = "accuracy") -> Plot | None:
    """Return accuracy (or R2) on the test set by epoch, on the chip and in floating point; None before the first."""
    what = measure(history)
    runs = {side: history[what.key_of(side)] for side, *_ in SIDES}
    words = f"{what.title} on the test set", what.axis.split(",")[0]
    return _curves(name, *words, runs, history["seeds"], what.unit, what.text)


def losses(history: Mapping[str, Any]) -> Plot | None:
    """Return the mean loss of each epoch, on the chip and in floating point; None before the first."""
    runs = {side: history[f"loss_{side}"] for side, *_ in SIDES}
    return _curves("loss", "Loss", "mean loss in training", runs, history["seeds"], "", "{:.4g}".format, zero=True)


def _curves(
    name: str, title: str, label: str, runs: Mapping[str, Sequence[Sequence[float | None]]], seeds: Sequence[int],
    unit: str, text: Any, zero: bool = False,
) -> Plot | None:  # fmt: skip
    known = {
        side: [[(epoch, value) for epoch, value in enumerate(run, 1) if value is not None] for run in own]
        for side, own in runs.items()
    }
    values = [value for own in known.values() for run in own for _, value in run]
    if not values:
        return None
    epochs = max(epoch for own in known.values() for run in own for epoch, _ in run)
    series = []
    for side, tone, words in SIDES:
        for seed, run in zip(seeds, known[side], strict=False):
            dots = tuple(
                Dot(epoch, value, f"{words}, seed {seed}, epoch {epoch}: {text(value)}", size=0.6)
                for epoch, value in run
            )  # fmt: skip
            series.append(Series(words, tone, dots, dashed=side == "float", shown=epochs <= MOST_EPOCHS))
    x = linear("epoch", [1, max(epochs, 2)], "{:,.6g}".format, low=1.0, high=float(max(epochs, 2)))
    x = Axis(x.label, x.low, x.high, tuple((at, say) for at, say in x.ticks if at == int(at)))
    return Plot(name, title, "", x, axis(label, values, unit, zero=zero), tuple(series))


def conductances(findings: Findings) -> list[Plot]:
    """Return a histogram of each quantity of the cells, before and after the last transfer."""
    tones = {"before": COLOURS["load"], "after": COLOURS["forward"], "at the end": COLOURS["forward"]}
    found = []
    for place, each in enumerate(findings.histograms):
        most = max((count for counts in each.counts.values() for count in counts), default=0)
        y = logarithmic("cells", [0.7, max(most, 2)], "{:,.6g}".format)
        boxes, series, legend = [], [], []
        for moment, counts in each.counts.items():
            says = f"{moment} the last transfer" if findings.transferred else moment
            bins = list(zip(each.edges_us, each.edges_us[1:], counts, strict=False))
            if moment == "before":
                boxes += [
                    Box(low, y.low, high - low, count - y.low, tones[moment],
                        f"{says}, {low:.3g} to {high:.3g} uS: {count:,} cells")
                    for low, high, count in bins if count
                ]  # fmt: skip
                legend.append((says, tones[moment]))
            else:
                corners = [Dot(at, max(count, y.low), "") for low, high, count in bins for at in (low, high)]
                series.append(Series(says, tones[moment], tuple(corners), shown=False))
        x = axis(f"{each.name}, uS", [each.edges_us[0], each.edges_us[-1]], room=0.0)
        name = "conductances" if not place else f"conductances_{place + 1}"
        found.append(Plot(name, f"Cells by {each.name}", "", x, y, tuple(series), tuple(boxes), tuple(legend)))
    return found


def weight_error(findings: Findings) -> Plot:
    """Return what leakage took from the weights, by the time since their transfer, for each layer."""
    series = []
    for place, each in enumerate(findings.losses):
        tone = CYCLE[place % len(CYCLE)]
        for label, held, dashed in (("RMS", each.rms_us, False), ("mean", each.mean_us, True)):
            dots = tuple(
                Dot(time, value, f"{each.layer}, {label}, {engineering(time, 's')}: {value:.3g} uS", size=0.5)
                for time, value in zip(each.time_s, held, strict=True)
            )  # fmt: skip
            series.append(Series(f"{each.layer}, {label}", tone, dots, dashed=dashed))
    longest = max(each.time_s[-1] for each in findings.losses)
    if findings.tau_s and findings.offset_us:
        dots = tuple(
            Dot(longest * i / 100, findings.nominal_us(longest * i / 100), "") for i in range(101)
        )  # fmt: skip
        series.append(Series("offset, nominal cell", "#b03a2e", dots, shown=False, dashed=True))
    values = [dot.y for own in series for dot in own.dots]
    return Plot(
        "weight_error", "What leakage took", "Full lines are RMS over cells, dashed ones means.",
        axis("time since the transfer", [0.0, longest], "s", zero=True, room=0.0),
        axis("taken from a weight, uS", [0.0, *values]), tuple(series),
    )  # fmt: skip
