"""Metrics and audits alone are those of a whole run, to the bit, of every chip that can train the digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archsim.base.errors import ArchsimError
from archsim.results.evaluate import checked, evaluate
from archsim.spec.finding import builtin_names
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
