"""Dask clusters: two workers on this machine against one, and what a scheduler sustains, for many more on paper."""

from __future__ import annotations

import importlib
import pickle
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

from archsim.spec.named import Taken
from archsim.studies.sweep.grid import Inputs
from archsim.studies.sweep.study import STUDY
from archsim.studies.tasks.cluster import Cluster
from archsim.studies.tasks.task import Batch, carry_out_sent
from archsim.studies.tasks.workers import AHEAD, far_batch_s
from benchmarks.report import Figure

CHIP, WORK, POINTS = "pcm64_mesh_32nm", "mlp_mnist", 200
VARIED = (
    "schedule.transfer.interval_examples=200..20000:+200",
    "schedule.mode=sequential,pipelined",
)
WARM = ("schedule.transfer.interval_examples=200,300", "schedule.mode=sequential,pipelined")
BATCHES = 1_000
MANY = 1_000
"""Workers of the cluster on paper."""


def measure() -> Iterator[Figure]:
    distributed: Any = importlib.import_module("distributed")
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
            with distributed.LocalCluster(**options) as own:
                _sweep(own.scheduler_address, WARM, Path(folder) / f"warm {workers}")
                begin = time.perf_counter()
                assert _sweep(own.scheduler_address, VARIED, Path(folder) / str(workers)) == POINTS
                seconds[workers] = time.perf_counter() - begin
                if workers == 2:
                    rate, given_s = _sustained(own.scheduler_address, workers)
    name = f"cluster, {POINTS} points of 64 tiles"
    yield Figure(f"{name}: 1 worker against 2", seconds[1] / seconds[2], "x", least=1.6)
    yield Figure(f"{name}: a second by 2", POINTS / seconds[2], "/s")
    yield Figure("cluster, batches a second of a scheduler, its client and 2 workers on two cores", rate, "/s")
    yield Figure("cluster, processor time of client and scheduler for a batch", 1000 * given_s, "ms")
    for workers, name in ((2, "2"), (MANY, f"{MANY:,}, on paper")):
        share = given_s / far_batch_s(workers)
        yield Figure(f"cluster, share of that in the time of workers, of {name}", 100 * share, "%", most=5.0)
        yield Figure(f"cluster, share of it in a second of client and scheduler, of {name}", 100 * share * workers, "%",
                     most=100.0)  # fmt: skip


def _sweep(address: str, varied: tuple[str, ...], out: Path) -> int:
    data, *_ = STUDY.perform(Inputs(CHIP, WORK, vary=varied, cluster=address), out)
    return len(data.points)


def _sustained(address: str, workers: int) -> tuple[float, float]:
    """Return how many batches without tasks a second come back, given as a study does, and the seconds of each here."""
    cluster = Cluster(address)
    sent = pickle.dumps([])
    given: set[Future[Batch]] = set()
    left, begin, own = BATCHES, time.perf_counter(), time.process_time()
    while left or given:
        while left and len(given) < AHEAD * workers:
            given.add(cluster.submit(carry_out_sent, sent, Taken()))
            left -= 1
        _, given = wait(given, return_when=FIRST_COMPLETED)
    found = BATCHES / (time.perf_counter() - begin), (time.process_time() - own) / BATCHES
    cluster.shutdown()
    return found
