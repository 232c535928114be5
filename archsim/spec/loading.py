"""Loading: a spec by name or path, with its base, variants and overrides, checked, every figure with its source."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from archsim.base.atomic import output
from archsim.base.documents import Leaf, Tree, dump_yaml, leaves, texts, written
from archsim.base.errors import Problem, SpecError
from archsim.base.section import Section, names_of
from archsim.spec.arch import ArchSpec
from archsim.spec.estimated import estimated
from archsim.spec.faults import problems_of
from archsim.spec.figure_ranges import Range, faults_of, ranges_of
from archsim.spec.figures import DEFAULT, Figure, figure_at, figure_paths, rescaled
from archsim.spec.finding import TEXTS_ABOUT, find_file, label_of, with_base
from archsim.spec.misfits import misfits
from archsim.spec.named import beside, named_texts, place_in, placed
from archsim.spec.scaling import Scaled, scaled
from archsim.spec.settings import (
    Settings,
    overridden,
    path_parts,
    replaced,
    settings_of,
    with_variants,
    without_options,
)

HASH = 12
"""Hex digits by which reports name a spec."""
S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """A spec in use: its value, and what it was read from.

    `tree` is the file with its base merged in and before `overrides`; `document()` writes it as one file that stands
    alone. `used` is the tree with them, and `marks` says what was scaled to another node. `path` is the file that
    messages call `path_label`.
    """

    value: S
    kind: str
    path_label: str
    overrides: tuple[str, ...]
    tree: dict[str, Tree]
    used: dict[str, Tree]
    marks: Mapping[str, Scaled] = field(default_factory=dict)
    path: Path | None = None

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """By dotted path each figure, with its source."""
        found = {path: figure_at(self.used, path, default) for path, default in figure_paths(self.value, "")}
        return found | rescaled(self.value, found, self.marks) if self.marks else found

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        """How low and how high figures may be, where that is said."""
        return ranges_of(self.value, self.figures, self.marks)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the resolved value, without descriptions and sources, in hex digits."""
        return digest_of(self.value)

    @cached_property
    def retired(self) -> Mapping[str, str]:
        """By path of keys that the file gives and that are read no more, why."""
        return dict(_retired(self.value, self.used, ""))

    @cached_property
    def defaults(self) -> Mapping[str, str]:
        """By path what the file does not say and was filled in: archsim's defaults, but for those of single fields."""
        return {path: leaf.text for path, leaf in leaves(self.used, "") if leaf.source == DEFAULT}

    @property
    def defaults_told(self) -> str:
        """A sentence on them, entries of lists together; "" where the file says all."""
        found: dict[str, list[str]] = {}
        for path, text in self.defaults.items():
            found.setdefault(re.sub(r"\[\d+\]", "", path), []).append(text)
        told = "; ".join(f"{path} {', '.join(dict.fromkeys(texts))}" for path, texts in found.items())
        return f"defaults taken, as {self.value.name} does not say: {told}" if told else ""  # type: ignore[attr-defined]

    @cached_property
    def named(self) -> str:
        """The file that an override names, "" if none does."""
        return place_in(self.used, self.tree, self.kind)

    @property
    def hash(self) -> str:
        """12 hex digits that change when, and only when, the resolved spec does."""
        return self.digest[:HASH]

    def __reduce__(self) -> tuple[Any, ...]:
        # Resolved again: classes of options are made as a spec is read, and cannot be pickled.
        return _resolved, (type(self.value), self.kind, self.path_label, self.tree, self.overrides, self.path)

    def __repr__(self) -> str:
        settings = "".join(f" {setting}" for setting in self.overrides)
        return f"<{self.kind} {self.value.name}{settings}, {self.hash}>"  # type: ignore[attr-defined]

    def with_overrides(self, more: Settings) -> Loaded[S]:
        """Return the spec with further settings, such as {"tile.rows": 256}; raise SpecError where they are wrong."""
        if not more:
            return self
        overrides = (*self.overrides, *settings_of(more))
        return _resolved(type(self.value), self.kind, self.path_label, self.tree, overrides, self.path)

    def save(self, path: str | Path) -> Path:
        """Write the spec, settings and all, as a file that stands alone, with what it names beside it; return its path.

        Raises SpecError where there is such a file, or it is not called NAME.yaml.
        """
        file = Path(path)
        if file.suffix != ".yaml":
            raise SpecError.at(str(path), "is not called NAME.yaml", f"for example {file.stem or self.kind}.yaml")
        whole = replace(self, tree={**self.settled((), Leaf("")), "name": Leaf(file.stem)})
        files = whole.files(file.stem)
        if taken := [name for name in files if (file.parent / name).exists()]:
            raise SpecError.at(str(file.parent / taken[0]), "is there already", "give another name")
        for name, content in files.items():
            with output(file.parent / name, str(file)) as write:
                write(content)
        return file

    def without_overrides(self) -> Loaded[S]:
        """Return the spec as its file has it."""
        if not self.overrides:
            return self
        return _resolved(type(self.value), self.kind, self.path_label, self.tree, (), self.path)

    def document(self) -> str:
        """Return the spec as a YAML file without `extends`, overrides left out, sources kept."""
        return dump_yaml({"kind": self.kind, **written(self.tree)})

    def files(self, stem: str) -> dict[str, str | bytes]:
        """Return that file as STEM.yaml, and with it what it names, in a folder beside it."""
        tree, more = beside(self.tree, self.kind, stem.rpartition("/")[2])
        folder = stem[: -len(stem.rpartition("/")[2])]
        return {f"{stem}.yaml": dump_yaml({"kind": self.kind, **written(tree)}),
                **{f"{folder}{name}": content for name, content in more.items()}}  # fmt: skip

    def settled(self, settings: Sequence[str], mark: Leaf) -> dict[str, Tree]:
        """Return the tree with the overrides and further settings in it, as a file of its own would have it.

        What a setting changes is marked as `mark` says; a figure that has the value which it had keeps its source.
        """
        tree = self.tree
        for setting in self.overrides:
            _, tree = overridden(tree, setting)
            tree = placed(tree, self.kind, Path())
        keys = []
        for setting in settings:
            key, tree = overridden(tree, setting, mark)
            keys.append(key)
        for path, figure in self.with_overrides(settings).figures.items():
            before = self.figures.get(path)
            if before is not None and before.text == figure.text and any(path.startswith(f"{key}.") for key in keys):
                same = Leaf(before.text, before.source, before.status, before.note)
                tree = replaced(tree, path_parts(path), same, path)  # type: ignore[assignment]
        return tree

    def misfits(self, stand_ins: bool = False) -> list[str]:
        """Return, as sentences, which figures were given for other choices than the spec makes now.

        With `stand_ins` also which of these are of another node.
        """
        return misfits(self.value, self.figures, stand_ins)

    def zeros(self) -> dict[str, Figure]:
        """Return the figures that are an explicit zero: what is neglected."""
        return {
            path: figure for path, figure in self.figures.items() if re.match(r"\s*[+-]?0*\.?0*(\s|$)", figure.text)
        }


def _resolved(
    cls: type[S], kind: str, label: str, tree: dict[str, Tree], overrides: tuple[str, ...], path: Path | None
) -> Loaded[S]:
    return replace(_load(cls, kind, label, tree, overrides), path=path)


def load_section(cls: type[S], kind: str, folder: str, name: str, overrides: Sequence[str] = ()) -> Loaded[S]:
    """Return a spec of a kind by built-in name or path; raise SpecError with all of its faults at once."""
    path = find_file(name, folder)
    label = label_of(path)
    tree = with_base(path, label, kind, folder)
    tree.setdefault("name", Leaf(path.stem))
    return _resolved(cls, kind, label, cls.shaped(tree), tuple(overrides), path)


def load_arch(name: str | Path, overrides: Settings = ()) -> Loaded[ArchSpec]:
    """Return an arch spec by built-in name or path; raise SpecError with all of its faults at once.

    `overrides` are settings.

    >>> load_arch("ambrogio_nature_2018", {"tile.rows": 256}).value.tile.rows
    256
    """
    loaded = load_section(ArchSpec, "arch", "arch_specs", str(name), settings_of(overrides))
    unsourced = [
        Problem(f"{loaded.path_label}: published[{i}]", "has no source", "say who published it: 'source: ...'")
        for i in range(len(loaded.value.published)) if not loaded.figures[f"published[{i}].value"].source
    ]  # fmt: skip
    if not overrides:
        unsourced += _missettings(loaded)
    if unsourced:
        raise SpecError(unsourced)
    return loaded


def fitted_chip(arch: Loaded[ArchSpec]) -> Loaded[ArchSpec]:
    """Return the chip on which a chip's fitted figures were fitted; itself where that is not said."""
    if any(own.kind == "fit" for own in arch.value.published):
        return arch.without_overrides()
    return load_arch(arch.value.fitted_on) if arch.value.fitted_on else arch


def _missettings(loaded: Loaded[ArchSpec]) -> list[Problem]:
    """Return what is wrong with the settings of published figures."""
    found = []
    for i, figure in enumerate(loaded.value.published):
        try:
            loaded.with_overrides(figure.settings)
        except SpecError as error:
            place = f"{loaded.path_label}: published[{i}].set"
            for problem in error.problems:
                of, _, key = problem.where.partition("--set ")
                where = f"{place}.{key}" if key and not of else place
                told = problem.where.removeprefix(f"{loaded.path_label}: ")
                what = problem.what if where != place else f"{told}: {problem.what}"
                found.append(replace(problem, where=where, what=what))
    return found


def _load(cls: type[S], kind: str, label: str, tree: dict[str, Tree], overrides: tuple[str, ...]) -> Loaded[S]:
    used: dict[str, Tree] = tree
    problems: list[Problem] = []
    given: dict[str, str] = {}
    for setting in overrides:
        try:
            key, changed = overridden(used, setting)
            changed = placed(changed, kind, Path())
            used = without_options(used, changed, key, overrides)
            given[key] = setting
        except SpecError as error:
            problems += error.problems
    used = cls.filled(with_variants(used))
    value = None
    try:
        used = estimated(used, label)
    except SpecError as error:
        raise SpecError(_without_inherited([*problems, *error.problems], label)) from None
    try:
        value = cls.model_validate(named_texts(used, kind))
    except ValidationError as error:
        problems += problems_of(error, cls, texts(used), label, given)
    problems += [
        Problem(f"--set {path}", "is read no more", why) for path, why in _retired(value, used, "", tuple(given))
        if any(path == key or path.startswith(f"{key}.") for key in given)
    ]  # fmt: skip
    if value is not None:
        problems += faults_of(value, used, label)
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
    return Loaded(value, kind, label, overrides, tree, used, marks)


def _retired(value: Any, tree: Tree, path: str, near: tuple[str, ...] | None = None) -> Iterator[tuple[str, str]]:
    """Yield (dotted path, why) of each key of a tree that its section once had and reads no more.

    With `near`, only what leads to one of these keys, or lies below it, is looked at.
    """
    if near is not None and path and not any(key.startswith(path) or path.startswith(key) for key in near):
        return
    if isinstance(tree, list) and isinstance(value, tuple):
        for i, (item, below) in enumerate(zip(value, tree, strict=False)):
            yield from _retired(item, below, f"{path}[{i}]", near)
    if not isinstance(tree, dict):
        return
    for key, below in tree.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, Section):
            if key in type(value).retired:
                yield here, type(value).retired[key]
            if name := names_of(type(value)).get(key):
                yield from _retired(getattr(value, name), below, here, near)
        elif isinstance(value, Mapping) and key in value:
            yield from _retired(value[key], below, here, near)


def _without_inherited(problems: Sequence[Problem], label: str) -> list[Problem]:
    """Return the problems once each; a variant does not repeat those of the default tile."""
    own = {(problem.where.removeprefix(f"{label}: tile."), problem.what) for problem in problems}

    def inherited(problem: Problem) -> bool:
        match = re.match(rf"{re.escape(label)}: variants\.[^.]+\.(.*)", problem.where)
        return match is not None and (match[1], problem.what) in own

    return [problem for problem in dict.fromkeys(problems) if not inherited(problem)]


def digest_of(value: Section) -> str:
    """Return the SHA-256 of the resolved spec, in hex digits."""
    resolved = {key: item for key, item in value.resolved().items() if key not in TEXTS_ABOUT}
    return hashlib.sha256(json.dumps(resolved, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


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
