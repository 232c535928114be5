"""Spec files as text: read from events in one pass, as PyYAML's own tree of nodes has them."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from archsim.base.documents import dump_yaml, read_yaml

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
    assert read_yaml(text, "x") == reference(yaml.compose(text, Loader=yaml.SafeLoader))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.booleans())
@example("\x85", False)
@example("a\u2028b\u2029", True)
@example("a\rb\r\n\x0b\x0c\x1c", False)
def test_text_comes_back_as_it_was_written(text: str, on_a_line: bool) -> None:
    data = {"name": text, "a" + text: ["x", text]}
    found = read_yaml(dump_yaml(data, leaves_on_a_line=on_a_line), "x")
    assert found == (data if text else {"name": "", "a": ["x", ""]})
