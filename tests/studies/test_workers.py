"""Workers: the same results for any number of them, and what is left when one of them dies."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import ArchsimError, InfeasibleError, Problem, SpecError
from archsim.functional.epochs import DivergedError
from archsim.studies.study import all_studies
from archsim.studies.tasks import workers as module
from archsim.studies.tasks.kept import computed
from archsim.studies.tasks.local import local_pool
from archsim.studies.tasks.store import Store
from archsim.studies.tasks.task import Outcome
from archsim.studies.tasks.workers import WorkerDiedError, Workers
from tests.studies.toy_tasks import Square, SquareTask, held


def made(tasks: Sequence[SquareTask], jobs: int | None, store: Path | None = None) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    told: list[float] = []
    with Workers(jobs) as workers:
        if store is None:
            found.update(computed(tasks, workers, None, lambda done, words: told.append(done)))
        else:
            with Store(store) as kept:
                found.update(computed(tasks, workers, kept, lambda done, words: told.append(done)))
    assert sorted(found) == list(range(len(tasks)))
    assert told == sorted(told)
    assert not told or 0 <= told[0] <= told[-1] <= len(tasks)
    return [found[place] for place in range(len(tasks))]


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_are_those_of_the_formula_for_any_number_of_workers(jobs: int) -> None:
    tasks = [SquareTask(float(i), fails="purpose" if i % 7 == 3 else "") for i in range(40)]
    for task, found in zip(tasks, made(tasks, jobs), strict=True):
        if task.fails:
            assert isinstance(found, InfeasibleError)
            assert str(found) == f"{task.number:g} has no square here"
        else:
            assert found == Square(of=task.number, is_=task.number**2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fault_of_archsims_own_stays_loud(jobs: int) -> None:
    with pytest.raises(ZeroDivisionError, match="a fault"):
        made([SquareTask(1.0), SquareTask(2.0, fails="fault"), SquareTask(3.0)], jobs)


def test_a_worker_that_dies_once_costs_nothing_but_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tasks = [SquareTask(float(i), log, deaths=i == 5) for i in range(12)]
    assert made(tasks, 2) == [Square(of=float(i), is_=float(i * i)) for i in range(12)]
    assert lines(log).count("5") == 2


def test_a_task_that_kills_each_worker_is_told_by_name_and_costs_itself_alone(tmp_path: Path) -> None:
    log, store = tmp_path / "log", tmp_path / "store"
    tasks = [SquareTask(float(i), log, deaths=99 * (i == 5)) for i in range(12)]
    for first in (True, False):
        found = made(tasks, 2, store)
        died = found.pop(5)
        assert found == [Square(of=float(i), is_=float(i * i)) for i in range(12) if i != 5]
        assert isinstance(died, WorkerDiedError)
        assert str(died).startswith("square of 5: the process that computed it was killed each time; ")
        tries = 1 + module.DEATHS  # with others, and alone
        assert lines(log).count("5") == (tries if first else 2 * tries)
    assert all(lines(log).count(str(i)) <= 2 for i in range(12) if i != 5)  # what was kept was not computed again


def test_small_work_is_done_by_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_S", 3.0)
    monkeypatch.setattr(module, "local_pool", lambda jobs: pytest.fail("a pool was started"))
    assert made([SquareTask(2.0), SquareTask(3.0)], None) == [Square(of=2, is_=4), Square(of=3, is_=9)]
    assert made([SquareTask(2.0, seconds=0.5)], None) == [Square(of=2, is_=4)]


def test_what_takes_long_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def pool(jobs: int) -> Any:
        started.append(jobs)
        return local_pool(jobs)

    monkeypatch.setattr(module, "cores", lambda: 2)
    monkeypatch.setattr(module, "SMALL_S", 0.2)
    monkeypatch.setattr(module, "local_pool", pool)
    assert len(made([SquareTask(float(i), seconds=0.05) for i in range(20)], None)) == 20
    assert started == [2]


def test_one_task_first_leaves_all_workers_for_those_that_come_after() -> None:
    """A search tries the chip as given alone, then many at once."""
    with Workers(2) as workers:
        for count in (1, 12):
            tasks = [SquareTask(float(i), seconds=0.01) for i in range(count)]
            assert len(list(computed(tasks, workers, None, lambda done, words: None))) == count
        assert isinstance(pool := workers.executor(12)[0], ProcessPoolExecutor)
        assert len(pool._processes) == 2


def test_an_interruption_ends_the_workers_and_keeps_what_is_done(tmp_path: Path) -> None:
    tasks = [SquareTask(1.0), SquareTask(2.0), SquareTask(3.0, seconds=60), SquareTask(4.0, seconds=60)]
    found: list[Any] = []

    def told(done: float, words: str) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    def work() -> None:
        with Store(tmp_path / "store") as store, Workers(2) as workers:
            found.extend(computed(tasks, workers, store, told))

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    assert time.monotonic() - begin < 30
    assert sorted(place for place, _ in found) == [0, 1]
    assert len(held(tmp_path / "store")) == 2


COMMAND = """
import sys
from pathlib import Path
from archsim.studies.tasks import store as stores
from archsim.studies.tasks.kept import computed
from archsim.studies.tasks.store import Store
from archsim.studies.tasks.workers import Workers
from tests.studies.toy_tasks import SquareTask

stores.COMMIT_S = 0.2
log = Path(sys.argv[1])
tasks = [SquareTask(float(i), log, seconds=0.05) for i in range(30)]
with Store(Path(sys.argv[2])) as store, Workers(2) as workers:
    for place, found in computed(tasks, workers, store, lambda done, words: None):
        print(place, flush=True)
"""
"""A script, without the `if __name__ == "__main__"` that multiprocessing wants: its workers do not run it again."""


def test_when_the_command_is_killed_its_workers_end_and_what_was_committed_stays(tmp_path: Path) -> None:
    script, log, store = tmp_path / "command.py", tmp_path / "log", tmp_path / "store"
    script.write_text(COMMAND)
    words = [sys.executable, str(script), str(log), str(store)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True) as command:
        assert command.stdout is not None
        for _ in range(20):  # longer than it waits until it commits: some were
            command.stdout.readline()
        command.send_signal(signal.SIGKILL)
    time.sleep(0.3)  # for the workers to see it
    after = len(lines(log))
    time.sleep(0.2)
    assert len(lines(log)) == after, "workers went on"
    before = len(held(store))
    assert before > 0
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 30
    assert len(lines(log)) - after == 30 - before


def test_one_that_is_asked_for_twice_is_computed_once(tmp_path: Path) -> None:
    log, store = tmp_path / "log", tmp_path / "store"
    assert made([SquareTask(3.0, log), SquareTask(3.0, log)], 1) == [Square(of=3, is_=9)] * 2
    assert lines(log) == ["3"]
    made([SquareTask(4.0, log)], 1, store)
    assert made([SquareTask(4.0, log, name="by another name")], 1, store) == [Square(of=4, is_=16)]
    assert lines(log) == ["3", "4"]


def kinds_of(kind: type[ArchsimError]) -> list[type[ArchsimError]]:
    return [kind, *(below for each in kind.__subclasses__() for below in kinds_of(each))]


def test_whatever_is_raised_on_purpose_can_be_sent() -> None:
    all_studies()  # imports all that has kinds of its own
    kinds = kinds_of(ArchsimError)
    assert {SpecError, InfeasibleError, WorkerDiedError, DivergedError} < set(kinds)
    for kind in kinds:
        if issubclass(kind, SpecError):
            error: ArchsimError = kind([Problem("where", "what", "hint")])
        elif issubclass(kind, DivergedError):
            error = kind("why", seed=1, epoch=2, where="there")
        else:
            error = kind("why")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def test_a_fork_of_a_process_with_workers_has_workers_of_its_own() -> None:
    """Without a word of the server that is its parent's, and which it cannot wait for."""
    code = """
import os
from archsim.studies.tasks.workers import Workers
from tests.studies.toy_tasks import SquareTask
from tests.studies.test_workers import made
if __name__ == "__main__":
    tasks = [SquareTask(number) for number in range(4)]
    made(tasks, 2)
    child = os.fork()
    if not child:
        made(tasks, 2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
