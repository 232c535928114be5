"""The commands as functions: they take what the commands take, and their reports are the commands' to the byte."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archsim as sim
from archsim.api.inputs import several
from archsim.api.shown import Shown
from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.functional.checkpoint import NAME
from archsim.studies.input_kinds import LEAST
from archsim.studies.study import all_studies
from archsim.studies.tasks.bench import OWN_STORE
from tests.helpers import REFERENCE
from tests.studies.test_study import COMMANDS, FEW, FEW_SETS

SMALL: dict[str, object] = {"tile.rows": 128, "tile.cols": 128}
SETS = ["--set", "tile.rows=128", "--set", "tile.cols=128"]
WORK = "mlp_digits"
CALLS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "gpus.json": (
        lambda: sim.compare(REFERENCE, WORK, examples=20, gpu="H100", batch=[1, 64]),
        ["compare", REFERENCE, WORK, "--examples", "20", "--gpu", "H100", "--batch", "1,64"],
    ),
    "sweep.json": (
        lambda: sim.sweep(sim.load_arch(REFERENCE, {"tile.cols": 128}), WORK, {"tile.rows": [128, 256]}, epochs=1),
        ["sweep", REFERENCE, WORK, "--set", "tile.cols=128", "--vary", "tile.rows=128,256", "--epochs", "1"],
    ),
    "network.json": (
        lambda: sim.network("mesh", size="2x2", load=0.1, cycles=500),
        ["network", "mesh", "--size", "2x2", "--load", "0.1", "--cycles", "500"],
    ),
    "survey.json": (
        lambda: sim.survey(REFERENCE, WORK, examples=20), ["survey", REFERENCE, WORK, "--examples", "20"]
    ),
    "published.json": (lambda: sim.published("chang_ibmjrd_2019"), ["published", "chang_ibmjrd_2019"]),
    "history.json": (
        lambda: sim.train(REFERENCE, WORK, sets=SMALL, epochs=1), ["train", REFERENCE, WORK, *SETS, "--epochs", "1"]
    ),
    "sensitivity.json": (
        lambda: sim.sensitivity(FEW, WORK, sets=FEW_SETS, examples=2),
        COMMANDS["sensitivity.json"],
    ),
    "floorplan.json": (
        lambda: sim.floorplan.draw(sim.load_arch(REFERENCE, SMALL)), ["floorplan", "draw", REFERENCE, *SETS]
    ),
    "metrics.json": (
        lambda: sim.run(sim.load_arch(REFERENCE, SMALL), sim.load_workload(WORK), examples=5),
        ["run", REFERENCE, WORK, *SETS, "--examples", "5"],
    ),
    "crosscheck": (
        lambda: sim.crosscheck(REFERENCE, WORK, sets=SMALL, examples=50),
        ["crosscheck", REFERENCE, WORK, *SETS, "--examples", "50"],
    ),
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ablate": sim.ablate, "compare": sim.compare, "floorplan compare": sim.floorplan.compare,
    "floorplan draw": sim.floorplan.draw, "floorplan optimise": sim.floorplan.optimise, "network": sim.network,
    "optimise": sim.optimise, "published": sim.published, "sensitivity": sim.sensitivity, "survey": sim.survey,
    "sweep": sim.sweep, "train": sim.train,
}  # fmt: skip


def files_in(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_every_study_is_a_function() -> None:
    words = {study.inputs.words for study in all_studies().values()}
    assert set(FUNCTIONS) == words - {"report"}  # which puts folders side by side and studies nothing


@pytest.mark.parametrize("words", FUNCTIONS)
def test_a_function_takes_what_its_command_is_asked(words: str) -> None:
    study = next(each for each in all_studies().values() if each.inputs.words == words)
    asked = {field.name: field.default for field in dataclasses.fields(study.inputs)}
    taken = dict(inspect.signature(FUNCTIONS[words]).parameters)
    assert {"out", "progress"} <= set(taken)
    if "router" in taken:
        assert taken["router"].kind is inspect.Parameter.VAR_KEYWORD
        assert set(taken) - {"out", "progress", "router"} < set(asked)
        return
    assert set(taken) - {"out", "progress"} == set(asked)
    for name, own in taken.items():
        if name in asked and isinstance(asked[name], bool | int | float):
            assert own.default == asked[name], name


@pytest.mark.parametrize("name", CALLS)
def test_a_report_is_the_commands_to_the_byte(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call, words = CALLS[name]
    found: Shown = call()
    assert list(tmp_path.iterdir()) == []  # nothing is written unless asked
    page = found.report("mine")
    with pytest.raises(SystemExit) as left:
        main([*words, "--out", "theirs", "--quiet"])
    assert left.value.code == (0 if found.passed else 1)
    mine, theirs = files_in(tmp_path / "mine"), files_in(tmp_path / "theirs")
    assert page.is_file()
    assert {each for each in mine if mine[each] != theirs.get(each)} == set()
    assert set(theirs) - set(mine) <= {OWN_STORE, NAME}  # what --resume would go on from, a command's alone
    check_looks(found)


def check_looks(found: Shown) -> None:
    """Check what a script or a notebook sees of a result."""
    said = repr(found).splitlines()
    assert said[0] == found.document.title
    assert 1 <= len(said) - 1 <= 13
    frame = found.to_frame()
    assert len(frame) == len(found.rows) > 0
    for name in found.tables[:2]:
        assert len(found.to_frame(name)) == len(found.document.tables()[name].rows)
    shown = found._repr_html_()
    assert shown.count("<svg") == shown.count("</svg>") == min(1, len(found.figures)) or "<figcaption>" in shown
    if found.figures:
        assert found.figure(found.figures[0]).axes
    for look in (found.figure, found.to_frame):
        with pytest.raises(SpecError, match="is not a"):
            look("no such thing")


@pytest.mark.usefixtures("intervals")
def test_metrics_of_a_run_are_attributes() -> None:
    found = sim.run(REFERENCE, WORK, examples=5)
    names = [name for name, own in vars(type(found)).items() if type(own).__name__ == "Metric"]
    assert len(names) >= 8
    for name in names:
        assert getattr(found, name) == found.metrics[name]
    low, high = found.intervals["energy_per_example_j"]
    assert low < found.energy_per_example_j < high


def test_a_report_can_be_written_twice(tmp_path: Path) -> None:
    found = sim.floorplan.draw(REFERENCE, out=tmp_path / "one")
    found.report(tmp_path / "two")
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")


def test_progress_is_told() -> None:
    told: list[tuple[float, int | None]] = []
    sim.run(
        REFERENCE,
        WORK,
        sets=SMALL,
        examples=5,
        full=True,
        progress=lambda done, of=None, words="": told.append((done, of)),
    )
    assert told
    assert told[-1][1] == 5


def test_one_of_several_chips_has_no_settings_of_its_own(tmp_path: Path) -> None:
    chip = sim.load_arch(REFERENCE, SMALL)
    with pytest.raises(SpecError, match="write it to a file of its own"):
        sim.floorplan.compare(WORK, [REFERENCE, chip])
    file = chip.save(tmp_path / "small.yaml")
    assert several([REFERENCE, file]) == (REFERENCE, str(file))
    again = sim.load_arch(file)
    assert again.value.tile == chip.value.tile
    assert again.value.name == "small"
    assert {path: own.source for path, own in again.figures.items() if "rows" not in path and "cols" not in path} == {
        path: own.source for path, own in chip.figures.items() if "rows" not in path and "cols" not in path
    }
    with pytest.raises(SpecError, match="is there already"):
        chip.save(file)
    with pytest.raises(SpecError, match=r"NAME\.yaml"):
        chip.save(tmp_path / "small")


def test_a_spec_is_shown_in_a_line() -> None:
    chip = sim.load_arch(REFERENCE, {"tile.rows": 256})
    assert repr(chip) == f"<arch {REFERENCE} tile.rows=256, {chip.hash}>"
    assert chip.with_overrides({"tile.cols": 128}).overrides == ("tile.rows=256", "tile.cols=128")


def test_axes_without_values_are_told() -> None:
    with pytest.raises(SpecError, match="has no values"):
        sim.sweep(REFERENCE, WORK, {"tile.rows": []})


untyped: Any = sim
"""Without its types, which what is of another kind would not have."""


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: untyped.run(epochs="3"), "--epochs: '3' is not a whole number; give a whole number, or None"),
        (lambda: untyped.run(examples=2.5), "--examples: 2.5 is not a whole number"),
        (lambda: untyped.run(full="yes"), "--full: 'yes' is not True or False"),
        (lambda: untyped.run(seed="a"), "--seed: 'a' is not a whole number; give a whole number$"),
        (lambda: untyped.run(out=3), "3 is not a path"),
        (lambda: untyped.run(3), "3 is neither a name, nor a path, nor a loaded spec"),
        (lambda: untyped.run({"kind": "arch"}), "is neither a name, nor a path, nor a loaded spec"),
        (lambda: untyped.run(sets=3), r"3 is neither figures by key nor texts; for example \{'tile.rows': 256\}"),
        (lambda: untyped.crosscheck(REFERENCE, WORK, tolerance="2"), "--tolerance: '2' is not a number"),
        (
            lambda: untyped.train(REFERENCE, WORK, seeds="2", epochs=True),
            "--epochs: True is not .*\n--seeds: '2' is not",
        ),
        (lambda: untyped.train(REFERENCE, WORK, ablate=3), "3 is neither a text nor several"),
        (lambda: untyped.network("mesh", load="0.1"), "'0.1' is neither a number nor several"),
        (lambda: untyped.network("mesh", vcs="4"), "--vcs: '4' is not a whole number"),
        (lambda: untyped.compare(REFERENCE, WORK, gpus=[3]), "3 is not a path"),
        (lambda: untyped.survey(REFERENCE, 3), "3 is neither a name"),
    ],
)
def test_what_is_of_another_kind_is_told(ask: Callable[[], Any], said: str) -> None:
    with pytest.raises(TypeError, match=said) as error:
        ask()
    assert isinstance(error.value, SpecError)


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_what_is_too_little_is_told(name: str, least: int) -> None:
    askers = [study.inputs for study in all_studies().values()
              if name in {field.name for field in dataclasses.fields(study.inputs)}]  # fmt: skip
    assert askers
    for inputs in askers:
        needed = [own.name for own in dataclasses.fields(inputs) if own.default is dataclasses.MISSING]
        with pytest.raises(SpecError, match=f"^--{name}: {least - 1} is too small; give {least} or more$"):
            inputs(**dict.fromkeys(needed, "x"), **{name: least - 1})
        assert inputs(**dict.fromkeys(needed, "x"), **{name: least})


def test_any_metric_is_an_attribute_and_the_nearest_is_named() -> None:
    found = sim.run(REFERENCE, WORK, sets=SMALL, examples=5)
    assert {name: getattr(found, name) for name in found.metrics} == found.metrics
    with pytest.raises(AttributeError, match="a run has no 'time_per_exampl_s'; did you mean 'time_per_example_s'"):
        _ = found.time_per_exampl_s  # type: ignore[attr-defined]
    assert copy.copy(found).metrics == found.metrics
