"""Chip against baseline: intervals agree with closed forms and with scipy's bootstrap, and verdicts follow the rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.functional.paired import (
    Interval,
    _of_seeds,
    _of_splits,
    excess_of,
    interval_of,
    packed,
    packed_losses,
    unpacked,
    unpacked_losses,
    verdict_of,
)

DRAWN = np.random.default_rng(1)


def answers(seeds: int, examples: int, share: float = 0.9, apart: float = 0.05) -> tuple[Any, Any]:
    """Return right answers of baseline and chip, which do alike on most examples."""
    floating = DRAWN.random((seeds, examples)) < share
    return floating ^ (DRAWN.random((seeds, examples)) < apart), floating


@given(st.lists(st.booleans(), max_size=40))
def test_bits_come_back(own: list[bool]) -> None:
    assert unpacked(packed(np.array(own, dtype=bool)), len(own)).tolist() == own


def test_of_one_seed_the_interval_is_that_of_scipy() -> None:
    from scipy import stats  # a second, which whoever collects tests would wait for

    chip, floating = answers(1, 400)
    wanted = stats.bootstrap((chip[0].astype(float), floating[0].astype(float)), lambda a, b, axis: (a - b).mean(axis),
                             paired=True, vectorized=True, method="percentile", n_resamples=4_000,
                             rng=np.random.default_rng(0)).confidence_interval  # fmt: skip
    found = interval_of(chip, floating, [0])
    assert found.mean == pytest.approx(chip.mean() - floating.mean())
    # An example is worth 0.0025; ends of thousands of draws vary by less than two of them.
    assert (found.low, found.high) == (pytest.approx(wanted.low, abs=0.005), pytest.approx(wanted.high, abs=0.005))


@pytest.mark.parametrize(("seeds", "examples"), [(1, 50), (3, 80), (5, 400)])
def test_the_variance_over_seeds_and_examples_is_the_closed_form(seeds: int, examples: int) -> None:
    """E[w w'] = I + (1 - 1/n) 11' for counts w of n draws among n, so E[(w' D v)^2] is a sum of four squares."""
    chip, floating = answers(seeds, examples)
    d = chip.astype(int) - floating
    k, n, total = 1 - 1 / seeds, 1 - 1 / examples, d.sum()
    square = (d**2).sum() + k * (d.sum(axis=0) ** 2).sum() + n * (d.sum(axis=1) ** 2).sum() + k * n * total**2
    wanted = (square - total**2) / (seeds * examples) ** 2
    means = _of_seeds(d, np.random.default_rng(0), 20_000)
    assert means.mean() == pytest.approx(d.mean(), abs=4 * (wanted / 20_000) ** 0.5)
    assert means.var() == pytest.approx(wanted, rel=0.05)  # 1 % is one standard error of the variance of 20,000 draws


def test_the_variance_over_splits_is_the_closed_form() -> None:
    """Of means m_k of K splits with variances v_k of n_k examples: mean(v_k / n_k) / K + var(m_k) / K."""
    own = [DRAWN.integers(-1, 2, size=size) for size in (40, 60, 61, 90)]
    means = np.array([each.mean() for each in own])
    wanted = (np.mean([each.var() / len(each) for each in own]) + means.var()) / len(own)
    drawn = _of_splits(own, np.random.default_rng(0), 20_000)
    assert drawn.mean() == pytest.approx(means.mean(), abs=4 * (wanted / 20_000) ** 0.5)
    assert drawn.var() == pytest.approx(wanted, rel=0.05)


def test_an_interval_is_the_same_each_time_and_turns_with_the_sides() -> None:
    chip, floating = answers(3, 200)
    one, two = interval_of(chip, floating, [1, 2, 3]), interval_of(chip, floating, [1, 2, 3])
    assert one == two
    other = interval_of(floating, chip, [1, 2, 3])
    assert other.mean == -one.mean
    assert other.low == pytest.approx(-one.high, abs=0.004)  # two answers of 600
    same = interval_of(chip, chip, [1, 2, 3])
    assert (same.mean, same.low, same.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict"),
    [
        (-0.002, -0.0059, 0.001, "met"), (0.01, 0.005, 0.02, "met"), (-0.002, -0.0061, 0.001, "not resolved"),
        (-0.004, -0.0055, -0.002, "not resolved"), (-0.005, -0.007, -0.0031, "missed"),
        (-0.005, -0.007, -0.003, "not resolved"),
    ],
)  # fmt: skip
def test_a_goal_of_three_tenths_is_met_missed_or_not_resolved(
    mean: float, low: float, high: float, verdict: str
) -> None:
    interval = Interval(mean=mean, low=low, high=high, examples=100, seeds=3)
    assert verdict_of(interval, 0.003) == verdict
    assert verdict_of(interval, 0.003, ["it broke down"]) == "does not count"


def test_losses_come_back_in_single_precision() -> None:
    own = DRAWN.exponential(size=9)
    assert unpacked_losses(packed_losses(own)).tolist() == own.astype(np.float32).tolist()


def losses(seeds: int, examples: int) -> tuple[Any, Any]:
    """Return losses of chip and baseline, which find the same examples hard."""
    floating = DRAWN.gamma(4.0, size=(seeds, examples))
    return floating * (1.02 + 0.1 * DRAWN.standard_normal((seeds, examples))), floating


def test_the_excess_of_one_seed_is_that_of_scipy() -> None:
    from scipy import stats

    chip, floating = losses(1, 300)
    wanted = stats.bootstrap((chip[0], floating[0]), lambda a, b, axis: a.sum(axis) / b.sum(axis) - 1, paired=True,
                             vectorized=True, method="percentile", n_resamples=4_000,
                             rng=np.random.default_rng(0)).confidence_interval  # fmt: skip
    found = excess_of(chip, floating, [0])
    assert found.mean == pytest.approx(chip.sum() / floating.sum() - 1)
    # The ends of 10,000 draws vary by 0.7 % of the width; limits are five times that.
    width = wanted.high - wanted.low
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.035 * width)


@pytest.mark.parametrize("splits", [False, True], ids=["seeds", "splits"])
def test_the_excess_of_several_seeds_is_drawn_as_one_by_one(splits: bool) -> None:
    """A plain loop draws seeds, then examples: those of all seeds together, or those of each split."""
    chip, floating = losses(3, 40)
    draws, generator, plain = 4000, np.random.default_rng(5), list[float]()
    for _ in range(draws):
        seeds, once = generator.integers(0, 3, 3), generator.integers(0, 40, 40)
        places = [generator.integers(0, 40, 40) if splits else once for _ in seeds]
        above, below = (sum(own[s][at].sum() for s, at in zip(seeds, places, strict=True)) for own in (chip, floating))
        plain.append(above / below - 1)
    found = excess_of(chip, floating, [0, 1, 2], splits=splits, draws=draws)
    low, high = np.quantile(plain, [0.025, 0.975])
    # Either side varies by 1.1 % of the width; limits are five times that of the difference.
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    assert (found.examples, found.splits) == (120 if splits else 40, splits)


def test_a_chip_with_more_loss_is_behind() -> None:
    def verdict(mean: float, low: float, high: float) -> str:
        own = Interval(mean=mean, low=low, high=high, examples=1, seeds=1, of="cross_entropy")
        return verdict_of(own, 0.02)

    assert verdict(0.01, -0.01, 0.03) == verdict(-0.5, -0.6, -0.4) == "met"
    assert verdict(0.01, -0.01, 0.05) == verdict(0.03, 0.01, 0.05) == "not resolved"
    assert verdict(0.04, 0.03, 0.05) == "missed"
