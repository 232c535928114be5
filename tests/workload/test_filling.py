"""Workloads in short: sizes are enough, what a file gives is never changed, and what it does not is told."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.documents import Leaf, texts
from archsim.base.errors import SpecError
from archsim.base.shipped import builtin_names
from archsim.cli import main
from archsim.functional.datasets import LOADERS, load_data
from archsim.spec.loading import Loaded
from archsim.studies.run.plan import plan_from_file
from archsim.workload import Workload, load_workload
from archsim.workload.filling import DATA_SETS, EXAMPLES, NO_DATA, TRAINING, filled


def loaded(tmp_path: Path, text: str, *sets: str) -> Loaded[Workload]:
    file = tmp_path / "net.yaml"
    file.write_text(f"kind: workload\n{text}\n", "utf-8")
    return load_workload(file, sets)


SIZES = st.lists(st.integers(1, 300), min_size=2, max_size=6)


@given(SIZES)
def test_sizes_are_a_chain_of_dense_layers(sizes: list[int]) -> None:
    """The first is that of the inputs; each other one a layer, with names of their own and softmax at the end."""
    layers = texts(filled({"layers": [Leaf(str(size)) for size in sizes]}))["layers"]
    assert [(layer["inputs"], layer["outputs"]) for layer in layers] == [
        (str(a), str(b)) for a, b in itertools.pairwise(sizes)
    ]
    assert [layer["name"] for layer in layers] == [f"fc{i + 1}" for i in range(len(layers))]
    assert [layer["activation"] for layer in layers] == ["clipped_relu"] * (len(layers) - 1) + ["softmax"]


@given(SIZES)
def test_what_is_filled_in_needs_no_more(sizes: list[int]) -> None:
    once = filled({"layers": [Leaf(str(size)) for size in sizes]})
    assert filled(once) == once


@pytest.mark.parametrize("name", builtin_names("workloads"))
def test_what_a_file_gives_is_never_changed(name: str) -> None:
    own = load_workload(name)
    assert own.defaults == {}
    assert own.defaults_told == ""
    assert filled(own.tree) == own.tree


def test_short_and_long_form_are_one_workload(tmp_path: Path) -> None:
    short = loaded(tmp_path, "name: net\nlayers: [64, 32, 10]")
    long = loaded(
        tmp_path,
        f"""name: net
layers:
  - {{name: fc1, inputs: 64, outputs: 32, activation: clipped_relu}}
  - {{name: fc2, inputs: 32, outputs: 10, activation: softmax}}
dataset: {{name: digits, examples: 1438}}
training: {{epochs: {TRAINING["epochs"]}, learning_rate: {TRAINING["learning_rate"]}}}""",
    )
    assert short.digest == long.digest
    assert long.defaults == {}
    assert short.defaults == {
        "layers[0].name": "fc1", "layers[0].activation": "clipped_relu", "layers[1].name": "fc2",
        "layers[1].activation": "softmax", "dataset.name": "digits", "dataset.examples": "1438",
        "training.epochs": TRAINING["epochs"], "training.learning_rate": TRAINING["learning_rate"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("layers: [784, 128, 10]", "dataset.name", "mnist"),
        ("layers: [528, 10]", "dataset.examples", "60000"),
        ("layers: [100, 10]", "dataset.name", NO_DATA),
        ("layers: [100, 10]", "dataset.examples", str(EXAMPLES)),
        ("layers: [64, 9]", "dataset.name", NO_DATA),
        ("layers: [64, 10]\ndataset: {name: mnist}", "dataset.examples", "60000"),
        ("layers: [64, 10]\ndataset: {target: values}", "layers[0].activation", "linear"),
        ("layers: [64, {outputs: 9, kind: lstm}, {outputs: 10, name: fc1}]\nsteps: 3", "layers[0].name", "lstm1"),
        ("layers: [64, 9, {outputs: 10, name: fc1}]", "layers[0].name", "fc2"),
        ("layers: [{inputs: 64, outputs: 9}, {outputs: 10}]", "layers[1].name", "fc2"),
        ("layers: [64, 10]\ntraining: {epochs: 3}", "training.learning_rate", TRAINING["learning_rate"]),
    ],
)
def test_what_is_filled_in(tmp_path: Path, text: str, path: str, value: str) -> None:
    assert loaded(tmp_path, text).defaults[path] == value


def test_a_network_that_infers_is_given_no_training(tmp_path: Path) -> None:
    own = loaded(tmp_path, "layers: [64, 10]\nmode: inference")
    assert not any(path.startswith("training") for path in own.defaults)


def test_settings_reach_what_is_in_short(tmp_path: Path) -> None:
    """The inputs of the next layer follow; a list in short may be given on the command line, too."""
    own = loaded(tmp_path, "layers: [64, 32, 10]", "layers[0].outputs=48").value
    assert [(layer.inputs, layer.outputs) for layer in own.layers] == [(64, 48), (48, 10)]
    own = loaded(tmp_path, "layers: [64, 32, 10]", "layers=[64, 20, 20, 10]").value
    assert [layer.outputs for layer in own.layers] == [20, 20, 10]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("layers: 784", "'784' stands where a list is expected"),
        ("layers: [784]", "a network needs at least one layer"),
        ("layers: [784, -1]", "layers[0].outputs: '-1' is out of range"),
        ("layers: [784, ten]", "layers[0].outputs: 'ten' is not a number"),
        ("layers: [{outputs: 10}]", "layers[0].inputs: is missing"),
        ("layers: [64, 10]\ndataset: {name: mine}", "dataset.examples: is missing"),
        ("layers: [64, 10]\ndataset: digits", "dataset"),
        ("dataset: {name: digits}", "layers: is missing"),
    ],
)
def test_what_cannot_be_filled_in_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SpecError) as error:
        loaded(tmp_path, text)
    assert told in str(error.value)


def test_known_data_sets_are_what_is_loaded(tmp_path: Path) -> None:
    assert set(DATA_SETS) <= set(LOADERS)
    data = load_data(loaded(tmp_path, "layers: [64, 10]").value)
    own = DATA_SETS["digits"]
    assert ((data.train_x.shape[1],), data.classes, len(data.train_y)) == own
    dataset = shipped_mnist().dataset
    rows, columns = 28 - 2 * dataset.cut_rows, 28 - 2 * dataset.cut_columns
    assert DATA_SETS["mnist"].inputs == (28 * 28, rows * columns)
    assert DATA_SETS["mnist"].examples == dataset.examples


def shipped_mnist() -> Workload:
    return load_workload("mlp_mnist").value


def test_the_report_says_which_defaults_were_taken_and_repeats_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("kind: workload\nlayers: [64, 32, 10]\n", "utf-8")
    with pytest.raises(SystemExit):
        main(["run", "ambrogio_nature_2018", "net.yaml", "--examples", "5", "--out", "run"])
    told = "defaults taken, as net does not say: layers.name fc1, fc2; layers.activation clipped_relu, softmax; "
    assert told in " ".join(capsys.readouterr().out.split())
    for file in ("report.html", "report.md"):
        assert "defaults taken, as net does not say" in Path("run", file).read_text("utf-8")
    again = plan_from_file("run/run.yaml").workload
    assert again.digest == load_workload("net.yaml").digest
    assert again.defaults == load_workload("net.yaml").defaults
