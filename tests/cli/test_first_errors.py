"""What goes wrong in a first hour, tried one by one: each message leads to the next right step.

Each case is a command as a newcomer types it, in a folder with the files of `FILES`, and what its message must say.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.cli import main
from tests.helpers import PACKET

CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
BEGIN = f"kind: arch\nextends: {CHIP}\n"
NET = "kind: workload\n"

FILES: dict[str, str | bytes] = {
    "tab.yaml": f"{BEGIN}tile:\n\trows: 256\n",
    "row.yaml": f"{BEGIN}tile: {{row: 256}}\n",
    "upper.yaml": f"{BEGIN}Tile: {{rows: 256}}\n",
    "bare.yaml": f"{BEGIN}tile: {{device: {{area: 2.34}}}}\n",
    "joule.yaml": f"{BEGIN}tile: {{device: {{area: 2.34 pJ}}}}\n",
    "case.yaml": f"{BEGIN}technology: {{clock: 1 Ghz}}\n",
    "comma.yaml": f"{BEGIN}tile: {{device: {{area: 2,34 um2}}}}\n",
    "comma_in_block.yaml": f"{BEGIN}tile:\n  device:\n    area: 2,34 um2\n",
    "huge.yaml": f"{BEGIN}tile: {{rows: 1e9}}\n",
    "half.yaml": f"{BEGIN}tile: {{rows: 256.5}}\n",
    "nothing.yaml": f"{BEGIN}tile:\n  rows:\n  cols: 512\n",
    "base.yaml": "kind: arch\nextends: ambrogio_nature_2081\n",
    "extend.yaml": f"kind: arch\nextend: {CHIP}\n",
    "no_kind.yaml": f"extends: {CHIP}\n",
    "chip_kind.yaml": f"kind: chip\nextends: {CHIP}\n",
    "empty.yaml": "",
    "comment.yaml": "# nothing yet\n",
    "list.yaml": "- kind: arch\n",
    "brace.yaml": f"{BEGIN}tile: {{rows: 256\n",
    "twice.yaml": f"{BEGIN}tile: {{rows: 256}}\ntile: {{cols: 256}}\n",
    "mode.yaml": f"{BEGIN}schedule: {{mode: pipeline}}\n",
    "mode_case.yaml": f"{BEGIN}schedule: {{mode: Pipelined}}\n",
    "number.yaml": f"{BEGIN}tile: 512\n",
    "device.yaml": f"{BEGIN}tile: {{device: pcm_pair}}\n",
    "two.yaml": f"{BEGIN}---\n{BEGIN}",
    "binary.yaml": bytes(range(128, 256)),
    "net.yaml": f"{NET}layers: [64, 10]\n",
    "chain.yaml": f"{NET}layers:\n  - {{inputs: 64, outputs: 32}}\n  - {{inputs: 33, outputs: 10}}\n",
    "epochs.yaml": f"{NET}layers: [64, 10]\ntraining: {{epochs: 0}}\n",
    "act.yaml": f"{NET}layers: [64, {{outputs: 10, activation: rellu}}]\n",
    "no_layers.yaml": f"{NET}dataset: {{name: digits}}\n",
    "sizes.yaml": f"{NET}layers: 64, 10\n",
    "mine.yaml": f"{NET}layers: [64, 10]\ndataset: {{name: mine, examples: 100}}\n",
    "short.yml": BEGIN,
    "x.py": "import os\n",
}

READ = [
    ("tab", "line 4: not YAML: a tab stands in the indentation; indent with spaces"),
    ("row", "tile.row: unknown key; did you mean 'rows'?"),
    ("upper", "Tile: unknown key; did you mean 'tile'?"),
    ("bare", "'2.34' has no unit; give area 0 or more and at most 0.1 m2, for example '240 um2'"),
    ("joule", "'pJ' is not a unit of area; give area"),
    ("case", "'Ghz' is not a unit of frequency, 'GHz' is"),
    ("comma", "has no value; decimals have a point, 2.34"),
    ("comma_in_block", "'2,34 um2' has a comma, and decimals have a point"),
    ("huge", "'1e9' is out of range; give a whole number 1 or more and at most 65,536"),
    ("half", "'256.5' is not a whole number"),
    ("nothing", "tile.rows: has no value; give one, or leave the key out"),
    ("base", "did you mean 'ambrogio_nature_2018'?"),
    ("extend", "extend.yaml: extend: unknown key; did you mean 'extends'?"),
    ("no_kind", "kind: is missing; begin the file with 'kind: arch' or 'kind: workload'"),
    ("chip_kind", "'chip' is not a kind of spec; allowed: arch, workload"),
    ("empty", "is empty, or holds comments alone; begin with 'kind: arch' or 'kind: workload'; archsim new arch NAME"),
    ("comment", "is empty, or holds comments alone"),
    ("list", "not a mapping of keys to values; begin with 'kind: arch'"),
    ("brace", "line 4: not YAML: did not find expected ',' or '}'; check the indentation and the quotes"),
    ("twice", "line 4: key 'tile' is given twice; keep one"),
    ("mode", "'pipeline' is not allowed; did you mean 'pipelined'?"),
    ("mode_case", "'Pipelined' is not allowed; did you mean 'pipelined'?"),
    ("number", "'512' stands where a section is expected; give a mapping of keys to values"),
    ("device", "'pcm_pair' is not a device: give a mapping with 'kind'; allowed kinds: cap_3t1c"),
    ("two", "a second document in one file; give each its own file"),
    ("binary", "not text in UTF-8; give a YAML file"),
    ("chain", "'fc2' has 33 inputs, but layer 'fc1' before it has 32 outputs; make them equal"),
    ("epochs", "training.epochs: '0' is out of range; give a whole number 1 or more"),
    ("act", "'rellu' is not an activation; did you mean 'relu'?"),
    ("no_layers", "layers: is missing; archsim explain layers tells what it is"),
    ("sizes", "layers: '64, 10' stands where a list is expected"),
]

ASKED = [
    (f"run {WORK} {CHIP}", f"{WORK}: is a workload, and a chip is wanted here; give a chip, such as {CHIP}; were"),
    (f"run {CHIP}", f"'{CHIP}' is a chip, and no workload was given; for example: archsim run {CHIP} mlp_digits"),
    (f"run {WORK}", f"no chip was given; for example: archsim run {CHIP} {WORK}"),
    ("run net.yaml", f"for example: archsim run {CHIP} net.yaml"),
    ("run row.yaml", "for example: archsim run row.yaml mlp_digits"),
    (f"run net.yaml {CHIP}", "kind: 'workload' is not 'arch'; give an arch here; were the two exchanged?"),
    (f"run {CHIP} mnist", "did you mean 'mlp_mnist'?"),
    (f"run ambrogio {WORK}", "did you mean 'ambrogio_nature_2018'?"),
    (
        f"run nothing {WORK}",
        f"neither a file nor a built-in chip; see `archsim list arch`, for example {CHIP}",
    ),
    (f"run {CHIP}.yaml {WORK}", f"no such file; '{CHIP}' alone is the built-in one"),
    (f"run short.yaml {WORK}", "short.yaml: no such file; did you mean 'short.yml'?"),
    (f"run a/b.yaml {WORK}", "a/b.yaml: no such file; there is no .yaml file in a"),
    (
        f"run empty.yaml {WORK}",
        "empty.yaml: is empty, or holds comments alone; begin the file with 'kind: arch'; arch",
    ),
    (f"compare {CHIP} {WORK} --gpus empty.yaml", "comments alone; begin the file with 'kind: gpus'\n"),
    (f"compare {CHIP} {WORK} --gpus list.yaml", "keys to values; begin the file with 'kind: gpus'\n"),
    (f"compare {CHIP} {WORK} --measured empty.yaml", "comments alone; give a file that `python -m archsim.baselines."),
    (f"run {CHIP} {WORK} --activity empty.yaml", "comments alone; give the activity.yaml that `archsim train` wrote"),
    (f"run folder {WORK}", "folder: is a folder, not a file"),
    (f"run {CHIP} {WORK} more", f"archsim: for example: archsim run {CHIP} {WORK}"),
    (f"run {CHIP} {WORK} --set tile.row=256", "--set tile.row: unknown key; did you mean 'rows'?"),
    (f"run {CHIP} {WORK} --set rows=256", "--set rows: unknown key; did you mean 'tile.rows'?"),
    (f"run {CHIP} {WORK} --set leakage=1", "give one of tile.device.leakage, tile.array.leakage"),
    (f"run {CHIP} {WORK} --set tile.rows", "is not KEY=VALUE; for example --set tile.rows=256"),
    (f"run {CHIP} {WORK} --set tile.rows=256nm", "'256nm' is not a number; give a whole number"),
    (f"run {CHIP} {WORK} --examples 0", "is 0; allowed: at least 1"),
    (f"run {CHIP} {WORK} --examples many", "'many' is not a number"),
    (f"run {CHIP} {WORK} --output out", "No such option: --output (Possible options: --out)"),
    (f"run {CHIP} {WORK} --trace perfeto", "did you mean 'perfetto'?"),
    (f"run {CHIP} {WORK} --activity none.yaml", "none.yaml: no such file; check the path"),
    (f"run {CHIP} {WORK} --out x.py", "exists and is not a folder; name a folder that is new, empty or a report"),
    (f"run {CHIP} fc_vgg16", "use --set tile.count=490, or larger tile.rows and tile.cols"),
    (f"run shafiee_isca_2016 {WORK}", "or let it infer: --set mode=inference"),
    ("rnu", "No such command 'rnu'. Did you mean 'run'?"),
    ("Run", "Did you mean 'run'?"),
    ("floorplan drw", "Did you mean 'draw'?"),
    (f"train {CHIP} mlp_mnist", "fetch it with `archsim data fetch mnist`"),
    (f"train {CHIP} mine.yaml", "or say with --data FILE or DIR or ARCHSIM_DATA where the file is"),
    (f"train {CHIP} {WORK} --ablate leak", "did you mean 'leakage'?"),
    (f"compare {CHIP} {WORK} --gpu V10", "did you mean 'V100'?"),
    (f"compare {CHIP} {WORK} --batch big", "for example --batch 1,16"),
    (f"sweep {CHIP} {WORK}", f"archsim: for example: archsim sweep {CHIP} {WORK} --vary tile.rows=128,256,512"),
    (f"sweep {CHIP} {WORK} --vary tile.rows", "for example --vary tile.rows=128,256"),
    (f"optimise {CHIP} {WORK} --search tile.rows=64..512", "for example --minimise time"),
    ("network mesh --size 8", "give rows x columns, such as 8x8"),
    (f"floorplan draw {WORK}", "is a workload, and a chip is wanted here"),
    (f"floorplan compare {WORK} {CHIP}", "give at least two, for example: archsim floorplan compare"),
    ("list gpus", "did you mean 'gpu'?"),
    ("data fetch cifar10", "allowed: mnist"),
    ("import x.py", "is not a sound ONNX model"),
    ("report folder", "holds no report of a run; give one that `archsim run` wrote"),
    ("report", "no folder was given; for example: archsim report reports/"),
    ("new device own --kind reram", "allowed: cap_3t1c, pcm_3t1c, pcm_pair, soft_bounds, static_cell"),
    ("explain tile.row", "did you mean 'tile.rows'?"),
]


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHSIM_DATA", raising=False)
    for name, text in FILES.items():
        path = tmp_path / name
        path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text, "utf-8")
    for folder in ("a", "folder"):
        (tmp_path / folder).mkdir()
    return tmp_path


def answer(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command says that is refused, and hold it to what holds for all: it writes and prints nothing."""
    before = sorted(path.name for path in Path().iterdir())
    with pytest.raises(SystemExit) as leave:
        main(words.split())
    told = capsys.readouterr()
    assert leave.value.code == 2
    assert told.out == ""
    assert "Traceback" not in told.err
    assert sorted(path.name for path in Path().iterdir()) == before
    return told.err


@pytest.mark.parametrize(("file", "says"), READ, ids=[file for file, _ in READ])
def test_a_file_that_is_wrong(newcomer: Path, file: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = answer(f"check {file}.yaml", capsys).splitlines()[0]
    assert says in first
    assert f"{file}.yaml" in first


@pytest.mark.parametrize(("words", "says"), ASKED, ids=[words for words, _ in ASKED])
def test_a_command_that_is_wrong(newcomer: Path, words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in answer(words, capsys)


@pytest.mark.parametrize("area", ["2.34 um2", "2.34 \u00b5m2", "2.34 \u03bcm2", "2.34 um^2", "2.34 um\u00b2"])
def test_micro_and_squares_as_people_write_them(newcomer: Path, area: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.yaml").write_text(f"{BEGIN}tile: {{device: {{area: {area}}}}}\n", "utf-8")
    with pytest.raises(SystemExit) as leave:
        main(["diff", "own.yaml", CHIP])
    assert leave.value.code == 0
    assert "tile.device.area" not in capsys.readouterr().out


def test_json_is_yaml_and_a_chip_is_listed_by_either_word(newcomer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("own.json").write_text(f'{{"kind": "arch", "extends": "{CHIP}", "tile": {{"rows": 256}}}}', "utf-8")
    for words in (["check", "own.json"], ["list", "chips"]):
        with pytest.raises(SystemExit) as leave:
            main(words)
        assert leave.value.code == 0
    assert PACKET in capsys.readouterr().out
