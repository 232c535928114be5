"""Cross-entropy of texts beside their accuracy: what epochs come to, whether a goal is met, what the report says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archsim.functional.data_set import Data
from archsim.functional.epochs import Epoch
from archsim.functional.paired import packed_losses
from archsim.report.files import files_of
from archsim.studies.train.reached import Protocol, reached_by
from archsim.studies.train.study import STUDY
from tests.studies.test_train_document import HISTORY

EXAMPLES, STEPS = 50, 4
LOSSES = np.random.default_rng(0).gamma(4.0, 1.8, EXAMPLES)
"""Summed over the steps of an example, in the baseline: 1.8 nats a step in the mean."""
LABELS = np.arange(EXAMPLES * STEPS).reshape(EXAMPLES, STEPS) % 3
X = np.zeros((EXAMPLES, 1), dtype=np.float32)
TEXT = Data(X, LABELS, X, LABELS, 3, "t", "t")


def epochs(above: float) -> list[Epoch]:
    """Return two epochs of a chip that has so much more loss on each example, as a share."""
    mean = float(LOSSES.sum()) / EXAMPLES / STEPS
    own = Epoch(0, 0, 0.5, 0.6, 2.0, 1.9, 0.0, 0.0, cross_entropy_chip=2 * mean, cross_entropy_float=mean)
    ended = replace(own, epoch=1, cross_entropy_chip=mean * (1 + above), losses_float=packed_losses(LOSSES),
                    losses_chip=packed_losses(LOSSES * (1 + above)))  # fmt: skip
    return [own, ended]


def reached(above: float, ceiling: float | None) -> dict[str, Any]:
    protocol = Protocol(ceiling=ceiling, goal=0.02, epochs=2, tests={0: EXAMPLES})
    return reached_by({0: epochs(above)}, TEXT, None, (), protocol)


@pytest.mark.parametrize(("above", "ceiling", "verdict"), [
    (0.01, None, "met"), (0.03, None, "missed"), (-0.1, 2.5, "met"), (0.015, 1.005, "missed"),
    (0.01, 0.9, "does not count"),
])  # fmt: skip
def test_a_chip_is_held_against_its_baseline_by_cross_entropy(
    above: float, ceiling: float | None, verdict: str
) -> None:
    """A chip with the same share more on every example is that far off whatever is drawn."""
    mean = LOSSES.sum() / EXAMPLES / STEPS
    found = reached(above, None if ceiling is None else ceiling * mean)
    comparison = found["final"].comparison
    assert [comparison.interval.mean, comparison.interval.low, comparison.interval.high] == pytest.approx(
        [above] * 3, abs=1e-6
    )  # kept in single precision
    assert (comparison.interval.of, comparison.verdict) == ("cross_entropy", verdict)
    told = [line for line in found["warnings"] if "ceiling" in line]
    assert len(told) == (0 if ceiling is None or ceiling > 2 else 1 if verdict == "missed" else 2)
    assert "right" not in found


def test_the_report_has_cross_entropy_beside_accuracy() -> None:
    found = reached(0.01, None)
    plain = {**HISTORY, **found, "final": found["final"].model_dump(), "test_losses": found["test_losses"].plain()}
    own = STUDY.report(plain)
    assert "cross_entropy" in own.figures()
    final, every = own.tables()["final"], own.tables()["history"]
    assert [column.name for column in final.columns][2] == "cross-entropy on the test set, nats"
    mean = LOSSES.sum() / EXAMPLES / STEPS
    assert [row[2] for row in final.rows[:2]] == pytest.approx([1.01 * mean, mean])
    assert final.rows[2][2].text == "+1.00 %"
    names = [column.name for column in every.columns]
    assert [row[names.index("cross-entropy, chip")] for row in every.rows] == pytest.approx([2 * mean, 1.01 * mean])
    page = files_of(own)["train.md"]
    assert "The chip against its baseline, cross-entropy on the test set: +1.00 %, +1.00 to +1.00 % at 95 %" in page
    assert "The goal, a chip at most 2.00 % above its baseline in cross-entropy: **met**" in page
