"""Metrics and audits alone are those of a whole run, to the bit, of every chip that can train the digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archsim.base.errors import ArchsimError
from archsim.base.shipped import builtin_names
from archsim.results.evaluate import checked, evaluate
from archsim.results.intervals import has_intervals
from archsim.spec.loading import load_arch
from archsim.workload import load_workload

EXAMPLES = 6


SLOW = {"pcm64_cmesh_32nm"}
"""Its placement takes a while."""
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in builtin_names("arch_specs")]


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ArchsimError as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", NAMES)
def test_metrics_and_audits_alone_are_those_of_the_run(name: str) -> None:
    arch, workload = load_arch(name), load_workload("mlp_digits")

    def whole() -> tuple[Any, Any]:
        data = evaluate(arch, workload, examples=EXAMPLES).data
        return data["metrics"], data["audits"]

    assert outcome(lambda: checked(arch, workload, EXAMPLES)) == outcome(whole)


@pytest.mark.usefixtures("intervals")
@pytest.mark.parametrize("name", NAMES)
def test_every_chip_with_ranges_is_drawn(name: str) -> None:
    """Whether it trains the digits or, with tiles enough, answers: each draw is a chip or is refused, and counts."""
    arch, work = load_arch(name), load_workload("mlp_digits")
    result = outcome(lambda: evaluate(arch, work, examples=5))
    if isinstance(result, tuple):
        arch, work = load_arch(name, ["tile.count=64"]), load_workload("mlp_digits", ["mode=inference"])
        result = evaluate(arch, work, examples=5)
    assert ("intervals" in result.data) == bool(result.drawn) == has_intervals(arch)
    if result.drawn is None:
        return
    how = result.data["uncertainty"]
    assert how["draws"] + how["refused"] == len(result.drawn.metrics)
    assert how["causes"].keys() == result.data["intervals"].keys()
    drawn = [own for own in result.drawn.metrics if own is not None]
    for metric, (low, high) in result.data["intervals"].items():
        values = [own[metric] for own in drawn]
        assert min(values) <= low < high <= max(values)
