"""Which engine simulates: every command that does takes it, and where the compiled one cannot be had SimPy's does."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.base.limits import TooMuchError
from archsim.cli import _command, main
from archsim.mapping.schedule import Schedule
from archsim.simulation import choice, compiled
from archsim.simulation.choice import asked, begun, using
from archsim.simulation.compiled import CompiledEngine
from archsim.simulation.engine import Engine
from archsim.spec.named import to_send
from archsim.studies.tasks import task
from tests.helpers import REFERENCE, network, schedule_of

SIMULATES = (
    "run", "crosscheck", "compare", "sensitivity", "survey", "published", "train", "ablate", "sweep", "optimise",
    "floorplan draw", "floorplan compare", "floorplan optimise",
)  # fmt: skip


@pytest.fixture
def schedule() -> Schedule:
    return schedule_of(network(6, 4), 5)


@pytest.mark.parametrize("words", SIMULATES)
def test_each_command_that_simulates_takes_an_engine(words: str) -> None:
    command = _command()
    for word in words.split():
        command = command.get_command(None, word) if hasattr(command, "get_command") else command.commands[word]
    option = next(each for each in command.params if each.name == "engine")
    assert (option.default, "auto, simpy or compiled" in option.help) == ("auto", True)


@pytest.mark.parametrize("words", ["floorplan compare", "published", "crosscheck"])
def test_a_name_that_is_none_is_refused_by_each(words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    own = [REFERENCE] if words == "published" else [REFERENCE, "mlp_digits"]
    with pytest.raises(SystemExit) as leave:
        main([*words.split(), *own, "--engine", "simpi", "--out", str(tmp_path / "out")])
    assert leave.value.code == 2
    assert "'simpi' is not an engine; did you mean 'simpy'" in capsys.readouterr().err


def test_other_processes_simulate_with_the_engine_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(task, "carry_out", lambda tasks: seen.append(asked()))
    with using("compiled"):
        assert asked() == "compiled"
    task.carry_out_sent(b"\x80\x05]\x94.", to_send(), (), "simpy")  # an empty list, pickled
    assert (seen, asked()) == (["simpy"], "auto")


def test_without_a_compiler_simpy_simulates_with_one_line(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("no LLVM here")

    monkeypatch.setattr(compiled, "compile_loop", broken)
    monkeypatch.setattr(choice, "_compiles", lambda *given: True)
    monkeypatch.setattr(choice, "_failed", [])
    with pytest.warns(UserWarning, match=r"SimPy's engine simulates, .* \(OSError: no LLVM here\)") as told:
        assert type(begun(schedule, 5)) is Engine
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert type(begun(schedule, 5)) is Engine  # told once
    with using("compiled"), pytest.raises(SpecError, match=r"cannot be had .*no LLVM here.*simpy"):
        begun(schedule, 5)


SCRIPT = """
import sys
sys.modules["numba"] = None
from archsim.simulation import choice
from archsim.cli import main
choice.WORTH_CALLING = choice.WORTH_LOADING = 1
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "status"), [("auto", 0), ("simpy", 0), ("compiled", 2)])
def test_a_machine_without_numba_runs(engine: str, status: int, tmp_path: Path) -> None:
    words = ["run", REFERENCE, "mlp_digits", "--examples", "5", "--engine", engine, "--out", str(tmp_path / "out"),
             "--quiet"]  # fmt: skip
    found: Any = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False, timeout=300
    )
    assert found.returncode == status, found.stderr
    lines = found.stderr.splitlines()
    if engine == "simpy":
        assert not lines
    elif engine == "auto":
        assert len(lines) == 1
        assert "SimPy's engine simulates, since the compiled one cannot be had" in lines[0]
    else:
        assert "the compiled engine cannot be had" in found.stderr
        assert "Traceback" not in found.stderr


def test_what_needs_numba_says_so_without_it(tmp_path: Path) -> None:
    words = ["train", REFERENCE, "mlp_digits", "--epochs", "1", "--out", str(tmp_path / "out")]
    found: Any = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False, timeout=300
    )
    assert found.returncode == 2
    assert found.stderr.splitlines() == [
        "archsim: the package numba cannot be imported (import of numba halted; None in sys.modules); install it where "
        "archsim is installed"
    ]


def test_counts_that_would_wrap_are_told_before_anything_is_simulated() -> None:
    """As those that wait for a unit add up their waits, so many times the cycles of a run are within 64 bits."""
    one = schedule_of(network(6, 4), 1)
    longest = sum(max(sum(stage.latency_cycles for stage in own) for own in op.variants) for op in one.ops)
    spec = one.chip.spec.schedule
    most = 2**62 // (longest * (max(one.batch, one.in_flight) + spec.prefetch + 1))
    assert schedule_of(network(6, 4), most).examples == most
    with pytest.raises(TooMuchError, match="cycles at most"):
        schedule_of(network(6, 4), most + most // 100)


def test_the_compiled_engine_is_had_where_it_is_asked_for(schedule: Schedule) -> None:
    with using("compiled"):
        assert type(begun(schedule, 5)) is CompiledEngine
    with using("simpy"):
        assert type(begun(schedule, 5)) is Engine
