"""Reports made again from their folders: the same bytes without simulating, and clear words where that cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.report.document import Document, Fold
from archsim.report.table import Table
from archsim.results.evaluate import Result, evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run.details import page_of
from archsim.studies.run.document import document
from archsim.studies.run.page import Details, Run
from archsim.studies.run.saved import load_page, page_from
from archsim.studies.run.study import render_again, write_report
from archsim.studies.study import all_studies
from archsim.workload import load_workload
from tests.helpers import REFERENCE, with_intervals
from tests.studies.test_train_document import HISTORY


@pytest.fixture(scope="module")
def result() -> Result:
    with with_intervals():
        return evaluate(load_arch(REFERENCE), load_workload("mlp_digits"), examples=60, command="archsim x")


@pytest.fixture(scope="module")
def report(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report, with a trace."""
    out = tmp_path_factory.mktemp("saved") / "report"
    return write_report(result, out, files={"run.yaml": "kind: run\n"}, trace="vcd")


@pytest.fixture
def folder(report: Path, tmp_path: Path) -> Path:
    """The data of a report, of one's own to spoil."""
    own = tmp_path / "report"
    own.mkdir()
    for name in ("metrics.json", "details.json"):
        shutil.copy(report / name, own)
    return own


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def edited(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> Path:
    data = json.loads((folder / name).read_text("utf-8"))
    change(data)
    (folder / name).write_text(json.dumps(data), "utf-8")
    return folder


def test_what_is_saved_is_what_was_shown(result: Result, report: Path) -> None:
    # JSON keeps every number: floats are written so that they are read as the same ones.
    assert load_page(report) == page_of(result)


def test_a_report_is_made_again_byte_for_byte(
    report: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(report)
    for name in ("report.html", "figures/energy.svg", "tables/headline.csv"):
        (report / name).unlink()
    (report / "tables" / "history.csv").write_text("of a training\n", "utf-8")
    (report / "notes.txt").write_text("mine\n", "utf-8")
    monkeypatch.setattr("archsim.results.evaluate.simulate", lambda *_: pytest.fail("simulated"))
    with pytest.raises(SystemExit) as left:
        main(["report", str(report)])
    assert not left.value.code
    assert f"report  {report / 'report.html'}" in capsys.readouterr().out
    added = {"tables/history.csv": b"of a training\n", "notes.txt": b"mine\n"}
    assert contents(report) == {**before, **added}


def test_a_training_in_the_same_folder_is_shown(folder: Path) -> None:
    history = {
        **HISTORY, "accuracy_float": [[0.625]], "loss_chip": [[1.0]], "loss_float": [[1.0]],
        "final": {"accuracy_chip_mean": 0.5, "accuracy_float_mean": 0.625, "difference": -0.125},
    }  # fmt: skip
    (folder / "history.json").write_text(json.dumps(history), "utf-8")
    shown, _ = render_again(folder)
    assert shown.tables()["accuracy"].rows == (("0", 1, 0.5, 0.625, 1.0, 1.0),)
    assert "62.50\N{NO-BREAK SPACE}% in floating point" in (folder / "report.html").read_text("utf-8")
    assert (folder / "tables" / "accuracy.csv").read_text("utf-8").splitlines()[1] == "0,1,0.5,0.625,1.0,1.0"
    final = {"accuracy_chip_mean": None, "accuracy_float_mean": None, "r2_chip_mean": -0.25, "r2_float_mean": 0.5}
    valued = {
        **history, "accuracy_chip": [[None]], "accuracy_float": [[None]], "r2_chip": [[-0.25]], "r2_float": [[0.5]],
        "final": {**final, "difference": -0.75},
    }  # fmt: skip
    (folder / "history.json").write_text(json.dumps(valued), "utf-8")
    shown, _ = render_again(folder)
    assert shown.tables()["accuracy"].rows == (("0", 1, -0.25, 0.5, 1.0, 1.0),)
    html, markdown = ((folder / f"report.{kind}").read_text("utf-8") for kind in ("html", "md"))
    for text in (html, markdown):
        assert "R2 of -0.2500 on the chip and 0.5000 in floating point on the test set" in text
        assert "R2 on the chip" in text
    assert (folder / "tables" / "accuracy.csv").read_text("utf-8").splitlines()[1] == "0,1,-0.25,0.5,1.0,1.0"
    (folder / "history.json").write_text("{", "utf-8")  # a training that was cut off is no fault of the run's
    assert load_page(folder).history is None


@pytest.mark.parametrize(
    ("chip", "network", "sets"),
    [
        ("ambrogio_nature_2018", "mlp_digits", ["mode=inference", "program=true"]),
        ("ambrogio_nature_2018", "lstm_imdb", ["steps=3"]),
        ("shafiee_isca_2016", "mlp_digits", ["mode=inference"]),
    ],
)
def test_runs_of_every_kind_are_shown_again(tmp_path: Path, chip: str, network: str, sets: list[str]) -> None:
    result = evaluate(load_arch(chip), load_workload(network, sets), examples=3, command="archsim x")
    assert load_page(write_report(result, tmp_path / "report")) == page_of(result)


def test_a_comparison_that_is_no_mapping_is_told(folder: Path) -> None:
    edited(folder, "details.json", lambda data: data["gpus"].update(paper=3))
    with pytest.raises(SpecError, match=r"gpus\.paper: is a number and not a mapping"):
        load_page(folder)


@pytest.mark.parametrize("name", ["metrics.json", "details.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_report_that_was_cut_off_is_told(folder: Path, name: str, share: float) -> None:
    text = (folder / name).read_text("utf-8")
    (folder / name).write_text(text[: int(share * len(text))].rstrip("}\n"), "utf-8")
    with pytest.raises(SpecError, match=rf"{name}: is no JSON: it was cut off.*archsim run .*run\.yaml"):
        load_page(folder)


@pytest.mark.parametrize("name", ["metrics.json", "details.json"])
def test_a_report_of_a_newer_archsim_is_told(folder: Path, name: str) -> None:
    stem = f"archsim-{name.removesuffix('.json')}"
    edited(folder, name, lambda data: data.update(schema=f"{stem}-2"))
    with pytest.raises(SpecError, match=rf"'{stem}-2' is newer than this archsim reads, '{stem}-1'; update archsim"):
        load_page(folder)
    edited(folder, name, lambda data: data.pop("schema"))
    with pytest.raises(SpecError, match="schema: is missing"):
        load_page(folder)


def test_folders_that_hold_no_report_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="none: is not a folder"):
        load_page(tmp_path / "none")
    with pytest.raises(SpecError, match=r"metrics\.json: is not there, so the folder holds no report"):
        load_page(tmp_path)
    (folder / "details.json").unlink()
    with pytest.raises(SpecError, match=r"details\.json: is not there: an older archsim wrote this report"):
        load_page(folder)
    (folder / "details.json").write_text("[1]", "utf-8")
    with pytest.raises(SpecError, match="is a list and not a mapping"):
        load_page(folder)


@pytest.mark.parametrize("name", sorted(all_studies()))
def test_reports_of_other_commands_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}", "utf-8")
    with pytest.raises(SpecError, match=f"holds a report of `archsim {all_studies()[name].inputs.words}`"):
        load_page(tmp_path)


def test_all_that_is_missing_or_of_another_kind_is_told_at_once(folder: Path) -> None:
    def spoil(data: dict[str, Any]) -> None:
        del data["run"]
        del data["metrics"]["power_w"]
        data["layers"][1]["name"] = 3
        data["metrics"]["tiles"] = True
        data["stalls_cycles"] = []

    edited(folder, "metrics.json", spoil)
    edited(folder, "details.json", lambda data: data["step"]["path"][0].pop("what"))
    with pytest.raises(SpecError) as wrong:
        load_page(folder)
    told = [(problem.where.rsplit(": ", 1)[-1], problem.what) for problem in wrong.value.problems]
    assert told == [
        ("run", "is missing"),
        ("metrics.power_w", "is missing"),
        ("metrics.tiles", "is yes or no and not a number"),
        ("stalls_cycles", "is a list and not a mapping"),
        ("layers[1].name", "is a number and not text"),
        ("step.path[0].what", "is missing"),
    ]
    edited(folder, "details.json", lambda data: data.update(dict.fromkeys(list(data)[1:], 0)))
    with pytest.raises(SpecError, match="and 7 more"):
        load_page(folder)


def test_every_key_that_a_report_needs_is_asked_for(result: Result) -> None:
    # A page of the keys that its models name and no others is rendered: what is shown is what is checked.
    page = page_of(result)
    least = page_from(Run.model_validate(page.data.plain()), Details.model_validate(page.details.plain()))
    shown, needed = (blocks_of(document(own)) for own in (page, least))
    assert shown == needed
    assert len(shown) > 50
    # And whatever of them is missing is told.
    for kind, own in ((Run, page.data), (Details, page.details)):
        plain = own.plain()
        for key in plain.keys() - {
            "notes",
            "programming",
            "crosscheck",
            "schema",
            "intervals",
            "uncertainty",
            "digital_layers",
            "draws",
        }:
            with pytest.raises(ValidationError, match=key):
                kind.model_validate({name: value for name, value in plain.items() if name != key})


def blocks_of(made: Document) -> list[Any]:
    """Return all that a document shows, apart from the list of whatever metrics there are."""
    blocks = (block for block in made.blocks() if not isinstance(block, Fold))  # what is in folds follows them
    return [block for block in blocks if not (isinstance(block, Table) and block.name == "metrics")]
