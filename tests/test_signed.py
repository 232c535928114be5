"""Numbers of both signs, derivatives, losses and targets in time and bill: closed forms from the reference's spec."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from helpers import PACKET, REFERENCE, Case, cases, chip_of, network, observed, schedule_of
from hypothesis import HealthCheck, given, settings
from test_engine import (
    ACTIVATE,
    ADD,
    ALONE,
    DERIVE,
    FROM_HOST,
    LOAD,
    LOSS,
    READ,
    TO_NEXT,
    UPDATE,
    WINDOW,
    assert_takes_exactly,
)

from archsim.accounting import account
from archsim.audits import audits_of
from archsim.chip.graph import Chip
from archsim.components.converters import CcoAdc, RampAdc, SarAdc
from archsim.errors import InfeasibleError, SpecError
from archsim.loading import load_arch
from archsim.mapping.modes import memory_words
from archsim.mapping.notes import notes_of
from archsim.mapping.partition import map_workload
from archsim.mapping.recipes import BACKWARD, FORWARD, TileKit
from archsim.mapping.schedule import Schedule, Stage
from archsim.simulation.run import simulate
from archsim.workload import Workload
from archsim.workload.activations import ACTIVATIONS

FEW = settings.default.max_examples // 3  # five, or as many times four where laws are tried thoroughly
LAW = settings(
    max_examples=FEW, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
MULTIPLY_ADD = 1  # ns, up to 64 values
LOSSES = {"softmax": LOSS, "sigmoid": ACTIVATE + ADD, "linear": ADD}


def of(*sizes: int, hidden: str = "relu", last: str = "softmax", **data: Any) -> Workload:
    """Return a network with these activations, and a data set that is changed so."""
    plain = network(*sizes)
    names = [hidden] * (len(plain.layers) - 1) + [last]
    layers = [layer.model_copy(update={"activation": name}) for layer, name in zip(plain.layers, names, strict=True)]
    return plain.model_copy(
        update={"layers": tuple(layers), "dataset": plain.dataset.model_copy(update=data)}
    )  # fmt: skip


def billed(schedule: Schedule) -> Counter[tuple[str, str]]:
    """Return how often each action of each component is billed."""
    found: Counter[tuple[str, str]] = Counter()
    for item in account(simulate(schedule)).items:
        if item.action != "leak":
            found[item.component, item.action] += item.count
    return found


def failed(schedule: Schedule) -> list[str]:
    """Return the audits that a run does not pass."""
    trace = simulate(schedule)
    checks = audits_of(trace, simulate(schedule, unlimited=True), account(trace))
    return [check["name"] for check in checks if not check["passed"]]


def windows(activation: str) -> int:
    """Return in how many windows what an activation gives drives the next array."""
    return 2 if ACTIVATIONS[activation].signed else 1


def derived(activation: str) -> int:
    """Return the cycles in which a neuron unit goes back through an activation: those of up to 64 values."""
    return DERIVE + MULTIPLY_ADD * (ACTIVATIONS[activation].derivative == "value")


# ---- time, from the spec's figures


@pytest.mark.parametrize("last", sorted(LOSSES))
@pytest.mark.parametrize("signed", [False, True])
def test_signed_inputs_take_a_second_window_and_a_second_phase(signed: bool, last: str) -> None:
    step = READ + signed * WINDOW + WINDOW + LOSSES[last] + (1 + signed) * UPDATE
    own = schedule_of(of(8, 5, last=last, signed=signed), 3, ALONE)
    assert_takes_exactly(own, 3 * (LOAD + WINDOW + FROM_HOST + step))


@pytest.mark.parametrize("hidden", sorted(ACTIVATIONS))
def test_every_activation_between_two_layers_by_circuits_is_a_sum_of_windows(hidden: str) -> None:
    again = (windows(hidden) - 1) * WINDOW
    # A ramp has the activation's shape while it drives the next array, or it is read out and evaluated first.
    evaluated = 0 if ACTIVATIONS[hidden].monotone else WINDOW + ACTIVATE
    forward = READ + evaluated + READ + again + TO_NEXT + WINDOW + LOSS
    # Back through layer 2, captured at layer 1; its update, and beside it that of layer 2.
    backward = READ + max(WINDOW + TO_NEXT + derived(hidden) + UPDATE, windows(hidden) * UPDATE)
    step = LOAD + WINDOW + FROM_HOST + forward + backward
    assert_takes_exactly(schedule_of(of(8, 6, 5, hidden=hidden), 3, ALONE), 3 * step)


@pytest.mark.parametrize("hidden", sorted(ACTIVATIONS))
def test_a_gate_applies_a_derivative_of_one_bit_and_a_neuron_unit_any_other(hidden: str) -> None:
    own, both = ACTIVATIONS[hidden], windows(hidden)
    evaluated = 0 if own.monotone else WINDOW + ACTIVATE
    forward = READ + 2 * (evaluated + READ + (both - 1) * WINDOW + TO_NEXT) + WINDOW + LOSS
    # Back through layer 3; then its ramp drives layer 2 through the gates, or d is captured, multiplied and encoded.
    gated = own.derivative != "value"
    through = TO_NEXT + READ if gated else WINDOW + TO_NEXT + derived(hidden) + READ
    first = WINDOW + TO_NEXT + derived(hidden) + UPDATE
    backward = READ + max(through + max(first, both * UPDATE), both * UPDATE)
    step = LOAD + WINDOW + FROM_HOST + forward + backward
    assert_takes_exactly(schedule_of(of(8, 7, 6, 5, hidden=hidden), 3, ALONE), 3 * step)


@pytest.mark.parametrize("hidden", sorted(ACTIVATIONS))
def test_every_activation_by_packets_differs_by_windows_phases_and_products(hidden: str) -> None:
    def cycles(activation: str) -> int:
        return simulate(schedule_of(of(8, 6, 5, hidden=activation), 1, ALONE, PACKET)).cycles

    def after(activation: str) -> int:
        """After the read back of layer 2: its update; or hops of 2, 3 and 1 cycles to layer 1, and the update there."""
        return max(windows(activation) * UPDATE, 6 + derived(activation) + UPDATE)

    expected = (windows(hidden) - 1) * WINDOW + after(hidden) - after("relu")
    assert cycles(hidden) - cycles("relu") == expected


# ---- each step converted, counted, or in one pass


def kit_of(chip: Chip) -> TileKit:
    return TileKit(chip, chip.tiles[0])


def reads(kit: TileKit, *, signed: bool) -> Sequence[Stage]:
    return kit.integrate(FORWARD, 8, 5, 8, signed=signed), kit.convert(FORWARD, 5, signed=signed)


def counts(stage: Stage) -> dict[str, int]:
    return {use.action: use.count for use in stage.uses}


def test_what_is_sampled_at_each_step_takes_every_step_twice() -> None:
    kit = kit_of(chip_of("shafiee_isca_2016", ["tile.array.signed_rows=two_passes"]))
    (first, once), (first_of_two, twice) = (reads(kit, signed=signed) for signed in (False, True))
    assert first.latency_cycles == first_of_two.latency_cycles == 100  # one step of a bit
    assert counts(first_of_two)["encode"] == 2 * counts(first)["encode"]
    assert counts(first_of_two)["read_rows"] == counts(first)["read_rows"]
    # 16 bits, each once or twice; the array is free when the last step begins.
    assert (once.latency_cycles, twice.latency_cycles) == (1600, 3200)
    assert (min(at for at, _ in once.release), min(at for at, _ in twice.release)) == (1500, 3100)
    assert {name: count // counts(once)[name] for name, count in counts(twice).items()} == {"convert": 2, "add": 2}


def test_a_count_that_is_integration_is_made_in_each_pass_and_a_sum_is_converted_once() -> None:
    assert [kind.model_validate(kind.example).conversions(2) for kind in (CcoAdc, RampAdc, SarAdc)] == [2, 1, 1]


@pytest.mark.parametrize("arch", ["khaddam_jssc_2022", "marinella_jetcas_2018", "shafiee_isca_2016"])
def test_chips_that_take_both_signs_at_once_take_no_longer(arch: str) -> None:
    kit = kit_of(chip_of(arch))
    assert reads(kit, signed=True) == reads(kit, signed=False)


def test_an_update_whose_pulses_are_those_of_both_signs_takes_no_longer() -> None:
    kit = kit_of(chip_of("marinella_jetcas_2018"))
    assert kit.update(8, 5, 8, signed=True) == kit.update(8, 5, 8)


def test_paired_row_lines_take_one_pass_and_their_area() -> None:
    pairs = ("tile.array.signed_rows=paired_lines", "tile.array.pair_area=0.1 um2")
    plain, paired = chip_of(PACKET), chip_of(PACKET, pairs)
    assert reads(kit_of(paired), signed=True) == reads(kit_of(paired), signed=False)
    areas = {part.component: part.area_m2 for part in paired.parts}
    assert areas["paired_rows"] == pytest.approx(len(paired.tiles) * 512 * 512 * 0.1e-12)
    assert paired.area_m2 > plain.area_m2


def test_columns_that_are_not_paired_are_driven_in_two_passes() -> None:
    kit = kit_of(chip_of(PACKET, ["tile.array.signed_columns=two_passes"]))
    assert kit.integrate(BACKWARD, 8, 5, 5).latency_cycles == 2 * WINDOW + 16
    assert kit.integrate(FORWARD, 8, 5, 8).latency_cycles == READ


@pytest.mark.parametrize(("sets", "what"), [
    (["tile.array.signed_rows=paired_lines"], "give 'pair_area'"),
    (["tile.array.pair_area=1 um2"], "give 'signed_rows: paired_lines'"),
    (["tile.array.signed_rows=bipolar"], "cells of two terminals"),
    (["tile.array.signed_columns=bipolar"], "cells of two terminals"),
    (["tile.array.signed_rows=twos_complement"], "sampled at each step"),
    (["tile.array.signed_rows=magic"], "two_passes"),
])  # fmt: skip
def test_ways_that_a_tile_does_not_have_are_refused(sets: list[str], what: str) -> None:
    with pytest.raises(SpecError, match=what):
        load_arch(REFERENCE, sets)


# ---- the bill


@pytest.mark.parametrize("base", [REFERENCE, PACKET])
def test_both_signs_bill_drivers_and_columns_twice_and_nothing_else(base: str) -> None:
    examples, rows, cols = 4, 8 + 1, 5  # with the bias
    plain, signed = (billed(schedule_of(of(8, 5, signed=own), examples, ALONE, base)) for own in (False, True))
    more = {
        ("row_driver", "encode"): examples * rows,
        ("crossbar", "update_cols"): examples * cols,
        ("col_driver", "pulse"): examples * cols,
    }
    assert {key: signed[key] - plain[key] for key in signed if signed[key] != plain[key]} == more


def test_a_ramp_that_drives_the_next_array_twice_is_billed_twice_and_its_pulses_once() -> None:
    plain, signed = (billed(schedule_of(of(8, 6, 5, hidden=own), 1, ALONE)) for own in ("relu", "leaky_relu"))
    more = {
        ("col_converter", "ramp_out"): 6,
        ("row_driver", "encode"): 6 + 1,
        ("crossbar", "update_cols"): 5,
        ("col_driver", "pulse"): 5,
    }
    assert {key: signed[key] - plain[key] for key in signed if signed[key] != plain[key]} == more


@pytest.mark.parametrize("base", [REFERENCE, PACKET])
@pytest.mark.parametrize(("hidden", "bits"), [("linear", 0), ("relu", 1), ("sigmoid", 8), ("tanh", 8)])
def test_what_backward_needs_of_an_activation_is_kept_and_multiplied(base: str, hidden: str, bits: int) -> None:
    units = 100
    own, none = (billed(schedule_of(of(8, units, 5, hidden=name), 1, ALONE, base)) for name in (hidden, "linear"))
    words = -(-units * bits // 64)
    assert own["memory", "write"] - none["memory", "write"] == words
    assert own["memory", "read"] - none["memory", "read"] == words
    assert own["neuron", "multiply_add"] == (units if bits == 8 else 0)
    assert own["neuron", "derive"] == none["neuron", "derive"] == units


@pytest.mark.parametrize("last", sorted(LOSSES))
def test_a_loss_is_billed_by_what_it_does(last: str) -> None:
    done = billed(schedule_of(of(8, 5, last=last), 1, ALONE))
    found = {action: done["neuron", action] for action in ("activate", "add", "loss") if done["neuron", action]}
    assert found == {"softmax": {"loss": 5}, "sigmoid": {"activate": 5, "add": 5}, "linear": {"add": 5}}[last]


# ---- targets


@pytest.mark.parametrize(("target", "bits"), [("class", 8), ("values", 8 * 12), ("inputs", 0)])
def test_the_host_sends_what_outputs_are_compared_with(target: str, bits: int) -> None:
    own = schedule_of(of(8, 6, 8, last="linear", target=target, target_bits=12), 3, ALONE)
    assert billed(own)["host_port", "load"] == 3 * (8 * 8 + bits)
    assert not failed(own)


@pytest.mark.parametrize(("target", "words", "load"), [("class", 0, 2), ("values", 1, 3), ("inputs", 1, 2)])
def test_a_target_is_stored_where_the_loss_is_and_read_there(target: str, words: int, load: int) -> None:
    """Eight values of 8 bits are a word; x of the same tile is read again while the outputs are ramped out."""
    own, plain = (schedule_of(of(8, 8, last="sigmoid", target=name), 1, ALONE) for name in (target, "class"))
    again = target == "inputs"  # once where it was kept
    assert billed(own)["memory", "write"] - billed(plain)["memory", "write"] == words
    assert billed(own)["memory", "read"] - billed(plain)["memory", "read"] == words + again
    assert_takes_exactly(own, load + WINDOW + FROM_HOST + READ + WINDOW + LOSSES["sigmoid"] + UPDATE)


@pytest.mark.parametrize("base", [REFERENCE, PACKET])
def test_inputs_travel_from_the_first_layer_to_the_loss(base: str) -> None:
    own = schedule_of(of(8, 6, 8, last="sigmoid", target="inputs"), 2, [*ALONE, "tile.rows=5"], base)
    recalled = [op for op in own.ops if op.kind == "recall"]
    assert [op.tile for op in recalled] == [row[0].tile for row in own.mapping.of_layer(0)]
    assert not failed(own)


def test_outputs_can_only_be_compared_with_as_many_inputs() -> None:
    plain = of(8, 6, 5, last="sigmoid").resolved()
    plain["dataset"]["target"] = "inputs"
    with pytest.raises(ValueError, match="5 outputs and the first 8 inputs"):
        Workload.model_validate(plain)


def test_memories_hold_values_and_targets() -> None:
    """By hand, of two layers with 100 units each, x and d of 8 bits in words of 64, for 2 and 1 examples."""
    chip = chip_of(PACKET)

    def words(**how: Any) -> int:
        workload = of(100, 100, 100, **how)
        return memory_words(chip, map_workload(workload, chip))

    x = d = value = -(-100 * 8 // 64)
    bits = -(-100 // 64)
    assert words(hidden="linear") == 2 * x + d
    assert words(hidden="relu") == 2 * x + d + bits
    assert words(hidden="tanh") == 2 * x + d + value
    assert words(hidden="linear", target="values") == 2 * x + d + 2 * value
    assert words(hidden="linear", target="inputs") == 2 * x + d + value
    with pytest.raises(InfeasibleError, match="targets of 13"):
        schedule_of(of(100, 100, 100, target="values"), 1, ["tile.memory.words=60"], PACKET)


# ---- laws


def with_activation(case: Case, hidden: str, last: str, **data: Any) -> Schedule:
    """Return the schedule of a case whose network has these activations."""
    plain = network(*case.sizes, batch=case.batch, bias=case.bias)
    own = of(*case.sizes, hidden=hidden, last=last, **data)
    both = zip(plain.layers, own.layers, strict=True)
    layers = tuple(layer.model_copy(update={"activation": named.activation}) for layer, named in both)
    workload = plain.model_copy(update={"layers": layers, "dataset": own.dataset})
    return schedule_of(workload, case.examples, case.overrides, case.base)


@LAW
@given(cases(most_interval=8, intervals=(2, 3)))
def test_no_activation_is_quicker_or_cheaper_than_relu(case: Case) -> None:
    """With unlimited units, where nothing queues; in energy of actions always."""

    def cost(hidden: str) -> tuple[int, float]:
        own = with_activation(case, hidden, "softmax")
        bound = simulate(own, unlimited=True)
        return bound.cycles, sum(item.energy_j for item in account(bound).items if item.action != "leak")

    cycles, energy_j = cost("relu")
    for hidden in ("tanh", "leaky_relu", "sigmoid"):
        more_cycles, more_j = cost(hidden)
        assert more_cycles >= cycles
        assert more_j >= energy_j * (1 - 1e-12)


@LAW
@given(cases(most_interval=8, intervals=(2, 4)))
def test_runs_on_both_signs_pass_their_audits_and_are_jumped_exactly(case: Case) -> None:
    for hidden, last, data in (("tanh", "linear", {"signed": True, "target": "values"}), ("linear", "sigmoid", {})):
        own = with_activation(case, hidden, last, **data)
        assert not failed(own)
        assert observed(simulate(own)) == observed(simulate(own, full=True))


# ---- what is told


def test_what_a_circuit_cannot_play_is_said() -> None:
    circuits, packets = chip_of(REFERENCE), chip_of(PACKET)
    assert notes_of(circuits, of(8, 7, 6, 5)) == ()
    told = notes_of(circuits, of(8, 7, 6, 5, hidden="tanh"))
    assert [note.rpartition(": ")[2] for note in told] == ["fc2, fc3", "fc2, fc3", "fc1 (tanh), fc2 (tanh)"]
    assert len(notes_of(packets, of(8, 7, 6, 5, hidden="tanh"))) == 2
    assert [note.rpartition(": ")[2] for note in notes_of(circuits, of(8, 7, 5, hidden="softmax"))] == ["fc1 (softmax)"]
