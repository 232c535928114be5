"""What a sweep varies: keys of a spec and the values that each takes: listed, stepped or sampled, alone or together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.limits import POINTS
from archsim.spec.settings import path_parts
from archsim.studies.sweep.points import PointSettings
from archsim.studies.sweep.samples import SAMPLERS, parts_of
from archsim.studies.sweep.spans import EXAMPLES, Range, RangeError, range_of

SPECS = ("arch", "workload")
"""Keys whose values are names or paths of specs."""
Whole = Callable[[str, bool], bool]
"""Tells of a key, and of whether values are written so, whether it takes whole numbers alone."""


@dataclass(frozen=True)
class Axis:
    """A key of a spec, and the values that it takes, as text; of one that is to be sampled, the range."""

    key: str
    values: tuple[str, ...]
    span: Range | None = None


@dataclass(frozen=True)
class Space:
    """All that is varied: the `axes`, and which of them go in step, with the values that they take together.

    `sampled` are the keys that were sampled.
    """

    axes: tuple[Axis, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...]
    sampled: tuple[str, ...] = ()

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """The keys of each group that goes in step, but for what is sampled."""
        return tuple(keys for keys, _ in self.rows if len(keys) > 1 and keys != self.sampled)

    @property
    def samples(self) -> int:
        """How many were drawn."""
        return sum(len(rows) for keys, rows in self.rows if keys == self.sampled)

    def points(self) -> Iterator[PointSettings]:
        """Yield all choices, as settings in the order of the axes; those of the last key change first."""
        keys = [key for own, _ in self.rows for key in own]
        order = [(axis.key, keys.index(axis.key)) for axis in self.axes]
        for chosen in itertools.product(*(rows for _, rows in self.rows)):
            values = list(itertools.chain.from_iterable(chosen))
            yield {key: values[place] for key, place in order}


def space_of(
    varied: Sequence[str], sets: Sequence[str] = (), together: Sequence[str] = (), sample: int | None = None,
    sampler: str | None = None, seed: int = 0, whole: Whole = lambda key, by_text: by_text,
) -> Space:  # fmt: skip
    """Return what is varied, beside settings that hold for all points; raise SpecError with all that is wrong.

    `together` names keys that go in step, each time as `KEY,KEY`; `sample` points are drawn over all ranges without
    steps, and combined with all other values.
    """
    problems: list[Problem] = []
    axes = tuple(_axes(varied, sets, whole, problems))
    groups = [*_groups(together, axes, problems)]
    free = [axis for axis in axes if axis.span is not None]
    problems += _sampling(free, sample, sampler)
    if not problems and sample is not None:
        try:
            axes, drawn = _sampled(axes, free, sample, sampler or SAMPLERS[0], seed)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    rows = []
    for axis in axes:
        keys = next((group for group in groups if axis.key in group), (axis.key,))
        if axis.span is not None:
            rows += [(tuple(own.key for own in free), drawn)] if axis.key == free[0].key else []
        elif axis.key == keys[0]:
            columns = [next(own.values for own in axes if own.key == key) for key in keys]
            rows.append((keys, tuple(zip(*columns, strict=True))))
    count = prod(len(own) for _, own in rows)
    POINTS.check(count, f"--vary of {' x '.join(str(len(own)) for _, own in rows)}")
    return Space(axes, tuple(rows), tuple(axis.key for axis in free))


def axes_of(varied: Sequence[str], sets: Sequence[str] = ()) -> tuple[Axis, ...]:
    """Return the axes that texts such as `KEY=V1,V2,...` describe; raise SpecError with all that is wrong.

    A comma within brackets or quotes does not separate.

    >>> [axis.values for axis in axes_of(["schedule.refresh.period=1 ms,2 ms", "tile.rows=64,128..512:x2"])]
    [('1 ms', '2 ms'), ('64', '128', '256', '512')]
    """
    return space_of(varied, sets).axes


def given_values(varied: Sequence[str], key: str) -> tuple[str, ...]:
    """Return the values of a key, as far as they can be read."""
    texts = [text.partition("=") for text in varied]
    return tuple(value for own, _, listed in texts if own.strip() == key for value in listed_in(listed) if value)


def _axes(varied: Sequence[str], sets: Sequence[str], whole: Whole, problems: list[Problem]) -> Iterator[Axis]:
    axes: list[Axis] = []
    for text in varied:
        key, equals, listed = text.partition("=")
        key = key.strip()
        if not key or not equals:
            hint = "for example --vary tile.rows=128,256"
            problems.append(Problem("--vary", f"'{text}' is not KEY=V1,V2,...", hint))
            continue
        axes.append(_axis(key, listed, whole, problems))
        yield axes[-1]
    problems += _overlaps(axes, sets)
    if not axes and not problems:
        problems.append(Problem("--vary", "nothing is varied", "for example --vary tile.rows=128,256"))


def _axis(key: str, listed: str, whole: Whole, problems: list[Problem]) -> Axis:
    where, given = f"--vary {key}", listed_in(listed)
    if not listed.strip():
        problems.append(Problem(where, "there are no values", f"for example --vary {key}=V1,V2"))
    elif not all(given):
        what = f"value {given.index('') + 1} of {len(given)} is empty"
        problems.append(Problem(where, what, "put one comma between values, and none at the end"))
    values: list[str] = []
    spans: list[Range] = []
    for text in given:
        try:
            span = range_of(text, lambda by_text: whole(key, by_text)) if key not in SPECS else None
            if span is None:
                values.append(text)
            elif span.is_to_be_sampled:
                spans.append(span)
                span.check_sampled()
            else:
                values += span.values()
        except RangeError as error:
            problems.append(Problem(where, error.what, error.hint))
        except SpecError as error:
            problems += [replace(each, where=where) for each in error.problems]
    if spans and len(given) > 1:
        problems.append(Problem(where, "a range without steps stands beside other values", EXAMPLES))
    twice = [value for value in dict.fromkeys(values) if value and values.count(value) > 1] if len(given) > 1 else []
    problems += [Problem(where, f"'{value}' is given twice", "give each value once") for value in twice]
    return Axis(key, tuple(values), spans[0] if spans else None)


def _overlaps(axes: Sequence[Axis], sets: Sequence[str]) -> Iterator[Problem]:
    given = [path_parts(setting.partition("=")[0].strip()) for setting in sets]
    for i, axis in enumerate(axes):
        parts, where = path_parts(axis.key), f"--vary {axis.key}"
        for setting, own in zip(sets, given, strict=True):
            if own[: len(parts)] == parts:
                yield Problem(where, f"--set {setting} was given as well", "either vary it or set it")
        for other in axes[:i]:
            theirs = path_parts(other.key)
            shorter = min(len(parts), len(theirs))
            if parts == theirs:
                yield Problem(where, "is varied twice", "give all of its values in one --vary")
            elif parts[:shorter] == theirs[:shorter]:
                yield Problem(where, f"overlaps with --vary {other.key}", "vary one of the two")


def _groups(together: Sequence[str], axes: Sequence[Axis], problems: list[Problem]) -> Iterator[tuple[str, ...]]:
    """Yield the keys of each group that goes in step, in the order of the axes."""
    known = {axis.key: axis for axis in axes}
    taken: set[str] = set()
    for text in together:
        where, keys = f"--together {text}", [key.strip() for key in text.split(",")]
        found: list[Problem] = []
        for key in dict.fromkeys(keys):
            if key not in known:
                found.append(Problem(where, f"'{key}' is not varied", nearest(key, known)))
            elif known[key].span is not None:
                found.append(Problem(where, f"{key} is sampled", "leave it out: what is sampled is drawn together"))
            elif key in taken:
                found.append(Problem(where, f"{key} goes with others already", "give them all in one --together"))
        taken |= set(keys)
        if len(set(keys)) < max(2, len(keys)):
            found.append(Problem(where, "is not several keys", "for example --together tile.rows,tile.cols"))
        counts = {key: len(known[key].values) for key in keys if key in known}
        if not found and len(set(counts.values())) > 1:
            told = ", ".join(f"{key} {count}" for key, count in counts.items())
            found.append(Problem(where, f"keys have different numbers of values: {told}", "give each as many"))
        problems += found
        if not found:
            yield tuple(axis.key for axis in axes if axis.key in keys)


def _sampling(free: Sequence[Axis], sample: int | None, sampler: str | None) -> Iterator[Problem]:
    if sampler is not None and sampler not in SAMPLERS:
        yield Problem("--sampler", f"'{sampler}' is no sampler", nearest(sampler, SAMPLERS))
    if sample is None:
        if sampler is not None:
            yield Problem("--sampler", "is of no use without --sample", "give --sample N as well, or leave it out")
        for axis in free:
            yield Problem(f"--vary {axis.key}", "the range says no steps", f"{EXAMPLES}, or give --sample N")
        return
    yield from POINTS.faults(sample, "--sample")
    if not free:
        yield Problem("--sample", "no range is to be sampled", "give one as --vary KEY=LOW..HIGH or KEY=LOW..HIGH:log")


def _sampled(
    axes: Sequence[Axis], free: Sequence[Axis], count: int, sampler: str, seed: int
) -> tuple[tuple[Axis, ...], tuple[tuple[str, ...], ...]]:
    """Return the axes with the values that were drawn in rising order, and the rows of these, each once."""
    spans = [axis.span for axis in free if axis.span is not None]
    parts = parts_of(sampler, count, len(spans), seed)
    rows = tuple(dict.fromkeys(
        tuple(span.sampled(part) for span, part in zip(spans, row, strict=True)) for row in parts
    ))  # fmt: skip
    columns = dict(zip((axis.key for axis in free), zip(*rows, strict=True), strict=True))
    found = []
    for axis in axes:
        drawn = sorted(set(columns.get(axis.key, ())), key=lambda text: float(text.split(" ")[0]))
        found.append(replace(axis, values=tuple(drawn)) if drawn else axis)
    return tuple(found), rows


def listed_in(text: str) -> list[str]:
    """Return the parts of a list, cut at commas outside of brackets and quotes, and these without quotes."""
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
    return [_unquoted(part.strip()) for part in parts]


def _unquoted(text: str) -> str:
    whole = len(text) > 1 and text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1
    return text[1:-1].strip() if whole else text
