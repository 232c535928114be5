"""Compiled code is kept where there is a folder for it; without one, it works all the same, and one line says so."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
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


def refusing(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(*, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError(words)
        return numba.njit(**options)

    monkeypatch.setattr(machine_code, "numba", SimpleNamespace(njit=njit))


def test_without_a_folder_nothing_is_kept_which_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing("cannot cache function 'half': no locator available for file 'x'", monkeypatch)
    with pytest.warns(UserWarning, match="NUMBA_CACHE_DIR") as told:
        made = [machine_code.njit()(half) for _ in range(3)]
    assert len(told) == 1
    assert [each(5.0) for each in made] == [2.5] * 3


def test_what_else_numba_complains_of_stays_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing("something else", monkeypatch)
    with pytest.raises(RuntimeError, match="something else"):
        machine_code.njit()(half)


def test_all_that_is_kept_goes_through_it() -> None:
    """One place decides: whoever compiles and keeps code elsewhere ends in numba's words on a read-only machine."""
    from tests.test_tree import sources

    assert [name for name, text in sources().items() if "cache=True" in text] == ["archsim.base.machine_code"]
