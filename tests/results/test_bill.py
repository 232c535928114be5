"""The bill and the peak: energy follows from counts, parts add up, and the reference chip closes as designed."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import fsum

import pytest
from hypothesis import HealthCheck, given, settings

from archsim.chip.graph import Chip
from archsim.components.cells.pcm import PcmPair
from archsim.mapping.inference import programming
from archsim.mapping.partition import map_workload
from archsim.mapping.recipes import FORWARD, TileKit
from archsim.results.bill import ActivityFile, Bill, Item, account
from archsim.results.metrics import metrics_of
from archsim.results.peak import Peak, peak
from archsim.simulation.run import Trace, simulate
from archsim.workload import load_workload
from tests.helpers import BUS, PACKET, REFERENCE, SHIPPED, STATIC, Case, cases, chip_of, network, record, schedule_of

LAW = settings(max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
# Three layers, the first and second cut in rows and columns, and transfers and rewrites: all lines of the bill.
BUSY = (
    "tile.rows=8",
    "tile.cols=8",
    "tile.count=12",
    "schedule.transfer.interval_examples=20",
    "schedule.refresh.policy=rewrite",
    "schedule.refresh.period=20 us",
)
SIZES = (12, 10, 7, 5)


def run(*overrides: str, base: str = REFERENCE, n: int = 45) -> Trace:
    return simulate(schedule_of(network(*SIZES), n, [*BUSY, *overrides], base))


def lines(bill: Bill) -> dict[tuple[str, str, str, str], tuple[int, float]]:
    """Return count and joules by component, action, phase and layer."""
    table: dict[tuple[str, str, str, str], tuple[int, float]] = {}
    for item in bill.items:
        key = item.component, item.action, item.phase, item.layer
        count, energy_j = table.get(key, (0, 0.0))
        table[key] = count + item.count, energy_j + item.energy_j
    return table


# ---- the bill


@LAW
@given(cases())
def test_every_grant_bills_its_uses_and_nothing_else_is_billed(case: Case) -> None:
    schedule = case.schedule(min(case.examples, 40))
    trace = simulate(schedule)
    # Origin: every grant of the run that goes through all examples, one by one.
    counts: Counter[tuple[str, str, str, str]] = Counter()
    energy_j = []
    layers = [layer.name for layer in schedule.mapping.workload.layers]
    for entry in record(schedule)[0]:
        op = schedule.ops[entry.op]
        for use in op.variants[entry.n % len(op.variants)][entry.stage].uses:
            unit = schedule.chip.units[use.unit]
            layer = layers[op.layer] if op.layer >= 0 else "chip"
            counts[unit.component, use.action, op.phase, layer] += use.count
            energy_j.append(use.count * unit.actions[use.action].energy_j)
    bill = account(trace)
    billed = {key: count for key, (count, _) in lines(bill).items() if key[1] != "leak"}
    assert billed == dict(counts)
    dynamic = fsum(item.energy_j for item in bill.items if item.action != "leak")
    assert dynamic == pytest.approx(fsum(energy_j), rel=1e-9)
    leaked = schedule.chip.leakage_w * trace.cycles / float(schedule.chip.spec.technology.clock_hz)
    assert bill.total_j == pytest.approx(dynamic + leaked, rel=1e-9)


@LAW
@given(cases())
def test_every_grouping_adds_up_to_the_total(case: Case) -> None:
    bill = account(simulate(case.schedule()))
    assert bill.total_j > 0
    for key in (lambda i: i.component, lambda i: i.phase, lambda i: i.layer, lambda i: i.action, lambda i: "all"):
        groups = bill.by(key)
        assert set(groups) == {key(item) for item in bill.items}
        assert fsum(groups.values()) == pytest.approx(bill.total_j, rel=1e-12)
        assert list(groups.values()) == sorted(groups.values(), reverse=True)


def test_a_grouping_sums_the_items_of_each_group() -> None:
    items = (
        Item("a", "x", "forward", "fc1", 1, 1.0),
        Item("a", "y", "update", "fc2", 1, 2.0),
        Item("b", "x", "forward", "fc2", 1, 4.0),
    )
    bill = Bill(items)
    assert bill.total_j == 7.0
    assert bill.by(lambda item: item.component) == {"b": 4.0, "a": 3.0}
    assert bill.by(lambda item: item.phase) == {"forward": 5.0, "update": 2.0}
    assert bill.by(lambda item: item.layer) == {"fc2": 6.0, "fc1": 1.0}


@pytest.mark.parametrize("base", SHIPPED)
def test_energy_is_linear_in_examples(base: str) -> None:
    def bill(examples: int) -> Bill:
        return account(simulate(schedule_of(network(*SIZES), examples, [*BUSY, STATIC], base)))

    one, two, three = bill(100), bill(200), bill(300)
    # Every example does the same work, so all counts are proportional to the examples; leakage goes with time.
    first, second = lines(one), lines(two)
    assert first.keys() == second.keys()
    for key, (count, energy_j) in first.items():
        if key[1] != "leak":
            assert second[key][0] == 2 * count, key
            assert second[key][1] == pytest.approx(2 * energy_j, rel=1e-12), key
    # In the steady state of a sequential run time is linear as well, and so is the whole energy.
    assert three.total_j - two.total_j == pytest.approx(two.total_j - one.total_j, rel=1e-9)
    assert two.total_j > one.total_j


def test_the_bill_of_one_layer_on_one_tile_in_closed_form() -> None:
    # 8 inputs and a bias, 5 outputs; 10 examples. Counts per example: rows 9, columns 5, cells 45.
    bill = lines(account(simulate(schedule_of(network(8, 5), 10))))
    line_j = (512 * 2.1e-15 + 48e-15) * 1.0**2  # C V^2 of a whole line of 512 cells
    expected = {
        ("device", "read", "forward", "fc1"): (450, 450 * 47.9e-15),
        ("device", "update", "update", "fc1"): (450, 450 * 5 * 0.5 / 15 * 20e-15),  # pulses that coincide in a cell
        ("row_driver", "encode", "forward", "fc1"): (90, 90 * 37.5e-15),
        ("crossbar", "read_rows", "forward", "fc1"): (90, 90 * line_j),
        ("crossbar", "update_rows", "update", "fc1"): (90, 90 * 5 * line_j),
        ("crossbar", "update_cols", "update", "fc1"): (50, 50 * 0.5 * line_j),
        ("col_converter", "ramp_out", "loss", "fc1"): (50, 50 * 19.4e-12),
        ("neuron", "loss", "loss", "fc1"): (50, 50 * 10e-12),
        ("host_port", "load", "load", "fc1"): (10 * 9 * 8, 10 * 9 * 8 * 0.203125e-12),
        ("memory", "write", "forward", "fc1"): (10, 10 * 10e-12),  # 8 bytes of x in one word of 64 bits
        ("memory", "read", "forward", "fc1"): (10, 10 * 10e-12),  # which the drivers read
        ("memory", "write", "update", "fc1"): (10, 10 * 10e-12),  # 5 bytes of d
        ("memory", "read", "update", "fc1"): (20, 20 * 10e-12),  # both
        ("clock_and_control", "leak", "leakage", "chip"): (8, 8 * 10e-3 * (69 + 10 * 234) * 1e-9),
    }
    for key, (count, energy_j) in expected.items():
        assert bill[key][0] == count, key
        assert bill[key][1] == pytest.approx(energy_j, rel=1e-9), key


DOUBLED = [
    (
        REFERENCE,
        "tile.col_converter.energy",
        "19.4 pJ",
        "38.8 pJ",
        {("col_converter", "ramp_out"), ("col_converter", "convert")},
    ),
    (PACKET, "tile.col_converter.energy", "19.4 pJ", "38.8 pJ", {("col_converter", "convert")}),
    (PACKET, "tile.row_converter.energy", "19.4 pJ", "38.8 pJ", {("row_converter", "convert")}),
    (REFERENCE, "tile.row_driver.energy", "37.5 fJ", "75 fJ", {("row_driver", "encode")}),
    (REFERENCE, "tile.col_driver.energy", "37.5 fJ", "75 fJ", {("col_driver", "encode")}),
    (REFERENCE, "tile.memory.energy", "10 pJ", "20 pJ", {("memory", "read"), ("memory", "write")}),
    (REFERENCE, "tile.neuron.add_energy", "0.1 pJ", "0.2 pJ", {("neuron", "add")}),
    (REFERENCE, "tile.neuron.derive_energy", "0.5 pJ", "1 pJ", {("neuron", "derive")}),
    (REFERENCE, "tile.neuron.compare_energy", "0.029 pJ", "0.058 pJ", {("neuron", "compare")}),
    (REFERENCE, "tile.neuron.activate_energy", "0.1 pJ", "0.2 pJ", {("neuron", "activate")}),
    (REFERENCE, "tile.neuron.loss_energy", "10 pJ", "20 pJ", {("neuron", "loss")}),
    (REFERENCE, "tile.device.reset_energy", "15 pJ", "30 pJ", {("device", "reset")}),
    (REFERENCE, "tile.device.ramp_energy", "40 pJ", "80 pJ", {("device", "ramp")}),
    (
        REFERENCE,
        "tile.device.residual_pulse_energy",
        "20 fJ",
        "40 fJ",
        {("device", "residual_pulse"), ("device", "update")},
    ),
    (
        REFERENCE,
        "tile.device.read_energy",
        "47.9 fJ",
        "95.8 fJ",
        {("device", "read"), ("device", "transfer_read"), ("device", "verify"), ("device", "residual_read")},
    ),
    (REFERENCE, "tile.array.row_pulses", "5", "10", {("crossbar", "update_rows"), ("device", "update")}),
    (REFERENCE, "tile.array.col_pulses", "0.5", "1", {("crossbar", "update_cols"), ("device", "update")}),
    (REFERENCE, "host.energy_per_bit", "0.203125 pJ/bit", "0.40625 pJ/bit", {("host_port", "load")}),
    (REFERENCE, "routing.link.wire", "0.315 pF/mm", "0.63 pF/mm", {("link", "pulse")}),
    (BUS, "routing.link.wire", "0.315 pF/mm", "0.63 pF/mm", {("link", "pulse")}),
    (PACKET, "routing.link.energy_per_length", "40.4 fJ/bit/mm", "80.8 fJ/bit/mm", {("link", "flit")}),
    (PACKET, "routing.router.energy", "20.74 pJ", "41.48 pJ", {("router", "forward")}),
    (REFERENCE, "tile.periphery[2].leakage", "10 mW", "20 mW", {("clock_and_control", "leak")}),
]


@pytest.mark.parametrize(
    ("base", "key", "value", "twice", "changed"), DOUBLED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_doubling_an_energy_doubles_exactly_its_lines(
    base: str, key: str, value: str, twice: str, changed: set[tuple[str, str]]
) -> None:
    once, double = (account(run(f"{key}={text}", base=base)) for text in (value, twice))
    assert account(run(base=base)) == once  # the value given is the shipped one
    before, after = lines(once), lines(double)
    assert before.keys() == after.keys()
    assert {key[:2] for key, (_, energy_j) in before.items() if energy_j} >= changed
    for line, (count, energy_j) in before.items():
        factor = 2 if line[:2] in changed else 1
        assert after[line][0] == count, line
        assert after[line][1] == pytest.approx(factor * energy_j, rel=1e-9, abs=0), line


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_measured_activity_changes_only_reads_of_its_layer_and_direction(phase: str) -> None:
    measured = {"conductance": "14 uS", "on_time": "31 ns"}
    activity = ActivityFile.model_validate({"layers": {"fc2": {phase: measured}}})
    trace = run()
    before, after = lines(account(trace)), lines(account(trace, activity))
    line = "device", "read", phase, "fc2"
    assert before.keys() == after.keys()
    assert {key for key in before if before[key] != after[key]} == {line}
    # E = V_supply V_read G t: charge is drawn at the supply of 1.0 V, the array is read at 0.2 V.
    count, energy_j = after[line]
    assert count == before[line][0]
    assert energy_j == pytest.approx(count * 1.0 * 0.2 * 14e-6 * 31e-9, rel=1e-9)


def test_activity_of_the_assumed_mean_changes_nothing() -> None:
    # The spec's read energy, 47.9 fJ = 1.0 V x 0.2 V x 10 uS x 23.95 ns; each line is charged once; its mean pulses.
    mean = {"conductance": "10 uS", "on_time": "23.95 ns", "swings": "1"}
    pulses = {"row_pulses": "5", "col_pulses": "0.5", "cell_pulses": repr(5 * 0.5 / 15)}
    layers = {f"fc{i}": {"forward": mean, "backward": mean, "update": pulses} for i in (1, 2, 3)}
    trace = run()
    before, after = lines(account(trace)), lines(account(trace, ActivityFile.model_validate({"layers": layers})))
    for key, (count, energy_j) in before.items():
        assert after[key] == (count, pytest.approx(energy_j, rel=1e-9)), key


def test_first_layers_bill_no_backward_read() -> None:
    bill = lines(account(run()))
    assert ("device", "read", "backward", "fc2") in bill
    assert ("device", "read", "backward", "fc1") not in bill


# ---- the peak


@pytest.fixture(scope="module")
def reference() -> tuple[Chip, Peak]:
    chip = chip_of()
    return chip, peak(chip)


def test_the_reference_chip_starts_an_example_every_240_cycles(reference: tuple[Chip, Peak]) -> None:
    # The design: 80 ns of crossbar each for forward, backward and update, as an initiation interval.
    top = reference[1]
    assert top.busiest_unit == "crossbar"
    assert Fraction(top.time_per_example_s).limit_denominator(10**12) == Fraction(240, 10**9)
    assert top.busy_cycles == {
        "crossbar": 80 + 80 + 80,
        "row_driver": 80 + 80,  # forward and update
        "col_driver": 80 + 80,  # backward and update
        "col_converter": 64,
        "row_converter": 64 + 64,  # the search for the largest d, then the ramp
        "col_hold": (80 + 64) / 2,  # two samples to a line
        "row_hold": (80 + 64 + 64) / 2,
        # 512 bytes are 64 words, at two ports 32 cycles: x in, d in, both out; and the derivative's bits, 4 each way.
        "memory": 32 + 32 + 64 + 4 + 4,
        "neuron": 512 // 64 + 512 // 64,
        "link": 64 + 64,
    }


@pytest.mark.parametrize(
    ("component", "nj"),
    [
        # The design's table for the reference chip, nJ per tile and example.
        (("col_converter", "row_converter"), 19.87),
        (("row_driver", "col_driver"), 0.0),  # the table has .04, but ramps drive the arrays
        (("crossbar",), 1.15 + 3.16),
        (("memory",), 2.72),
        (("neuron",), 0.31 + 512 * 29e-6),  # and the comparators of the search for the largest d, 29 fJ each
        (("link",), 0.44),
        (("router",), 0.0),
        (("clock_and_control",), 2.40),
        # The table's 25.96, of which 0.17 pulses of 20 fJ in each of 512 x 512 cells are told apart now, .87, and what
        # the drivers are not billed for is added.
        (("device",), 25.96 + 0.04),
    ],
)
def test_the_reference_chip_closes_line_by_line(
    reference: tuple[Chip, Peak], component: tuple[str, ...], nj: float
) -> None:
    energy_j = fsum(reference[1].energy_j_by_component[name] for name in component) / 8
    assert energy_j == pytest.approx(nj * 1e-9, rel=0.02, abs=0.003e-9)  # the table is rounded to 0.01 nJ


def test_the_lines_of_the_table_are_all_there_is(reference: tuple[Chip, Peak]) -> None:
    top = reference[1]
    assert top.energy_per_example_j / 8 == pytest.approx(56.04e-9, rel=0.01)
    assert fsum(top.energy_j_by_component.values()) == pytest.approx(top.energy_per_example_j, rel=1e-12)


def test_read_and_update_lines_of_a_tile(reference: tuple[Chip, Peak]) -> None:
    chip = reference[0]
    actions = chip.units[chip.tiles[0].units["crossbar"]].actions
    # 512 x 2.1 + 48 fF at 1 V: 1.12 pJ to a line; both edges are read; 5.5 pulses on 512 lines.
    read = 512 * (actions["read_rows"].energy_j + actions["read_cols"].energy_j)
    update = 512 * (actions["update_rows"].energy_j + actions["update_cols"].energy_j)
    assert read == pytest.approx(1.15e-9, rel=0.01)
    assert update == pytest.approx(3.16e-9, rel=0.01)


def test_the_two_published_peaks_are_met(reference: tuple[Chip, Peak]) -> None:
    # Fitted, not predicted: Ambrogio et al. 2018, 28,065 GOP/s/W and 3.6 TOP/s/mm2.
    top = reference[1]
    assert top.efficiency_op_per_j == pytest.approx(28_065e9, rel=0.01)
    assert top.throughput_op_per_s / top.area_m2 == pytest.approx(3.6e12 / 1e-6, rel=0.01)
    assert top.ops_per_example == 6 * 512 * 512 * 8
    assert top.throughput_op_per_s == pytest.approx(6 * 512 * 512 * 8 / 240e-9)


@pytest.mark.parametrize(
    ("names", "mm2"),
    [
        # The design's table for the reference chip, mm2 per tile.
        (("col_converter", "row_converter"), 0.399),
        (("row_driver", "col_driver"), 0.246),
        (("memory",), 0.016),
        (("neuron",), 0.020),
        (("router",), 0.150),
        (("gain_and_polarity",), 0.061),
        (("pcm_write_driver",), 0.102),
        (("clock_and_control",), 0.030),
        (("white_space",), 0.182),
        (("device",), 0.614),
    ],
)
def test_the_area_of_the_reference_chip_closes_line_by_line(
    reference: tuple[Chip, Peak], names: tuple[str, ...], mm2: float
) -> None:
    area_m2 = {part.component: part.area_m2 / 8 for part in reference[0].parts}
    assert fsum(area_m2[name] for name in names) == pytest.approx(mm2 * 1e-6, rel=0.01)


def test_the_peak_leaves_the_host_port_out(reference: tuple[Chip, Peak]) -> None:
    chip, top = reference
    assert top.area_m2 == pytest.approx(8 * 1.820e-6, rel=0.01)  # the table's total; the host's 5.72 mm2 are apart
    assert chip.area_m2 - top.area_m2 == pytest.approx(5.72e-6, rel=1e-9)
    dear = peak(chip_of(REFERENCE, ["host.energy_per_bit=1 nJ/bit", "host.leakage=5 W"]))
    assert dear.energy_per_example_j == top.energy_per_example_j


def test_by_packets_conversions_hold_their_bank_and_set_the_pace_once_they_are_slow_enough() -> None:
    top = peak(chip_of(PACKET))
    # The conversion of 207 ns holds the bank, and a sample on the line for 80 + 207, two to a line.
    assert top.busy_cycles["col_converter"] == 207
    assert top.busy_cycles["col_hold"] == (80 + 207) / 2
    # 512 bytes and a header of 32 bits in flits of 256 bits: 17 flits each way.
    assert top.busy_cycles["link"] == 17 + 17
    slow = peak(chip_of(PACKET, ["tile.col_converter.conversion_time=1000 ns"]))
    assert (slow.busiest_unit, slow.busy_cycles["col_converter"]) == ("col_converter", 1000)
    assert slow.time_per_example_s == pytest.approx(1000e-9)


@pytest.mark.parametrize("base", SHIPPED)
def test_more_tiles_do_more_work_at_the_same_pace(base: str) -> None:
    one, two = (peak(chip_of(base, [f"tile.count={count}", "floorplan.columns=4"])) for count in (8, 16))
    assert two.ops_per_example == 2 * one.ops_per_example
    if base != BUS:  # a longer bus is slower and dearer
        assert two.time_per_example_s == one.time_per_example_s
        assert two.energy_per_example_j == pytest.approx(2 * one.energy_per_example_j, rel=1e-9)


# ---- what is easily left out of a bill


def test_bits_in_series_charge_a_line_in_each_step_whose_bit_is_set() -> None:
    found = {}
    for bits in (1, 8, 16):
        driver = f"{{kind: bit_serial_driver, bits: {bits}, step: 10 ns, energy: 0.4 pJ, area: 1 um2}}"
        sets = [f"tile.row_driver={driver}", f"tile.col_driver={driver}"]
        bill = lines(account(run(*sets, base=PACKET)))
        found[bits] = {phase: bill["crossbar", action, phase, "fc2"][1] for action, phase in READ_LINES}
        # By hand: 11 rows by 7 columns in shards of 6 and 5 rows, 45 examples; C V^2 of a line of 8 cells, in half of
        # the steps.
        line_j = 8 * 2.1e-15 + 48e-15
        assert found[bits]["forward"] == pytest.approx(45 * 11 * bits / 2 * line_j, rel=1e-9)
        assert found[bits]["backward"] == pytest.approx(45 * 2 * 7 * bits / 2 * line_j, rel=1e-9)


READ_LINES = (("read_rows", "forward"), ("read_cols", "backward"))


def test_toggles_are_a_line_of_the_spec() -> None:
    driver = "{kind: bit_serial_driver, bits: 8, step: 10 ns, energy: 0.4 pJ, area: 1 um2, toggles: %s}"
    few, many = (
        lines(account(run(f"tile.row_driver={driver % share}", base=PACKET)))["crossbar", "read_rows", "forward", "fc1"]
        for share in ("0.25", "1")
    )
    assert many[1] == pytest.approx(4 * few[1], rel=1e-12)


@pytest.mark.parametrize("base", [REFERENCE, PACKET])
def test_what_drivers_encode_was_read_from_memory_and_what_a_ramp_drives_was_not(base: str) -> None:
    schedule = schedule_of(network(8, 5, 4), 10, base=base)
    bill = lines(account(simulate(schedule)))
    # 8 bytes of x to a word; 5 bytes in the second layer; 4 of d. Every driven vector is written once, and read once.
    assert bill["memory", "write", "forward", "fc2"][0] == 10
    assert bill["memory", "write", "backward", "fc2"][0] == 10
    by_ramp = base == REFERENCE  # layers of one shard: the second is driven by the first's ramp
    reads = 0 if by_ramp else 10
    assert bill.get(("memory", "read", "forward", "fc2"), (0, 0.0))[0] == reads
    assert (("row_driver", "encode", "forward", "fc2") in bill) is not by_ramp
    assert (("crossbar", "ramp_rows", "forward", "fc2") in bill) is by_ramp
    assert bill["row_driver", "encode", "forward", "fc1"][0] == 10 * 9  # the host's vectors are stored first
    assert bill["memory", "read", "forward", "fc1"][0] == 10


def test_a_memory_port_is_busy_while_drivers_read() -> None:
    # 400 values in 50 words, written and read at a word in 10 ns, beside a read of 80 ns.
    stage = TileKit(chip := chip_of(PACKET, ["tile.memory.access=10 ns", "tile.memory.ports=1"]), chip.tiles[0])
    held = {unit: at for at, unit in stage.integrate(FORWARD, 401, 10, 400).release}
    assert held[chip.tiles[0].units["memory"]] == 1000
    assert held[chip.tiles[0].units["crossbar"]] == 80


@pytest.mark.parametrize("base", SHIPPED)
def test_maintenance_is_read_through_converters(base: str) -> None:
    bill = lines(account(run(base=base)))
    for state, reads in (("transfer", 1 + 2 + 2), ("refresh", 1 + 2)):  # of a row; two verified; of the residual
        for layer in ("fc1", "fc2", "fc3"):
            cells, _ = bill["device", "transfer_read", state, layer]
            count, energy_j = bill["col_converter", "convert", state, layer]
            assert count == reads * cells
            assert energy_j == pytest.approx(count * 19.4e-12, rel=1e-9)


def test_measured_pulses_change_the_update_alone() -> None:
    pulses = {"row_pulses": "3", "col_pulses": "0.25", "cell_pulses": "0.04"}
    activity = ActivityFile.model_validate({"layers": {"fc2": {"update": pulses}}})
    trace = run()
    before, after = lines(account(trace)), lines(account(trace, activity))
    line_j = 8 * 2.1e-15 + 48e-15
    expected = {
        ("crossbar", "update_rows", "update", "fc2"): 3 * line_j,
        ("crossbar", "update_cols", "update", "fc2"): 0.25 * line_j,
        ("device", "update", "update", "fc2"): 0.04 * 20e-15,
    }
    assert {key for key in before if before[key] != after[key]} == expected.keys()
    for key, each_j in expected.items():
        assert after[key] == (before[key][0], pytest.approx(before[key][0] * each_j, rel=1e-9))


@pytest.mark.parametrize(
    ("base", "assumed"), [("ambrogio_nature_2018_tuned", 0.054), ("ambrogio_nature_2018_pcm_pair", 0.08)]
)
def test_transfers_program_a_share_of_the_cells_and_first_weights_all(base: str, assumed: float) -> None:
    often, workload = ("schedule.transfer.interval_examples=4",), load_workload("mlp_digits").value
    schedule = schedule_of(workload, 8, often, base)
    chip, trace = schedule.chip, simulate(schedule)
    activity = ActivityFile.model_validate({"layers": {"fc2": {"transfer": {"programmed": "0.3"}}}})
    before, after = lines(account(trace)), lines(account(trace, activity))
    device = chip.tiles[0].spec.device
    assert isinstance(device, PcmPair)
    whole_j = {"reset": device.reset_energy_j, "ramp": device.ramp_energy_j, "verify": device.read_energy_j}
    for step, each_j in whole_j.items():
        for layer in ("fc1", "fc2"):
            key = "device", step, "transfer", layer
            count = before[key][0]
            assert count > 0
            assert before[key][1] == pytest.approx(count * assumed * each_j, rel=1e-9)
            assert after[key] == (count, pytest.approx(count * (0.3 if layer == "fc2" else assumed) * each_j, rel=1e-9))
    assert {key for key in before if before[key] != after[key]} == {
        ("device", step, "transfer", "fc2") for step in whole_j
    }
    # Devices wear by the same shares: two iterations, one RESET of each device in one.
    transfers = 2 * assumed, 2 * 0.3
    metrics = metrics_of(trace, account(trace, activity), peak(chip))
    times = metrics["transfers"]
    assert times > 0
    assert metrics["pcm_writes_per_cell_max"] == pytest.approx(times * max(transfers))
    assert metrics["pcm_writes_per_cell_mean"] == pytest.approx(times * sum(transfers) / 2)  # a shard for each layer
    # First weights are written to all cells: two iterations of two RESETs, a ramp and a verify.
    written = lines(account(simulate(programming(chip, map_workload(workload, chip)))))
    cells = sum(layer.synapses for layer in workload.layers)
    for step, times in (("reset", 4), ("ramp", 2), ("verify", 2)):
        found = [own for key, own in written.items() if key[:3] == ("device", step, "program")]
        assert sum(count for count, _ in found) == cells * times
        assert sum(energy_j for _, energy_j in found) == pytest.approx(cells * times * whole_j[step], rel=1e-9)


def test_measured_swings_change_the_lines_that_are_read() -> None:
    own = {"conductance": "10 uS", "on_time": "23.95 ns", "swings": "0.3"}  # reads cost what they did
    activity = ActivityFile.model_validate({"layers": {"fc1": {"forward": own}}})
    trace = run()
    before, after = lines(account(trace)), lines(account(trace, activity))
    key = "crossbar", "read_rows", "forward", "fc1"
    changed = {key for key in before if before[key][1] != pytest.approx(after[key][1], rel=1e-9)}
    assert changed == {key}
    assert after[key][1] == pytest.approx(0.3 * before[key][1], rel=1e-9)


@pytest.mark.parametrize("per_unit", [1, 2, 8, 512])
def test_lines_of_a_shared_ramp_are_sent_one_after_another(per_unit: int) -> None:
    sets = [f"tile.{edge}_converter.lines_per_unit={per_unit}" for edge in ("col", "row")]
    chip = chip_of(REFERENCE, sets)
    top = peak(chip)
    assert top.busy_cycles["col_converter"] == per_unit * 64
    assert top.busy_cycles["row_converter"] == 2 * per_unit * 64  # a ramp finds the largest, then one sends them all
    assert top.busy_cycles["link"] == 2 * per_unit * 64
    # A network of 512 lines between tiles: what was one ramp are as many as lines share a converter, each way.
    one, many = (
        simulate(schedule_of(network(20, 512, 512, 10), 3, own)).cycles / 3
        for own in (["tile.rows=520"], ["tile.rows=520", *sets])
    )
    assert many - one >= 2 * (per_unit - 1) * 64


def test_wires_that_carry_two_pieces_of_a_vector_carry_both() -> None:
    # 16 + 4 rows by one layer in three shards of rows: the host's link carries all 20 values, not the largest piece.
    schedule = schedule_of(network(20, 4, bias=False), 1, ["tile.rows=8", "tile.cols=8", "tile.count=4"])
    host = schedule.chip.units[schedule.chip.route("host", "tile0")[0][0].unit]
    carried = [
        use.count for op in schedule.ops if op.kind == "send" and op.phase == "forward"
        for stage in op.stages for use in stage.uses if use.unit == host.index
    ]  # fmt: skip
    assert 20 in carried
