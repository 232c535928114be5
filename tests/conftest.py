"""What all tests share: on how many examples a law is tried where it does not say, and no deadline for the first.

`make test-slow` is thorough: it tries all laws on four times as many.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import settings

collect_ignore_glob = ["plugin_*.py"]  # whoever imports them, as to look for doctests, registers what they have
gc.set_threshold(500_000)  # for garbage it is looked less often, while tests are found, too: a tenth of all time
os.environ["COLUMNS"] = "140"  # of a terminal; workers of pytest-xdist are told 80

settings.register_profile("quick", deadline=None, max_examples=15)  # first calls compile, or load the table of units
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=60)
settings.load_profile("thorough" if os.environ.get("ARCHSIM_THOROUGH") else "quick")


@pytest.fixture(scope="session", autouse=True)
def _nothing_depends_on_seconds() -> Iterator[None]:
    """Have studies keep no store of their own in their folders, and start no workers, however slow the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.studies.tasks.bench.KEPT_AFTER_S", inf)
        patch.setattr("archsim.studies.tasks.workers.SMALL_S", inf)
        yield


def pytest_collection_finish() -> None:
    """Take modules and tests out of what is looked through for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _nothing_waits_for_the_disk() -> Iterator[None]:
    """Have files that tests write not brought to the disk: no power is lost, and it takes longer than to write them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.base.atomic._sync_all", lambda paths: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _without_intervals() -> Iterator[None]:
    """Have nothing drawn for intervals of metrics, which takes longer than short runs; few draws where they are."""
    from tests.helpers import DRAWN

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.results.intervals.BILLED", 16)
        patch.setattr("archsim.results.intervals.SIMULATED", 4)
        for name in DRAWN:
            patch.setattr(name, lambda *_, **__: None)
        yield


@pytest.fixture
def intervals() -> Iterator[None]:
    """Have metrics their intervals, of few draws."""
    from tests.helpers import with_intervals

    with with_intervals():
        yield
