"""Trainings that are interrupted or killed go on to the same bytes; what cannot be resumed is refused."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.cli.options import late_interrupts
from archsim.functional.checkpoint import NAME, PARTS, Checkpoint
from archsim.functional.datasets import load_data
from archsim.functional.epochs import DivergedError
from archsim.functional.probe import Probe
from archsim.functional.train import Training
from archsim.simulation.run import simulate
from archsim.studies.study import silent
from archsim.studies.train.study import STUDY, Inputs
from archsim.workload import load_workload
from tests.functional.test_chip_model import model_of
from tests.helpers import REFERENCE, schedule_of

SMALL = ("tile.rows=128", "tile.cols=128")
# Intervals that divide no epoch of 1,438 examples; in all but the first, the next epoch is under way when one ends.
SCHEDULES = {
    "sequential": ("schedule.transfer.interval_examples=400",),
    "pipelined": ("schedule.mode=pipelined", "schedule.in_flight=4", "schedule.prefetch=2",
                  "schedule.transfer.interval_examples=400", "schedule.transfer.policy=staggered"),
    "refreshed": ("schedule.mode=pipelined", "schedule.in_flight=3", "schedule.transfer.policy=interleaved",
                  "schedule.transfer.interval_examples=400", "schedule.refresh.policy=rewrite",
                  "schedule.refresh.period=60 us"),
    "static": ("schedule.mode=pipelined", "schedule.in_flight=4",
               "tile.device={kind: static_cell, area: 1 um2, read_energy: 50 fJ, supply: 1.0 V, read: 0.2 V}"),
}  # fmt: skip


def training(folder: Path, *sets: str, progress: Any = silent, **options: Any) -> Path:
    return STUDY.perform(Inputs(REFERENCE, "mlp_digits", sets=(*SMALL, *sets), **options), folder, progress)[2]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def interrupt(epochs: int) -> Callable[..., None]:
    """Return what interrupts a training when so many epochs are done."""

    def progress(done: float, *_: Any) -> None:
        if done >= epochs:
            raise KeyboardInterrupt

    return progress


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULES)
def test_killed_after_any_epoch_it_goes_on_to_the_same_bytes(tmp_path: Path, name: str) -> None:
    sets, options = SCHEDULES[name], {"epochs": 2, "seeds": 2 if name == "sequential" else 1}
    killed: list[Path] = []

    def copy(done: float, *_: Any) -> None:
        if done >= len(killed) + 1:
            killed.append(tmp_path / f"killed{int(done)}")
            shutil.copytree(tmp_path / "whole", killed[-1])  # what a kill leaves

    whole = content(training(tmp_path / "whole", *sets, **options, progress=copy))
    assert NAME not in whole
    assert "activity.yaml" in whole
    assert len(killed) == options["epochs"] * options["seeds"]
    for folder in killed:
        assert content(training(folder, *sets, **options, resume=True)) == whole


def test_interrupted_after_every_epoch_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    options, again = {"epochs": 2, "seeds": 2}, False
    whole = content(training(tmp_path / "whole", **options))
    for done in range(1, 5):
        with pytest.raises(KeyboardInterrupt):
            training(tmp_path / "stopped", **options, progress=interrupt(done), resume=again)
        kept = content(tmp_path / "stopped")
        assert {"history.json", "train.html", "train.md", NAME} <= kept.keys()
        assert ("activity.yaml" in kept) == (done > 2)  # then a seed is finished
        again = True
    assert content(training(tmp_path / "stopped", **options, resume=True)) == whole


def kept_of(source: Path, to: Path) -> Path:
    """Copy what a kill would leave of a training that others are writing."""
    return Path(shutil.copytree(source, to, ignore=shutil.ignore_patterns(".archsim-*")))


def noting(told: list[float]) -> Callable[..., None]:
    """Return what notes how much is done."""
    return lambda done, *_: told.append(done)


@pytest.mark.parametrize(
    ("jobs", "options"),
    [(2, {"epochs": 2, "seeds": 2}), pytest.param(3, {"epochs": 3, "seeds": 3}, marks=pytest.mark.slow)],
)
def test_seeds_that_others_train_go_on_to_the_same_bytes(tmp_path: Path, jobs: int, options: dict[str, Any]) -> None:
    whole = content(training(tmp_path / "whole", **options, jobs=1))
    killed: dict[int, Path] = {}

    def copy(done: float, *_: Any) -> None:
        if int(done) not in killed:
            killed[int(done)] = kept_of(tmp_path / "out", tmp_path / f"killed{int(done)}")
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "out", **options, jobs=jobs, progress=copy)
    kept = content(tmp_path / "out")
    assert {"history.json", "train.html", "train.md"} <= kept.keys()
    assert NAME in kept or any(name.startswith(f"{PARTS}/") for name in kept)
    assert len(killed) > 1
    for again, folder in enumerate([tmp_path / "out", *killed.values()]):
        if again and not any(NAME in name or PARTS in name for name in content(folder)):
            continue  # nothing was done
        told: list[float] = []
        resumed = training(folder, **options, resume=True, jobs=1 + again % 2, progress=noting(told))
        assert content(resumed) == whole
        assert not told or told[0] >= 1, "it was trained anew"


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_before_an_epoch_ended_there_is_a_report_or_none(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "out", epochs=2, seeds=2, jobs=jobs, progress=interrupt(0))
    assert content(training(tmp_path / "out", epochs=2, seeds=2)) == content(
        training(tmp_path / "whole", epochs=2, seeds=2)
    )


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["3", "1.2"])
def test_where_seeds_diverge_the_same_is_left_whoever_trains_them(tmp_path: Path, rate: str) -> None:
    left = []
    for jobs in (1, 2):
        with pytest.raises(DivergedError) as error:
            training(tmp_path / str(jobs), f"training.learning_rate={rate}", epochs=3, seeds=3, jobs=jobs)
        left.append((str(error.value), vars(error.value), content(tmp_path / str(jobs))))
    assert left[0] == left[1]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_array_is_what_it_would_have_been(name: str) -> None:
    workload = load_workload("mlp_digits").value
    schedule = schedule_of(workload, 2 * workload.dataset.examples, (*SMALL, *SCHEDULES[name]))
    timeline, data = simulate(schedule, timeline=True).timeline, load_data(workload)
    assert timeline is not None
    one, other = (Training(schedule, data, seed=3, probe=Probe(schedule)) for _ in range(2))
    kept: dict[str, Any] = {}

    def keep(entry: Any) -> None:
        if entry.epoch == 0:
            kept.update({name: array.copy() for name, array in one.arrays().items()})

    one.play(timeline.chunks, keep)
    other.restore(kept, one.found[:1])
    assert 0 < other.model.records < one.model.records
    other.play(timeline.chunks)
    assert one.found == other.found
    assert one.arrays().keys() == other.arrays().keys()
    for key, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[key], err_msg=key)
    assert one.model.record.dwell_cells > 0 or name == "static"
    assert one.model.record.dwell_mean_cycles == other.model.record.dwell_mean_cycles
    assert one.model.reads() == other.model.reads()


def test_sums_of_dwell_times_beyond_a_word_are_kept() -> None:
    one, other = (model_of(schedule_of(load_workload("mlp_digits").value, 30, SMALL)) for _ in range(2))
    one.record.dwell_cells, one.record.dwell_cycles = 3, 2**70 + 5
    other.restore(one.arrays())
    assert (other.record.dwell_cells, other.record.dwell_cycles) == (3, 2**70 + 5)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of three epochs that was interrupted after the first."""
    folder = tmp_path_factory.mktemp("stopped") / "out"
    with pytest.raises(KeyboardInterrupt):
        training(folder, epochs=3, progress=interrupt(1))
    return folder


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epochs": 5}, "epochs: 3 in the checkpoint, 5 now; how a training ends depends on its number of epochs"),
        ({"seeds": 2}, "seeds: 0 in the checkpoint, 0, 1 now"),
        ({"seed": 4}, "seeds: 0 in the checkpoint, 4 now"),
        ({"ablate": ("leakage",)}, "ablated: none in the checkpoint, leakage now"),
        ({"sets": ("tile.memory.ports=3",)}, f"arch: {REFERENCE} "),
        ({"sets": ("training.learning_rate=0.04",)}, "workload: mlp_digits "),
        ({"sets": ("dataset.examples=1400",)}, "data: digits "),
    ],
)
def test_another_training_is_not_resumed(stopped: Path, options: dict[str, Any], says: str) -> None:
    before = content(stopped)
    sets = options.get("sets", ())
    more = {"epochs": 3, **{key: value for key, value in options.items() if key != "sets"}}
    with pytest.raises(SpecError) as error:
        training(stopped, *sets, **more, resume=True)
    assert f"--resume: {says}" in str(error.value)
    assert content(stopped) == before


def test_another_version_is_not_resumed(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archsim.studies.train.study.package_version", lambda: "9.9")
    with pytest.raises(SpecError, match=r"--resume: version: archsim .* now; "):
        training(stopped, epochs=3, resume=True)


def test_where_nothing_was_interrupted_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"--resume: there is nothing to resume: no checkpoint\.npz is in"):
        training(tmp_path / "new", resume=True)
    assert not list(tmp_path.iterdir())
    before = content(training(tmp_path / "done", epochs=1))
    with pytest.raises(SpecError, match="only the history of a training that is complete or diverged"):
        training(tmp_path / "done", epochs=2, resume=True)
    assert content(tmp_path / "done") == before


def cut(raw: bytes, place: float) -> bytes:
    return raw[: int(len(raw) * place)]


def flip(raw: bytes, place: float) -> bytes:
    at = int(len(raw) * place)
    return raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :]


@pytest.mark.parametrize("place", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_checkpoint_is_told(
    stopped: Path, tmp_path: Path, damage: Callable[[bytes, float], bytes], place: float
) -> None:
    (tmp_path / NAME).write_bytes(damage((stopped / NAME).read_bytes(), place))
    try:
        read = Checkpoint.read(tmp_path)
    except SpecError as error:
        says = str(error)
    else:
        says = ""
    if says:
        assert f"{NAME}: is damaged (" in says
        return
    assert damage is flip  # a date, or another byte that no reader needs: then all arrays are as they were
    whole = Checkpoint.read(stopped)
    assert (read.identity, read.found) == (whole.identity, whole.found)
    assert read.arrays.keys() == whole.arrays.keys()
    assert all(np.array_equal(array, whole.arrays[name]) for name, array in read.arrays.items())


def test_arrays_of_another_shape_are_told_and_change_nothing(stopped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(stopped, folder)
    whole = Checkpoint.read(folder)
    name = next(name for name in whole.arrays if name.endswith(".weights"))
    with (folder / NAME).open("wb") as file:
        Checkpoint(whole.identity, whole.found, None, {}, {**whole.arrays, name: np.zeros(3)}).write(file)
    before = content(folder)
    with pytest.raises(SpecError, match=r"checkpoint.npz: is damaged \(the array 'cells0.weights' is missing, or of"):
        training(folder, epochs=3, resume=True)
    after = content(folder)
    assert (after[NAME], after["history.json"]) == (before[NAME], before["history.json"])


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(stopped, tmp_path / "out")

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(SpecError, match=r"--out .*out: cannot be written: No space left on device; choose another"):
        training(tmp_path / "out", epochs=3, resume=True)
    assert content(tmp_path / "out")[NAME] == content(stopped)[NAME]
    assert not [*tmp_path.rglob(".archsim-*")]


def test_the_command_resumes_and_keeps_no_word_of_it(
    stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(stopped, tmp_path / "out")
    words = ["train", REFERENCE, "mlp_digits", *(word for setting in SMALL for word in ("--set", setting))]
    with pytest.raises(SystemExit) as leave:
        main([*words, "--epochs", "3", "--out", str(tmp_path / "out"), "--json", "--resume"])
    assert leave.value.code == 0
    out, err = capsys.readouterr()
    assert (out, err) == ((tmp_path / "out" / "history.json").read_text("utf-8"), "")
    assert "--resume" not in out
    assert NAME not in content(tmp_path / "out")


def test_a_first_interruption_waits_and_a_second_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    with late_interrupts(True) as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
