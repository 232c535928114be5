"""Sweeps: each point is the run and the trainings that it names, alone; what is refused is kept or told before."""

from __future__ import annotations

import csv
import io
import json
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.chip import build_chip
from archsim.export.hotspot import chip_flp
from archsim.functional.activity import Measured, together
from archsim.functional.baseline import Baseline, Reached
from archsim.functional.datasets import load_data
from archsim.functional.train import HOPELESS, Training
from archsim.mapping import build_schedule, map_workload
from archsim.results.bill import activity_of
from archsim.results.evaluate import evaluate
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.studies.study import silent
from archsim.studies.sweep.asked import asked, tried_of
from archsim.studies.sweep.axes import Axis, axes_of, space_of
from archsim.studies.sweep.figures import figures, numbers_of
from archsim.studies.sweep.grid import METRICS, Grid, Inputs
from archsim.studies.sweep.points import Made, Point, PointSettings, Sweep, with_pareto
from archsim.studies.sweep.study import STUDY
from archsim.studies.tasks.bench import OWN_STORE
from archsim.studies.tasks.data_here import UnseenDataError
from archsim.studies.tasks.surroundings import surroundings
from archsim.workload import load_workload
from tests.cli.test_cli import Command, archsim
from tests.helpers import REFERENCE

__all__ = ["archsim"]  # a fixture

WORK = "mlp_digits"
TILES = ("tile.rows=128", "tile.cols=128")
SHORT = ("dataset.examples=100",)
SMALL = (*TILES, *SHORT)
VARY = ("schedule.transfer.interval_examples=50,100", "schedule.transfer.policy=stop_all,interleaved")
SEEDS = (1, 2)
TRAINED = {"accuracy_chip_mean", "accuracy_chip_std", "accuracy_float_mean", "accuracy_float_std",
           "accuracy_difference", "pulses_per_synapse"}  # fmt: skip
Answer = tuple[dict[str, Any], Path]


def swept(folder: Path, progress: Any = silent, **options: Any) -> Answer:
    given = {"vary": VARY, "sets": SMALL, "epochs": 1, "train": True, "seeds": 2, "seed": 1, "jobs": 1, **options}
    data, _, written, _ = STUDY.perform(Inputs(REFERENCE, WORK, **given), folder, progress)
    return data.plain(), written


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != OWN_STORE]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    return swept(tmp_path_factory.mktemp("sweep") / "whole")


def test_each_point_is_the_run_and_the_trainings_made_alone(whole: Answer) -> None:
    data, folder = whole
    assert json.loads((folder / "sweep.json").read_text("utf-8")) == data
    assert [tuple(point["settings"].values()) for point in data["points"]] == [
        ("50", "stop_all"), ("50", "interleaved"), ("100", "stop_all"), ("100", "interleaved"),
    ]  # fmt: skip
    workload = load_workload(WORK, SHORT)
    examples = workload.value.dataset.examples
    digits = load_data(workload.value)
    for point in data["points"]:
        arch = load_arch(REFERENCE, [*TILES, *(f"{key}={value}" for key, value in point["settings"].items())])
        chip = build_chip(arch.value)
        schedule = build_schedule(chip, map_workload(workload.value, chip), examples)
        timeline = simulate(schedule, timeline=True).timeline
        assert timeline is not None
        runs = [Training(schedule, digits, seed=seed) for seed in SEEDS]
        for training in runs:
            training.play(timeline.chunks)
        measured: list[Measured] = []
        for each in runs:
            measured += [*each.model.reads(), *each.model.updates()]
        reads = together(measured)
        activity = activity_of([layer.name for layer in workload.value.layers], reads)
        metrics = evaluate(arch, workload, examples=examples, activity=activity).data["metrics"]
        assert {name: point["metrics"][name] for name in METRICS} == {name: metrics[name] for name in METRICS}
        chip_, baseline = ([getattr(each.found[-1], f"accuracy_{name}") for each in runs] for name in ("chip", "float"))
        assert point["training"]["accuracy_chip"] == [[value] for value in chip_]
        assert point["training"]["accuracy_float"] == [[value] for value in baseline]
        assert point["metrics"]["accuracy_chip_mean"] == sum(chip_) / 2
        assert point["metrics"]["accuracy_float_mean"] == sum(baseline) / 2
        assert point["metrics"]["accuracy_chip_std"] == pytest.approx(abs(chip_[0] - chip_[1]) / 2**0.5, rel=1e-12)
        assert point["metrics"]["accuracy_difference"] == sum(chip_) / 2 - sum(baseline) / 2
        assert set(point["metrics"]) == {*METRICS, *TRAINED}


@pytest.mark.usefixtures("intervals")
def test_points_have_intervals_where_they_are_asked_for(tmp_path: Path) -> None:
    """They are those of the run of each point, whatever computes it; without the option nothing is drawn."""
    vary = ("tile.memory.energy=5 pJ,10 pJ",)
    asked_for = {"train": False, "seeds": None, "vary": vary, "epochs": 1, "sets": ("dataset.examples=40",)}
    plain, _ = swept(tmp_path / "plain", **asked_for)
    data, folder = swept(tmp_path / "sure", **asked_for, intervals=True)
    assert "--intervals" in data["command"]
    for point, without in zip(data["points"], plain["points"], strict=True):
        figures, value = point["metrics"], point["settings"]["tile.memory.energy"]
        run = evaluate(load_arch(REFERENCE, [f"tile.memory.energy={value}"]), load_workload(WORK), examples=40).data
        ends = {name: [figures[f"{name}_low"], figures[f"{name}_high"]] for name in METRICS if f"{name}_low" in figures}
        assert ends == {name: list(own) for name, own in run["intervals"].items() if name in METRICS}
        assert {"energy_per_example_j", "efficiency_op_per_j"} <= ends.keys()
        assert {name: own for name, own in figures.items() if name in METRICS} == without["metrics"]
    header = (folder / "tables" / "sweep.csv").read_text().splitlines()[0]
    assert "energy_per_example_j,energy_per_example_j_low,energy_per_example_j_high" in header


def test_the_baseline_is_trained_once_for_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, int]] = []
    train = Baseline.train

    def counted(self: Baseline, epoch: int) -> float:
        trained.append((self.seed, epoch))
        return train(self, epoch)

    monkeypatch.setattr(Baseline, "train", counted)
    swept(tmp_path / "out", vary=("schedule.transfer.policy=stop_all,staggered,interleaved",))
    assert trained == [(1, 0), (2, 0)]


def test_known_epochs_of_a_baseline_change_no_number_nor_does_going_on() -> None:
    workload = load_workload(WORK, SHORT).value
    chip = build_chip(load_arch(REFERENCE, TILES).value)
    schedule = build_schedule(chip, map_workload(workload, chip), 2 * workload.dataset.examples)
    timeline, digits = simulate(schedule, timeline=True).timeline, load_data(workload)
    assert timeline is not None
    alone = Training(schedule, digits)
    alone.play(timeline.chunks)
    both = [Reached(entry.loss_float, None, entry.accuracy_float, entry.right_float) for entry in alone.found]  # type: ignore[arg-type]
    for first in (0, 1, 2):
        known = both[:first]
        training = Training(schedule, digits, known=known)
        kept: dict[str, Any] = {}

        def keep(entry: Any, of: Training = training, kept: dict[str, Any] = kept) -> None:
            kept.update({} if entry.epoch else {name: array.copy() for name, array in of.arrays().items()})

        training.play(timeline.chunks, keep)
        assert (training.found, known) == (alone.found, both)
        again = Training(schedule, digits, known=both[:first])
        again.restore(kept, alone.found[:1])
        again.play(timeline.chunks)
        assert again.found == alone.found


def test_a_sweep_that_is_interrupted_goes_on_to_the_same_bytes(whole: Answer, tmp_path: Path) -> None:
    done = 3

    def stop(points: float, total: int, words: str) -> None:
        if points > done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path / "stopped", progress=stop)
    kept = json.loads((tmp_path / "stopped" / "sweep.json").read_text("utf-8"))
    assert (kept["complete"], len(kept["points"])) == (False, done)
    assert "**Interrupted**" in (tmp_path / "stopped" / "sweep.md").read_text("utf-8")
    asked: list[float] = []
    swept(tmp_path / "stopped", resume=True, progress=lambda points, total, words: asked.append(points))
    assert min(asked) == done
    assert content(tmp_path / "stopped") == content(whole[1])


def test_it_is_the_same_for_any_number_of_workers(whole: Answer, tmp_path: Path) -> None:
    swept(tmp_path / "spread", jobs=2)
    assert content(tmp_path / "spread") == content(whole[1])


@pytest.mark.parametrize(
    ("options", "new"),
    [
        ({}, 0),
        ({"vary": tuple(reversed(VARY))}, 0),
        ({"vary": (VARY[0], "schedule.transfer.policy=stop_all")}, 0),
        ({"vary": (VARY[0],), "sets": (*SMALL, "schedule.transfer.policy=interleaved")}, 0),
        ({"vary": (VARY[0],), "sets": ("tile.rows=1000", *SMALL, VARY[1].replace("stop_all,", ""))}, 0),
        ({"vary": (VARY[0] + ",40", VARY[1])}, 2),
        ({"seeds": 3}, 4),
        ({"epochs": 2}, 4),
        ({"ablate": ("leakage",)}, 4),
        ({"train": False, "seeds": None}, 4),
        ({"sets": (*SMALL, "tile.memory.ports=3")}, 4),
        ({"sets": (*SMALL, "training.learning_rate=0.04")}, 4),
    ],
)
def test_points_that_are_kept_are_not_made_again_however_they_are_asked_for(
    whole: Answer, options: dict[str, Any], new: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole[1], tmp_path / "copy")
    made: list[PointSettings] = []
    run = Grid.run

    def noted(self: Grid, settings: PointSettings, *inside: Any) -> Made:
        made.append(settings)
        return run(self, settings, *inside)

    monkeypatch.setattr(Grid, "run", noted)
    data, folder = swept(tmp_path / "copy", **options)
    assert len(made) == new
    assert data["complete"]
    alone = {str(point["settings"]): point["metrics"] for point in whole[0]["points"]}
    if not new and "sets" not in options:
        for point in data["points"]:
            settings = dict(sorted(point["settings"].items()))
            assert point["metrics"] == alone[str(settings)]
    made.clear()
    swept(folder, **options)
    assert made == []


def test_other_data_or_another_version_are_other_points(
    whole: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole[1], tmp_path / "copy")
    for where in ("archsim.studies.sweep.grid.data_name", "archsim.studies.tasks.workers.surroundings"):
        with monkeypatch.context() as patched:
            other: Any = "other" if where.endswith("data_name") else surroundings()._replace(code="other")
            patched.setattr(where, lambda *data, other=other: other)
            patched.setattr(Grid, "run", lambda *_: pytest.fail("made"))
            with pytest.raises(pytest.fail.Exception, match="made"):
                swept(tmp_path / "copy")


def test_one_store_serves_several_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"train": False, "seeds": None, "store": tmp_path / "store"}
    one, _ = swept(tmp_path / "one", **options)
    monkeypatch.setattr(Grid, "run", lambda *_: pytest.fail("made again"))
    other, folder = swept(tmp_path / "other", **options)
    assert other == one
    assert OWN_STORE not in {path.name for path in folder.iterdir()}


def test_there_must_be_something_to_go_on_from(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"there is nothing to go on from: no points\.sqlite is in .*new; sweep without"
    ):
        swept(tmp_path / "new", resume=True)
    assert not list(tmp_path.iterdir())


def test_data_that_a_worker_cannot_read_end_the_sweep_with_its_name_and_are_no_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen(workload: Any, folder: Path | None, seed: int) -> Any:
        raise SpecError.at("--data", "is not there", "look")

    found = asked(Inputs(REFERENCE, WORK, vary=VARY, sets=SMALL, epochs=1, train=True))
    again = Grid(found.grid.inputs, found.grid.given, found.grid.data)
    monkeypatch.setattr("archsim.studies.sweep.grid.load_data", unseen)
    with pytest.raises(UnseenDataError, match=f"{socket.gethostname()} cannot read the data of {WORK}: --data: is not"):
        again.run(found.points[0])


def test_points_that_are_refused_or_diverge_are_kept_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"train": False, "seeds": None, "seed": 0, "vary": ("tile.count=8,1", "schedule.mode=sequential")}
    data, folder = swept(tmp_path / "out", **options)
    fine, refused = data["points"]
    assert (fine["refused"], fine["pareto"], refused["metrics"], refused["pareto"]) == (None, True, None, False)
    assert "needs 2 tiles of 128 x 128, the chip" in refused["refused"]
    for name in ("sweep.md", "sweep.html"):
        assert "needs 2 tiles" in (folder / name).read_text("utf-8").split("Refused")[-1]
    assert data["complete"]
    rows = list(csv.DictReader(io.StringIO((folder / "tables" / "sweep.csv").read_text("utf-8"))))
    assert [float(rows[0][name]) for name in METRICS if rows[0][name]] == [
        fine["metrics"][name] for name in METRICS if fine["metrics"][name] is not None
    ]
    assert rows[1]["refused"] == refused["refused"]
    data, _ = swept(tmp_path / "policies", **{**options, "vary": (
        "schedule.refresh.policy=none,rewrite", "schedule.refresh.period=1 us,1 ms")})  # fmt: skip
    assert len(data["points"]) == 4  # a policy that needs the period that is varied as well
    monkeypatch.setattr("archsim.functional.train.HOPELESS", HOPELESS / 1000)
    data, _ = swept(tmp_path / "diverged", vary=("tile.memory.ports=1,2",), seeds=1)
    assert all("diverged in epoch 1 of 1 (seed 1)" in point["refused"] for point in data["points"])
    assert data["complete"]


def test_a_sweep_over_the_data_trains_on_each(tmp_path: Path) -> None:
    data, _ = swept(tmp_path / "out", vary=("dataset.examples=200,9999,400",), sets=TILES, seeds=1)
    fine = [point["refused"] is None for point in data["points"]]
    assert fine == [True, False, True]
    assert "9,999" in data["points"][1]["refused"]
    assert data["points"][0]["data"] != data["points"][2]["data"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--vary", "tile.rowz=1,2"), "--vary tile.rowz: unknown key; did you mean 'rows'?"),
        (("--vary", "tile.rows=128,many"), "--vary tile.rows: 'many' is not a number; give a whole number"),
        (("--vary", "tile.rows=128,0", "--vary", "tile.cols=64,128"), "--vary tile.rows: '0' is out of range"),
        (("--vary", "schedule.transfer.policy=stop_al,staggered"), "--vary schedule.transfer.policy: 'stop_al' is not"),
        (("--vary", "training.learning_rate=0.1,x"), "--vary training.learning_rate: 'x' is not a number"),
        (("--vary", "tile.rows=128,256,128"), "--vary tile.rows: '128' is given twice; give each value once"),
        (("--vary", "schedule.refresh.period=1 ms,1000 us"), "'1000 us' is the same value as '1 ms'"),
        (("--vary", "tile.rows="), "--vary tile.rows: there are no values; for example --vary tile.rows=V1,V2"),
        (("--vary", "tile.rows=1,,2"), "--vary tile.rows: value 2 of 3 is empty"),
        (("--vary", "tile.rows"), "--vary: 'tile.rows' is not KEY=V1,V2,...; for example --vary tile.rows=128,256"),
        (
            ("--vary", "tile.rows=128", "--set", "tile.rows=64"),
            "--vary tile.rows: --set tile.rows=64 was given as well",
        ),
        (("--vary", "tile.rows=128", "--vary", "tile.rows=64"), "--vary tile.rows: is varied twice"),
        (("--vary", "tile.row_driver={}", "--vary", "tile.row_driver.bits=7"), "overlaps with --vary tile.row_driver"),
        (("--vary", "tile.rows=128", "--set", "tile.colz=64"), "--set tile.colz: unknown key; did you mean 'cols'?"),
        (
            (
                "--vary",
                "tile.rows=" + ",".join(map(str, range(1, 401))),
                "--vary",
                "tile.cols=" + ",".join(map(str, range(1, 401))),
            ),
            "400 x 400: 160,000 points of a grid, above the limit of 100,000; give",
        ),
        (("--vary", "tile.rows=128", "--seeds", "2"), "--seeds: is of no use without --train"),
        (("--vary", "tile.rows=128", "--train", "--ablate", "leaks"), "--ablate: 'leaks' is not an ablation"),
        (
            ("--vary", "tile.rows=128", "--train", "--seed", "99999999999"),
            "--seed: 99,999,999,999 as a seed, above the limit of 4,294,967,294",
        ),
        (
            ("--vary", "training.epochs=1,2", "--epochs", "3"),
            "--epochs was given, and training.epochs is varied or set",
        ),
        (("--vary", "dataset.examples=8888,9999", "--train"), "dataset.examples: "),
        (("--vary", "tile.rows=128", "--resume", "--out", "nowhere"), "--resume: there is nothing to go on from"),
        ((), "--vary"),
    ],
)
def test_what_is_wrong_for_all_points_is_told_before_anything_runs(
    archsim: Command, tmp_path: Path, words: Sequence[str], says: str
) -> None:
    answer = archsim("sweep", REFERENCE, WORK, *words)
    assert (answer.status, answer.out) == (2, "")
    assert says in answer.err
    assert all(line.startswith("archsim: ") for line in answer.err.splitlines())
    assert not list(tmp_path.iterdir())


def test_the_command_writes_a_folder_of_its_own_and_prints_its_file(archsim: Command, tmp_path: Path) -> None:
    words = ("sweep", REFERENCE, WORK, "--epochs", "1", "--vary", "tile.count=1,8", "--set", "tile.rows=128")
    answer = archsim(*words)
    assert (answer.status, answer.err) == (0, "")
    assert "2 points, 1 of them refused; sweep.html says why" in answer.out
    (report,) = (line for line in answer.out.splitlines() if line.startswith("report  "))
    assert report.endswith("sweep.html")
    (folder,) = (tmp_path / "reports").iterdir()
    assert folder.name.startswith(f"{REFERENCE}--{WORK}--sweep--")
    first = content(folder)
    assert {name.split("/")[0] for name in first} == set(STUDY.owned) - {"inputs"}
    assert (folder / OWN_STORE).is_file()
    again = archsim(*words, "--json", "--quiet")
    assert again.out == (folder / "sweep.json").read_text("utf-8")
    assert content(folder) == first
    assert json.loads(again.out)["command"] == (
        f"archsim sweep {REFERENCE} {WORK} --vary tile.count=1,8 --set tile.rows=128 --epochs 1"
    )


def test_of_a_large_grid_each_value_is_tried_and_nothing_else() -> None:
    def tried(*varied: str) -> list[tuple[str, ...]]:
        space = space_of(varied)
        keys = [axis.key for axis in space.axes]
        return [tuple(settings.values()) for settings in tried_of(list(space.points()), keys)]

    rows = f"tile.rows={','.join(map(str, range(1, 101)))}"
    found = tried(rows, "tile.cols=1,2,3", "tile.count=1,2,4,8")
    assert len(found) == len(set(found)) <= 2 * (100 + 3 + 4)
    assert [{values[i] for values in found} for i in range(3)] == [
        set(axis.values) for axis in axes_of([rows, "tile.cols=1,2,3", "tile.count=1,2,4,8"])
    ]
    assert {values[1:] for values in found if values[0] == "50"} == {("1", "1"), ("3", "8")}
    assert len(tried("tile.rows=1,2,3", "tile.cols=1,2")) == 6


def test_commas_in_brackets_and_quotes_do_not_separate() -> None:
    given = ["tile.device={kind: a, area: 1 um2},{kind: b}", "host.rate='1 GB/s', \"2 GB/s\" "]
    assert axes_of(given) == (
        Axis("tile.device", ("{kind: a, area: 1 um2}", "{kind: b}")),
        Axis("host.rate", ("1 GB/s", "2 GB/s")),
    )


def test_pareto_is_what_no_other_point_beats() -> None:
    def point(accuracy: float, time_s: float, energy_j: float) -> Point:
        metrics = {"accuracy_chip_mean": accuracy, "time_per_example_s": time_s, "energy_per_example_j": energy_j}
        return Point(settings={}, metrics=metrics)

    points = [
        point(0.9, 2, 2),
        point(0.9, 2, 2),
        point(0.9, 2, 3),
        point(0.8, 1, 5),
        point(0.8, 2, 2),
        point(0.7, 3, 1),
    ]
    found = [each.pareto for each in with_pareto([*points, Point(settings={}, refused="too large")])]
    assert found == [True, True, False, True, False, True, False]


def test_figures_follow_what_was_varied(whole: Answer) -> None:
    data = whole[0]
    planes = ["accuracy_time", "accuracy_energy"]
    assert list(STUDY.report(data).figures()) == [*planes, "first_key_accuracy", "first_key_time"]
    turned = {
        **data,
        "vary": dict(reversed(data["vary"].items())),
        "points": [{**point, "settings": dict(reversed(point["settings"].items()))} for point in data["points"]],
    }
    assert [own.name for own in figures(Sweep.model_validate(turned))] == planes
    refused = Point(settings={}, refused="too large")
    assert figures(Sweep.model_validate({**data, "points": [refused]})) == ()
    assert numbers_of(["1 ms", "0.5 s", "10 us"]) == ([1.0, 500.0, 0.01], "ms")
    assert numbers_of(["1 ms", "1 nJ"]) is None


def test_a_file_that_changes_changes_the_points_that_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sets = (*SMALL, "tile.count=16")
    plan = build_chip(load_arch(REFERENCE, (*TILES, "tile.count=16")).value).plan
    options = {"train": False, "seeds": None, "seed": 0, "epochs": None, "vary": ("technology.clock=1 GHz,500 MHz",),
               "sets": (*sets, "floorplan={kind: explicit, flp: plan.flp}")}  # fmt: skip
    found = []
    for plan_text in (chip_flp(plan), f"{chip_flp(plan)}white_space\t1e-3\t1e-3\t0.1\t0.1\n", chip_flp(plan)):
        Path("plan.flp").write_text(plan_text, "utf-8")
        data, _ = swept(Path("out"), **options)
        found.append([point["metrics"]["area_m2"] for point in data["points"]])
    assert found[0] == found[2]
    assert all(other > own for own, other in zip(found[0], found[1], strict=True))
