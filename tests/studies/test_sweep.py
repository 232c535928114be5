"""Sweeps: each point is the run and the trainings that it names, alone; what is refused is kept or told before."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.chip import build_chip
from archsim.functional.activity import together
from archsim.functional.datasets import load_data
from archsim.functional.floating_point import Baseline
from archsim.functional.train import HOPELESS, Training
from archsim.mapping import build_schedule, map_workload
from archsim.results.bill import activity_of
from archsim.results.evaluate import evaluate
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.studies.study import silent
from archsim.studies.sweep.axes import Axis, axes_of
from archsim.studies.sweep.figures import figures, numbers_of
from archsim.studies.sweep.grid import METRICS, Inputs
from archsim.studies.sweep.points import Point, Sweep, with_pareto
from archsim.studies.sweep.study import STUDY
from archsim.workload import load_workload
from tests.cli.test_cli import Command, archsim
from tests.helpers import REFERENCE

__all__ = ["archsim"]  # a fixture

WORK = "mlp_digits"
SMALL = ("tile.rows=128", "tile.cols=128")
VARY = ("schedule.transfer.interval_examples=400,800", "schedule.transfer.policy=stop_all,interleaved")
SEEDS = (1, 2)
TRAINED = {"accuracy_chip_mean", "accuracy_chip_std", "accuracy_float_mean", "accuracy_float_std",
           "accuracy_difference", "pulses_per_synapse"}  # fmt: skip
Answer = tuple[dict[str, Any], Path]


def swept(folder: Path, progress: Any = silent, **options: Any) -> Answer:
    given = {"vary": VARY, "sets": SMALL, "epochs": 1, "train": True, "seeds": 2, "seed": 1, **options}
    data, _, written = STUDY.perform(Inputs(REFERENCE, WORK, **given), folder, progress)
    return data.plain(), written


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    return swept(tmp_path_factory.mktemp("sweep") / "whole")


def test_each_point_is_the_run_and_the_trainings_made_alone(whole: Answer) -> None:
    data, folder = whole
    assert json.loads((folder / "sweep.json").read_text("utf-8")) == data
    assert [tuple(point["settings"].values()) for point in data["points"]] == [
        ("400", "stop_all"), ("400", "interleaved"), ("800", "stop_all"), ("800", "interleaved"),
    ]  # fmt: skip
    workload = load_workload(WORK)
    examples = workload.value.dataset.examples
    digits = load_data(workload.value)
    for point in data["points"]:
        arch = load_arch(REFERENCE, [*SMALL, *(f"{key}={value}" for key, value in point["settings"].items())])
        chip = build_chip(arch.value)
        schedule = build_schedule(chip, map_workload(workload.value, chip), examples)
        timeline = simulate(schedule, timeline=True).timeline
        assert timeline is not None
        runs = [Training(schedule, digits, seed=seed) for seed in SEEDS]
        for training in runs:
            training.play(timeline.chunks)
        reads = together(part for each in runs for part in (*each.model.reads(), *each.model.updates()))
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


def test_the_baseline_is_trained_once_for_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, int]] = []
    train = Baseline.train

    def counted(self: Baseline, epoch: int) -> tuple[float, float]:
        trained.append((self.seed, epoch))
        return train(self, epoch)

    monkeypatch.setattr(Baseline, "train", counted)
    swept(tmp_path / "out", vary=("schedule.transfer.policy=stop_all,staggered,interleaved",))
    assert trained == [(1, 0), (2, 0)]


def test_known_epochs_of_a_baseline_change_no_number_nor_does_going_on() -> None:
    workload = load_workload(WORK).value
    chip = build_chip(load_arch(REFERENCE, SMALL).value)
    schedule = build_schedule(chip, map_workload(workload, chip), 2 * workload.dataset.examples)
    timeline, digits = simulate(schedule, timeline=True).timeline, load_data(workload)
    assert timeline is not None
    alone = Training(schedule, digits)
    alone.play(timeline.chunks)
    both = [(entry.loss_float, entry.accuracy_float) for entry in alone.found]
    for first in (0, 1, 2):
        known = both[:first]
        training, kept = Training(schedule, digits, known=known), {}
        training.play(timeline.chunks, lambda entry, of=training, kept=kept: kept.update(  # type: ignore[misc]
            {} if entry.epoch else {name: array.copy() for name, array in of.arrays().items()}))  # fmt: skip
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


def test_values_can_be_added_to_a_sweep_that_goes_on(whole: Answer, tmp_path: Path) -> None:
    swept(tmp_path / "more", vary=("schedule.transfer.interval_examples=400", VARY[1]))
    swept(tmp_path / "more", resume=True)
    assert content(tmp_path / "more") == content(whole[1])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seeds": 3}, "--resume: seeds: 1, 2 in the sweep.json that is there, 1, 2, 3 now; go on with"),
        ({"epochs": 2}, "--resume: epochs: 1 in the sweep.json that is there, 2 now"),
        ({"ablate": ("leakage",)}, "--resume: ablated: none in the sweep.json that is there, leakage now"),
        ({"train": False, "seeds": None}, "--resume: train: yes in the sweep.json that is there, no now"),
        ({"sets": (*SMALL, "tile.memory.ports=3")}, f"--resume: arch: {REFERENCE} "),
        ({"sets": (*SMALL, "training.learning_rate=0.04")}, "--resume: workload: mlp_digits "),
        ({"vary": (VARY[0], "schedule.transfer.policy=stop_all")}, "and 1 more point in the sweep.json that is there"),
        ({"vary": (VARY[0],)}, "--resume: vary: "),
    ],
)
def test_another_sweep_is_not_resumed(whole: Answer, options: dict[str, Any], says: str) -> None:
    before = content(whole[1])
    with pytest.raises(SpecError) as error:
        swept(whole[1], resume=True, **options)
    assert says in str(error.value)
    assert content(whole[1]) == before


def test_other_data_or_another_version_is_not_resumed(
    whole: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("archsim.studies.sweep.grid.digest_of", lambda data: "other")
        with pytest.raises(SpecError, match=r"--resume: data: digits \w+ in the sweep.json .* digits other now"):
            swept(whole[1], resume=True)
    text = json.dumps({**whole[0], "version": "9.9"})
    (tmp_path / "sweep.json").write_text(text, "utf-8")
    with pytest.raises(SpecError, match=r"--resume: version: archsim 9\.9, .* now"):
        swept(tmp_path, resume=True)


def test_nothing_and_what_is_damaged_cannot_be_resumed(whole: Answer, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is nothing to resume: no sweep\.json"):
        swept(tmp_path / "new", resume=True)
    text = (whole[1] / "sweep.json").read_text("utf-8")
    for damage in (text[: len(text) // 2], "[]", "{}", text.replace('"settings"', '"sets"'), text.replace("-1", "-9")):
        (tmp_path / "sweep.json").write_text(damage, "utf-8")
        told = r"holds other things \(sweep\.json\)"
        if "schema" in damage:
            told = r"sweep\.json.*: is (no JSON|missing|unknown|.archsim-sweep-9)"
        with pytest.raises(SpecError, match=told):
            swept(tmp_path, resume=True)


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
    data, _ = swept(tmp_path / "out", vary=("dataset.examples=200,9999,400",), seeds=1)
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
            ("--vary", "tile.rows=" + ",".join(map(str, range(1, 1002)))),
            "1001: 1,001 points of a grid, above the limit of 1,000; give",
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
        (("--vary", "tile.rows=128", "--resume", "--out", "nowhere"), "--resume: there is nothing to resume"),
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
    assert {name.split("/")[0] for name in first} == {*STUDY.owned} - {"inputs"}  # no file was named
    again = archsim(*words, "--json", "--quiet")
    assert again.out == (folder / "sweep.json").read_text("utf-8")
    assert content(folder) == first
    assert json.loads(again.out)["command"] == (
        f"archsim sweep {REFERENCE} {WORK} --vary tile.count=1,8 --set tile.rows=128 --epochs 1"
    )


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
