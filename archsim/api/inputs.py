"""What functions are asked with: specs by name, path or object, settings as mappings, as the texts of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.errors import SpecError
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
    if not isinstance(spec, Loaded):
        return str(spec), ()
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
    for spec in [specs] if isinstance(specs, str | Path | Loaded) else specs:
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
        return (given,) if isinstance(given, str) else tuple(given)
    found = []
    for key, values in given.items():
        items = [values] if isinstance(values, str) or not isinstance(values, Sequence) else values
        if not items:
            raise SpecError.at(f"{where}: {key}", "has no values", f"for example {{'{key}': [128, 256]}}")
        texts = [text.partition("=")[2] for item in items for text in settings_of({key: item})]
        found.append(f"{key}={','.join(texts)}")
    return tuple(found)


def texts(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one text, or several, as several."""
    return (given,) if isinstance(given, str) else tuple(given)


def path(given: File | None) -> Path | None:
    """Return a file's path."""
    return None if given is None else Path(given)
