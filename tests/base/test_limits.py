"""Limits: each is asked somewhere, passes what is at it and refuses one more, with number, limit and a way round."""

from __future__ import annotations

import ast
import re
import time
from pathlib import Path

import pytest

import archsim
from archsim.base.errors import MOST_TOLD, MOST_WORD, SpecError, nearest
from archsim.base.limits import LIMITS, TooMuchError
from archsim.base.units import parse_quantity

PACKAGE = Path(archsim.__file__).parent
ASKED = {
    node.id for path in PACKAGE.rglob("*.py") if path.name != "limits.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Name)
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_asked_somewhere_and_says_why(name: str) -> None:
    assert name in ASKED
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
