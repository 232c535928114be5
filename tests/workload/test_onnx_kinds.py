"""Kinds of ONNX models that were read wrongly or not at all, each made here and counted by hand."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.base.documents import dump_yaml
from archsim.base.errors import SpecError
from archsim.workload import Workload, load_workload
from archsim.workload.onnx.importing import Imported, import_onnx

onnx = pytest.importorskip("onnx")
from tests.workload.test_onnx import draw, saved  # noqa: E402

node = onnx.helper.make_node


def written(found: Imported, folder: Path) -> Workload:
    """Write what was imported and load it as `check` and `run` do."""
    (folder / "w.yaml").write_text(dump_yaml(found.workload))
    return load_workload(folder / "w.yaml").value


def gemm(source: str, weights: str, result: str, name: str = "") -> Any:
    return node("Gemm", [source, weights], [result], name=name or result, transB=1)


def lstm(
    source: str, result: str, tag: str, inputs: int, hidden: int, **more: Any
) -> tuple[Any, dict[str, np.ndarray]]:
    ways = 2 if more.get("direction") == "bidirectional" else 1
    held = {
        f"w{tag}": draw(ways, 4 * hidden, inputs),
        f"r{tag}": draw(ways, 4 * hidden, hidden),
        f"b{tag}": draw(ways, 8 * hidden),
    }
    return node("LSTM", [source, *held], [result], name=f"lstm{tag}", hidden_size=hidden, **more), held


def test_a_time_axis_without_a_size_is_asked_for_and_the_batch_is_one(tmp_path: Path) -> None:
    one, held = lstm("x", "y", "", 10, 20)
    path = saved(tmp_path / "m.onnx", [one], {"x": ["seq", 1, 10]}, {"y": ["seq", 1, 1, 20]}, **held)
    with pytest.raises(SpecError, match=r"'seq' of input 'x' has no size .*--dim seq=80"):
        import_onnx(path)
    assert written(import_onnx(path, dims={"seq": 80}), tmp_path).ops_per_example == 2 * 80 * 31 * 80
    # The batch is wherever the recurrent node says, also behind a transposition.
    turned = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), lstm("t", "y", "", 10, 20)[0]]
    path = saved(tmp_path / "t.onnx", turned, {"x": ["N", 7, 10]}, {"y": [7, 1, "N", 20]}, **held)
    assert written(import_onnx(path), tmp_path).steps == 7
    path = saved(tmp_path / "u.onnx", turned, {"x": [1, "T", 10]}, {"y": ["T", 1, 1, 20]}, **held)
    with pytest.raises(SpecError, match="--dim T="):
        import_onnx(path)
    # An axis without a name is asked for by its place; a first axis that is called time is not the batch.
    path = saved(tmp_path / "v.onnx", [one], {"x": [None, 1, 10]}, {"y": [None, 1, 1, 20]}, **held)
    with pytest.raises(SpecError, match=r"--dim x\.0="):
        import_onnx(path)
    assert import_onnx(path, dims={"x.0": 5}).workload["steps"] == 5
    path = saved(tmp_path / "w.onnx", [node("MatMul", ["x", "w"], ["y"])], {"x": ["time", 3]}, {}, w=draw(3, 2))
    with pytest.raises(SpecError, match="--dim time=80"):
        import_onnx(path)


def test_two_cells_on_one_input_stay_two(tmp_path: Path) -> None:
    (first, a), (second, b) = lstm("x", "f", "_f", 16, 32), lstm("x", "g", "_b", 16, 32)
    nodes = [
        first,
        second,
        node("Squeeze", ["f", "axis"], ["fs"]),
        node("Squeeze", ["g", "axis"], ["gs"]),
        node("Concat", ["fs", "gs"], ["c"], axis=2),
        node("MatMul", ["c", "w"], ["y"], name="fc"),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"x": [12, 1, 16]}, {"y": [12, 1, 4]}, w=draw(64, 4), axis=np.array([1]),
                 **a, **b)  # fmt: skip
    found = import_onnx(path)
    assert written(found, tmp_path).ops_per_example == 2 * 12 * (2 * 49 * 128 + 64 * 4)
    assert "'lstm_b': beside the layer before in the model" in found.notes[0]
    both, held = lstm("x", "f", "", 16, 32, direction="bidirectional")
    path = saved(tmp_path / "b.onnx", [both], {"x": [12, 1, 16]}, {"f": [12, 2, 1, 32]}, **held)
    found = import_onnx(path)
    assert written(found, tmp_path).ops_per_example == 2 * 12 * 2 * 49 * 128
    assert any("'lstm_reverse': from the last step to the first" in note for note in found.notes)
    assert not np.array_equal(found.weights["lstm_forward"], found.weights["lstm_reverse"])


def test_a_product_beside_a_cell_is_a_layer_of_its_own(tmp_path: Path) -> None:
    one, held = lstm("x", "f", "", 16, 32)
    nodes = [one, node("Squeeze", ["f", "axis"], ["fs"]), node("MatMul", ["x", "s"], ["k"], name="skip"),
             node("Add", ["fs", "k"], ["sum"]), node("MatMul", ["sum", "out"], ["y"], name="fc")]  # fmt: skip
    path = saved(tmp_path / "m.onnx", nodes, {"x": [12, 1, 16]}, {"y": [12, 1, 4]}, s=draw(16, 32), out=draw(32, 4),
                 axis=np.array([1]), **held)  # fmt: skip
    work = written(import_onnx(path, digital=True), tmp_path)
    assert work.ops_per_example == 2 * 12 * (49 * 128 + 16 * 32 + 32 * 4)
    assert work.digital_ops_per_example == 12 * 32


def test_heads_keep_their_activations_and_equal_ones_are_one_wider_layer(tmp_path: Path) -> None:
    nodes = [gemm("x", "w0", "h", "body"), node("Relu", ["h"], ["r"]), gemm("r", "wa", "a", "actor"),
             node("Tanh", ["a"], ["t"]), gemm("t", "wp", "p", "policy"), gemm("r", "wc", "c", "critic"),
             node("Relu", ["c"], ["q"]), gemm("q", "wv", "v", "value")]  # fmt: skip
    held = {"w0": draw(64, 24), "wa": draw(64, 64), "wp": draw(4, 64), "wc": draw(32, 64), "wv": draw(1, 32)}
    path = saved(tmp_path / "m.onnx", nodes, {"x": ["N", 24]}, {"p": ["N", 4], "v": ["N", 1]}, **held)
    found = import_onnx(path)
    activations = {layer["name"]: layer.get("activation") for layer in found.workload["layers"]}
    assert activations["actor"], activations["critic"] == ("tanh", "relu")
    assert written(found, tmp_path).synapses == sum(each.size for each in held.values())
    assert any("'p': not the last layer's" in note for note in found.notes)
    nodes[3] = node("Relu", ["a"], ["t"])
    found = import_onnx(saved(tmp_path / "n.onnx", nodes, {"x": ["N", 24]}, {"p": ["N", 4], "v": ["N", 1]}, **held))
    wide = next(layer for layer in found.workload["layers"] if layer["name"] == "actor+critic")
    assert (wide["outputs"], wide["activation"]) == (96, "relu")


def test_names_are_made_unlike_and_shared_matrices_are_told(tmp_path: Path) -> None:
    nodes = [
        gemm("x", "w", "h", "fc/1"),
        node("Relu", ["h"], ["r"]),
        gemm("r", "w", "i", "fc.1"),
        gemm("i", "v", "y", "FC 1"),
    ]
    found = import_onnx(saved(tmp_path / "m.onnx", nodes, {"x": ["N", 6]}, {"y": ["N", 2]}, w=draw(6, 6), v=draw(2, 6)))
    assert [layer["name"] for layer in found.workload["layers"]] == ["fc_1", "fc_1_2", "FC_1_3"]
    assert found.notes == (
        "'fc_1', 'fc_1_2': one matrix in the model, used 2 times; here each has its own, 36 synapses more",
    )
    assert len(found.weights) == 3


@pytest.mark.parametrize(
    ("kind", "more", "flags", "expected"),
    [
        ("Clip", (0.0, 6.0), {}, {"activation": "clipped_relu", "bound": 6.0}),
        ("Clip", (0.0,), {}, {"activation": "relu"}),
        ("Clip", (-1.0, 1.0), {}, {"activation": "linear"}),
        ("Clip", (0.5, 1.0), {}, {"activation": "linear"}),
        ("LeakyRelu", (), {"alpha": 0.2}, {"activation": "leaky_relu", "slope": 0.2}),
        ("LeakyRelu", (), {}, {"activation": "leaky_relu", "slope": 0.01}),
        ("PRelu", (0.25,), {}, {"activation": "leaky_relu", "slope": 0.25}),
        ("Tanh", (), {}, {"activation": "tanh"}),
        ("HardSigmoid", (), {"alpha": 1 / 6}, {"activation": "hard_sigmoid"}),
        ("Sigmoid", (), {}, {"activation": "sigmoid"}),
        ("LogSoftmax", (), {"axis": -1}, {"activation": "softmax"}),
        ("Softmax", (), {"axis": 0}, {"activation": "linear"}),
        ("Elu", (), {}, {"activation": "linear"}),
    ],
)
def test_activations_are_what_they_are_or_digital_work(
    tmp_path: Path, kind: str, more: tuple[float, ...], flags: dict[str, Any], expected: dict[str, Any]
) -> None:
    held = {f"c{i}": np.float32(value) for i, value in enumerate(more)}
    nodes = [gemm("x", "w", "h"), node(kind, ["h", *held], ["y"], **flags)]
    path = saved(tmp_path / "m.onnx", nodes, {"x": ["N", 5]}, {"y": ["N", 3]}, w=draw(3, 5), **held)
    found = import_onnx(path, digital=True)
    layer = found.workload["layers"][0]
    assert {key: layer.get(key) for key in expected} == expected
    work = {"Elu": 3, "Clip": 3, "Softmax": 15}[kind] if expected["activation"] == "linear" else 0
    assert written(found, tmp_path).digital_ops_per_example == work
    if work:
        with pytest.raises(SpecError, match=f"{kind}.*has no fixed weights"):
            import_onnx(path)


def test_weights_are_found_behind_nodes_that_change_their_form(tmp_path: Path) -> None:
    stored = draw(4, 3, 2)  # [outputs 4, inputs 6] in another form
    scale = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    codes = (stored * 10).astype(np.int8)
    held = {"s": codes, "scale": scale, "shape": np.array([4, -1]), "two": np.float32(2)}
    nodes = [
        node("DequantizeLinear", ["s", "scale"], ["d"], axis=0),
        node("Reshape", ["d", "shape"], ["r"]),
        node("Cast", ["r"], ["c"], to=onnx.TensorProto.DOUBLE),
        node("Cast", ["c"], ["f"], to=onnx.TensorProto.FLOAT),
        node("Identity", ["f"], ["i"]),
        node("Mul", ["i", "two"], ["m"]),
        node("Transpose", ["m"], ["t"]),
        node("MatMul", ["x", "t"], ["y"], name="fc"),
    ]
    found = import_onnx(saved(tmp_path / "m.onnx", nodes, {"x": ["N", 6]}, {"y": ["N", 4]}, **held))
    expected = 2 * codes.reshape(4, 6).astype(np.float32) * scale[:, None]
    np.testing.assert_allclose(found.weights["fc"], expected.T, rtol=1e-6)
    assert not found.notes


def test_quantised_models_import_with_real_weights(tmp_path: Path) -> None:
    held: dict[str, Any] = {
        "one": np.float32(0.1), "zero": np.uint8(128), "w": (np.arange(12).reshape(3, 4)).astype(np.uint8),
            "ws": np.float32(0.5), "wz": np.uint8(2), "b": draw(4)}  # fmt: skip
    real = (held["w"].astype(np.float32) - 2) * 0.5
    nodes = [  # quantise, dequantise
        node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "one", "zero"], ["d"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        node("MatMul", ["d", "wd"], ["m"], name="fc"),
        node("Add", ["m", "b"], ["a"]),
        node("QuantizeLinear", ["a", "one", "zero"], ["q2"]),
        node("DequantizeLinear", ["q2", "one", "zero"], ["d2"]),
        node("Relu", ["d2"], ["y"]),
    ]
    found = import_onnx(saved(tmp_path / "qdq.onnx", nodes, {"x": ["N", 3]}, {"y": ["N", 4]}, **held))
    (layer,) = found.workload["layers"]
    assert (layer["activation"], layer.get("bias", True)) == ("relu", True)
    np.testing.assert_allclose(found.weights["fc"], np.concatenate([real, held["b"][None]]), rtol=1e-6)
    assert found.notes == (
        "2 QuantizeLinear, 2 DequantizeLinear: left to the chip's converters, with their own bits and ranges",
    )
    nodes = [
        node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
        node("QLinearMatMul", ["q", "one", "zero", "w", "ws", "wz", "one", "zero"], ["m"], name="fc"),
        node("DequantizeLinear", ["m", "one", "zero"], ["y"]),
    ]
    held.pop("b")
    found = import_onnx(saved(tmp_path / "q.onnx", nodes, {"x": ["N", 3]}, {"y": ["N", 4]}, **held))
    np.testing.assert_allclose(found.weights["fc"], real, rtol=1e-6)


def test_what_scikit_learns_converter_adds_is_the_hosts_work(tmp_path: Path) -> None:
    domain = {"domain": "ai.onnx.ml"}
    nodes = [
        node("Scaler", ["x"], ["s"], offset=[0.0, 1.0], scale=[1.0, 2.0], **domain),
        node("LinearClassifier", ["s"], ["label", "p"], name="fc", coefficients=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
             intercepts=[7.0, 8.0, 9.0], classlabels_ints=[0, 1, 2], post_transform="SOFTMAX", **domain),
        node("Normalizer", ["p"], ["n"], norm="L1", **domain),
        node("ZipMap", ["n"], ["z"], classlabels_int64s=[0, 1, 2], **domain),
    ]  # fmt: skip
    path = saved(tmp_path / "m.onnx", nodes, {"x": [None, 2]}, {"n": [None, 3]})
    model = onnx.load(path)
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    path.write_bytes(model.SerializeToString())
    found = import_onnx(path)
    np.testing.assert_array_equal(found.weights["fc"], [[1, 3, 5], [2, 4, 6], [7, 8, 9]])
    assert found.workload["layers"][0]["activation"] == "softmax"
    assert found.notes == ("1 Scaler, 1 Normalizer, 1 ZipMap: the host's work, not charged",)


def function(name: str, *calls: Any) -> Any:
    return onnx.helper.make_function("own", name, ["a", "w"], ["b"], list(calls), [onnx.helper.make_opsetid("", 17),
                                     onnx.helper.make_opsetid("own", 1)])  # fmt: skip


def with_functions(path: Path, *functions: Any) -> Path:
    graph = onnx.helper.make_graph(
        [node(functions[0].name, ["x", "w"], ["y"], domain="own")], "f",
        [onnx.helper.make_tensor_value_info("x", 1, ["N", 3])], [onnx.helper.make_tensor_value_info("y", 1, ["N", 3])],
        [onnx.numpy_helper.from_array(draw(3, 3), "w")],
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("own", 1)]
    path.write_bytes(onnx.helper.make_model(graph, functions=functions, opset_imports=opsets).SerializeToString())
    return path


def test_local_functions_are_inlined_and_have_an_end(tmp_path: Path) -> None:
    layer = function("Layer", node("MatMul", ["a", "w"], ["c"]), node("Relu", ["c"], ["b"]))
    found = import_onnx(with_functions(tmp_path / "m.onnx", layer))
    assert [(each["outputs"], each["activation"]) for each in found.workload["layers"]] == [(3, "relu")]
    circle = (
        function("F", node("G", ["a", "w"], ["b"], domain="own")),
        function("G", node("F", ["a", "w"], ["b"], domain="own")),
    )
    with pytest.raises(SpecError, match=r"no end|not a sound"):
        import_onnx(with_functions(tmp_path / "c.onnx", *circle))
    grown = [
        function(
            f"F{i}",
            node(f"F{i + 1}", ["a", "w"], ["c"], domain="own"),
            node(f"F{i + 1}", ["c", "w"], ["b"], domain="own"),
        )
        for i in range(40)
    ]
    with pytest.raises(SpecError, match=r"1,099,511,627,776 nodes with the functions of a model, above the limit"):
        import_onnx(with_functions(tmp_path / "g.onnx", *grown, function("F40", node("MatMul", ["a", "w"], ["b"]))))


def test_data_beyond_two_gigabytes_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    """A file without blocks on the disk: 3 GB, of which nothing is read for sizes."""
    rows, columns = 30_000, 25_000
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(4 * rows * columns)
    path = saved(tmp_path / "m.onnx", [node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"], name="fc")],
                 {"x": ["N", columns]}, {"y": ["N", rows]}, w=np.zeros(1, np.float32))  # fmt: skip
    model = onnx.load(path)
    (held,) = model.graph.initializer
    held.ClearField("raw_data")
    held.dims[:] = [rows, columns]
    held.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "w.bin", "offset": "0", "length": str(4 * rows * columns)}.items():
        held.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    found = import_onnx(path)
    assert written(found, tmp_path).synapses == rows * columns
    with pytest.raises(SpecError, match=r"750,000,000 numbers of a constant, above the limit"):
        found.weights["fc"]
    (tmp_path / "w.bin").unlink()
    with pytest.raises(SpecError, match="not a sound ONNX model"):
        import_onnx(path)


def test_sizes_are_bounded_before_anything_is_computed(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", ["n"], ["w"]), node("MatMul", ["x", "w"], ["y"], name="fc")]
    path = saved(tmp_path / "m.onnx", nodes, {"x": ["N", 10**6]}, {"y": ["N", 10**6]}, n=np.array([10**6, 10**6]))
    found = import_onnx(path)
    assert written(found, tmp_path).synapses == 10**12
    with pytest.raises(SpecError, match="1,000,000,000,000 numbers"):
        found.weights["fc"]


def test_digital_work_before_the_first_layer_is_charged_behind_it(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "k"], ["a"], kernel_shape=[5, 5], name="conv"),
        node("Relu", ["a"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Reshape", ["p", "shape"], ["f"]),
        gemm("f", "w", "y", "fc"),
    ]
    held = {"k": draw(4, 1, 5, 5), "w": draw(10, 144), "shape": np.array([-1, 144])}
    path = saved(tmp_path / "m.onnx", nodes, {"x": ["batch", 1, 28, 28]}, {"y": ["batch", 10]}, **held)
    found = import_onnx(path, digital=True)
    # 24 x 24 x 4 outputs of 25 products and a rectifier each, and 6 x 6 x 4 maxima of 16.
    assert written(found, tmp_path).digital_ops_per_example == 24 * 24 * 4 * 26 + 6 * 6 * 4 * 16
    assert any("come before the first layer and are charged to the tiles of 'fc'" in note for note in found.notes)


def test_host_work_between_layers_is_refused(tmp_path: Path) -> None:
    nodes = [gemm("x", "w", "h"), node("ArgMax", ["h"], ["i"], axis=1, name="choice"), node("Cast", ["i"], ["f"], to=1),
             gemm("f", "v", "y")]  # fmt: skip
    path = saved(tmp_path / "m.onnx", nodes, {"x": ["N", 3]}, {"y": ["N", 2]}, w=draw(3, 3), v=draw(2, 1))
    with pytest.raises(SpecError, match=r"'choice' \(ArgMax\) is the host's work, and stands between layers"):
        import_onnx(path)


def test_a_layer_of_one_vector_before_layers_of_many_is_refused(tmp_path: Path) -> None:
    one, held = lstm("x", "", "", 3, 5)
    one.output.append("last")
    nodes = [one, node("Expand", ["last", "seven"], ["many"]), node("MatMul", ["many", "v"], ["y"], name="out")]
    path = saved(
        tmp_path / "m.onnx", nodes, {"x": [7, 1, 3]}, {"y": [7, 1, 2]}, v=draw(5, 2), seven=np.array([7, 1, 5]), **held
    )
    assert import_onnx(path).workload["steps"] == 7  # all of its vectors come from one, but they are seven
    one.output[:] = ["", "last"]
    nodes[1:] = [node("MatMul", ["last", "v"], ["a"], name="one"), node("Expand", ["a", "seven"], ["many"]),
                 node("MatMul", ["many", "u"], ["y"], name="out")]  # fmt: skip
    path = saved(tmp_path / "n.onnx", nodes, {"x": [7, 1, 3]}, {"y": [7, 1, 2]}, v=draw(5, 5), u=draw(5, 2),
                 seven=np.array([7, 1, 5]), **held)  # fmt: skip
    with pytest.raises(SpecError, match="'out' is given 7 vectors of an example, but 'one' before it one"):
        import_onnx(path)


def test_broken_files_are_refused_with_words(tmp_path: Path) -> None:
    """Bytes of names, sizes and types are changed at random: another model, or a refusal."""
    one, held = lstm("x", "y", "", 3, 2)
    whole = saved(tmp_path / "m.onnx", [one], {"x": [4, 1, 3]}, {"y": [4, 1, 1, 2]}, **held).read_bytes()
    rng = random.Random(13)
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        path = tmp_path / "broken.onnx"
        path.write_bytes(bytes(broken[: rng.choice([len(broken), rng.randrange(len(broken))])]))
        with contextlib.suppress(SpecError):
            written(import_onnx(path), tmp_path)
