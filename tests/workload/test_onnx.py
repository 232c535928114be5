"""Importing ONNX models that are made here: sizes, weights and digital work against what the model was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archsim.base.errors import SpecError
from archsim.functional.floating_point import initial_weights
from archsim.workload import load_workload
from archsim.workload.onnx.importing import import_onnx
from archsim.workload.onnx.sizes import sizes_of

onnx = pytest.importorskip("onnx")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT


def saved(
    path: Path, nodes: list[Any], inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], **held: Any
) -> Path:
    """Save a model of these nodes; `held` are its constants."""
    graph = helper.make_graph(
        nodes,
        "tiny/<net>",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def perceptron(path: Path, first: Any = "batch") -> tuple[Path, dict[str, np.ndarray]]:
    held = {"w1": draw(6, 4), "b1": draw(6), "w2": draw(6, 3), "b2": draw(3)}
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w1", "b1"], ["z1"], name="fc/1", transB=1),
        helper.make_node("Relu", ["z1"], ["a1"]),
        helper.make_node("MatMul", ["a1", "w2"], ["z2"], name="fc/2"),
        helper.make_node("Add", ["z2", "b2"], ["s2"]),
        helper.make_node("Softmax", ["s2"], ["y"]),
    ]
    return saved(path, nodes, {"x": [first, 2, 2]}, {"y": [first, 3]}, **held), held


def test_sizes_biases_and_activations_carry_over(tmp_path: Path) -> None:
    path, _ = perceptron(tmp_path / "net.onnx")
    found = import_onnx(path)
    file = tmp_path / "net.yaml"
    file.write_text(yaml.safe_dump(found.workload))
    loaded = load_workload(file).value
    assert [(a.name, a.inputs, a.outputs, a.activation, a.bias) for a in loaded.dense_layers()] == [
        ("fc_1", 4, 6, "relu", True),
        ("fc_2", 6, 3, "softmax", True),
    ]
    assert loaded.synapses == 5 * 6 + 7 * 3
    assert loaded.name == "tiny__net"
    assert not found.notes


def test_the_imported_weights_compute_what_the_model_computes(tmp_path: Path) -> None:
    """The reference is onnx's own evaluator of the model."""
    from onnx.reference import ReferenceEvaluator

    from archsim.workload.weights import write_weights

    path, _ = perceptron(tmp_path / "net.onnx", first=5)
    found = import_onnx(path, weights_file="net.npz")
    write_weights(tmp_path / "net.npz", found.weights)
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(found.workload))
    first, second = initial_weights(load_workload(tmp_path / "net.yaml").value, seed=0)
    x = draw(5, 2, 2)
    a = np.maximum(np.c_[x.reshape(5, 4), np.ones(5)] @ first, 0)
    z = np.c_[a, np.ones(5)] @ second
    (y,) = list[Any](ReferenceEvaluator(str(path)).run(None, {"x": x}))
    np.testing.assert_allclose(np.exp(z) / np.exp(z).sum(1, keepdims=True), y, rtol=1e-5)


def attention(path: Path, tokens: Any) -> Path:
    """A block of one head: Q, K and V of width 4 from 8, their products, and a projection back."""
    held = {"wq": draw(8, 4), "wk": draw(8, 4), "wv": draw(8, 4), "wo": draw(4, 8)}
    nodes = [
        *(helper.make_node("MatMul", ["x", f"w{n}"], [n], name=n) for n in "qkv"),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"], name="scores"),
        helper.make_node("Softmax", ["scores"], ["shares"]),
        helper.make_node("MatMul", ["shares", "v"], ["mixed"], name="mix"),
        helper.make_node("MatMul", ["mixed", "wo"], ["y"], name="out"),
    ]
    return saved(path, nodes, {"x": ["batch", tokens, 8]}, {"y": ["batch", tokens, 8]}, **held)


def test_matrices_that_read_one_vector_are_one_layer_and_attention_is_digital(tmp_path: Path) -> None:
    path = attention(tmp_path / "block.onnx", "seq")
    with pytest.raises(SpecError, match=r"dimension 'seq' of input 'x' has no size \(batch, seq, 8\).*--dim seq="):
        import_onnx(path)
    with pytest.raises(SpecError, match=r"'scores' .*has no fixed weights.*--digital"):
        import_onnx(path, dims={"seq": 5})
    found = import_onnx(path, digital=True, dims={"seq": 5})
    qkv, digital, out = found.workload["layers"]
    assert found.workload["steps"] == 5
    assert (qkv["name"], qkv["inputs"], qkv["outputs"], qkv["bias"]) == ("q+k+v", 8, 12, False)
    # Two products of 5 x 5 x 4 multiply-adds, and five operations for each of the 25 shares.
    assert digital["ops"] == (2 * 5 * 5 * 4 + 5 * 25) / 5
    assert (digital["inputs"], digital["outputs"], out["inputs"]) == (12, 4, 4)
    assert digital["over"] == "sequence"  # a product of two vectors of the text needs both
    (tmp_path / "block.yaml").write_text(yaml.safe_dump(found.workload))
    assert load_workload(tmp_path / "block.yaml").value.steps == 5
    np.testing.assert_array_equal(found.weights["q+k+v"], np.concatenate([draw(8, 4)] * 3, 1))


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_recurrent_layers_have_their_gates_in_one_matrix(tmp_path: Path, kind: str, gates: int) -> None:
    held = {"w": draw(1, gates * 5, 3), "r": draw(1, gates * 5, 5), "b": draw(1, 2 * gates * 5), "v": draw(5, 2)}
    reset = {"linear_before_reset": 1} if kind == "GRU" else {}
    nodes = [
        helper.make_node(kind, ["x", "w", "r", "b"], ["all", "last"], name="cell", hidden_size=5, **reset),
        helper.make_node("Squeeze", ["last", "zero"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["y"], name="out"),
    ]
    path = saved(tmp_path / "r.onnx", nodes, {"x": [7, 1, 3]}, {"y": [1, 2]}, zero=np.array([0]), **held)
    found = import_onnx(path)
    cell, out = found.workload["layers"]
    assert found.workload["steps"] == 7
    assert (cell["kind"], cell["inputs"], cell["outputs"]) == (kind.lower(), 3, 5)
    assert out["at"] == "last_step"
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(found.workload))
    layer = load_workload(tmp_path / "r.yaml").value.layers[0]
    assert found.weights["cell"].shape == (layer.rows, layer.columns)
    # Unit 2's gates stand side by side: ONNX keeps all units of a gate together.
    np.testing.assert_array_equal(found.weights["cell"][:3, 2 * gates], held["w"][0, 2])
    np.testing.assert_array_equal(found.weights["cell"][:3, 2 * gates + 1], held["w"][0, 5 + 2])
    bias = held["b"][0].reshape(2, gates * 5)
    if kind == "GRU":  # the biases of inputs and of hidden units, each with its rows
        np.testing.assert_array_equal(found.weights["cell"][3, 0], bias[0, 0])
        np.testing.assert_array_equal(found.weights["cell"][-1, 0], bias[1, 0])
    else:
        np.testing.assert_allclose(found.weights["cell"][-1, 0], bias[:, 0].sum())


def test_a_layer_behind_a_time_major_cell_is_given_all_steps(tmp_path: Path) -> None:
    """As PyTorch exports an LSTM that is not batch_first: 7 steps of a batch of 2."""
    held = {"w": draw(1, 20, 3), "r": draw(1, 20, 5), "b": draw(1, 40), "v": draw(5, 2)}
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["all"], name="cell", hidden_size=5),
        helper.make_node("Squeeze", ["all", "one"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["z"], name="out"),
        helper.make_node("Mul", ["z", "z"], ["y"]),
    ]
    path = saved(tmp_path / "t.onnx", nodes, {"x": [7, 2, 3]}, {"y": [7, 2, 2]}, one=np.array([1]), **held)
    found = import_onnx(path, digital=True)
    _, out, square = found.workload["layers"]
    assert found.workload["steps"] == 7
    assert "at" not in out
    assert square["ops"] == 2  # products of the two outputs of a step


def test_work_behind_the_last_step_is_done_once(tmp_path: Path) -> None:
    held = {"w": draw(1, 20, 3), "r": draw(1, 20, 5), "b": draw(1, 40), "v": draw(5, 20), "u": draw(20, 2)}
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["all", "last"], name="cell", hidden_size=5),
        helper.make_node("Squeeze", ["last", "zero"], ["h"]),
        helper.make_node("MatMul", ["h", "v"], ["z"], name="fc1"),
        helper.make_node("Mul", ["z", "z"], ["s"]),
        helper.make_node("MatMul", ["s", "u"], ["o"], name="fc2"),
        helper.make_node("Mul", ["o", "o"], ["y"]),
    ]
    path = saved(tmp_path / "t.onnx", nodes, {"x": [7, 1, 3]}, {"y": [1, 2]}, zero=np.array([0]), **held)
    found = import_onnx(path, digital=True)
    assert [layer.get("ops") for layer in found.workload["layers"]] == [None, None, 20, None, 2]
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(found.workload))
    assert load_workload(tmp_path / "t.yaml").value.digital_ops_per_example == 20 + 2


def test_what_cannot_be_imported_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x07not a model")
    with pytest.raises(SpecError, match="is not a sound ONNX model"):
        import_onnx(broken)
    with pytest.raises(SpecError, match="no such file"):
        import_onnx(tmp_path / "missing.onnx")
    add = saved(tmp_path / "add.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"x": [1, 3]}, {"y": [1, 3]})
    with pytest.raises(SpecError, match="nothing fully connected"):
        import_onnx(add, digital=True)
    odd = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Det", ["z"], ["y"], name="odd")]
    with pytest.raises(SpecError, match=r"'odd' \(Det\) is no fully connected layer"):
        import_onnx(saved(tmp_path / "odd.onnx", odd, {"x": [1, 3]}, {}, w=draw(3, 3)))
    loose = [helper.make_node("Gemm", ["x", "x"], ["y"], name="own", transB=1)]
    with pytest.raises(SpecError, match=r"nothing fully connected .*no constant has the weights of 'own'"):
        import_onnx(saved(tmp_path / "loose.onnx", loose, {"x": [3, 3]}, {"y": [3, 3]}))
    two = [helper.make_node("MatMul", [x, "w"], [f"{x}y"], name=f"of_{x}") for x in "ab"]
    with pytest.raises(SpecError, match="'of_a' is given 5 vectors of an example, and others 20"):
        import_onnx(saved(tmp_path / "two.onnx", two, {"a": [1, 5, 3], "b": [1, 20, 3]}, {}, w=draw(3, 3)))
    blind = [helper.make_node("Reshape", ["x", "n"], ["z"]), helper.make_node("MatMul", ["z", "w"], ["y"], name="fc")]
    with pytest.raises(SpecError, match=r"'fc' .*the shape of 'z' is not known"):
        import_onnx(saved(tmp_path / "blind.onnx", blind, {"x": [1, 9], "n": [2]}, {}, w=draw(3, 3)))
    path, _ = perceptron(tmp_path / "net.onnx")
    with pytest.raises(SpecError, match="no dimension of that name"):
        import_onnx(path, dims={"seq": 3})
    with pytest.raises(SpecError, match="for example --dim seq=20"):
        sizes_of(["seq=0"])


def test_weights_of_other_shapes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", fc1=np.zeros((2, 2)))
    (tmp_path / "net.yaml").write_text(
        "kind: workload\nname: net\nweights: w.npz\nmode: inference\ndataset: {name: none, examples: 9}\n"
        "layers:\n- {name: fc1, inputs: 2, outputs: 2, activation: relu}\n"
        "- {name: fc2, inputs: 2, outputs: 2, activation: softmax}\n"
    )
    with pytest.raises(SpecError) as caught:
        initial_weights(load_workload(tmp_path / "net.yaml").value, 0)
    assert "layer 'fc1' has 2 x 2 weights; give 3 x 2" in str(caught.value)
    assert "no weights of layer 'fc2' (fc1)" in str(caught.value)
