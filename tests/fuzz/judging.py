"""One case in a child process: what it was, what came of it, and whether that is a fault."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.ways import WAYS

REFUSED_S, DONE_S = 10, 60
"""Seconds of the processor, which do not depend on what else the machine does."""
MEMORY = 2 << 30
"""Bytes that a case may take above what the process has already."""
FOREIGN = re.compile(
    r"Traceback|pydantic|Input should|NoneType|object has no attribute|invalid literal|unhashable|<class|\bErrno\b|"
    r"not subscriptable|codec can't|positional argument|<built-in|0x[0-9a-f]{8}"
)


FOLDERLESS = ("check", "show", "import", "diff", "report", "store")
"""Commands that make no folder of their own."""


@dataclass(frozen=True)
class Case:
    """A case, which depends on these alone; of its mutations, those in `left` are made."""

    seed: int
    left: tuple[int, ...] | None = None

    def make(self, folder: Path) -> tuple[str, list[str]]:
        """Write the case into a folder; return its way and the words of the command."""
        draw = random.Random(self.seed)
        name = draw.choices(list(WAYS), [way.weight for way in WAYS.values()])[0]
        count = draw.choice((0, 1, 1, 1, 2, 3, 6))
        numbers = range(count) if self.left is None else self.left
        return name, WAYS[name].make(folder, draw, [random.Random(f"{self.seed} {i}") for i in numbers])

    @property
    def mutations(self) -> int:
        """How many mutations it has, all of them made."""
        draw = random.Random(self.seed)
        draw.choices(list(WAYS), [way.weight for way in WAYS.values()])
        return draw.choice((0, 1, 1, 1, 2, 3, 6))


@dataclass(frozen=True)
class Verdict:
    """What came of a case: "" or the kind of fault, where it is from, the words, and what was said."""

    way: str
    fault: str
    where: str
    words: list[str]
    said: str
    seconds: float
    status: int | None


def warm() -> None:
    """Carry out commands of all kinds here, so that the children find all imported, and built-in files read."""
    import archsim.studies.study
    from archsim.cli import main

    archsim.studies.study.all_studies()
    chip, work = "ambrogio_nature_2018", "mlp_digits"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run = ["run", chip, work, "--examples", "3", "--out", f"{folder}/run"]
        gpus = ["compare", chip, work, "--examples", "3", "--out", f"{folder}/gpus"]
        for words in (run, gpus, ["check", chip, work], ["report", f"{folder}/run"]):
            with contextlib.suppress(SystemExit):
                main(words)


@contextlib.contextmanager
def deep_stack() -> Iterator[None]:
    """Let trees be made that are nested deeper than what reads them takes."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20 * before)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def judged(case: Case) -> Verdict:
    """Return what comes of a case, in a child process of this one."""
    root = Path(tempfile.mkdtemp(prefix="archsim-case-"))
    try:
        (root / "in").mkdir()
        with deep_stack():
            way, words = case.make(root / "in")
        if words[0] not in FOLDERLESS and "--out" not in words:
            words = [*words, "--out", str(root / "in" / "out")]
        return _verdict(way, words, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _verdict(way: str, words: list[str], root: Path) -> Verdict:
    told = root / "told"
    child = os.fork()
    if child == 0:
        _child(words, root, told)
    _, status, used = os.wait4(child, 0)
    seconds = used.ru_utime + used.ru_stime
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        kind = "time" if number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL) else "signal"
        return Verdict(way, kind, signal.Signals(number).name, words, "", seconds, None)
    code, where, said, error = pickle.loads(told.read_bytes())
    strange = [path.name for path in root.iterdir() if path.name not in ("in", "told")]
    fault = ""
    if error:
        fault = "exception"
    elif code not in (0, 1, 2):
        fault, where = "status", f"{code}"
    elif code == 1 and (failed := audits_failed(root)):
        fault, where = "audit", failed[0]
    elif code == 2 and seconds > REFUSED_S:
        fault, where = "time", "a refusal"
    elif seconds > DONE_S:
        fault, where = "time", "a result"
    elif match := FOREIGN.search(error or said):
        fault, where = "words", match[0]
    elif code == 2 and not any(hint in said for hint in ("; ", "try: ", "all of it: ")):
        fault, where = "no hint", " ".join(re.sub(r"[\d'\"].*", "", said).split())[:80]
    elif strange:
        fault, where = "outside", strange[0]
    return Verdict(way, fault, where, words, said, seconds, code)


def audits_failed(root: Path) -> list[str]:
    """Return the audits that failed in a case's runs, but for those that a changed figure breaks by right: the fits."""
    path = root / "in" / "out" / "metrics.json"
    audits = json.loads(path.read_text("utf-8"))["audits"] if path.is_file() else []
    return [own["name"] for own in audits if not own["passed"] and not own["name"].startswith("published ")]


def _child(words: list[str], root: Path, told: Path) -> None:
    """Run a command, and write what came of it; never return."""
    os.chdir(root / "in")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (DONE_S + 5, DONE_S + 10))
    signal.alarm(10 * DONE_S)  # what waits for ever uses no processor
    now = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    where = error = ""
    from archsim.cli import main

    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words)
    except SystemExit as leave:
        code = leave.code or 0
    except BaseException as fault:
        frames = [frame for frame in traceback.extract_tb(fault.__traceback__) if "archsim" in frame.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
        where, error = f"{type(fault).__name__} in {place}", traceback.format_exc()
    told.write_bytes(pickle.dumps((code, where, error[-3000:] or err.getvalue()[-3000:], bool(error))))
    sys.stdout.flush()
    os._exit(0)


def minimised(case: Case, fault: tuple[str, str, str]) -> Case:
    """Return the case with as few mutations as show the same fault."""
    left = tuple(range(case.mutations))
    for i in range(case.mutations):
        fewer = tuple(each for each in left if each != i)
        found = judged(Case(case.seed, fewer))
        if (found.way, found.fault, found.where) == fault:
            left = fewer
    return Case(case.seed, left)
