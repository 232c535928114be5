"""What a chip has of each imperfection: where it has nothing, its training without it is the same to the bit."""

from __future__ import annotations

from functools import cache

import pytest

from archsim.functional.ablations import ABLATIONS
from archsim.functional.datasets import load_data
from archsim.functional.train import Training, has
from archsim.mapping.schedule import Schedule
from archsim.simulation import simulate
from archsim.workload import load_workload
from tests.helpers import schedule_of

WORKLOAD = load_workload("mlp_digits", ["dataset.examples=60"]).value
CHIPS = ("ambrogio_nature_2018", "ambrogio_nature_2018_pcm_pair", "ambrogio_nature_2018_nonideal")


@cache
def schedule(chip: str) -> Schedule:
    return schedule_of(WORKLOAD, 60, ("tile.rows=128", "tile.cols=128", "schedule.transfer.interval_examples=20"), chip)


@cache
def trained(chip: str, *without: str) -> dict[str, bytes]:
    training = Training(schedule(chip), load_data(WORKLOAD), ablate=without, compared=False)
    timeline = simulate(schedule(chip), timeline=True).timeline
    assert timeline is not None
    training.play(timeline.chunks)
    return {name: array.tobytes() for name, array in training.arrays().items() if name.startswith("chip")}


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("chip", CHIPS)
def test_a_chip_that_has_nothing_of_it_is_trained_alike_without_it(chip: str, name: str) -> None:
    same = trained(chip) == trained(chip, name)
    assert same or has(schedule(chip), name)
    assert not same or not has(schedule(chip), name)
