"""What all tests share: on how many examples a law is tried where it does not say, and no deadline for the first.

`make test-slow` is thorough: it tries all laws on four times as many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import settings

os.environ["COLUMNS"] = "140"  # of a terminal; workers of pytest-xdist are told 80

settings.register_profile("quick", deadline=None, max_examples=15)  # first calls compile, or load the table of units
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=60)
settings.load_profile("thorough" if os.environ.get("ARCHSIM_THOROUGH") else "quick")


@pytest.fixture(scope="session", autouse=True)
def _nothing_depends_on_seconds() -> Iterator[None]:
    """Have studies that end keep no store of their own in their folders, however slow the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.studies.tasks.bench.KEPT_AFTER_S", inf)
        yield


@pytest.fixture(scope="session", autouse=True)
def _intervals_of_few_draws() -> Iterator[None]:
    """Have runs draw less often for the intervals of their metrics: tests of these ask for all draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.results.intervals.BILLED", 16)
        patch.setattr("archsim.results.intervals.SIMULATED", 4)
        yield
