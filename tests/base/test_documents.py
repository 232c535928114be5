"""Spec files as text: read from events in one pass, as PyYAML's own tree of nodes has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from archsim.base import documents
from archsim.base.documents import Tree, dump_yaml, read_yaml, written
from archsim.base.shipped import builtin_names
from archsim.workload import load_workload
from tests.helpers import shipped

scalars = st.sampled_from(["~", "null", "'null'", "NULL", "", "a", "64 ns", "!!null x", "! null", "!!str ~", "1e99"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(item or 'null' for item in items)}]"),
        st.dictionaries(st.sampled_from(["a", "b", "~", "'c d'"]), inner, max_size=3).map(
            lambda given: "{" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}"
        ),
    ),
    max_leaves=8,
)


def reference(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: reference(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [reference(item) for item in node.value]
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


@given(st.lists(values, min_size=1, max_size=4))
def test_a_file_is_read_as_pyyaml_composes_it(given_values: list[str]) -> None:
    # Reference: PyYAML's composer in Python, whose resolver knows what YAML 1.1 takes for no value.
    text = "".join(f"k{i}: {value}\n" for i, value in enumerate(given_values))
    composed = yaml.compose(text, Loader=yaml.SafeLoader)
    assert composed is not None
    assert read_yaml(text, "x") == reference(composed)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.booleans())
@example("\x85", False)
@example("a\u2028b\u2029", True)
@example("a\rb\r\n\x0b\x0c\x1c", False)
def test_text_comes_back_as_it_was_written(text: str, on_a_line: bool) -> None:
    data = {"name": text, "a" + text: ["x", text]}
    found = read_yaml(dump_yaml(data, leaves_on_a_line=on_a_line), "x")
    assert found == (data if text else {"name": "", "a": ["x", ""]})


pieces = st.one_of(
    st.text(max_size=150), st.text(alphabet="ab :-#?,[]{}&*!|>%@`\"'0x.~=<\\\n", max_size=40),
    st.text(alphabet="ab :'\" \xe9\u1fff", min_size=90, max_size=250),
)  # fmt: skip
trees = st.recursive(
    pieces, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(pieces, inner, max_size=4), max_leaves=12
)


def by_both(data: Mapping[str, Any], on_a_line: bool) -> tuple[str, str]:
    """Return what is written with libyaml, where it may be, and by PyYAML alone."""
    found = dump_yaml(data, leaves_on_a_line=on_a_line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_FAST", None)
        return found, dump_yaml(data, leaves_on_a_line=on_a_line)


@given(st.dictionaries(pieces, trees, min_size=1, max_size=4), st.booleans())
@example({"a": "\U00010000", "b": "\ufeff"}, True)
@example({"x" * 129: []}, False)
@example({"": []}, True)
def test_whoever_writes_it_the_bytes_are_the_same(data: dict[str, Any], on_a_line: bool) -> None:
    found, expected = by_both(data, on_a_line)
    assert found == expected


def test_shipped_files_are_written_by_libyaml_as_by_pyyaml() -> None:
    named: dict[str, Mapping[str, Tree]] = {name: shipped(name).tree for name in builtin_names("arch_specs")}
    named |= {name: load_workload(name).tree for name in builtin_names("workloads")}
    for name, tree in list(named.items())[::6]:
        data = {"kind": "x", **written(dict(tree))}
        found, expected = by_both(data, False)
        assert found == expected, name
        assert documents._is_plain(data), name
