"""Components: one battery for all that are registered, and the closed forms of their times and energies."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from archsim.base.section import yaml_key
from archsim.base.units import UNITS
from archsim.components import COMPONENTS, Action, Component
from archsim.components.base import Role
from archsim.components.cells.in_place import StaticCell
from archsim.components.cells.pcm_3t1c import Pcm3T1C
from archsim.components.converters import CounterAdc, RampAdc, SarAdc
from archsim.components.crossbar import Crossbar
from archsim.components.digital import HostPort, LineCircuit, NeuronUnit
from archsim.components.drivers import BitSerialDriver, LevelDriver, PwmDriver
from archsim.components.interconnect import DurationLink, Link, PacketLink
from archsim.components.memory import Sram
from archsim.spec.loading import load_arch

NANO, PICO = Fraction(1, 10**9), Fraction(1, 10**12)
ROLES = {
    "device", "array", "driver", "converter", "memory", "neuron", "accumulator", "periphery", "link", "router", "host",
    "chip_link",
}  # fmt: skip
every_kind = pytest.mark.parametrize("kind", list(COMPONENTS))


def build(kind: str, **changes: object) -> Any:
    cls = COMPONENTS[kind]
    return cls.model_validate({**cls.example, **changes})


def all_actions(part: Component) -> dict[str, Action]:
    """All that a part can do; lines and links say it for a size, which is chosen here."""
    found = dict(part.actions())
    if isinstance(part, Crossbar):
        found |= part.line_actions(512, 256)
    if isinstance(part, Link):
        found |= part.at_length(1e-3)
    return found


# ---- one battery for all kinds


@every_kind
def test_it_has_a_name_a_role_and_a_description(kind: str) -> None:
    cls = COMPONENTS[kind]
    assert cls.kind == kind
    assert kind.isidentifier()
    assert kind == kind.lower()
    assert cls.role in ROLES
    assert cls.__doc__ not in (None, cls.__mro__[1].__doc__)
    assert kind in Role(cls.role).kinds()


@every_kind
def test_it_is_built_from_its_example(kind: str) -> None:
    part = build(kind)
    assert type(part) is COMPONENTS[kind]
    assert Role(part.role).read({"kind": kind, **COMPONENTS[kind].example}) == part


@every_kind
def test_it_refuses_an_unknown_key(kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        build(kind, no_such_key="1 ns")
    assert [(fault["type"], fault["loc"]) for fault in caught.value.errors()] == [("extra_forbidden", ("no_such_key",))]


@every_kind
def test_it_refuses_to_lack_what_has_no_default(kind: str) -> None:
    cls = COMPONENTS[kind]
    needed = {yaml_key(name) for name, field in cls.model_fields.items() if field.is_required()}
    assert needed <= cls.example.keys()
    with pytest.raises(ValidationError) as caught:
        cls.model_validate({})
    assert {str(fault["loc"][0]) for fault in caught.value.errors()} == needed


@every_kind
def test_it_refuses_each_figure_below_zero(kind: str) -> None:
    cls = COMPONENTS[kind]
    figures = {key: str(text) for key, text in cls.example.items() if str(text)[:1].isdigit()}
    figures |= {"area": "1 m2"} if "area_m2" in cls.model_fields else {}
    figures |= {"leakage": "1 W"} if "leakage_w" in cls.model_fields else {}
    for key, text in figures.items():
        with pytest.raises(ValidationError) as caught:
            build(kind, **{key: re.sub(r"^[0-9.]+", "-1", text)})
        assert [fault["loc"] for fault in caught.value.errors()] == [(key,)]


@every_kind
def test_it_cannot_be_changed(kind: str) -> None:
    part = build(kind)
    name = next(iter(type(part).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, name, getattr(part, name))


@every_kind
def test_what_it_takes_is_finite_and_not_negative(kind: str) -> None:
    part = build(kind)
    assert 0 <= part.total_area_m2 < math.inf
    assert 0 <= part.total_leakage_w < math.inf
    for action in all_actions(part).values():
        assert 0 <= action.energy_j < math.inf
        assert action.latency_s >= 0
        assert action.occupancy_s is None or action.occupancy_s >= 0
        assert action.parallel >= 1


@every_kind
def test_its_times_are_exact(kind: str) -> None:
    assert all(isinstance(action.latency_s, Fraction) for action in all_actions(build(kind)).values())


@every_kind
def test_resolved_says_all_of_it(kind: str) -> None:
    part = build(kind)
    resolved = part.resolved()
    assert resolved.pop("kind") == kind
    later = {name for each in type(part).__mro__ for name in getattr(each, "later", ())}  # those are at their defaults
    fields = [name for name in type(part).model_fields if name not in later]
    assert resolved.keys() == {yaml_key(name) for name in fields}
    # SI values as text: read back as numbers they are the same component.
    values = {name: _number_like(getattr(part, name), resolved[yaml_key(name)]) for name in fields}
    assert type(part).model_validate(values) == part


def _number_like(model: object, text: object) -> object:
    return type(model)(str(text)) if isinstance(model, float | Fraction) else text


@every_kind
def test_its_yaml_keys_carry_no_unit_and_do_not_collide(kind: str) -> None:
    names = list(COMPONENTS[kind].model_fields)
    keys = [yaml_key(name) for name in names]
    assert len(set(keys)) == len(names)
    for key in keys:
        assert not any(unit.suffix and key.endswith(f"_{unit.suffix}") for unit in UNITS.values())


@every_kind
def test_area_and_leakage_are_those_that_are_given(kind: str) -> None:
    if "area_m2" in COMPONENTS[kind].model_fields:
        assert build(kind, area="0.5 mm2").total_area_m2 == 0.5e-6  # the figure itself, in m2
    if "leakage_w" in COMPONENTS[kind].model_fields:
        more, none = (build(kind, leakage=text).total_leakage_w for text in ("3 mW", "0 W"))
        assert more - none == pytest.approx(3e-3, rel=1e-12)  # beside it stands what refreshes a dynamic memory


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_part_of_another_role_cannot_stand_in_a_place(role: str) -> None:
    for kind, cls in COMPONENTS.items():
        if cls.role != role:
            for given_ in (build(kind), {"kind": kind, **cls.example}):
                with pytest.raises(PydanticCustomError) as caught:
                    Role(role).read(given_)
                assert f"allowed kinds: {', '.join(Role(role).kinds())}" in str(caught.value)


# ---- time of many items

times = st.fractions(0, 1, max_denominator=10**12)
actions = st.builds(Action, st.floats(0, 1e-9), times.map(lambda t: t + PICO), st.none() | times, st.integers(1, 64))


@given(actions, st.integers(0, 5000), st.integers(1, 64))
def test_items_go_batch_after_batch(action: Action, items: int, banks: int) -> None:
    latency, occupancy = action.duration_s(items, banks)
    own = action.latency_s if action.occupancy_s is None else action.occupancy_s
    # By hand: hand out batches until nothing is left.
    left, batches = items, 0
    while left > 0:
        left -= banks * action.parallel
        batches += 1
    assert occupancy == batches * own
    # The first result comes after `latency_s`, each further batch `own` later.
    assert latency == (action.latency_s + (batches - 1) * own if batches else 0)


@given(actions, st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 8), st.integers(1, 8))
def test_more_items_never_take_less_and_more_banks_never_more(
    action: Action, items: int, more: int, banks: int, extra: int
) -> None:
    least, most = action.duration_s(items, banks), action.duration_s(items + more, banks)
    assert most[1] >= least[1]
    assert not items or most[0] >= least[0]
    assert action.duration_s(items, banks + extra)[1] <= least[1]


@given(actions, st.integers(1, 500), st.integers(1, 8), st.integers(1, 8))
def test_whole_batches_add_up(action: Action, batches: int, banks: int, more: int) -> None:
    batch = banks * action.parallel
    one, other = action.duration_s(batches * batch, banks)[1], action.duration_s(more * batch, banks)[1]
    assert action.duration_s((batches + more) * batch, banks)[1] == one + other


@given(st.integers(0, 5000), st.integers(1, 64))
def test_a_batch_is_not_begun_before_the_last_is_full(items: int, lanes: int) -> None:
    action = Action(0.0, NANO, parallel=lanes)
    batches = action.duration_s(items)[1] / NANO
    assert (batches - 1) * lanes < items <= batches * lanes or (items == batches == 0)


# ---- drivers and converters: closed forms of the design, sections 3 and 9


@given(st.integers(1, 32), st.integers(1, 10**6))
def test_windows_of_the_drivers(bits: int, step_ps: int) -> None:
    step = f"{step_ps} ps"
    window = {cls: build(cls.kind, bits=bits, step=step).window_s for cls in (PwmDriver, BitSerialDriver, LevelDriver)}
    assert window[PwmDriver] == 2**bits * step_ps * PICO
    assert window[BitSerialDriver] == bits * step_ps * PICO
    assert window[LevelDriver] == step_ps * PICO


def test_seven_bits_of_half_a_nanosecond_are_a_window_of_64_ns() -> None:
    assert build("pwm_driver", bits=7, step="0.5 ns").window_s == 64 * NANO  # 2^7 x 0.5 ns


def test_sixteen_bits_of_100_ns_one_after_another_are_1600_ns() -> None:
    assert build("bit_serial_driver", bits=16, step="100 ns").window_s == 1600 * NANO  # 16 x 100 ns


def test_encoding_takes_the_window_and_all_lines_at_once() -> None:
    driver = build("pwm_driver", bits=7, step="0.5 ns", energy="37.5 fJ")
    assert driver.actions()["encode"].duration_s(512, 512) == (64 * NANO, 64 * NANO)  # a driver per line
    assert driver.actions()["encode"].energy_j == 37.5e-15
    assert driver.actions()["pulse"].energy_j == 0  # the train is billed to the lines


def test_conversion_times() -> None:
    counter, ramp, sar = build("counter_adc", bits=8, lsb="0.3 ns"), build("ramp_adc"), build("sar_adc")
    assert isinstance(counter, CounterAdc)
    assert isinstance(ramp, RampAdc)
    assert isinstance(sar, SarAdc)
    assert counter.conversion_s == Fraction("76.8") * NANO  # 2^8 x 0.3 ns
    assert ramp.conversion_s == 207 * NANO  # the whole ramp, 512 neurons in parallel (Giordano et al.)
    assert sar.conversion_s == Fraction("0.8333") * NANO  # 1.2 GS/s, in four digits


def test_a_shared_converter_takes_its_lines_one_after_another() -> None:
    sar = build("sar_adc", rate="1 ns", lines_per_unit=16)
    # 512 lines by 32 banks: 16 samples each, 16 x 1 ns.
    assert sar.actions()["convert"].duration_s(512, 32) == (16 * NANO, 16 * NANO)
    assert sar.actions()["convert"].duration_s(513, 32)[1] == 17 * NANO


@pytest.mark.parametrize("kind", Role("converter").kinds())
def test_only_a_ramp_can_leave_as_a_duration(kind: str) -> None:
    part = build(kind)
    assert ("ramp_out" in part.actions()) == (kind == "ramp_adc")


def test_a_ramp_serves_its_lines_one_after_another() -> None:
    ramp = build("ramp_adc", ramp="64 ns", lines_per_unit=4)
    assert ramp.actions()["ramp_out"].duration_s(512, 512) == (64 * NANO, 64 * NANO)  # one to a line: all at once
    assert ramp.actions()["ramp_out"].duration_s(512, 128) == (256 * NANO, 256 * NANO)  # four to one: 4 x 64 ns
    assert ramp.actions()["convert"].duration_s(512, 128)[1] == 4 * 207 * NANO


# ---- crossbar


def test_an_update_of_fifteen_pulses_takes_80_ns() -> None:
    array = build("crossbar", pulse="5 ns", pulses=15, pause="5 ns")
    assert isinstance(array, Crossbar)
    assert array.update_s == 80 * NANO  # 15 x 5 + 5


def test_a_line_of_512_cells_takes_1_1232_pj() -> None:
    array = build("crossbar", cell_line="2.1 fF", line_end="48 fF", line="1.0 V")
    assert isinstance(array, Crossbar)
    # C V^2 = (512 x 2.1 + 48) fF x 1 V^2 = 1123.2 fJ
    assert array.line_energy_j(512) == pytest.approx(1.1232e-12, rel=1e-12)


@given(st.integers(0, 4096), st.integers(1, 4096), st.floats(0.1, 10))
def test_line_energy_is_linear_in_cells_and_quadratic_in_voltage(cells: int, more: int, volts: float) -> None:
    one, at = build("crossbar", line="1 V"), build("crossbar", line=f"{volts!r} V")
    assert isinstance(one, Crossbar)
    assert isinstance(at, Crossbar)
    per_cell = (one.line_energy_j(cells + more) - one.line_energy_j(cells)) / more
    assert per_cell == pytest.approx(2.1e-15, rel=1e-9)
    assert at.line_energy_j(cells) == pytest.approx(one.line_energy_j(cells) * volts**2, rel=1e-12)


@given(st.integers(1, 2048), st.integers(1, 2048))
def test_a_row_crosses_the_columns_and_a_column_the_rows(rows: int, cols: int) -> None:
    array = build("crossbar", row_pulses="5", col_pulses="0.5")
    assert isinstance(array, Crossbar)
    found = {name: action.energy_j for name, action in array.line_actions(rows, cols, 4, 0.5).items()}
    row_j, col_j = array.line_energy_j(cols), array.line_energy_j(rows)
    assert found == {
        "read_rows": 4 * row_j, "read_cols": 0.5 * col_j, "ramp_rows": row_j, "ramp_cols": col_j,
        "update_rows": 5 * row_j, "update_cols": 0.5 * col_j,
    }  # fmt: skip


# ---- cells


def test_transfer_of_a_row_takes_its_steps_together() -> None:
    device = load_arch("ambrogio_nature_2018").value.tile.device
    # Design, section 8, with 160 residual pulses for its 64 (which make 2,000 ns):
    # 80 + 2 x (RESET 50 + RESET 50 + ramp 500 + verify 80) + 160 x 5 + 80 + 16 x 5 + 80 = 2,480
    assert device.row_time_s(device.transfer_steps) == 2480 * NANO


def test_rewrite_of_a_row_is_its_read_and_residual_part() -> None:
    device = load_arch("ambrogio_nature_2018").value.tile.device
    # Design, section 8, with 160 residual pulses: a transfer's 80 + 160 x 5 + 80 + 16 x 5 + 80 = 1,120 ns
    assert device.row_time_s(device.rewrite_steps) == 1120 * NANO


def test_transfer_of_a_weight_takes_about_140_pj() -> None:
    device = load_arch("ambrogio_nature_2018").value.tile.device
    found = device.actions()
    programming = sum(device.repeats(step) * found[step].energy_j for step in ("reset", "ramp"))
    assert programming == pytest.approx(4 * 15e-12 + 2 * 40e-12)  # 140 pJ: four RESETs of 15 and two ramps of 40 pJ


def test_a_programmed_cell_draws_300_uw_at_most() -> None:
    device = load_arch("ambrogio_nature_2018").value.tile.device
    # RESET: 200 uA x 1.5 V = 15 pJ / 50 ns = 300 uW; the ramp 40 pJ / 500 ns = 80 uW
    assert device.peak_power_w(device.transfer_steps) == pytest.approx(300e-6)


@given(st.integers(1, 8))
def test_each_iteration_resets_both_devices(iterations: int) -> None:
    device = build("pcm_3t1c", iterations=iterations)
    assert isinstance(device, Pcm3T1C)
    repeats = {step: device.repeats(step) for step in device.transfer_steps}
    assert (repeats["reset"], repeats["ramp"], repeats["verify"]) == (2 * iterations, iterations, iterations)
    assert device.writes_when_programmed == iterations


@pytest.mark.parametrize("kind", Role("device").kinds())
def test_every_step_of_maintenance_is_an_action(kind: str) -> None:
    device = COMPONENTS[kind]
    assert {*device.transfer_steps, *device.rewrite_steps} <= build(kind).actions().keys()  # type: ignore[attr-defined]


def test_a_static_cell_needs_no_maintenance() -> None:
    cell = build("static_cell")
    assert isinstance(cell, StaticCell)
    assert cell.row_time_s(cell.transfer_steps) == 0
    assert cell.peak_power_w(cell.transfer_steps) == 0
    assert cell.writes_when_programmed == 0


def test_read_energy_at_35_percent_of_the_window_is_49_5_fj() -> None:
    cell = build("static_cell", supply="1.0 V", read="0.2 V")
    assert isinstance(cell, StaticCell)
    # Design, section 9: 1.0 V x 0.2 V x 11 uS x 22.5 ns
    assert cell.read_energy_at_j(11e-6, 22.5e-9) == pytest.approx(49.5e-15)


# ---- memory, neuron unit, host, periphery


@given(st.integers(0, 10**5), st.integers(1, 32), st.integers(1, 256))
def test_words_hold_all_bits_and_none_is_spare(values: int, bits: int, word_bits: int) -> None:
    memory = build("sram", word_bits=word_bits)
    assert isinstance(memory, Sram)
    words = memory.words_for(values, bits)
    assert (words - 1) * word_bits < values * bits <= words * word_bits


def test_two_ports_halve_the_time_of_access() -> None:
    assert build("sram", ports=2, access="1 ns").actions()["read"].duration_s(67)[1] == 34 * NANO  # ceil(67 / 2)


def test_512_values_in_64_lanes_take_eight_steps() -> None:
    neuron = build("neuron_unit", lanes=64, step="1 ns", loss_step="10 ns")
    assert isinstance(neuron, NeuronUnit)
    assert {name: action.duration_s(512)[1] / NANO for name, action in neuron.actions().items()} == {
        "add": 8, "compare": 8, "activate": 8, "derive": 8, "multiply_add": 8, "loss": 80,
    }  # fmt: skip


def test_2048_bytes_through_8_5_gb_per_s_take_about_240_ns() -> None:
    host = build("host_port", rate="8.5 GB/s")
    assert isinstance(host, HostPort)
    # Design, section 8: 2,048 bytes per 240 ns is 8.5 GB/s
    assert host.actions()["load"].duration_s(2048 * 8)[1] == Fraction(2048, 85 * 10**8)
    assert float(Fraction(2048, 85 * 10**8)) == pytest.approx(240e-9, rel=5e-3)


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_line_circuits_are_counted_by_what_they_serve(rows: int, cols: int) -> None:
    counts = {}
    for per in ("line", "row", "col", "cell", "tile"):
        circuit = build("line_circuit", per=per)
        assert isinstance(circuit, LineCircuit)
        counts[per] = circuit.instances(rows, cols)
    assert counts["line"] == counts["row"] + counts["col"]
    assert counts["cell"] == counts["row"] * counts["col"]
    assert (counts["row"], counts["col"], counts["tile"]) == (rows, cols, 1)


# ---- links


@given(st.integers(0, 10**6), st.integers(0, 512), st.integers(1, 1024))
def test_flits_carry_the_message_and_its_header(bits: int, header: int, width: int) -> None:
    link = build("packet_link", width_bits=width, header_bits=header)
    assert isinstance(link, PacketLink)
    flits = link.flits(bits)
    assert (flits - 1) * width < bits + header <= flits * width or flits == bits + header == 0


def test_512_bytes_and_a_header_are_17_flits() -> None:
    link = build("packet_link", width_bits=256, header_bits=32)
    assert isinstance(link, PacketLink)
    assert link.flits(512 * 8) == 17  # (4096 + 32) / 256 = 16.125


@given(st.floats(0, 0.1), st.floats(0, 0.1))
def test_energy_and_flight_are_linear_in_length(a: float, b: float) -> None:
    for link, action in ((build("packet_link"), "flit"), (build("duration_link"), "pulse")):
        assert isinstance(link, Link)
        energy = {length: link.at_length(length)[action].energy_j for length in (a, b, a + b)}
        assert energy[a + b] == pytest.approx(energy[a] + energy[b], rel=1e-12)
        assert link.flight_s(Fraction(a) + Fraction(b)) == link.flight_s(Fraction(a)) + link.flight_s(Fraction(b))


def test_a_flit_and_a_pulse_over_one_millimetre() -> None:
    packet, wires = build("packet_link"), build("duration_link")
    assert isinstance(packet, PacketLink)
    assert isinstance(wires, DurationLink)
    # 256 bits x 40.4 fJ/bit/mm (DATE 2013); 0.315 pF/mm (Ho, JSSC 2008) x (1 V)^2
    assert packet.at_length(1e-3)["flit"].energy_j == pytest.approx(256 * 40.4e-15)
    assert wires.at_length(1e-3)["pulse"].energy_j == pytest.approx(0.315e-12)
    assert packet.flight_s(Fraction(1, 1000)) == 150 * PICO  # 150 ps/mm
