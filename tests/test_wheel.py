"""The wheel: it holds what the commands need, and they run where only its declared dependencies are installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.test_determinism import CASES, Condition, differences

ROOT = Path(__file__).parents[1]
FOLDERS = ("arch_specs", "workloads")
NEED_AN_EXTRA = {name for name, lines in CASES.items() for words in lines
                 if words[0] in ("import", "optimise") or words[:2] == ["interrupted", "optimise"]}  # fmt: skip
"""The cases of commands that need ONNX or Optuna."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def needed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel declares to need, without extras, and nothing else."""
    folder = tmp_path_factory.mktemp("needed")
    for name in sorted(required("archsim")):
        files = distribution(name).files
        assert files is not None
        for top in sorted({file.parts[0] for file in files} - {"..", "__pycache__"}):
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(distribution(name).locate_file(top))))
    assert (folder / "numpy").exists()
    assert not (folder / "sklearn").exists()
    return folder


def required(name: str) -> set[str]:
    """Return the distributions that one needs, extras apart, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for text in distribution(waiting.pop()).requires or ():
            requirement = Requirement(text)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                waiting.append(requirement.name)
    return found


def told(folders: tuple[Path, Path], work: Path, *arguments: str) -> str:
    """Return what Python prints that finds packages in these folders alone: -S leaves out those of the tests."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "NO_COLOR": "1", "COLUMNS": "120"}
    command = [sys.executable, "-S", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=work, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def names(folder: str) -> Iterator[str]:
    return (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / folder).rglob("*.yaml")))


def test_the_wheel_holds_specs_data_and_licences_as_they_are(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
        for folder in FOLDERS:
            for name in names(folder):
                assert file.read(f"archsim/_data/{name}") == (ROOT / name).read_bytes()
        for name in ("archsim/data_sets/digits.npz", "archsim/data_sets/digits.txt"):
            assert file.read(name) == (ROOT / name).read_bytes()
        assert any(name.endswith("licenses/archsim/data_sets/digits.txt") for name in held)
        packed = {path.relative_to(ROOT).as_posix() for path in (ROOT / "archsim").rglob("*") if path.is_file()
                  and "__pycache__" not in path.parts}  # fmt: skip
        assert packed <= held


def test_the_embedded_data_need_no_extra(wheel: Path, needed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path)
    code = (
        "import archsim\n"
        "from archsim.functional.datasets import load_data\n"
        "from archsim.workload import load_workload\n"
        "data = load_data(load_workload('mlp_digits').value)\n"
        "print(archsim.__file__, data.train_x.shape, data.test_x.shape)\n"
    )
    printed = told((tmp_path, needed), tmp_path, "-c", code)
    assert printed == f"{tmp_path / 'archsim' / '__init__.py'} (1438, 64) (359, 64)\n"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed") / "packages"
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    return target


@pytest.mark.slow
def test_the_installed_wheel_writes_the_bytes_of_the_checkout(installed: Path, needed: Path, tmp_path: Path) -> None:
    cases = sorted(set(CASES) - NEED_AN_EXTRA)
    plain = Condition().carry_out(tmp_path / "1", cases)
    from_wheel = Condition({"PYTHONPATH": os.pathsep.join(map(str, (installed, needed)))}, ("-S",))
    assert differences(plain, from_wheel.carry_out(tmp_path / "2", cases)) == []


@pytest.mark.slow
def test_what_needs_an_extra_says_which(installed: Path, needed: Path, tmp_path: Path) -> None:
    assert NEED_AN_EXTRA
    from_wheel = Condition({"PYTHONPATH": os.pathsep.join(map(str, (installed, needed)))}, ("-S",))
    made = from_wheel.carry_out(tmp_path, sorted(NEED_AN_EXTRA))
    for name in NEED_AN_EXTRA:
        said = [text for path, text in made.items() if path.startswith(f"{name}/") and path.endswith(".err")]
        assert any(b"pip install 'archsim[" in text for text in said), name


@pytest.mark.slow
def test_the_commands_of_the_installed_wheel_run_without_extras(installed: Path, needed: Path, tmp_path: Path) -> None:
    target = installed

    def archsim(*arguments: str) -> str:
        return told((target, needed), tmp_path, str(target / "bin" / "archsim"), *arguments)

    chip, work = "ambrogio_nature_2018", "mlp_digits"
    assert archsim("--version").startswith("archsim ")
    assert {Path(name).stem for folder in FOLDERS for name in names(folder)} <= set(archsim("list").split())
    assert "fine" in archsim("check", str(target / "archsim" / "_data" / "workloads" / f"{work}.yaml"))
    result = json.loads(archsim("run", chip, work, "--examples", "20", "--out", "r", "--json"))
    assert result["run"]["examples"] == 20
    assert all(audit["passed"] for audit in result["audits"])
    small = ["--set", "tile.rows=128", "--set", "tile.cols=128", "--set", "dataset.examples=200", "--epochs", "1"]
    archsim("train", chip, work, *small, "--out", "t", "--quiet")
    history = json.loads((tmp_path / "t" / "history.json").read_text("utf-8"))
    assert 0 < history["accuracy_chip"][0][0] < 1


@pytest.mark.slow
def test_wheel_and_sdist_are_the_same_whoever_builds_them(tmp_path: Path) -> None:
    """In a copy of another date and mode; and the wheel of the sdist is that of the checkout."""
    copy = tmp_path / "copy"
    apart = shutil.ignore_patterns(
        ".venv", ".git", ".*_cache", "__pycache__", "_build", "made", "dist", "build", "*--*"
    )
    shutil.copytree(ROOT, copy, ignore=apart, copy_function=shutil.copyfile)  # as of now, and of other modes
    found = []
    for tree, name in ((ROOT, "here"), (copy, "there")):
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / name), str(tree)]
        subprocess.run(command, check=True, capture_output=True)  # the sdist, and from it the wheel
        found.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert found[0] == found[1]
    direct = tmp_path / "direct"
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(direct), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = direct.iterdir()
    assert found[0][wheel.name] == wheel.read_bytes()
