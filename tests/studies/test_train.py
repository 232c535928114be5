"""Training on the chip as a user runs it: history, ablations, seeds, interruption, faults."""

from __future__ import annotations

import csv
import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest

from archsim.cli import main
from archsim.functional.ablations import ABLATIONS
from archsim.functional.baseline import Baseline
from archsim.functional.data_set import Data
from archsim.functional.epochs import DivergedError
from archsim.functional.order import Order
from archsim.functional.pulses import EXACT
from archsim.functional.train import Progress, chip_model
from archsim.simulation.run import simulate
from archsim.studies.study import silent
from archsim.studies.train.study import STUDY, Inputs, progress_words
from tests.helpers import STATIC, network, schedule_of

CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
SMALL = ("tile.rows=128", "tile.cols=128")


def training(tmp_path: Path, *sets: str, progress: Any = silent, **options: Any) -> dict[str, Any]:
    inputs = Inputs(CHIP, WORK, sets=(*SMALL, *sets), **options)
    history, _, folder, _ = STUDY.perform(inputs, tmp_path / "out", progress)
    plain: dict[str, Any] = json.loads((folder / "history.json").read_text("utf-8"))
    assert plain == history.plain()
    return plain


class Trained(NamedTuple):
    """Two epochs of seeds 5 and 6, the folder of their report, and what was told of their progress."""

    history: dict[str, Any]
    folder: Path
    seen: list[tuple[Progress, float, int]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder, places, steps = tmp_path_factory.mktemp("two"), [], []

    def words(place: Progress, epochs: int, seeds: int) -> str:
        places.append(place)
        return progress_words(place, epochs, seeds)

    with mock.patch("archsim.studies.train.study.progress_words", words):
        history = training(folder, epochs=2, seeds=2, seed=5, progress=lambda *given: steps.append(given))
    seen = [(place, done, total) for place, (done, total, _) in zip(places, steps, strict=True)]
    assert [words for *_, words in steps] == [progress_words(place, 2, 2) for place in places]
    return Trained(history, folder / "out", seen)


def test_a_history_has_a_list_per_seed_and_a_fraction_per_epoch(two: Trained) -> None:
    history = two.history
    assert history["seeds"] == [5, 6]
    for name in ("accuracy_chip", "accuracy_float", "loss_chip", "loss_float"):
        assert [len(run) for run in history[name]] == [2, 2]
    for name in ("accuracy_chip", "accuracy_float"):
        assert all(0.5 < value <= 1 for run in history[name] for value in run)
        last = [run[-1] for run in history[name]]
        assert history["final"][f"{name}_mean"] == pytest.approx(np.mean(last))
    assert history["complete"]


def test_a_report_is_pages_tables_figures_and_the_activity(two: Trained) -> None:
    names = {path.name for path in two.folder.iterdir()}
    cells = {"conductances", "conductances_2", "conductances_3", "conductances_4"}
    figures = {"accuracy", "loss", *cells, "weight_error", "weight_error_network"}
    tables = {"final", "history", "saturation", "saturation_most", "conductances", "weight_error"}
    assert names == {
        "history.json", "train.yaml", "train.html", "train.md", "activity.yaml", *(f"{name}.svg" for name in figures),
        *(f"{name}.csv" for name in tables | figures - tables),
        *(f"{name}_figure.csv" for name in tables & figures),
    }  # fmt: skip
    assert names < set(STUDY.owned)
    for name in figures:
        ET.parse(two.folder / f"{name}.svg")
    assert (two.folder / "train.html").stat().st_size < 500_000
    with (two.folder / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["seed"]), int(row["epoch"])) for row in rows] == [(s, e) for s in (5, 6) for e in (1, 2)]
    reached = [value for run in two.history["accuracy_chip"] for value in run]
    assert [float(row["on the chip [share]"]) for row in rows] == reached


def test_a_seed_alone_gives_the_same_numbers_and_another_seed_others(tmp_path: Path, two: Trained) -> None:
    alone, both = training(tmp_path, epochs=2, seed=6), two.history
    for name in ("accuracy_chip", "accuracy_float", "loss_chip", "loss_float", "saturation", "pulses_per_synapse"):
        assert alone[name] == both[name][1:]
    assert both["loss_chip"][0] != both["loss_chip"][1]


# 1,438 examples in intervals of 400: three transfers an epoch, so that all imperfections take part; and transfers that
# do not reckon with the leak, which is then an imperfection that nothing mends.
OFTEN = ("schedule.transfer.interval_examples=400", "tile.device.leak_compensation=none")

# By how much more loss an ablated chip has than the whole, in parts of what the whole has more than its baseline.
# Origin of the signs: without an imperfection the chip comes nearer to its baseline, and without polarity inversion, a
# remedy, it goes further away. Of the sizes: the mean of eight seeds, an estimate; limits are about a factor of two.
EFFECTS = {
    "polarity_inversion": (0.03, 0.25),  # 0.099
    "leakage": (-0.05, -0.01),  # -0.024
    "variability": (-0.10, -0.01),  # -0.039
    "programming_error": (-0.10, -0.02),  # -0.048
    "quantisation": (-0.70, -0.40),  # that of pulses
    "converters": (-0.02, 0.02),  # 255 levels of a sum are as good as any number
    "pulses": (-0.70, -0.40),  # -0.536: fifteen slots, in a first epoch of steep errors
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An epoch of four seeds on the chip with all imperfections."""
    return training(tmp_path_factory.mktemp("whole"), *OFTEN, epochs=1, seeds=4)


@pytest.mark.parametrize(
    "name", [name if name in ABLATIONS[:1] else pytest.param(name, marks=pytest.mark.slow) for name in EFFECTS]
)
def test_each_ablation_moves_the_chip_as_far_as_it_should_and_not_its_baseline(
    tmp_path: Path, whole: dict[str, Any], name: str
) -> None:
    without = training(tmp_path, *OFTEN, epochs=1, seeds=4, ablate=(name,))
    assert without["ablated"] == [name]
    assert without["loss_float"] == whole["loss_float"]
    chip, rest, baseline = (np.array(run) for run in (whole["loss_chip"], without["loss_chip"], whole["loss_float"]))
    assert (rest != chip).all()  # in every seed
    least, most = EFFECTS[name]
    assert least < (rest - chip).mean() / (chip - baseline).mean() < most


def test_without_leakage_there_is_nothing_that_a_transfer_reckons_with(tmp_path: Path) -> None:
    own = ("schedule.transfer.interval_examples=400", "tile.device.leak_compensation=")
    none, nominal = (training(tmp_path, own[0], own[1] + how, epochs=1, ablate=("leakage",))["loss_chip"]
                     for how in ("none", "nominal"))  # fmt: skip
    assert none == nominal


def test_an_autoencoder_learns_its_inputs(tmp_path: Path) -> None:
    """Its target is on the chip already; loss falls and R2 rises, as in the baseline, and no accuracy is told."""
    itself = ("dataset.target=inputs", "layers[1].outputs=64", "layers[1].activation=sigmoid")
    history = training(tmp_path, *itself, "layers[0].activation=tanh", epochs=2)
    assert history["accuracy_chip"] == [[None, None]]
    for where in ("chip", "float"):
        (loss,), (r2,) = history[f"loss_{where}"], history[f"r2_{where}"]
        assert loss[1] < loss[0] < 64 * math.log(2)  # of 64 outputs that are guessed
        assert 0.2 < r2[0] < r2[1] < 1


@pytest.mark.slow
def test_what_the_schedule_does_shows_in_the_loss_and_the_baseline_stays(tmp_path: Path) -> None:
    # Origin: means of eight seeds, an estimate. Weights that are stale by a few of 1,438 examples cost next to nothing
    # (-0.1 % of what the chip has more than its baseline); a transfer after every 100th example, not one at the end,
    # keeps capacitors within their range, which buys back 58 % of it.
    alone, stale, often = (
        training(tmp_path, *more, epochs=1, seeds=4)
        for more in (
            (),
            ("schedule.mode=pipelined", "schedule.in_flight=4"),
            ("schedule.transfer.interval_examples=100",),
        )
    )
    assert alone["loss_float"] == stale["loss_float"] == often["loss_float"]
    chip, late, kept, baseline = (
        np.array(run) for run in (alone["loss_chip"], stale["loss_chip"], often["loss_chip"], alone["loss_float"])
    )
    assert (late != chip).all()
    assert abs((late - chip).mean() / (chip - baseline).mean()) < 0.02
    assert 0.4 < (chip - kept).mean() / (chip - baseline).mean() < 0.75


def test_divergence_is_told_with_its_epoch_and_never_as_an_accuracy(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="in floating point diverged in epoch 1 of 2"):
        training(tmp_path, "training.learning_rate=1e5", epochs=2)
    assert not (tmp_path / "out").exists()


def test_a_divergence_keeps_what_was_reached_before_and_gives_no_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The second epoch of the third seed is lost; the three epochs before it and those of the other seeds are not.
    honest = Baseline.train

    def lost(baseline: Baseline, epoch: int) -> float:
        return math.nan if (baseline.seed, epoch) == (2, 1) else honest(baseline, epoch)

    monkeypatch.setattr(Baseline, "train", lost)
    words = ["train", CHIP, WORK, *(word for setting in SMALL for word in ("--set", setting)), "--seeds", "4"]
    with pytest.raises(SystemExit) as leave:
        main([*words, "--epochs", "2", "--out", str(tmp_path / "out")])
    assert leave.value.code == 2
    out, err = capsys.readouterr()
    says = "training in floating point diverged in epoch 2 of 2 (seed 2): the mean loss is nan"
    assert (says in err, "accuracy" in out + err) == (True, False)
    history = json.loads((tmp_path / "out" / "history.json").read_text("utf-8"))
    assert [len(run) for run in history["accuracy_chip"]] == [2, 2, 1]
    assert (history["complete"], history["final"]) == (False, dict.fromkeys(history["final"]))
    assert (history["diverged"]["seed"], history["diverged"]["epoch"]) == (2, 2)
    assert says in (tmp_path / "out" / "train.md").read_text("utf-8")
    assert not list((tmp_path / "out").glob("*checkpoint*"))  # it would only diverge again


def test_a_chip_that_diverges_is_told_while_its_baseline_learns(tmp_path: Path) -> None:
    # Every pulse moves an output weight by 60, and the converter sees logits of up to 1,000.
    cell = "{kind: static_cell, area: 1 um2, read_energy: 50 fJ, supply: 1.0 V, read: 0.2 V, step: 60 uS}"
    sets = ("numerics.output_weight_scale=1 uS", "numerics.output_range=1000", f"tile.device={cell}")
    with pytest.raises(DivergedError, match=r"on the chip diverged in epoch 1 of 2 \(seed 0\): the mean loss is \d"):
        training(tmp_path, *sets, epochs=2)
    assert not (tmp_path / "out").exists()


def test_progress_goes_through_each_epoch_and_tells_of_the_one_before(two: Trained) -> None:
    history, seen = two.history, two.seen
    done = [epochs for _, epochs, _ in seen]
    assert done == sorted(done)
    assert (done[0] > 0, done[-1], {total for *_, total in seen}) == (True, 4, {4})
    assert len([epochs for epochs in done if epochs % 1]) >= 4  # within each of the four
    for now, *_ in seen:
        assert 0 <= now.examples <= now.per_epoch == 1438
        last = now.last
        if last is not None:
            assert (last.accuracy_chip, last.loss_float) == (
                history["accuracy_chip"][last.seed - 5][last.epoch], history["loss_float"][last.seed - 5][last.epoch],
            )  # fmt: skip
    inside = [now for now, *_ in seen if now.loss_chip is not None and now.epoch == 0 and now.seed == 5]
    assert inside[-1].loss_chip == pytest.approx(history["loss_chip"][0][0], rel=0.5)
    assert progress_words(inside[0], 2, 2).startswith(f"seed 5, epoch 1 of 2: {inside[0].examples:,} of 1,438, loss ")


def test_without_a_terminal_nothing_is_said_but_the_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", CHIP, WORK, *(word for setting in SMALL for word in ("--set", setting)), "--epochs", "1"]
    told: dict[str, tuple[str, str]] = {}
    for option in ("", "--quiet", "--json"):
        with pytest.raises(SystemExit) as leave:
            main([*words, "--out", str(tmp_path / "out"), *filter(None, [option])])
        assert leave.value.code == 0
        printed = capsys.readouterr()
        told[option] = printed.out, printed.err
    assert {err for _, err in told.values()} == {""}
    assert told["--quiet"][0] == ""
    assert told["--json"][0] == (tmp_path / "out" / "history.json").read_text("utf-8")
    lines = told[""][0].splitlines()
    assert lines[0] == f"Training {WORK} on {CHIP}"
    assert lines[2].strip() == "1 epoch, 1 seed."
    assert lines[-1] == f"report  {tmp_path / 'out' / 'train.html'}"
    history = json.loads(told["--json"][0])
    on_chip = next(line for line in lines if line.strip().startswith("on the chip"))
    assert f"{100 * history['final']['accuracy_chip_mean']:.2f} %" in on_chip
    assert STUDY.report(history).tables()["final"].rows[0][1] == history["final"]["accuracy_chip_mean"]


def test_an_interruption_leaves_the_history_so_far(tmp_path: Path) -> None:
    def stop(done: float, total: int, words: str) -> None:
        assert total == 4
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path, epochs=4, progress=stop)
    history = json.loads((tmp_path / "out" / "history.json").read_text("utf-8"))
    assert len(history["accuracy_chip"][0]) == 2
    whole = training(tmp_path, epochs=4)
    assert whole["accuracy_chip"][0][:2] == history["accuracy_chip"][0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--ablate", "leak"), "--ablate: 'leak' is not an ablation; did you mean 'leakage'?"),
        (("--set", "training.epochs=0"), "training.epochs: '0' is out of range"),
        (("--ablate", "leak", "--ablate", "gravity"), "--ablate: 'gravity' is not an ablation; allowed: converters"),
        (("--set", "tile.count=1"), "needs 2 tiles"),
        (("--seed", "-1"), "--seed"),
        (("--seed", "4294967290", "--seeds", "6"), "--seed: 6 seeds from 4294967290 on do not lie within 0 to 42949"),
        (("--set", "layers[0].inputs=65"), "layer fc1 has 65 inputs, an example of digits has 64 features"),
        (("--set", "layers[1].outputs=9"), "label 9 of example"),
    ],
)
def test_bad_input_is_explained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(["train", CHIP, WORK, *words])
    assert leave.value.code == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*ABLATIONS, "all"])
def test_ablations_of_quantisation_are_of_converters_of_pulses_or_of_both(name: str) -> None:
    schedule = schedule_of(network(6, 5, 3), 20, ["tile.rows=16", "tile.cols=16"])
    ablate = ABLATIONS if name == "all" else (name,)
    x, y = np.ones((1000, 6), dtype=np.float32), np.zeros(1000, dtype=np.int64)
    model = chip_model(schedule, Data(x, y, x, y, 3, "ones", "drawn"), 0, Order(1000, 1, 0), ablate)
    assert (model.quantisers[0].read_levels == 0) == (model.quantisers[0].drive_levels == 0)
    assert (model.quantisers[0].read_levels == 0) == (name in ("quantisation", "converters", "all"))
    assert (model.trains is EXACT) == (name in ("quantisation", "pulses", "all"))


@pytest.mark.slow
@pytest.mark.parametrize("ablate", [("quantisation",), ("converters", "pulses")])
def test_ideal_cells_without_quantisation_learn_as_floating_point_does(ablate: tuple[str, ...]) -> None:
    # Origin: the baseline. Cells are linear and far from their bounds, so that only the order of sums is another.
    wide = STATIC.replace("static_cell,", "static_cell, bound: 1 mS,")
    schedule = schedule_of(network(6, 5, 3), 300, ["tile.rows=16", "tile.cols=16", wide])
    draws = np.random.default_rng(2)
    x, y = draws.random((1000, 6)).astype(np.float32), draws.integers(0, 3, 1000)
    data, order = Data(x, y, x, y, 3, "drawn", "drawn"), Order(1000, 1, 0)
    workload = schedule.mapping.workload
    models = [chip_model(schedule, data, 0, order, own) for own in (ablate, ())]
    baseline = Baseline(workload, data, 0, order[:300], workload.training.of_the_baseline)
    before = [own.copy() for own in baseline.weights]
    baseline.train(0)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    for model in models:
        model.play(timeline.chunks())
    moved = max(float(np.abs(a - b).max()) for a, b in zip(baseline.weights, before, strict=True))
    exact, pulsed = (
        max(float(np.abs(a - b).max()) for a, b in zip(model.matrices(), baseline.weights, strict=True))
        for model in models
    )
    assert moved > 0.1
    assert exact < 1e-3 * moved
    assert pulsed > 10 * exact


@pytest.mark.slow
def test_few_slots_cost_loss_and_exact_updates_buy_it_back(tmp_path: Path) -> None:
    def loss(*ablate: str) -> float:
        few = ("tile.array.pulses=1", "schedule.transfer.interval_examples=400")
        return float(training(tmp_path, *few, epochs=1, ablate=ablate)["loss_chip"][0][-1])

    whole, pulses, converters, both = loss(), loss("pulses"), loss("converters"), loss("quantisation")
    assert pulses < whole
    assert both < whole
    assert both == loss("converters", "pulses", "transfer_conversion")
    assert abs(converters - whole) < whole - pulses
