"""Equal inputs give equal bytes: in files, on standard output and in complaints, wherever and however a command runs.

A process of `RUNNER` carries out cases in turn under one condition. What may differ stands in `MAY_DIFFER`; a date is
nowhere, and a path only as it was given.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from archsim.base.shipped import builtin_folder, builtin_names
from archsim.cli import main
from archsim.export.formats import TRACES
from archsim.spec.choices import PLACEMENTS, REDUCTIONS, REFRESH_POLICIES, TOPOLOGIES, TRANSFER_POLICIES
from archsim.spec.finding import find_file, label_of
from archsim.studies.study import all_studies
from archsim.studies.views import load_any, show_lines
from tests.fuzz.ways import FLP, model
from tests.helpers import nodes, whole_command
from tests.studies.test_study import CHIP, COMMANDS, SMALL, WORK
from tests.test_tree import sources

RUNNER = """
import contextlib, glob, json, os, sys, time

root, asked = os.getcwd(), json.loads(sys.stdin.read())
os.umask(asked["umask"])
if asked["clock"]:
    real = time.time
    time.time = lambda: real() + 400 * 86_400

def only_here(event, given):
    writes = event == "open" and isinstance(given[0], str) and given[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in ("os.mkdir", "os.rename", "tempfile.mkstemp"):
        if not os.path.abspath(given[0]).startswith((root, os.environ["TMPDIR"], "/dev/")):
            raise OSError(30, "Read-only file system", given[0])

if asked["frozen"]:
    sys.addaudithook(only_here)
sys.modules["sklearn"] = None  # Optuna loads it in a second, where it is there, and makes nothing of it here
from archsim.cli import main, options
from archsim.results import intervals
from archsim.studies.tasks import bench, workers

bench.KEPT_AFTER_S = workers.SMALL_S = float("inf")  # who is slow would keep what others do not, or start workers
intervals.BILLED, intervals.SIMULATED = asked["draws"]

@contextlib.contextmanager
def pressed(late):
    yield lambda: bool(glob.glob("o/*.json"))

patient = options.late_interrupts
streams = [os.dup(1), os.dup(2)]
for name, lines in asked["cases"]:
    os.makedirs(name, exist_ok=True)
    os.chdir(name)
    for number, words in enumerate(lines):
        said = [open(f"{number}.{kind}", "wb") for kind in ("out", "err")]
        for stream, file in zip((1, 2), said):
            os.dup2(file.fileno(), stream)
        interrupted = words[0] == "interrupted"
        options.late_interrupts = pressed if interrupted else patient
        try:
            main(words[interrupted:])
        except SystemExit as leave:
            status = leave.code
        except BaseException:
            import traceback
            status = traceback.format_exc()
        sys.stdout.flush()
        for stream, own, file in zip((1, 2), streams, said):
            os.dup2(own, stream)
            file.close()
        with open(f"{number}.status", "w") as file:
            file.write(str(status))
    os.chdir(root)
"""
"""Carries out the cases that standard input names, each in a folder of its own, and keeps what each line says.

A line that begins with "interrupted" is, after the first step that it keeps.
"""

Lines = list[list[str]]
SHORT = [CHIP, WORK, "--examples", "5"]
DRAWS = (8, 4)
"""For the intervals of metrics, billed anew and simulated: they are there, and are drawn in an order of their own."""
INPUTS: dict[str, bytes | Callable[[], bytes]] = {
    "plan.flp": FLP.encode(),
    "bad.yaml": b"kind: arch\nname: bad\nzeta: 1\nalpha: 2\ntile: {rows: x, cols: -1, hue: red, device: {kind: x}}\n",
    "model.onnx": model,
    "named.yaml": f"kind: arch\nextends: {CHIP}\nname: I\u0131 \u0130i µ Größe 忆阻器\ndescription: Größe.\n".encode(),
}
OTHERS: dict[str, Lines] = {
    "run again": [
        ["run", *SHORT, "--set", "schedule.transfer.interval_examples=2", "--full", "--seed", "3", "--out", "o"],
        ["run", "o/run.yaml", "--out", "p"],
        ["report", "p"],
        ["report", "p", "--json"],
        ["diff", "o", "p"],
    ],
    "report": [
        ["run", *SHORT, "--out", "a", "--quiet"],
        ["run", f"{CHIP}_packet", WORK, "--examples", "5", "--out", "b", "--json"],
        ["report", "a", "b", "--out", "both"],
        ["report", "a", "b", "--out", "both", "--json"],
        ["diff", "a", "b"],
    ],
    "traces": [
        [
            "run",
            *SHORT,
            "--set",
            "tile.count=4",
            "--set",
            "floorplan={kind: explicit, flp: ../plan.flp}",
            "--trace",
            kind,
            "--out",
            kind,
        ]
        for kind in TRACES
    ],
    "crosscheck": [["crosscheck", *SHORT, *SMALL, "--json", "--out", "o"], ["report", "o"]],
    "activity": [
        ["train", CHIP, WORK, *SMALL, "--epochs", "1", "--out", "t"],
        ["run", *SHORT, "--activity", "t/activity.yaml", "--out", "o"],
    ],
    "names": [
        ["run", "../named.yaml", WORK, "--examples", "2", "--json", "--out", "o"],
        ["floorplan", "draw", "../named.yaml", "--out", "p"],
        ["show", "../named.yaml"],
    ],
    "folders": [["run", *SHORT], ["floorplan", "draw", CHIP]],
    "show": [["show", CHIP], ["show", WORK], ["check", CHIP, WORK], ["diff", CHIP, f"{CHIP}_bus"]],
    "store": [
        ["sweep", CHIP, WORK, "--vary", "tile.neuron.lanes=1,4", *SMALL, "--store", "s.sqlite", "--out", "o"],
        ["store", "show", "s.sqlite"],
        ["store", "show", "s.sqlite", "--where", "time_per_example_s < 1 ms", "--json"],
        ["store", "export", "s.sqlite", "--out", "x.csv"],
        ["store", "merge", "t.sqlite", "s.sqlite"],
        ["store", "prune", "t.sqlite"],
        ["store", "list", "t.sqlite"],
    ],
    "list": [["list"], ["schema", "arch"], ["schema", "workload"], ["--help"], ["run", "--help"], ["--version"]],
    "new": [
        ["new", "arch", "a"],
        ["new", "workload", "w"],
        ["new", "device", "d"],
        ["check", "a.yaml", "w.yaml"],
        ["explain", "routing.topology"],
        ["explain", "tile.rowz"],
    ],
    "import": [["import", "../model.onnx", "--weights", "w.npz"]],
    "refused": [
        ["run", "nothing", "neither"],
        ["run", CHIP, WORK, "--set", "tile.sizes=3", "--set", "tile.rows=-1", "--set", "a=b", "--set", "tile.kind=x"],
        ["check", "../bad.yaml"],
        ["train", CHIP, WORK, "--ablate", "x"],
        ["floorplan", "optimise", CHIP, WORK, "--objective", "x"],
        ["list", "x"],
        ["run", "--wrong"],
    ],
}
"""Commands that are no studies, and what is done with what they wrote: lines in turn, in one folder."""
CASES: dict[str, Lines] = {
    **{name: [[*words, "--out", "o"], ["report", "o", "--json"]] for name, words in COMMANDS.items()}, **OTHERS,
    **{f"interrupted {name}": [["interrupted", *COMMANDS[name], "--out", "o"]]
       for name, study in all_studies().items() if getattr(study, "keeps", "")},
    **{f"painted {name}": [[*words, "--out", "o", "--quiet"], ["report", "o", "--figures", "pdf"],
                           ["report", "o", "--figures", "png"]]
       for name, words in {**COMMANDS, "metrics.json": ["run", *SHORT]}.items()},
}  # fmt: skip
CHOICES = {"placement": PLACEMENTS, "routing.topology": TOPOLOGIES, "routing.reduction": REDUCTIONS,
           "schedule.transfer.policy": TRANSFER_POLICIES, "schedule.refresh.policy": REFRESH_POLICIES}  # fmt: skip
PERIOD = ["--set", "schedule.refresh.period=500 us"]
ANSWERS = ["--set", "mode=inference", "--set", "tile.count=8"]
MORE: dict[str, Lines] = {
    **{f"chip {chip}": [["run", chip, WORK, "--examples", "2", "--out", "o"], ["floorplan", "draw", chip, "--out", "p"],
                        ["run", chip, WORK, "--examples", "2", *ANSWERS, "--out", "i"],
                        ["train", chip, WORK, *SMALL, "--set", "dataset.examples=100", "--epochs", "1", "--out", "q"]]
       for chip in builtin_names("arch_specs")},
    **{f"workload {work}": [["show", work], ["survey", CHIP, work, "--examples", "2", "--out", "o"]]
       for work in builtin_names("workloads")},
    **{f"{key} {name}": [["run", *SHORT, "--set", f"{key}={name}", "--set", "tile.count=9", *PERIOD, "--out", "o"]]
       for key, choices in CHOICES.items() for name in choices},
}  # fmt: skip
"""All that is shipped, and each choice of a chip."""
QUICK = set(CASES) - {name for name in CASES if name.startswith("painted")}
APART = {"data fetch": "fetches from afar: tests/functional/test_downloads.py"}
"""Commands that are not tried here, and why not."""


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield " ".join(words)
        return
    for name, own in command.commands.items():
        yield from leaves(own, (*words, name))


def test_every_command_is_tried_here() -> None:
    lines = [" ".join(words) + " " for own in CASES.values() for words in own]
    untried = {name for name in leaves(whole_command()) if not any(line.startswith(f"{name} ") for line in lines)}
    assert untried == set(APART)


# ---- under which conditions


@dataclass(frozen=True)
class Condition:
    """How a process runs: what it finds in its environment, and where."""

    variables: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    folder: str = "here"
    umask: int = 0o022
    clock: bool = False
    frozen: bool = False

    def carry_out(self, root: Path, names: Sequence[str]) -> dict[str, bytes]:
        """Return all that the cases of these names leave below a folder, by path."""
        here, temporary = root / self.folder, root / "temporary"
        for folder in (here, temporary):
            folder.mkdir(parents=True)
        for name, data in INPUTS.items():
            (here / name).write_bytes(data() if callable(data) else data)
        asked = {"cases": [(name, (CASES | MORE)[name]) for name in names], "umask": self.umask, "clock": self.clock,
                 "frozen": self.frozen, "draws": DRAWS}  # fmt: skip
        plain = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC", "COLUMNS": "140", "TMPDIR": str(temporary)}
        done = subprocess.run(
            [sys.executable, *self.flags, "-c", RUNNER], input=json.dumps(asked), capture_output=True, text=True,
            cwd=here, env={**os.environ, **plain, **self.variables}, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        paths = [path for path in sorted(here.rglob("*")) if path.parent != here]
        modes = {f"{path.relative_to(here)} {path.stat().st_mode & 0o777:o}" for path in paths
                 if path.stat().st_mode & 0o777 != (0o777 if path.is_dir() else 0o666) & ~self.umask}  # fmt: skip
        assert not modes
        return {path.relative_to(here).as_posix(): path.read_bytes() for path in paths if path.is_file()}


THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FAR = "a folder, ünïcode & 100 %"
ALONE = {
    "hash seed": Condition({"PYTHONHASHSEED": "1"}),
    "random hash seed": Condition({"PYTHONHASHSEED": "random"}),
    "time zone": Condition({"TZ": "Pacific/Kiritimati"}),
    "threads": Condition(dict.fromkeys(THREADS, "2")),
    "one thread": Condition(dict.fromkeys(THREADS, "1")),
    "folder": Condition(folder=f"{FAR}/{'deep/' * 20}"),
    "private": Condition(umask=0o077),
    "open": Condition(umask=0),
    "no bytecode": Condition({"PYTHONDONTWRITEBYTECODE": "1"}),
    "home": Condition({"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent", "MPLBACKEND": "svg"}),
    "read-only": Condition({"HOME": "/nonexistent"}, frozen=True),
    "narrow": Condition({"COLUMNS": "40", "LINES": "5"}),
    "colours": Condition({"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color"}),
    "no colours": Condition({"NO_COLOR": "1", "TERM": "dumb"}),
    "optimised": Condition(flags=("-O",)),  # -OO takes away the docstrings that help and schemas show
    "another day": Condition({"SOURCE_DATE_EPOCH": "1"}, clock=True),
    "no UTF-8": Condition({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}, ("-X", "utf8=0")),
    "processor": Condition({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}),
}
"""Each differs from the plain condition in one respect."""
LOCALES = {"Turkish": "tr_TR", "German": "de_DE"}
"""In the first, I and i are of two letters; in the second, commas are decimal. Tried where they can be made."""


def all_at_once() -> Condition:
    """Return what differs in each respect that makes nothing slower."""
    names = ("hash seed", "time zone", "threads", "no bytecode", "home", "colours", "another day")
    variables = {key: value for name in names for key, value in ALONE[name].variables.items()}
    return Condition(variables | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}, ("-X", "utf8=0"), FAR, 0o077, True)


MAY_DIFFER = {
    "narrow": (".out", ""),  # lines are as wide as COLUMNS says
}
"""By condition: in what, and what of it; "" for all."""


def differences(here: Mapping[str, bytes], there: Mapping[str, bytes], name: str = "") -> list[str]:
    """Return the files that differ, or that are in one alone, but for what may under a condition of that name."""
    ending, words = MAY_DIFFER.get(name, ("none", ""))

    def seen(files: Mapping[str, bytes], path: str) -> bytes | None:
        if not path.endswith(ending):
            return files.get(path)
        return files[path].replace(words.encode(), b"") if words else b""

    return sorted(path for path in {*here, *there} if seen(here, path) != seen(there, path))


def test_runs_that_differ_in_every_condition_give_equal_bytes(tmp_path: Path) -> None:
    names = sorted(QUICK)
    here = Condition().carry_out(tmp_path / "1", names)
    assert differences(here, all_at_once().carry_out(tmp_path / "2", names[::-1])) == []
    assert {text for name, text in here.items() if name.endswith(".status")} == {b"0", b"2", b"130"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return Condition().carry_out(tmp_path_factory.mktemp("plain"), list(CASES))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
def test_no_condition_alone_changes_a_byte(name: str, plain: dict[str, bytes], tmp_path: Path) -> None:
    assert differences(plain, ALONE[name].carry_out(tmp_path, list(CASES)), name) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCALES)
def test_no_language_changes_a_byte(name: str, plain: dict[str, bytes], tmp_path: Path) -> None:
    made = tmp_path / f"{name}.UTF-8"
    if (
        not (tool := shutil.which("localedef"))
        or subprocess.run(
            [tool, "-i", LOCALES[name], "-f", "UTF-8", str(made)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("this locale cannot be made here")
    spoken = Condition({"LOCPATH": str(tmp_path), "LC_ALL": made.name})
    assert differences(plain, spoken.carry_out(tmp_path / "work", list(CASES))) == []


@pytest.mark.slow
def test_no_chip_workload_or_choice_depends_on_the_conditions(tmp_path: Path) -> None:
    names = list(MORE)
    here = Condition().carry_out(tmp_path / "1", names)
    assert differences(here, all_at_once().carry_out(tmp_path / "2", names[::-1])) == []
    assert {text for name, text in here.items() if name.endswith(".status")} == {b"0", b"2"}


@pytest.mark.slow
def test_cases_do_not_depend_on_those_before(plain: dict[str, bytes], tmp_path: Path) -> None:
    assert differences(plain, Condition().carry_out(tmp_path, list(CASES)[::-1])) == []


def test_a_built_in_file_is_called_the_same_from_everywhere(tmp_path: Path) -> None:
    root = builtin_folder("arch_specs").parent
    for folder in (root, root.parent, root / "arch_specs", tmp_path):
        with chdir(folder):
            assert label_of(find_file(CHIP, "arch_specs")) == f"arch_specs/{CHIP}.yaml"
            assert label_of(find_file(WORK, "workloads")) == f"workloads/{WORK}.yaml"


# ---- the order of keys


def turned(plain: Any) -> Any:
    """Return a tree whose mappings have their keys the other way round."""
    if isinstance(plain, dict):
        return {key: turned(plain[key]) for key in reversed(plain)}
    return [turned(each) for each in plain] if isinstance(plain, list) else plain


def written_the_other_way(folder: str, name: str, at: Path) -> None:
    """Write a shipped file as `spec.yaml` into a folder, with the keys of all its mappings the other way round."""
    text = (builtin_folder(folder) / f"{name}.yaml").read_text("utf-8")
    tree = turned(yaml.load(text, yaml.BaseLoader))
    (at / "spec.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False), "utf-8")


@pytest.mark.parametrize("folder", ["arch_specs", "workloads"])
def test_a_spec_is_the_same_in_any_order_of_keys(folder: str, tmp_path: Path) -> None:
    for name in builtin_names(folder):
        written_the_other_way(folder, name, tmp_path)
        here, there = load_any(name), load_any(str(tmp_path / "spec.yaml"))
        assert (there.hash, there.value) == (here.hash, here.value)
        assert sorted(show_lines(there)[1:]) == sorted(show_lines(here)[1:])


def made_of(arch: str, at: Path) -> dict[str, bytes]:
    """Return the files of short runs in a folder, but for the copy of what it was given."""
    statuses = []
    for out, settings in (("trains", []), ("infers", ANSWERS)):  # some chips do the one or the other
        with chdir(at), pytest.raises(SystemExit) as left:
            main(["run", arch, WORK, *settings, "--examples", "2", "--quiet", "--out", out])
        statuses.append(left.value.code)
    assert 0 in statuses
    return {path.relative_to(at).as_posix(): path.read_bytes() for path in sorted(at.rglob("*"))
            if path.is_file() and path.parent.name != "inputs"}  # fmt: skip


def check_order(chip: str, at: Path) -> None:
    (here := at / "here").mkdir()
    (there := at / "there").mkdir()
    (here / "spec.yaml").write_bytes((builtin_folder("arch_specs") / f"{chip}.yaml").read_bytes())
    written_the_other_way("arch_specs", chip, there)
    one, other = made_of("spec.yaml", here), made_of("spec.yaml", there)
    one.pop("spec.yaml"), other.pop("spec.yaml")
    assert differences(one, other) == []


TURNED = (CHIP, "marinella_jetcas_2018")


@pytest.mark.parametrize("chip", TURNED)
def test_a_run_is_the_same_in_any_order_of_keys(chip: str, tmp_path: Path) -> None:
    check_order(chip, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("chip", sorted(set(builtin_names("arch_specs")) - set(TURNED)))
def test_more_runs_are_the_same_in_any_order_of_keys(chip: str, tmp_path: Path) -> None:
    check_order(chip, tmp_path)


# ---- what has no order


LISTINGS = {"iterdir", "glob", "rglob", "listdir", "scandir"}
SETS = {"set", "frozenset"}
ORDERING = {"sorted", "any", "all", "len", "sum", "min", "max", *SETS}
"""What is made by these of things in any order is the same."""
KEEPING = {"list", "tuple", "enumerate", "iter", "next", "zip", "map", "filter", "fromkeys", "join", "chain", "extend"}
"""What is made by these has the order of what is given."""


def name_of(call: ast.AST) -> str:
    """Return the name of the function or method that a node calls, "" if it calls none."""
    function = getattr(call, "func", None)
    return str(getattr(function, "id", getattr(function, "attr", "")))


def without_order(node: ast.AST) -> bool:
    """Return whether an expression lists files as the disk has them, or is plainly a set."""
    if isinstance(node, ast.BinOp):
        return without_order(node.left) or without_order(node.right)
    return isinstance(node, ast.Set | ast.SetComp) or name_of(node) in LISTINGS | SETS


def unordered(source: str) -> Iterator[int]:
    """Yield the lines of a module that go through files or a set in whatever order they come."""
    tree, *_ = found = nodes(source)
    met = [node for node in found if without_order(node)]
    above = {child: node for node in found for child in ast.iter_child_nodes(node)} if met else {}
    for node in met:
        around: ast.AST | None = above.get(node)
        if isinstance(around, ast.comprehension) and node is around.iter:
            around = above[around]
            if isinstance(around, ast.SetComp) or name_of(above[around]) in ORDERING:
                continue
        elif not (isinstance(around, ast.For) and node is around.iter) and not isinstance(around, ast.Starred):
            if name_of(around or tree) not in KEEPING or node not in getattr(around, "args", ()):
                continue
        elif isinstance(around, ast.Starred) and isinstance(above[around], ast.Set):
            continue
        yield node.lineno  # type: ignore[attr-defined]


def test_nothing_is_gone_through_in_the_order_of_the_disk_or_of_a_set() -> None:
    tries = {
        "[p for p in x.glob('*')]": 1, "for p in os.listdir(x): pass": 1, "list({1, 2})": 1, "[*set(x)]": 1,
        "dict.fromkeys(set(a) | b)": 1, "','.join({a})": 1, "{k: 1 for k in set(a)}": 1,
        "sorted(p for p in x.glob('*'))": 0, "{p for p in x.iterdir()}": 0, "{*a, *set(b)}": 0,
        "sorted({*a} - {*b})": 0, "any(x in y for y in frozenset(b))": 0,
    }  # fmt: skip
    assert {text: len(list(unordered(text))) for text in tries} == tries
    found = {f"{name}:{line}" for name, text in sources().items() for line in unordered(text)}
    assert found == set()
