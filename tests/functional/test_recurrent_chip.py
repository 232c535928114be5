"""Recurrent networks on the chip: without imperfections they are the baseline, and two readings of events agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archsim.functional.ablations import ABLATIONS
from archsim.functional.answers import Each
from archsim.functional.baseline import sequences_of
from archsim.functional.data_set import Data
from archsim.functional.hashes import ROUNDING, key
from archsim.functional.numbers import chain_of
from archsim.functional.pulses import EXACT
from archsim.functional.sequences import Frames
from archsim.functional.through_time import evaluate_through, train_through
from archsim.functional.train import chip_model, order_of
from archsim.mapping.schedule import Schedule
from archsim.results.carrier import Carrier
from archsim.results.crosscheck import crosscheck
from archsim.simulation.run import simulate
from archsim.workload import Workload
from tests.functional.interpreted import interpreted_play
from tests.functional.test_through_time import NETS as OTHERS
from tests.helpers import PACKET, STATIC, schedule_of
from tests.mapping.test_recurrent import dense, gru, lstm, rnn, work

SMALL = ["tile.rows=9", "tile.cols=16", "tile.count=60", "tile.memory.words=8192", "numerics.state_range=100",
         "numerics.partial_range=100", "numerics.output_range=100", "numerics.gate_range=100",
         "numerics.activation_range=100", "numerics.weight_scale=10 uS", "numerics.output_weight_scale=10 uS",
         "schedule.transfer.interval_vectors=24"]  # fmt: skip
END = {"activation": "softmax"}
# All on three crossbars of nine rows, for which one loop is compiled: a GRU has two.
NETS = {
    "lstm": [lstm(3, 4), lstm(4, 3), dense(3, 3, **END)],
    "gru": [gru(3, 4), dense(4, 3, at="last_step", **END)],
    "rnn": [dense(3, 4, activation="tanh", name="into"), rnn(4, 3), dense(3, 3, at="last_step", **END)],
}


def data_for(workload: Workload, examples: int = 20, full: bool = False, seed: int = 0) -> Data:
    draws = np.random.default_rng(seed)
    steps, answers = workload.steps, len(workload.layers[-1].vectors(workload))
    x = draws.random((examples * steps, workload.layers[0].inputs)).astype(np.float32)
    begin = np.zeros(examples, dtype=np.int64) if full else draws.integers(0, steps, examples)
    rows = np.arange(examples * steps, dtype=np.int32).reshape(examples, steps)
    y = draws.integers(0, workload.layers[-1].outputs, (examples, answers) if answers > 1 else examples)
    frames = Frames(rows, begin)
    return Data(x, y, x, y, 3, "drawn", "drawn", train_frames=frames, test_frames=frames)


def of(layers: list[dict[str, Any]], steps: int = 4, batch: int = 1, stateful: bool = False) -> Workload:
    own = work(layers, steps, batch=batch)
    return own.model_copy(update={"stateful": stateful, "dataset": own.dataset.model_copy(update={"examples": 20})})


def play(model: Any, schedule: Schedule) -> None:
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks())


@pytest.mark.parametrize("stateful", [False, True], ids=["apart", "stateful"])
@pytest.mark.parametrize("cols", [16, 4], ids=["whole", "cut"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_chip_without_imperfections_is_the_baseline(name: str, cols: int, stateful: bool) -> None:
    """Its updates of steps are exact, and so are its reads: what is left is rounding in single precision."""
    workload = of(OTHERS[name], stateful=stateful)
    data, count = data_for(workload, full=stateful), 4
    sets = [*SMALL, f"tile.cols={cols}", f"tile.rows={cols // 2 + 1}", STATIC]
    schedule = schedule_of(workload, count, sets, PACKET)
    order = order_of(workload, count, 0)
    model = chip_model(schedule, data, 0, order, ABLATIONS)
    parts = {"fire": model.cells[0].exact_kernel, "rows_fire": EXACT.rows, "columns_fire": EXACT.columns}
    model._play = interpreted_play(parts, plain=False)
    start = [w.copy() for w in model.matrices()]
    with np.errstate(all="ignore"):
        play(model, schedule)
        score, entropy = model.read(data.training)
    now = tuple(w.copy() for w in start)
    train_through(now, chain_of(workload), sequences_of(data.training), order[:count], 0.05, 1)
    for before, own, other in zip(start, model.matrices(), now, strict=True):
        assert np.abs(other - before).max() > 1e-4
        np.testing.assert_allclose(own - before, other - before, rtol=0.01, atol=1e-5)
    loss, right = evaluate_through(now, chain_of(workload), sequences_of(data.training), Each.of(20))
    assert score == pytest.approx(right / data.training.answers, abs=1.5 / data.training.answers)
    if data.train_y.ndim == 2:
        assert entropy == pytest.approx(loss / data.training.answers, rel=1e-3)


def test_examples_that_take_turns_after_a_transfer_learn_each_of_their_vectors_once() -> None:
    """Each is drawn for by a key of its own, which says what was learnt; and no end of an epoch is missed."""
    schedule = schedule_for("gru", [*FLYING, "schedule.transfer.policy=interleaved"])
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    op, n, _ = (np.concatenate(column) for column in zip(*timeline.chunks(), strict=True))
    assert any((np.diff(n[op == own]) < 0).any() for own in schedule.updates)
    workload = schedule.mapping.workload
    model = chip_model(schedule, data_for(workload), 0, order_of(workload, 24, 0), ABLATIONS)
    learnt, ended = list[int](), list[int]()

    def columns(deltas: Any, unit: Any, pulses: Any, base: Any, at: Any, nd: Any) -> Any:
        learnt.append(int(base))
        return EXACT.columns(deltas, unit, pulses, base, at, nd)

    parts = {"fire": model.cells[0].exact_kernel, "rows_fire": EXACT.rows, "columns_fire": columns}
    model._play = interpreted_play(parts, plain=False)
    with np.errstate(all="ignore"):
        model.play(timeline.chunks(), lambda epoch, _: ended.append(epoch))
    layers = workload.layers
    due = [int(key(model.seed, ROUNDING, shard.layer, example * workload.steps + step))
           for shard in schedule.mapping.shards for example in range(24)
           for step in layers[shard.layer].vectors(workload)]  # fmt: skip
    assert sorted(learnt) == sorted(due)
    assert ended == [0]  # of 20 examples; the other four begin the next


def schedule_for(name: str, sets: list[str], stateful: bool = False) -> Schedule:
    return schedule_of(of(NETS[name], stateful=stateful), 24, [*SMALL, *sets], PACKET)


FLYING = ["schedule.mode=pipelined", "schedule.in_flight=3"]


@pytest.mark.parametrize("sets", [[], [*FLYING, "schedule.transfer.policy=interleaved"]], ids=["one", "three"])
@pytest.mark.parametrize(("name", "stateful"), [("lstm", False), ("lstm", True), ("gru", False), ("rnn", False)])
def test_values_carried_through_events_are_those_of_the_timeline(name: str, sets: list[str], stateful: bool) -> None:
    """To the bit, as all that was counted."""
    schedule = schedule_for(name, sets, stateful)
    assert len(schedule.mapping.shards) == 3
    workload = schedule.mapping.workload
    data, order = data_for(workload, full=stateful), order_of(workload, 24, 0)
    carried, alone = (chip_model(schedule, data, 0, order) for _ in range(2))
    carrier = Carrier(carried, most=50)
    simulate(schedule, hearer=carrier)
    carrier.finish()
    play(alone, schedule)
    for one, other in zip(carried.cells, alone.cells, strict=True):
        for a, b in zip(one.state, other.state, strict=True):
            np.testing.assert_array_equal(a, b)
    for each, array in alone.measures._asdict().items():
        np.testing.assert_array_equal(getattr(carried.measures, each), array, each)
    assert alone.measures.work.sum(axis=1).all()


@pytest.mark.parametrize("sets", [[], [*FLYING, "schedule.transfer.policy=staggered"]], ids=["one", "three"])
@pytest.mark.parametrize("name", NETS)
def test_all_points_of_the_cross_check_hold(name: str, sets: list[str]) -> None:
    schedule = schedule_for(name, sets)
    found = crosscheck(schedule, data_for(schedule.mapping.workload), tolerance=1.0)
    assert [(row["name"], row["expected"], row["found"]) for row in found.rows if not row["passed"]] == []
