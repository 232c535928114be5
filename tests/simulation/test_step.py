"""One step under the lens: as long as a step is in a run that goes on, whatever a step holds."""

from __future__ import annotations

import pytest

from archsim.simulation.run import simulate
from archsim.simulation.step import trace_step
from tests.helpers import network, schedule_of

CHIP = ["tile.rows=16", "tile.cols=16", "schedule.transfer.interval_examples=4096"]


@pytest.mark.parametrize("batch", [1, 2, 4, 8])
def test_a_step_is_one_batch_and_as_long_as_a_run_grows_by_it(batch: int) -> None:
    work = network(8, 6, 5, batch=batch)
    longer, run = (simulate(schedule_of(work, n * batch, CHIP)).cycles for n in (21, 20))
    step = trace_step(schedule_of(work, 20 * batch, CHIP))
    assert (step.example + 1) % batch == 0
    assert step.cycles == longer - run == sum(step.shares.values())
    assert {"forward", "backward", "update"} <= set(step.shares)


@pytest.mark.parametrize("examples", [4, 8])
def test_the_first_step_of_a_short_run_begins_with_the_run(examples: int) -> None:
    step = trace_step(schedule_of(network(8, 6, 5, batch=4), examples, CHIP))
    assert (step.start, step.example) == (0, 3)
    assert sum(step.shares.values()) == step.end
