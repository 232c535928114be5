"""Chips that only infer: parts that they lack, conversion at each bit, counting converters, dynamic memories."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import evaluate, load_arch, load_workload
from archsim.base.errors import SpecError
from archsim.chip import build_chip
from archsim.components import COMPONENTS
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.recipes import FORWARD, TileKit
from archsim.simulation import simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from tests.helpers import PACKET, REFERENCE, observed

NONE = ("tile.col_driver=none", "tile.row_converter=none")
INFERENCE = ("mode=inference",)
ISAAC = "shafiee_isca_2016"


def serial(bits: int, step: int, rate: int, lines: int, slices: int = 1, add: int = 1) -> Loaded[ArchSpec]:
    """The packet chip, its rows driven bit by bit and its columns converted at each step; times are in ns."""
    driver = (
        f"{{kind: bit_serial_driver, bits: {bits}, step: {step} ns, sampled: each_step, energy: 1 pJ, area: 1 um2}}"
    )
    adc = (f"{{kind: sar_adc, bits: 8, energy: 1 pJ, area: 1 um2, rate: {rate} ns, lines_per_unit: {lines}, "
           f"slices: {slices}}}")  # fmt: skip
    adder = f"{{kind: shift_add, step: {add} ns, energy: 1 fJ, area: 1 um2, lines_per_unit: {lines}}}"
    sets = (f"tile.row_driver={driver}", f"tile.col_converter={adc}", f"tile.accumulator={adder}",
            "tile.array.settle=0 s", "tile.rows=32", "tile.cols=32")  # fmt: skip
    return load_arch(PACKET, [*sets, *NONE])


# ---- what is lacking


@pytest.mark.parametrize(
    ("lacking", "named"),
    [
        (NONE[0], "tile.col_driver: is 'none'"),
        (NONE[1], "tile.row_converter: is 'none'"),
        ("tile.array={kind: read_only_crossbar, settle: 2 ns, cell_line: 1 fF, line_end: 1 fF, line: 1 V}",
         "tile.array: a 'read_only_crossbar'"),
    ],
)  # fmt: skip
def test_training_names_the_part_that_is_lacking_and_inference_does_without(lacking: str, named: str) -> None:
    arch = load_arch(PACKET, [lacking])
    with pytest.raises(SpecError) as caught:
        evaluate(arch, load_workload("mlp_digits"), examples=3)
    assert str(caught.value).startswith(named)
    assert "--set mode=inference" in str(caught.value)
    assert evaluate(arch, load_workload("mlp_digits", INFERENCE), examples=3).passed


def test_all_that_is_lacking_is_named_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        evaluate(load_arch(ISAAC), load_workload("mlp_digits"), examples=3)
    assert [problem.where for problem in caught.value.problems] == [
        "tile.col_driver",
        "tile.row_converter",
        "tile.array",
    ]


def test_what_is_not_there_takes_no_area_and_does_not_change_inference() -> None:
    work = load_workload("mlp_digits", INFERENCE)
    whole, part = (evaluate(load_arch(PACKET, sets), work, examples=50) for sets in ((), NONE))
    names = {line.component for line in part.chip.parts}
    assert not names & {"col_driver", "row_converter"}
    spec = whole.arch.value.tile
    gone = 512 * (spec.backward_driver.area_m2 + spec.backward_converter.area_m2) * 8
    lost = sum(line.area_m2 for line in whole.chip.parts) - sum(line.area_m2 for line in part.chip.parts)
    assert lost == pytest.approx(gone * (1 + 0.1 / 0.9), rel=0.05)  # and its white space, 10 % of the floorplan
    assert part.trace.cycles == pytest.approx(whole.trace.cycles, rel=2e-3)  # shorter wires


def test_a_chip_without_a_transfer_section_trains_cells_that_keep_their_weights() -> None:
    text = load_arch("gokmen_frontiers_2016")
    assert text.value.schedule.transfer is None
    result = evaluate(load_arch("marinella_jetcas_2018"), load_workload("mlp_digits"), examples=5)
    assert result.passed
    assert result.data["metrics"]["transfers"] == 0
    leaky = text.value.model_copy(update={"tile": load_arch(REFERENCE).value.tile})
    with pytest.raises(SpecError, match=r"schedule.transfer: is missing, and the 'pcm_3t1c' of tile must be"):
        leaky.check_trainable()


def test_digital_vectors_leave_a_tile_without_column_drivers_through_those_of_its_rows() -> None:
    chip = build_chip(load_arch(REFERENCE, NONE).value)
    mapping = map_workload(load_workload("mlp_mnist", INFERENCE).value, chip)
    schedule = build_schedule(chip, mapping, 4)
    trace = simulate(schedule, full=True)
    encoded = sum(
        entry.grants * use.count
        for entry in trace.stages for use in entry.stage.uses
        if chip.units[use.unit].component == "row_driver"
    )  # fmt: skip
    # The first layer's rows, 528 and a bias row; its sum and the ten results are digital and are driven out. The other
    # two arrays are driven by pulses that come so: by these drivers, and by a ramp.
    assert encoded == 4 * (529 + 250 + 10)


# ---- conversion at each bit


@given(
    st.integers(1, 16), st.integers(1, 60), st.integers(1, 9), st.sampled_from([1, 4, 32]), st.integers(1, 4),
    st.integers(1, 5),
)  # fmt: skip
@settings(max_examples=25)
def test_a_read_takes_its_steps_and_one_more_for_the_last_conversion(
    bits: int, step: int, rate: int, lines: int, slices: int, add: int
) -> None:
    chip = build_chip(serial(bits, step, rate, lines, slices, add).value)
    kit = TileKit(chip, chip.tiles[0])
    read, convert = kit.integrate(FORWARD, 32, 32, 32), kit.convert(FORWARD, 32)
    if bits == 1:  # nothing to sample twice: as any converter
        assert read.latency_cycles == step
        assert convert.latency_cycles == lines * slices * rate
        return
    slowest = max(step, lines * slices * rate, lines * slices * add)  # by hand, in ns; banks of `lines` lines each
    assert read.latency_cycles == step
    assert convert.latency_cycles == bits * slowest
    counts = {(chip.units[use.unit].component, use.action): use.count for use in convert.uses}
    assert counts == {("col_converter", "convert"): bits * 32, ("accumulator", "add"): bits * 32 * slices}
    freed = {chip.units[unit].name.split(".")[-1]: at for at, unit in convert.release}
    assert freed == {
        "crossbar": (bits - 1) * slowest, "row_driver": (bits - 1) * slowest,
        "col_converter": bits * slowest, "col_hold": bits * slowest,
    }  # fmt: skip


def test_jumping_is_exact_where_units_are_held_from_stage_to_stage() -> None:
    sets = ("schedule.mode=pipelined", "schedule.in_flight=3")
    chip = build_chip(serial(8, 10, 1, 4).with_overrides(sets).value)
    schedule = build_schedule(chip, map_workload(load_workload("mlp_digits", INFERENCE).value, chip), 300)
    full, jumped = simulate(schedule, full=True), simulate(schedule)
    assert jumped.examples_fast_forwarded > 0
    assert {**observed(full), "events": 0} == {**observed(jumped), "events": 0}


def test_partial_products_are_billed_where_they_are_added() -> None:
    arch = serial(8, 10, 1, 4, slices=2)
    result = evaluate(arch, load_workload("mlp_digits", INFERENCE), examples=20)
    assert result.passed
    columns = sum(shard.cols for shard in result.mapping.shards)
    items = {(item.component, item.action): item for item in result.bill.items if item.phase == "forward"}
    added = sum(item.count for item in result.bill.items if item.component == "accumulator")
    assert added == 20 * 8 * 2 * columns
    assert ("accumulator", "add") in items
    parts = {part.component: part.instances for part in result.chip.parts}
    assert parts["accumulator"] == len(result.chip.tiles) * ceil(32 / 4)


def test_samples_need_an_adder_and_packets() -> None:
    driver = "{kind: bit_serial_driver, bits: 8, step: 10 ns, sampled: each_step, energy: 1 pJ, area: 1 um2}"
    with pytest.raises(SpecError, match="give an accumulator"):
        load_arch(PACKET, [f"tile.row_driver={driver}"])
    adder = "tile.accumulator={kind: shift_add, step: 1 ns, energy: 1 fJ, area: 1 um2}"
    chip = build_chip(load_arch(REFERENCE, [f"tile.row_driver={driver}", adder]).value)
    mapping = map_workload(load_workload("mlp_digits", INFERENCE).value, chip)
    with pytest.raises(SpecError, match=r"tile.row_driver: is sampled at each of its steps"):
        build_schedule(chip, mapping, 3)


# ---- the other parts


def test_a_counting_oscillator_needs_a_window_of_its_full_scale() -> None:
    adc = "tile.col_converter={kind: cco_adc, bits: 8, energy: 5 pJ, area: 1 um2, lsb: %s, readout: 1 ns}"
    # 2^8 counts: of 0.25 ns they fill the packet chip's window of 64 ns, of 0.251 ns they do not.
    exact = load_arch(PACKET, [adc % "0.25 ns"]).value.tile.col_converter
    assert exact.least_window_s == Fraction(64, 10**9)
    assert exact.conversion_s == Fraction(1, 10**9)
    with pytest.raises(SpecError, match=r"drives the array for 64 ns, in which a 'cco_adc' cannot count to full scale"):
        load_arch(PACKET, [adc % "0.251 ns"])


@given(st.integers(1, 10**5), st.integers(1, 1000))
def test_a_dynamic_memory_reads_all_of_itself_once_per_retention(words: int, retention_us: int) -> None:
    example = COMPONENTS["edram"].example
    memory = COMPONENTS["edram"].model_validate({**example, "words": words, "retention": f"{retention_us} us"})
    assert memory.total_leakage_w == pytest.approx(words * 20.45e-12 / (retention_us * 1e-6))
