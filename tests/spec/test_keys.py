"""Keys of specs: each is explained, each quantity has its unit, and paths mean what they say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from archsim.base.schema import _is_figure
from archsim.base.section import Section, default_of
from archsim.base.shipped import builtin_names
from archsim.base.units import UNITS
from archsim.spec.arch import ArchSpec
from archsim.spec.keys import Key, keys_at, keys_of, paths_of
from archsim.studies.views import schema_of
from archsim.workload import Workload
from tests.helpers import shipped


def all_keys() -> dict[str, Key]:
    """Return every key of every section that can stand in a spec, by class and field."""
    found: dict[str, Key] = {}
    waiting: list[type[Section]] = [ArchSpec, Workload]
    seen: set[type[Section]] = set()
    while waiting:
        section = waiting.pop()
        if section in seen:
            continue
        seen.add(section)
        for key in keys_of(section):
            found[f"{section.__name__}.{key.field}"] = key
            waiting += key.below.values()
    return found


KEYS = all_keys()


def test_every_key_has_a_description() -> None:
    assert len(KEYS) > 400
    silent = [name for name, key in KEYS.items() if not re.search(r"\w{3}.*\.$", key.meaning)]
    assert silent == []


@pytest.mark.parametrize("kind", ["arch", "workload"])
def test_editors_are_told_what_every_key_means(kind: str) -> None:
    silent = []

    def look(part: Any, path: str) -> None:
        for key, own in part.get("properties", {}).items() if isinstance(part, dict) else ():
            if key not in ("kind", "value", "range", "estimate", "of", "extends") and not _is_figure(part):
                silent.extend([f"{path}.{key}"] if "description" not in own
                              and not any("description" in way for way in own.get("anyOf", [])) else [])  # fmt: skip
        for key, below in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(below, dict | list):
                look(below, f"{path}.{key}")

    schema = schema_of(kind)
    look(schema, "")
    assert silent == []
    assert len(json.dumps(schema)) < 500_000  # editors load it at each start


def test_every_quantity_says_its_unit_in_its_name() -> None:
    """The suffix of a field in code is that of its SI unit, so that the key in YAML needs a figure with a unit."""
    wrong = [
        f"{name} in {key.unit}" for name, key in KEYS.items()
        if key.dimension is not None and key.unit and not key.field.endswith(f"_{UNITS[key.dimension.si].suffix}")
        and not (key.field == "settle_s" or key.dimension.si not in UNITS)
    ]  # fmt: skip
    assert wrong == []
    assert [name for name, key in KEYS.items() if key.dimension is not None and key.dimension.si not in UNITS] == []


def test_every_default_reads_as_itself() -> None:
    for name, key in KEYS.items():
        if key.info.is_required():
            continue  # what is filled in is told in words
        if key.dimension is not None and key.default:
            assert key.dimension.read(key.default) == key.dimension.read(key.info.default), name
        elif key.default and key.words:
            assert key.default in key.words, name


def test_every_figure_of_a_shipped_chip_is_found_by_its_path() -> None:
    """The paths that `show` prints and `--set` takes, and those that are listed, are the same."""
    known = set(paths_of(ArchSpec))
    for chip in builtin_names("arch_specs"):
        for path in shipped(chip).figures:
            plain = re.sub(r"^variants\.[^.]+", "tile", re.sub(r"\[\d+\]", "", path))
            if not plain.startswith("published.set"):
                assert plain in known, path
                assert keys_at(ArchSpec, path), path


@pytest.mark.parametrize(
    ("path", "kinds", "unit", "allowed"),
    [
        ("tile.rows", "", "", "a whole number 1 or more and at most 65,536"),
        ("variants.small.rows", "", "", "a whole number 1 or more and at most 65,536"),
        ("tile.periphery[2].leakage", "line_circuit", "W", "power 0 or more and at most 10,000 W, for example '10 mW'"),
        ("routing.options.segments", "bus", "", "a whole number 1 or more and at most 1,000,000,000"),
        ("schedule.transfer.policy", "", "", "stop_all, staggered, interleaved"),
        ("silicon", "", "", "true, false"),
        ("tile.device.leak_spread", "cap_3t1c, pcm_3t1c", "", "a number 0 or more and at most 1,000,000, "
         "for example '0.1 or 10 %'"),
    ],
)  # fmt: skip
def test_what_a_path_means(path: str, kinds: str, unit: str, allowed: str) -> None:
    (key,) = keys_at(ArchSpec, path)
    assert (key.kind, key.unit, key.allowed) == (kinds, unit, allowed)


@pytest.mark.parametrize("path", ["tile.row", "rows", "tile.rows.cols", "", "tile..rows.x", "kind"])
def test_what_is_no_key_means_nothing(path: str) -> None:
    assert keys_at(ArchSpec, path) == []


def test_kinds_that_declare_a_key_apart_are_told_apart() -> None:
    """A dense layer's activation follows from its place, that of a plain recurrent one is a default."""
    found = keys_at(Workload, "layers.activation")
    assert [(key.kind, key.required, key.default) for key in found] == [
        ("dense", False, "clipped_relu; of the last layer softmax, or linear for values"), ("rnn", False, "tanh"),
    ]  # fmt: skip


def test_a_section_of_a_users_own_is_described_by_its_own_sentences() -> None:
    class Own(Section):
        here: int = 1
        """Not at the top of a module, so that nothing is read of it."""

    (key,) = keys_of(Own)
    assert (key.meaning, default_of(key.info)) == ("", None)
