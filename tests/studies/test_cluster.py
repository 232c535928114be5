"""Workers of a Dask cluster: the same results, and who cannot give them is refused by name."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.api.commands import study
from archsim.base import plugin_loading
from archsim.base.errors import SpecError
from archsim.studies.sweep.grid import Inputs
from archsim.studies.sweep.study import STUDY
from archsim.studies.tasks.data_here import UnseenDataError, folder_here, sent_folder
from archsim.studies.tasks.kept import computed
from archsim.studies.tasks.reader import Reader
from archsim.studies.tasks.store import Store
from archsim.studies.tasks.surroundings import surroundings
from archsim.studies.tasks.task import Outcome
from archsim.studies.tasks.workers import ClusterLostError, WorkerDiedError, Workers
from archsim.studies.train.study import Inputs as TrainInputs
from archsim.studies.train.study import Task as TrainTask
from tests.helpers import REFERENCE
from tests.studies.toy_tasks import Square, SquareTask, held

distributed = pytest.importorskip("distributed")
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own are not ours


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
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
    ways: dict[str, dict[str, Any]] = {"here": {"jobs": 1}, "there": {"cluster": address}}
    for name, options in ways.items():
        few = ("dataset.examples=200",)
        given = Inputs(
            REFERENCE, "mlp_digits", vary=("tile.rows=64,128,256",), sets=few, train=True, epochs=1, **options
        )
        STUDY.perform(given, tmp_path / name)
    here, there = ((tmp_path / name / "sweep.json").read_bytes() for name in ("here", "there"))
    assert here == there


@pytest.mark.slow
def test_workers_have_the_plug_ins_that_each_command_has(address: str, tmp_path: Path) -> None:
    """Also where they do not see its file, and had another version of it before."""
    text = (Path(__file__).parents[1] / "plugin_lives.py").read_text("utf-8")
    for factor in (1, 3):
        path = tmp_path / "lives.py"
        path.write_text(text.replace("FACTOR = 1\n", f"FACTOR = {factor}\n"), "utf-8")
        with plugin_loading.using([path]):
            path.unlink()
            found = study("lives", arch=REFERENCE, workload="mlp_digits", parts=(1, 2), cluster=address)
        assert [life.writes for life in found.data.lives] == [factor * 1e6, factor * 5e5]
    assert made([SquareTask(2.0)], address) == {0: Square(of=2, is_=4)}


# ---- files that a worker may see or not


def training(folder: Path, **options: Any) -> TrainTask:
    """Return a training of two epochs on 60 examples of a file that lies there."""
    rows = np.arange(80)[:, None] * np.arange(64) % 17
    np.savez(
        folder / "mine.npz", x_train=rows[:60], y_train=np.arange(60) % 10, x_test=rows[60:], y_test=np.arange(20) % 10
    )
    sets = ("tile.rows=128", "tile.cols=128", "dataset.name=mine", "schedule.transfer.interval_examples=20")
    return TrainTask(TrainInputs(REFERENCE, "mlp_digits", sets=sets, epochs=2, **options))


def test_a_seed_is_trained_by_who_does_not_see_the_folder_of_the_study(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # which the workers know nothing of
    own = training(Path(), data=Path())
    task = own.of(0, tmp_path / "elsewhere" / "parts" / "0.npz")
    with Workers(cluster=address) as workers:
        ((_, far),) = computed([task], workers, None, lambda done, words: None)
    assert far == task.compute()
    assert not (tmp_path / "elsewhere").exists()


def test_data_that_a_worker_does_not_see_are_told_with_its_name_and_their_path(address: str, tmp_path: Path) -> None:
    task = training(tmp_path, data=tmp_path).of(0, tmp_path / "out" / "parts" / "0.npz")
    (tmp_path / "mine.npz").rename(tmp_path / "other.npz")
    with Workers(cluster=address) as workers:
        ((_, found),) = computed([task], workers, None, lambda done, words: None)
    assert isinstance(found, UnseenDataError)
    assert str(found).startswith(f"{socket.gethostname()} cannot read the data of mlp_digits: ")
    assert str(tmp_path) in str(found)


def test_a_worker_looks_where_the_command_says_or_where_its_own_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHSIM_DATA", raising=False)
    assert sent_folder(Path("there")) == tmp_path / "there"
    assert sent_folder(None) == tmp_path / "data"
    monkeypatch.setenv("ARCHSIM_DATA", "mine")
    assert sent_folder(None) == tmp_path / "mine"
    assert folder_here(tmp_path / "there") == tmp_path / "there"
    assert folder_here(tmp_path / "nowhere") == Path("mine")
    monkeypatch.delenv("ARCHSIM_DATA")
    assert folder_here(tmp_path / "nowhere") == tmp_path / "nowhere"


# ---- what dies


@pytest.mark.slow
def test_a_task_that_kills_each_worker_is_told_by_name_and_costs_itself_alone(address: str, tmp_path: Path) -> None:
    tasks = [SquareTask(float(i), tmp_path / "log", deaths=99 * (i == 5), seconds=0.5 * (i == 5)) for i in range(12)]
    found = made(tasks, address)
    died = found.pop(5)
    assert found == {i: Square(of=i, is_=i * i) for i in range(12) if i != 5}
    assert isinstance(died, WorkerDiedError)
    assert str(died).startswith("square of 5: the process that computed it was killed each time")


@contextmanager
def started(folder: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a scheduler and two workers as processes of their own, and yield its address and itself."""
    address, log = f"tcp://127.0.0.1:{port}", folder / "dask.log"
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    dask = [sys.executable, "-m", "dask"]
    with ExitStack() as own:
        file = own.enter_context(log.open("ab"))
        options: dict[str, Any] = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": path}, "stderr": file}

        def begun(*words: str) -> subprocess.Popen[bytes]:
            process = own.enter_context(subprocess.Popen([*dask, *words, "--no-dashboard"], **options))
            own.callback(process.kill)
            return process

        scheduler = begun("scheduler", "--host", "127.0.0.1", "--port", str(port))
        for _ in range(2):
            begun("worker", address, "--nthreads", "1", "--no-nanny")
        with distributed.Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, scheduler


@pytest.mark.slow
def test_a_scheduler_that_is_killed_is_told_soon_and_what_was_done_is_not_done_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    tasks = [SquareTask(float(i), tmp_path / "log", seconds=0.1) for i in range(60)]
    seen: dict[int, Outcome] = {}
    killed_s = 0.0

    def interrupted(address: str, scheduler: subprocess.Popen[bytes]) -> None:
        nonlocal killed_s
        with Workers(cluster=address) as workers, Store(tmp_path / "store") as store:
            for place, outcome in computed(tasks, workers, store, lambda done, words: None):
                seen[place] = outcome
                if len(seen) == 20:
                    scheduler.kill()
                    killed_s = time.monotonic()

    with started(tmp_path, port) as (address, scheduler):
        with pytest.raises(ClusterLostError) as told:
            interrupted(address, scheduler)
        assert time.monotonic() - killed_s < 30
        assert str(told.value).startswith(f"--cluster {address}: its scheduler has gone or begun anew; what is done is")
    assert capfd.readouterr().err == ""  # of Dask's
    kept = len(held(tmp_path / "store"))
    assert kept == len(seen) >= 20
    with started(tmp_path, port) as (address, _):
        assert made(tasks, address, tmp_path / "store") == {i: Square(of=i, is_=i * i) for i in range(60)}
    lines = Counter((tmp_path / "log").read_text().split())
    assert all(lines[f"{place}"] == 1 for place in seen)
    assert len(lines) == 60


# ---- who is refused


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


def test_a_worker_that_comes_later_must_have_the_same_and_another_processor_is_told(address: str) -> None:
    here = surroundings()
    with Workers(cluster=address) as workers:
        workers.surroundings()
        with pytest.warns(UserWarning, match=r"workers have different processors \(.+, another\); the last digits of"):
            workers.check(here._replace(processor="another"))
        with pytest.raises(SpecError, match="a worker that came later has archsim's code theirs, here it is"):
            workers.check(here._replace(code="theirs"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates")
def test_a_cluster_is_reached_by_tls_with_what_dasks_variables_say(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    names = {"CA_FILE": certificate, "CLIENT__CERT": certificate, "CLIENT__KEY": key}
    variables = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in names.items()}
    own = distributed.Security(**{f"tls_{role}_{kind}": str(path) for role in ("scheduler", "worker", "client")
                                  for kind, path in (("cert", certificate), ("key", key))},
                               tls_ca_file=str(certificate), require_encryption=True)  # fmt: skip
    options = {"n_workers": 1, "threads_per_worker": 2, "protocol": "tls://", "security": own}
    with distributed.LocalCluster(**options, dashboard_address=":0") as cluster:
        words = [
            sys.executable,
            "-m",
            "archsim",
            "sweep",
            REFERENCE,
            "mlp_digits",
            "--vary",
            "tile.rows=64,128",
            "--quiet",
        ]
        words += ["--cluster", cluster.scheduler_address, "--out", str(tmp_path / "out")]
        assert cluster.scheduler_address.startswith("tls://")
        for more, status in ((variables, 0), ({}, 2)):
            told = subprocess.run(words, env={**os.environ, **more}, capture_output=True, text=True, check=False)
            assert told.returncode == status, told.stderr
            assert ("a worker has 2 threads, of which one is used" in told.stderr) == (status == 0)
        assert "tls:// needs Dask's certificates" in told.stderr


def test_workers_that_are_all_gone_are_told_and_others_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archsim.studies.tasks.cluster.COUNTED_S", 0.2)
    tasks = [SquareTask(float(i)) for i in range(3)]

    def wait_until_gone(workers: Workers) -> None:
        while workers.executor(1)[1]:
            time.sleep(0.3)

    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        Workers(cluster=cluster.scheduler_address) as workers,
    ):
        assert workers.executor(1)[1] == 1
        cluster.scale(0)
        with pytest.warns(UserWarning, match="has no workers any more, and others are waited for"):
            wait_until_gone(workers)
        cluster.scale(1)
        assert len(dict(computed(tasks, workers, None, lambda done, words: None))) == 3


def test_without_workers_there_is_no_cluster() -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        assert "has no workers; start a scheduler and workers there" in refused(cluster.scheduler_address)


def test_jobs_are_of_this_machine_alone(tmp_path: Path) -> None:
    given = Inputs(REFERENCE, "mlp_digits", vary=("tile.rows=64,128",), jobs=2, cluster="tcp://x:1")
    with pytest.raises(SpecError, match="--jobs: --cluster tcp://x:1 was given as well; leave it out"):
        STUDY.perform(given, tmp_path / "out")
    assert not list(tmp_path.iterdir())
