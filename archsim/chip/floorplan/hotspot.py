"""Floorplan files of HotSpot (University of Virginia): one rectangle a line, in metres.

A line is name, width, height, left-x, bottom-y, between tabs or blanks; two further columns (specific heat and
resistivity, since HotSpot 6) may follow and are not used here. `#` begins a comment. HotSpot's y is up and drawings
here show y downwards: the coordinates are the same, the picture is mirrored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from archsim.chip.floorplan.plan import Block, Rect
from archsim.errors import Problem, SpecError

_COLUMNS = "name, width, height, left-x, bottom-y, in metres"
_WORDS = ("width", "height", "left-x", "bottom-y")


def write_flp(blocks: Iterable[Block], comment: str = "") -> str:
    """Return the .flp file of these rectangles; each coordinate reads back as the same number."""
    lines = [f"# {line}" for line in [*comment.splitlines(), "name\twidth\theight\tleft-x\tbottom-y, in metres"]]
    for block in blocks:
        rect = block.rect
        numbers = (rect.width_m, rect.height_m, rect.x_m, rect.y_m)
        lines.append("\t".join([block.name, *map(repr, map(float, numbers))]))
    return "\n".join(lines) + "\n"


def read_flp(text: str, label: str) -> tuple[Block, ...]:
    """Return the rectangles of a .flp file, in its order; raise SpecError with every faulty line at once."""
    found: list[Block] = []
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, words in content(text):
        where = f"{label}, line {number}"
        if len(words) not in (5, 7):
            what = f"{len(words)} column{'s' * (len(words) != 1)}, not 5"
            problems.append(Problem(where, what, f"give {_COLUMNS}"))
            continue
        values = []
        for word, noun in zip(words[1:5], _WORDS, strict=True):
            value = real(word)
            if value is None:
                problems.append(Problem(where, f"{noun} '{word}' is not a number", f"give {_COLUMNS}"))
            elif noun in _WORDS[:2] and value <= 0:
                problems.append(Problem(where, f"{noun} {word} m of '{words[0]}' is not above 0", "give its size"))
            else:
                values.append(value)
        if words[0] in lines:
            what = f"'{words[0]}' is there already, in line {lines[words[0]]}"
            problems.append(Problem(where, what, "give each rectangle its own name"))
        lines.setdefault(words[0], number)
        if len(values) == len(_WORDS):
            width, height, x, y = values
            found.append(Block(words[0], Rect(x, y, width, height)))
    if not lines and not problems:
        problems.append(Problem(label, "no rectangle in it", f"give lines of {_COLUMNS}"))
    if problems:
        raise SpecError(problems)
    return tuple(found)


def content(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, words) of each line that is not only a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words


def real(word: str) -> float | None:
    """Return a finite number, or None if the word is not one."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
