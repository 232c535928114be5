"""Searches as the command makes them: what is asked for in batches is run, told, and kept; one that stopped goes on."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.base import plugin_sending
from archsim.base.atomic import Content
from archsim.base.documents import Leaf, Tree, dump_yaml, written
from archsim.base.errors import ArchsimError, Problem, SpecError
from archsim.base.limits import NAME_LETTERS
from archsim.base.texts import slug
from archsim.base.words import counted
from archsim.spec.arch import ArchSpec
from archsim.spec.finding import extended
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.named import beside
from archsim.studies.names import all_faults, default_folder
from archsim.studies.search.asking import BATCH, SAMPLERS, Asker, Open, Shared, importances, optuna
from archsim.studies.search.document import document
from archsim.studies.search.goals import TRAINED, bounds_of, goals_of, sides_of
from archsim.studies.search.space import OPTION, Space, space_of
from archsim.studies.search.trial import Asked, TrialTask, common_of, given_of, held_back, limits_of, settled
from archsim.studies.search.trials import Saved, Trial, judged
from archsim.studies.study import Prepared, Progress, Study, given, registered, unfolded, unsaid
from archsim.studies.sweep.asked import takes_whole
from archsim.studies.sweep.grid import Given, Grid, followed
from archsim.studies.sweep.points import Made, PointSettings
from archsim.studies.tasks.bench import OWN_STORE, Compute, Spread, bench
from archsim.studies.tasks.surroundings import surroundings
from archsim.studies.tasks.task import Outcome
from archsim.studies.tasks.workers import WorkerDiedError
from archsim.studies.underway import Underway
from archsim.workload import load_workload

BUDGET = 100
"""Points unless said otherwise. An assumption."""
BEST = "best"
"""The folder of the specs of best points, so many of them at most."""
MOST_SPECS = 20
NAMES = 200
"""Letters of names in that of a search that is shared; databases take some more."""


@dataclass(frozen=True)
class Inputs(Spread):
    """A chip, a workload, what is searched over, metrics to be small or large, conditions, and how many points.

    The sampler is `tpe` for one metric and `nsga2` for several, unless named. In a `storage` the search is shared with
    other commands, which may be under way elsewhere; the budget is that of all together.
    """

    words = "optimise"
    arch: str
    workload: str
    search: tuple[str, ...] = ()
    minimise: tuple[str, ...] = ()
    maximise: tuple[str, ...] = ()
    subject_to: tuple[str, ...] = ()
    budget: int = BUDGET
    sampler: str | None = None
    sets: tuple[str, ...] = given("--set")
    epochs: int | None = None
    seed: int = 0
    intervals: bool = False
    data: Path | None = unsaid()
    storage: str | None = unsaid()
    resume: bool = unsaid(False)


def prepare(inputs: Inputs) -> Prepared[Saved]:
    """Return a search to be made; raise SpecError with all that is wrong."""
    optuna()
    specs: list[Loaded[Any]] = []
    *_, space, goals, bounds = all_faults([
        lambda: _check(inputs), lambda: specs.append(load_arch(inputs.arch)),
        lambda: specs.append(load_workload(inputs.workload)),
        lambda: SAMPLERS.lookup(inputs.sampler, "--sampler") if inputs.sampler is not None else None,
        lambda: space_of(inputs.search, inputs.sets, lambda key, by_text: takes_whole(key, by_text, specs)),
        lambda: goals_of(inputs.minimise, inputs.maximise), lambda: bounds_of(inputs.subject_to),
    ])  # fmt: skip
    arch, workload = specs
    sides = sides_of([own.metric for own in (*goals, *bounds)])
    trains = bool(sides)
    common = Asked(inputs.arch, inputs.workload, sets=inputs.sets, train=trains, epochs=inputs.epochs, seed=inputs.seed,
                   data=inputs.data, asked_for=sides, intervals=inputs.intervals)  # fmt: skip
    both: Given = {"": arch}, {"": workload}
    both = followed(common, both) if trains else both
    judged, whole = held_back(common, both) if trains else (common, common)
    _check_training(space, trains, inputs.data)
    grid = common_of(judged, both)
    check_space(grid, space)
    own = grid.load(1, {}).value.dataset if trains else workload.value.dataset
    sampler = inputs.sampler or ("tpe" if len(goals) == 1 else "nsga2")
    begun = Saved(
        command=inputs.line, arch=grid.named(0), workload=grid.named(1), set=inputs.sets, search=space.keys,
        goals=goals, bounds=bounds, sampler=sampler, budget=inputs.budget, batch=BATCH, seed=inputs.seed,
        epochs=inputs.epochs, shared=inputs.storage is not None, examples=own.examples if trains else 0,
        held=own.validation if trains else 0, sides=sides,
    )  # fmt: skip
    words = [*inputs.sets, *inputs.search, *inputs.minimise, "", *inputs.maximise, "", *inputs.subject_to, sampler]
    suffix = hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
    folder = default_folder(arch, workload, f"search--{suffix}")

    def compute(progress: Progress, where: Path) -> Saved:
        return Searching(inputs, grid, common_of(whole, both) if trains else None, begun, progress, where).finish()

    return Prepared(folder, compute)


def _check_training(space: Space, trains: bool, data: Path | None) -> None:
    problems = [
        Problem(f"{OPTION} {own.key}", "decides what examples there are, and trainings are compared on the same",
                "set it with --set") for own in space.keys if trains and own.key.startswith("dataset")
    ]  # fmt: skip
    if data is not None and not trains:
        what = "is of no use without accuracy or r2 among the metrics"
        problems.append(Problem("--data", what, "for example --maximise accuracy"))
    if problems:
        raise SpecError(problems)


def _check(inputs: Inputs) -> None:
    if inputs.budget < 1:
        raise SpecError.at("--budget", counted(inputs.budget, "point"), "give 1 or more")
    keys = [text.partition("=")[0].strip() for text in (*inputs.search, *inputs.sets)]
    if inputs.epochs is not None and ("training" in keys or "training.epochs" in keys):
        what = "--epochs was given, and training.epochs is searched over or set"
        raise SpecError.at("--epochs", what, "give the epochs in one way")


def check_space(grid: Grid, space: Space) -> None:
    """Raise SpecError with what is wrong with a value of a key, whatever the others are.

    Each value of a list and both ends of a range are tried with the first and the last of the others; what is wrong
    with some combinations alone is for these to tell.
    """
    ends = [{own.key: own.ends[at] for own in space.keys} for at in (0, -1)]
    problems: list[Problem] = []
    for own in space.keys:
        for value in own.values or own.ends:
            found = [_faults(grid, {**end, own.key: value}) for end in ends]
            problems += [each for each in found[0] if all(each in others for others in found)]
    if problems:
        raise SpecError(dict.fromkeys(problems))


def _faults(grid: Grid, settings: PointSettings) -> tuple[Problem, ...]:
    try:
        grid.specs(settings)
    except SpecError as error:
        return error.problems
    return ()


class Searching(Underway[Saved]):
    """A search under way: what was asked for, by its number, and what was made of what is ready."""

    def __init__(
        self, inputs: Inputs, grid: Grid, whole: Grid | None, begun: Saved, progress: Progress, folder: Path
    ) -> None:  # fmt: skip
        super().__init__(STUDY, folder, progress)
        self.inputs, self.grid, self.whole, self._empty = inputs, grid, whole, begun
        self.finals: dict[int, Made] = {}
        self.start: Trial | None = None
        self.asked: list[PointSettings] = []
        self.made: dict[int, Made] = {}
        self.complete = False
        alone = inputs.store is None and inputs.storage is None
        if inputs.resume and alone and not (folder / OWN_STORE).is_file():
            what = f"there is nothing to go on from: no {OWN_STORE} is in {folder}"
            raise SpecError.at("--resume", what, "search without --resume, or name its --out")

    def work(self) -> None:
        """Ask for batches, and have their points made and told, until the budget or the space is used up."""
        own = self._empty
        asker = Asker(
            Space(own.search), own.goals, own.bounds, own.sampler, own.seed, own.budget, self._shared()
        )  # fmt: skip
        with bench(self.inputs, self.folder, resumes=True) as compute:
            keys = [each.key for each in own.search]
            for _, made in self._computed(compute, [self._task({})]):
                self.start = Trial(number=0, settings=given_of(self.grid, keys), **dict(made))
            while batch := asker.batch():
                self._make(compute, batch, asker)
            if self.whole is not None:
                best = judged([*self._trials()], own.goals, own.bounds)
                numbers = [each.number for each in best if each.best][:MOST_SPECS]
                tasks = [TrialTask(self.whole, self.asked[number - 1]) for number in numbers]
                for place, made in self._computed(compute, tasks):
                    self.finals[numbers[place]] = made
        self.complete = True

    def _task(self, settings: PointSettings) -> TrialTask:
        """Return a point as a task, which ends early where it is hopeless: with one goal alone, that of a training."""
        goals = self._empty.goals
        if len(goals) > 1 or goals[0].metric not in TRAINED or not goals[0].most:
            return TrialTask(self.grid, settings)
        name = goals[0].metric.removesuffix("_mean")
        epochs = self.inputs.epochs or self.grid.bases({})[1].value.training.epochs
        before = [self.made[place] for place in range(len(self.made))] if settings else []
        return TrialTask(self.grid, settings, name, limits_of(before, name, epochs, BATCH))

    def _shared(self) -> Shared | None:
        """Return where the search is shared, under a name that says what is searched."""
        if self.inputs.storage is None:
            return None
        arch, workload = (own.digest for own in self.grid.bases({}))
        said = self._empty.plain()
        asked = {key: said[key] for key in ("set", "search", "goals", "bounds", "epochs", "examples", "held")}
        asked["data"] = self.grid.data.get("")
        text = json.dumps([arch, workload, surroundings().code, asked, *plugin_sending.versions()], sort_keys=True)
        names = " ".join(own.value.name for own in self.grid.bases({}))
        return Shared(self.inputs.storage, f"archsim {names[:NAMES]} {hashlib.sha256(text.encode()).hexdigest()[:12]}")

    def _make(self, compute: Compute, batch: list[Open], asker: Asker) -> None:
        """Have the points of a batch made, in any order, and told in that of asking."""
        first = len(self.asked)
        tasks = [self._task(own.settings) for own in batch]  # by what was told alone
        self.asked += [own.settings for own in batch]
        try:
            for place, made in self._computed(compute, tasks):
                self.made[first + place] = made
        except BaseException:
            asker.leave(batch)
            raise
        for place, own in enumerate(batch, first):
            asker.tell(own, self.made[place])
        if self._empty.shared:
            told = asker.told()
            self.asked = [settings for settings, _ in told]
            self.made = {place: made for place, (_, made) in enumerate(told)}

    def _computed(self, compute: Compute, tasks: Sequence[TrialTask]) -> Iterator[tuple[int, Made]]:
        before, total = len(self.made) + (self.start is not None), self._empty.budget + 1

        def told(done: float, words: str) -> None:
            self.progress(before + done, total, words)

        for place, found in compute(tasks, told):
            yield place, _made(found)
            self.begun = True

    def _trials(self) -> Iterator[Trial]:
        for place, made in sorted(self.made.items()):
            yield Trial(number=place + 1, settings=self.asked[place], **dict(made))

    def so_far(self) -> Saved:
        """Return the points that are ready, in the order of asking."""
        own = self._empty
        found = own.model_copy(update={
            "complete": self.complete, "start": self.start, "trials": judged([*self._trials()], own.goals, own.bounds),
            "finals": {str(number): made for number, made in sorted(self.finals.items())},
        })  # fmt: skip
        points = [(trial.settings, trial) for trial in found.trials if trial.counts]
        files: dict[str, Content] = {}
        specs: dict[str, str] = {}
        for trial in found.best[:MOST_SPECS]:
            specs[str(trial.number)], more = self._spec(trial)
            files |= more
        found = found.model_copy(
            update={"importances": importances(Space(own.search), own.goals, points), "specs": specs}
        )
        found.beside(files)
        return found

    def _spec(self, trial: Trial) -> tuple[str, Mapping[str, Content]]:
        """Return the command that runs a point's spec, and the files of that, which stands alone."""
        arch, mine, theirs = settled(self.whole or self.grid, trial.settings)
        ending = f"_{BEST}_{trial.number}"
        name = arch.value.name[: NAME_LETTERS.most - len(ending)] + ending
        note = f"found by archsim optimise, point {trial.number} of a search for {self.grid.bases({})[1].value.name}"
        stem = slug(name)
        content, more = _written(arch, mine, name, note, stem)
        doing = "train" if self.whole is not None else "run"
        again = ["archsim", doing, f"{BEST}/{stem}.yaml", self.inputs.workload]
        again += [word for setting in theirs for word in ("--set", setting)]
        again += ["--epochs", str(self.inputs.epochs)] if self.inputs.epochs is not None else []
        again += ["--seed", str(self.inputs.seed)] if self.whole is not None and self.inputs.seed else []
        return shlex.join(again), {
            f"{BEST}/{stem}.yaml": content,
            **{f"{BEST}/{own}": is_in for own, is_in in more.items()},
        }


def _written(
    arch: Loaded[ArchSpec], settings: Sequence[str], name: str, note: str, stem: str
) -> tuple[Content, Mapping[str, Content]]:
    """Return a spec with settings as a file, and what it names; nothing of it as it is now was published."""
    tree: dict[str, Tree] = {
        **extended(arch.settled(settings, Leaf("", "search", "assumption", note)), arch.path),
        "name": Leaf(name), "description": Leaf(f"{arch.value.name}, {note}."),
    }  # fmt: skip
    whole, more = beside(tree, "arch", stem)
    return dump_yaml({"kind": "arch", **written(whole)}), more


def _made(found: Outcome) -> Made:
    if isinstance(found, WorkerDiedError):
        return Made(refused=str(found))  # and not kept: another machine may do it
    if isinstance(found, ArchsimError):
        raise found
    assert isinstance(found, Made)
    return found


STUDY = registered(Study(
    Inputs, Saved, "search.json", prepare, document,
    lambda data: not any(trial.audits_failed for trial in data.trials),
    parts=("tables", "figures", BEST), keeps="point",
    rows=lambda data: [unfolded(own.plain(), "settings", "metrics") for own in data.trials],
))  # fmt: skip
