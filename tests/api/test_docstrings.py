"""What users call is described: every parameter, what comes back, units, and what is raised."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import pytest

import archsim
from archsim.api import floorplan
from archsim.api.shown import Run, Shown, StudyResult

QUANTITIES = re.compile(r"_(s|j|w|m2|hz|v|kelvin|siemens)$")
FUNCTIONS = {
    **{name: getattr(archsim, name) for name in archsim.__all__ if inspect.isfunction(getattr(archsim, name))},
    **{f"floorplan.{name}": getattr(floorplan, name) for name in ("draw", "compare", "optimise")},
}
CLASSES = [Shown, Run, StudyResult, archsim.SpecError, archsim.ArchsimError]


def words(function: Any) -> str:
    """What is said of a function: by itself, and of all functions of its module together."""
    home = function.__module__
    shared = [import_module(name).__doc__ or "" for name in dict.fromkeys((home, "archsim.api.commands"))
              if name.startswith("archsim.api")]  # fmt: skip
    return "\n".join([inspect.getdoc(function) or "", *shared])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_takes_and_raises(name: str) -> None:
    function = FUNCTIONS[name]
    own = inspect.getdoc(function)
    assert own
    assert own.splitlines()[0].endswith((".", ":"))
    said = words(function)
    missing = [
        each for each in inspect.signature(function).parameters
        if not re.search(rf"\b{each.removesuffix('s')}(s|es)?\b", said)
    ]  # fmt: skip
    assert not missing, f"{name} does not say what {', '.join(missing)} is"
    assert re.search(r"[Rr]aises?\b", said), f"{name} does not say what it raises"


@pytest.mark.parametrize("cls", CLASSES)
def test_what_a_result_has_is_described(cls: type) -> None:
    for name, own in vars(cls).items():
        if name.startswith("_") or not (callable(own) or isinstance(own, property) or hasattr(own, "__doc__")):
            continue
        said = inspect.getdoc(own.func if hasattr(own, "func") else own) or ""
        assert said, f"{cls.__name__}.{name}"
        if QUANTITIES.search(name):
            assert re.search(r"second|joule|watt|metre|hertz|volt|kelvin|siemens", said), f"{name} has no unit"
