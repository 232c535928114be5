"""Compiled code is kept where there is a folder for it; without one, it works all the same, and one line says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

import numba
import pytest

from archsim.base import machine_code


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    machine_code._tell.cache_clear()
    yield
    machine_code._tell.cache_clear()


def half(x: float) -> float:
    return x / 2


def made() -> float:
    """Compile `half` anew, or take it from disk, and call it."""
    own = FunctionType(half.__code__, half.__globals__, "half")
    return float(machine_code.njit()(own)(5.0))


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder that keeps code."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "own"))
    return tmp_path / "own"


def kept(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix in (".nbi", ".nbc")]


def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no folder be written, but where a test makes one."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    none = SimpleNamespace(from_function=lambda function, file: None)
    own = [machine_code.CompileResultCacheImpl._locator_classes[0], none, machine_code.InScratch]
    monkeypatch.setattr(machine_code.Located, "_locator_classes", own)


def test_code_is_kept_where_the_user_says(places: Path) -> None:
    assert made() == 2.5
    assert [path.suffix for path in kept(places)] == [".nbc", ".nbi"]


def test_code_is_kept_with_temporary_files_where_nothing_else_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere(monkeypatch)
    monkeypatch.setattr(machine_code, "scratch", lambda: tmp_path)
    assert made() == 2.5
    assert len(kept(tmp_path / "numba")) == 2
    assert vars(numba.config)["CACHE_DIR"] == ""


def test_without_a_folder_nothing_is_kept_which_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere(monkeypatch)
    monkeypatch.setattr(machine_code, "scratch", lambda: None)
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR") as told:
        assert [made() for _ in range(2)] == [2.5] * 2
    assert len(told) == 1


@pytest.mark.parametrize("left", [0, 5, 40, -1])
@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
def test_code_that_was_cut_off_is_compiled_anew_and_kept_again(places: Path, ending: str, left: int) -> None:
    made()
    (file,) = (path for path in kept(places) if path.suffix == ending)
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    assert made() == 2.5
    assert len(kept(places)) == 2
    assert file.stat().st_size > len(whole) - 200


def test_what_cannot_be_written_is_not_kept(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert made() == 2.5
    assert kept(places) == []


def test_what_else_numba_complains_of_stays_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(function: Any, file: str) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(machine_code.Located, "_locator_classes", [SimpleNamespace(from_function=wrong)])
    with pytest.raises(RuntimeError, match="something else"):
        made()


def test_a_home_that_nobody_has_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [each.__name__ for each in machine_code._places()]
    monkeypatch.setattr(Path, "home", lambda: Path("~"))
    less = [each.__name__ for each in machine_code._places()]
    assert [name for name in names if name not in less] == [name for name in names if "UserWide" in name]
    assert len(less) == len(names) - 1


def test_all_that_is_kept_goes_through_it() -> None:
    """One place decides: whoever compiles and keeps code elsewhere ends in numba's words on a read-only machine."""
    from tests.test_tree import sources

    assert [name for name, text in sources().items() if "cache=True" in text] == []
    assert "import njit" in sources()["archsim.noc.inlined"]


def test_what_is_kept_changes_with_numbers_and_records_of_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the engine's loop, whose numbers stand beside it."""
    from archsim.simulation import loop, loop_ops

    def digest() -> str:
        return machine_code.digest_of(loop.advance)

    before = digest()
    assert digest() == before
    assert {path.stem for path in machine_code.files_of(loop.advance)} == {
        "loop", "loop_agenda", "loop_ops", "loop_tiles", "loop_told", "loop_units"
    }  # fmt: skip
    globals_ = loop_ops.end_stage.py_func.__globals__  # type: ignore[attr-defined]
    monkeypatch.setitem(globals_, "UPDATED", 7)  # of `flat`; a function that is called far down takes it
    assert digest() != before


MANY = 3


def many() -> int:
    return MANY


def test_a_whole_function_is_compiled_anew_where_a_number_that_it_takes_is_another(places: Path) -> None:
    found = []
    for number in (3, 3, 5):
        own: Any = FunctionType(many.__code__, {**many.__globals__, "MANY": number}, "many")
        made = machine_code.njit(whole=True)(own)
        is_kept = machine_code.is_kept(made)
        found.append((made(), is_kept))
    assert found == [(3, False), (3, True), (5, False)]
    assert kept(places)
