"""A law over all studies that have tasks: nothing of who computes them, or of what was kept, is seen in a byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from archsim.cli import main
from archsim.studies.study import all_studies
from archsim.studies.tasks import bench
from archsim.studies.tasks.bench import OWN_STORE, Spread
from archsim.studies.tasks.workers import Workers
from archsim.workload import load_workload
from tests.helpers import with_intervals
from tests.studies.test_study import CHIP, SMALL, WORK, files

SPEECH, SPOKEN = "ambrogio_nature_2023", "rnnt_librispeech"
CASES = {
    "survey.json": ["survey", CHIP, WORK, "mlp_mnist", "rnnt_librispeech", "--examples", "20", "--hold", "1 ms"],
    "sensitivity.json": ["sensitivity", CHIP, WORK, *SMALL, "--examples", "5"],
    "published.json": ["published", "khaddam_jssc_2022", SPEECH],
    "network.json": ["network", "mesh", "--size", "3x3", "--traffic", "uniform", "--traffic", "transpose", "--cycles",
                     "1000"],
    "compare.json": ["floorplan", "compare", WORK, CHIP, f"{CHIP}_packet", f"{CHIP}_bus", "--examples", "20"],
    "optimise.json": ["floorplan", "optimise", CHIP, "mlp_mnist", "--objective", "time", "--examples", "20",
                      "--budget", "60"],
    "history.json": ["train", CHIP, WORK, *SMALL, "--epochs", "2", "--seeds", "3"],
    "ablations.json": ["ablate", CHIP, WORK, *SMALL, "--epochs", "1", "--seeds", "2", "--only", "leakage"],
    "search.json": ["optimise", CHIP, WORK, "--search", "tile.rows=32..512", "--search", "tile.cols=128,256",
                    "--minimise", "time", "--minimise", "area", "--budget", "20"],
    "sweep.json": ["sweep", CHIP, WORK, *SMALL, "--vary", "tile.neuron.lanes=1,4,100000", "--train", "--epochs", "1"],
}  # fmt: skip
"""A small run of each study with tasks; where points can be refused, some are."""
QUICK = "compare.json"


def test_every_study_with_tasks_is_tried_here() -> None:
    assert {name for name, study in all_studies().items() if issubclass(study.inputs, Spread)} == set(CASES)


@contextmanager
def counting() -> Iterator[list[bool]]:
    """Yield a list to which for each task that is computed, and not taken from a store, is added whether it failed."""
    failed: list[bool] = []
    real = Workers.outcomes

    def outcomes(self: Workers, tasks: Any, told: Any) -> Any:
        for done in real(self, tasks, told):
            failed.append(isinstance(done.outcome, Exception))
            yield done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "outcomes", outcomes)
        yield failed


def status_of(words: list[str]) -> int:
    with pytest.raises(SystemExit) as leave:
        main(words)
    return int(leave.value.code or 0)


def made(name: str, out: Path, *options: object) -> tuple[dict[str, bytes], list[bool]]:
    """Return the files that a study leaves, and of each task that was computed for it whether it failed."""
    with counting() as failed:
        assert status_of([*CASES[name], "--quiet", "--out", str(out), *map(str, options)]) in (0, 1)
    return files(out), failed


def count(store: Path) -> int:
    with closing(sqlite3.connect(store)) as database:
        return int(database.execute("SELECT count(*) FROM points").fetchone()[0])


def check(name: str, folder: Path, jobs: tuple[int, ...]) -> None:
    store = folder / "store.sqlite"
    first, computed = made(name, folder / "1", "--jobs", 1, "--store", store)
    assert 0 < count(store) <= len(computed) - sum(computed)  # some have the same specs
    for each in jobs:
        assert made(name, folder / str(each), "--jobs", each)[0] == first
        assert made(name, folder / "again", "--jobs", each, "--store", store) == (first, [True] * sum(computed))


def test_any_number_of_workers_gives_the_same_bytes_and_asked_again_nothing_is_computed(tmp_path: Path) -> None:
    with with_intervals(as_users_have=True):  # as workers have them
        check(QUICK, tmp_path, (2,))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_so_it_is_of_every_study(name: str, tmp_path: Path) -> None:
    with with_intervals(as_users_have=True):
        check(name, tmp_path, (1, 2, 3))


def interrupted(name: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Interrupt a study when some of its tasks are done; return how many it computed."""
    study = all_studies()[name]
    with counting() as computed, monkeypatch.context() as patch:
        told = study.perform

        def perform(inputs: Any, folder: Path, progress: Any) -> Any:
            def stop(*words: Any) -> None:
                progress(*words)
                if computed:
                    raise KeyboardInterrupt

            return told(inputs, folder, stop)

        patch.setattr(type(study), "perform", lambda self, *rest: perform(*rest))
        assert status_of([*CASES[name], "--quiet", "--jobs", "1", "--out", str(out)]) == 130
    return len(computed)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name != QUICK))
        for name in CASES
        if name not in ("published.json", "history.json")  # one task alone; for checkpoints see test_resume
    ],
)
def test_interrupted_it_keeps_what_is_done_and_goes_on_to_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, computed = made(name, tmp_path / "whole", "--jobs", 1)
    done = interrupted(name, tmp_path / "out", monkeypatch)
    assert 0 < count(tmp_path / "out" / OWN_STORE) <= done
    again, left = made(name, tmp_path / "out", "--jobs", 1)
    assert again == whole
    assert len(left) <= len(computed) - done  # others may be like what was done


def test_what_is_done_at_once_keeps_nothing_and_what_takes_longer_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "KEPT_AFTER_S", 3600.0)
    made(QUICK, tmp_path / "quick", "--jobs", 1)
    assert not (tmp_path / "quick" / OWN_STORE).exists()
    monkeypatch.setattr(bench, "KEPT_AFTER_S", 1e-9)
    monkeypatch.setattr("archsim.studies.tasks.store.COMMIT_S", 0.0)
    _, computed = made(QUICK, tmp_path / "slow", "--jobs", 1)
    assert count(tmp_path / "slow" / OWN_STORE) > 0
    monkeypatch.setattr(bench, "network_file_system", lambda path: "nfs")
    assert len(made(QUICK, tmp_path / "slow", "--jobs", 1)[1]) == len(computed)


@pytest.mark.slow
def test_two_studies_share_what_both_ask_for(tmp_path: Path) -> None:
    store = ("--store", tmp_path / "store.sqlite")
    alone, computed = made("published.json", tmp_path / "alone", "--jobs", 1)
    assert computed == [False]
    examples = load_workload(SPOKEN, ["mode=inference"]).value.examples
    words = [
        "survey",
        SPEECH,
        SPOKEN,
        "--mode",
        "inference",
        "--examples",
        examples,
        "--quiet",
        "--out",
        tmp_path / "1",
    ]
    assert status_of([*map(str, (*words, *store))]) == 0
    assert made("published.json", tmp_path / "shared", *store) == (alone, [])
