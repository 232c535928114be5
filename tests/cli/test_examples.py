"""Every command shows an example that works as it stands, and tells it when it is called without what it needs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archsim.cli import main, run_commands
from archsim.cli.run_commands import DEMO, NEXT
from tests.helpers import whole_command

RUN = ["list", "schema", "explain", "new", "show", "diff", "check", "floorplan draw"]
"""Examples that take no more than a moment, which are run here; all are parsed."""


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, words)
        else:
            yield words, command


COMMANDS = dict(commands(whole_command()))


def parsed(line: str) -> str:
    """Return the command that a line calls; raise what click raises where it cannot be called so."""
    words = shlex.split(line.partition(" > ")[0])
    assert words.pop(0) == "archsim"
    context = whole_command().make_context("archsim", words)
    path = ""
    while hasattr(context.command, "commands"):
        group: Any = context.command
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
        path = f"{path} {name}".strip()
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_can_be_given(name: str) -> None:
    match = re.fullmatch(r"Example: (archsim .+)", COMMANDS[name].epilog or "")
    assert match is not None
    assert parsed(match[1]) == name


@pytest.mark.parametrize("name", RUN)
def test_an_example_does_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(shlex.split(COMMANDS[name].epilog)[2:])
    assert leave.value.code == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("run", "list", "published", "report")])
def test_a_command_without_what_it_needs_tells_its_example(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(name.split())
    told = capsys.readouterr()
    assert (leave.value.code, told.out) == (2, "")
    first, example, help_ = told.err.splitlines()
    assert first.startswith("archsim: Missing ")
    assert example == f"archsim: for example: {COMMANDS[name].epilog.removeprefix('Example: ')}"
    assert help_ == f"archsim: all of it: archsim {name} --help"
    assert list(tmp_path.iterdir()) == []


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["floorplan"], ["data"], ["store"]):
        with pytest.raises(SystemExit) as leave:
            main(words)
        told = capsys.readouterr()
        assert (leave.value.code, told.err) == (2, "")
        assert told.out.startswith("Usage: archsim ")


def test_a_run_without_names_is_the_demonstration_and_says_what_to_try_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(["run", "--examples", "20"])
    out = capsys.readouterr().out
    assert leave.value.code == 0
    assert f"reports/{DEMO[0]}--{DEMO[1]}/report.html" in out
    next_ = out.partition("\nnext ")[2].splitlines()
    assert [line.strip().partition("  ")[0] for line in next_] == [f"archsim {line}" for line in NEXT]
    assert {parsed(f"archsim {line}") for line in NEXT} == {"compare", "train", "new"}
    root = Path(run_commands.__file__).parents[2]
    if (root / "Makefile").exists():
        assert "$(BIN)/archsim run\n" in (root / "Makefile").read_text("utf-8")
    with pytest.raises(SystemExit):
        main(["run", *DEMO, "--examples", "20"])
    assert "\nnext " not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("line", NEXT)
def test_what_to_try_next_works(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(shlex.split(line))
    assert leave.value.code == 0


@pytest.mark.parametrize("words", [("new", "arch", "mine"), ("run", "--examples", "20")])
def test_what_is_told_to_do_next_names_the_plug_ins_that_were_given(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    star = str(Path(__file__).parents[1] / "plugin_star.py")
    with pytest.raises(SystemExit):
        main(["--plugin", star, *words])
    lines = re.findall(r"archsim .*", capsys.readouterr().out)
    assert len(lines) >= 3
    assert all(line.startswith(f"archsim --plugin {star} ") for line in lines)


def test_a_trace_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["run", *DEMO, "--examples", "5", "--trace", "vcd", "--out", "o"])
    (file,) = re.findall(r"^trace   (.*)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert Path(file).is_file()
