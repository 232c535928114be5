"""Files that a command or a spec names: taken into a report's folder, and found there when its run.yaml repeats it.

Where a command is repeated, each name means the file that was taken for it, wherever that lies now, and no other.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISREG
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from archsim.base.documents import Leaf, Tree, texts
from archsim.base.doors import user_path
from archsim.base.limits import KEPT_BYTES, RESULT_BYTES
from archsim.base.texts import slugs

KEYS: Mapping[str, str] = {"arch": "floorplan.flp", "workload": "weights"}
"""The key of a spec that names a file, by kind; relative to the spec's own file, or on a command line to the current
folder."""
NOWHERE = Path("/nowhere/but/there")
_PACKAGE = Path(__file__).parents[1]
_BUILT_IN = [_PACKAGE.parent / name for name in ("arch_specs", "workloads")]


class FileName(str):
    """The name of a file, without its folder; `path` is where it lies, as far as who named it knows."""

    path: Path

    @classmethod
    def of(cls, text: str, path: Path) -> FileName:
        """Return a name of that text."""
        made = cls(text)
        made.path = path
        return made

    @classmethod
    def read(cls, value: object) -> FileName:
        """Return a name as it comes from a tree, or from Python; raise ValueError if it is none."""
        if not isinstance(value, str) or not value:
            raise ValueError(f"'{value}' is not the name of a file; give one")
        return value if isinstance(value, cls) else cls.of(Path(value).name, Path(value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.read)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        return {"type": "string", "minLength": 1}


@dataclass
class Taken:
    """What was named while a command was carried out: by its name the file's bytes, of a folder those of its parts.

    Where a command is repeated, `known` says where what it names lies; `alone`, nothing else is there.
    """

    known: Mapping[str, Path] = field(default_factory=dict)
    alone: bool = False
    met: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def has_part(self, path: Path) -> bool:
        """Return whether a file lies in a folder that was taken, or is known: then it goes with that."""
        folders = {Path(name): own for name, own in self.met.items()}
        return any(place in path.parents for place in self.known.values()) or any(
            path.relative_to(folder).as_posix() in folders[folder] for folder in path.parents if folder in folders
        )

    def inputs(self, folder: str) -> tuple[dict[str, bytes], dict[str, str]]:
        """Return the files to be written into a report's folder by relative path, and which of them has which name."""
        stems = slugs([Path(text).stem or "file" for text in self.met])
        places = {text: f"{folder}/{stem}{Path(text).suffix}" for text, stem in zip(self.met, stems, strict=True)}
        parts = {f"{places[text]}/{part}" if part else places[text]: content
                 for text, own in self.met.items() for part, content in own.items()}  # fmt: skip
        return parts, places


_TAKEN: ContextVar[Taken | None] = ContextVar("taken", default=None)


@contextmanager
def taking(taken: Taken | None = None) -> Iterator[Taken]:
    """Take what is named from now on, into what is given, or what is taken into around this, or anew."""
    into = taken or _TAKEN.get() or Taken()
    token = _TAKEN.set(into)
    try:
        yield into
    finally:
        _TAKEN.reset(token)


def lies(path: Path, parts: Sequence[str] = ()) -> Path:
    """Return where a file lies that was named so, or a folder of which these `parts` are taken (patterns of names)."""
    taken, name = _TAKEN.get(), path.as_posix()
    if taken is None or _PACKAGE in path.parents or path.parent in _BUILT_IN or taken.has_part(path):
        return path
    place = taken.known.get(name, NOWHERE if taken.alone else path)
    if name not in taken.met:
        if place.is_file() and _can_be_kept(place):
            taken.met[name] = {"": place.read_bytes()}
        elif parts and place.is_dir():
            found = sorted(
                {each for part in parts for each in place.glob(part) if each.is_file() and _can_be_kept(each)}
            )
            taken.met[name] = {each.relative_to(place).as_posix(): each.read_bytes() for each in found}
    return place


def _can_be_kept(place: Path) -> bool:
    """Return whether a file is small enough for who reads it, who else refuses it; raise SpecError for large arrays."""
    size = place.stat().st_size
    if place.suffix == ".npz":
        KEPT_BYTES.check(size, str(place))
    return place.suffix == ".npz" or size <= RESULT_BYTES.most


def named_path(text: str, folder: Path = Path()) -> Path:
    """Return the path that a text means, relative to a folder; `~` is a home folder, unless a file is called so."""
    literal = folder / text
    return literal if not text.startswith("~") or lies(literal).exists() else folder / user_path(text, text)


def content_digest(path: Path) -> str:
    """Return the SHA-256 of the file that was named so, in hex digits; "" if it cannot be read."""
    place = lies(path)
    try:
        found = place.stat()
        return _digest(place, found.st_ino, found.st_size, found.st_mtime_ns) if S_ISREG(found.st_mode) else ""
    except OSError:
        return ""


@functools.lru_cache(64)
def _digest(place: Path, *told_apart_by: int) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def may_name_a_file(setting: str) -> bool:
    """Return whether a `key=value` setting may name a file, so that what it means changes with that file.

    >>> [may_name_a_file(each) for each in ("floorplan={kind: explicit, flp: a.flp}", "weights=w.npz", "tile.rows=9")]
    [True, True, False]
    """
    key = setting.partition("=")[0].strip()
    return any(key == own or own.startswith(f"{key}.") for own in KEYS.values())


def to_send() -> Taken:
    """Return where others find what was named so far, wherever they are, and what may be found besides."""
    taken = _TAKEN.get()
    if taken is None:
        return Taken()
    known = {name: taken.known.get(name, Path(name)).absolute() for name in sorted({*taken.known, *taken.met})}
    return Taken(known, taken.alone)


# ---- in the tree of a spec


def placed(tree: dict[str, Tree], kind: str, folder: Path) -> dict[str, Tree]:
    """Return a spec's tree in which a file's name is told apart from its folder, which is relative to that given."""
    leaf = _leaf(tree, kind)
    if leaf is None or leaf.place or not leaf.text:
        return tree
    path = named_path(leaf.text, folder)
    return _with(tree, kind, replace(leaf, text=path.name or leaf.text, place=path.as_posix()))


def beside(tree: dict[str, Tree], kind: str, stem: str) -> tuple[dict[str, Tree], dict[str, bytes]]:
    """Return the tree of a spec that is written as STEM.yaml, and what it names, in the folder STEM beside it."""
    leaf = _leaf(tree, kind)
    if leaf is None or not leaf.place or not (place := lies(Path(leaf.place))).is_file():
        return tree, {}
    name = f"{stem}/{leaf.text}"
    return _with(tree, kind, replace(leaf, text=name, place="")), {name: place.read_bytes()}


def place_in(used: dict[str, Tree], tree: dict[str, Tree], kind: str) -> str:
    """Return where the file lies that a tree with overrides names, "" if the tree without them names it, or none."""
    before, after = _leaf(tree, kind), _leaf(used, kind)
    return "" if after is None or (before is not None and before.place == after.place) else after.place


def named_texts(tree: dict[str, Tree], kind: str) -> Any:
    """Return a tree with its leaves as text, for validation; a file's name knows where that lies, and it is taken."""
    plain, leaf = texts(tree), _leaf(tree, kind)
    if leaf is not None and leaf.place:
        lies(Path(leaf.place))
        below, keys = plain, KEYS[kind].split(".")
        for key in keys[:-1]:
            below = below[key]
        below[keys[-1]] = FileName.of(leaf.text, Path(leaf.place))
    return plain


def _leaf(tree: Tree, kind: str) -> Leaf | None:
    here: Tree | None = tree
    for key in KEYS.get(kind, "-").split("."):
        here = here.get(key) if isinstance(here, dict) else None
    return here if isinstance(here, Leaf) else None


def _with(tree: dict[str, Tree], kind: str, leaf: Leaf) -> dict[str, Tree]:
    first, *rest = KEYS[kind].split(".")
    if not rest:
        return {**tree, first: leaf}
    below = tree[first]
    assert isinstance(below, dict)
    return {**tree, first: {**below, rest[0]: leaf}}
