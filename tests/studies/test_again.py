"""The folder alone repeats what wrote it: moved elsewhere, with all sources gone, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archsim.baselines.gpus import FOLDER
from archsim.chip import build_chip
from archsim.export.hotspot import chip_flp
from archsim.functional.floating_point import initial_weights
from archsim.spec.loading import load_arch
from archsim.studies.study import all_studies
from archsim.studies.tasks.workers import Workers
from archsim.workload import load_workload
from tests.studies.test_study import call, files

CHIP, WORK = "my specs/chip.yaml", "my specs/~work.yaml"
FLP = ("--set", "tile.rows=128", "--set", "tile.cols=128", "--set", "tile.count=16",
       "--set", "floorplan={kind: explicit, flp: base/plan.flp}")  # fmt: skip
COMMANDS = {
    "run": ["run", CHIP, WORK, "--examples", "5", "--activity", "more/activity.yaml", "--trace", "vcd"],
    "flp": ["run", "ambrogio_nature_2018", "mlp_digits", *FLP, "--examples", "5", "--seed", "4000000000"],
    "many": ["run", "ambrogio_nature_2018", "mlp_digits", "--examples", "3000000000"],
    "crosscheck": ["crosscheck", CHIP, WORK, "--examples", "20"],
    "network": ["network", "mesh", "--size", "2x2", "--load", "0.1234567", "--cycles", "500"],
    "survey": ["survey", CHIP, WORK, "--examples", "20"],
    "sensitivity": ["sensitivity", CHIP, WORK, "--examples", "5"],
    "published": ["published", CHIP],
    "compare": ["compare", CHIP, WORK, "--examples", "20", "--gpus", "more/gpus.yaml", "--gpu", "My GPU", "--measured",
                "more/measured.yaml", "--batch", "1,64"],
    "sweep": ["sweep", CHIP, WORK, "--vary", "technology.clock=1 GHz,500 MHz", *FLP],
    "optimise": ["optimise", CHIP, WORK, "--search", "technology.clock=500 MHz..1 GHz", "--minimise", "time",
                 "--budget", "2", *FLP],
    "train": ["train", CHIP, WORK, "--epochs", "1"],
    "ablate": ["ablate", CHIP, WORK, "--epochs", "1", "--seeds", "2", "--only", "leakage"],
    "floorplan compare": ["floorplan", "compare", WORK, CHIP, "base/chip.yaml", "--examples", "20"],
    "floorplan optimise": ["floorplan", "optimise", CHIP, WORK, "--objective", "area", "--budget", "2"],
    "floorplan draw": ["floorplan", "draw", CHIP, "--workload", WORK, "--examples", "5"],
    "report": ["report", "first", "second/run"],
}  # fmt: skip
"""A command of each kind with all that it may name: bases in other folders, floorplans, weights, activity, GPUs."""
QUICK = ("flp", "crosscheck", "floorplan draw")


def write_yaml(path: Path, tree: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(tree), "utf-8")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, with specs that name each other and files beside them."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    small = ["tile.rows=128", "tile.cols=128", "tile.count=16"]
    plan = build_chip(load_arch("ambrogio_nature_2018", small).value).plan
    write_yaml(here / "base" / "chip.yaml", {
        "kind": "arch", "extends": "ambrogio_nature_2018", "name": "mine",
        "tile": {"rows": "128", "cols": "128", "count": "16"}, "floorplan": {"kind": "explicit", "flp": "plan.flp"},
    })  # fmt: skip
    (here / "base" / "plan.flp").write_text(chip_flp(plan), "utf-8")
    figure = {"metric": "area_m2", "value": "30 mm2", "source": "nobody", "tolerance": "50 %", "kind": "predicted"}
    write_yaml(here / CHIP, {"kind": "arch", "extends": "../base/chip.yaml", "name": "mine", "published": [figure]})
    work = load_workload("mlp_digits").value
    write_yaml(here / "base" / "work.yaml", {"kind": "workload", "extends": "mlp_digits", "weights": "../more/w.npz",
                                             "dataset": {"examples": "100"}})  # fmt: skip
    write_yaml(here / WORK, {"kind": "workload", "extends": "../base/work.yaml"})
    (here / "more").mkdir()
    names = [layer.name for layer in work.layers]
    held: dict[str, Any] = dict(zip(names, initial_weights(work, 3), strict=True))
    np.savez(here / "more" / "w.npz", **held)
    return here


def add_rest(here: Path) -> None:
    """Write measured activity, a GPU, a measured network, and two runs."""
    assert call(["train", CHIP, WORK, "--epochs", "1", "--quiet", "--out", "made"]) == 0
    (here / "made" / "activity.yaml").rename(here / "more" / "activity.yaml")
    gpus = yaml.safe_load((FOLDER / "gpus.yaml").read_text("utf-8"))
    write_yaml(here / "more" / "gpus.yaml", {"kind": "gpus", "gpus": {"My GPU": gpus["gpus"]["H100"]}})
    measured = yaml.safe_load(sorted((FOLDER / "measured").glob("*.yaml"))[0].read_text("utf-8"))
    measured["workloads"][0]["layers"] = [[layer.inputs, layer.outputs] for layer in load_workload(WORK).value.layers]
    write_yaml(here / "more" / "measured.yaml", measured)
    for out, sets in (("first", ()), ("second/run", ("--set", "technology.clock=500 MHz"))):
        assert call(["run", CHIP, WORK, "--examples", "5", *sets, "--quiet", "--out", out]) == 0


def check(command: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = call([*COMMANDS[command], "--quiet", "--out", "out"])
    assert status in (0, 1)
    away = here.parent / "else where"
    away.mkdir()
    (here / "out").rename(away / "moved")
    shutil.rmtree(here)
    monkeypatch.chdir(away)
    before = files(away / "moved")
    (file,) = (name for name in before if name in ("run.yaml", "train.yaml"))
    assert call(["run", f"moved/{file}", "--quiet", "--out", "again"]) == status
    assert files(away / "again") == before
    assert call(["run", "moved" if file == "run.yaml" else f"moved/{file}", "--quiet", "--out", "moved"]) == status
    assert files(away / "moved") == before


def test_all_studies_are_tried_here() -> None:
    assert {"report", *COMMANDS} >= {study.inputs.words for study in all_studies().values()}


@pytest.mark.parametrize("command", [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COMMANDS])  # fmt: skip
def test_the_folder_alone_repeats_it(command: str, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if any("more/" in word or word == "first" for word in COMMANDS[command]):
        add_rest(sources)
    check(command, sources, monkeypatch)


def test_other_processes_find_what_was_taken_into_the_folder(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "pays", lambda *_: True)
    monkeypatch.setitem(COMMANDS, "sweep", [*COMMANDS["sweep"], "--train", "--epochs", "1"])
    check("sweep", sources, monkeypatch)


@pytest.mark.parametrize(("change", "told"), [
    ({"command": "archsim survey a --out /x"}, "has one of --out, --resume"),
    ({"command": "archsim survey a --out=/x"}, "has one of --out, --resume"),
    ({"command": "rm -r survey"}, "is not one of `archsim survey`"),
    ({"command": "archsim data fetch"}, "is not one of `archsim survey`"),
    ({"command": "archsim survey 'a"}, "is no command line"),
    ({"command": ""}, "is no command line"),
    ({"study": "data fetch", "command": "archsim data fetch mnist"}, "'data fetch' is not a study"),
    ({"files": {"a": "../../etc/passwd"}}, "is not in the folder"),
    ({"files": {"a": "/etc/passwd"}}, "is not in the folder"),
    ({"files": {"a": "inputs/gone.yaml"}}, "cannot be read: No such file or directory"),
    ({"more": "x"}, "unknown key"),
])  # fmt: skip
def test_a_run_yaml_of_others_leads_nowhere(
    change: dict[str, object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"kind": "run", "version": "0", "study": "survey", "command": "archsim survey a", "files": {}, **change}
    write_yaml(tmp_path / "run.yaml", said)
    assert call(["run", str(tmp_path / "run.yaml")]) == 2
    assert told in capsys.readouterr().err


def test_a_line_with_odd_arguments_is_read_as_it_was_given() -> None:
    from archsim.studies.noc.study import Inputs as Network
    from archsim.studies.sensitivity import Inputs as Sensitivity

    assert Sensitivity("-x.yaml", "w.yaml", examples=2).line == "archsim sensitivity --examples 2 -- -x.yaml w.yaml"
    assert "--load 0.1234567" in Network("mesh", load=(0.1234567,)).line
