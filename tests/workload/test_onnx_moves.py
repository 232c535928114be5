"""What imported digital layers send: heads, moments and residual connections of an encoder's block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from onnx import helper

from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from archsim.workload.onnx.importing import import_onnx
from tests.helpers import PACKET
from tests.workload.test_onnx import draw, saved

STEPS, HEADS, WIDTH = 4, 2, 8
SHAPES = {"heads": np.array([1, STEPS, HEADS, WIDTH // HEADS]), "flat": np.array([1, STEPS, WIDTH])}


def block(path: Path, *, heads: bool = True, added: str = "x") -> Path:
    """A block of an encoder: attention, a residual connection and a normalisation, a feed-forward pair, and again."""
    held = {f"w{n}": draw(WIDTH, WIDTH) for n in "qkvo"} | {"w1": draw(WIDTH, 16), "w2": draw(16, WIDTH)}
    held |= {"one": np.ones(WIDTH, np.float32), **SHAPES}
    nodes = [helper.make_node("MatMul", ["x", f"w{n}"], [n], name=n) for n in "qkv"]
    parts = {n: n for n in "qkv"}
    if heads:
        for n, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            nodes += [helper.make_node("Reshape", [n, "heads"], [f"{n}r"]),
                      helper.make_node("Transpose", [f"{n}r"], [f"{n}t"], perm=perm)]  # fmt: skip
            parts[n] = f"{n}t"
    else:
        nodes.append(helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]))
        parts["k"] = "kt"
    nodes += [
        helper.make_node("MatMul", [parts["q"], parts["k"]], ["scores"], name="scores"),
        helper.make_node("Softmax", ["scores"], ["shares"]),
        helper.make_node("MatMul", ["shares", parts["v"]], ["mixed"], name="mix"),
    ]
    if heads:
        nodes += [helper.make_node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]),
                  helper.make_node("Reshape", ["back", "flat"], ["joined"])]  # fmt: skip
    nodes += [
        helper.make_node("MatMul", ["joined" if heads else "mixed", "wo"], ["o"], name="out"),
        helper.make_node("Add", ["o", added], ["r1"]),
        helper.make_node("LayerNormalization", ["r1", "one", "one"], ["n1"]),
        helper.make_node("MatMul", ["n1", "w1"], ["h"], name="ff1"),
        helper.make_node("Relu", ["h"], ["hr"]),
        helper.make_node("MatMul", ["hr", "w2"], ["f"], name="ff2"),
        helper.make_node("Add", ["f", "n1"], ["r2"]),
        helper.make_node("LayerNormalization", ["r2", "one", "one"], ["y"]),
    ]
    shape = [1, STEPS, WIDTH]
    return saved(path, nodes, {"x": shape}, {"y": shape}, **held)


def layers(path: Path) -> list[dict[str, Any]]:
    return list(import_onnx(path, digital=True).workload["layers"])


def test_a_block_sends_what_heads_moments_and_residual_connections_need(tmp_path: Path) -> None:
    found = {layer["name"]: layer for layer in layers(block(tmp_path / "block.onnx"))}
    assert list(found) == ["q+k+v", "digital1", "out", "digital2", "ff1", "ff2", "digital3"]
    attention, first, second = (found[f"digital{i}"] for i in (1, 2, 3))
    assert (attention["over"], attention["groups"], attention["parts_of_all_steps"]) == ("sequence", HEADS, 2)
    assert (first["groups"], first["shared"], first["adds"]) == (WIDTH, 2, ["q+k+v"])  # its inputs are x
    assert (second["groups"], second["shared"], second["adds"]) == (WIDTH, 2, ["ff1"])  # its inputs are n1
    notes = " ".join(import_onnx(tmp_path / "block.onnx", digital=True).notes)
    assert "not charged" not in notes


@pytest.mark.parametrize(("heads", "added"), [(False, "x"), (True, "scale")])
def test_what_is_not_told_needs_all_inputs(tmp_path: Path, heads: bool, added: str) -> None:
    """One head is one place's work, and a vector that no layer is driven by is no residual connection."""
    path = block(tmp_path / "block.onnx", heads=heads, added="q" if added == "scale" else added)
    attention, first = (layer for layer in layers(path) if layer["name"] in ("digital1", "digital2"))
    assert ("groups" in attention) is heads
    assert ("adds" in first) is (added == "x")
    assert ("groups" in first) is (added == "x")
    notes = " ".join(import_onnx(path, digital=True).notes)
    assert ("'ff1': also fed by what comes earlier" in notes) is (added != "x")


def test_less_is_sent_than_if_all_went_everywhere(tmp_path: Path) -> None:
    found = import_onnx(block(tmp_path / "block.onnx"), digital=True).workload
    sent = []
    for told in (True, False):
        own = {key: value for key, value in found.items() if key != "layers"}
        kept = ("groups", "shared", "adds", "parts_of_all_steps") if not told else ()
        own["layers"] = [{key: value for key, value in layer.items() if key not in kept} for layer in found["layers"]]
        path = tmp_path / f"{told}.yaml"
        path.write_text(yaml.safe_dump(own))
        chip = load_arch(PACKET, ["tile.rows=8", "tile.cols=8", "tile.count=12", "tile.memory.words=4096"])
        result = evaluate(chip, load_workload(path, ["mode=inference"]), examples=2)
        assert result.passed
        sent.append(result.data["digital_layers"])
    assert sent[0]["digital1"]["bits_received"] < sent[1]["digital1"]["bits_received"]
    assert sent[0]["digital1"]["words_read"] > 0
