"""Searches: laws of what is asked for and told, which hold whoever computes, and what is refused before any work."""

from __future__ import annotations

import itertools
import json
import operator
import random
import shlex
from collections.abc import Callable, Mapping
from contextlib import chdir
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.base.units import parse_quantity
from archsim.chip.graph import build_chip
from archsim.export.hotspot import chip_flp
from archsim.results.evaluate import evaluate
from archsim.results.metrics import METRICS
from archsim.spec.loading import load_arch
from archsim.studies.search.asking import BATCH, SAMPLERS, Asker, importances
from archsim.studies.search.goals import SHORT, Bound, Goal, bounds_of, goals_of
from archsim.studies.search.goals import TRAINED as TRAINED_METRICS
from archsim.studies.search.space import Sought, Space, space_of
from archsim.studies.search.study import STUDY, Inputs
from archsim.studies.search.trial import TrialTask
from archsim.studies.sweep.points import Made, PointSettings
from archsim.workload import load_workload
from tests.helpers import REFERENCE
from tests.studies.test_study import call, files

pytest.importorskip("optuna")

Answer = Callable[[PointSettings], Made]
ROWS, INTERVAL = "tile.rows", "schedule.transfer.interval_examples"
SMALL = ("mode=inference",)
"""The chip as one that only infers has no audits of training: a point takes half as long."""


def of(time: float, area: float = 1.0) -> Made:
    return Made(metrics={"time_per_example_s": time, "area_m2": area})


def searched(asker: Asker, answer: Answer) -> list[tuple[PointSettings, Made]]:
    """Return all points of a search, each with its answer."""
    found: list[tuple[PointSettings, Made]] = []
    while batch := asker.batch():
        assert len(batch) <= BATCH
        for own in batch:
            made = answer(own.settings)
            found.append((own.settings, made))
            asker.tell(own, made)
    return found


def asker_of(
    space: Space, *, goals: tuple[Goal, ...] = (Goal(metric="time_per_example_s"),), bounds: tuple[Bound, ...] = (),
    sampler: str = "tpe", seed: int = 0, budget: int = 40,
) -> Asker:  # fmt: skip
    return Asker(space, goals, bounds, sampler, seed, budget)


GRID = Space((Sought(key="a", values=("1", "2", "4")), Sought(key="b", values=("x", "y", "z", "u")),
              Sought(key="c", low=1, high=4, whole=True)))  # fmt: skip


@settings(max_examples=settings().max_examples // 3)
@given(st.sampled_from(list(SAMPLERS)), st.integers(0, 99), st.integers(0, 99), st.booleans(), st.booleans())
def test_a_budget_of_all_points_finds_what_an_exhaustive_search_finds(
    sampler: str, seed: int, draw: int, most: bool, bounded: bool
) -> None:
    draws = random.Random(draw)
    answers = {
        point: Made(refused="it does not fit") if draws.random() < 0.2 else of(draws.random(), draws.random())
        for point in itertools.product("124", "xyzu", "1234")
    }
    goals = (Goal(metric="time_per_example_s", most=most),)
    bounds = bounds_of(["area <= 0.5 m2"]) if bounded else ()
    asker = asker_of(GRID, goals=goals, bounds=bounds, sampler=sampler, seed=seed, budget=len(answers) + 5)
    found = searched(asker, lambda own: answers[own["a"], own["b"], own["c"]])
    assert sorted(tuple(own.values()) for own, _ in found) == sorted(answers)  # each once


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_what_is_asked_for_follows_from_the_seed_and_what_was_told(sampler: str) -> None:
    goals = goals_of(["time", "area"], [])

    def answer(own: PointSettings) -> Made:
        return of(float(own["x"]) ** 2, 1 / float(own["x"]))

    space = Space((Sought(key="x", low=0.1, high=10.0, log=True), Sought(key="y", values=("p", "q"))))
    first, again, other = (
        searched(asker_of(space, goals=goals, sampler=sampler, seed=seed), answer) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other
    assert len(first) == 40


def distance(own: PointSettings) -> float:
    """How far a point is from the only best one, in a bowl."""
    return (float(own["x"]) - 0.3) ** 2 + (float(own["y"]) - 0.8) ** 2 + (own["z"] != "good")


BOWL = Space((Sought(key="x", low=0.0, high=1.0), Sought(key="y", low=0.0, high=1.0),
              Sought(key="z", values=("bad", "good", "worse", "worst"))))  # fmt: skip


@pytest.mark.parametrize("most", [False, True])
def test_a_sampler_learns_from_what_it_is_told(most: bool) -> None:
    goals, sign = (Goal(metric="time_per_example_s", most=most),), -1 if most else 1

    def reached(sampler: str, seed: int) -> float:
        asker = asker_of(BOWL, goals=goals, sampler=sampler, seed=seed, budget=96)
        return min(distance(own) for own, _ in searched(asker, lambda own: of(sign * distance(own))))

    by_name = {name: median(reached(name, seed) for seed in range(3)) for name in ("tpe", "random")}
    assert by_name["tpe"] < by_name["random"] / 2  # nearer to the best point by a factor


def test_conditions_lead_a_sampler_away_from_what_breaks_them() -> None:
    bounds = bounds_of(["area <= 0.2 m2"])

    def inside(told: bool) -> int:
        asker = asker_of(BOWL, bounds=bounds if told else (), budget=64)
        found = searched(asker, lambda own: of(distance(own), float(own["x"])))
        return sum(made.figure("area_m2") <= 0.2 for _, made in found)

    assert inside(True) > 1.5 * inside(False)


def test_importances_find_the_key_that_matters() -> None:
    space = Space((Sought(key="x", low=0.0, high=1.0), Sought(key="y", low=0.0, high=1.0)))
    found = searched(asker_of(space, sampler="random", budget=96), lambda own: of(float(own["x"])))
    shares = importances(space, (Goal(metric="time_per_example_s"),), found)["time_per_example_s"]
    assert shares["x"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)


# ---- what is asked


@given(st.data())
def test_a_value_is_read_as_what_the_library_means_by_it(data: st.DataObject) -> None:
    low = data.draw(st.integers(1, 1000))
    high = low + data.draw(st.integers(1, 1000))
    for own in space_of([f"a={low}..{high}", f"b={low} ms..{high} ms:log", "c=1,2,4", "d=p,q", "e=5..6:+1"]).keys:
        text = own.drawn(random.Random(data.draw(st.integers(0, 99))))
        assert own.text(own.param(text)) == text
        assert 0 <= own.place(text) <= 1
        if own.unit:
            assert low <= 1000 * parse_quantity(text, "s") <= high


def test_what_cannot_be_searched_is_told_at_once() -> None:
    with pytest.raises(SpecError) as found:
        space_of(["a", "b=", "c=5..1", "d=1,1", "e=1..2,7", "f=1 ms..2 m", "g=0..1:log", "h=1", "h=2", "i.j=1", "i=2"],
                 ["d=5"])  # fmt: skip
    told = str(found.value).splitlines()
    assert [line.split(":")[0] for line in told] == [
        "--search", "--search", "--search c", "--search d", "--search e", "--search f", "--search g", "--search h",
        "--search i",
    ] or len(told) >= 9  # fmt: skip
    assert all(";" in line for line in told)


def test_metrics_are_named_with_units_without_and_for_short() -> None:
    assert [goal.metric for goal in goals_of(["time", "area", "energy_per_example_j"], ["efficiency"])] == [
        "time_per_example_s", "area_m2", "energy_per_example_j", "efficiency_op_per_j",
    ]  # fmt: skip
    assert set(SHORT.values()) <= {*METRICS, *TRAINED_METRICS}
    for wrong in (["tme"], ["time", "time_per_example_s"], []):
        with pytest.raises(SpecError, match=r"metric|twice|nothing"):
            goals_of(wrong, [])
    for text in ("area <= 3 s", "aera <= 3 mm2", "area", "area <= 3 < 4", "area <= __import__('os')", "area <= mm2"):
        with pytest.raises(SpecError, match="--subject-to"):
            bounds_of([text])


@given(st.floats(-10, 10), st.floats(-10, 10), st.sampled_from(["<=", ">=", "<", ">", "==", "!="]))
def test_a_condition_is_broken_where_it_does_not_hold(value: float, limit: float, sign: str) -> None:
    holds = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq,
             "!=": operator.ne}  # fmt: skip
    assert (Bound(text="", metric="tiles", sign=sign, limit=limit).excess(value) <= 0) == holds[sign](value, limit)


def test_all_metrics_of_a_run_can_be_asked_for() -> None:
    result = evaluate(load_arch(REFERENCE), load_workload("mlp_digits"), examples=2)
    assert tuple(result.data["metrics"]) == METRICS


# ---- the study

LINE = {"arch": REFERENCE, "workload": "mlp_digits", "search": (f"{ROWS}=100..600", f"{INTERVAL}=500..8000:log"),
        "minimise": ("time", "area"), "subject_to": ("area <= 16 mm2",), "budget": 20}  # fmt: skip


def inputs(**more: Any) -> Inputs:
    return Inputs(**{**LINE, "jobs": 1, **more})


def formula(self: TrialTask, inside: Any = None) -> Made:
    """What a cheap stand-in for a run says: an area of the rows, a time of the interval, no chip of too many rows."""
    rows, interval = (float(self.settings.get(key, "500")) for key in (ROWS, INTERVAL))
    if rows > 550:
        return Made(refused="too many rows")
    metrics = {**dict.fromkeys(METRICS, 1.0), "time_per_example_s": 1 / interval + rows % 7, "area_m2": rows * 3e-8}
    return Made(metrics=metrics)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrialTask, "compute", formula)
    monkeypatch.setattr(TrialTask, "depends", TrialTask.asked)


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("goals", [{"minimise": ("time",)}, {"minimise": ("time", "area")}, {"maximise": ("time",)}])
def test_the_best_points_meet_all_conditions_and_no_other_is_better(goals: Mapping[str, Any], tmp_path: Path) -> None:
    data, *_ = STUDY.perform(inputs(**{"minimise": (), **goals}, budget=40), tmp_path / "out")
    assert data.complete
    assert len(data.trials) == 40
    assert data.best
    costs = {own.number: [goal.cost(own.figure(goal.metric)) for goal in data.goals]
             for own in data.trials if own.counts}  # fmt: skip
    for own in data.best:
        assert own.figure("area_m2") <= 16e-6
        assert not any(cost != costs[own.number] and all(map(operator.le, cost, costs[own.number]))
                       for cost in costs.values())  # fmt: skip
    broken = [own for own in data.trials if own.metrics is not None and own.figure("area_m2") > 16e-6]
    assert all(own.broken == ("area <= 16 mm2",) for own in broken)
    assert all(own.refused == "too many rows" for own in data.trials if float(own.settings[ROWS]) > 550)


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("after", [1, 9, 17, 19])
def test_a_search_that_was_interrupted_goes_on_to_the_same_bytes(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    STUDY.perform(inputs(), whole)
    computed: list[PointSettings] = []

    def counted(self: TrialTask, inside: Any = None) -> Made:
        computed.append(self.settings)
        if len(computed) > after:
            raise KeyboardInterrupt
        return formula(self)

    with monkeypatch.context() as patched:
        patched.setattr(TrialTask, "compute", counted)
        with pytest.raises(KeyboardInterrupt):
            STUDY.perform(inputs(), part)
    assert "**Interrupted**" in (part / "search.md").read_text("utf-8")
    before = len(computed) - 1

    def more(self: TrialTask, inside: Any = None) -> Made:
        computed.append(self.settings)
        return formula(self)

    monkeypatch.setattr(TrialTask, "compute", more)
    STUDY.perform(inputs(resume=True), part)
    assert files(part) == files(whole)
    assert len(computed) - 1 - before == 21 - before  # nothing is computed twice


@pytest.mark.usefixtures("cheap")
def test_a_search_from_a_store_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, first, second = tmp_path / "points.sqlite", tmp_path / "first", tmp_path / "second"
    STUDY.perform(inputs(store=store), first)

    def never(self: TrialTask, inside: Any = None) -> Made:
        raise AssertionError("it is in the store")

    monkeypatch.setattr(TrialTask, "compute", never)
    STUDY.perform(inputs(store=store), second)
    assert files(first) == files(second)


def test_a_search_by_two_processes_gives_the_same_bytes_and_its_best_spec_runs(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    data, *_ = STUDY.perform(inputs(), one)
    STUDY.perform(inputs(jobs=2), two)
    assert files(one) == files(two)
    best = data.best[0]
    words = data.specs[str(best.number)].split()
    assert words[:2] == ["archsim", "run"]
    spec = load_arch(one / words[2])
    assert spec.value.tile.rows == int(best.settings[ROWS])
    assert spec.figures[ROWS].note.startswith("found by archsim optimise")
    again = evaluate(spec, load_workload(words[3]))
    assert again.data["metrics"]["time_per_example_s"] == best.figure("time_per_example_s")
    assert again.data["metrics"]["area_m2"] == best.figure("area_m2")


@pytest.mark.usefixtures("cheap")
def test_a_search_that_is_shared_counts_what_others_told(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.log")
    found = [
        STUDY.perform(inputs(storage=journal, budget=budget), tmp_path / str(budget))[0] for budget in (16, 24)
    ]  # fmt: skip
    first, second = ([own.settings for own in data.trials] for data in found)
    assert len(first) == 16
    assert len(second) == 24
    assert second[:16] == first
    assert "shared with other commands" in (tmp_path / "24" / "search.md").read_text("utf-8")
    assert journal not in (tmp_path / "24" / "search.json").read_text("utf-8")  # it may hold a password


@pytest.mark.parametrize("place", ["nothing://somewhere/db", "postgresql://nobody@localhost:1/db", "no/such/folder/j"])
def test_a_storage_that_cannot_be_used_is_told(place: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--storage"):
        STUDY.perform(inputs(storage=place), tmp_path / "out")


def test_what_is_wrong_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as found:
        STUDY.perform(inputs(search=("tile.rws=1,2",), minimise=("x",), sampler="tpee", budget=0), tmp_path / "out")
    told = str(found.value)
    assert all(part in told for part in ("--minimise: 'x'", "--sampler", "did you mean 'tpe'?", "--budget"))
    with pytest.raises(SpecError, match=r"--search tile\.rws: .*did you mean 'rows'"):
        STUDY.perform(inputs(search=("tile.rws=1,2",)), tmp_path / "out")
    with pytest.raises(SpecError, match=r"--search tile\.rows: '0'"):
        STUDY.perform(inputs(search=("tile.rows=0..100",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


TRAINED = {"search": ("training.learning_rate=1e-3..1e-1:log", f"{INTERVAL}=100..2000:log"), "minimise": (),
           "maximise": ("accuracy",), "subject_to": (), "sets": ("tile.rows=128", "tile.cols=128",
           "dataset.examples=600"), "epochs": 4, "sampler": "random", "budget": 22, "seed": 5}  # fmt: skip


def test_trainings_are_judged_on_what_is_held_back_and_stopped_where_they_are_hopeless(tmp_path: Path) -> None:
    data, _, folder, _ = STUDY.perform(inputs(**TRAINED), tmp_path / "out")
    best = data.best[0]
    assert (data.examples, data.held) == (500, 100)  # a sixth is held back
    for own in data.trials:
        assert not any(name.startswith("accuracy_chip") for name in own.metrics or {})  # the test set is not read
        name, epochs = "accuracy_validation_chip", 4
        values = own.training[name][0] if own.training else ()
        if own.metrics is not None:
            assert own.figure(f"{name}_mean") == values[-1]
            assert len(values) == epochs
        else:
            before = [
                each.training[name][0] for each in data.trials[: (own.number - 1) // BATCH * BATCH] if each.training
            ]
            reached = [float(each[len(values) - 1] or 0) for each in before if len(each) >= len(values)]
            assert float(values[-1] or 0) < median(reached)
            assert len(values) in (1, 2)  # a quarter and half of the epochs
    assert any(own.metrics is None for own in data.trials)
    words = shlex.split(data.specs[str(best.number)])
    with chdir(folder):
        assert call([*words[1:], "--out", str(tmp_path / "again"), "--quiet"]) == 0
    history = json.loads((tmp_path / "again" / "history.json").read_text("utf-8"))
    assert history["final"]["accuracy_chip_mean"] == data.finals[str(best.number)].figure("accuracy_chip_mean")
    assert history["data"]["train"] == 600


@pytest.mark.slow
@pytest.mark.parametrize("goals", [{}, {"minimise": ("time",)}])
def test_a_search_with_trainings_gives_the_same_bytes_by_two_processes_and_when_it_was_interrupted(
    goals: Mapping[str, Any], tmp_path: Path
) -> None:
    one, two, part = (tmp_path / name for name in ("one", "two", "part"))
    asked = {**TRAINED, **goals, "budget": 40}
    STUDY.perform(inputs(**asked), one)
    STUDY.perform(inputs(**asked, jobs=2), two)

    def pressed(done: float, total: int | None = None, words: str = "", /) -> None:
        if done > 20.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        STUDY.perform(inputs(**asked), part, pressed)
    STUDY.perform(inputs(**asked, resume=True, jobs=2), part)
    assert files(one) == files(two) == files(part)


def test_what_decides_on_the_examples_is_not_searched_over_with_trainings(tmp_path: Path) -> None:
    asked = {**TRAINED, "search": ("dataset.examples=100..200",)}
    with pytest.raises(SpecError, match=r"--search dataset\.examples"):
        STUDY.perform(inputs(**asked), tmp_path / "out")
    with pytest.raises(SpecError, match="--data"):
        STUDY.perform(inputs(data=tmp_path), tmp_path / "out")


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(SpecError, match=r"archsim\[search\]"):
        STUDY.perform(inputs(), tmp_path / "out")


def test_where_no_point_meets_the_conditions_that_is_told(tmp_path: Path) -> None:
    data, shown, *_ = STUDY.perform(inputs(subject_to=("area <= 1 um2",), budget=2), tmp_path / "out")
    assert not data.best
    assert not shown.figures()
    assert "No point that was tried" in (tmp_path / "out" / "search.md").read_text("utf-8")
    assert not (tmp_path / "out" / "best").exists()


def test_a_file_that_changes_changes_the_points_that_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("tile.rows=128", "tile.cols=128", "tile.count=16")
    text = chip_flp(build_chip(load_arch(REFERENCE, small).value).plan)
    found = []
    for own in (text, f"{text}white_space\t1e-3\t1e-3\t0.1\t0.1\n", text):
        Path("plan.flp").write_text(own, "utf-8")
        data, *_ = STUDY.perform(inputs(
            sets=(*small, "floorplan={kind: explicit, flp: plan.flp}"), search=("technology.clock=1 GHz,500 MHz",),
            budget=2, subject_to=(), store=Path("points.sqlite"),
        ), tmp_path / "out")  # fmt: skip
        found.append([trial.figure("area_m2") for trial in data.trials])
    assert found[0] == found[2]
    assert all(other > own for own, other in zip(found[0], found[1], strict=True))


def test_what_no_metric_asks_for_is_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of the baseline finds what the baseline beside a chip reaches, and trains no chip; and the reverse."""
    few = {**TRAINED, "budget": 2, "epochs": 2, "sets": ("tile.rows=128", "tile.cols=128", "dataset.examples=300")}
    goals: dict[str, tuple[str, ...]] = {
        "both": ("accuracy", "accuracy_float"), "chip": ("accuracy",), "float": ("accuracy_float",),
    }  # fmt: skip
    found = {}
    for name, metrics in goals.items():
        with monkeypatch.context() as patched:
            if name != "both":
                missing = {"float": "archsim.studies.sweep.grid.Training", "chip": "archsim.functional.train.Baseline"}
                patched.delattr(missing[name])
            found[name] = STUDY.perform(inputs(**{**few, "maximise": metrics, "jobs": 1}), tmp_path / name)[0]
    for name in ("chip", "float"):
        assert found[name].sides == (name,)
        for own, whole in zip(found[name].trials, found["both"].trials, strict=True):
            key = f"accuracy_validation_{name}_mean"
            assert own.settings == whole.settings
            assert own.figure(key) == whole.figure(key)
        other = {"chip": "float", "float": "chip"}[name]
        assert not any(f"_{other}" in key for own in found[name].trials for key in (*(own.metrics or ()),
                                                                                   *(own.training or ())))  # fmt: skip
        assert all(own.has(f"accuracy_{name}_mean") for own in found[name].finals.values())
