"""Searches as the command makes them: what is asked for in batches is run, told, and kept; one that stopped goes on."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.base.atomic import Content
from archsim.base.documents import Leaf, Tree, dump_yaml, written
from archsim.base.errors import ArchsimError, Problem, SpecError
from archsim.base.limits import NAME_LETTERS
from archsim.base.record import Named
from archsim.base.texts import slug
from archsim.base.words import counted
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.named import beside
from archsim.studies.names import all_faults, default_folder
from archsim.studies.search.asking import BATCH, SAMPLERS, Asked, Asker, Shared, importances, optuna
from archsim.studies.search.document import document
from archsim.studies.search.goals import bounds_of, goals_of
from archsim.studies.search.space import OPTION, Space, space_of
from archsim.studies.search.trial import Common, TrialTask
from archsim.studies.search.trials import Saved, Trial, judged
from archsim.studies.study import Prepared, Progress, Study, given, named, registered, unsaid
from archsim.studies.sweep.asked import takes_whole
from archsim.studies.sweep.points import Made, Settings
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
    common = Common(arch, workload, inputs.sets, inputs.epochs)
    check_space(common, space)
    sampler = inputs.sampler or ("tpe" if len(goals) == 1 else "nsga2")
    begun = Saved(
        command=inputs.line, arch=_name(common, 0), workload=_name(common, 1), set=inputs.sets, search=space.keys,
        goals=goals, bounds=bounds, sampler=sampler, budget=inputs.budget, batch=BATCH, seed=inputs.seed,
        epochs=inputs.epochs, shared=inputs.storage is not None,
    )  # fmt: skip
    words = [*inputs.sets, *inputs.search, *inputs.minimise, "", *inputs.maximise, "", *inputs.subject_to, sampler]
    suffix = hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
    folder = default_folder(arch, workload, f"search--{suffix}")
    return Prepared(folder, lambda progress, where: Searching(inputs, common, begun, progress, where).finish())


def _check(inputs: Inputs) -> None:
    if inputs.budget < 1:
        raise SpecError.at("--budget", counted(inputs.budget, "point"), "give 1 or more")
    if inputs.epochs is not None and any(text.startswith("training") for text in (*inputs.search, *inputs.sets)):
        what = "--epochs was given, and training is searched over or set"
        raise SpecError.at("--epochs", what, "give training.epochs with --set or --search instead")


def check_space(common: Common, space: Space) -> None:
    """Raise SpecError with what is wrong with a value of a key, whatever the others are.

    Each value of a list and both ends of a range are tried with the first and the last of the others; what is wrong
    with some combinations alone is for these to tell.
    """
    ends = [{own.key: own.ends[at] for own in space.keys} for at in (0, -1)]
    problems: list[Problem] = []
    for own in space.keys:
        for value in own.values or own.ends:
            found = [_faults(common, {**end, own.key: value}) for end in ends]
            wheres = {f"--set {each.key}": f"{OPTION} {each.key}" for each in space.keys}
            problems += [
                Problem(wheres.get(each.where, each.where), each.what, each.hint)
                for each in found[0] if all(each in others for others in found)
            ]  # fmt: skip
    if problems:
        raise SpecError(dict.fromkeys(problems))


def _faults(common: Common, settings: Settings) -> tuple[Problem, ...]:
    try:
        common.specs(settings)
    except SpecError as error:
        return error.problems
    return ()


def _name(common: Common, side: int) -> Named:
    """Return the chip (0) or the workload (1) with what is set; as given, if it is whole only with what is asked."""
    try:
        return named(common.specs({})[side])
    except SpecError:
        return named((common.arch, common.workload)[side])


class Searching(Underway[Saved]):
    """A search under way: what was asked for, by its number, and what was made of what is ready."""

    def __init__(self, inputs: Inputs, common: Common, begun: Saved, progress: Progress, folder: Path) -> None:
        super().__init__(STUDY, folder, progress)
        self.inputs, self.common, self._empty = inputs, common, begun
        self.start: Trial | None = None
        self.asked: list[Settings] = []
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
            for _, made in self._computed(compute, [{}]):
                self.start = Trial(number=0, settings=self.common.given([key.key for key in own.search]), **dict(made))
            while batch := asker.batch():
                self._make(compute, batch, asker)
        self.complete = True

    def _shared(self) -> Shared | None:
        """Return where the search is shared, under a name that says what is searched."""
        if self.inputs.storage is None:
            return None
        arch, workload = (own.digest for own in (self.common.arch, self.common.workload))
        said = self._empty.plain()
        asked = {key: said[key] for key in ("set", "search", "goals", "bounds", "epochs")}
        text = json.dumps([arch, workload, surroundings().code, asked], sort_keys=True)
        names = f"{self.common.arch.value.name} {self.common.workload.value.name}"
        return Shared(self.inputs.storage, f"archsim {names[:NAMES]} {hashlib.sha256(text.encode()).hexdigest()[:12]}")

    def _make(self, compute: Compute, batch: list[Asked], asker: Asker) -> None:
        """Have the points of a batch made, in any order, and told in that of asking."""
        first = len(self.asked)
        self.asked += [own.settings for own in batch]
        try:
            for place, made in self._computed(compute, [own.settings for own in batch]):
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

    def _computed(self, compute: Compute, wanted: list[Settings]) -> Iterator[tuple[int, Made]]:
        before, total = len(self.made) + (self.start is not None), self._empty.budget + 1
        tasks = [TrialTask(self.common, settings) for settings in wanted]

        def told(done: float, words: str) -> None:
            self.progress(before + done, total, words)

        for place, found in compute(tasks, told):
            yield place, _made(found)
            self.begun = True

    def so_far(self) -> Saved:
        """Return the points that are ready, in the order of asking."""
        own = self._empty
        trials = [
            Trial(number=place + 1, settings=self.asked[place], **dict(made))
            for place, made in sorted(self.made.items())
        ]
        found = own.model_copy(update={
            "complete": self.complete, "start": self.start, "trials": judged(trials, own.goals, own.bounds),
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
        arch, mine, theirs = self.common.settled(trial.settings)
        ending = f"_{BEST}_{trial.number}"
        name = arch.value.name[: NAME_LETTERS.most - len(ending)] + ending
        note = f"found by archsim optimise, point {trial.number} of a search for {self.common.workload.value.name}"
        stem = slug(name)
        content, more = _written(arch, mine, name, note, stem)
        again = ["archsim", "run", f"{BEST}/{stem}.yaml", self.inputs.workload]
        again += [word for setting in theirs for word in ("--set", setting)]
        again += ["--epochs", str(self.inputs.epochs)] if self.inputs.epochs is not None else []
        return shlex.join(again), {
            f"{BEST}/{stem}.yaml": content,
            **{f"{BEST}/{own}": is_in for own, is_in in more.items()},
        }


def _written(
    arch: Loaded[ArchSpec], settings: Sequence[str], name: str, note: str, stem: str
) -> tuple[Content, Mapping[str, Content]]:
    """Return a spec with settings as a file, and what it names; nothing of it as it is now was published."""
    tree: dict[str, Tree] = {
        **arch.settled(settings, Leaf("", "search", "assumption", note)),
        "name": Leaf(name), "published": [], "description": Leaf(f"{arch.value.name}, {note}."),
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
))  # fmt: skip
