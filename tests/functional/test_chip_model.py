"""The chip in numbers: played from a timeline, carried through the events, and trained by plain loops."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from archsim.components.cells.numeric.base import Occupancy, Parameters, TransferCounts
from archsim.components.cells.numeric.capacitor_update import update
from archsim.components.cells.numeric.in_place import update_in_place
from archsim.functional.chip_model import ChipModel, Statistics
from archsim.functional.data_set import Data
from archsim.functional.executor import make_play
from archsim.functional.floating_point import initial_weights
from archsim.functional.hashes import PHASE, ROUNDING, ROW_ROUNDING, key, uniform
from archsim.functional.order import Order
from archsim.functional.periphery import Quantisers
from archsim.functional.setup import examples_of
from archsim.functional.train import chip_model
from archsim.mapping.schedule import Schedule
from archsim.results.carrier import Carrier
from archsim.simulation.run import simulate
from archsim.workload import Dense, Workload
from tests.functional.network_reference import FUNCTIONS, HIDDEN, one_hot, output, trained
from tests.helpers import STATIC, Case, cases, network, schedule_of

# The reference chip's.
QUANTISERS = Quantisers(127, 127, 255, 255, partial_range=4.0, output_range=16.0, pulses=15, step=0.05)
MANY = 30 if os.environ.get("ARCHSIM_THOROUGH") else 5
LAW = settings(
    max_examples=MANY, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


class State(NamedTuple):
    weights: Any


class Numbers(NamedTuple):
    step: Any


@numba.njit(cache=True)
def linear(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    fired = 0
    for i in range(nx.shape[0]):
        if nx[i] > 0:
            phase = int(np.floor(phi[i] * slots))
            for j in range(nd.shape[0]):
                count = (nx[i] * abs(nd[j]) + phase) // slots if nd[j] != 0 else 0
                if count:
                    state.weights[i, j] += numbers.step * np.float32(count if nd[j] > 0 else -count)
                    fired += count
    return fired, 0


class LeakyCells:
    """Linear cells whose weights halve in 20 us and lose a tenth when they are transferred."""

    parameters, columns_per_reference = Parameters(None, None, 0.0, 0.0), 1

    def __init__(self, weights: Any, step: float = QUANTISERS.step) -> None:
        self.weights = np.ascontiguousarray(weights, dtype=np.float32)
        self.state = State(self.weights)
        self.numbers = Numbers(np.float32(step))
        self.held_s: list[float] = []

    def leak(self, row_start: int, row_stop: int, dt_s: Any) -> None:
        self.weights[row_start:row_stop] *= (0.5 ** (np.reshape(dt_s, (-1, 1)) / 20e-6)).astype(np.float32)

    def transfer(self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0) -> Any:
        self.weights[row_start:row_stop] *= np.float32(0.9)
        return TransferCounts((row_stop - row_start) * self.weights.shape[1], 0, 0, 0, 0, 0, 0.0, 0.0)

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> Any:
        self.weights[row_start:row_stop] *= np.float32(1.01)
        if row_start == 0:
            self.held_s.append(dt_s)
        return TransferCounts((row_stop - row_start) * self.weights.shape[1], 0, 0, 0, 0, 0, 0.0, 0.0)

    def out_of_range(self, weights: Any) -> Any:
        return np.abs(weights) >= 100

    def occupancy(self) -> Occupancy:
        return Occupancy(0, 0, 0)

    def conductances(self) -> Any:
        return np.abs(self.weights)

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, Any]:
        return {"W": self.weights[row_start:row_stop]}


def drawn(workload: Workload, seed: int) -> tuple[Any, Any, Any]:
    """Return 30 examples for a workload: features, labels, and target values if it has them."""
    draws = np.random.default_rng(seed)
    x = draws.random((30, workload.layers[0].inputs)).astype(np.float32)
    if workload.dataset.signed:
        x *= draws.choice([-1, 1], x.shape).astype(np.float32)
    y = draws.integers(0, workload.layers[-1].outputs, 30)
    t = draws.random((30, workload.layers[-1].outputs)).astype(np.float32)
    return x, y, t if workload.dataset.target == "values" else None


def model_of(
    schedule: Schedule, seed: int = 0, leakage: bool = True, quantisers: Quantisers = QUANTISERS, rate: float = 0.05,
    by_epoch: bool = False,
) -> ChipModel:  # fmt: skip
    workload = schedule.mapping.workload
    x, y, t = drawn(workload, seed)
    alpha = np.full(len(workload.layers), 10.0, dtype=np.float32)
    start = initial_weights(workload, seed)
    cells: list[Any] = [
        LeakyCells(start[s.layer][s.row_start : s.row_stop, s.col_start : s.col_stop] * alpha[s.layer], quantisers.step)
        for s in schedule.mapping.shards
    ]
    epochs = schedule.examples // 30 + 2
    return ChipModel(
        schedule, cells, linear, alpha=alpha, quantisers=quantisers,
        examples=examples_of(x, y, t, None if by_epoch else Order(30, epochs, seed)[:]),
        order=Order(30, epochs, seed) if by_epoch else None,
        rates=np.full(epochs, rate, dtype=np.float32), per_epoch=30, seed=seed,
        without=() if leakage else ("leakage",),
    )  # fmt: skip


def equal(a: ChipModel, b: ChipModel) -> bool:
    return all(np.array_equal(one.weights, two.weights) for one, two in zip(a.cells, b.cells, strict=True))


@pytest.mark.parametrize("most", [7, 500, 1 << 18])
@pytest.mark.parametrize("batch", [1, 4])
def test_epochs_drawn_as_they_come_train_as_all_drawn_at_once(batch: int, most: int) -> None:
    schedule = schedule_of(network(6, 5, 3, batch=batch), 150, ["schedule.mode=pipelined", "schedule.in_flight=3"])
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    models = [model_of(schedule, by_epoch=by_epoch) for by_epoch in (False, True)]
    for model in models:
        model.play(timeline.chunks(most))
    assert equal(*models)
    assert models[0].epoch == models[1].epoch == 5
    assert (models[0].buffers.stats == models[1].buffers.stats).all()
    held = models[1].setup.examples.order
    assert len(held) < 150 or most > 500


def played(schedule: Schedule, full: bool = False) -> ChipModel:
    model = model_of(schedule)
    timeline = simulate(schedule, full=full, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks(500))
    return model


@LAW
@given(cases(intervals=(2, 5), most_interval=30, shards=(1, 4), functions=True))
def test_values_carried_through_the_events_give_the_weights_of_the_timeline_bit_for_bit(case: Case) -> None:
    # Reads happen when ops start and writes when they end; the timeline has them in order of their starts.
    schedule = case.schedule()
    carried = model_of(schedule)
    carrier = Carrier(carried, most=50)
    simulate(schedule, hearer=carrier)
    carrier.finish()
    alone = played(schedule)
    assert equal(carried, alone)
    assert carried.maintained == alone.maintained
    assert carried.statistics() == alone.statistics()


@LAW
@given(cases(intervals=(2, 5), most_interval=30, shards=(1, 4), functions=True))
def test_a_fast_forwarded_timeline_trains_as_the_full_one(case: Case) -> None:
    assert equal(played(case.schedule()), played(case.schedule(), full=True))


# f'(z) from what the chip keeps of a unit, its value a: of a bit or of all of it.
KEPT: dict[str, Callable[[Any, Dense], Any]] = {
    "relu": lambda a, layer: a > 0,
    "clipped_relu": lambda a, layer: (a > 0) & (a < layer.bound),
    "leaky_relu": lambda a, layer: np.where(a > 0, 1, layer.slope),
    "tanh": lambda a, layer: 1 - a**2,
    "hard_sigmoid": lambda a, layer: ((a > 0) & (a < 1)) / 6,
    "sigmoid": lambda a, layer: a * (1 - a),
    "linear": lambda a, layer: np.ones_like(a),
}


def reference(model: ChipModel, examples: int) -> list[Any]:
    """Train by plain loops over the layers, one example after another: the slower reference of sequential runs."""
    (x, y, t, order, *_), seed = model.setup.examples, model.seed
    workload = model.schedule.mapping.workload
    layers = workload.dense_layers()
    weights = [matrix * np.float32(10) for matrix in model.matrices()]
    f = np.float32
    # Origin: a driver spans its vector's largest value, a converter that of its outputs: 1, the bound, or the chip's.
    ends = [{"clipped_relu": own.bound}.get(own.activation, 1.0 if own.function.full else 2.0) for own in layers]
    spans = [1.0, *ends[:-1]]

    def level(value: Any, full: float, levels: int) -> Any:
        grid = f(full) / f(levels)
        return f(np.rint(min(max(f(value), -f(full)), f(full)) / grid)) * grid

    last = len(layers) - 1
    for n in range(examples):
        a = x[order[n]]
        acts, z = [], a
        for index, (w, layer) in enumerate(zip(weights, layers, strict=True)):
            acts.append(a)
            z = np.zeros(w.shape[1], dtype=f)
            for i in range(w.shape[0]):
                z = z + level(a[i], spans[index], 127) * w[i]
            z = z / f(10)
            if index == last:
                z = np.array([level(v, QUANTISERS.output_range, 127) for v in z])
            else:
                codes = 127 if layer.function.signed else 255
                a = np.array([level(FUNCTIONS[layer.activation](v, layer), ends[index], codes) for v in z])
        classes = workload.dataset.target == "class"
        target = one_hot(y[order[n]], len(z), layers[-1].activation) if classes else t[order[n]]
        d = (target - output(layers[-1].activation, z)).astype(f)
        deltas = [d]
        for index in range(last, 0, -1):
            w, top = weights[index], f(np.abs(d).max())
            if top > 0:
                d = np.array([level(float(v), float(top), 127) for v in d])
            span = QUANTISERS.partial_range
            e = np.array([level(v / (f(10) * top), span, 127) * top if top > 0 else f(0) for v in w @ d])
            below = layers[index - 1]
            d = (e * KEPT[below.activation](acts[index], below)).astype(f)
            deltas.insert(0, d)
        for index, w in enumerate(weights):
            unit = f(0.05) * f(spans[index]) * f(10) / f(QUANTISERS.step)
            phases, rounding, own = (np.uint64(key(seed, what, index, n)) for what in (PHASE, ROUNDING, ROW_ROUNDING))
            for i in range(w.shape[0]):
                share = f(acts[index][i]) / f(spans[index])
                nx = min(15, int(np.floor(min(abs(share), f(1)) * f(15) + f(uniform(own, i))))) if share else 0
                for j in range(w.shape[1]):
                    nd = min(15, int(np.floor(unit * abs(deltas[index][j]) + uniform(rounding, j))))
                    count = (nx * nd + int(np.floor(uniform(phases, i) * 15))) // 15 if nx else 0
                    if nd and count:
                        w[i, j] += f(QUANTISERS.step) * f(count * np.sign(deltas[index][j]) * np.sign(share))
    return weights


LOST = ["schedule.transfer.interval_examples=1000000"]
NETWORKS = [
    ([6, 4], {}), ([7, 5, 3], {}), ([9, 8, 6, 5, 4], {"hidden": "clipped_relu"}), ([6, 4], {"signed": True}),
    *(([7, 5, 3], {"hidden": hidden, "output": output, "target": target, "signed": True, "slope": 0.2})
      for hidden, (output, target) in zip(HIDDEN, itertools.cycle([("linear", "values"), ("sigmoid", "class"),
                                                                   ("sigmoid", "values"), ("softmax", "class")]),
                                          strict=False)),
]  # fmt: skip


@pytest.mark.parametrize(("sizes", "functions"), NETWORKS)
def test_a_sequential_run_is_plain_stochastic_gradient_descent(sizes: list[int], functions: dict[str, Any]) -> None:
    schedule = schedule_of(network(*sizes, bias=False, **functions), 40, LOST)
    model = model_of(schedule, leakage=False)
    expected = reference(model, 40)
    before = [matrix.copy() for matrix in model.matrices()]
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks())
    for found, wanted, start in zip(model.matrices(), expected, before, strict=True):
        np.testing.assert_allclose(found * 10, wanted, atol=1e-4)  # a pulse is 0.05
        assert np.abs(found - start).max() > 0.01


IDEAL = Quantisers(0, 0, 0, 0, partial_range=1e4, output_range=1e4, pulses=1 << 23, step=2e-6, activation_range=8.0)


@pytest.mark.parametrize(("output", "target"), [("softmax", "class"), ("sigmoid", "values"), ("linear", "values")])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_an_ideal_chip_does_the_baselines_update(hidden: str, output: str, target: str) -> None:
    # Origin: the reference in double precision. A weight of one is 10 uS and a pulse 2e-6 uS, so that three pulses more
    # or less (column, row, coincidence) are 6e-7; what remains is single precision.
    workload = network(7, 5, 3, hidden=hidden, output=output, target=target, signed=True, slope=0.2)
    schedule = schedule_of(workload, 10, LOST)
    model = model_of(schedule, leakage=False, quantisers=IDEAL)
    x, y, t = drawn(workload, 0)
    targets = t if t is not None else [one_hot(label, 3, output) for label in y]
    start = initial_weights(workload, 0)
    order = Order(30, 1, 0)[:10]
    expected = trained(start, workload.dense_layers(), x, targets, order, float(np.float32(0.05)), 1)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks())
    for found, wanted, begun in zip(model.matrices(), expected, start, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5)
        assert np.abs(wanted - begun).max() > 5e-3


def test_each_epoch_is_told_once_with_what_it_did() -> None:
    schedule = schedule_of(network(6, 4), 100, ["schedule.mode=pipelined", "schedule.in_flight=3"])
    model = model_of(schedule)
    told: list[tuple[int, Statistics]] = []
    note: Callable[[int, Statistics], None] = lambda epoch, statistics: told.append((epoch, statistics))  # noqa: E731
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks(64), note)
    assert [epoch for epoch, _ in told] == [0, 1, 2]
    assert all(statistics.pulses > 0 and statistics.loss > 0 for _, statistics in told)


def test_weights_leak_as_long_as_the_events_last() -> None:
    # Origin: the cells' own law, 0.5^(t / 20 us), with t the end of the update before the last tick of 64 examples.
    schedule = schedule_of(network(6, 4), 64, ["schedule.transfer.interval_examples=1000000"])
    leaky, tight = model_of(schedule), model_of(schedule, leakage=False)
    trace = simulate(schedule, timeline=True)
    assert trace.timeline is not None
    for model in (leaky, tight):
        model.play(trace.timeline.chunks())
    share = 0.5 ** (trace.cycles * 1e-9 / 20e-6)
    for one, two in zip(leaky.cells, tight.cells, strict=True):
        np.testing.assert_allclose(one.weights, two.weights * share, rtol=1e-5)


def test_a_rewrite_knows_for_how_long_the_capacitors_have_held() -> None:
    # Origin: the timeline itself. A row is read when its rewrite begins and is written when its own turn has ended.
    period = ("schedule.refresh.policy=rewrite", "schedule.refresh.period=200 us")
    schedule = schedule_of(network(6, 4), 5000, [*period, "schedule.transfer.interval_examples=1000000"])
    trace = simulate(schedule, timeline=True)
    assert trace.timeline is not None
    chunks = list(trace.timeline.chunks())
    model = model_of(schedule)
    model.play(chunks)
    op, start = (np.concatenate([chunk[i] for chunk in chunks]) for i in (0, 2))
    for rewrite in (op for op in schedule.ops if op.kind == "refresh"):
        assert rewrite.maintenance is not None
        begins = start[op == rewrite.index]
        held = np.diff(begins, prepend=0) - rewrite.maintenance.group_cycles
        held[0] = begins[0]
        assert len(begins) > 3
        cells: Any = model.cells[rewrite.maintenance.shard]
        np.testing.assert_allclose(cells.held_s, held * 1e-9, rtol=1e-12)
        assert min(cells.held_s) > 190e-6


def compilations(*sets: str) -> tuple[int, int]:
    """Train archsim's own cells a little; return how often their loop came from the disk and how often it did not."""
    schedule = schedule_of(network(6, 5, 3), 20, ("tile.rows=8", "tile.cols=8", *sets))
    x, y = np.ones((1000, 6), dtype=np.float32), np.zeros(1000, dtype=np.int64)
    model = chip_model(schedule, Data(x, y, x, y, 3, "ones", "drawn"), 0, Order(1000, 1, 0))
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks())
    loop: Any = model._play
    return sum(loop.stats.cache_hits.values()), sum(loop.stats.cache_misses.values())


@pytest.mark.slow
@pytest.mark.parametrize("sets", [(), (STATIC,)])
def test_another_process_finds_the_compiled_loop_of_our_cells_on_the_disk(sets: tuple[str, ...]) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path}; from tests.functional.test_chip_model import *; "
        f"print(compilations(*{sets}))"
    )
    found = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
        for _ in range(2)
    ]
    assert found[0] in ("(0, 1)", "(1, 0)")
    assert found[1] == "(1, 0)"


def test_compiled_loops_are_told_apart_by_update_and_by_what_all_files_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept_as(function: Callable[..., Any]) -> str:
        return str(make_play.__wrapped__(function, 2, 1).py_func.__qualname__)  # type: ignore[attr-defined]

    names = {kept_as(update), kept_as(update_in_place)}
    assert len(names) == 2
    assert kept_as(update) in names
    honest = Path.read_bytes
    both, none = {update, update_in_place}, set[Any]()
    changes = {
        "capacitor_kernels.py": {update}, "in_place.py": {update_in_place}, "hashes.py": both,
        "pcm_kernels.py": none,
    }  # fmt: skip
    for changed, told in changes.items():
        monkeypatch.setattr(Path, "read_bytes", lambda path, of=changed: honest(path) + b"#" * (path.name == of))
        assert {each for each in both if kept_as(each) not in names} == told, changed


def test_a_loop_is_kept_on_disk_if_its_update_is() -> None:
    kept: Any = make_play(linear, 2, 1)
    assert kept.stats.cache_path
    assert "tests.functional.test_chip_model.linear" in kept.py_func.__qualname__
    for other in (numba.njit(linear.py_func), numba.njit(lambda *_: (0, 0))):
        own: Any = make_play(other, 2, 1)
        assert not own.stats.cache_path
