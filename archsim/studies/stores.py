"""Stores as people ask for them: what is in them, shown, as a table for other tools, pruned and merged."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from archsim.base.atomic import output
from archsim.base.errors import SpecError, nearest
from archsim.base.texts import for_csv
from archsim.base.units import si_of_metric
from archsim.base.words import counted
from archsim.report.document import Block, Document, say
from archsim.report.table import Column as Heading
from archsim.report.table import Table
from archsim.results.metric_words import display_unit, metric_name
from archsim.results.metrics import HEADLINE
from archsim.studies.conditions import SIGNS, Condition, Quantity, conditions_of
from archsim.studies.names import all_faults
from archsim.studies.tasks.columns import PARTS, Array, Column, flat_json
from archsim.studies.tasks.reader import Reader
from archsim.studies.tasks.store import Row, Store, whole
from archsim.studies.tasks.surroundings import code_digest

SCHEMA = "archsim-store-1"
FIGURES = 6
"""So many figures of a point are shown on a terminal."""
BATCH = 5_000
"""So many points are held at once by what writes them to a file."""
EXAMPLE = "time_per_example_s <= 1 us"
OWN = ("key", "kind", "code", "versions", "processor")
Frame: TypeAlias = Any
"""A data frame of pandas, which is optional, and so are its types."""


class Listed(NamedTuple):
    """How many points of a kind, by code of a digest, a store has, and its size on the disk in bytes."""

    path: Path
    kind: str
    code: str
    is_present: bool
    points: int
    size: int


def listed(paths: Sequence[Path]) -> list[Listed]:
    """Return what stores have, by kind and code; raise SpecError with those that cannot be read."""
    return [own for found in all_faults([partial(_listed, path) for path in paths]) for own in found]


def _listed(path: Path) -> list[Listed]:
    with Reader(path) as reader:
        counts: dict[tuple[str, str], int] = {}
        for own in reader.origins():
            counts[own.kind, own.code] = counts.get((own.kind, own.code), 0) + own.points
    size = size_of(path)
    found = [Listed(path, kind, code, code == code_digest(), count, size) for (kind, code), count in counts.items()]
    return found or [Listed(path, "-", "-", False, 0, size)]


def size_of(path: Path) -> int:
    """Return how many bytes a store takes on the disk, what is not yet brought into its file with it."""
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


# ---- which points


class Asked(NamedTuple):
    """Which points of a store are asked for: those of a kind, and those whose metrics meet conditions."""

    kind: str | None = None
    where: tuple[str, ...] = ()


class Found:
    """Points of a store that is open, in their order."""

    def __init__(self, reader: Reader, asked: Asked, best_first: bool = False) -> None:
        self.reader, self.where = reader, reader.where
        conditions = conditions_of(asked.where, "--where", EXAMPLE)
        self.origins = reader.origins(asked.kind)
        self.columns = reader.columns(self.origins)
        figures = [own.name for own in self.columns if own.is_figure]
        names, bounds = _bounds(conditions, figures)
        order = 0
        if best_first and conditions:
            order = {"<": 1, ">": -1}.get(conditions[0].sign[0], 0)

        def meets(*arrays: Array) -> Array:
            kept: Array = ~np.isnan(np.array(arrays)).any(axis=0)
            for place, sign, bound in bounds:
                kept &= SIGNS[sign](arrays[place], arrays[bound] if isinstance(bound, int) else bound)
            return kept

        self.ids = reader.select(self.origins, names, meets if conditions else None, order)

    def rows(self, most: int | None = None) -> Iterator[tuple[Row, tuple[dict[str, Any], ...]]]:
        """Yield the first points, each with its parts as flat mappings."""
        for row in self.reader.rows(self.ids[:most]):
            with whole(self.where):
                parts = tuple(flat_json(getattr(row, part)) for part in PARTS)
            yield row, parts


def _bounds(
    conditions: Sequence[Condition], figures: Sequence[str]
) -> tuple[list[str], list[tuple[int, str, int | float]]]:
    """Return the metrics that are compared, and (place, sign, place of another or quantity in SI) of each condition."""
    names: list[str] = []
    found: list[tuple[int, str, int | float]] = []

    def place(own: Condition, name: str) -> int:
        if name not in figures:
            raise SpecError.at(own.where, f"'{name}' is no metric of these points", nearest(name, figures))
        if name not in names:
            names.append(name)
        return names.index(name)

    for own in conditions:
        left, quantity = place(own, own.left), Quantity.of(own.right)
        if quantity is None:
            found.append((left, own.sign, place(own, own.right)))
            continue
        unit = si_of_metric(own.left)
        try:
            bound = quantity.beside(Quantity(Fraction(1), unit))[0]
        except ValueError as error:
            hint = f"for example {own.left} {own.sign} 1 {unit}".rstrip()
            raise SpecError.at(own.where, f"'{own.right}' {error}", hint) from None
        found.append((left, own.sign, float(bound)))
    return names, found


# ---- shown


def points_json(path: Path, asked: Asked, most: int | None) -> Iterator[str]:
    """Yield the lines of points as JSON: a mapping of `schema`, `points`, and `more`, how many are left out."""
    with Reader(path) as reader:
        found = Found(reader, asked, best_first=True)
        figures = {own.name for own in found.columns if own.is_figure}
        yield f'{{"schema": "{SCHEMA}", "points": ['
        comma = ""
        for row, (_, _, result) in found.rows(most):
            own = {name: value for name, value in result.items() if name in figures}
            parts = {part: json.loads(getattr(row, part)) for part in PARTS}
            point = {**{name: getattr(row, name) for name in OWN}, **parts, "metrics": own}
            yield f"{comma}{json.dumps(point, allow_nan=False)}"
            comma = ","
        yield f'], "more": {_more(found, most)}}}'


def _more(found: Found, most: int | None) -> int:
    return 0 if most is None else max(0, len(found.ids) - most)


def shown(path: Path, asked: Asked, most: int) -> Document:
    """Return points as tables, one of each kind: by what people know them, and their main figures."""
    with Reader(path) as reader:
        found = Found(reader, asked, best_first=True)
        points = list(found.rows(most))
        first = [own.left for own in conditions_of(asked.where, "--where", EXAMPLE)]
    blocks: list[Block] = []
    for kind in dict.fromkeys(row.kind for row, _ in points):
        blocks += _table([own for own in points if own[0].kind == kind], kind, first)
    if more := _more(found, most):
        blocks.append(say("And {more} more: --most {count}.", brief=True, more=f"{more:,}", count=len(found.ids)))
    title = f"{path}: {counted(len(found.ids), 'point')}"
    return Document(title, tuple(blocks), ())


def _table(
    points: Sequence[tuple[Row, tuple[dict[str, Any], ...]]], kind: str, first: Sequence[str]
) -> Iterator[Block]:
    """Yield the table of points of a kind, and before it what is alike in all of several."""
    names = list(dict.fromkeys(name for _, (labels, _, _) in points for name in labels))
    alike = [name for name in names if len(points) > 1 and len({own[1][0].get(name) for own in points}) == 1]
    figures = dict.fromkeys(name for _, (_, _, result) in points for name, value in result.items()
                            if type(value) in (int, float))  # fmt: skip
    main = [name for name in dict.fromkeys((*first, *HEADLINE, *figures)) if name in figures][
        : max(FIGURES, len(first))
    ]
    present = sum(row.code == code_digest() for row, _ in points)
    said = "all by this code" if present == len(points) else f"{present:,} of them by this code"
    yield say("{name}: {count}, {said}", brief=True, name=kind, count=counted(len(points), "point"), said=said)
    if alike:
        words = ", ".join(f"{name}={points[0][1][0][name]}" for name in alike)
        yield say("{words}", brief=True, words=words)
    shown_names = [name for name in names if name not in alike]
    columns = [Heading("key"), *map(Heading, shown_names),
               *(Heading(metric_name(name), display_unit(name)) for name in main)]  # fmt: skip
    rows = tuple(
        (row.key[:12], *map(labels.get, shown_names), *(_figure(result.get(name)) for name in main))
        for row, (labels, _, result) in points
    )
    yield Table(kind, kind, tuple(columns), rows, most=len(rows), brief=True)


def _figure(value: Any) -> Any:
    return value if type(value) in (int, float) else None


# ---- for other tools


class Sheet:
    """Points as rows of a table whose columns have one type each; lists, and what is wide, are text in JSON."""

    def __init__(self, found: Found) -> None:
        self.found = found
        taken = {own.name for own in found.columns if own.part == "result"} | {*OWN}
        self.heads = [*OWN, *(_heading(own, taken) for own in found.columns)]

    def rows(self) -> Iterator[list[Any]]:
        """Yield the values of each point."""
        places = [(PARTS.index(own.part), own.name, own.holds - {"nothing"}) for own in self.found.columns]
        for row, parts in self.found.rows():
            yield [*(getattr(row, name) for name in OWN),
                   *(_value(parts[part].get(name), holds) for part, name, holds in places)]  # fmt: skip

    def batches(self) -> Iterator[Any]:
        """Yield the points as batches of Arrow; there is at least one."""
        import pyarrow as pa

        types = [pa.string()] * len(OWN) + [_arrow(own.holds - {"nothing"}) for own in self.found.columns]
        fields = [pa.field(head, own, metadata={"unit": si_of_metric(head)} if si_of_metric(head) else None)
                  for head, own in zip(self.heads, types, strict=True)]  # fmt: skip
        schema, rows = pa.schema(fields), self.rows()
        some = list(islice(rows, BATCH))
        while True:
            values = zip(*some, strict=True) if some else [()] * len(types)
            yield pa.record_batch([pa.array(own, kind) for own, kind in zip(values, types, strict=True)], schema)
            if not (some := list(islice(rows, BATCH))):
                return


def _heading(column: Column, taken: set[str]) -> str:
    """Return a column's name: that of a result is its own; what it depends on is told apart."""
    plain = column.part == "result" or (column.part == "labels" and column.name not in taken)
    return column.name if plain and column.name not in OWN else f"{column.part}.{column.name}"


def _value(value: Any, holds: frozenset[str]) -> Any:
    if value is None or holds in _PLAIN:
        return value
    if holds == _NUMBERS:
        return float(value)
    return value if isinstance(value, str) else json.dumps(value)


_NUMBERS = frozenset({"count", "number"})
_PLAIN = tuple(frozenset({own}) for own in ("count", "number", "truth", "text"))


def _arrow(holds: frozenset[str]) -> Any:
    import pyarrow as pa

    if holds in _PLAIN:
        return {"count": pa.int64(), "number": pa.float64(), "truth": pa.bool_(), "text": pa.string()}[min(holds)]
    return pa.float64() if holds == _NUMBERS else pa.string()


def export(path: Path, out: Path, asked: Asked) -> int:
    """Write points as a table, CSV or Parquet by the name of the file, and return how many these are.

    Metrics are in SI units, which their names end in. Raises SpecError, also where a package is missing.
    """
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    if (write := writers.get(out.suffix.lower())) is None:
        what = f"'{out.suffix}' is no format" if out.suffix else "has no ending"
        raise SpecError.at(f"--out {out}", what, "give a name that ends in .csv or .parquet")
    if write is _write_parquet:
        _need_frames(f"--out {out}")
    with output(out, f"--out {out}") as written, Reader(path) as reader:
        found = Found(reader, asked)
        written(partial(write, Sheet(found)))
        return len(found.ids)


def _write_csv(sheet: Sheet, file: BinaryIO) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(for_csv, sheet.heads))
    writer.writerows(map(for_csv, row) for row in sheet.rows())
    text.detach()


def _write_parquet(sheet: Sheet, file: BinaryIO) -> None:
    from pyarrow.parquet import ParquetWriter

    with ExitStack() as opened:
        writer = None
        for batch in sheet.batches():
            writer = writer or opened.enter_context(ParquetWriter(file, batch.schema))
            writer.write_batch(batch)


def frame(path: Path | str, kind: str | None = None, where: Sequence[str] = ()) -> Frame:
    """Return the points of a store as a data frame of pandas: those of a kind, and whose metrics meet conditions.

    `path` is a file that `--store` named, `where` are such as "time_per_example_s <= 1 us". Metrics are in SI units,
    which their names end in. Raises SpecError where the store cannot be read, or pandas or pyarrow is missing.
    """
    _need_frames("frame")
    import pyarrow as pa

    with Reader(Path(path)) as reader:
        return pa.Table.from_batches(Sheet(Found(reader, Asked(kind, tuple(where)))).batches()).to_pandas()


def _need_frames(where: str) -> None:
    try:
        import pandas  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError as error:
        what = f"the package {error.name} is not installed"
        raise SpecError.at(where, what, "pip install 'archsim[frames]'") from None


# ---- changed


def prune(path: Path, kind: str | None = None, code: str | None = None) -> tuple[int, int]:
    """Delete points of other code than this, or of the code of a digest; of one kind if that is given.

    Returns how many these were, and how many are left. Raises SpecError where there is no such kind or code.
    """
    with Reader(path) as reader:
        origins = reader.origins(kind)
        codes = sorted({own.code for own in origins})
        if code is not None and code not in codes:
            hint = nearest(code, codes) if codes else "there are no points in it"
            raise SpecError.at("--code", f"there are no points by code '{code}'", hint)
        count = sum(own.points for own in reader.origins())

    def goes(of: str, by: str) -> bool:
        return kind in (None, of) and (by != code_digest() if code is None else by == code)

    with Store(path, "") as store:
        gone = store.prune(goes)
    return gone, max(0, count - gone)


def merge(path: Path, others: Sequence[Path]) -> Iterator[tuple[Path, int, int]]:
    """Take the points of other stores into one, which is made if it is not there; of one that is damaged, none.

    Yields of each how many were new, and how many were there already. Raises SpecError before anything is taken where
    one cannot be read, and at one that is damaged.
    """
    with ExitStack() as opened:
        readers = all_faults([partial(_opened, opened, path, other) for other in others])
        with Store(path, "") as store:
            for other, reader in zip(others, readers, strict=True):
                points = reader.select(reader.origins())
                yield other, *store.merge(partial(reader.rows, points), reader.where)


def _opened(opened: ExitStack, path: Path, other: Path) -> Reader:
    if path.exists() and other.exists() and path.samefile(other):
        raise SpecError.at(str(other), "is the store into which it is to be merged", "give other stores")
    return opened.enter_context(Reader(other))
