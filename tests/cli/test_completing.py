"""What shells complete: names, files of the right kind, keys and words; fast, since nothing is imported for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archsim.base.shipped import builtin_names
from archsim.cli import completing, main
from tests.cli.test_examples import COMMANDS

CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(f"# mine\nkind: arch\nextends: {CHIP}\n", "utf-8")
    Path("net.yml").write_text("kind: workload\nlayers: [64, 10]\n", "utf-8")
    Path("run.yaml").write_text("kind: run\n", "utf-8")
    Path("other.yaml").write_text("a: 1\n", "utf-8")
    Path("notes.txt").write_text("kind: arch\n", "utf-8")
    Path("sub").mkdir()
    Path("sub", "deep.yaml").write_text("kind: arch\n", "utf-8")
    return tmp_path


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what bash is told of a line that ends where the cursor is."""
    words = line.split(" ")
    monkeypatch.setenv("_ARCHSIM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        main([])
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("archsim floorplan d", ["draw"]),
        ("archsim run ambrogio_nature_2018_p", ["ambrogio_nature_2018_packet", "ambrogio_nature_2018_pcm_pair"]),
        ("archsim run o", ["own.yaml"]),
        ("archsim run ru", ["run.yaml"]),
        ("archsim run su", ["sub/"]),
        ("archsim run sub/", ["sub/deep.yaml"]),
        (f"archsim run {CHIP} mlp_d", [WORK]),
        (f"archsim run {CHIP} n", ["net.yml"]),
        (f"archsim run {CHIP} o", []),
        (f"archsim compare {CHIP} {WORK} --gpu V", ["V100"]),
        (f"archsim run {CHIP} {WORK} --trace p", ["perfetto"]),
        (f"archsim run {CHIP} {WORK} --set schedule.transfer.p", ["schedule.transfer.policy="]),
        (f"archsim train {CHIP} {WORK} --set training.e", ["training.epochs="]),
        (f"archsim train {CHIP} {WORK} --ablate leak", ["leakage"]),
        ("archsim explain time_per_example_p", ["time_per_example_peak_s"]),
        ("archsim explain tile.ro", ["tile.rows", "tile.row_driver", "tile.row_converter"]),
        ("archsim new d", ["device"]),
        ("archsim new device mine --kind p", ["pcm_3t1c", "pcm_pair"]),
        ("archsim network me", ["mesh"]),
        ("archsim list top", ["topology"]),
        ("archsim schema w", ["workload"]),
        (f"archsim floorplan compare {WORK} {CHIP}_b", [f"{CHIP}_bus"]),
        (f"archsim diff {WORK} o", ["own.yaml"]),
    ],
)
def test_how_a_line_may_go_on(
    folder: Path, line: str, found: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    every = completed(line, monkeypatch, capsys)
    assert [each for each in every if not each.startswith("tile.row_") or "." not in each[9:]] == found


def test_all_commands_and_all_chips(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tops = {name.split(" ")[0] for name in COMMANDS}
    assert set(completed("archsim ", monkeypatch, capsys)) == tops
    names = [*builtin_names("arch_specs"), "own.yaml", "sub/"]
    assert completed("archsim sensitivity ", monkeypatch, capsys) == names


def test_words_that_may_stand_for_a_key() -> None:
    """As zsh and fish ask; bash takes the equals sign for the end of a word."""
    found = completing.complete_setting("schedule.transfer.policy=st")
    assert found == ["schedule.transfer.policy=stop_all", "schedule.transfer.policy=staggered"]
    assert completing.complete_setting("tile.rows=") == []


@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_names_a_chip_a_workload_or_a_key_is_completed(name: str) -> None:
    for parameter in COMMANDS[name].params:
        shown = parameter.metavar or ""
        if any(word in shown for word in ("ARCH", "WORKLOAD", "KEY=VALUE", "KEY|")) and "=V1" not in shown:
            assert parameter._custom_shell_complete is not None, f"{name} {shown}"


def test_nothing_is_imported_for_it(folder: Path) -> None:
    completing.complete_setting("t")  # gathered once
    code = (
        "import sys\nfrom archsim.cli import main\n"
        "try:\n    main([])\nfinally:\n"
        "    print(sorted({'numba', 'numpy', 'yaml', 'matplotlib'} & set(sys.modules)))"
    )
    for line in (f"archsim run {CHIP} {WORK} --set tile.row", "archsim run amb"):
        words = {"_ARCHSIM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        told = subprocess.run([sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True)
        assert told.stdout.splitlines()[-1] == "[]", told.stderr
        assert len(told.stdout.splitlines()) > 3


def test_what_is_gathered_is_gathered_anew_when_the_code_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []
    gather = completing._gathered

    def counted() -> dict[str, Any]:
        asked.append(1)
        return gather()

    monkeypatch.setattr(completing, "_gathered", counted)
    monkeypatch.setattr(completing, "scratch", lambda: tmp_path)
    for code in ("a", "a", "b"):
        monkeypatch.setattr(completing, "_code", lambda code=code: code)
        assert completing._known()["gpus"]
    assert len(asked) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["completion-b.json"]
    (tmp_path / "completion-b.json").write_text("cut of", "utf-8")
    assert completing._known()["gpus"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shell is found among the processes that called, which a test has none of."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for module in ("typer.completion", "typer._completion_shared"):
        monkeypatch.setattr(f"{module}._get_shell_name", lambda: shell)
    for option in ("--show-completion", "--install-completion"):
        with pytest.raises(SystemExit) as leave:
            main([option])
        assert leave.value.code == 0
    out = capsys.readouterr().out
    assert f"_ARCHSIM_COMPLETE=complete_{shell}" in out
    assert f"{shell} completion installed in {tmp_path}" in out
    assert any("_ARCHSIM_COMPLETE" in path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = (
        'eval "$(archsim --show-completion bash)"; COMP_WORDS=(archsim run ambrogio_nature_2018_p); COMP_CWORD=2; '
        '_archsim_completion archsim; echo "${COMPREPLY[@]}"'
    )
    told = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert told.stdout.split() == ["ambrogio_nature_2018_packet", "ambrogio_nature_2018_pcm_pair"], told.stderr
