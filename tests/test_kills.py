"""Commands that are killed or refused before any of their operations on files leave the old or the new, whole.

A first run finds the operations. Files are in the same state before most of them, but for what lies aside; of each
state one is tried, drawn from a seed: the command is killed before it, and called again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from archsim.base import atomic
from archsim.base.atomic import SIGN
from archsim.cli import main
from archsim.functional.checkpoint import Checkpoint
from archsim.functional.downloads import DOWNLOADS, Download
from archsim.studies.study import all_studies
from tests.helpers import REFERENCE
from tests.mishaps import Outcome, killed, played, refused, tree

SMALL = ["--set", "tile.rows=128", "--set", "tile.cols=128"]
FEW = [*SMALL, "--examples", "12"]
PAIR = [REFERENCE, "mlp_digits"]
TRAINED = [*SMALL, "--set", "dataset.examples=50", "--set", "schedule.transfer.interval_examples=20"]
NETWORK = ["network", "ring", "--size", "2x2", "--load", "0.1", "--warmup-cycles", "50", "--cycles", "100"]
OUT = ["--out", "out"]
STORED = ["sweep", *PAIR, *FEW[:4], "--vary", "tile.neuron.lanes=1,4", "--store", "s.sqlite", "--out", "swept"]
STORED_CSV = ["store", "export", "s.sqlite", "--out", "x.csv", "--where", "time_per_example_s < 0.8 us"]


@dataclass(frozen=True)
class Case:
    """A command, those that make what is there before it, and whether it can be resumed."""

    words: list[str]
    before: list[list[str]] = field(default_factory=list)
    keeps: bool = False


def over(*words: str, old: tuple[str, ...] = ("--set", "tile.memory.ports=3"), keeps: bool = False) -> Case:
    """Return a command that replaces a report of the same kind."""
    return Case([*words, *OUT], [[*words, *old, *OUT]], keeps)


CASES = {
    "run": over("run", *PAIR, *FEW, "--trace", "vcd"),
    "run, nothing there": Case(["run", *PAIR, *FEW, "--out", "a/b/out"]),
    "train": over("train", *PAIR, *TRAINED, "--epochs", "2", "--seeds", "2", keeps=True),
    "train, nothing there": Case(["train", *PAIR, *TRAINED, "--epochs", "2", *OUT], keeps=True),
    "sweep": over("sweep", *PAIR, *FEW[:4], "--vary", "tile.neuron.lanes=1,4", keeps=True),
    "optimise": over("optimise", *PAIR, *FEW[:4], "--search", "tile.neuron.lanes=1,4", "--minimise", "area",
                     keeps=True),
    "crosscheck": over("crosscheck", *PAIR, *TRAINED, "--examples", "40"),
    "survey": over("survey", REFERENCE, "mlp_digits", *FEW),
    "survey again": Case(["run", "out/run.yaml", *OUT], [["survey", REFERENCE, "mlp_digits", *FEW, *OUT]]),
    "compare": over("compare", *PAIR, *FEW),
    "sensitivity": over("sensitivity", *PAIR, *FEW),
    "network": over(*NETWORK, old=("--seed", "3")),
    "published": Case(["published", "khaddam_jssc_2022", *OUT], [["published", "shafiee_isca_2016", *OUT]]),
    "floorplan draw": over("floorplan", "draw", REFERENCE, *SMALL),
    "floorplan compare": over("floorplan", "compare", "mlp_digits", REFERENCE, f"{REFERENCE}_bus", *FEW),
    "floorplan optimise": over("floorplan", "optimise", *PAIR, "--objective", "edp", "--budget", "2", *FEW),
    "report": Case(["report", "out"], [["run", *PAIR, *FEW, *OUT]]),
    "report of a network": Case(["report", "out", "--figures", "pdf"], [[*NETWORK, *OUT]]),
    "report of a training": Case(["report", "out"], [["train", *PAIR, *TRAINED, "--epochs", "1", *OUT]]),
    "report of several": Case(["report", "a", "b", *OUT], [["run", *PAIR, *FEW, "--out", name] for name in "ab"]),
    "store export": Case(["store", "export", "s.sqlite", "--out", "x.csv"], [STORED, STORED_CSV]),
    "import": Case(["import", "model.onnx", "--weights", "w.npz"]),
    "fetch": Case(["data", "fetch", "mnist", "--data", "data"]),
}  # fmt: skip
SAMPLE = {"run": 1, "train, nothing there": 1, "import": 2, "fetch": 2}
"""How many moments of these are tried each time."""
SERVED = {"a.gz": b"a" * 100_000, "b.gz": b"b" * 10}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server of two files, from which the data set is fetched."""
    folder = tmp_path_factory.mktemp("served")
    for name, content in SERVED.items():
        (folder / name).write_bytes(content)
    with (
        pytest.MonkeyPatch.context() as patch,
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as httpd,
    ):
        patch.setenv("no_proxy", "*")
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in SERVED.items()}
        patch.setitem(DOWNLOADS, "mnist", Download(f"http://127.0.0.1:{httpd.server_address[1]}/", sums))
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield
        httpd.shutdown()


@dataclass(frozen=True)
class Story:
    """A command, the folder before it, all files before and after it, and its operations on files.

    `states` are those in which files are before an operation, and `moments` one of these operations for each.
    """

    case: Case
    start: Path
    old: dict[str, bytes]
    new: dict[str, bytes]
    operations: list[str]
    states: list[str]

    def moments(self) -> list[int]:
        """Return one operation, drawn from a seed, of those before which files are in the same state."""
        draw = random.Random(0)
        alike = {state: [at for at, each in enumerate(self.states, 1) if each == state] for state in self.states}
        return [draw.choice(each) for each in alike.values()]


def state_of(root: Path) -> str:
    """Return in what state files are: all that people see, and of what is there for a while, the outermost names."""
    found = hashlib.sha256()
    for name, content in tree(root).items():
        found.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    aside = [re.sub(rf"({re.escape(SIGN)}[^/]*/).+", r"\1", name) for name in tree(root, aside=True) if SIGN in name]
    return f"{found.hexdigest()} {sorted({*aside})}"


@pytest.fixture(scope="module")
def story(server: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Story]:
    @cache
    def told(name: str) -> Story:
        case, start = CASES[name], tmp_path_factory.mktemp("start")
        if "model.onnx" in case.words:
            model(start / "model.onnx")
            (start / "w.npz").write_bytes(b"old")
        for words in case.before:
            assert status_of(words, start) in (0, 1)
        if not case.before or case.before[0][0] != case.words[0]:
            assert status_of(case.words, shutil.copytree(start, tmp_path_factory.mktemp("warm") / "root")) in (0, 1)
        (start / "mine.txt").write_text("of others")
        for folder in start.glob("out"):
            (folder / "mine").mkdir()
            (folder / "mine" / "notes.txt").write_text("of others")
        end = tmp_path_factory.mktemp("end") / "root"
        shutil.copytree(start, end)
        outcome = played(case.words, end, lambda number, name: state_of(end))
        assert outcome.status in (0, 1), outcome.said
        assert tree(end, aside=True) == tree(end)
        return Story(case, start, tree(start), tree(end), outcome.operations, outcome.found)

    return told


def status_of(words: list[str], folder: Path) -> int:
    """Return how a command ends in a folder, in this process: what it compiles and imports is so in all children."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        try:
            main(words)
        except SystemExit as leave:
            return int(leave.code or 0)
    raise AssertionError


def model(path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    values = [0.5] * 12
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", kind, [1, 4])], [helper.make_tensor_value_info("y", kind, [1, 3])],
        [helper.make_tensor("w", kind, [4, 3], values)],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def check_kill(story: Story, at: int, root: Path) -> None:
    """Kill the command before an operation; see that all is whole, and that it goes on, or anew, to the same bytes."""
    shutil.copytree(story.start, root)
    assert played(story.case.words, root, killed(at)).status is None
    found, where = tree(root), f"before {at}: {story.operations[at - 1]}"
    assert state_of(root) == story.states[at - 1], where
    check_whole(story, found, root / "out", where)
    if story.case.keeps:
        again = shutil.copytree(root, root.with_name("again"), symlinks=True)
        outcome = played([*story.case.words, "--resume"], again)
        if outcome.status == 0:
            assert tree(again, aside=True) == story.new, where
        else:
            assert (outcome.status, tree(again)) == (2, found), (where, outcome.said)
            assert "--resume" in outcome.said
        shutil.rmtree(again)
    assert played(story.case.words, root).status in (0, 1), where
    assert tree(root, aside=True) == story.new, where
    shutil.rmtree(root)


def check_underway(story: Story, found: dict[str, bytes], out: Path, where: str) -> None:
    """See that a folder is as before, or of the new command alone and can be read."""
    own = {name: content for name, content in found.items() if name.startswith("out")}
    if own == {name: content for name, content in story.old.items() if name.startswith("out")}:
        return
    (study,) = (study for name, study in all_studies().items() if (out / name).is_file())
    command = study.data.read_from(story.new[f"out/{study.file}"].decode(), "", "").command
    shown = study.data.read_file(out / study.file, where, "")
    assert shown.command == command, where
    if study.file == "history.json" and not shown.complete:
        Checkpoint.read(out)


def check_whole(story: Story, found: dict[str, bytes], out: Path, where: str) -> None:
    """See that what is there is as before, or as it is when the command has ended, or something to go on from."""
    if story.case.keeps:
        check_underway(story, found, out, where)
        return
    for name in story.old.keys() | story.new.keys() | found.keys():
        assert found.get(name) in (story.old.get(name), story.new.get(name)), (where, name)
    if "data" not in found:  # files of a data set are whole one by one
        made = [{name: content for name, content in each.items() if name.startswith("out/")}
                for each in (found, story.old, story.new)]  # fmt: skip
        assert made[0] in made[1:], where


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_killed_before_any_operation_it_leaves_the_old_or_the_new(
    story: Callable[[str], Story], tmp_path: Path, name: str
) -> None:
    told = story(name)
    for at in told.moments():
        check_kill(told, at, tmp_path / str(at))


@pytest.mark.parametrize(("name", "count"), SAMPLE.items())
def test_killed_at_some_moments_it_leaves_the_old_or_the_new(
    story: Callable[[str], Story], tmp_path: Path, name: str, count: int
) -> None:
    told = story(name)
    for at in random.Random(name).sample(told.moments(), count):
        check_kill(told, at, tmp_path / str(at))


def check_refusal(story: Story, at: int, code: int, root: Path) -> None:
    """Refuse all that the command writes from an operation on; see that it says so, and leaves all whole and clean."""
    shutil.copytree(story.start, root)
    outcome = played(story.case.words, root, refused(at, code))
    where = f"from {at}: {story.operations[at - 1]}"
    found, changes = tree(root), story.operations[at - 1 :]
    if all(each.startswith(("os.remove", "os.rmdir", "os.chmod")) for each in changes):
        assert outcome.status in (0, 1), (where, outcome.said)  # what was refused was nobody's loss
    else:
        assert outcome.status == 2, (where, outcome.said)
        assert os.strerror(code) in outcome.said, (where, outcome.said)
        assert "; " in outcome.said
    assert "Traceback" not in outcome.said
    check_whole(story, found, root / "out", where)
    assert tree(root, aside=True) == found, where
    if found == story.old:
        return
    assert played(story.case.words, root).status in (0, 1), where
    assert tree(root, aside=True) == story.new, where


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_is_full_or_not_to_be_written_is_told(
    story: Callable[[str], Story], tmp_path: Path, name: str, code: int
) -> None:
    told = story(name)
    for at in told.moments():
        check_refusal(told, at, code, tmp_path / str(at))


@pytest.mark.parametrize("name", ["run", "import", "fetch"])
def test_what_cannot_be_written_is_told_at_the_first_attempt(
    story: Callable[[str], Story], tmp_path: Path, name: str
) -> None:
    told = story(name)
    check_refusal(told, 1, errno.EROFS, tmp_path / "root")
    for each in tmp_path.iterdir():
        shutil.rmtree(each)
    check_refusal(told, len(told.operations) // 2, errno.ENOSPC, tmp_path / "root")


def test_the_second_writer_is_told_and_the_first_is_not_disturbed(
    story: Callable[[str], Story], tmp_path: Path
) -> None:
    told, root = story("run"), tmp_path / "root"
    shutil.copytree(told.start, root)
    at = next(number for number, name in enumerate(told.operations, 1) if name.startswith("archsim.exchange"))
    (ready, is_ready), (go, may_go) = os.pipe(), os.pipe()

    def waits(number: int, name: str) -> None:
        if number == at:
            os.write(is_ready, b"x")
            os.read(go, 1)

    first: list[Outcome] = []
    thread = threading.Thread(target=lambda: first.append(played(told.case.words, root, waits)))
    thread.start()
    os.read(ready, 1)
    second = played(told.case.words, root)
    assert (second.status, len(second.operations)) == (2, 1)  # the lock, before all is simulated
    assert "--out out: cannot be written: another process is writing it; wait until that has ended" in second.said
    os.write(may_go, b"x")
    thread.join()
    assert first[0].status == 0
    assert tree(root, aside=True) == told.new
    for number in (ready, is_ready, go, may_go):
        os.close(number)


def test_a_real_limit_of_the_system_is_told_in_the_middle_of_a_file(
    story: Callable[[str], Story], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, root = story("run"), tmp_path / "root"

    def limit(number: int, name: str) -> None:
        if number == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    for room, early in ((atomic.ROOM, True), (1, False)):
        monkeypatch.setattr(atomic, "ROOM", room)
        shutil.copytree(told.start, root)
        outcome = played(told.case.words, root, limit)
        assert outcome.status == 2
        assert "--out out: cannot be written: File too large; choose another folder with --out" in outcome.said
        assert (len(outcome.operations) == 2) == early  # the lock is made, and removed
        assert tree(root, aside=True) == told.old
        shutil.rmtree(root)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user_is_told_before_anything_is_simulated(story: Callable[[str], Story]) -> None:
    told = story("run")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        shutil.copytree(told.start, root)
        for each in (Path(folder), root):
            each.chmod(0o755)
        outcome = played(told.case.words, root, user=65534)
        assert outcome.status == 2
        assert "cannot be written; choose another folder with --out" in outcome.said
        assert outcome.operations == []
        assert tree(root, aside=True) == told.old


ONLY_HERE = """
import errno, os, sys
def only_here(event, arguments):
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or event == "os.mkdir"
    if writes and not os.path.abspath(arguments[0]).startswith((os.getcwd(), os.environ["TMPDIR"], os.devnull)):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), arguments[0])
sys.addaudithook(only_here)
from archsim.cli import main
main(sys.argv[1:])
"""
"""Commands where nothing can be written but the current folder and that of temporary files."""


@pytest.mark.slow
def test_neither_the_installation_nor_a_home_need_be_written(tmp_path: Path) -> None:
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    own = {"TMPDIR": str(tmp_path / "temporary"), "NUMBA_CACHE_DIR": "/proc/none", "HOME": "/dev/null"}
    seconds = []
    for words in ([*NETWORK, *OUT], [*NETWORK, *OUT], ["report", "out", "--figures", "pdf"]):
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", ONLY_HERE, *words, "--quiet"], cwd=tmp_path / "work", capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], **own}, check=False,
        )  # fmt: skip
        seconds.append(time.monotonic() - begin)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (kept,) = (tmp_path / "temporary").iterdir()
    assert {path.name for path in kept.iterdir()} == {"matplotlib", "numba"}
    assert seconds[1] < seconds[0] / 2  # what was compiled is kept
