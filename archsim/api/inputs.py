"""What functions are asked with: specs by name, path or object, settings as mappings, as the texts of a command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.errors import KindError, SpecError
from archsim.base.shipped import builtin_folder
from archsim.spec.loading import Loaded
from archsim.spec.settings import Settings, settings_of

Spec: TypeAlias = str | Path | Loaded[Any]
"""A chip or a workload: a built-in name, the path of a file, or what `load_arch` or `load_workload` returned."""
Axes: TypeAlias = Mapping[str, object] | Sequence[str]
"""Values by key: {"tile.rows": [128, 256]}, {"tile.cols": "64..512:x2"}, or texts as the command has them."""
File: TypeAlias = str | Path


def named_by(spec: Spec) -> tuple[str, tuple[str, ...]]:
    """Return by what a command names a spec, and its settings.

    >>> from archsim import load_arch
    >>> named_by(load_arch("ambrogio_nature_2018", {"tile.rows": 256}))
    ('ambrogio_nature_2018', ('tile.rows=256',))
    """
    if isinstance(spec, str | Path):
        return str(spec), ()
    if not isinstance(spec, Loaded):
        what = f"{spec!r} is neither a name, nor a path, nor a loaded spec"
        raise KindError.at("", what, "give a name or a path, or what load_arch or load_workload returned")
    assert spec.path is not None
    folder = builtin_folder("arch_specs" if spec.kind == "arch" else "workloads")
    return (spec.path.stem if spec.path.parent == folder else str(spec.path)), spec.overrides


def pair(arch: Spec, workload: Spec, sets: Settings) -> dict[str, Any]:
    """Return the inputs `arch`, `workload` and `sets` of a study; a spec's own settings stand before those given."""
    (chip, mine), (network, theirs) = named_by(arch), named_by(workload)
    return {"arch": chip, "workload": network, "sets": (*mine, *theirs, *settings_of(sets))}


def several(specs: Spec | Sequence[Spec]) -> tuple[str, ...]:
    """Return by what a command names several specs; raise SpecError where one has settings of its own."""
    found = []
    for spec in [specs] if isinstance(specs, str | Path | Loaded) or not isinstance(specs, Iterable) else specs:
        name, settings = named_by(spec)
        if settings:
            what = f"is one of several specs and has settings of its own ({settings[0]})"
            raise SpecError.at(name, what, "write it to a file of its own: spec.save('NAME.yaml')")
        found.append(name)
    return tuple(found)


def axes(given: Axes, where: str) -> tuple[str, ...]:
    """Return axes as a command has them; raise SpecError where one has no values.

    >>> axes({"tile.rows": [128, 256], "tile.cols": "64..512:x2"}, "vary")
    ('tile.rows=128,256', 'tile.cols=64..512:x2')
    """
    if not isinstance(given, Mapping):
        return texts(given)
    found = []
    for key, values in given.items():
        items = [values] if isinstance(values, str) or not isinstance(values, Sequence) else values
        if not items:
            raise SpecError.at(f"{where}: {key}", "has no values", f"for example {{'{key}': [128, 256]}}")
        said = [text.partition("=")[2] for item in items for text in settings_of({key: item})]
        found.append(f"{key}={','.join(said)}")
    return tuple(found)


def texts(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one text, or several, as several; raise SpecError for anything else."""
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    if not all(isinstance(each, str) for each in found):
        raise KindError.at("", f"{given!r} is neither a text nor several", "give a text, or a list of them")
    return found


def as_many(given: Any, annotation: str) -> Any:
    """Return what is asked for as a study has it: several where it is annotated as a tuple of texts, paths or numbers.

    >>> as_many("a", "tuple[str, ...]"), as_many([2], "tuple[int, ...]"), as_many(3, "int | None")
    (('a',), (2,), 3)
    """
    kind = re.match(r"tuple\[(\w+)", annotation)
    if kind is None or given is None:
        return given
    return {"str": texts, "Path": several_paths}.get(kind[1], numbers)(given)


def path(given: File | None) -> Path | None:
    """Return a file's path; raise SpecError for anything else."""
    if not isinstance(given, str | Path | None):
        raise KindError.at("", f"{given!r} is not a path", "give a text, or a pathlib.Path")
    return None if given is None else Path(given)


def several_paths(given: File | Sequence[File]) -> tuple[Path, ...]:
    """Return one path, or several, as several; raise SpecError for anything else."""
    items = [given] if isinstance(given, str | Path) or not isinstance(given, Iterable) else given
    return tuple(own for each in items if (own := path(each)) is not None)


def numbers(given: float | Sequence[float]) -> tuple[float, ...]:
    """Return one number, or several, as several; raise SpecError for anything else."""
    items = [given] if isinstance(given, str) or not isinstance(given, Iterable) else given
    found = tuple(items)
    if not all(isinstance(each, Real) and not isinstance(each, bool) for each in found):
        raise KindError.at("", f"{given!r} is neither a number nor several", "give a number, or a list of them")
    return found
