"""Floorplan files of HotSpot (University of Virginia): one rectangle a line, in metres.

A line is name, width, height, left-x, bottom-y, between tabs or blanks; two further columns (specific heat and
resistivity, since HotSpot 6) may follow and are not used here. `#` begins a comment. What HotSpot itself dumps ends
with lines of three columns, two names and the density of the wires between them; they are checked and not used either.
HotSpot's y is up and drawings here show y downwards: the coordinates are the same, the picture is mirrored.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator

from archsim.base.errors import MOST_TOLD, Problem, SpecError, nearest
from archsim.base.words import counted
from archsim.chip.floorplan.plan import Block, Rect

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
    wires: list[tuple[str, list[str]]] = []
    for number, words in content(text):
        where = f"{label}, line {number}"
        if len(words) == 3 and real(words[1]) is None:
            wires.append((where, words))
            continue
        if len(words) not in (5, 7):
            what = f"{counted(len(words), 'column')}, not 5"
            problems.append(Problem(where, what, f"give {_COLUMNS}"))
            continue
        rect, faults = _rectangle(words, where)
        problems += faults
        if words[0] in lines:
            what = f"'{words[0]}' is there already, in line {lines[words[0]]}"
            problems.append(Problem(where, what, "give each rectangle its own name"))
        lines.setdefault(words[0], number)
        if rect is not None:
            found.append(Block(words[0], rect))
    for where, words in wires:
        problems += _wire_problems(words, where, lines, len(problems) < MOST_TOLD)
    if not lines and not problems:
        problems.append(Problem(label, "no rectangle in it", f"give lines of {_COLUMNS}"))
    if problems:
        raise SpecError(problems)
    return tuple(found)


def _rectangle(words: list[str], where: str) -> tuple[Rect | None, list[Problem]]:
    values: list[float] = []
    problems: list[Problem] = []
    for word, noun in zip(words[1:5], _WORDS, strict=True):
        value = real(word)
        if value is None:
            problems.append(Problem(where, f"{noun} '{word}' is not a number", f"give {_COLUMNS}"))
        elif noun in _WORDS[:2] and value <= 0:
            problems.append(Problem(where, f"{noun} {word} m of '{words[0]}' is not above 0", "give its size"))
        else:
            values.append(value)
    if len(values) < len(_WORDS):
        return None, problems
    width, height, x, y = values
    return Rect(x, y, width, height), problems


def _wire_problems(words: list[str], where: str, names: Collection[str], near: bool) -> Iterator[Problem]:
    """Yield what is wrong with a line that names two rectangles and the density of the wires between them."""
    for name in words[:2]:
        if name not in names:
            what = f"wires to '{name}', which is no rectangle of the file"
            yield Problem(where, what, nearest(name, names) if near else "")
    density = real(words[2])
    if density is None or density < 0:
        yield Problem(where, f"the density of wires '{words[2]}' is not a number from 0", "give two names and a number")


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
