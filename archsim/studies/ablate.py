"""Ablations: each imperfection of a chip is taken away in turn, and the chip is trained again, with several seeds.

What a chip has nothing of is not trained without: it would be the same training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from archsim.base.arrays import Array
from archsim.base.errors import ArchsimError
from archsim.base.record import Named, Record
from archsim.base.words import counted, points
from archsim.chip import build_chip
from archsim.functional.ablations import ABLATIONS
from archsim.functional.epochs import Epoch
from archsim.functional.paired import Interval, difference, excess_of, interval_of, unpacked, unpacked_losses
from archsim.functional.train import check_ablations, has
from archsim.mapping import build_schedule, map_workload
from archsim.report.document import Block, Document, Section, say
from archsim.report.table import Column, Said, Table
from archsim.studies.names import default_folder
from archsim.studies.study import Data, Pair, Prepared, Progress, Study, named, registered, signed, unsaid
from archsim.studies.tasks.bench import Spread, bench, outcomes
from archsim.studies.train.history import Examples
from archsim.studies.train.measures import ACCURACY, R2, Measure
from archsim.studies.train.seed_task import SeedTask, Trained
from archsim.studies.train.study import Inputs as TrainInputs
from archsim.studies.train.study import Task


@dataclass(frozen=True)
class Inputs(Spread, Pair):
    """A chip, a workload, what is taken away in turn, by default each thing that can be, and the seeds."""

    words = "ablate"
    only: tuple[str, ...] = ()
    epochs: int | None = None
    seeds: int = 3
    seed: int = 0
    data: Path | None = unsaid()


class Ablated(Record):
    """A chip without something, or, without a name, the chip as given: what it reached on the test set by seed.

    `against` is its difference to the chip as given, where examples have classes. Where one of its seeds `diverged`,
    the words say so and there is nothing else.
    """

    name: str
    reached: tuple[float | None, ...] = ()
    loss: tuple[float | None, ...] = ()
    against: Interval | None = None
    diverged: str | None = None


class Ablations(Data):
    """What ablations.json holds. `floating` is what the baseline reached on the test set, by seed."""

    schema_id: Literal["archsim-ablations-1"] = signed("archsim-ablations-1")
    arch: Named
    workload: Named
    data: Examples
    epochs: int
    seeds: tuple[int, ...]
    classes: bool
    floating: tuple[float | None, ...]
    chips: tuple[Ablated, ...]


def prepare(inputs: Inputs) -> Prepared[Ablations]:
    """Return a study to be made; raise SpecError with all that is wrong."""
    names = tuple(dict.fromkeys(inputs.only)) or ABLATIONS
    check_ablations(names, "--only")
    task = Task(TrainInputs(inputs.arch, inputs.workload, sets=inputs.sets, ablate=names, epochs=inputs.epochs,
                            seeds=inputs.seeds, seed=inputs.seed, data=inputs.data))  # fmt: skip

    def compute(progress: Progress, folder: Path) -> Ablations:
        chip, network = build_chip(task.chip.value), task.network.value
        schedule = build_schedule(chip, map_workload(network, chip), task.epochs * network.dataset.examples)
        trained = ("", *(name for name in names if has(schedule, name)))
        tasks = [of(task, seed, name) for name in trained for seed in task.seeds]
        with bench(inputs, folder) as tasks_done:
            found = [_trained(own) for own in outcomes(tasks_done, tasks, progress, needs_first=True)]
        count = len(task.seeds)
        by_name = {name: found[place * count : (place + 1) * count] for place, name in enumerate(trained)}
        return made(inputs, task, {name: by_name.get(name, by_name[""]) for name in ("", *names)})

    return Prepared(default_folder(task.chip, task.network, "ablate"), compute)


def of(task: Task, seed: int, name: str) -> SeedTask:
    """Return the training of a seed without something; beside the chip as given alone stands the baseline."""
    ablated = (name,) if name else ()
    return replace(task.of(seed, Path()), ablated=ablated, probed=False, compared=not name, place=None)


def _trained(own: object) -> Trained:
    if isinstance(own, ArchsimError):
        raise own
    assert isinstance(own, Trained)
    return own


def made(inputs: Inputs, task: Task, by_name: Mapping[str, Sequence[Trained]]) -> Ablations:
    """Return the study of these trainings, of each name one by seed; the chip as given has none."""
    seeds, data, classes = tuple(task.seeds), task.data, task.data.test_t is None
    error = next((own.error() for own in by_name[""] if own.diverged is not None), None)
    if error is not None:
        raise error
    given = [own.epochs[-1] for own in by_name[""]]
    what = "accuracy" if classes else "r2"

    def chip(name: str) -> Ablated:
        diverged = next((str(own.error()) for own in by_name[name] if own.diverged is not None), None)
        if diverged is not None:
            return Ablated(name=name, diverged=diverged)
        last = [own.epochs[-1] for own in by_name[name]]
        return Ablated(
            name=name, reached=tuple(getattr(own, f"{what}_chip") for own in last),
            loss=tuple(own.loss_chip for own in last),
            against=_against(last, given, len(data.test_y), seeds) if classes and name else None,
        )  # fmt: skip

    return Ablations(
        command=inputs.line, arch=named(task.chip), workload=named(task.network), epochs=task.epochs, seeds=seeds,
        data=Examples(name=data.name, source=data.source, train=len(data.train_y), test=len(data.test_y)),
        classes=classes, floating=tuple(getattr(own, f"{what}_float") for own in given),
        chips=tuple(map(chip, by_name)),
    )  # fmt: skip


def _against(last: Sequence[Epoch], given: Sequence[Epoch], examples: int, seeds: Sequence[int]) -> Interval:
    """Return the difference to the chip as given: in accuracy, or in the cross-entropy of answers step by step."""
    if all(own.losses_chip for own in (*last, *given)):
        chip, whole = ([unpacked_losses(own.losses_chip) for own in each] for each in (last, given))
        return excess_of(chip, whole, seeds)
    return interval_of(_right(last, examples), _right(given, examples), seeds)


def _right(epochs: Sequence[Epoch], examples: int) -> list[Array]:
    return [unpacked(own.right_chip, examples) for own in epochs]


# ---- the report


def document(data: Ablations) -> Document:
    """Return the report of a study: it depends on what ablations.json holds alone."""
    return Document(
        f"Ablations of {data.arch.name} for {data.workload.name}", tuple(_head(data)),
        (Section("each", "Each by itself", (_table(data), *_notes(data))),), data.ends(data.arch, data.workload),
        stem="ablations",
    )  # fmt: skip


def _head(data: Ablations) -> Iterator[Block]:
    yield say(
        "Each imperfection is taken away by itself, and the chip is trained for {epochs} with {seeds}: "
        "{train} for training, {test:,} for testing.", kind="lead", epochs=counted(data.epochs, "epoch"),
        seeds=counted(len(data.seeds), "seed"), train=counted(data.data.train, "example"), test=data.data.test,
    )  # fmt: skip
    yield say("{source}.", source=data.data.source)


def _table(data: Ablations) -> Table:
    """What each chip reached, and its difference to the chip as given with its standard error over the seeds."""
    what = ACCURACY if data.classes else R2
    given = data.chips[0]
    rows: list[tuple[object, ...]] = [("floating point", *_mean(data.floating), *_apart(data.floating, given, what))]
    rows += [
        (own.name or "nothing: the chip as given", *_mean(own.reached), *_apart(own.reached, given, what),
         fmean(known) if (known := [each for each in own.loss if each is not None]) else None) for own in data.chips
    ]  # fmt: skip
    rows[0] = (*rows[0], None)
    columns = (
        Column("taken away"), Column(f"{what.name} on the test set", what.unit, 2),
        Column("standard error", what.unit, 2), Column("difference"), Column("its standard error", what.unit, 2),
        Column("95 % interval"), Column("mean loss in training"),
    )  # fmt: skip
    ends = {own.name: own.against for own in data.chips if own.against is not None}
    wide = tuple((*row[:5], _ends(ends.get(str(row[0]))), row[5]) for row in rows)
    note = (
        "Differences are to the chip as given, seed by seed. Intervals are by a paired bootstrap over test examples "
        "and seeds."
    )
    if any(own.against is not None and own.against.of == "cross_entropy" for own in data.chips):
        note += " They are of the cross-entropy, as a share of what the chip as given has."
    return Table("ablations", "What each costs", columns, wide, note, brief=True, most=len(wide))


def _ends(own: Interval | None) -> str | None:
    return None if own is None else f"{difference(own.low, own.of).rsplit(' ', 1)[0]} to {difference(own.high, own.of)}"


def _mean(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return the mean over seeds and its standard error, None where a value is missing or there is one seed alone."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return fmean(known), stdev(known) / len(known) ** 0.5 if len(known) > 1 else None


def _apart(values: Sequence[float | None], given: Ablated, what: Measure) -> tuple[object, object]:
    """Return the mean difference to the chip as given over seeds, and its standard error."""
    if values == given.reached or not values:
        return None, None
    pairs = zip(values, given.reached, strict=True)
    mean, error = _mean([None if one is None or other is None else one - other for one, other in pairs])
    return Said(mean, points(mean)) if what.unit and mean is not None else mean, error


def _notes(data: Ablations) -> Iterator[Block]:
    """Yield which chips diverged, and without what nothing changed."""
    given, *others = data.chips
    for own in others:
        if own.diverged is not None:
            yield say("Without {name}: {says}.", kind="warning", name=own.name, says=own.diverged)
    alike = [own.name for own in others if (own.reached, own.loss) == (given.reached, given.loss)]
    if alike:
        yield say("Without {names} the training is the same to the bit: the chip as given has nothing of that.",
                  names=", ".join(alike))  # fmt: skip


STUDY = registered(Study(Inputs, Ablations, "ablations.json", prepare, document))
