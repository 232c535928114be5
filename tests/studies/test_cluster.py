"""Workers of a Dask cluster: the same results, and who cannot give them is refused by name."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from archsim.base.errors import SpecError
from archsim.studies.sweep.grid import Inputs
from archsim.studies.sweep.study import STUDY
from archsim.studies.tasks.kept import computed
from archsim.studies.tasks.reader import Reader
from archsim.studies.tasks.store import Store
from archsim.studies.tasks.surroundings import surroundings
from archsim.studies.tasks.task import Outcome
from archsim.studies.tasks.workers import WorkerDiedError, Workers
from tests.helpers import REFERENCE
from tests.studies.toy_tasks import Square, SquareTask

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own are not ours


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def made(tasks: list[SquareTask], address: str, store: Path | None = None) -> dict[int, Outcome]:
    with Workers(cluster=address) as workers:
        if store is None:
            return dict(computed(tasks, workers, None, lambda done, words: None))
        with Store(store) as kept:
            return dict(computed(tasks, workers, kept, lambda done, words: None))


def test_results_are_those_of_the_formula_and_are_kept_here(address: str, tmp_path: Path) -> None:
    tasks = [SquareTask(float(i)) for i in range(100)]
    assert made(tasks, address, tmp_path / "store") == {i: Square(of=i, is_=i * i) for i in range(100)}
    with Reader(tmp_path / "store") as store:
        assert [own[1:3] + own[5:] for own in store.origins()] == [("SquareTask", surroundings().code, 100)]


def test_a_sweep_has_the_same_bytes(address: str, tmp_path: Path) -> None:
    for name, options in (("here", {"jobs": 1}), ("there", {"cluster": address})):
        given = Inputs(REFERENCE, "mlp_digits", vary=("tile.rows=64,128,256",), train=True, epochs=1, **options)  # type: ignore[arg-type]
        STUDY.perform(given, tmp_path / name)
    here, there = ((tmp_path / name / "sweep.json").read_bytes() for name in ("here", "there"))
    assert here == there


@pytest.mark.slow
def test_a_task_that_kills_each_worker_is_told_by_name_and_costs_itself_alone(address: str, tmp_path: Path) -> None:
    tasks = [SquareTask(float(i), tmp_path / "log", deaths=99 * (i == 5)) for i in range(12)]
    found = made(tasks, address)
    died = found.pop(5)
    assert found == {i: Square(of=i, is_=i * i) for i in range(12) if i != 5}
    assert isinstance(died, WorkerDiedError)
    assert str(died).startswith("square of 5: the process that computed it was killed each time")


def answering(text: bytes) -> Iterator[str]:
    """Yield the address of a program that answers everyone with this."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()
        server.settimeout(0.1)
        calls: list[socket.socket] = []

        def serve() -> None:
            while not ended.is_set():
                try:
                    call, _ = server.accept()
                except TimeoutError:
                    continue
                calls.append(call)
                call.sendall(text)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        thread.join()
        for call in calls:
            call.close()


@pytest.fixture(params=[b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100], ids=["silent", "another"])
def stranger(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from answering(request.param)


def refused(address: str) -> str:
    begin = time.monotonic()
    with pytest.raises(SpecError) as error, Workers(cluster=address) as workers:
        workers.surroundings()
    assert time.monotonic() - begin < 12
    return str(error.value)


@pytest.mark.parametrize("address", ["nonsense", "", "127.0.0.1:x", "ucx://x", "tls://127.0.0.1:8786"])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert refused(address).startswith(f"--cluster {address}: is no address that Dask can use; give one such as tcp://")


@pytest.mark.slow
def test_who_does_not_answer_as_dask_does_is_refused_by_name(stranger: str) -> None:
    says = refused(stranger)
    assert says.startswith(f"--cluster {stranger}: ")
    assert says.endswith("; start a scheduler and workers there: dask scheduler, dask worker ADDRESS")


@pytest.mark.slow
def test_nobody_is_refused_within_ten_seconds() -> None:
    assert "nobody answers within 10 s" in refused("tcp://127.0.0.1:1")


def test_other_code_is_refused_with_both_versions(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = surroundings()
    mine = here._replace(code="mine", packages=(("numpy", "0.1"), *here.packages[1:]))
    monkeypatch.setattr("archsim.studies.tasks.cluster.surroundings", lambda: mine)
    told = refused(address).splitlines()
    assert len(told) == 4  # of two workers
    assert all(line.startswith(f"--cluster {address}: tcp://") for line in told)
    assert all(line.endswith("; install the same on both") for line in told)
    assert sum(f"has archsim's code {here.code}, here it is mine" in line for line in told) == 2
    assert sum(f"has numpy {dict(here.packages)['numpy']}, here it is 0.1" in line for line in told) == 2


def test_without_workers_there_is_no_cluster() -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        assert "has no workers; start a scheduler and workers there" in refused(cluster.scheduler_address)


def test_jobs_are_of_this_machine_alone(tmp_path: Path) -> None:
    given = Inputs(REFERENCE, "mlp_digits", vary=("tile.rows=64,128",), jobs=2, cluster="tcp://x:1")
    with pytest.raises(SpecError, match="--jobs: --cluster tcp://x:1 was given as well; leave it out"):
        STUDY.perform(given, tmp_path / "out")
    assert not list(tmp_path.iterdir())
