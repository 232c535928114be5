"""The activity of the arrays as training measures it, and the energy of reads that follows from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.cli import main
from archsim.components.drivers import BitSerialDriver, Driver, LevelDriver, PwmDriver
from archsim.functional.activity import Reads, Transfers, Updates, drivers_of, on_tables, together
from archsim.functional.chip_model import ChipModel
from archsim.functional.data_set import Data
from archsim.functional.datasets import load_data
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.mapping.schedule import Schedule
from archsim.results.bill import (
    Activity,
    ActivityFile,
    LayerActivity,
    Programmed,
    Pulses,
    account,
    activity_of,
    activity_yaml,
)
from archsim.simulation.run import simulate
from archsim.studies.run.plan import plan_from_options
from archsim.studies.train.study import STUDY, Inputs
from archsim.workload import load_workload
from tests.helpers import PACKET, REFERENCE, schedule_of

SMALL = ["tile.rows=128", "tile.cols=128"]
BIT_SERIAL = "{kind: bit_serial_driver, bits: 7, step: 10 ns, energy: 0.4 pJ, area: 1 um2}"


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data(load_workload("mlp_digits").value)


# ---- drivers


def made(cls: type[Driver], **more: Any) -> Driver:
    return cls.model_validate({**cls.example, **more})


def test_pulse_widths_and_levels_draw_in_proportion_to_the_value() -> None:
    for driver in (made(PwmDriver, bits=3), made(LevelDriver, bits=3)):
        assert driver.on_shares() == pytest.approx([i / 7 for i in range(8)])


def test_bits_in_series_draw_while_they_are_set() -> None:
    # Origin: 0, 1, 10, 11, 100, 101, 110, 111 have 0, 1, 1, 2, 1, 2, 2, 3 bits set, of three steps.
    assert made(BitSerialDriver, bits=3).on_shares() == pytest.approx([n / 3 for n in (0, 1, 1, 2, 1, 2, 2, 3)])


def test_wide_drivers_have_tables_of_at_most_16_bits() -> None:
    shares = made(BitSerialDriver, bits=32).on_shares()
    assert (len(shares), shares[0], shares[-1]) == (1 << 16, 0.0, 1.0)
    # Origin: 32 bits are the 16 twice.
    assert shares[0b1011] == pytest.approx(3 / 16)


def test_each_kind_of_driver_has_one_table() -> None:
    schedule = schedule_of(
        load_workload("mlp_digits").value, 1, [*SMALL, f"tile.row_driver={BIT_SERIAL}", "routing.transport=packet"],
        PACKET,
    )  # fmt: skip
    shares, swings, tops, which = on_tables(drivers_of(schedule))
    assert shares.shape == swings.shape == (2, 128)
    assert tops.tolist() == [127, 127]
    assert which.tolist() == [[0, 0], [1, 1]]
    # Origin: a bit that is set charges its line once; a pulse does, but for none.
    assert swings.tolist() == [[n.bit_count() for n in range(128)], [0] + [1] * 127]
    assert (shares[0] * 7).tolist() == pytest.approx(swings[0].tolist())


def test_a_line_that_a_ramp_drives_is_on_for_the_value_s_share_of_the_ramp() -> None:
    workload = load_workload("mlp_digits").value
    for sets, window_ns in (([], 64), (["tile.col_converter.ramp=100 ns", f"tile.row_driver={BIT_SERIAL}"], 100)):
        schedule = schedule_of(workload, 1, [*SMALL, *sets])
        # The second layer of two is driven by the ramp of the first.
        assert float(drivers_of(schedule)[0][1].window_s) == pytest.approx(window_ns * 1e-9)
        assert drivers_of(schedule)[0][1].swings_at(0b101) == 1


# ---- the energy, cell by cell


def cell_by_cell(model: ChipModel, schedule: Schedule, share: Any) -> dict[tuple[int, str], float]:
    """Play one record after another, and add up the energy of each read over its cells: the slower reference."""
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    found: dict[tuple[int, str], float] = {}
    spans = [1.0, *(layer.bound for layer in schedule.mapping.workload.dense_layers()[:-1])]
    by_tile = {shard.tile: shard for shard in schedule.mapping.shards}
    for op, n, start in timeline.chunks():
        for i in range(len(op)):
            model.feed(op[i : i + 1], n[i : i + 1], start[i : i + 1])
            own = schedule.ops[op[i]]
            if own.kind not in ("forward", "backward"):
                continue
            s = by_tile[own.tile]
            tile: Any = schedule.chip.tiles[s.tile].spec
            slot = int(n[i]) % model.program.slots
            g = model.cells[s.index].conductances().astype(np.float64)
            if own.kind == "forward":
                a = model.buffers.acts[s.layer, slot, s.row_start : s.row_stop] / spans[s.layer]
                total = sum(share(a[r]) * float(tile.row_driver.window_s) * g[r].sum() for r in range(s.rows))
            else:
                d = np.abs(model.buffers.deltas[s.layer, slot])
                top = d[: schedule.mapping.workload.layers[s.layer].outputs].max()
                d = d[s.col_start : s.col_stop] / top
                total = sum(
                    share(d[c]) * float(tile.col_driver.window_s) * g[: s.inputs, c].sum() for c in range(s.cols)
                )
            # Origin: charge is drawn at the supply of 1.0 V, the array is read at 0.2 V; conductances in uS.
            key = (s.layer, own.kind)
            found[key] = found.get(key, 0.0) + 1.0 * 0.2 * total * 1e-6
    return found


def linear(value: float) -> float:
    return float(np.rint(value * 127)) / 127


def bits(value: float) -> float:
    return int(np.rint(value * 127)).bit_count() / 7


@pytest.mark.parametrize(
    ("base", "sets", "share"),
    [
        (REFERENCE, [], linear),
        (PACKET, ["tile.rows=33", "tile.cols=16", "tile.count=16"], linear),
        (PACKET, [f"tile.row_driver={BIT_SERIAL}", f"tile.col_driver={BIT_SERIAL}"], bits),
        (REFERENCE, ["schedule.mode=pipelined", "schedule.in_flight=3"], linear),
    ],
)
def test_measured_energy_is_that_of_each_read_cell_by_cell(
    base: str, sets: list[str], share: Any, digits: Data
) -> None:
    workload = load_workload("mlp_digits").value
    schedule = schedule_of(workload, 150, [*SMALL, "schedule.transfer.interval_examples=60", *sets], base)
    order = Order(1438, 1, 0)[:]
    expected = cell_by_cell(chip_model(schedule, digits, 0, order), schedule, share)
    model = chip_model(schedule, digits, 0, order)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks())
    found = {(read.layer, read.direction): read.energy_j for read in model.reads()}
    assert found.keys() == expected.keys() == {(0, "forward"), (1, "forward"), (1, "backward")}
    for key, energy_j in expected.items():
        assert found[key] == pytest.approx(energy_j, rel=0.01), key
    # Origin: mean conductance x mean time x cells read is the energy, by definition; and as the bill computes it.
    assert model.reads() == model.reads()
    for read in model.reads():
        product = 0.2 * read.conductance_siemens * read.on_time_s * read.cell_reads
        assert product == pytest.approx(read.energy_j, rel=1e-12)
    bill = account(simulate(schedule), activity_of([layer.name for layer in workload.layers], model.reads()))
    reads = [item for item in bill.items if (item.component, item.action) == ("device", "read")]
    assert sum(item.energy_j for item in reads) == pytest.approx(sum(found.values()), rel=1e-12)


@pytest.mark.parametrize("every", [64, 48])  # a divisor and none of the examples between two leaks
def test_conductances_are_read_often_enough(every: int, digits: Data) -> None:
    # The slower reference: conductances read several times as often as every 512 updates.
    energies = []
    for often in (512, every):
        settings = [*SMALL, "schedule.transfer.interval_examples=1400", f"numerics.activity_interval={often}"]
        schedule = schedule_of(load_workload("mlp_digits").value, 3000, settings)
        timeline = simulate(schedule, timeline=True).timeline
        assert timeline is not None
        model = chip_model(schedule, digits, 0, Order(1438, 3, 0))
        model.play(timeline.chunks())
        energies.append([read.energy_j for read in model.reads()])
    assert energies[0] == pytest.approx(energies[1], rel=0.01)
    assert energies[0] != energies[1]


def test_a_chip_that_classifies_is_not_measured(digits: Data) -> None:
    schedule = schedule_of(load_workload("mlp_digits").value, 10, SMALL)
    model = chip_model(schedule, digits, 0, Order(1438, 1, 0))
    model.evaluate(digits.test_x, digits.test_y)
    assert model.reads() == []
    assert model.measures.stale.sum() == 0


def test_reads_of_several_chips_add_up() -> None:
    one, two = Reads(0, "forward", 10, 2.0, 6.0, 1.0), Reads(0, "forward", 30, 4.0, 3.0, 0.5)
    other = Reads(0, "backward", 1, 1.0, 1.0, 1.0)
    assert together([other, one, two]) == [Reads(0, "forward", 40, 6.0, 9.0, 1.5), other]
    fired = Updates(0, 1, 2, 3, 4, 5, 6)
    moved = Transfers(0, 40, 3)
    assert together([moved, fired, one, moved, fired]) == [one, Updates(0, 2, 4, 6, 8, 10, 12), Transfers(0, 80, 6)]
    assert (one.on_time_s, one.conductance_siemens) == (0.2, 3.0)
    assert (Reads(0, "forward", 0, 0.0, 0.0, 0.0).on_time_s, Reads(0, "forward", 1, 0.0, 0.0, 0.0).on_time_s) == (0, 0)


# ---- files and reports


def test_activity_survives_its_file_to_the_last_digit(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    for value in (*draws.random(20) * 1e-5, 0.0, 1e-9, 3e-7):
        own = Activity.model_validate({"conductance_siemens": float(value), "on_time_s": float(value) / 1000})
        activity = ActivityFile(
            layers={
                "fc1": LayerActivity(forward=own),
                "fc2": LayerActivity(
                    forward=own,
                    backward=own.model_copy(update={"swings": float(value)}),
                    update=Pulses(row_pulses=float(value), col_pulses=float(value) / 3, cell_pulses=float(value) / 7),
                    transfer=Programmed(programmed=float(value)),
                ),
            }
        )
        text = activity_yaml(activity)
        assert " uS" in text
        assert " ns" in text
        (tmp_path / "activity.yaml").write_text(text, "utf-8")
        plan = plan_from_options(REFERENCE, "mlp_digits", activity=tmp_path / "activity.yaml")
        assert plan.activity == activity


@pytest.mark.slow
def test_training_measures_what_a_run_then_bills_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    STUDY.perform(Inputs(REFERENCE, "mlp_digits", sets=tuple(SMALL), epochs=1, seeds=2), tmp_path / "train")
    words = ["run", REFERENCE, "mlp_digits", *(w for s in SMALL for w in ("--set", s)), "--examples", "1438"]
    results = []
    for more in ([], ["--activity", "train/activity.yaml"]):
        with pytest.raises(SystemExit) as leave:
            main([*words, *more, "--out", f"out{len(more)}"])
        assert not leave.value.code
        results.append(json.loads((tmp_path / f"out{len(more)}" / "metrics.json").read_text("utf-8")))
    printed = capsys.readouterr().out
    plain, measured = results
    assert "Reads of the arrays are billed at the spec's fixed energy of a read" in printed
    assert "billed by the activity (train/activity.yaml) of fc1 forward, fc2 forward, fc2 backward, else" in printed
    assert plain["activity"]["from"] is None
    assert {read["by"] for read in plain["activity"]["reads"]} == {"spec"}
    assert measured["activity"]["from"] == "train/activity.yaml"
    assert [(r["layer"], r["direction"], r["by"]) for r in measured["activity"]["reads"]] == [
        ("fc1", "forward", "measured"), ("fc2", "forward", "measured"), ("fc2", "backward", "measured"),
    ]  # fmt: skip
    # Only the cells and their lines cost something else, and by as much as the whole run does.
    effect = measured["activity"]["effect_j"]
    assert effect.keys() == {"device", "crossbar", "total"}
    assert effect["total"] == {"spec": plain["energy_j"]["total"], "used": measured["energy_j"]["total"]}
    assert effect["device"]["spec"] == plain["energy_j"]["by_component"]["device"]
    difference = effect["total"]["used"] - effect["total"]["spec"]
    parts = sum(effect[name]["used"] - effect[name]["spec"] for name in ("device", "crossbar"))
    assert parts == pytest.approx(difference, rel=1e-9)
    assert difference != 0
    for name, says in (("out0", "at the spec's fixed energy"), ("out2", "the activity (train/activity.yaml)")):
        assert says in (tmp_path / name / "report.md").read_text("utf-8")
    # The run's folder repeats it to the byte, the name of the file included.
    with pytest.raises(SystemExit):
        main(["run", "out2/run.yaml", "--out", "again", "--quiet"])
    for path in (tmp_path / "out2").rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "out2")).read_bytes()
