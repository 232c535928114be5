"""Loading: a spec by name or path, with its base, variants and overrides, checked, every figure with its source."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from archsim.components import COMPONENTS
from archsim.components.base import Role
from archsim.documents import STATUSES, Leaf, Tree, annotated, dump_yaml, merged, read_text, read_yaml, texts, written
from archsim.errors import Problem, SpecError, nearest
from archsim.section import Section, yaml_key
from archsim.spec import AnyFigure, ArchSpec
from archsim.units import Dimension

S = TypeVar("S", bound=Section)

TEXTS_ABOUT = ("description", "reference")  # not part of what a spec *is*
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True)
class Figure:
    """One figure of a spec as it was written, and where it comes from."""

    text: str
    source: str
    status: str
    note: str = ""


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """A spec in use: its value, and by dotted path each of its figures.

    `hash` covers the resolved value, without descriptions and sources. `tree` is the file with its base
    merged in and before `overrides`; `document()` writes it as one file that stands alone.
    """

    value: S
    kind: str
    path_label: str
    figures: Mapping[str, Figure]
    hash: str
    overrides: tuple[str, ...]
    tree: dict[str, Tree]

    def with_overrides(self, more: Sequence[str]) -> Loaded[S]:
        """Return the spec with further `key=value` settings; raise SpecError where they are wrong."""
        return _load(type(self.value), self.kind, self.path_label, self.tree, (*self.overrides, *more))

    def document(self) -> str:
        """Return the spec as a YAML file without `extends`, overrides left out, sources kept."""
        return dump_yaml({"kind": self.kind, **written(self.tree)})

    def zeros(self) -> dict[str, Figure]:
        """Return the figures that are an explicit zero: what is neglected."""
        return {
            path: figure for path, figure in self.figures.items() if re.match(r"\s*[+-]?0*\.?0*(\s|$)", figure.text)
        }


def builtin_folder(folder: str) -> Path:
    """Return where built-in files lie: at the root of a checkout, or in the installed package."""
    package = Path(__file__).parent
    root = package.parent
    return (
        root / folder
        if (root / "pyproject.toml").is_file() and (root / folder).is_dir()
        else package / "_data" / folder
    )


def builtin_names(folder: str) -> list[str]:
    """Return the names of the built-in files of `arch_specs` or `workloads`."""
    return sorted(path.stem for path in builtin_folder(folder).glob("*.yaml"))


def find_file(name: str, folder: str) -> Path:
    """Return the file that a built-in name or a path stands for; raise SpecError with the nearest names."""
    looks_like_path = name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name
    path = Path(name).expanduser()
    if not looks_like_path and name in builtin_names(folder):
        return builtin_folder(folder) / f"{name}.yaml"
    if looks_like_path and not path.exists():
        beside = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        hint = nearest(path.name, beside) if beside else f"there is no .yaml file in {path.parent}"
        raise SpecError([Problem(name, "no such file", hint)])
    if not path.exists():
        raise SpecError(
            [Problem(name, f"neither a file nor a built-in name of {folder}", nearest(name, builtin_names(folder)))]
        )
    return path


def load_section(cls: type[S], kind: str, folder: str, name: str, overrides: Sequence[str] = ()) -> Loaded[S]:
    """Return a spec of a kind by built-in name or path; raise SpecError with all of its faults at once."""
    path = find_file(name, folder)
    label = _label(path)
    tree = _with_base(path, label, kind, folder, ())
    tree.setdefault("name", Leaf(path.stem))
    return _load(cls, kind, label, tree, tuple(overrides))


def load_arch(name: str | Path, overrides: Sequence[str] = ()) -> Loaded[ArchSpec]:
    """Return an arch spec by built-in name or path, with `key=value` overrides.

    >>> load_arch("ambrogio_nature_2018", ["tile.rows=256"]).value.tile.rows
    256
    """
    return load_section(ArchSpec, "arch", "arch_specs", str(name), overrides)


def kind_of(path: Path) -> str:
    """Return the `kind` that a file opens with."""
    label = _label(path)
    kind = read_yaml(read_text(path, label), label).get("kind")
    if not isinstance(kind, str):
        raise SpecError(
            [Problem(f"{label}: kind", "is missing", "begin the file with 'kind: arch' or 'kind: workload'")]
        )
    return kind


def _label(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _with_base(path: Path, label: str, kind: str, folder: str, seen: tuple[str, ...]) -> dict[str, Tree]:
    """Return a file's tree laid on that of the file it extends, if any; one level only."""
    plain = read_yaml(read_text(path, label), label)
    given = plain.pop("kind", None)
    if given != kind:
        what = "is missing" if given is None else f"'{given}' is not '{kind}'"
        raise SpecError([Problem(f"{label}: kind", what, f"begin the file with 'kind: {kind}'")])
    base = plain.pop("extends", None)
    tree = annotated(plain, label)
    if base is None:
        return tree
    where = f"{label}: extends"
    if seen:
        raise SpecError(
            [Problem(where, f"'{seen[-1]}' extends this file, which extends another", "extend one level only")]
        )
    if not isinstance(base, str):
        raise SpecError([Problem(where, "is not a name", "give one built-in name or path")])
    beside = path.parent / (base if base.endswith((".yaml", ".yml")) else f"{base}.yaml")
    try:
        found = beside if beside.is_file() else find_file(base, folder)
    except SpecError as error:
        raise SpecError([replace(error.problems[0], where=where, what=f"'{base}': {error.problems[0].what}")]) from None
    below = _with_base(found, _label(found), kind, folder, (*seen, label))
    for key in ("name", *TEXTS_ABOUT):
        below.pop(key, None)
    out = merged(below, tree)
    assert isinstance(out, dict)
    return out


def _load(cls: type[S], kind: str, label: str, tree: dict[str, Tree], overrides: tuple[str, ...]) -> Loaded[S]:
    used: dict[str, Tree] = tree
    problems: list[Problem] = []
    given: dict[str, str] = {}
    for setting in overrides:
        try:
            key, used = _override(used, setting)
            given[key] = setting
        except SpecError as error:
            problems += error.problems
    used = _with_variants(used)
    value = None
    try:
        value = cls.model_validate(texts(used))
    except ValidationError as error:
        problems += problems_of(error, cls, texts(used), label, given)
    if value is None or problems:
        raise SpecError(_without_inherited(problems, label))
    figures = {path: _figure(used, path, default) for path, default in _figure_paths(value, "")}
    return Loaded(value, kind, label, figures, hash_of(value), overrides, tree)


def _without_inherited(problems: Sequence[Problem], label: str) -> list[Problem]:
    """Return the problems once each; a variant does not repeat those of the default tile."""
    own = {(problem.where.removeprefix(f"{label}: tile."), problem.what) for problem in problems}

    def inherited(problem: Problem) -> bool:
        match = re.match(rf"{re.escape(label)}: variants\.[^.]+\.(.*)", problem.where)
        return match is not None and (match[1], problem.what) in own

    return [problem for problem in dict.fromkeys(problems) if not inherited(problem)]


def hash_of(value: Section) -> str:
    """Return 12 hex digits that change when, and only when, the resolved spec does."""
    resolved = {key: item for key, item in value.resolved().items() if key not in TEXTS_ABOUT}
    text = json.dumps(resolved, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# ---- overrides and variants


_COMMAND_LINE = Leaf("", "command line", "assumption")


def path_parts(path: str) -> list[str | int]:
    """Return the parts of a dotted path: `periphery[0].area` is ['periphery', 0, 'area']."""
    return [int(index) if index else name for index, name in _PART.findall(path)]


def _override(tree: dict[str, Tree], setting: str) -> tuple[str, dict[str, Tree]]:
    key, equals, text = setting.partition("=")
    key, text = key.strip(), text.strip()
    parts = path_parts(key)
    if not equals or not text or not parts or not isinstance(parts[0], str):
        raise SpecError([Problem("--set", f"'{setting}' is not KEY=VALUE", "for example --set tile.rows=256")])
    value: Tree = replace(_COMMAND_LINE, text=text)
    if text[0] in "[{":
        value = annotated(read_yaml(f"value: {text}", f"--set {key}"), f"--set {key}", _COMMAND_LINE)["value"]
    return key, _replaced(tree, parts, value, key)  # type: ignore[return-value]


def _replaced(tree: Tree | None, parts: Sequence[str | int], value: Tree, key: str) -> Tree:
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if isinstance(first, int):
        if not isinstance(tree, list) or first >= len(tree):
            have = f"entries: {len(tree)}, counted from 0" if isinstance(tree, list) else "there is no list"
            raise SpecError([Problem(f"--set {key}", f"there is no entry [{first}]", have)])
        return [_replaced(item, rest, value, key) if i == first else item for i, item in enumerate(tree)]
    if isinstance(tree, list):
        raise SpecError([Problem(f"--set {key}", f"'{first}' cannot be set in a list", "name an entry, such as [0]")])
    below = dict(tree) if isinstance(tree, dict) else {}
    below[first] = _replaced(below.get(first), rest, value, key)
    return below


def _with_variants(tree: dict[str, Tree]) -> dict[str, Tree]:
    """Return the tree with each variant laid on the default tile, whose `count` is not inherited."""
    variants, tile = tree.get("variants"), tree.get("tile")
    if not isinstance(variants, dict) or not isinstance(tile, dict):
        return tree
    default = {key: value for key, value in tile.items() if key != "count"}
    return {**tree, "variants": {name: merged(default, variant) for name, variant in variants.items()}}


# ---- figures


def _figure_paths(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted path, value as text) of every figure of a section, in order."""
    if isinstance(value, Section):
        for name, field in type(value).model_fields.items():
            here = f"{path}.{yaml_key(name)}" if path else yaml_key(name)
            item = getattr(value, name)
            if (mark := _mark(field)) is not None:
                if item is not None:
                    yield here, mark.text(item) if isinstance(mark, Dimension) else str(item)
            else:
                yield from _figure_paths(item, here)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _figure_paths(item, f"{path}.{key}")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _figure_paths(item, f"{path}[{i}]")


def _figure(tree: Tree, path: str, default: str) -> Figure:
    found: Any = tree
    for part in path_parts(path):
        if isinstance(part, int):
            found = found[part] if isinstance(found, list) and part < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, Leaf):
        return Figure(default, "archsim's default", "assumption")
    status = found.status or ("quoted" if found.source else "assumption")
    return Figure(found.text, found.source, status, found.note)


def _mark(field: FieldInfo) -> Dimension | AnyFigure | None:
    return next((mark for mark in _marks(field) if isinstance(mark, Dimension | AnyFigure)), None)


def _marks(field: FieldInfo) -> list[Any]:
    inner = [mark for arg in typing.get_args(field.annotation) for mark in getattr(arg, "__metadata__", ())]
    return [*field.metadata, *inner]


# ---- faults


def problems_of(
    error: ValidationError, cls: type[Section], data: Any, label: str, given: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return the faults of a validation as problems: where, what was given, what is allowed, what to try."""
    found: list[Problem] = []
    for fault in error.errors(include_url=False):
        loc = [part for part in fault["loc"] if part != "__key__"]
        path = dotted(loc)
        origin = next((f"--set {key}" for key in given or () if path == key or key.startswith(f"{path}.")), None)
        what, hint = _explain(fault, loc, cls, data)
        if origin and origin != f"--set {path}":
            what = f"{path}: {what}"
        where = origin or (f"{label}: {path}" if path else label)
        found.append(Problem(where, what, hint))
    return found


def dotted(loc: Sequence[Any]) -> str:
    """Return a location as a dotted path."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _explain(fault: Any, loc: Sequence[Any], cls: type[Section], data: Any) -> tuple[str, str]:
    kind, given = fault["type"], fault.get("input")
    shown = f"'{given}'" if isinstance(given, str) else "a list" if isinstance(given, list | tuple) else "a mapping"
    section = _section_at(cls, data, loc[:-1])
    if kind == "extra_forbidden":
        keys = _keys(section, data, loc[:-1]) if section else []
        return "unknown key", nearest(str(loc[-1]), keys)
    if kind == "missing":
        field = _field(section, loc[-1]) if section else None
        return "is missing", _wanted(field)
    if kind == "literal_error":
        return f"{shown} is not allowed", f"allowed: {fault['ctx']['expected'].replace(' or ', ', ')}"
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return f"{shown} stands where a section is expected", "give a mapping of keys to values"
    if kind in ("tuple_type", "list_type"):
        return f"{shown} stands where a list is expected", "give a list, one '- ' per entry"
    if kind == "string_type":
        return f"{shown} is not text", "give a word"
    if kind.startswith("bool"):
        return f"{shown} is not true or false", "give true or false"
    what, _, hint = str(fault["msg"]).partition("; ")
    return what, hint


def _wanted(field: FieldInfo | None) -> str:
    if field is not None:
        for mark in field.metadata:
            if isinstance(mark, Dimension):
                return f"give {mark.describe()}"
            if isinstance(mark, Role):
                return f"give a {mark.name}; kinds: {', '.join(mark.kinds())}"
    return "add it"


def _field(section: type[Section], key: Any) -> FieldInfo | None:
    return next((field for name, field in section.model_fields.items() if key in (name, yaml_key(name))), None)


def _keys(section: type[Section], data: Any, loc: Sequence[Any]) -> list[str]:
    keys = [yaml_key(name) for name in section.model_fields]
    return keys if loc else [*keys, "kind", "extends"]


def _section_at(cls: type[Section], data: Any, loc: Sequence[Any]) -> type[Section] | None:
    """Return the class of the section at a place of the data."""
    here: type[Section] | None = cls
    field: FieldInfo | None = None
    for part in loc:
        data = _below(data, part)
        if here is not None and (own := _field(here, part)) is not None:
            field = own
        elif field is None:
            return None
        here = _class_of(field, data) if isinstance(data, dict) else None
    return here


def _below(data: Any, part: Any) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _class_of(field: FieldInfo, data: Any) -> type[Section] | None:
    """Return the section class that a field holds: by `kind` for a role, else the one in its type."""
    if any(isinstance(mark, Role) for mark in _marks(field)):
        kind = data.get("kind") if isinstance(data, dict) else None
        return dict(COMPONENTS.items()).get(str(kind))
    return _section_in(field.annotation)


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for arg in typing.get_args(annotation):
        if arg not in (NoneType, ...) and (found := _section_in(arg)) is not None:
            return found
    return None


# ---- differences and schema


def differences(a: Loaded[Any], b: Loaded[Any]) -> list[tuple[str, str, str]]:
    """Return (dotted path, text in a, text in b) where two specs differ; "-" where one has nothing."""
    left, right = (flat(spec.value.resolved(), "") for spec in (a, b))
    rows = []
    for path in dict.fromkeys([*left, *right]):
        if left.get(path) != right.get(path) and path not in TEXTS_ABOUT:
            shown = [spec.figures[path].text if path in spec.figures else flat.get(path, "-")
                     for spec, flat in ((a, left), (b, right))]  # fmt: skip
            rows.append((path, str(shown[0]), str(shown[1])))
    return rows


def flat(data: Any, path: str = "") -> dict[str, Any]:
    """Return nested plain data by dotted path."""
    if isinstance(data, dict):
        items = [(f"{path}.{key}" if path else str(key), value) for key, value in data.items()]
    elif isinstance(data, list):
        items = [(f"{path}[{i}]", value) for i, value in enumerate(data)]
    else:
        return {path: data}
    out: dict[str, Any] = {}
    for key, value in items:
        out.update(flat(value, key))
    return out


@functools.cache
def json_schema(cls: type[Section], kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of file, for editors.

    A file that `extends` another, and a variant of a tile, need not be complete; every section may carry
    source, status and note.
    """
    schema = cls.model_json_schema(by_alias=True)
    for part in _objects(schema):
        if part.get("additionalProperties") is False and not _is_figure(part):
            part["properties"] = {**_NOTE_SCHEMAS, **part.get("properties", {})}
    schema["properties"] = {
        "kind": {"const": kind},
        "extends": {"type": "string", "description": "a built-in name or a path; one level"},
        **schema["properties"],
    }
    complete = schema.pop("$defs", {})
    partial = {
        f"partial.{name}": _renamed(part, complete)
        for name, part in json.loads(json.dumps(complete)).items()
    }  # fmt: skip
    for part in _objects(partial):
        if not _is_figure(part):
            part.pop("required", None)
    needed = ["kind", *(key for key in schema.get("required", []) if key != "name")]
    relaxed = _renamed(json.loads(json.dumps(schema["properties"])), complete)
    if "variants" in schema["properties"]:
        schema["properties"]["variants"] = relaxed["variants"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"archsim {kind}",
        "description": schema.get("description", ""),
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"properties": relaxed, "required": ["kind"], "additionalProperties": False},
        "else": {"properties": schema["properties"], "required": needed, "additionalProperties": False},
        "$defs": {**complete, **partial},
    }


_NOTE_SCHEMAS: dict[str, Any] = {
    "source": {"type": "string"},
    "status": {"enum": list(STATUSES)},
    "note": {"type": "string"},
}


def _is_figure(part: Mapping[str, Any]) -> bool:
    return set(part.get("properties", {})) == {"value", *_NOTE_SCHEMAS}


def _renamed(part: Any, complete: Mapping[str, Any]) -> Any:
    """Return a schema whose references name the partial definitions; a kind's alternatives may all match."""
    if isinstance(part, dict):
        out = {("anyOf" if key == "oneOf" else key): _renamed(value, complete) for key, value in part.items()}
        ref = str(out.get("$ref", ""))
        if ref.startswith("#/$defs/"):
            out["$ref"] = f"#/$defs/partial.{ref.removeprefix('#/$defs/')}"
        return out
    return [_renamed(item, complete) for item in part] if isinstance(part, list) else part


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)
