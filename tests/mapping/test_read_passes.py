"""Reads of several passes: phases, groups of lines, and pipelined converters. Expected values are closed forms.

Times of the arrays made here are whole nanoseconds at 1 GHz, so that a nanosecond is a cycle.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import evaluate, load_workload
from archsim.base.errors import SpecError
from archsim.base.schema import json_schema
from archsim.chip.graph import Chip, build_chip
from archsim.cli import main
from archsim.components.base import COMPONENTS
from archsim.functional.datasets import load_data
from archsim.functional.train import check_cells
from archsim.mapping.modes import build_schedule
from archsim.mapping.notes import notes_of
from archsim.mapping.partition import map_workload
from archsim.mapping.recipes import BACKWARD, FORWARD, TileKit
from archsim.mapping.schedule import Stage
from archsim.results.audits import audits_of
from archsim.results.bill import account
from archsim.results.crosscheck import crosscheck
from archsim.results.peak import chip_metrics, peak
from archsim.simulation.run import Trace, simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import load_arch
from archsim.spec.tile import TileSpec
from tests.helpers import PACKET, REFERENCE, network, observed, schedule_of

INFERENCE = ("mode=inference",)
KINDS = {role: sorted(kind for kind, cls in COMPONENTS.items() if cls.role == role) for role in ("driver", "converter")}
DIGITS = ["tile.rows=128", "tile.cols=128", "schedule.transfer.interval_examples=60"]


@dataclass(frozen=True)
class Read:
    """How a tile of the packet chip reads; times in ns."""

    phases: int = 1
    cells: str = "all"
    groups: int = 1
    group_cells: str = "own"
    converted: str = "once"
    hold: int = 2
    lines: int = 1
    rate: int = 3
    stages: int = 1
    slices: int = 1
    add: int = 1
    step: int = 2
    settle: int = 5
    rows: int = 32
    cols: int = 24
    more: tuple[str, ...] = field(default=())

    def sets(self, edges: Sequence[tuple[str, str]] = (("row_driver", "col_converter"),)) -> list[str]:
        found = [f"tile.rows={self.rows}", f"tile.cols={self.cols}", f"tile.array.settle={self.settle} ns"]
        found.append(
            f"tile.accumulator={{kind: shift_add, step: {self.add} ns, energy: 1 fJ, area: 1 um2, lines_per_unit: "
            f"{self.lines}}}"
        )
        for driver, converter in edges:
            found += [
                f"tile.{driver}={{kind: pwm_driver, bits: 3, step: {self.step} ns, energy: 2 fJ, area: 1 um2, "
                f"phases: {self.phases}, phase_cells: {self.cells}}}",
                f"tile.{converter}={{kind: sar_adc, bits: 8, energy: 1 pJ, area: 1 um2, rate: {self.rate} ns, "
                f"lines_per_unit: {self.lines}, groups: {self.groups}, group_cells: {self.group_cells}, "
                f"converted: {self.converted}, sample_hold: {self.hold}, stages: {self.stages}, "
                f"slices: {self.slices}}}",
            ]
        return [*found, *self.more]

    def kit(self) -> TileKit:
        chip = build_chip(load_arch(PACKET, self.sets()).value)
        return TileKit(chip, chip.tiles[0])

    @property
    def samples(self) -> int:
        """Samples of a line: after each phase, or of all charges at once."""
        return self.phases if self.converted == "each_phase" else 1

    @property
    def window(self) -> int:
        """Of 3 bits: eight steps."""
        return 8 * self.step


def slow_reference(read: Read, lines: int) -> tuple[int, int]:
    """Return when the array is free and when the last code is there, sample by sample, each begun as soon as it can.

    A converter is free for the next sample when it has taken all of its lines', and codes follow `stages` - 1 rates
    later; the adder is as busy beside it. A line holds `hold` samples, of which one is converted.
    """
    share = ceil(lines / read.groups)
    banks = ceil(lines / read.lines)
    passes = read.phases // read.samples
    converting = ceil(share / banks) * read.slices * read.rate
    adding = ceil(share * read.slices / ceil(lines / read.lines)) * read.add
    if read.samples * read.slices == 1 or read.samples * read.groups == 1:
        adding = 0  # nothing is added; or that of a single sample goes on beside what follows
    behind = (read.stages - 1) * read.rate
    taken = [0]  # when each sample was taken; the zeroth never was
    done = [0]
    for k in range(1, read.samples * read.groups + 1):
        # Of two the one before may be in conversion, the one before that not; a single one must have left.
        begin = done[k - 1] if read.hold == 1 else max(taken[k - 1], done[max(k - 2, 0)])
        taken.append(begin + passes * read.window + read.settle)
        done.append(max(taken[k], done[k - 1]) + max(converting, adding))
    return taken[-1], done[-1] + behind


READS = st.builds(
    Read,
    phases=st.integers(1, 5), groups=st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24]),
    converted=st.sampled_from(["once", "each_phase"]), hold=st.integers(1, 3), lines=st.sampled_from([1, 2, 3, 8]),
    rate=st.integers(1, 40), stages=st.integers(1, 4), slices=st.integers(1, 2), add=st.integers(1, 9),
    step=st.integers(1, 6), settle=st.integers(0, 9), group_cells=st.sampled_from(["own", "all"]),
)  # fmt: skip


def counts(chip: Chip, *stages: Stage) -> dict[str, int]:
    found: dict[str, int] = {}
    for use in (use for stage in stages for use in stage.uses):
        unit = chip.units[use.unit]
        found[f"{unit.component}.{use.action}"] = found.get(f"{unit.component}.{use.action}", 0) + use.count
    return found


# ---- time


@pytest.mark.parametrize(
    ("read", "array", "code"),
    [
        # 8 steps of 2 ns and 5 ns to settle; 3 ns to convert.
        (Read(), 16 + 5, 16 + 5 + 3),
        # Charges of four phases add up on the line, which settles once.
        (Read(phases=4), 4 * 16 + 5, 4 * 16 + 5 + 3),
        # Each phase is converted while the next is read.
        (Read(phases=4, converted="each_phase"), 4 * (16 + 5), 4 * (16 + 5) + 3),
        # p g (window + settle) and the last conversion.
        (Read(phases=2, groups=6, lines=6, converted="each_phase"), 12 * 21, 12 * 21 + 3),
        # g (p window + settle) and the last conversion.
        (Read(phases=2, groups=6, lines=6), 6 * (2 * 16 + 5), 6 * 37 + 3),
        # Of two neighbouring groups a converter of 24 lines takes 12 each: 36 ns are longer than 21.
        (Read(groups=2, lines=24), 2 * 21, 21 + 2 * 36),
        # One sample a line: reading and converting take turns.
        (Read(groups=6, lines=6, hold=1), 6 * 21 + 5 * 3, 6 * (21 + 3)),
        # Four stages: the code comes three rates later, the next sample is taken after one.
        (Read(stages=4), 21, 21 + 4 * 3),
        (Read(stages=4, lines=6), 21, 21 + 6 * 3 + 3 * 3),
    ],
)
def test_a_read_by_hand(read: Read, array: int, code: int) -> None:
    assert slow_reference(read, 24) == (array, code)
    first, then = read.kit().integrate(FORWARD, 32, 24, 32), read.kit().convert(FORWARD, 24)
    assert first.latency_cycles + then.latency_cycles == code


@given(READS)
def test_reading_is_as_a_slow_reference_has_it(read: Read) -> None:
    kit = read.kit()
    first, then = kit.integrate(FORWARD, 32, 24, 32), kit.convert(FORWARD, 24)
    free, code = slow_reference(read, 24)
    assert first.latency_cycles + then.latency_cycles == code
    held = {kit.tile.units[name] for name in ("crossbar", "row_driver", "col_converter", "col_hold")}
    freed = {unit: at for at, unit in first.release} | {
        unit: first.latency_cycles + at for at, unit in then.release
    }  # fmt: skip
    assert held <= freed.keys()
    for name in ("crossbar", "row_driver"):
        # A sample that waits for the converter keeps the array, since its turn has not come.
        assert free <= freed[kit.tile.units[name]] <= code
        if read.samples * read.groups == 1 or read.window + read.settle >= read.rate * 60:
            assert freed[kit.tile.units[name]] == free
    assert freed[kit.tile.units["col_converter"]] == code - (read.stages - 1) * read.rate


@given(READS)
def test_what_is_billed_for_a_read(read: Read) -> None:
    kit = read.kit()
    found = counts(kit.chip, kit.integrate(FORWARD, 32, 24, 32), kit.convert(FORWARD, 24))
    n = read.phases * read.groups
    assert found["row_driver.encode"] == found["crossbar.read_rows"] == n * 32
    assert found["device.read"] == 32 * 24 * read.phases * (read.groups if read.group_cells == "all" else 1)
    assert found["col_converter.convert"] == 24 * read.samples
    added = 24 * read.samples * read.slices if read.samples * read.slices > 1 else 0
    assert found.get("accumulator.add", 0) == added
    assert found["memory.write"] == found["memory.read"] == ceil(32 / 8)  # once: drivers keep the vector


def test_cells_of_two_polarities_are_read_once_in_two_phases() -> None:
    kit = Read(phases=2, cells="polarities").kit()
    found = counts(kit.chip, kit.integrate(FORWARD, 32, 24, 32))
    assert (found["device.read"], found["crossbar.read_rows"], found["row_driver.encode"]) == (32 * 24, 64, 64)


@pytest.mark.parametrize("signed", [False, True])
def test_four_quadrants_are_two_signs_of_two_phases(signed: bool) -> None:
    read = Read(phases=2, more=("tile.array.signed_rows=two_passes",))
    kit, passes = read.kit(), 4 if signed else 2
    stage = kit.integrate(FORWARD, 32, 24, 32, signed=signed)
    assert stage.latency_cycles == passes * 16 + 5
    found = counts(kit.chip, stage)
    # Drivers work in all passes; a line is charged in those of its own sign.
    assert (found["row_driver.encode"], found["crossbar.read_rows"]) == (passes * 32, 2 * 32)
    each = Read(phases=2, converted="each_phase").kit()
    both = counts(each.chip, each.convert(FORWARD, 24, signed=signed))
    assert both == {"col_converter.convert": passes * 24, "accumulator.add": passes * 24}


def test_errors_go_back_in_phases_and_groups_of_rows() -> None:
    read = Read(phases=2, groups=4, converted="each_phase", lines=4)
    edges = (("row_driver", "col_converter"), ("col_driver", "row_converter"))
    chip = build_chip(load_arch(PACKET, read.sets(edges)).value)
    kit = TileKit(chip, chip.tiles[0])
    first, then = kit.integrate(BACKWARD, 32, 24, 24), kit.convert(BACKWARD, 32, signed=True)
    assert first.latency_cycles + then.latency_cycles == 8 * 21 + 3
    found = counts(chip, first, then)
    assert (found["col_driver.encode"], found["crossbar.read_cols"]) == (8 * 24, 8 * 24)
    assert (found["device.read"], found["row_converter.convert"]) == (2 * 32 * 24, 2 * 32)
    metrics = chip_metrics(chip, "training")
    assert metrics["read_back_latency_s"] == metrics["read_latency_s"] == pytest.approx((8 * 21 + 3) * 1e-9)


def test_a_driver_that_is_sampled_at_each_step_does_all_steps_in_each_phase_and_group() -> None:
    driver = (
        "tile.row_driver={kind: bit_serial_driver, bits: 4, step: 10 ns, sampled: each_step, energy: 1 pJ, "
        "area: 1 um2, phases: 2}"
    )
    kit = Read(groups=3, lines=3, rate=2, more=(driver,)).kit()
    first, then = kit.integrate(FORWARD, 32, 24, 32), kit.convert(FORWARD, 24)
    # 4 bits x 2 phases x 3 groups of steps of 10 + 5 ns, and one more for the last conversion, as without groups.
    assert first.latency_cycles + then.latency_cycles == (4 * 2 * 3 + 1) * 15
    found = counts(kit.chip, first, then)
    assert found["col_converter.convert"] == found["accumulator.add"] == 4 * 2 * 24
    assert found["row_driver.encode"] == 2 * 3 * 32


def test_an_oscillator_serves_a_line_of_each_group() -> None:
    cco = ("tile.col_converter={kind: cco_adc, bits: 3, energy: 5 pJ, area: 1 um2, lsb: 1 ns, readout: 4 ns, "
           "lines_per_unit: %s, groups: %s}")  # fmt: skip
    kit = Read(more=(cco % (4, 4),)).kit()
    first, then = kit.integrate(FORWARD, 32, 24, 32), kit.convert(FORWARD, 24)
    assert first.latency_cycles + then.latency_cycles == 4 * 21 + 4
    parts = {part.component: part.instances for part in kit.chip.parts}
    assert parts["col_converter"] == 6 * len(kit.chip.tiles)
    with pytest.raises(SpecError, match=r"cannot serve 4 of them; give lines_per_unit: 1, or groups: 4"):
        load_arch(PACKET, [*Read().sets(), cco % (4, 2)])


@dataclass(frozen=True)
class Digits:
    """A read of bits that are integrated by weight, in digits, and converted step by step; times in ns."""

    bits: int = 7
    digits: int = 2
    out: int = 10
    hold: int = 1
    groups: int = 1

    def kit(self) -> TileKit:
        sets = [
            "tile.rows=32", "tile.cols=24", "tile.array.settle=0 s",
            "tile.accumulator={kind: shift_add, step: 1 ns, energy: 0 J, area: 1 um2}",
            f"tile.row_driver={{kind: weighted_bits_driver, bits: {self.bits}, digits: {self.digits}, step: 270 ns, "
            "pulse: 10 ns, energy: 3 pJ, area: 1 um2}",
            f"tile.col_converter={{kind: stepwise_adc, bits: {self.out}, energy: 0.4 pJ, area: 1 um2, step: 300 ns, "
            f"sample: 300 ns, sample_energy: 1.2 pJ, integrate_energy: 0.25 pJ, sample_hold: {self.hold}, "
            f"groups: {self.groups}, lines_per_unit: {self.groups}}}",
        ]  # fmt: skip
        chip = build_chip(load_arch(PACKET, sets).value)
        return TileKit(chip, chip.tiles[0])

    @property
    def parts(self) -> list[int]:
        """Bits of the digits: as equal as they can be, the larger ones first."""
        left, found = self.bits, []
        for i in range(self.digits):
            found.append(ceil(left / (self.digits - i)))
            left -= found[-1]
        return found


DIGIT_READS = st.builds(
    Digits, bits=st.integers(1, 9), digits=st.integers(1, 4), out=st.integers(1, 12), hold=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 3, 8]),
).filter(lambda read: read.digits <= read.bits)  # fmt: skip


@given(DIGIT_READS)
def test_digits_are_integrated_by_weight_and_converted_in_the_steps_that_are_left(read: Digits) -> None:
    """Sample by sample: 2^n - 1 integrations of n bits, and a step for each bit of the result that is not yet known."""
    kit = read.kit()
    first, then = kit.integrate(FORWARD, 32, 24, 32), kit.convert(FORWARD, 24)
    taken, done, before, steps, wholes, integrations = [0], [0], 0, 0, 0, 0
    for bits in read.parts * read.groups:
        before = 0 if before >= read.bits else before
        left = max(read.out - before, 1)
        k = len(taken)
        begin = done[k - 1] if read.hold == 1 else max(taken[k - 1], done[max(k - 2, 0)])
        taken.append(begin + 270 * (2**bits - 1))
        done.append(max(taken[k], done[k - 1]) + 300 + 300 * left)
        integrations += 24 // read.groups * (2**bits - 1)
        steps += 24 // read.groups * (left if left < read.out else 0)
        wholes += 24 // read.groups * (left == read.out)
        before += bits
    assert first.latency_cycles + then.latency_cycles == done[-1]
    found = counts(kit.chip, first, then)
    assert found["col_converter.integrate"] == integrations
    assert (found.get("col_converter.step", 0), found["col_converter.convert"]) == (steps, wholes)
    assert found["device.read"] == read.bits * 32 * 24
    assert found["row_driver.encode"] == found["crossbar.read_rows"] == read.groups * 32
    lines = kit.chip.units[kit.tile.units["crossbar"]].actions["read_rows"].energy_j
    assert lines == pytest.approx(read.bits * kit.tile.spec.array.line_energy_j(24))
    assert kit.action("row_driver", "encode").energy_j == pytest.approx(read.bits * 3e-12)


@pytest.mark.parametrize(
    ("read", "nanoseconds"),
    [
        # Seven bits in digits of 4 and 3: 22 integrations; ten steps, then six; two samples.
        (Digits(), 22 * 270 + 16 * 300 + 2 * 300),
        (Digits(digits=1), 127 * 270 + 10 * 300 + 300),
        (Digits(bits=3, digits=1, out=6), 7 * 270 + 6 * 300 + 300),
    ],
)
def test_digits_by_hand(read: Digits, nanoseconds: int) -> None:
    kit = read.kit()
    stages = kit.integrate(FORWARD, 32, 24, 32), kit.convert(FORWARD, 24)
    assert sum(stage.latency_cycles for stage in stages) == nanoseconds
    conversion = kit.action("col_converter", "convert")
    assert conversion.energy_j == pytest.approx(1.2e-12 + read.out * 0.4e-12)


def test_more_digits_than_bits_and_pulses_longer_than_a_step_are_refused() -> None:
    driver = "tile.row_driver={kind: weighted_bits_driver, bits: 3, step: 20 ns, energy: 0 J, area: 1 um2, %s}"
    with pytest.raises(SpecError, match=r"digits: 4 are more than the bits of a value, 3; give digits: 3 or fewer"):
        load_arch(PACKET, [driver % "pulse: 10 ns, digits: 4"])
    with pytest.raises(SpecError, match=r"a pulse of 30 ns is longer than the step .* give 20 ns or less"):
        load_arch(PACKET, [driver % "pulse: 30 ns"])
    with pytest.raises(SpecError, match="give an accumulator"):
        load_arch(PACKET, [driver % "pulse: 10 ns, digits: 2"])


# ---- runs


@pytest.mark.parametrize(
    "read",
    [
        Read(phases=2), Read(phases=3, converted="each_phase"), Read(groups=4, lines=4), Read(stages=5),
        Read(phases=2, groups=4, lines=4, converted="each_phase", group_cells="all"),
        Read(groups=8, lines=8, hold=1, rate=7),
    ],
)  # fmt: skip
def test_an_example_takes_as_much_longer_as_its_read(read: Read) -> None:
    def run(own: Read) -> Trace:
        work = network(31, 24).model_copy(update={"mode": "inference"})
        chip = build_chip(load_arch(PACKET, own.sets()).value)
        schedule = build_schedule(chip, map_workload(work, chip), 1)
        return simulate(schedule)

    longer = run(read).cycles - run(Read()).cycles
    assert longer == slow_reference(read, 24)[1] - (16 + 5 + 3)


@pytest.mark.parametrize(("phases", "groups"), [(1, 1), (2, 1), (1, 4), (2, 4)])
def test_a_run_bills_each_pass_and_passes_its_audits(phases: int, groups: int) -> None:
    read = Read(
        phases=phases, groups=groups, lines=groups, converted="each_phase", group_cells="all", rows=128, cols=64
    )
    result = evaluate(load_arch(PACKET, read.sets()), load_workload("mlp_digits", INFERENCE), examples=20)
    assert result.passed
    shards, n = result.mapping.shards, phases * groups
    found = {(item.component, item.action): 0 for item in result.bill.items}
    for item in result.bill.items:
        found[item.component, item.action] += item.count
    assert found["row_driver", "encode"] == found["crossbar", "read_rows"] == 20 * n * sum(s.rows for s in shards)
    assert found["device", "read"] == 20 * n * sum(s.rows * s.cols for s in shards)
    assert found["col_converter", "convert"] == 20 * phases * sum(s.cols for s in shards)


@pytest.mark.parametrize("converted", ["once", "each_phase"])
def test_jumping_is_exact_over_reads_of_many_passes(converted: str) -> None:
    read = Read(phases=2, groups=4, lines=4, converted=converted, rows=64, cols=64,
                more=("schedule.mode=pipelined", "schedule.in_flight=3"))  # fmt: skip
    chip = build_chip(load_arch(PACKET, read.sets()).value)
    schedule = build_schedule(chip, map_workload(load_workload("mlp_digits", INFERENCE).value, chip), 300)
    full, jumped = simulate(schedule, full=True), simulate(schedule)
    assert jumped.examples_fast_forwarded > 0
    assert {**observed(full), "events": 0} == {**observed(jumped), "events": 0}


@given(READS, st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_training_in_passes_ends_passes_its_audits_and_is_jumped_exactly(
    read: Read, signed: bool, shared: bool, pipelined: bool
) -> None:
    edges = [("row_driver", "col_converter"), ("col_driver", "row_converter")]
    sets = read.sets(edges)
    sets += ["tile.rows=24", "tile.array.signed_columns=two_passes", "schedule.transfer.interval_examples=8"]
    sets += ["tile.row_converter=shared"] if shared else []
    sets += ["schedule.mode=pipelined", "schedule.in_flight=2"] if pipelined else []
    chip = build_chip(load_arch(PACKET, sets).value)
    mapping = map_workload(network(20, 30, 5, signed=signed), chip)
    schedule = build_schedule(chip, mapping, 40)
    full, jumped = simulate(schedule, full=True), simulate(schedule)
    assert {**observed(full), "events": 0} == {**observed(jumped), "events": 0}
    audits = audits_of(jumped, simulate(schedule, unlimited=True).cycles, account(jumped))
    assert [audit["name"] for audit in audits if not audit["passed"]] == []


# ---- the peak


@pytest.mark.parametrize(
    ("read", "interval"),
    [
        (Read(), 16 + 5),
        (Read(phases=4), 4 * 16 + 5),
        (Read(phases=4, converted="each_phase"), 4 * 21),
        (Read(groups=6, lines=6), 6 * 21),
        (Read(phases=2, groups=6, lines=6), 6 * 37),
        # A converter of 60 ns a sample is the slowest: from the first sample on it is never idle.
        (Read(rate=60, stages=3), 60),
    ],
)
def test_the_peak_is_that_of_the_busiest_unit(read: Read, interval: int) -> None:
    top = peak(build_chip(load_arch(PACKET, read.sets()).value), "inference")
    busy = top.busy_cycles
    assert max(busy["crossbar"], busy["col_converter"] if read.groups == 1 else 0) == interval
    sent = ("link", "neuron", "memory")
    if not any(busy[name] > interval for name in sent if name in busy):
        assert top.time_per_example_s == pytest.approx(interval * 1e-9)


def test_phases_and_groups_cost_energy_as_the_formula_says() -> None:
    def energy(read: Read) -> dict[str, float]:
        chip = build_chip(load_arch(PACKET, read.sets()).value)
        return dict(peak(chip, "inference").energy_j_by_component)

    one, more = energy(Read()), energy(Read(phases=2, groups=4, lines=4, converted="each_phase", group_cells="all"))
    for part, factor in {"row_driver": 8, "crossbar": 8, "device": 8, "col_converter": 2, "memory": 1}.items():
        assert more[part] == pytest.approx(factor * one[part], rel=1e-12), part


# ---- what is left as it was


@pytest.mark.parametrize("kind", [*KINDS["driver"], *KINDS["converter"]])
def test_one_phase_and_one_group_are_today_to_the_last_bit(kind: str) -> None:
    example = ", ".join(f"{key}: {text}" for key, text in COMPONENTS[kind].example.items())
    role = COMPONENTS[kind].role
    place = "tile.row_driver" if role == "driver" else "tile.col_converter"
    slow = ["tile.row_driver.step=10 ns", "tile.col_driver.step=10 ns"] if role == "converter" else []
    plain = [*DIGITS, *slow, f"{place}={{kind: {kind}, {example}}}"]
    said = {"driver": ("phases=1", "phase_cells=polarities"),
            "converter": ("groups=1", "group_cells=own", "converted=once")}[role]  # fmt: skip
    extra = [f"{place}.{each}" for each in said]
    extra += [f"{place}.window_steps=2^bits"] if kind == "pwm_driver" else []
    extra += [f"{place}.stages=1"] if kind == "sar_adc" else []
    before, after = (evaluate(load_arch(PACKET, sets), load_workload("mlp_digits"), examples=12)
                     for sets in (plain, [*plain, *extra]))  # fmt: skip
    assert before.arch.digest == after.arch.digest
    one, other = (
        json.dumps({key: own for key, own in each.data.items() if key != "command"}, sort_keys=True, default=str)
        for each in (before, after)
    )
    assert one == other


@given(
    st.sampled_from(KINDS["driver"]), st.sampled_from(KINDS["converter"]), st.integers(1, 4), st.sampled_from([1, 2, 8])
)  # fmt: skip
def test_every_driver_and_converter_reads_in_phases_and_groups(
    driver: str, converter: str, phases: int, groups: int
) -> None:
    """n reads of p windows last n times as long as one of p; all of a bill grows with what is repeated."""
    repeated = {"row_driver": (driver, f"phases: {phases}, phase_cells: all"),
                "col_converter": (converter, f"groups: {groups}")}  # fmt: skip
    sets = []
    for place, (kind, more) in repeated.items():
        example = ", ".join(f"{key}: {text}" for key, text in COMPONENTS[kind].example.items())
        sets.append(f"tile.{place}={{kind: {kind}, {example}, {more}}}")
    chip = build_chip(load_arch(PACKET, [*sets, "tile.row_driver.step=100 ns", "tile.rows=64", "tile.cols=64"]).value)
    kit = TileKit(chip, chip.tiles[0])
    own, bank = chip.spec.tile.row_driver, chip.spec.tile.col_converter
    first, then = kit.integrate(FORWARD, 64, 64, 64), kit.convert(FORWARD, 64)
    read_s = phases * own.window_s + chip.spec.tile.array.settle_s
    share_s = ceil(64 // groups / ceil(64 / bank.lines_per_unit)) * bank.conversion_s * bank.conversions(phases)
    total = read_s + (groups - 1) * max(read_s, share_s) + share_s
    assert 0 <= first.latency_cycles + then.latency_cycles - total * 10**9 < 2  # rounded up twice
    found = counts(chip, first, then)
    assert found["row_driver.encode"] == found["crossbar.read_rows"] == phases * groups * 64
    assert found["device.read"] == phases * 64 * 64 * own.cell_reads
    assert found["col_converter.convert"] == 64 * bank.conversions(phases)


# ---- windows of 2^b - 1 steps


@given(st.integers(1, 12), st.integers(1, 50))
def test_a_window_may_have_as_many_steps_as_the_largest_value(bits: int, step: int) -> None:
    cls: Any = COMPONENTS["pwm_driver"]
    plain, less = (
        cls.model_validate({"bits": bits, "step": f"{step} ns", "energy": "1 fJ", "area": "1 um2", **more})
        for more in ({}, {"window_steps": "2^bits-1"})
    )
    nano = Fraction(step, 10**9)
    assert (plain.window_s, less.window_s) == (2**bits * nano, (2**bits - 1) * nano)
    last = 2**bits - 1
    for code in {0, 1, last // 2, last}:  # a value of n lasts n steps
        assert less.on_share(code) * float(less.window_s) == pytest.approx(code * float(nano), rel=1e-12)
    assert plain.resolved().keys() | {"window_steps"} == less.resolved().keys()


def test_a_window_of_fewer_steps_is_as_much_shorter_in_the_schedule_and_in_what_is_measured() -> None:
    sets = [*DIGITS, "tile.row_driver.window_steps=2^bits-1"]
    kits = [TileKit(chip, chip.tiles[0]) for chip in (build_chip(load_arch(PACKET, each).value)
                                                      for each in (DIGITS, sets))]  # fmt: skip
    cycles = [kit.integrate(FORWARD, 128, 128, 128).latency_cycles for kit in kits]
    assert cycles == [64 + 16, 80]  # 63.5 ns and 16 ns are 79.5, rounded up
    finer = [*sets, "tile.row_driver.step=2 ns"]
    chip = build_chip(load_arch(PACKET, finer).value)
    assert TileKit(chip, chip.tiles[0]).integrate(FORWARD, 128, 128, 128).latency_cycles == 127 * 2 + 16
    work = load_workload("mlp_digits").value
    assert crosscheck(schedule_of(work, 40, sets, PACKET), load_data(work), tolerance=1).passed


# ---- lines that a current charges


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 400), st.integers(1, 3))
def test_a_window_is_longer_by_what_charges_the_line(rows: int, cols: int, microamperes: int, phases: int) -> None:
    """t = C V / I: so many cells of 2 fF and 48 fF, 0.5 V."""
    array = ["tile.array.cell_line=2 fF", "tile.array.line_end=48 fF", "tile.array.line=0.5 V"]
    own = [f"tile.{edge}_driver.{key}" for edge in ("row", "col") for key in (
        f"line_current={microamperes} uA", f"phases={phases}", "phase_cells=all")]  # fmt: skip
    chip = build_chip(load_arch(PACKET, [*array, *own, f"tile.rows={rows}", f"tile.cols={cols}"]).value)
    kit = TileKit(chip, chip.tiles[0])
    for side, cells, lines in ((FORWARD, cols, rows), (BACKWARD, rows, cols)):
        nano = Fraction((cells * 2 + 48) * 5, 10 * microamperes)  # fF V / uA
        stage = kit.integrate(side, rows, cols, lines)
        assert stage.latency_cycles == ceil(phases * (64 + nano) + 16)
        bare = counts(chip, stage)
        assert bare["crossbar.read_rows" if side is FORWARD else "crossbar.read_cols"] == phases * lines


def test_bits_one_by_one_charge_the_line_before_each() -> None:
    driver = "tile.row_driver={kind: bit_serial_driver, bits: 4, step: 10 ns, energy: 1 pJ, area: 1 um2%s}"
    array = ("tile.array.cell_line=0 F", "tile.array.line_end=100 fF", "tile.array.line=1 V")
    for more, cycles in (("", 40 + 5), (", line_current: 50 uA", 4 * (10 + 2) + 5)):  # 100 fF x 1 V / 50 uA = 2 ns
        kit = Read(more=(driver % more, *array)).kit()
        assert kit.integrate(FORWARD, 32, 24, 32).latency_cycles == cycles
    each = Read(more=(driver % ", sampled: each_step, line_current: 50 uA", *array)).kit()
    first, then = each.integrate(FORWARD, 32, 24, 32), each.convert(FORWARD, 24)
    assert (first.latency_cycles, then.latency_cycles) == (17, 4 * 17)


# ---- training


@pytest.mark.parametrize(
    "sets",
    [
        ["tile.row_driver.phases=2"],
        ["tile.row_driver.phases=3", "tile.row_driver.phase_cells=all", "tile.col_driver.phases=2"],
        ["tile.col_converter.groups=4", "tile.row_converter.groups=2", "tile.row_converter.group_cells=all"],
        ["tile.row_driver.phases=2", "tile.row_driver.phase_cells=all", "tile.col_converter.groups=4",
         "tile.col_converter.group_cells=all"],
        ["tile.row_driver={kind: weighted_bits_driver, bits: 5, step: 270 ns, pulse: 10 ns, energy: 0 J, area: 1 um2}"],
    ],
)  # fmt: skip
def test_the_cross_check_counts_each_pass_again(sets: list[str]) -> None:
    work = load_workload("mlp_digits").value
    found = crosscheck(schedule_of(work, 60, [*DIGITS, *sets], PACKET), load_data(work), tolerance=1)
    assert [row["name"] for row in found.rows if not row["passed"]] == []


def test_the_recount_does_not_take_the_bills_word_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    work = load_workload("mlp_digits").value
    sets = ["tile.row_driver.phases=2", "tile.col_converter.groups=4", "tile.col_converter.group_cells=all"]
    monkeypatch.setattr(TileSpec, "read_repeats", lambda self, backward=False: (1, 1))
    found = crosscheck(schedule_of(work, 20, [*DIGITS, *sets], PACKET), load_data(work), tolerance=1)
    failed = {row["name"].split(",")[0] for row in found.rows if not row["passed"]}
    assert failed == {"5. reads of cells in forward", "5. lines read in forward"}


def test_measured_reads_are_as_many_as_billed() -> None:
    work = load_workload("mlp_digits").value
    sums = []
    for sets in ([], ["tile.row_driver.phases=2", "tile.row_driver.phase_cells=all", "tile.col_converter.groups=4"]):
        found = crosscheck(schedule_of(work, 30, [*DIGITS, *sets], PACKET), load_data(work), tolerance=1)
        sums.append({row["name"].split(",")[0]: row["found"] for row in found.rows if row["name"].startswith("5. ")})
    one, more = sums
    # Cells in each phase, lines in each phase and group; what goes back is as it was.
    assert more["5. reads of cells in forward"] == pytest.approx(2 * one["5. reads of cells in forward"], rel=1e-12)
    assert more["5. lines read in forward"] == pytest.approx(8 * one["5. lines read in forward"], rel=1e-12)
    assert more["5. reads of cells in backward"] == pytest.approx(one["5. reads of cells in backward"], rel=1e-12)


def test_a_transfer_reads_each_row_for_each_group() -> None:
    chips = [build_chip(load_arch(PACKET, sets).value) for sets in (
        [], ["tile.col_converter.groups=4"],
        ["tile.col_converter.groups=4", "tile.col_converter.lines_per_unit=4", "tile.col_converter.group_cells=all"])
    ]  # fmt: skip
    kits = [TileKit(chip, chip.tiles[0]) for chip in chips]
    device = chips[0].spec.tile.device
    nano = Fraction(1, 10**9)
    # Five reads a row, of 80 ns and a conversion of 207 ns (Giordano): four times that of four groups.
    times = [kit.maintenance_s(device.transfer_steps, 1, 512) for kit in kits]
    assert times == [(2480 + 5 * 207) * nano] + 2 * [(2480 - 5 * 80 + 5 * 4 * (80 + 207)) * nano]
    reads, steps = [], device.transfer_steps
    for kit in kits:
        uses = kit.maintain(steps, "transfer", (1,), 512, 1).uses
        reads.append({use.action: use.count for use in uses})
    assert reads[0] == reads[1]
    assert reads[2]["verify"] == 4 * reads[0]["verify"]
    assert reads[2]["convert"] == reads[0]["convert"] == 5 * 512


# ---- what is told and refused


@pytest.mark.parametrize(
    ("base", "sets", "words"),
    [
        (PACKET, ["tile.col_converter.groups=3"],
         r"col_converter.groups: 3 do not divide the 512 columns that it reads; give 2 or 4"),
        (PACKET, ["tile.row_converter.groups=5", "tile.rows=256"],
         r"row_converter.groups: 5 do not divide the 256 rows that it reads; give 4 or 8"),
        (PACKET, ["tile.row_converter=shared", "tile.col_converter.groups=16", "tile.rows=24"],
         r"col_converter.groups: 16 do not divide the 24 rows that it reads; give 12 or 24"),
        (PACKET, ["tile.col_converter.groups=0"], r"tile.col_converter.groups: '0' is out of range"),
        (PACKET, ["tile.row_driver.phases=4"],
         r"tile.row_driver: phases: 4 do not fit phase_cells: polarities, of which a cell has two; give phases: 1 "),
        (PACKET, ["tile.row_driver.phases=65"], r"tile.row_driver.phases: '65' is out of range"),
        (PACKET, ["tile.row_driver.phases=1.5"], r"tile.row_driver.phases"),
        (PACKET, ["tile.col_converter.converted=each_phase"],
         r"'row_driver' drives is converted after each phase, and nothing adds the codes up; give an accumulator, or "
         r"converted: once"),
        (PACKET, ["tile.row_driver.line_current=5 V"], r"tile.row_driver.line_current: 'V' is not a unit of current"),
        (PACKET, ["tile.row_driver.line_current=0 A"], r"tile.row_driver.line_current: '0 A' is out of range"),
        (PACKET, ["tile.row_driver.window_steps=2^bits+1"], r"tile.row_driver.window_steps"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(base: str, sets: list[str], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_arch(base, sets)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["tile.row_driver.phases=2"], r"tile.row_driver.phases: is 2, and a ramp drives .*; give phases: 1"),
        (["tile.row_driver.line_current=1 uA"], r"tile.row_driver.line_current: is given, .*; leave it out, or give"),
        (["tile.col_converter.groups=4"], r"tile.col_converter.groups: is 4, .*; give groups: 1, or transport"),
        (["tile.row_converter.converted=each_phase",
          "tile.accumulator={kind: shift_add, step: 1 ns, energy: 1 fJ, area: 1 um2}"],
         r"tile.row_converter.converted: is each_phase, .*; give converted: once"),
    ],
)  # fmt: skip
def test_circuits_send_one_sample_of_each_line(sets: list[str], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        peak(build_chip(load_arch(REFERENCE, sets).value))
    with pytest.raises(SpecError, match=words):
        schedule_of(load_workload("mlp_digits").value, 3, sets, REFERENCE)


def test_the_accuracy_model_refuses_what_it_does_not_do() -> None:
    adder = "tile.accumulator={kind: shift_add, step: 1 ns, energy: 1 fJ, area: 1 um2}"
    wires = "tile.array.wires.row=1 ohm"

    def refused(*sets: str) -> list[str]:
        try:
            check_cells(spec_of(*sets))
        except SpecError as error:
            return [problem.where for problem in error.problems]
        return []

    assert refused() == refused("tile.col_converter.groups=4") == refused("tile.row_driver.phases=2") == []
    assert refused(adder, "tile.col_converter.converted=each_phase") == ["tile.col_converter.converted"]
    assert refused(wires, "tile.col_converter.groups=4", "tile.row_driver.phases=2") == [
        "tile.row_driver.phases", "tile.col_converter.groups",
    ]  # fmt: skip
    assert refused(wires, "tile.col_converter.groups=4", "tile.col_converter.group_cells=all") == []
    with pytest.raises(SystemExit) as left:
        main(["train", PACKET, "mlp_digits", "--epochs", "1", "--set", adder,
              "--set", "tile.col_converter.converted=each_phase"])  # fmt: skip
    assert left.value.code == 2


def spec_of(*sets: str) -> ArchSpec:
    return load_arch(PACKET, sets).value


def test_a_run_says_how_often_an_array_is_driven() -> None:
    work = load_workload("mlp_digits").value
    chip = build_chip(spec_of("tile.row_driver.phases=2", "tile.col_converter.groups=4", "tile.row_converter.groups=2"))
    said = [note for note in notes_of(chip, work) if "charged anew" in note]
    assert said == [
        "a vector drives the array of tile 8 times, lines charged anew in each (row_driver.phases: 2, "
        "col_converter.groups: 4)",
        "a vector drives the array of tile 2 times, lines charged anew in each (row_converter.groups: 2)",
    ]
    assert not [note for note in notes_of(build_chip(spec_of()), work) if "charged anew" in note]


def test_figures_of_the_cell_are_told_that_were_given_for_one_phase() -> None:
    said = load_arch(PACKET, ["tile.row_driver.phases=2"]).misfits()
    assert any(each.startswith("tile.device: ") and "phases 1; it is 2 now" in each for each in said)


def test_editors_know_the_keys_and_check_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps(json_schema(ArchSpec, "arch"))
    for key in (
        "phases",
        "phase_cells",
        "window_steps",
        "groups",
        "group_cells",
        "converted",
        "stages",
        "line_current",
    ):
        assert f'"{key}": ' in text
    file = tmp_path / "mine.yaml"
    file.write_text(
        "kind: arch\nextends: ambrogio_nature_2018_packet\nname: mine\npublished: []\n"
        "tile: {col_converter: {kind: ramp_adc, groups: 7}}\n"
    )
    with pytest.raises(SystemExit) as left:
        main(["check", str(file)])
    assert left.value.code == 2
    assert "groups: 7 do not divide the 512 columns" in capsys.readouterr().err
