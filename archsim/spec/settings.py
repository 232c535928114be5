"""Settings: what `--set key=value` and a tile's variants change in the tree of a file."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from archsim.base.documents import Leaf, Tree, annotated, merged, read_yaml, texts
from archsim.base.errors import KindError, SpecError
from archsim.spec.given_for import marked

Settings: TypeAlias = Mapping[str, object] | Sequence[str]
"""What is to be replaced: values by dotted key, such as {"tile.rows": 256}, or texts such as "tile.rows=256"."""
OF_WORKLOADS = frozenset(
    {
        "dataset",
        "inference",
        "layers",
        "length",
        "mean_steps",
        "mode",
        "program",
        "stateful",
        "steps",
        "training",
        "values",
        "weights",
    }
)
"""First keys by which a setting of a workload is told from one of a chip."""

_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def split_overrides(settings: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the settings of the arch spec and those of the workload, told apart by their first key."""
    mine = [bool(OF_WORKLOADS & {re.split(r"[.\[=]", setting, maxsplit=1)[0].strip()}) for setting in settings]
    arch = [setting for setting, is_work in zip(settings, mine, strict=True) if not is_work]
    return arch, [setting for setting, is_work in zip(settings, mine, strict=True) if is_work]


def settings_of(given: Settings) -> tuple[str, ...]:
    """Return settings as texts KEY=VALUE.

    >>> settings_of({"tile.rows": 256, "schedule.mode": "pipelined", "device.sizes": [1, 2.5], "noise": True})
    ('tile.rows=256', 'schedule.mode=pipelined', 'device.sizes=[1, 2.5]', 'noise=true')
    >>> settings_of("tile.rows=256")
    ('tile.rows=256',)
    """
    if isinstance(given, Mapping):
        return tuple(f"{key}={_text(value)}" for key, value in given.items())
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    if not all(isinstance(each, str) for each in found):
        raise KindError.at("", f"{given!r} is neither figures by key nor texts", "for example {'tile.rows': 256}")
    return found


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_text(own)}' for key, own in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_text, value))}]"
    return str(value)


COMMAND_LINE = "command line"
"""The source of what a setting gives."""
_COMMAND_LINE = Leaf("", COMMAND_LINE, "assumption")


@functools.lru_cache(maxsize=4096)  # the same few hundred of each spec
def path_parts(path: str) -> tuple[str | int, ...]:
    """Return the parts of a dotted path: `periphery[0].area` is ('periphery', 0, 'area')."""
    return tuple(int(index) if index else name for index, name in _PART.findall(path))


def overridden(tree: dict[str, Tree], setting: str, mark: Leaf = _COMMAND_LINE) -> tuple[str, dict[str, Tree]]:
    """Return the key that a setting names, and the tree with it; raise SpecError if it is none."""
    key, equals, text = setting.partition("=")
    key, text = key.strip(), text.strip()
    parts = path_parts(key)
    if not equals or not text or not parts or not isinstance(parts[0], str):
        raise SpecError.at("--set", f"'{setting}' is not KEY=VALUE", "for example --set tile.rows=256")
    value: Tree = replace(mark, text=text)
    if text[0] in "[{":
        value = annotated(read_yaml(f"value: {text}", f"--set {key}"), f"--set {key}", mark)["value"]
    changed = marked(tree, replaced(tree, parts, value, key))
    assert isinstance(changed, dict)
    return key, changed


def without_options(
    before: dict[str, Tree], after: dict[str, Tree], key: str, overrides: Sequence[str]
) -> dict[str, Tree]:
    """Return the tree after an override without the options of a placement that it replaces by another."""
    options = "placement_options"
    if key != "placement" or options not in after or texts(before).get(key) == texts(after)[key]:
        return after
    if any(setting.startswith(options) for setting in overrides):
        return after
    return {name: own for name, own in after.items() if name != options}


def replaced(tree: Tree | None, parts: Sequence[str | int], value: Tree, key: str) -> Tree:
    """Return a tree with another value at the end of a path; raise SpecError where a list has no such entry."""
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if isinstance(first, int):
        if not isinstance(tree, list) or first >= len(tree):
            have = f"entries: {len(tree)}, counted from 0" if isinstance(tree, list) else "there is no list"
            raise SpecError.at(f"--set {key}", f"there is no entry [{first}]", have)
        return [replaced(item, rest, value, key) if i == first else item for i, item in enumerate(tree)]
    if isinstance(tree, list):
        raise SpecError.at(f"--set {key}", f"'{first}' cannot be set in a list", "name an entry, such as [0]")
    below = dict(tree) if isinstance(tree, dict) else {}
    below[first] = replaced(below.get(first), rest, value, key)
    return below


def with_variants(tree: dict[str, Tree]) -> dict[str, Tree]:
    """Return the tree with each variant laid on the default tile, whose `count` is not inherited."""
    variants, tile = tree.get("variants"), tree.get("tile")
    if not isinstance(variants, dict) or not isinstance(tile, dict):
        return tree
    default = {key: value for key, value in tile.items() if key != "count"}
    laid = {name: marked(default, merged(default, variant)) for name, variant in variants.items()}
    return {**tree, "variants": laid}
