"""Limits: each is asked somewhere, passes what is at it and refuses one more, with number, limit and a way round."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from subprocess import PIPE

import pytest

import archsim
from archsim.base.errors import MOST_TOLD, MOST_WORD, SpecError, nearest
from archsim.base.limits import LIMITS, RESULT_KEYS, TooMuchError
from archsim.base.record import MOST_PROBLEMS, Record
from archsim.base.units import parse_quantity
from tests.helpers import nodes

PACKAGE = Path(archsim.__file__).parent


@cache
def asked() -> set[str]:
    """Return all names in the package's code, but for that of the limits."""
    return {
        node.id for path in PACKAGE.rglob("*.py") if path.name != "limits.py"
        for node in nodes(path.read_text("utf-8")) if isinstance(node, ast.Name)
    }  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_asked_somewhere_and_says_why(name: str) -> None:
    assert name in asked()
    assert LIMITS[name].why.endswith("An assumption.") or re.search(r"\w+\.\w+", LIMITS[name].why)


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_passes_what_is_at_it_and_refuses_one_more(name: str) -> None:
    limit = LIMITS[name]
    limit.check(limit.most, "there")
    for given in (limit.most + 1, 10**5000):
        with pytest.raises(TooMuchError) as caught:
            limit.check(given, "there")
        (problem,) = caught.value.problems
        assert problem.where == "there"
        assert f"{limit.most + 1:,}" in problem.what or given > limit.most + 1
        assert f"above the limit of {limit.most:,}" in problem.what
        assert problem.hint == limit.instead != ""


@pytest.mark.parametrize(("text", "says"), [
    ("1 GHz*9**9**9**9", "is not a unit"), ("1 Hz**9**9", "is not a unit"), ("1 Hz^9^9", "is not a unit"),
    ("1 (Hz**9)**9", "is not a unit"), ("1 Hz**(9**9)", "is not a unit"), ("1 GHz⁹⁹⁹⁹⁹⁹⁹⁹", "is not a unit"),
    ("1 Hz*1e999999999", "is not a unit"), ("1 Hz**1_0", "is not a unit"), ("1 " + "k" * 190 + "!", "is not a unit"),
    ("1 furlong**99999999", "99,999,999 as the power of a unit, above the limit of 9"),
    ("1 Hz**٩٩", "99 as the power of a unit"), ("1e999999999 Hz", "999,999,999 as the power of ten"),
    ("0e99999999999 Hz", "as the power of ten"), ("1 Hz" + "/Hz" * 9000, "27,004 letters in a quantity"),
    ("9" * 100_000 + " Hz", "100,003 letters"), ("1" + " " * 10**6 + "Hz", "1,000,003 letters"),
])  # fmt: skip
def test_a_quantity_that_would_take_for_ever_is_refused_at_once(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_quantity(text, "Hz")


def test_a_limit_is_a_fault_of_a_spec_like_others() -> None:
    from archsim.spec.loading import load_arch

    with pytest.raises(SpecError) as caught:
        load_arch("ambrogio_nature_2018", ["technology.clock=1 Hz" + "*s" * 100, "tile.rows=x"])
    first, second = sorted(caught.value.problems)
    assert (first.where, first.what) == (
        "--set technology.clock", "204 letters in a quantity, above the limit of 200",
    )  # fmt: skip
    assert "write a number and a unit" in first.hint
    assert second.where == "--set tile.rows"


# ---- many faults


def lines_told(error: BaseException) -> list[str]:
    return str(error).splitlines()


def test_many_faults_are_told_in_part_and_counted(tmp_path: Path) -> None:
    from archsim.spec.loading import load_arch

    path = tmp_path / "x.yaml"
    keys = "".join(f"unknown_key_{i}: 1\n" for i in range(30_000))
    path.write_text(f"kind: arch\nextends: ambrogio_nature_2018\n{keys}tile:\n{keys.replace('unknown', '  other')}")
    begin = time.monotonic()
    with pytest.raises(SpecError) as caught:
        load_arch(path)
    assert time.monotonic() - begin < 10
    told = lines_told(caught.value)
    assert len(told) == MOST_TOLD + 1
    assert told[-1] == f"and {60_000 - MOST_TOLD:,} more; mend the first ones and try again"
    assert len(caught.value.problems) == 60_000


def test_a_fault_among_very_many_names_is_told_at_once(tmp_path: Path) -> None:
    from archsim.chip.floorplan.flp import read_flp

    tiles = "".join(f"tile{i} 1e-3 1e-3 {i}e-3 0\n" for i in range(30_000))
    wires = "".join(f"tile{i}x host 1.0\n" for i in range(30_000))
    begin = time.monotonic()
    with pytest.raises(SpecError) as caught:
        read_flp(tiles + wires, "x.flp")
    assert time.monotonic() - begin < 10
    assert len(lines_told(caught.value)) == MOST_TOLD + 1


@pytest.mark.parametrize("letters", [MOST_WORD + 1, 10**6])
def test_the_name_nearest_to_a_very_long_one_is_not_looked_for(letters: int) -> None:
    assert nearest("x" * letters, ["mesh", "bus"]) == "what is there begins with 'mesh'"


# ---- through the command, in a process that has 1 GB more than it begins with


CHIP, WORK, MESH = "ambrogio_nature_2018", "mlp_digits", "pcm64_mesh_32nm"
REFUSED = {
    "a pipe": (("check", "pipe.yaml"), "is a pipe or a device"),
    "a pipe as workload": (("run", CHIP, "pipe.yaml"), "is a pipe or a device"),
    "a pipe as activity": (("run", CHIP, WORK, "--activity", "pipe.yaml"), "is a pipe or a device"),
    "a device": (("run", CHIP, "zero.yaml"), "is a pipe or a device"),
    "a sparse file": (("run", CHIP, "big.yaml"), "3,221,225,472 bytes in a text file, above the limit of 4,000,000"),
    "a sparse file of figures": (("compare", CHIP, WORK, "--gpus", "big.yaml"), "above the limit of 4,000,000"),
    "a sparse floorplan": (("floorplan", "draw", MESH, "--set", "floorplan={kind: explicit, flp: big.flp}"),
                           "above the limit of 40,000,000"),
    "tiles": (("run", CHIP, WORK, "--set", "tile.count=1000000"), "1,000,000 tiles in all"),
    "tiles of a tree": (("floorplan", "draw", "pcm64_htree_32nm", "--set", "tile.count=1000000"), "250,000"),
    "tiles of a package": (("floorplan", "draw", "pcm64_package_32nm", "--set", "package.chips=1000000"), "250,000"),
    "one large tile's number": (("floorplan", "draw", MESH, "--set", "floorplan={kind: explicit, flp: one.flp}"),
                                "tile99999999 is no tile of this chip"),
    "inputs on one row": (("run", CHIP, WORK, "--set", "tile.rows=1", "--set", "layers[0].inputs=1000000000"), "needs"),
    "steps": (("run", MESH, "long.yaml"), "passes of crossbars in an example"),
    "a unit": (("run", CHIP, WORK, "--set", "technology.clock=1 GHz*9**9**9**9"), "is not a unit of frequency"),
    "epochs": (("train", CHIP, WORK, "--epochs", "1000000000"), "above the limit of 10,000"),
    "seeds": (("train", CHIP, WORK, "--seeds", "1000000000"), "above the limit of 1,000"),
    "a seed": (("run", CHIP, WORK, "--seed", "99999999999"), "above the limit of 4,294,967,294"),
    "examples": (("run", CHIP, WORK, "--examples", str(10**18)), "above the limit of 1,000,000,000,000"),
    "epochs of a run": (("run", CHIP, WORK, "--epochs", str(10**18)), "above the limit of 1,000,000,000,000"),
    "cycles": (("run", CHIP, WORK, "--examples", str(10**12), "--set", "host.latency=10000 s"),
               "above the limit of 4,611,686,018,427,387,904"),
    "events": (("run", CHIP, WORK, "--full", "--examples", str(10**9)), "above the limit of 10,000,000"),
    "events compared": (("crosscheck", CHIP, WORK, "--examples", str(10**9)), "above the limit of 10,000,000"),
    "a search": (("floorplan", "optimise", MESH, WORK, "--objective", "time", "--budget", "1000000"), "10,000"),
    "points": (("optimise", CHIP, WORK, "--search", "tile.rows=1..9", "--minimise", "time", "--budget", "10001"),
               "above the limit of 10,000"),
    "moves": (("run", MESH, WORK, "--set", "placement=annealed", "--set", "placement_options.moves=1000000000"),
              "at most 100,000"),
    "temperatures": (("run", MESH, WORK, "--set", "placement_options.temperatures=1000000000"), "at most 10,000"),
    "a grid": (("sweep", CHIP, WORK, *(word for key in ("tile.rows", "tile.cols") for word in (
        "--vary", f"{key}={','.join(map(str, range(1, 401)))}"))), "160,000 points of a grid"),
    "a batch": (("compare", CHIP, WORK, "--batch", "1000000000"), "above the limit of 1,000,000"),
    "a network": (("network", "mesh", "--size", "1000000x1000000"), "above the limit of 1,024"),
    "channels": (("network", "mesh", "--vcs", "1000000000"), "flits in buffers"),
    "a delay": (("network", "mesh", "--credit-cycles", "1000000000"), "cycles of a delay"),
    "cycles of routers": (("network", "mesh", "--cycles", "1000000000"), "cycles of routers"),
    "digits": (("run", CHIP, WORK, "--set", f"tile.count={'9' * 4301}"), "4,301 letters in a quantity"),
    "a name": (("run", CHIP, WORK, "--set", f"name={'x' * 10_000}"), "10,000 letters in a name"),
}  # fmt: skip
QUICK = ("a sparse file", "tiles of a tree", "a unit", "epochs", "cycles")


@pytest.fixture
def odd_files(tmp_path: Path) -> Path:
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("big.yaml", "big.flp"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(3 << 30)
    (tmp_path / "one.flp").write_text("tile99999999 1e-3 1e-3 0 0\n")
    (tmp_path / "long.yaml").write_text(
        "kind: workload\nsteps: 1000000\ndataset: {name: x, examples: 1}\ntraining: {epochs: 1, learning_rate: 1}\n"
        "layers: [{kind: rnn, name: a, inputs: 600, outputs: 600}]\n"
    )
    return tmp_path


BOUNDED = """
import json, os, resource, signal, sys, traceback
from pathlib import Path

import archsim.functional.train, archsim.studies.floorplans.draw, archsim.studies.run.study
from archsim.cli import main

for line in sys.stdin:
    folder, words = json.loads(line)
    if not (child := os.fork()):
        signal.alarm(60)
        for stream in (1, 2):
            os.dup2(os.open(f"{folder}/{stream}.txt", os.O_WRONLY | os.O_CREAT), stream)
        os.chdir(folder)
        most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 10**9
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        status = 1
        try:
            main(words)
        except SystemExit as left:
            status = left.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Carries out commands, each in a process of its own that begins as this one, with all modules."""


@pytest.fixture(scope="module")
def bounded() -> Iterator[Callable[[Path, Sequence[str]], int]]:
    """Carry out a command in a folder, where 1.txt and 2.txt hold what it says; returns its status."""
    with subprocess.Popen([sys.executable, "-c", BOUNDED], stdin=PIPE, stdout=PIPE, text=True) as server:
        asked, told = server.stdin, server.stdout
        assert asked is not None
        assert told is not None

        def command(folder: Path, words: Sequence[str]) -> int:
            print(json.dumps([str(folder), words]), file=asked, flush=True)
            return int(told.readline())

        yield command


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in REFUSED]
)
def test_what_is_too_much_is_refused_at_once(
    case: str, odd_files: Path, bounded: Callable[[Path, Sequence[str]], int]
) -> None:
    words, says = REFUSED[case]
    status = bounded(odd_files, words)
    said, complaint = ((odd_files / f"{stream}.txt").read_text() for stream in (1, 2))
    assert (status, said) == (2, ""), complaint
    assert says in complaint
    assert ";" in complaint
    assert not (odd_files / "reports").exists()


class Row(Record):
    """A row of a file of tests."""

    length_m: float
    turns: tuple[tuple[float, float], ...] = ()
    loads: dict[str, float] = {}


class Rows(Record):
    """A file of tests."""

    rows: tuple[Row, ...]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps({"rows": [1] * 50_000}), "f: rows[0]: is a number and not a mapping; again"),
        (json.dumps({"rows": [{"length_m": 1, "turns": [[1, 2], *[[]] * 9]}] * 50_000}), "f: rows[0].turns[1]"),
        (
            json.dumps({"rows": [{"length_m": 1, "loads": {f"k{i}": [] for i in range(9)}}]}),
            "f: rows[0].loads.k0: is a list and not a number",
        ),
        (json.dumps({"rows": [{"length_m": "x", **dict.fromkeys(map(str, range(2000)), 1)}]}), "and 1,993 more; again"),
    ],
    ids=["rows", "lists", "mappings", "keys"],
)
def test_a_result_file_is_refused_for_the_first_fault_of_a_list_or_mapping(text: str, told: str) -> None:
    with pytest.raises(SpecError) as raised:
        Rows.read_from(text, "f", "again")
    assert told in str(raised.value)
    assert str(raised.value).count("\n") <= MOST_PROBLEMS


def test_a_result_file_with_more_keys_than_any_is_refused_before_each_is_told() -> None:
    text = json.dumps({"rows": [dict.fromkeys(map(str, range(RESULT_KEYS.most + 1)), 1)]})
    with pytest.raises(SpecError, match="400,001 keys in one mapping of a result file, above the limit of 400,000"):
        Rows.read_from(text, "f", "again")


@pytest.mark.parametrize("wrong", ["{}]", "{", '{"a": ' + "9" * 5000 + "}", "[" * 10**5, "\x00"])
@pytest.mark.parametrize("length", [0, 2 * RESULT_KEYS.most], ids=["short", "long"])
def test_what_is_no_json_is_refused_however_long_it_is(wrong: str, length: int) -> None:
    with pytest.raises(SpecError) as raised:
        Rows.read_from(" " * length + wrong, "f", "again")
    assert "again" in str(raised.value)
