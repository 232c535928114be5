"""The report of a training as a document: the chip beside floating point, and its cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from archsim.base.words import counted, per_cent, points
from archsim.functional.paired import said_of
from archsim.report.document import Block, Document, Fold, Section, say
from archsim.studies.train.figures import conductances, entropies, learning, losses, weight_error
from archsim.studies.train.history import History, Rates
from archsim.studies.train.measures import LOSSES, R2, measure
from archsim.studies.train.tables import (
    conductances_table,
    final_table,
    history_table,
    most_saturated,
    saturation_table,
    weight_error_table,
)

ACTIVITY = "activity.yaml"
"""The file of the activity of the arrays."""


def document(data: History) -> Document:
    """Return the report of a training: it depends on what history.json holds alone.

    Its files lie beside those of a run, under no folder.
    """
    made = Document(
        f"Training {data.workload.name} on {data.arch.name}", tuple(_head(data)),
        (_epochs(data), *_saturation(data), *_cells(data)), stem="train", figures_in="", tables_in="",
    )  # fmt: skip
    foot: list[Block] = [say("Tables: {names}.", names=", ".join(f"{name}.csv" for name in made.tables()))]
    if data.activity:
        many = ", mean of the seeds that were finished" if len(data.seeds) > 1 else ""
        foot.append(say("Activity of the arrays, for `archsim run --activity`: `{file}`{many}.", file=ACTIVITY,
                        many=many))  # fmt: skip
    return replace(made, foot=(*foot, *data.ends(data.arch, data.workload)))


def _head(data: History) -> list[Block]:
    epochs = max(map(len, data.loss_chip), default=0)
    head: list[Block] = [
        say("{epochs}, {seeds}{ablated}.", brief=True, kind="lead", epochs=counted(epochs, "epoch"),
            seeds=counted(len(data.seeds), "seed"),
            ablated=f"; taken away from the chip: {', '.join(data.ablated)}" if data.ablated else "")
    ]  # fmt: skip
    if data.diverged is not None:
        head.append(say("Diverged: {says}. What follows is what was reached before.", kind="failed", brief=True,
                        says=data.diverged.says))  # fmt: skip
    elif not data.complete:
        head.append(say("**Interrupted**: this is the history so far; the command below with `--resume` goes on.",
                        kind="warning"))  # fmt: skip
    final = final_table(data)
    head += [final] if final is not None else []
    head += list(_compared(data))
    head += [say("**Warning**: {line}.", kind="warning", brief=True, line=line) for line in data.warnings]
    if data.defaults is not None:
        head.append(say("{told}.", brief=True, kind="note", told=data.defaults[:1].upper() + data.defaults[1:]))
    if data.data.splits is not None:
        head.append(say(
            "Training and test part are put together and split: each seed is tested on one of {splits} shares of all "
            "examples and trained on the others.", brief=True, splits=data.data.splits,
        ))  # fmt: skip
    if data.data.said is not None:
        head.append(say(
            "An epoch has {there}, as the data do, where {workload} says {said:,}; time and transfers follow.",
            brief=True, there=counted(data.data.train, "example"), workload=data.workload.name, said=data.data.said,
        ))  # fmt: skip
    if data.data.mean_steps is not None:
        head.append(say(
            "Time, energy and transfers follow examples of {mean}, the mean of those for training; the longest "
            "has {steps}.", brief=True, mean=counted(data.data.mean_steps, "step"), steps=data.data.steps,
        ))  # fmt: skip
    head.append(say(
        "{train} for training{validation} and {test} for testing: {source}.{once} The floating-point baseline has the "
        "same network, examples, order and seed. The learning rate {rates}. The loss is {loss}, as a mean over an "
        "epoch's examples in training.{r2}",
        train=counted(data.data.train, "example"), test=f"{data.data.test:,}",
        validation=f", {data.data.validation:,} for validation" if data.validated else "",
        once=" Those for validation were held back from training, at even distances through the classes: "
        "epochs are judged on them, and the test set is read once, after the last." if data.validated else "",
        source=data.data.source, rates=_rates(data.rates), loss=LOSSES[data.loss],
        r2=" R2 is the share of the targets' variance, all outputs together, that the network gives."
        if measure(data) is R2 else "",
    ))  # fmt: skip
    return head


def _compared(data: History) -> Iterator[Block]:
    """Yield how sure the difference is, and whether a goal is met."""
    own = data.final.comparison
    if own is None:
        return
    if own.against:
        yield say("**The comparison does not count**: the warnings below say why.", kind="warning", brief=True)
    else:
        what = "" if own.interval.of == "accuracy" else ", cross-entropy on the test set"
        yield say("The chip against its baseline{what}: {says}.", brief=True, what=what, says=said_of(own.interval))
    if own.goal is not None and own.verdict is not None:
        aim = f"{points(own.goal).removeprefix('+')} below its baseline"
        if own.interval.of == "cross_entropy":
            aim = f"{per_cent(own.goal, 2)} above its baseline in cross-entropy"
        yield say(
            "The goal, a chip at most {aim}: **{verdict}**. It is met where the mean is within it and the end of the "
            "interval less than twice as far, missed where all of the interval lies beyond{or_above}.", brief=True,
            aim=aim, verdict=own.verdict,
            or_above=", or the chip above the ceiling" if own.interval.of == "cross_entropy" else "",
        )  # fmt: skip


def _rates(rates: Rates) -> str:
    chip, floating = (
        f"begins at {own.first:g}, is multiplied by {own.decay:g} with each epoch and kept above "
        f"{own.first * own.floor:g}"
        if own.decay != 1
        else f"is {own.first:g}"
        for own in (rates.chip, rates.floating)
    )
    return chip if chip == floating else f"{chip}; the baseline's own {floating}"


def _epochs(data: History) -> Section:
    table = history_table(data)
    drawn = learning(data), entropies(data), losses(data)
    figures = tuple(figure for figure in drawn if figure is not None)
    return Section("epochs", "Epoch by epoch", (*figures, Fold(table.title, (table,))))


def _saturation(data: History) -> tuple[Section, ...]:
    """Return the section about what met an end of a range, if anything was watched."""
    most, every = most_saturated(data), saturation_table(data)
    if not most.rows:
        return ()
    words = say(
        "The largest share of any seed and epoch. Each is of what it names: conductances asked for in transfers, "
        "weights, cells written, capacitors, columns and pulses of updates."
    )
    return (Section("saturation", "What met an end of a range", (words, most, every)),)


def _cells(data: History) -> tuple[Section, ...]:
    """Return the section about what the probe saw, if it saw anything; earlier versions did not keep that."""
    findings = data.findings
    if findings is None:
        words = "What the cells hold and lose is not in this file, which an earlier archsim wrote: train again for it."
        return (Section("cells", "The cells", (say(words),)),) if data.complete else ()
    when = (
        "before and after each row's last transfer" if findings.transferred else "at the end; nothing was transferred"
    )
    blocks: list[Block] = [
        say("What the cells of all shards hold {when} (seed {seed}).", when=when, seed=findings.seed),
        *conductances(findings),
        conductances_table(findings),
    ]
    if not findings.losses:
        return (Section("cells", "The cells", (*blocks, say("Nothing leaked."))),)
    began = "the rows' last transfer but one" if findings.transferred else "they were first programmed"
    blocks += [
        say(
            "What leakage took from the weights since {began}, by how long ago that was. The mean is signed by the "
            "polarity of the row, so that it is what the capacitors lost; the nominal cell loses the offset that it "
            "holds. A network unit is the conductance of a weight of one.",
            began=began,
        ),
        *weight_error(findings),
        weight_error_table(findings),
    ]
    return (Section("cells", "The cells", tuple(blocks)),)
