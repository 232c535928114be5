"""What a sweep is asked: its points, found right before anything runs, or all that is wrong, told at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from archsim.base.errors import Problem, SpecError
from archsim.base.section import Section
from archsim.base.words import counted
from archsim.functional.train import check_ablations
from archsim.spec.figures import dimension_at, figure_paths, text_at
from archsim.spec.loading import Loaded, flat, load_arch
from archsim.spec.settings import path_parts
from archsim.studies.conditions import Condition, conditions_of
from archsim.studies.sweep.axes import SPECS, Space, given_values, space_of
from archsim.studies.sweep.grid import Grid, Inputs, followed, side_of
from archsim.studies.sweep.points import PointSettings
from archsim.workload import load_workload

TRIED = 1000
"""So many combinations of values are resolved before anything runs, in some 2 s. An assumption."""
S = TypeVar("S", bound=Section)
T = TypeVar("T")
MOST_WRONG = 20
"""At so many points a condition is found to mean nothing before that is told."""


@dataclass(frozen=True)
class Asked:
    """A sweep that can be made: its grid, what is varied in that, and its points; `left_out` did not meet `where`."""

    grid: Grid
    space: Space
    points: tuple[PointSettings, ...]
    left_out: int


def asked(inputs: Inputs) -> Asked:
    """Return the sweep that is asked for; raise SpecError with what is wrong for all points, all of it at once."""
    problems: list[Problem] = []

    def tried(work: Callable[[], T]) -> T | None:
        try:
            return work()
        except SpecError as error:
            problems.extend(error.problems)
            return None

    tried(lambda: _check_options(inputs))
    tried(lambda: check_ablations(dict.fromkeys(inputs.ablate)))
    archs = _bases(inputs.arch, given_values(inputs.vary, SPECS[0]), load_arch, problems)
    workloads = _bases(inputs.workload, given_values(inputs.vary, SPECS[1]), load_workload, problems)
    found: list[Loaded[Any]] = [*archs.values(), *workloads.values()]
    space = tried(lambda: space_of(
        inputs.vary, inputs.sets, inputs.together, inputs.sample, inputs.sampler, inputs.seed,
        lambda key, by_text: takes_whole(key, by_text, found),
    ))  # fmt: skip
    conditions = tried(lambda: conditions_of(inputs.where, "--where", "tile.rows <= tile.cols"))
    if problems or space is None or conditions is None:
        raise SpecError(dict.fromkeys(problems))
    grid = Grid(inputs, followed(inputs, (archs, workloads)) if inputs.train else (archs, workloads), {})
    every = tuple(space.points())
    points = _meeting(grid, every, conditions)
    problems += dict.fromkeys(problem for side in (0, 1) for problem in _faults(grid, points, side))
    if problems:
        raise SpecError(problems)
    if inputs.train:
        grid = Grid(inputs, grid.given, _data(grid, points))
    return Asked(grid, space, points, len(every) - len(points))


def _bases(
    given: str, varied: Sequence[str], load: Callable[[str], Loaded[S]], problems: list[Problem]
) -> dict[str, Loaded[S]]:
    """Return by what the command calls them a spec, "", and those that are varied, as far as they can be read."""
    found = {}
    for key, name in (("", given), *((name, name) for name in varied)):
        try:
            found[key] = load(name)
        except SpecError as error:
            problems += error.problems
    return found


def takes_whole(key: str, by_text: bool, specs: Sequence[Loaded[Any]]) -> bool:
    """Return whether a key takes whole numbers alone; of one that no spec has yet, whether its values are whole."""
    known = [mark for mark in (dimension_at(own.value, key) for own in specs) if mark is not None]
    return any(mark.whole for mark in known) if known else by_text


# ---- which points


def _meeting(grid: Grid, points: Sequence[PointSettings], conditions: Sequence[Condition]) -> tuple[PointSettings, ...]:
    """Return the points at which all conditions hold, and those whose specs are wrong, which say so themselves."""
    if not conditions:
        return tuple(points)
    read = _reading(grid, {name for condition in conditions for name in (condition.left, condition.right)})
    problems: dict[Problem, None] = {}
    kept, wrong = [], 0
    for settings in points:
        try:
            known = _Known(grid, settings, read)
            holds = [_holds(condition, known) for condition in conditions]  # all of them, for what is wrong in any
            kept += [settings] if all(holds) else []
        except SpecError as error:
            problems |= dict.fromkeys(error.problems)
            if (wrong := wrong + 1) >= MOST_WRONG:
                break
    if problems:
        raise SpecError(problems)
    if not kept:
        where = ", ".join(condition.where for condition in conditions)
        raise SpecError.at(
            where, f"holds at none of {counted(len(points), 'point')}", "give a wider condition, or other values"
        )
    return tuple(kept)


def _holds(condition: Condition, known: _Known) -> bool:
    """Return whether a condition holds at a point, or turns on a spec that is wrong; raise SpecError with a hint."""
    try:
        return condition.holds(known.text_of)
    except _UnreadableError:
        return True
    except SpecError:
        return condition.holds(known.text_of, known.names())  # says what may have been meant


class _UnreadableError(Exception):
    """The spec of a point is wrong."""


Read = Callable[[PointSettings, int], Mapping[str, str]]


def _reading(grid: Grid, names: Collection[str]) -> Read:
    """Return what gives that of the names which a spec says at a point; each spec is resolved once."""

    @cache
    def found(side: int, settings: tuple[tuple[str, str], ...]) -> Mapping[str, str] | None:
        try:
            value = grid.load(side, dict(settings)).value
        except SpecError:
            return None
        said = {name: text_at(value, name) for name in names}
        return {name: text for name, text in said.items() if text is not None}

    def read(settings: PointSettings, side: int) -> Mapping[str, str]:
        own = found(side, tuple((key, value) for key, value in settings.items() if side_of(key) == side))
        if own is None:
            raise _UnreadableError
        return own

    return read


def _said(spec: Loaded[Any]) -> dict[str, str]:
    """Return all that a spec says, by its keys, figures with their units."""
    said = {key: str(own) for key, own in flat(spec.value.resolved()).items() if own is not None}
    return said | dict(figure_paths(spec.value, ""))


@dataclass(frozen=True)
class _Known:
    """What the names in a condition stand for at a point."""

    grid: Grid
    settings: PointSettings
    read: Read

    def text_of(self, key: str) -> str | None:
        if key in self.settings:
            return self.settings[key]
        given = dict(zip(SPECS, (self.grid.inputs.arch, self.grid.inputs.workload), strict=True))
        return given.get(key) or self.read(self.settings, side_of(key)).get(key)

    def names(self) -> list[str]:
        """Return all that a condition may name, as far as specs can be read."""
        found = list(self.settings)
        for side in (0, 1):
            with suppress(SpecError):
                found += _said(self.grid.load(side, self.settings))
        return found


# ---- what is wrong with them


def _faults(grid: Grid, points: Sequence[PointSettings], side: int) -> list[Problem]:
    """Return what is wrong with the chip (0) or the workload (1) at all points that have some value.

    What is wrong at a few of them is for these to tell, and so it is where there are too many to try all of them.
    """
    keys = [key for key in points[0] if side_of(key) == side]
    problems: dict[tuple[str, ...], list[Problem]] = {}
    hashes: dict[tuple[str, ...], str] = {}
    for settings in tried_of(points, keys):
        values = tuple(settings.values())
        try:
            hashes[values] = grid.load(side, settings).hash
            problems[values] = []
        except SpecError as error:
            problems[values] = list(error.problems)
    found = _common(list(problems.values()))
    for i, key in enumerate(keys):
        of_value: dict[str, list[tuple[str, ...]]] = {}
        for values in problems:
            of_value.setdefault(values[i], []).append(values)
        seen: dict[tuple[tuple[tuple[str, ...], str], ...], str] = {}
        for value, places in of_value.items():
            found += _common([problems[values] for values in places])
            same = [((*values[:i], *values[i + 1 :]), hashes[values]) for values in places if values in hashes]
            first = seen.setdefault(tuple(same), value) if same else value
            if first != value:
                what = f"'{value}' is the same value as '{first}'"
                found.append(Problem(f"--vary {key}", what, "give each value once"))
    return found


def tried_of(points: Sequence[PointSettings], keys: Sequence[str]) -> Iterator[PointSettings]:
    """Yield settings of some keys at which faults are sought: all, or of each value its first and its last ones."""
    every = list(dict.fromkeys(tuple(point[key] for key in keys) for point in points))
    if len(every) > TRIED:
        ends: dict[tuple[int, str], list[tuple[str, ...]]] = {}
        for values in every:
            for i, value in enumerate(values):
                ends.setdefault((i, value), [values, values])[1] = values
        every = list(dict.fromkeys(values for key in sorted(ends, key=lambda own: own[0]) for values in ends[key]))
    yield from (dict(zip(keys, values, strict=True)) for values in islice(every, TRIED))


def _common(problems: Sequence[Sequence[Problem]]) -> list[Problem]:
    """Return what is in all of the lists, in order of the first."""
    return [problem for problem in problems[0] if all(problem in own for own in problems)] if problems else []


def _data(grid: Grid, points: Sequence[PointSettings]) -> dict[str, str]:
    """Return by workload's hash what names its data; raise SpecError if there is none for any of them."""
    found: dict[str, str] = {}
    first: SpecError | None = None
    keys = [key for key in points[0] if side_of(key) == 1]
    for values in dict.fromkeys(tuple(point[key] for key in keys) for point in points):
        try:
            workload = grid.load(1, dict(zip(keys, values, strict=True)))
            found[workload.hash] = grid.digest_of(workload.value)
        except SpecError as error:
            first = first or error
    if first is not None and not found:
        raise first
    return found


def _check_options(inputs: Inputs) -> None:
    options = {"--seeds": inputs.seeds is not None, "--ablate": bool(inputs.ablate), "--data": inputs.data is not None}
    problems = [
        Problem(option, "is of no use without --train", "give --train as well, or leave it out")
        for option, is_given in options.items() if is_given and not inputs.train
    ]  # fmt: skip
    keys = {path_parts(text.partition("=")[0].strip()) for text in (*inputs.vary, *inputs.sets)}
    if inputs.epochs is not None and {("training",), ("training", "epochs")} & keys:
        what = "--epochs was given, and training.epochs is varied or set"
        problems.append(Problem("--epochs", what, "give the epochs in one way"))
    if problems:
        raise SpecError(problems)
