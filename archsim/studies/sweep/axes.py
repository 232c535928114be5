"""What a sweep varies: keys of a spec, and the values that each takes, as `KEY=V1,V2,...` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from archsim.base.errors import Problem, SpecError
from archsim.base.limits import POINTS
from archsim.spec.settings import path_parts


@dataclass(frozen=True)
class Axis:
    """A key of a spec, and the values that it takes, as text."""

    key: str
    values: tuple[str, ...]


def axes_of(varied: Sequence[str], sets: Sequence[str] = ()) -> tuple[Axis, ...]:
    """Return the axes that `KEY=V1,V2,...` texts describe, beside settings that hold for all points.

    A comma within brackets or quotes does not separate. Raises SpecError with all that is wrong.

    >>> axes_of(["schedule.refresh.period=1 ms,2 ms"])
    (Axis(key='schedule.refresh.period', values=('1 ms', '2 ms')),)
    """
    axes: list[Axis] = []
    problems: list[Problem] = []
    for text in varied:
        key, equals, listed = text.partition("=")
        key, values = key.strip(), [_unquoted(value) for value in _split(listed)]
        where = f"--vary {key}"
        if not key or not equals:
            hint = "for example --vary tile.rows=128,256"
            problems.append(Problem("--vary", f"'{text}' is not KEY=V1,V2,...", hint))
            continue
        if not listed.strip():
            problems.append(Problem(where, "there are no values", f"for example --vary {key}=V1,V2"))
        elif not all(values):
            what = f"value {values.index('') + 1} of {len(values)} is empty"
            problems.append(Problem(where, what, "put one comma between values, and none at the end"))
        twice = [value for value in dict.fromkeys(values) if value and values.count(value) > 1]
        problems += [Problem(where, f"'{value}' is given twice", "give each value once") for value in twice]
        axes.append(Axis(key, tuple(values)))
    given = [path_parts(setting.partition("=")[0].strip()) for setting in sets]
    for i, axis in enumerate(axes):
        parts, where = path_parts(axis.key), f"--vary {axis.key}"
        for setting, own in zip(sets, given, strict=True):
            if own[: len(parts)] == parts:
                problems.append(Problem(where, f"--set {setting} was given as well", "either vary it or set it"))
        for other in axes[:i]:
            theirs = path_parts(other.key)
            shorter = min(len(parts), len(theirs))
            if parts == theirs:
                problems.append(Problem(where, "is varied twice", "give all of its values in one --vary"))
            elif parts[:shorter] == theirs[:shorter]:
                problems.append(Problem(where, f"overlaps with --vary {other.key}", "vary one of the two"))
    count = prod(len(axis.values) for axis in axes)
    if not axes and not problems:
        problems.append(Problem("--vary", "nothing is varied", "for example --vary tile.rows=128,256"))
    problems += POINTS.faults(count, f"--vary of {' x '.join(str(len(axis.values)) for axis in axes)}")
    if problems:
        raise SpecError(problems)
    return tuple(axes)


def _split(text: str) -> list[str]:
    """Return the parts of a list, cut at commas outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not quote and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _unquoted(text: str) -> str:
    whole = len(text) > 1 and text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1
    return text[1:-1].strip() if whole else text
