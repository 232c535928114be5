"""Every study is registered once, by the file that marks its folder, and shown again from what that holds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.report.folder import check_folder, is_report
from archsim.studies.study import Pair, Study, all_studies, show_again, study_in
from archsim.studies.tasks.bench import OWN_STORE
from archsim.studies.tasks.store import Store
from archsim.studies.train.history import History
from tests.helpers import whole_command
from tests.studies.test_train_document import HISTORY

CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
FEW = "ankit_asplos_2019"
FEW_SETS = ("mode=inference", "tile.count=4")
"""A chip with few assumptions, and of it few tiles."""
SMALL = ["--set", "tile.rows=128", "--set", "tile.cols=128"]
COMMANDS = {
    "network.json": ["network", "mesh", "--size", "2x2", "--load", "0.1", "--cycles", "500"],
    "survey.json": ["survey", CHIP, WORK, "--examples", "20"],
    "sensitivity.json": ["sensitivity", FEW, WORK, "--set", FEW_SETS[0], "--set", FEW_SETS[1], "--examples", "2"],
    "published.json": ["published", "chang_ibmjrd_2019"],
    "gpus.json": ["compare", CHIP, WORK, "--examples", "20", "--gpu", "H100", "--batch", "1,64"],
    "sweep.json": ["sweep", CHIP, WORK, "--vary", "tile.rows=128,256", "--epochs", "1"],
    "search.json": [
        "optimise",
        CHIP,
        WORK,
        "--search",
        "tile.rows=128..512",
        "--search",
        "tile.cols=256,512",
        "--minimise",
        "time",
        "--minimise",
        "area",
        "--subject-to",
        "energy <= 60 nJ",
        "--budget",
        "3",
    ],
    "history.json": ["train", CHIP, WORK, *SMALL, "--epochs", "1"],
    "ablations.json": [
        "ablate",
        CHIP,
        WORK,
        *SMALL,
        "--set",
        "dataset.examples=100",
        "--only",
        "leakage",
        "--epochs",
        "1",
    ],
    "compare.json": ["floorplan", "compare", WORK, CHIP, f"{CHIP}_packet", "--examples", "20"],
    "optimise.json": ["floorplan", "optimise", CHIP, WORK, "--objective", "time", "--budget", "2", "--examples", "10"],
    "floorplan.json": ["floorplan", "draw", CHIP, "--workload", WORK, "--examples", "10"],
}
"""A small run of each study whose report is made of its data alone."""


def call(words: list[str]) -> int:
    with pytest.raises(SystemExit) as leave:
        main(words)
    return int(leave.value.code or 0)


def files(folder: Path) -> dict[str, bytes]:
    """Return all that a folder holds, but a store: that lists points as they came."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != OWN_STORE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_every_study_is_tried_here() -> None:
    alone = {name for name, study in all_studies().items() if study.document is not None}
    assert alone == {*COMMANDS, "runs.json"}  # that one is of the folders of others: see test_runs
    assert all(name in study.owned for name, study in all_studies().items())


def command_of(words: str) -> Any:
    found = whole_command()
    for word in words.split():
        found = found.commands[word]
    return found


ANSWERED = {"out", "as_json", "quiet"}
UNSIMULATED = {"network.json"}
"""Studies that simulate no chip: they have no engine to choose."""


@pytest.mark.parametrize("name", sorted(set(all_studies()) - {"runs.json"}))  # `report` is also for one folder
def test_a_command_asks_for_what_its_study_is_asked(name: str) -> None:
    inputs = all_studies()[name].inputs
    command = command_of(inputs.words)
    asked = {own.name: own for own in command.params}
    fields = {own.name: own for own in dataclasses.fields(inputs)}
    assert set(asked) - {"engine"} == {*fields, *ANSWERED}
    assert ("engine" in asked) == (name not in UNSIMULATED)
    for key, field in fields.items():
        option = asked[key]
        if field.metadata.get("flag", " ") and field.default is not dataclasses.MISSING:
            assert field.metadata.get("flag", f"--{key.replace('_', '-')}") in option.opts  # as its line is written
            assert option.default in (None, field.default) or list(option.default) == list(field.default)
        else:
            assert option.param_type_name == "argument"


def test_a_line_repeats_what_was_asked() -> None:
    @dataclasses.dataclass(frozen=True)
    class Asked(Pair):
        words = "a study"
        rate: tuple[float, ...] = ()
        full: bool = False
        hold: str | None = None

    line = Asked("chip", "work load", rate=(0.1, 2.0), full=True, hold="7 ms", sets=("a=b",)).line
    assert sorted(line.split(" --")) == sorted(
        ["archsim a study chip 'work load'", "set a=b", "rate 0.1", "rate 2", "full", "hold '7 ms'"]
    )
    assert Asked("chip", "w").line == "archsim a study chip w"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_report_is_made_again_byte_for_byte(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert call([*COMMANDS[name], "--out", str(out)]) == 0
    told, before = capsys.readouterr().out, files(out)
    study = all_studies()[name]
    assert study_in(out) == study
    assert is_report(out)
    check_folder(out)
    (out / "of others.txt").write_text("kept")
    page = next(own for own in before if own.endswith(".html"))
    assert f"report  {out / page}" in told
    (out / page).write_text("gone")
    assert call(["report", str(out)]) == 0
    assert f"report  {out / page}" in capsys.readouterr().out
    assert files(out) == {**before, "of others.txt": b"kept"}
    assert {own.split("/")[0] for own in before} <= {
        *study.owned,
        OWN_STORE,
        *(own for own in before if own.endswith(".yaml")),
    }


def test_a_saved_point_with_a_key_that_is_not_varied_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*COMMANDS["sweep.json"], "--out", str(tmp_path / "out")]) == 0
    saved = tmp_path / "out" / "sweep.json"
    data = json.loads(saved.read_text("utf-8"))
    data["points"][1]["settings"]["tile.cols"] = "256"  # its row is longer than the table's head
    saved.write_text(json.dumps(data), "utf-8")
    assert call(["report", str(tmp_path / "out")]) == 2
    assert f"{saved}: is not what this archsim writes" in capsys.readouterr().err


def test_what_keeps_something_takes_resume_which_is_no_part_of_the_line_that_repeats_it() -> None:
    keeping = {study for study in all_studies().values() if isinstance(study, Study) and study.keeps}
    assert keeping
    for study in keeping:
        inputs = study.inputs(CHIP, WORK, resume=True, data=Path("here"), seed=3)
        assert inputs.line == f"archsim {study.inputs.words} {CHIP} {WORK} --seed 3"


def is_empty(path: Path) -> bool:
    with Store(path) as store:
        return store.is_empty()


@pytest.mark.parametrize(
    ("name", "step"), [("history.json", "epoch"), ("sweep.json", "point"), ("search.json", "point")]
)
def test_a_first_interruption_waits_for_a_step_and_says_how_to_go_on(
    name: str, step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, out = all_studies()[name], tmp_path / "out"
    assert study.keeps == step

    @contextmanager
    def pressed(late: bool) -> Iterator[Callable[[], bool]]:
        assert late
        yield lambda: (out / name).exists() or ((out / OWN_STORE).exists() and not is_empty(out / OWN_STORE))

    monkeypatch.setattr("archsim.studies.tasks.store.COMMIT_S", 0.0)
    monkeypatch.setattr("archsim.cli.options.late_interrupts", pressed)
    assert call([*COMMANDS[name], "--out", str(out)]) == 130
    told = f"archsim: 1 {step} done and kept; the same command with --resume goes on"
    assert told in capsys.readouterr().err
    assert "**Interrupted**" in (out / f"{study.stem}.md").read_text("utf-8")
    monkeypatch.undo()
    assert call([*COMMANDS[name], "--out", str(out), "--resume"]) == 0
    assert "**Interrupted**" not in (out / f"{study.stem}.md").read_text("utf-8")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"schema": "archsim-survey-1"}', "[" * 100_000])
def test_what_is_not_what_archsim_writes_is_told(text: str, tmp_path: Path) -> None:
    for name, study in all_studies().items():
        if study.document is not None and not (name == "published.json" and text == "[]"):
            (tmp_path / name).write_text(text)
            with pytest.raises(SpecError, match=r"is no JSON|is missing|not a (mapping|list)|too deep|no such file"):
                show_again(study, tmp_path)
            assert files(tmp_path) == {name: text.encode()}
            (tmp_path / name).unlink()


def test_a_training_and_a_run_share_a_folder_and_keep_each_others_files(tmp_path: Path) -> None:
    out, data = tmp_path / "out", History.model_validate(HISTORY)
    training = all_studies()["history.json"]
    training.write(data, out)
    alone = files(out)
    assert call(["run", CHIP, WORK, "--examples", "5", "--out", str(out)]) == 0
    both = files(out)
    assert both.items() > alone.items()
    training.write(data, out)
    assert files(out) == both
    assert call(["report", str(out)]) == 0
    assert files(out) == both
    (out / "metrics.json").unlink()  # now it is of the training alone
    assert call(["report", str(out)]) == 0
    assert files(out).items() > alone.items()


def test_a_training_of_an_earlier_archsim_shows_what_there_is_and_says_what_is_not(tmp_path: Path) -> None:
    study = all_studies()["history.json"]
    (tmp_path / "history.json").write_text(json.dumps(HISTORY))
    shown, _ = show_again(study, tmp_path)
    assert list(shown.figures()) == ["accuracy", "loss"]
    assert "which an earlier archsim wrote: train again for it" in (tmp_path / "train.md").read_text("utf-8")
    (tmp_path / "history.json").write_text(json.dumps({"schema": "archsim-history-1"}))
    with pytest.raises(SpecError, match="archsim train"):
        show_again(study, tmp_path)
    assert is_report(tmp_path)


def test_a_folder_of_others_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"schema": "mine"}')
    (tmp_path / "large.json").write_bytes(b" " * 10_000 + b'"schema": "archsim-')
    assert not is_report(tmp_path)
    with pytest.raises(SpecError, match="holds other things"):
        check_folder(tmp_path)
