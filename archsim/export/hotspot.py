"""Files of HotSpot (University of Virginia), the thermal simulator: the floorplan, and the power of its blocks.

HotSpot wants the whole die covered, so white space becomes rectangles `filler_0`, `filler_1`, ...; a power trace has a
line of names and then a line of watts for each interval of time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.words import counted
from archsim.chip.floorplan import Block, Plan
from archsim.chip.floorplan.flp import content, real, write_flp
from archsim.chip.floorplan.geometry import holes
from archsim.chip.floorplan.plan import Rect
from archsim.chip.graph import Chip
from archsim.export.formats import CHIP_FILES, ChipFile
from archsim.results.bill import CHIP
from archsim.results.evaluate import Result


@dataclass(frozen=True)
class PowerTrace:
    """The power of each block in watts, one row for each interval of time."""

    names: tuple[str, ...]
    rows_w: tuple[tuple[float, ...], ...]


def covered(plan: Plan) -> tuple[Block, ...]:
    """Return all rectangles of a plan and fillers for the rest of the die."""
    named = plan.named()
    free = holes(Rect(0.0, 0.0, plan.width_m, plan.height_m), [block.rect for block in named])
    fillers = (Block(f"filler_{i}", rect, "white_space") for i, rect in enumerate(free.cover()))
    return (*named, *fillers)


def chip_flp(plan: Plan, comment: str = "") -> str:
    """Return a plan as a .flp file that covers the die; read again as `floorplan.flp`, it gives the same plan."""
    return write_flp(covered(plan), comment)


def mean_power(plan: Plan, energy_by_tile_j: Mapping[str, float], time_s: float) -> PowerTrace:
    """Return one row with the mean power of each block of `chip_flp`, of a run that took `time_s`.

    Tiles and host port have what they spent themselves. What belongs to no tile (wires and routers) is spread over the
    whole die by area: wires run everywhere (assumption). The row adds up to the run's mean power.
    """
    blocks = covered(plan)
    own = {block.name: energy_by_tile_j.get(block.name, 0.0) for block in blocks if block.name != CHIP}
    rest_j = sum(energy for name, energy in energy_by_tile_j.items() if name not in own)
    die_m2 = sum(block.rect.area_m2 for block in blocks)
    row = [(own.get(block.name, 0.0) + rest_j * block.rect.area_m2 / die_m2) / time_s for block in blocks]
    return PowerTrace(tuple(block.name for block in blocks), (tuple(row),))


def write_ptrace(trace: PowerTrace) -> str:
    """Return the .ptrace file of a trace; each figure reads back as the same number."""
    rows = ["\t".join(map(repr, map(float, row))) for row in trace.rows_w]
    return "\n".join(["\t".join(trace.names), *rows]) + "\n"


def read_ptrace(text: str, label: str, blocks: Collection[str] | None = None) -> PowerTrace:
    """Return the trace of a .ptrace file; raise SpecError with every faulty line at once.

    With `blocks`, the names of a floorplan, the trace must have exactly these, in any order.
    """
    lines = list(content(text))
    if not lines:
        raise SpecError([Problem(label, "no line of names in it", "begin with the names of the blocks")])
    (first, names), *rest = lines
    where = f"{label}, line {first}"
    problems = [
        Problem(where, f"'{name}' is named twice", "give each block one column")
        for i, name in enumerate(names) if name in names[:i]
    ]  # fmt: skip
    if blocks is not None:
        strange = [name for name in dict.fromkeys(names) if name not in blocks]
        problems += [Problem(where, f"the floorplan has no '{name}'", nearest(name, blocks)) for name in strange]
        missing = [name for name in blocks if name not in names]
        problems += [Problem(where, f"'{name}' of the floorplan is missing", "give its power") for name in missing]
    if not rest:
        problems.append(Problem(label, "no line of powers in it", "give a power in watts for each name"))
    rows = []
    for number, words in rest:
        where = f"{label}, line {number}"
        if len(words) != len(names):
            problems.append(
                Problem(where, f"{counted(len(words), 'power')} for {counted(len(names), 'name')}", "give one for each")
            )
        values = [real(word) for word in words]
        for word, value in zip(words, values, strict=True):
            if value is None:
                problems.append(Problem(where, f"'{word}' is not a number", "give a power in watts"))
            elif value < 0:
                problems.append(Problem(where, f"a power of {word} W is negative", "give 0 or more"))
        rows.append(tuple(value for value in values if value is not None))
    if problems:
        raise SpecError(problems)
    return PowerTrace(tuple(names), tuple(rows))


def _ptrace_of(chip: Chip, result: Result | None) -> str:
    assert result is not None
    return write_ptrace(mean_power(chip.plan, result.bill.by_tile, result.data["metrics"]["time_total_s"]))


CHIP_FILES.add("floorplan.flp")(
    ChipFile(
        "floorplan for HotSpot, the thermal simulator; `floorplan.flp` of a spec reads it too",
        lambda chip, _: chip_flp(chip.plan, f"{chip.spec.name}, by archsim"),
    )
)
CHIP_FILES.add("floorplan.ptrace")(ChipFile("mean power of each block, for HotSpot", _ptrace_of, needs_run=True))
