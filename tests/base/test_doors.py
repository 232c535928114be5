"""Each way in has one door: whatever a file holds, it is read, or refused in the project's own words.

Files are mutated from a seed: cut off, bytes changed, values of another kind or shape. No other outcome than an answer
or an ArchsimError passes, so that a traceback fails the test by itself.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np
import pytest
from pydantic_core.core_schema import ErrorType

import archsim
from archsim.base.doors import FOREIGN, check_regular, check_text, door, reason, user_path
from archsim.base.errors import MOST_TEXT, MOST_WORD, ArchsimError, Problem, SpecError
from archsim.base.limits import Limit
from archsim.base.validation import LIBRARY, said
from archsim.functional.checkpoint import Checkpoint
from archsim.functional.idx import read_idx
from archsim.functional.npz import read_npz
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run.details import details
from archsim.studies.run.plan import plan_from_file
from archsim.studies.run.study import details_json, metrics_json, render_again
from archsim.studies.study import show_again
from archsim.studies.train.study import STUDY as TRAIN
from archsim.studies.views import diff_lines
from archsim.workload import load_workload
from archsim.workload.weights import weights_of
from tests.studies.test_train_document import HISTORY

PACKAGE = Path(archsim.__file__).parent
ROOT = PACKAGE.parent
STRANGE = re.compile(
    r"Input should|valid (string|integer|number|dict)|NoneType|invalid literal|object has no|unhashable|codec can't|"
    r"\b\w+Error\b|<class|pydantic"
)  # the words of Python and of the libraries

Reader = Callable[[Path], object]


def packed(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def checkpoint(folder: Path) -> bytes:
    state = Checkpoint({"seeds": [0]}, {}, None, {}, {"chip.a": np.arange(6.0), "width": np.ones(2)})
    with (folder / "checkpoint.npz").open("wb") as file:
        state.write(file)
    return (folder / "checkpoint.npz").read_bytes()


def model() -> bytes:
    onnx = pytest.importorskip("onnx")
    kind, h = onnx.TensorProto.FLOAT, onnx.helper
    held = [h.make_tensor(name, kind, shape, np.ones(shape, np.float32).tobytes(), raw=True)
            for name, shape in (("w", (4, 3)), ("v", (3, 2)))]  # fmt: skip
    nodes = [h.make_node("Gemm", ["x", "w"], ["a"]), h.make_node("Relu", ["a"], ["b"]),
             h.make_node("MatMul", ["b", "v"], ["y"])]  # fmt: skip
    ends = [h.make_tensor_value_info(name, kind, ["N", size]) for name, size in (("x", 4), ("y", 2))]
    graph = h.make_graph(nodes, "net", ends[:1], ends[1:], held)
    out: bytes = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString()
    return out


def imported(path: Path) -> object:
    from archsim.workload.onnx.importing import import_onnx

    found = import_onnx(path)
    with np.errstate(all="ignore"):
        return dict(found.weights)


def saved(path: Path) -> object:
    return render_again(path.parent)


BYTES: dict[str, tuple[str, Callable[[Path], bytes], Reader]] = {
    "idx": ("a", lambda _: b"\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\2abcd", lambda path: read_idx(path, 3)),
    "idx.gz": ("a", lambda _: gzip.compress(b"\0\0\x08\x01\0\0\0\4abcd", mtime=0), lambda path: read_idx(path, 1)),
    "npz": ("a.npz", lambda _: packed(x_train=np.ones((2, 3)), y_train=[0, 1], x_test=np.ones((1, 3)), y_test=[0]),
            lambda path: read_npz(path, features_alone=False)),
    "weights": ("w.npz", lambda _: packed(fc1=np.ones((3, 2), np.float32)),
                lambda path: weights_of(path, {"fc1": (3, 2)})),
    "checkpoint": ("checkpoint.npz", checkpoint, lambda path: Checkpoint.read(path.parent)),
    "onnx": ("m.onnx", lambda _: model(), imported),
    "history": ("history.json", lambda _: json.dumps(HISTORY).encode(), lambda path: show_again(TRAIN, path.parent)),
    "spec": ("s.yaml", lambda _: (ROOT / "arch_specs" / "ambrogio_nature_2018.yaml").read_bytes(), load_arch),
}  # fmt: skip
"""Each kind of file by bytes: its name, a sound one, and its reader."""
FREE = {"idx", "idx.gz", "npz", "weights", "checkpoint", "onnx"}
"""Kinds whose reading takes about a millisecond; of the others, fewer are tried."""


def mutated(data: bytes, draw: Random) -> bytes:
    """Return some bytes cut off, with bytes changed, or with a stretch twice."""
    if draw.random() < 0.25:
        return data[: draw.randrange(len(data))]
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(out))
        if draw.random() < 0.1:
            out[at:at] = out[at : at + draw.randrange(1, 40)]
        else:
            out[at] = draw.choice((0, 1, 127, 128, 255, out[at] ^ 1 << draw.randrange(8)))
    return bytes(out)


def answered(read: Reader, path: Path) -> str:
    """Return the message of a refusal, "" if there is none; whatever else is raised comes out."""
    try:
        read(path)
    except ArchsimError as error:
        told = str(error)
        assert not STRANGE.search(told.replace(str(path.parent), "")), told
        hinted = not isinstance(error, SpecError) or error.problems[-1].hint
        return told if hinted else pytest.fail(f"no hint: {told}")
    return ""


def battery(kind: str, folder: Path, seed: int, cases: int) -> list[str]:
    name, make, read = BYTES[kind]
    draw, data, path = Random(f"{seed} {kind}"), make(folder), folder / name
    path.write_bytes(data)
    assert answered(read, path) == ""  # what is sound is read
    found = []
    for _ in range(cases):
        path.write_bytes(mutated(data, draw))
        found.append(answered(read, path))
    return found


@pytest.mark.parametrize("kind", BYTES)
def test_a_file_of_any_bytes_is_read_or_refused_in_words(kind: str, tmp_path: Path) -> None:
    assert any(battery(kind, tmp_path, 0, 60 if kind in FREE else 6))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("kind", BYTES)
def test_many_files_of_any_bytes_are_read_or_refused_in_words(kind: str, seed: int, tmp_path: Path) -> None:
    assert any(battery(kind, tmp_path, seed, 1000 if kind in FREE else 100))


ODD: tuple[Any, ...] = (None, True, 0, -1, 1e308, 10**30, "", "x", "\ud800", [], {}, [None], [[1]], {"a": {}})
"""Values that stand in JSON where others are expected."""


def edited(plain: Any, draw: Random) -> Any:
    """Return JSON data with one value of it another, gone or twice."""
    if not isinstance(plain, dict | list) or not plain or draw.random() < 0.1:
        return draw.choice(ODD)
    at = draw.choice(list(plain) if isinstance(plain, dict) else range(len(plain)))
    out: Any = dict(plain) if isinstance(plain, dict) else list(plain)
    way = draw.random()
    if way < 0.15:
        del out[at]
    elif way < 0.25 and isinstance(out, list):
        out.append(out[at])
    else:
        out[at] = edited(plain[at], draw)
    return out


@functools.cache
def results() -> dict[str, Any]:
    """The result files of a short run."""
    found = evaluate(load_arch("ambrogio_nature_2018"), load_workload("mlp_digits"), examples=60, command="archsim x")
    more = json.loads(details_json(details(found)))
    return {"metrics.json": json.loads(metrics_json(found.data)), "details.json": more}


def result_file(name: str) -> Any:
    return results()[name]


JSON: dict[str, tuple[Callable[[], Any], Reader]] = {
    "history.json": (lambda: HISTORY, lambda path: show_again(TRAIN, path.parent)),
    "metrics.json": (lambda: result_file("metrics.json"), saved),
    "details.json": (lambda: result_file("details.json"), saved),
}


def edits(name: str, folder: Path, seed: int, cases: int) -> None:
    make, read = JSON[name]
    for other in JSON:
        if other != name and name != "history.json" != other:
            (folder / other).write_text(json.dumps(result_file(other)), "utf-8")
    draw, plain = Random(f"{seed} {name}"), make()
    (folder / "whole.json").write_text(json.dumps(plain), "utf-8")
    for _ in range(cases):
        (folder / name).write_text(json.dumps(edited(plain, draw)), "utf-8")
        answered(read, folder / name)
        if name == "metrics.json":
            answered(lambda path: diff_lines(str(path), str(folder / "whole.json")), folder / name)


@pytest.mark.parametrize("name", JSON)
def test_a_result_file_of_another_shape_is_shown_or_refused_in_words(name: str, tmp_path: Path) -> None:
    edits(name, tmp_path, 0, 8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", JSON)
def test_many_result_files_of_another_shape_are_shown_or_refused(name: str, seed: int, tmp_path: Path) -> None:
    edits(name, tmp_path, seed, 60)


NOT_RESULTS = ("", "{", "[" * 100_000, '{"a":' * 100_000, "9" * 5000, "1e999", "NaN", '"\\ud800"', "\xff")


@pytest.mark.parametrize("text", NOT_RESULTS, ids=range(len(NOT_RESULTS)))
def test_text_that_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    for name, (_, read) in JSON.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(text.encode("latin-1"))
        assert answered(read, folder / name)
        if name == "metrics.json":
            assert answered(lambda path: diff_lines(str(path), str(path)), folder / name)


def test_arrays_that_a_file_claims_and_does_not_hold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    sound = packed(fc1=np.ones((3, 2), np.float32))
    for data in (
        b"", b"PK\5\6" + bytes(18), sound.replace(b"(3, 2)", b"(9**9)"), sound.replace(b"(3, 2)", b"(-1,2)"),
        packed(fc1=np.array(["a"] * 6).reshape(3, 2)), packed(fc1=np.full((3, 2), np.nan)), packed(fc2=1),
        packed(fc1=np.zeros((3, 2), [("a", "f4")])), packed(fc1=np.array([[object()] * 2] * 3)),
    ):  # fmt: skip
        path.write_bytes(data)
        assert answered(lambda own: weights_of(own, {"fc1": (3, 2)}), path), data
    np.save(tmp_path / "b.npy", np.ones(3))
    assert answered(lambda own: weights_of(own, {}), tmp_path / "b.npy")


def test_an_edited_checkpoint_is_told_from_its_sum(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    path = tmp_path / "checkpoint.npz"
    with np.load(path) as file:
        held = dict(file)
    np.savez(path, **{**held, "chip.a": held["chip.a"] + 1})
    with pytest.raises(SpecError, match="its sum is not that of what it holds"):
        Checkpoint.read(tmp_path)
    np.savez(path, **{name: array for name, array in held.items() if name != "sum"})
    assert list(Checkpoint.read(tmp_path).arrays) == ["chip.a", "width"]  # as earlier versions wrote it


@pytest.mark.parametrize(("location", "offset", "length"), [
    ("w.bin", "-1", "48"), ("w.bin", "9" * 30, "48"), ("w.bin", "x", "48"), ("w.bin", "0", "-5"), ("w.bin", "0", "5"),
    ("w.bin", "0", "9" * 5000), ("../w.bin", "0", "48"), ("/dev/zero", "0", "48"), ("", "0", "48"), ("none", "0", "4"),
])  # fmt: skip
def test_data_outside_a_model_are_read_or_refused(location: str, offset: str, length: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    (tmp_path / "w.bin").write_bytes(np.ones((4, 3), np.float32).tobytes())
    own = onnx.load_from_string(model())
    held = own.graph.initializer[0]
    held.ClearField("raw_data")
    held.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        held.external_data.add(key=key, value=value)
    path = tmp_path / "m.onnx"
    path.write_bytes(own.SerializeToString())
    assert answered(imported, path)


# ---- the doors themselves


def test_a_door_turns_what_readers_raise_and_lets_the_rest_pass() -> None:
    for kind in FOREIGN:
        with pytest.raises(SpecError, match=r"^f: no file: .*; try"), door("f", "no file: {why}", "try"):
            raise kind
    for other in (KeyboardInterrupt, SystemExit, StopIteration, ArchsimError):
        with pytest.raises(other), door("f", "no file", "try"):
            raise other
    with pytest.raises(SpecError, match="own"), door("f", "no file", "try"):
        raise SpecError.at("x", "own", "y")
    with pytest.raises(KeyError), door("f", "no file", "try", raises=(ValueError,)):
        raise KeyError("internal")


def test_reasons_are_in_plain_words() -> None:
    for kind in FOREIGN:
        assert not STRANGE.search(reason(kind("invalid literal for int() with base 10: NoneType")))


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    four = Limit("bytes", 4, "", "try")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), tmp_path / "none", tmp_path / ("x" * 300)):
        with pytest.raises(SpecError, match=r"not a file|cannot be read|no such file"):
            check_regular(path, "f", "try", four)
    (tmp_path / "large").write_bytes(b"12345")
    with pytest.raises(SpecError, match="5 bytes, above the limit of 4; try"):
        check_regular(tmp_path / "large", "f", "", four)


def test_text_of_the_shell_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from archsim.functional.data_folder import data_folder

    with pytest.raises(SpecError, match="is not text in UTF-8"):
        check_text("a\udcff", "argument 1")
    with pytest.raises(SpecError, match="no such home folder"):
        user_path("~nosuchuser/x", "x")
    monkeypatch.setenv("ARCHSIM_DATA", "a\udcff")
    with pytest.raises(SpecError, match="ARCHSIM_DATA"):
        data_folder()


def test_a_run_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for text in (
        "kind: run\narch: 5\n",
        "kind: run\n",
        "kind: [run]\n",
        "kind: run\nexamples: " + "9" * 5000,
        "kind: run\nx: [" * 50,
    ):
        (tmp_path / "run.yaml").write_text(text)
        assert answered(lambda path: plan_from_file(str(path)), tmp_path / "run.yaml")


# ---- messages


def test_no_fault_of_validation_is_told_in_the_library_s_words() -> None:
    assert len(LIBRARY) > 80
    for kind in get_args(ErrorType):
        for given in ODD:
            fault: dict[str, Any] = {
                "type": kind,
                "loc": ("a",),
                "input": given,
                "msg": "Input should be NoneType; try",
                "ctx": {},
            }
            if kind in LIBRARY:
                what, hint = said(fault)
                assert what, kind
                assert hint, kind
                assert not STRANGE.search(what + hint), kind


def test_a_message_cuts_what_is_long() -> None:
    for text in ("x" * 10**6, "x " * 10**6, "'" + "9" * 5000 + "' is no number"):
        assert len(str(Problem(text, text, text))) < 3 * (MOST_TEXT + 40)
    assert max(map(len, str(Problem("", "y" * 500, "")).split())) <= MOST_WORD


def test_files_of_others_are_read_behind_doors_alone() -> None:
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    found = {name for name, text in texts.items() if re.search(r"\b(np|pickle|onnx)\.load\(", text)}
    assert found == {"base/array_files.py", "functional/datasets.py", "workload/onnx/reading.py"}  # its own digits
    broad = {name for name, text in texts.items() if re.search(r"except( Exception\b.*)?:", text)}
    # the command tells click's errors; pint raises anything, and so does Dask; a thread hands on what it meets, a pool
    # all but the death of a worker; a database has a driver of its own; a report that is none hides no other in a list;
    # a compiler that fails is done without
    assert broad <= {"cli/__init__.py", "base/units.py", "functional/downloads.py", "studies/tasks/cluster.py",
                     "studies/index.py", "studies/tasks/workers.py", "studies/search/asking.py",
                     "simulation/choice.py"}  # fmt: skip
