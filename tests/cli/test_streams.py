"""What the machine and the shell do to a command: who reads goes away, streams are closed, memory ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from archsim.cli import main, spec_commands
from archsim.studies import views

CASES = {
    "nobody reads": ("archsim schema arch | true", 0, ""),
    "closed output": ("archsim list >&-", 0, ""),
    "all closed": ("archsim list <&- >&- 2>&-", 0, ""),
    "full disk": ("archsim list > /dev/full", 2, "No space left on device; look at"),
    "no such home": ("archsim check '~nosuchuser/x.yaml'", 2, "there is no such home folder; write the path out"),
    "no text": (r"archsim check $'a\xff'", 2, "is not text in UTF-8; give"),
    "no number": ("archsim run a b --examples x", 2, "'x' is not a number; give a number"),
    "too many digits": (f"archsim run a b --examples {'9' * 5000}", 2, "too many digits"),
    "columns": ("COLUMNS=-5 PYTHONIOENCODING=ascii archsim show ambrogio_nature_2018", 0, ""),
}
"""Each a line of bash, its exit status, and what it says on standard error."""
FEW = ("nobody reads", "all closed")


def check(name: str) -> None:
    line, status, told = CASES[name]
    line = f'set -o pipefail; archsim() {{ {sys.executable} -m archsim "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, errors="replace", timeout=60, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr, told in done.stderr) == (status, False, True), done.stderr


@pytest.mark.parametrize("name", FEW)
def test_streams_and_words_of_the_shell(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(CASES) - set(FEW)))
def test_more_streams_and_words_of_the_shell(name: str) -> None:
    check(name)


def raising(error: BaseException) -> Callable[..., None]:
    def fails(*_: object) -> None:
        raise error

    return fails


@pytest.mark.parametrize(("error", "status"), [
    (MemoryError(), 2), (KeyboardInterrupt(), 130), (BrokenPipeError(), 0), (PermissionError(13, "denied", "x"), 2),
])  # fmt: skip
def test_the_machine_and_the_user_are_told_of(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(views, "load_any", raising(error))
    with pytest.raises(SystemExit) as left:
        main(["show", "x"])
    assert left.value.code == status
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("error", [EOFError(), KeyError("x"), RecursionError(), ValueError("x"), AssertionError()])
def test_a_fault_of_archsim_itself_stays_loud(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spec_commands.show.__doc__
    monkeypatch.setattr(views, "load_any", raising(error))
    with pytest.raises(type(error)):
        main(["show", "x"])
