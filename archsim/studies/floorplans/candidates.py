"""What a search for a better floorplan tried and found: as data, and as the spec of the best chip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

from archsim.base.documents import Leaf, Tree, dump_yaml, written
from archsim.base.limits import NAME_LETTERS
from archsim.base.record import Named, Record
from archsim.base.words import counted
from archsim.spec.finding import extended
from archsim.spec.loading import differences
from archsim.spec.named import beside
from archsim.studies.floorplans.search import OBJECTIVES, Optimisation
from archsim.studies.study import Data, named, signed

SUFFIX = "_optimised"


class Goal(Record):
    """What is to be least: its name, in words, and its SI unit."""

    name: str
    title: str
    unit: str


class Change(Record):
    """A figure of the spec in which the best differs."""

    key: str
    before: str
    after: str


class LeftOut(Record):
    """A kind of floorplan that was not tried."""

    kind: str
    why: str


class Tried(Record):
    """A point that was tried: its number, None if it could not even be built, why it was, and its settings."""

    number: int | None
    phase: Literal["start", "coarse", "local", "random", "built"]
    floorplan: str
    columns: int | None
    placement: str
    topology: str
    set: tuple[str, ...]
    hash: str | None


class Simulated(Tried):
    """A point that was simulated, in SI units; `value` is what was to be least, `best_so_far` the least until then."""

    number: int
    time_per_example_s: float
    energy_per_example_j: float
    area_m2: float
    refused: None = None
    value: float
    best_so_far: float


class Refused(Tried):
    """A point that cannot be built or run, and why."""

    time_per_example_s: None = None
    energy_per_example_j: None = None
    area_m2: None = None
    refused: str
    value: None = None
    best_so_far: float | None


class Optimised(Data):
    """What optimise.json holds. `start` and `best` are numbers of candidates, `points` how many there would have been.

    `file` holds the best spec; `run` is the command that simulates it.
    """

    schema_id: Literal["archsim-optimise-1"] = signed("archsim-optimise-1")
    arch: Named
    workload: Named
    objective: Goal
    budget: int
    simulated: int
    points: int
    examples: int
    seed: int
    start: int
    best: int
    changes: tuple[Change, ...]
    left_out: tuple[LeftOut, ...]
    candidates: tuple[Simulated | Refused, ...]
    file: str
    run: str

    @property
    def done(self) -> list[Simulated]:
        """The candidates that were simulated, in the order in which they were tried."""
        return [row for row in self.candidates if isinstance(row, Simulated)]

    def numbered(self, number: int) -> Simulated:
        """Return the candidate of that number."""
        return next(row for row in self.done if row.number == number)


def optimised(found: Optimisation, command: str, file: str, run: str) -> Optimised:
    """Return a search as its file holds it."""
    objective = OBJECTIVES[found.objective]
    assert found.start.number is not None
    assert found.best.number is not None
    return Optimised(
        command=command, arch=named(found.arch), workload=named(found.workload),
        objective=Goal(name=found.objective, title=objective.title, unit=objective.unit),
        budget=found.budget, simulated=found.simulated, points=len(found.space.points()), examples=found.examples,
        seed=found.seed, start=found.start.number, best=found.best.number,
        changes=tuple(
            Change(key=key, before=before, after=after) for key, before, after in differences(found.arch, found.found)
        ),
        left_out=tuple(LeftOut(kind=kind, why=why) for kind, why in found.space.left_out),
        candidates=tuple(_rows(found)), file=file, run=run,
    )  # fmt: skip


def _rows(found: Optimisation) -> Iterator[Simulated | Refused]:
    values: list[float] = []
    for own in found.candidates:
        point, value = own.point, found.value(own)
        about: dict[str, Any] = {
            "number": own.number, "phase": own.phase, "floorplan": point.layout.kind, "columns": point.layout.columns,
            "placement": point.placement, "topology": point.topology, "set": own.settings, "hash": own.hash or None,
        }  # fmt: skip
        if own.figures is None or value is None:
            least = min(values) if own.number is not None else None
            yield Refused(**about, refused=own.refused, best_so_far=least)
        else:
            values.append(value)
            yield Simulated(**about, **asdict(own.figures), value=value, best_so_far=min(values))


def name_of(found: Optimisation) -> str:
    """Return the name of the chip that was found."""
    return found.arch.value.name.removesuffix(SUFFIX)[: NAME_LETTERS.most - len(SUFFIX)] + SUFFIX


def spec_of(found: Optimisation, stem: str) -> dict[str, str | bytes]:
    """Return the best spec as STEM.yaml, which stands alone with what it names beside it; what was found says so.

    Nothing of the chip as it is now was published, so no published figures are in it.
    """
    note = (
        f"found by archsim floorplan optimise: least {OBJECTIVES[found.objective].title} of "
        f"{counted(found.simulated, 'simulation')} of {counted(found.examples, 'example')} of "
        f"{found.workload.value.name}"
    )
    tree: dict[str, Tree] = {
        **extended(found.arch.settled(found.best.settings, Leaf("", "search", "assumption", note)), found.arch.path),
        "name": Leaf(name_of(found)),
        "description": Leaf(f"{found.arch.value.name}, its floorplan, placement and topology {note}."),
    }  # fmt: skip
    whole, more = beside(tree, "arch", stem)
    return {f"{stem}.yaml": dump_yaml({"kind": "arch", **written(whole)}), **more}
