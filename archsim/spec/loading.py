"""Loading: a spec by name or path, with its base, variants and overrides, checked, every figure with its source."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from archsim.base.documents import Leaf, Tree, annotated, dump_yaml, merged, read_text, read_yaml, texts, written
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.section import Section, marks_of, yaml_key
from archsim.base.units import Dimension, engineering
from archsim.spec.arch import AnyFigure, ArchSpec
from archsim.spec.faults import problems_of
from archsim.spec.misfits import marked, misfits
from archsim.spec.scaling import Scaled, scaled

S = TypeVar("S", bound=Section)

OF_WORKLOADS = frozenset({"dataset", "inference", "layers", "mode", "program", "steps", "training", "weights"})
"""First keys by which a setting of a workload is told from one of a chip."""

TEXTS_ABOUT = ("description", "reference")  # not part of what a spec *is*
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True)
class Figure:
    """One figure of a spec as it was written, and where it comes from.

    Of one that was scaled to another node, `text` is what it was scaled to, and `written` what the file has.
    `given_for` says for which choices it holds, where that was said or they were changed since.
    """

    text: str
    source: str
    status: str
    note: str = ""
    written: str = ""
    given_for: str = ""

    @property
    def to_set(self) -> str:
        """The text with which an override would leave it as it is: scaling comes after overrides."""
        return self.written or self.text


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """A spec in use: its value, and by dotted path each of its figures.

    `hash` covers the resolved value, without descriptions and sources. `tree` is the file with its base
    merged in and before `overrides`; `document()` writes it as one file that stands alone. `retired` says by path of
    keys that the file gives and that are read no more.
    """

    value: S
    kind: str
    path_label: str
    figures: Mapping[str, Figure]
    hash: str
    overrides: tuple[str, ...]
    tree: dict[str, Tree]
    retired: Mapping[str, str] = field(default_factory=dict)

    def with_overrides(self, more: Sequence[str]) -> Loaded[S]:
        """Return the spec with further `key=value` settings; raise SpecError where they are wrong."""
        return _load(type(self.value), self.kind, self.path_label, self.tree, (*self.overrides, *more))

    def document(self) -> str:
        """Return the spec as a YAML file without `extends`, overrides left out, sources kept."""
        return dump_yaml({"kind": self.kind, **written(self.tree)})

    def settled(self, settings: Sequence[str], mark: Leaf) -> dict[str, Tree]:
        """Return the tree with the overrides and further settings in it, as a file of its own would have it.

        What a setting changes is marked as `mark` says; a figure that has the value which it had keeps its source.
        """
        tree = self.tree
        for setting in self.overrides:
            _, tree = _override(tree, setting)
        keys = []
        for setting in settings:
            key, tree = _override(tree, setting, mark)
            keys.append(key)
        for path, figure in self.with_overrides(settings).figures.items():
            before = self.figures.get(path)
            if before is not None and before.text == figure.text and any(path.startswith(f"{key}.") for key in keys):
                same = Leaf(before.text, before.source, before.status, before.note)
                tree = _replaced(tree, path_parts(path), same, path)  # type: ignore[assignment]
        return tree

    def misfits(self) -> list[str]:
        """Return, as sentences, which figures were given for other choices than the spec makes now."""
        return misfits(self.figures)

    def zeros(self) -> dict[str, Figure]:
        """Return the figures that are an explicit zero: what is neglected."""
        return {
            path: figure for path, figure in self.figures.items() if re.match(r"\s*[+-]?0*\.?0*(\s|$)", figure.text)
        }


def builtin_folder(folder: str) -> Path:
    """Return where built-in files lie: at the root of a checkout, or in the installed package."""
    package = Path(__file__).parents[1]
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
    tree = _with_base(path, label, kind, folder)
    tree.setdefault("name", Leaf(path.stem))
    return _load(cls, kind, label, tree, tuple(overrides))


def load_arch(name: str | Path, overrides: Sequence[str] = ()) -> Loaded[ArchSpec]:
    """Return an arch spec by built-in name or path, with `key=value` overrides.

    >>> load_arch("ambrogio_nature_2018", ["tile.rows=256"]).value.tile.rows
    256
    """
    loaded = load_section(ArchSpec, "arch", "arch_specs", str(name), overrides)
    unsourced = [
        Problem(f"{loaded.path_label}: published[{i}]", "has no source", "say who published it: 'source: ...'")
        for i in range(len(loaded.value.published)) if not loaded.figures[f"published[{i}].value"].source
    ]  # fmt: skip
    if unsourced:
        raise SpecError(unsourced)
    return loaded


def description_of(name: str, folder: str) -> str:
    """Return what a file says of itself, which it does not take from the file that it extends; "" for nothing."""
    path = find_file(name, folder)
    label = _label(path)
    own = read_yaml(read_text(path, label), label).get("description")
    return own if isinstance(own, str) else ""


def split_overrides(settings: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the settings of the arch spec and those of the workload, told apart by their first key."""
    mine = [bool(OF_WORKLOADS & {re.split(r"[.\[=]", setting, maxsplit=1)[0].strip()}) for setting in settings]
    arch = [setting for setting, is_work in zip(settings, mine, strict=True) if not is_work]
    return arch, [setting for setting, is_work in zip(settings, mine, strict=True) if is_work]


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


def _with_base(path: Path, label: str, kind: str, folder: str) -> dict[str, Tree]:
    """Return a file's tree laid on that of the file it extends, and so on down; raise SpecError on a circle."""
    files: dict[Path, str] = {}
    trees: list[dict[str, Tree]] = []
    following: Path | None = path
    while following is not None:
        files[following.resolve()] = label
        plain = read_yaml(read_text(following, label), label)
        given = plain.pop("kind", None)
        if given != kind:
            what = "is missing" if given is None else f"'{given}' is not '{kind}'"
            raise SpecError([Problem(f"{label}: kind", what, f"begin the file with 'kind: {kind}'")])
        base = plain.pop("extends", None)
        trees.append(annotated(plain, label))
        if base is None:
            break
        where = f"{label}: extends"
        following = _base(base, following, where, folder)
        if (met := following.resolve()) in files:
            labels = list(files.values())
            circle = [*labels[list(files).index(met) :], files[met]]
            what = f"'{base}' leads in a circle: {' -> '.join(circle)}"
            raise SpecError([Problem(where, what, "extend a file that does not extend this one")])
        label = _label(following)
    tree = trees.pop()
    while trees:
        for key in ("name", *TEXTS_ABOUT):
            tree.pop(key, None)
        out = marked(tree, merged(tree, trees.pop()))
        assert isinstance(out, dict)
        tree = out
    return tree


def _base(base: object, path: Path, where: str, folder: str) -> Path:
    """Return the file that `extends` names: one beside the file, or as everywhere; raise SpecError if there is none.

    A file that has the name of the built-in one that it extends does not mean itself.
    """
    if not isinstance(base, str):
        raise SpecError([Problem(where, "is not a name", "give one built-in name or path")])
    beside = path.parent / (base if base.endswith((".yaml", ".yml")) else f"{base}.yaml")
    own = base in builtin_names(folder) and beside.resolve() == path.resolve()
    try:
        return beside if beside.is_file() and not own else find_file(base, folder)
    except SpecError as error:
        raise SpecError([replace(error.problems[0], where=where, what=f"'{base}': {error.problems[0].what}")]) from None


def _load(cls: type[S], kind: str, label: str, tree: dict[str, Tree], overrides: tuple[str, ...]) -> Loaded[S]:
    used: dict[str, Tree] = tree
    problems: list[Problem] = []
    given: dict[str, str] = {}
    for setting in overrides:
        try:
            key, changed = _override(used, setting)
            used = _without_options(used, changed, key, overrides)
            given[key] = setting
        except SpecError as error:
            problems += error.problems
    used = _with_variants(used)
    value = None
    try:
        value = cls.model_validate(texts(used))
    except ValidationError as error:
        problems += problems_of(error, cls, texts(used), label, given)
    retired = dict(_retired(value, used, ""))
    problems += [
        Problem(f"--set {path}", "is read no more", why) for path, why in retired.items()
        if any(path == key or path.startswith(f"{key}.") for key in given)
    ]  # fmt: skip
    if value is None or problems:
        raise SpecError(_without_inherited(problems, label))
    marks: dict[str, Scaled] = {}
    if isinstance(value, ArchSpec) and value.scaling is not None:
        try:
            scaling = value.scaling.onto(value.technology.node_m)
            value, marks = scaled(value, scaling, value.technology.supply_v)
        except SpecError as error:
            raise SpecError(
                [replace(problem, where=f"{label}: {problem.where}") for problem in error.problems]
            ) from None
    figures = {path: _figure(used, path, default) for path, default in _figure_paths(value, "")}
    if marks:
        figures |= _rescaled(value, figures, marks)
    return Loaded(value, kind, label, figures, hash_of(value), overrides, tree, retired)


def _retired(value: Any, tree: Tree, path: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted path, why) of each key of a tree that its section once had and reads no more."""
    if isinstance(tree, list) and isinstance(value, tuple):
        for i, (item, below) in enumerate(zip(value, tree, strict=False)):
            yield from _retired(item, below, f"{path}[{i}]")
    if not isinstance(tree, dict):
        return
    for key, below in tree.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, Section):
            if key in type(value).retired:
                yield here, type(value).retired[key]
            names = [name for name in type(value).model_fields if yaml_key(name) == key]
            yield from (part for name in names for part in _retired(getattr(value, name), below, here))
        elif isinstance(value, Mapping) and key in value:
            yield from _retired(value[key], below, here)


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


def _override(tree: dict[str, Tree], setting: str, mark: Leaf = _COMMAND_LINE) -> tuple[str, dict[str, Tree]]:
    key, equals, text = setting.partition("=")
    key, text = key.strip(), text.strip()
    parts = path_parts(key)
    if not equals or not text or not parts or not isinstance(parts[0], str):
        raise SpecError([Problem("--set", f"'{setting}' is not KEY=VALUE", "for example --set tile.rows=256")])
    value: Tree = replace(mark, text=text)
    if text[0] in "[{":
        value = annotated(read_yaml(f"value: {text}", f"--set {key}"), f"--set {key}", mark)["value"]
    changed = marked(tree, _replaced(tree, parts, value, key))
    assert isinstance(changed, dict)
    return key, changed


def _without_options(
    before: dict[str, Tree], after: dict[str, Tree], key: str, overrides: Sequence[str]
) -> dict[str, Tree]:
    """Return the tree after an override without the options of a placement that it replaces by another."""
    options = "placement_options"
    if key != "placement" or options not in after or texts(before).get(key) == texts(after)[key]:
        return after
    if any(setting.startswith(options) for setting in overrides):
        return after
    return {name: own for name, own in after.items() if name != options}


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
    laid = {name: marked(default, merged(default, variant)) for name, variant in variants.items()}
    return {**tree, "variants": laid}


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
    return Figure(found.text, found.source, status, found.note, given_for=found.given_for)


def _rescaled(value: Any, figures: Mapping[str, Figure], marks: Mapping[str, Scaled]) -> dict[str, Figure]:
    """Return the figures that were scaled, each with what it was, both nodes and the factor as its source.

    What was assumed or fitted stays so.
    """
    now = dict(_figure_paths(value, ""))
    found, words = {}, value.scaling.onto(value.technology.node_m).words
    for path, mark in marks.items():
        was, number = figures[path], float(now[path].split()[0])
        text = engineering(number, {"energy": "J", "area": "m2", "delay": "s"}[mark.quantity], 6)
        source = (
            f"{was.text} ({was.source or was.status}), {mark.quantity} x {mark.factor:g} from {words} by {mark.source}"
        )
        status = was.status if was.status in ("assumption", "fitted") else "derived"
        found[path] = Figure(text, source, status, was.note, was.text, was.given_for)
    return found


def _mark(field: FieldInfo) -> Dimension | AnyFigure | None:
    return next((mark for mark in marks_of(field) if isinstance(mark, Dimension | AnyFigure)), None)


# ---- differences


def differences(*specs: Loaded[Any]) -> list[tuple[str, ...]]:
    """Return (dotted path, text in the first, in the second, ...) where specs differ; "-" where one has nothing."""
    plain = [flat(spec.value.resolved(), "") for spec in specs]
    rows = []
    for path in dict.fromkeys(key for own in plain for key in own):
        if path not in TEXTS_ABOUT and any(own.get(path) != plain[0].get(path) for own in plain):
            shown = [spec.figures[path].text if path in spec.figures else own.get(path, "-")
                     for spec, own in zip(specs, plain, strict=True)]  # fmt: skip
            rows.append((path, *map(str, shown)))
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
