"""Inference: forward passes alone, batches, and the writing of weights. Expected values are counted by hand."""

from fractions import Fraction
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import evaluate, load_workload
from archsim.base.errors import InfeasibleError, SpecError
from archsim.chip import build_chip
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.inference import programming
from archsim.results.evaluate import Result
from archsim.simulation import simulate
from archsim.spec.loading import load_arch

ARCHS = ("ambrogio_nature_2018", "ambrogio_nature_2018_packet", "ambrogio_nature_2018_bus")


def run(arch: str, *sets: str, examples: int = 64, work: tuple[str, ...] = ("mode=inference",)) -> Result:
    return evaluate(load_arch(arch, sets), load_workload("mlp_mnist", work), examples=examples)


@pytest.mark.parametrize("arch", ARCHS)
def test_inference_does_two_operations_per_synapse_and_returns_the_results(arch: str) -> None:
    result = run(arch)
    metrics, synapses = result.data["metrics"], result.workload.value.synapses
    assert result.passed
    assert metrics["ops_per_example"] == metrics["ops_executed_per_example"] == 2 * synapses
    loaded = fsum(item.count for item in result.bill.items if item.action == "load")
    assert loaded == 64 * (528 + 10) * 8  # an image comes in, ten results go out, a byte each
    assert not any(item.phase in ("backward", "update", "loss") for item in result.bill.items)


def test_the_peak_of_inference_is_the_read_and_not_the_training_step() -> None:
    top = run(ARCHS[0]).peak
    assert top.time_per_example_s == pytest.approx(80e-9)  # 64 ns window, 16 ns settling: machine.md section 9
    assert top.ops_per_example == 2 * 512 * 512 * 8


@given(st.integers(1, 9), st.integers(1, 4))
def test_a_batch_ends_before_the_next_begins(batch: int, flying: int) -> None:
    """Time of n batches = n x time of one, less what the host loads ahead; so never less than from one alone."""
    sets = (f"schedule.mode=pipelined schedule.in_flight={flying} tile.col_converter.sample_hold={flying + 1}").split()
    chip = build_chip(load_arch(ARCHS[1], sets).value)
    work = load_workload("mlp_digits", ("mode=inference", f"inference.batch={batch}")).value
    mapping = map_workload(work, chip)
    times = {n: simulate(build_schedule(chip, mapping, n * batch), full=True).cycles for n in (1, 2, 3, 4)}
    assert times[3] - times[2] == times[4] - times[3] if batch > 1 else times[2] > times[1]
    jumped = simulate(build_schedule(chip, mapping, 40 * batch))
    assert jumped.cycles == simulate(build_schedule(chip, mapping, 40 * batch), full=True).cycles


def test_weights_are_written_row_by_row_and_told_apart_from_the_run() -> None:
    sets = ("schedule.transfer.tiles_in_parallel=2",)
    plain, asked = run(ARCHS[0], *sets), run(ARCHS[0], *sets, work=("mode=inference", "program=true"))
    told = asked.data["programming"]
    # Design, section 8: twice RESET G+, RESET G-, ramp, verify; and each verify is converted in 207 ns.
    row_s = 2 * (2 * Fraction(50) + 500 + 80 + 207) / 10**9
    rows = sorted((shard.rows for shard in asked.mapping.shards), reverse=True)
    assert rows == [265, 264, 251, 126]
    # Two tiles at once, first come first served: 265 and 264, then 251 where it is free first, and 126.
    assert told["time_s"] == pytest.approx(float(max(264 + 251, 265 + 126) * row_s), rel=1e-9)
    cells = asked.workload.value.synapses
    assert told["cells"] == cells
    written_j = cells * 2 * (2 * 15e-12 + 40e-12 + 47.9e-15 + 19.4e-12)  # each verify ends in a conversion a column
    leaked_j = asked.chip.leakage_w * told["time_s"]
    assert told["energy_j"] == pytest.approx(written_j + leaked_j, rel=1e-9)
    assert asked.data["metrics"] == plain.data["metrics"]


def test_a_cell_that_does_not_say_how_it_is_written_is_refused() -> None:
    chip = build_chip(load_arch("ambrogio_nature_2018_3t1c").value)
    mapping = map_workload(load_workload("mlp_mnist").value, chip)
    with pytest.raises(SpecError, match="program and program_energy"):
        programming(chip, mapping)
    with pytest.raises(SpecError, match="belong together"):
        load_arch("ambrogio_nature_2018_3t1c", ("tile.device.program=1 us",))


def test_training_needs_its_section_and_modes_have_names() -> None:
    with pytest.raises(SpecError, match="did you mean 'inference'"):
        load_workload("mlp_mnist", ("mode=inferrence",))


def test_settings_go_to_the_chip_or_to_the_workload() -> None:
    """The keys are told apart by name: a workload's are those that a chip's spec does not have."""
    from archsim.base.section import yaml_key
    from archsim.spec.arch import ArchSpec
    from archsim.spec.settings import OF_WORKLOADS, split_overrides
    from archsim.workload.network import Workload

    chips, works = ({yaml_key(name) for name in cls.model_fields} for cls in (ArchSpec, Workload))
    assert works - chips <= OF_WORKLOADS
    assert not OF_WORKLOADS & chips
    assert split_overrides(["mode=inference", "tile.rows=8"]) == (["tile.rows=8"], ["mode=inference"])


@pytest.mark.parametrize("arch", ARCHS)
def test_nothing_is_kept_for_a_backward_pass_that_never_comes(arch: str) -> None:
    """What is written to memories are the vectors that the arrays read, in words of 64 bits: by hand."""
    writes = sum(item.count for item in run(arch).bill.items if (item.component, item.action) == ("memory", "write"))
    # 528 bytes on two tiles, 265 and 263; then 250, and 125.
    assert writes == 64 * (34 + 33 + 32 + 16)


def test_room_for_more_vectors_takes_no_more_time_and_more_memory() -> None:
    # With room for one vector a layer waits until the next has read its last; with as many as there are steps, never.
    work = ("mode=inference", "steps=6")
    cycles = [
        evaluate(
            load_arch("ambrogio_nature_2018_packet", [f"schedule.vectors_held={held}"]),
            load_workload("lstm_imdb", list(work)), examples=2,
        ).data["run"]["cycles"]
        for held in (1, 2, 6, 7)
    ]  # fmt: skip
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[-2] == cycles[-1]
    with pytest.raises(InfeasibleError, match="vectors x"):
        evaluate(
            load_arch("ambrogio_nature_2018_packet", ["schedule.vectors_held=6", "tile.memory.words=200"]),
            load_workload("lstm_imdb", list(work)), examples=2,
        )  # fmt: skip
