"""What met an end of a range is told by layer and epoch, for every kind of cell, and is what plain numpy counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.components.cells.capacitor import CapacitorPair
from archsim.components.cells.in_place import InPlaceCell
from archsim.components.cells.numeric.base import scratch_of
from archsim.components.cells.numeric.conformance import SWITCHES, cells_of
from archsim.functional.hashes import key
from archsim.functional.periphery import to_levels
from archsim.functional.pulses import column_pulses, column_shares, row_pulses, row_shares, shifted
from archsim.functional.ranges import OF_TRANSFERS, REMEDIES, Saturation, saturation_warnings
from archsim.functional.remarks import floor_warnings, rates_warnings, side_warnings
from archsim.functional.setup import COLUMNS_CLIPPED, COLUMNS_FIRED, FIRED, LIMITED
from archsim.studies.train.history import History
from archsim.studies.train.tables import most_saturated
from archsim.workload import load_workload
from tests.components.test_cell_conformance import KINDS, device_of
from tests.helpers import network, schedule_of
from tests.studies.test_train_document import HISTORY

SIX = ("targets_clipped", "weights_clipped", "residuals_left", "capacitors_dead", "capacitors_railed", "pulses_clipped")
every_kind = pytest.mark.parametrize("kind", KINDS)


def stopped(device: Any, cells: Any, wanted: Any, row: int, col: int) -> bool:
    """Return whether the second burst of a cell was stopped short, pulse by pulse in double precision."""
    state, start, bend = cells.state, device.capacitor_start_v, device.step_bend / device.capacitor_start_v
    v = start
    shared = state.shared_k[row, col // 8] * max(start - state.shared_threshold[row, col // 8], 0)
    polarity = state.polarity[row] if hasattr(device, "gain") else 1
    difference = polarity * (wanted[row, col] - state.pcm[row, col])
    short = False
    for slots in (device.residual_pulses, device.trim_pulses):
        gap = difference - (state.k[row, col] * max(v - state.threshold[row, col], 0) - shared)
        count, short = int(abs(gap) / cells.step + 0.5), False
        if count > slots:
            count, short = slots, True
        for _ in range(count):
            lean = bend * (v - start)
            v += float(state.up[row, col]) * (1 - lean) if gap > 0 else -float(state.down[row, col]) * (1 + lean)
            if not device.capacitor_least_v <= v <= device.capacitor_most_v:
                v, short = min(max(v, device.capacitor_least_v), device.capacitor_most_v), True
    assert abs(v - float(state.voltage[row, col])) < 1e-3
    return short


def slow_count(kind: str, wanted: Any, cells: Any) -> dict[str, float]:
    """Count again, cell by cell, in plain Python, from what the cells hold after weights were written to them."""
    device, state, n = device_of(kind), cells.state, cells.weights.size
    beyond = left = dead = railed = targets = 0
    for row in range(cells.weights.shape[0]):
        for col in range(cells.weights.shape[1]):
            limit = state.bound[row, col] if isinstance(device, InPlaceCell) else np.float32(cells.reach)
            beyond += bool(abs(wanted[row, col]) >= limit or abs(cells.weights[row, col]) >= limit)
            off = abs(wanted[row, col] - cells.weights[row, col]) > cells.step
            if kind == "pcm_3t1c":  # what the devices must hold so that the capacitor, reset, can do the rest
                settled = [k * max(device.capacitor_start_v - v, 0) for k, v in (
                    (state.k[row, col], state.threshold[row, col]),
                    (state.shared_k[row, col // 8], state.shared_threshold[row, col // 8]))]  # fmt: skip
                target = wanted[row, col] - state.polarity[row] * (2.0 + settled[0] - settled[1])
                targets += bool(abs(target) / device.gain > device.reachable_siemens * 1e6)
            elif kind == "pcm_pair":
                cut = bool(abs(wanted[row, col]) / device.gain > device.reachable_siemens * 1e6)
                targets, left = targets + cut, left + bool(cut and off)
            elif isinstance(device, InPlaceCell):
                targets, left = targets + bool(abs(wanted[row, col]) > limit), left + bool(off)
            if isinstance(device, CapacitorPair):
                left += bool(off and stopped(device, cells, wanted, row, col))
                v, start = float(state.voltage[row, col]), device.capacitor_start_v
                bend = device.step_bend / start * (v - start)
                dead += bool(v <= state.threshold[row, col])
                railed += bool(
                    v + state.up[row, col] * (1 - bend) > device.capacitor_most_v
                    or v - state.down[row, col] * (1 + bend) < device.capacitor_least_v
                )
    return {
        "targets_clipped": targets / n, "weights_clipped": beyond / n, "residuals_left": left / n,
        "capacitors_dead": dead / n, "capacitors_railed": railed / n,
    }  # fmt: skip


@every_kind
def test_shares_are_those_of_a_slow_count_for_every_kind_of_cell(kind: str) -> None:
    cells = cells_of(device_of(kind), 7, 9, seed=4)
    schedule = schedule_of(network(6, 9), 10, ["tile.rows=16", "tile.cols=16"])
    wanted = np.random.default_rng(3).normal(0, cells.reach, (7, 9)).astype(np.float32)
    saturation = Saturation(schedule, [cells])
    saturation.begin(0, wanted, cells.program(wanted, 5))
    pulsed = np.zeros((4, 1))
    pulsed[[FIRED, LIMITED, COLUMNS_FIRED, COLUMNS_CLIPPED], 0] = 40, 10, 8, 2
    expected, told = slow_count(kind, wanted, cells), saturation.tell(pulsed)["fc1"]
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    assert (told["pulses_clipped"], told["pulses_limited"]) == (0.25, 0.25)
    assert told["weights_clipped"] > 0.2
    assert told["programmed"] == (kind != "cap_3t1c")  # all of them at first, but for a capacitor alone
    again = saturation.tell(np.zeros((4, 1)))["fc1"]  # told is told; the cells are as they are
    assert again["targets_clipped"] == again["residuals_left"] == again["pulses_clipped"] == 0
    assert again["capacitors_dead"] == told["capacitors_dead"]


@every_kind
@given(st.integers(0, 99), st.floats(0.01, 10))
def test_all_shares_lie_between_nothing_and_all(kind: str, seed: int, size: float) -> None:
    cells = cells_of(device_of(kind), 7, 9, seed=seed)
    saturation = Saturation(schedule_of(network(6, 9), 10, ["tile.rows=16", "tile.cols=16"]), [cells])
    wanted = np.random.default_rng(seed).normal(0, size * cells.reach, (7, 9)).astype(np.float32)
    saturation.begin(0, wanted, cells.program(wanted, seed))
    fired = cells.update(np.full(7, 15), np.full(9, 15), np.zeros(7, np.float32))
    cells.leak(0, 7, 1e-3)
    for act in (lambda: cells.transfer(0, 7, 1, 1, True), lambda: cells.rewrite(0, 7, 1e-4, 1, 1)):
        saturation.sample(0)
        saturation.write(0, act())
    told = saturation.tell(np.array([[fired.pulses], [fired.clipped], [9], [0]], dtype=float))["fc1"]
    assert set(SIX) <= set(told) == {*REMEDIES, OF_TRANSFERS}
    assert all(0 <= share <= 1 for share in told.values()), told


def test_one_line_says_what_is_cut_most_and_what_to_change() -> None:
    few = dict.fromkeys(REMEDIES, 0.005)
    runs = [[{"a": few, "b": few}, {"a": {**few, "weights_clipped": 0.48}, "b": {**few, "weights_clipped": 0.2}}]]
    (line,) = saturation_warnings(runs)
    assert line.startswith("a, epoch 2: 48.0 % of the weights")
    assert "numerics.weight_scale" in line
    assert saturation_warnings([[{"a": few}]]) == []
    table = most_saturated(History.model_validate({**HISTORY, "saturation": runs}))
    place = 1 + list(REMEDIES).index("weights_clipped")
    assert [(row[0], row[place]) for row in table.rows] == [("a", 0.48), ("b", 0.2)]
    assert set(table.marked) == {(0, place), (1, place)}
    assert {row[i] for row in table.rows for i in range(1, len(row)) if i != place} == {few["targets_clipped"]}


# ---- pulse trains


@pytest.mark.parametrize("share", [0.5, 1 / 30, 0.02, 0.3333, 0.99, 1.0])
def test_the_mean_update_of_a_row_is_exact(share: float) -> None:
    # Origin: 15 slots x share. Before, 1.0 of a full scale of 2 fired 8 of 15, 6.7 % too many, and 0.02 none at all.
    x, counts, slots, rows = np.full(400, 2 * share, np.float32), np.zeros(400, np.int64), 15, 400
    total, squares = 0.0, 0.0
    for example in range(200):
        row_pulses(x, 2.0, slots, np.uint64(key(1, 5, 0, example)), 0, counts)
        assert set(counts) <= {int(slots * share), int(slots * share) + 1, slots}
        assert counts.max() <= slots
        total, squares = total + counts.sum(), squares + float((counts**2).sum())
    mean = total / (200 * rows)
    error = np.sqrt(max(squares / (200 * rows) - mean**2, 0) / (200 * rows))
    assert mean == pytest.approx(slots * share, abs=max(5 * error, 1e-6))
    if share >= 0.3:
        assert mean == pytest.approx(slots * share, rel=0.005)


def test_the_mean_change_of_a_weight_under_bias_is_within_half_a_percent_of_exact() -> None:
    # Origin: rate x x d alpha, in steps. All the rounding of an update takes part: rows, columns and train phases.
    cells = cells_of(device_of("static_cell", step="1 nS"), 50, 40, SWITCHES[-1])
    x, d = np.full(50, 1.0, np.float32), np.linspace(-6.3, 6.3, 40, dtype=np.float32)
    nx, nd, phi = np.zeros(50, np.int64), np.zeros(40, np.int64), np.zeros(50, np.float32)
    times = 1500
    for example in range(times):
        row_pulses(x, 2.0, 15, np.uint64(key(0, 5, 0, example)), 0, nx)
        column_pulses(d, np.float32(1), 15, np.uint64(key(0, 2, 0, example)), 0, nd)
        phi[:] = np.random.default_rng(example).random(50, np.float32)
        cells.update(nx, nd, phi)
    found = cells.weights.mean(axis=0) / cells.step / times
    # A column's rounding has a deviation of at most 0.5 x 0.5 an example, 0.0065 in 1,500; it is the rows' in common.
    np.testing.assert_allclose(found, d / 2, atol=5 * 0.0065)
    for side in (d > 0, d < 0):
        assert found[side].sum() == pytest.approx(d[side].sum() / 2, rel=0.005)


@given(st.floats(2.0**-20, 2.0**6), st.integers(1, 60), st.integers(0, 12))
def test_columns_are_shifted_by_as_many_bits_as_the_slots_allow(largest: float, slots: int, most: int) -> None:
    # Origin: the definition. k is the largest, up to `most`, with 2^k of what the largest d is worth within the slots.
    d = np.array([0.25, -1.0, 0.5], np.float32) * np.float32(largest)
    factor = float(shifted(d, np.float32(1), slots, most))
    fitting = [k for k in range(most + 1) if 2.0**k * float(np.abs(d).max()) <= slots]
    assert factor == 2.0 ** max(fitting, default=0)
    assert shifted(0 * d, np.float32(1), slots, most) == 1


def test_with_update_management_what_a_columns_rounding_does_to_all_rows_alike_is_gone() -> None:
    # Origin: variances in closed form. A column that is worth 1/16 of a pulse fires one in a sixteenth of the updates,
    # and then all of its 50 rows, x = 1, get a pulse. With 7 bits it fires 8 pulses each time, and each row one in
    # 15/128 of the updates, by itself; the two meet with a chance of 8/15. The sum over rows is then binomial.
    device, rows, times = device_of("static_cell", step="1 nS"), 50, 4000
    x, d = np.ones(rows, np.float32), np.full(1, 1 / 16, np.float32)
    sums = {}
    for most in (0, 7):
        cells = cells_of(device, rows, 1, SWITCHES[-1])
        nx, nd, phi, found = np.zeros(rows, np.int64), np.zeros(1, np.int64), np.zeros(rows, np.float32), []
        factor = shifted(d, np.float32(1), 15, most)
        assert factor == 2.0**most
        for example in range(times):
            row_pulses(x, factor, 15, np.uint64(key(0, 5, 0, example)), 0, nx)
            column_pulses(d, factor, 15, np.uint64(key(0, 2, 0, example)), 0, nd)
            phi[:] = np.random.default_rng(example).random(rows, np.float32)
            found.append(float(cells.update(nx, nd, phi)[0]))
        sums[most] = np.array(found)
    chance = 15 / 128 * 8 / 15  # which is 1 / 16, too
    for own in sums.values():
        assert own.mean() == pytest.approx(rows / 16, abs=5 * own.std() / np.sqrt(times))
    assert sums[0].var() == pytest.approx(rows**2 * (1 / 16) * (15 / 16), rel=0.15)
    assert sums[7].var() == pytest.approx(rows * chance * (1 - chance), rel=0.15)


# ---- exact updates


@every_kind
def test_an_exact_update_of_whole_pulses_is_that_of_pulses_and_halves_are_half(kind: str) -> None:
    # Origin: the kernels of pulses, which are plain numpy to the bit; one pulse each, none noisier than others.
    for sign in (1, -1):
        pulsed, exact, half = (cells_of(device_of(kind), 6, 9, SWITCHES[1]) for _ in range(3))
        quiet = getattr(pulsed.numbers, "noise", None) is not None
        start = np.random.default_rng(1).uniform(-1, 1, (6, 9)).astype(np.float32) * 20 * pulsed.step
        for cells in (pulsed, exact, half):
            if quiet:
                cells.numbers = cells.numbers._replace(noise=np.float32(0))
            cells.program(start, 3)
        before = pulsed.weights.copy()
        pulsed.update(np.full(6, 15), np.full(9, sign), np.zeros(6, np.float32))
        phases = np.zeros(6, np.float32)
        for cells, share in ((exact, 1.0), (half, 0.5)):
            nx, nd = np.full(6, share, np.float32), np.full(9, sign, np.float32)
            fired, limited = cells.exact_kernel(cells.state, cells.numbers, nx, nd, phases, 15, scratch_of(len(nx)))
            assert (fired, limited) == (54 * share, 0)
        change, whole, part = (cells.weights - before for cells in (pulsed, exact, half))
        assert np.abs(change).max() > 0.5 * pulsed.step
        np.testing.assert_allclose(whole, change, atol=1e-3 * pulsed.step)
        np.testing.assert_allclose(part, change / 2, atol=0.02 * pulsed.step)


def test_exact_trains_are_neither_rounded_nor_limited() -> None:
    x, d = np.array([-1, 0, 0.3, 1, 5], np.float32), np.array([-40, 0, 0.01, 3.3], np.float32)
    nx, nd = np.zeros(5, np.float32), np.zeros(4, np.float32)
    row_shares(x, 2.0, 15, np.uint64(1), 0, nx)
    assert column_shares(d, np.float32(2), 15, np.uint64(1), 0, nd) == (3, 0, pytest.approx(80 + 0.02 + 6.6))
    assert nx == pytest.approx([0, 0, 0.15, 0.5, 1])
    assert nd == pytest.approx([-80, 0, 0.02, 6.6])
    to_levels(x, 2.0, 0, nx)  # without levels the edges alone are kept
    assert nx == pytest.approx([-1, 0, 0.3, 1, 2])


# ---- baselines and rates


def test_a_baseline_that_breaks_down_is_told_and_the_noise_of_a_small_test_set_is_not() -> None:
    labels = np.arange(10_000) % 10
    for side, who in (("float", "the floating-point baseline"), ("chip", "the chip")):
        (line,) = side_warnings([[0.8, 0.85, 0.57], [0.8, 0.85, 0.85]], [3, 4], side, labels)
        assert f"{who} of seed 3 reached 85.0 % in epoch 2 and ends at 57.0 %" in line
    assert side_warnings([[0.95, 0.93]], [0], "chip", labels[:359]) == []  # two standard errors are 2.3 points
    assert side_warnings([[0.95, 0.93]], [0], "chip", labels) != []
    assert side_warnings([[None, None], []], [0, 1], "chip", labels[:100]) == []


def test_what_has_learnt_nothing_is_told() -> None:
    labels = np.array([0] * 600 + [1] * 400)  # 0 alone is right for 60 %, with two standard errors 63.1 %
    (line,) = side_warnings([[0.62, 0.63], [0.6, 0.64]], [3, 4], "float", labels)
    assert "baseline of seed 3 ends at 63.0 % and has learnt nothing" in line
    (line,) = side_warnings([[0.1, -0.2]], [0], "chip", None)
    assert "ends at R2 of -0.200 and has learnt nothing" in line
    assert side_warnings([[0.1, 0.05]], [0], "chip", None) == []


def test_a_baseline_below_its_floor_is_told() -> None:
    (line,) = floor_warnings(0.9839, 0.984)
    assert "reaches 98.39 % on the test set, below its floor of 98.40 %: the comparison does not count" in line
    assert floor_warnings(0.984, 0.984) == floor_warnings(None, 0.984) == floor_warnings(0.5, None) == []
    hashes = {load_workload("mlp_digits", [f"training.floating_point={{learning_rate: 0.01{floor}}}"]).hash
              for floor in ("", ", floor: 0.9")}  # fmt: skip
    assert len(hashes) == 1  # it changes no training


def test_rates_that_differ_by_oversight_are_told(tmp_path: Path) -> None:
    assert rates_warnings(load_workload("mlp_mnist")) == []
    assert rates_warnings(load_workload("mlp_mnist_backrand")) == []
    (line,) = rates_warnings(load_workload("mlp_mnist", ["training.learning_rate=0.003"]))
    assert "training.floating_point.learning_rate" in line
    both = ["training.learning_rate=0.003", "training.floating_point.learning_rate=0.003"]
    assert rates_warnings(load_workload("mlp_mnist", both)) == []
    assert rates_warnings(load_workload("mlp_digits", ["training.learning_rate=0.003"])) == []  # one rate for both
    own = tmp_path / "own.yaml"
    head = "kind: workload\nextends: mlp_mnist\nname: own\n"
    own.write_text(f"{head}training: {{learning_rate: 0.001}}\n", encoding="utf-8")
    assert "keeps those of mlp_mnist" in rates_warnings(load_workload(own))[0]
    own.write_text(f"{head}dataset: {{name: other, examples: 100}}\n", encoding="utf-8")
    assert "chosen for those of mlp_mnist" in rates_warnings(load_workload(own))[0]


def test_warnings_are_in_the_history_the_report_and_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from archsim.cli import main

    pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
    words = ["train", "ambrogio_nature_2018", "mlp_digits", "--epochs", "1", "--out", str(tmp_path / "out")]
    sets = ["tile.rows=128", "tile.cols=128", "numerics.weight_scale=400 uS"]
    with pytest.raises(SystemExit) as leave:
        main([*words, *(word for each in sets for word in ("--set", each))])
    assert leave.value.code in (0, None)
    history = json.loads((tmp_path / "out" / "history.json").read_text("utf-8"))
    ((layers,),) = history["saturation"]
    assert list(layers) == ["fc1", "fc2"]
    assert all(set(SIX) <= set(own) and all(0 <= share <= 1 for share in own.values()) for own in layers.values())
    assert layers["fc1"]["weights_clipped"] > 0.05  # He-uniform weights of up to 0.31 at 400 uS, against 46.8 uS
    line = next(each for each in history["warnings"] if "of the weights" in each)
    assert line in " ".join(capsys.readouterr().out.split())
    assert line in (tmp_path / "out" / "train.md").read_text("utf-8")
