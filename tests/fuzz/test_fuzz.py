"""The fuzzer itself: what is not mutated is fine, faults are seen, and a seeded sample of cases has none."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from archsim.studies.study import all_studies
from tests.fuzz import judging
from tests.fuzz.judging import Case, judged, minimised
from tests.fuzz.ways import WAYS, Way

SAMPLE = 2000 if os.environ.get("ARCHSIM_THOROUGH") else 40


@pytest.fixture(scope="module", autouse=True)
def _all_is_imported() -> None:
    all_studies()  # before children are made


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_what_is_not_mutated_is_fine(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    words = WAYS[name].make(tmp_path / "in", random.Random(1), [])
    out = [] if words[0] in judging.FOLDERLESS else ["--out", str(tmp_path / "in" / "out")]
    found = judging._verdict(name, [*words, *out], tmp_path)
    assert (found.status, found.fault) in ((0, ""), (2, "")), found.said  # a chip may be too small for a network


def test_faults_are_seen_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
        return ["list", "arch", *(["fault"] if any(change.random() < 0.5 for change in changes) else [])]

    def main(words: list[str]) -> None:
        if "fault" in words:
            raise KeyError("no door")
        raise SystemExit(0)

    monkeypatch.setattr(judging, "WAYS", {"spoilt": Way(spoilt, 1)})
    monkeypatch.setattr("archsim.cli.main", main)
    cases = [Case(seed) for seed in range(12)]
    found = [(case, judged(case)) for case in cases]
    assert {verdict.fault for _, verdict in found} == {"", "exception"}
    case, verdict = next(pair for pair in found if pair[1].fault and pair[0].mutations > 1)
    assert verdict.where.startswith("KeyError")
    small = minimised(case, (verdict.way, verdict.fault, verdict.where))
    assert len(small.left or ()) == 1
    assert judged(small).fault == "exception"


@pytest.mark.slow
def test_a_sample_has_no_fault() -> None:
    found = [judged(Case(seed)) for seed in range(SAMPLE)]
    assert [(each.way, each.fault, each.where, each.words, each.said) for each in found if each.fault] == []
