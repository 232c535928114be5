"""Samples of a space: points that fill it evenly, by SciPy."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from archsim.base.errors import SpecError

SAMPLERS = ("lhs", "sobol")
"""Latin hypercubes (McKay et al., Technometrics 1979), and the sequence of Sobol', scrambled (Owen, 1998)."""


def parts_of(sampler: str, count: int, dimensions: int, seed: int) -> list[list[float]]:
    """Return `count` points of a unit cube; they depend on the seed and SciPy's version.

    Raises SpecError where SciPy is not installed.
    """
    try:
        qmc: Any = importlib.import_module("scipy.stats").qmc
    except ImportError:
        raise SpecError.at("--sample", "needs the package SciPy", "pip install 'archsim[search]'") from None
    draws = {"lhs": qmc.LatinHypercube, "sobol": qmc.Sobol}[sampler](dimensions, rng=np.random.default_rng(seed))
    with warnings.catch_warnings():  # of counts that are no power of two, which are fine, though less even
        warnings.filterwarnings("ignore", "The balance properties of Sobol' points", UserWarning)
        found: list[list[float]] = draws.random(count).tolist()
    return found
