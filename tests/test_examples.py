"""The example of a plug-in: installed, it is found; its own tests pass; what its page says is so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "archsim_fefet"
SPEC = EXAMPLE / "fefet_jerry_2017.yaml"
CALLS = """
import sys
from archsim.cli import main
for words in {calls!r}:
    try:
        main(words)
    except SystemExit as leave:
        print("exit", leave.code)
    print("loaded", sorted({{"numba", "archsim_fefet", "archsim.studies.study"}} & {{*sys.modules}}))
"""


def called(place: Path, here: Path, *calls: list[str]) -> subprocess.CompletedProcess[str]:
    """Carry out commands one after another in a process that has what lies at a place."""
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONWARNINGS": "default"}
    code = CALLS.format(calls=calls)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here, env=environment)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder into which the example was installed."""
    target, copy = (tmp_path_factory.mktemp(name) for name in ("target", "copy"))
    shutil.copytree(EXAMPLE, copy / "it", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index",
           "--disable-pip-version-check", "--target", str(target), str(copy / "it")]  # fmt: skip
    subprocess.run(pip, check=True, capture_output=True)
    return target


def test_what_is_installed_is_found_and_help_imports_nothing_of_it(installed: Path, tmp_path: Path) -> None:
    done = called(installed, tmp_path, ["--help"], ["list", "plugin"], ["check", str(SPEC)], ["list", "component"],
                  ["run", str(SPEC), "mlp_digits", "--examples", "2", "--quiet", "--out", "out"])  # fmt: skip
    assert done.stderr == ""
    told = done.stdout.split("loaded")
    assert "  endurance    A FeFET weight cell, and a study of how long cells last" in told[0]
    assert told[1].startswith(" []\n")  # after --help
    assert "archsim_fefet\n" in told[1]
    assert "arch fefet_jerry_2017, fine" in told[2]
    assert "numba" not in "".join(told[2:])
    assert "\nfefet\n" in told[3]
    assert "exit 1" not in done.stdout
    assert "--plugin" not in (tmp_path / "out" / "run.yaml").read_text("utf-8")  # it is there for whoever has it


def test_a_broken_package_is_told_in_a_line_and_the_rest_works(tmp_path: Path) -> None:
    here = tmp_path / "site"
    points = {
        "broken": "[archsim.plugins]\nbad = no_such_module\n", "worse": "[archsim.plugins]\nworse = worse\n",
        "other": "[archsim.plugins]\nage = lives:STUDY\n", "good": "[archsim.plugins]\nstar = star\n",
    }  # fmt: skip
    for name, text in points.items():
        info = here / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(text)
    for name in ("star", "lives"):
        shutil.copyfile(ROOT / "tests" / f"plugin_{name}.py", here / f"{name}.py")
    (here / "worse.py").write_text("\nraise RuntimeError('not today')\n")
    done = called(here, tmp_path, ["list", "topology"], ["age"])
    assert "\nstar\n" in done.stdout
    assert done.stderr.splitlines() == [
        "archsim: the plug-in 'age' (other 1.0) is left out: lives:STUDY: declares a study 'age', and its command is "
        "'lives'; name the entry point as the command",
        "archsim: the plug-in 'bad' (broken 1.0) is left out: no_such_module: there is no module 'no_such_module'; "
        "mend or remove the package",
        f"archsim: the plug-in 'worse' (worse 1.0) is left out: {here}/worse.py, line 2: RuntimeError: not today; mend "
        "or remove the package",
        "archsim: archsim age: is a study of a plug-in that was left out; mend or remove the package that declares it",
    ]


def test_its_own_tests_pass_and_its_page_is_so(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLE / "src")}
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}"]
    done = subprocess.run([sys.executable, "-m", "pytest", *words, str(EXAMPLE / "tests")], capture_output=True,
                          text=True, cwd=tmp_path, env=environment)  # fmt: skip
    assert done.returncode == 0, done.stdout
    page = (EXAMPLE / "README.md").read_text("utf-8")
    shown = re.findall(r"^    archsim (\w+)", page, flags=re.MULTILINE)
    assert shown == ["list", "train", "endurance"]
    assert all((EXAMPLE / path).exists() for path in re.findall(r"\]\((src/[^)]*)\)", page))
