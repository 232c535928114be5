"""Sweeps as the command makes them: points are kept as they come, and a sweep that was interrupted goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.functional.checkpoint import check_identity
from archsim.functional.train import Progress, check_ablations, seeds_from
from archsim.report.document import Document
from archsim.report.folder import check_folder, replace_file, write_folder
from archsim.results.metrics import package_version
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.settings import split_overrides
from archsim.studies import study
from archsim.studies.names import all_faults, default_folder
from archsim.studies.old import Study, json_text, registered
from archsim.studies.study import given, unsaid
from archsim.studies.sweep.document import document
from archsim.studies.sweep.grid import Sweep, Trainings, axes_of
from archsim.studies.sweep.points import point_words, with_pareto
from archsim.workload import load_workload

SCHEMA, NAME = "archsim-sweep-1", "sweep.json"
OWNED = (NAME, "sweep.html", "sweep.md", "tables", "figures")
"""What a sweep writes; anything else in its folder belongs to others and is kept."""
KEPT = ("settings", "metrics", "training", "data", "audits_failed", "refused")


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """A chip, a workload, the figures that are varied, and whether each point is trained as well."""

    words = "sweep"
    arch: str
    workload: str
    vary: tuple[str, ...] = ()
    sets: tuple[str, ...] = given("--set")
    train: bool = False
    ablate: tuple[str, ...] = ()
    epochs: int | None = None
    seeds: int | None = None
    seed: int = 0
    data: Path | None = unsaid()
    resume: bool = unsaid(False)


def execute_sweep(
    inputs: Inputs, out: Path | None = None, progress: Callable[[float, int, str], None] | None = None
) -> tuple[dict[str, Any], Document, Path]:
    """Return a sweep, as its file holds it and as its report shows it, and the report's folder.

    Each point is kept when it is done, so that `resume` goes on with the others. `progress` is called with the points
    done, with their part, how many there are, and words. Raises SpecError for what is wrong for all points.
    """
    train, epochs, seed, sets = inputs.train, inputs.epochs, inputs.seed, inputs.sets
    _check_training(inputs)
    axes = axes_of(inputs.vary, sets)
    ablate = list(dict.fromkeys(inputs.ablate))
    check_ablations(ablate)
    own_seeds = seeds_from(seed, inputs.seeds or 1)
    chip, network = all_faults([lambda: load_arch(inputs.arch), lambda: load_workload(inputs.workload)])
    more = [*sets, *(axis.key for axis in axes), *(["--train", *sorted(ablate)] if train else [])]
    suffix = hashlib.sha256("\n".join(more).encode()).hexdigest()[:8]
    folder = out if out is not None else default_folder(chip, network, f"sweep--{suffix}")
    check_folder(folder)
    before = _read(folder) if inputs.resume else None
    trainings = Trainings(tuple(own_seeds), tuple(ablate), inputs.data) if train else None
    sweep = Sweep(chip, network, axes, sets=sets, epochs=epochs, seed=seed, trainings=trainings)
    mine, theirs = split_overrides(sets)
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "arch": _named(chip, mine),
        "workload": _named(network, theirs),
        "version": package_version(),
        "command": inputs.line,
        "set": list(sets),
        "vary": {axis.key: list(axis.values) for axis in axes},
        "epochs": epochs,
        "train": {"seeds": [*own_seeds], "ablated": sorted(ablate), "versions": _versions()} if train else None,
        "reads_billed_by": "the activity measured in each point's trainings" if train else "the spec",
    }
    wanted = sweep.points()
    points = _kept(before, head, sweep, wanted) if before is not None else []
    settings_of = [point["settings"] for point in points]
    ready = dict(zip(map(_key, settings_of), points, strict=True))

    def so_far() -> dict[str, Any]:
        found = [ready[_key(settings)] for settings in wanted if _key(settings) in ready]
        return {**head, "complete": len(found) == len(wanted), "points": with_pareto(found)}

    try:
        for settings in wanted:
            if _key(settings) in ready:
                continue
            words = point_words(len(ready), len(wanted), settings)
            done = len(ready)

            def inside(part: float, now: Progress | None, done: int = done, words: tuple[str, str] = words) -> None:
                if progress is not None:
                    progress(done + part, len(wanted), _words(words, now, len(own_seeds)))

            inside(0.0, None)
            ready[_key(settings)] = sweep.run(settings, inside)
            if done == 0:
                write_folder(folder, {NAME: json_text(so_far())}, OWNED)  # it is of this sweep from now on
            else:
                replace_file(folder, NAME, json_text(so_far()))  # alone: the report is written at the end
    finally:
        result = so_far()
        shown = document(result)
        if ready:
            STUDY.write(result, folder)
    return result, shown, folder


STUDY = registered(Study(NAME, SCHEMA, "sweep", document, OWNED))


def _words(words: tuple[str, str], now: Progress | None, seeds: int) -> str:
    """Return what a terminal shows: which point it is, and where its training stands."""
    if now is None:
        return "\n".join(words)
    seed = f"seed {now.seed}, " if seeds > 1 else ""
    loss = "" if now.loss_chip is None else f", loss {now.loss_chip:.3f}"
    return f"{words[0]}, {seed}epoch {now.epoch + 1}{loss}\n{words[1]}"


def _key(settings: Mapping[str, str]) -> str:
    return json.dumps(dict(settings), sort_keys=True)


def _named(loaded: Loaded[Any], sets: Sequence[str]) -> dict[str, str]:
    """Return name and hash of a spec with its settings; without them, if they are whole only with what is varied."""
    with contextlib.suppress(SpecError):
        loaded = loaded.with_overrides(sets)
    return {"name": loaded.value.name, "hash": loaded.hash}


def _versions() -> dict[str, str]:
    import numba
    import numpy as np

    return {"numpy": np.__version__, "numba": numba.__version__}


def _check_training(inputs: Inputs) -> None:
    given = (("--seeds", inputs.seeds is not None), ("--ablate", bool(inputs.ablate)),
             ("--data", inputs.data is not None))  # fmt: skip
    problems = [
        Problem(option, "is of no use without --train", "give --train as well, or leave it out")
        for option, is_given in given if is_given and not inputs.train
    ]  # fmt: skip
    if problems:
        raise SpecError(problems)


# ---- going on


def _read(folder: Path) -> dict[str, Any]:
    """Return the sweep that a folder holds; raise SpecError if there is none, or if it is damaged."""
    path = folder / NAME
    if not path.is_file():
        what, hint = (
            f"there is nothing to resume: no {NAME} is in {folder}",
            "sweep without --resume, or name its --out",
        )
        raise SpecError([Problem("--resume", what, hint)])
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["schema"] != SCHEMA:
            raise ValueError(f"it is of the kind {data['schema']}, not {SCHEMA}")
        _identity(data)
        for point in data["points"]:
            if not all(name in point for name in KEPT) or (point["metrics"] is None) == (point["refused"] is None):
                raise ValueError("a point is not whole")
            _key(point["settings"])
        return dict(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        hint = "nothing can be resumed; sweep without --resume"
        raise SpecError([Problem(str(path), f"is damaged ({reason})", hint)]) from None


def _identity(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two sweeps must have in common, so that points of one are points of the other."""
    train = data["train"]
    versions = {"archsim": data["version"], **(train["versions"] if train is not None else {})}
    return {
        "arch": f"{data['arch']['name']} {data['arch']['hash']}",
        "workload": f"{data['workload']['name']} {data['workload']['hash']}",
        "set": list(data["set"]),
        "vary": list(data["vary"]),
        "train": "yes" if train is not None else "no",
        "seeds": None if train is None else list(train["seeds"]),
        "epochs": "the workload's" if data["epochs"] is None else data["epochs"],
        "ablated": None if train is None else list(train["ablated"]),
        "version": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


def _kept(
    before: Mapping[str, Any], head: Mapping[str, Any], sweep: Sweep, wanted: Sequence[Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Return the points that are there; raise SpecError, with all differences, where they are not of this sweep."""
    hint = "go on with what it was begun with, or sweep without --resume"
    place = f"the {NAME} that is there"
    check_identity(_identity(before), _identity(head), place, hint)
    points = [{name: point[name] for name in KEPT} for point in before["points"]]
    keys = set(map(_key, wanted))
    strange = [point["settings"] for point in points if _key(point["settings"]) not in keys]
    if strange:
        words = ", ".join(f"{key}={value}" for key, value in strange[0].items())
        more = f" and {counted(len(strange) - 1, 'more point')}" if len(strange) > 1 else ""
        what = f"{words}{more} in {place}, not in this grid"
        raise SpecError([Problem("--resume: vary", what, "give all values that were begun with, and more if you like")])
    for point in points:
        if point["refused"] is None and head["train"] is not None:
            now = sweep.data.get(sweep.specs(point["settings"])[1].hash)
            check_identity({"data": point["data"]}, {"data": now}, place, hint)
    return points
