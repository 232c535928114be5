"""The values that a network moves, as they are stated: how inputs, weights, outputs and errors are distributed.

Magnitudes are shares of full scale, from 0 to 1; what follows from them is how often lines toggle, for how long they
are driven, and what cells and converters take. A kind of distribution is a class, registered with `distribution(kind)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.arrays import F64
from archsim.base.registry import Registry
from archsim.base.section import Section, kinds_of
from archsim.base.units import Part, Ratio
from archsim.components.base import Role

DISTRIBUTIONS: Registry[type[Distribution]] = Registry("distribution", home="archsim.spec.values")
"""Kinds of distributions of values by name."""


class Distribution(Section):
    """How magnitudes are distributed between 0 and full scale.

    Of all values the share `sparsity` is zero; the kind says how the others are distributed.
    """

    kind: ClassVar[str]
    role: ClassVar[str] = "distribution"
    example: ClassVar[Mapping[str, Any]] = {}
    later: ClassVar[frozenset[str]] = frozenset({"sparsity"})

    sparsity: Part = 0.0
    """Share of the values that are zero, whatever the others are."""

    @property
    def dense_mean(self) -> float:
        """Mean magnitude of the values that are not sparse, as a share of full scale."""
        raise TypeError("a distribution says what its mean is")

    def dense_below(self, magnitudes: F64) -> F64:
        """Return the share of the values that are not sparse up to each of some magnitudes, [n], below full scale."""
        raise TypeError("a distribution says how its values are distributed")

    @property
    def mean(self) -> float:
        """Mean magnitude of all values, as a share of full scale."""
        return (1 - self.sparsity) * self.dense_mean

    def code_shares(self, codes: int) -> F64:
        """Return the share of the values that are rounded to each of so many codes, from 0 to full scale, [codes]."""
        edges = (np.arange(codes - 1) + 0.5) / (codes - 1)
        shares = (1 - self.sparsity) * np.diff(self.dense_below(edges), prepend=0.0, append=1.0)
        shares[0] += self.sparsity
        return shares


distribution = kinds_of(DISTRIBUTIONS)
"""Registers a kind of distribution by its name."""


@distribution("constant")
class Constant(Distribution):
    """All values are equal."""

    value: Part
    """Their magnitude, as a share of full scale."""
    example: ClassVar[Mapping[str, Any]] = {"value": 0.5}

    @property
    def dense_mean(self) -> float:
        """The value."""
        return self.value

    def dense_below(self, magnitudes: F64) -> F64:
        """None below it, all from it on."""
        return np.where(magnitudes > self.value, 1.0, 0.0)


@distribution("uniform")
class Uniform(Distribution):
    """All magnitudes up to full scale are equally frequent."""

    @property
    def dense_mean(self) -> float:
        """One half."""
        return 0.5

    def dense_below(self, magnitudes: F64) -> F64:
        """As large as the magnitude."""
        return magnitudes


@distribution("half_normal")
class HalfNormal(Distribution):
    """Magnitudes of a normal distribution around zero, clipped at full scale."""

    sigma: Ratio
    """Its standard deviation, as a share of full scale."""
    example: ClassVar[Mapping[str, Any]] = {"sigma": 0.3}

    @model_validator(mode="after")
    def _spreads(self) -> Self:
        if self.sigma <= 0:
            raise PydanticCustomError("sigma", "a half-normal distribution needs a sigma above 0; or give a constant")
        return self

    @property
    def dense_mean(self) -> float:
        """That of a half-normal distribution whose tail lies at full scale."""
        scaled = 1 / self.sigma
        body = self.sigma * math.sqrt(2 / math.pi) * -math.expm1(-(scaled**2) / 2)
        return body + math.erfc(scaled / math.sqrt(2))

    def dense_below(self, magnitudes: F64) -> F64:
        """Twice what a normal distribution has between zero and the magnitude."""
        normal = NormalDist(sigma=self.sigma)
        return np.array([2 * normal.cdf(each) - 1 for each in magnitudes.tolist()], dtype=np.float64)


@distribution("histogram")
class Histogram(Distribution):
    """Frequencies of magnitudes in bins of equal width from 0 to full scale; within a bin all are equally frequent.

    They need not add up to one, so that counts of a data set will do.
    """

    frequencies: tuple[Ratio, ...]
    """How frequent the values of each bin are, from the smallest on."""
    example: ClassVar[Mapping[str, Any]] = {"frequencies": [6, 2, 1, 1]}

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        if sum(self.frequencies) <= 0:
            raise PydanticCustomError("frequencies", "no bin has any values; give at least one frequency above 0")
        return self

    @property
    def dense_mean(self) -> float:
        """The middles of the bins, by frequency."""
        count, total = len(self.frequencies), math.fsum(self.frequencies)
        return math.fsum(own * (i + 0.5) for i, own in enumerate(self.frequencies)) / (total * count)

    def dense_below(self, magnitudes: F64) -> F64:
        """What the bins below hold, and a part of the one in which the magnitude lies."""
        own = np.array(self.frequencies, dtype=np.float64)
        whole = np.concatenate(([0.0], np.cumsum(own))) / own.sum()
        return np.asarray(np.interp(magnitudes, np.linspace(0.0, 1.0, len(own) + 1), whole), dtype=np.float64)


SomeDistribution = Annotated[Distribution, Role("distribution", registry=DISTRIBUTIONS)] | None


class Values(Section):
    """How the values of a layer are distributed; what is not stated is billed as the spec says.

    `inputs` drive the rows going forward, `errors` the columns going backward; `weights` are those of the cells, and
    `outputs` what converters make of the columns' sums.
    """

    later: ClassVar[frozenset[str]] = frozenset({"inputs", "weights", "outputs", "errors"})

    inputs: SomeDistribution = None
    """Magnitudes of the inputs, which drive the rows, as shares of the drivers' full scale."""
    weights: SomeDistribution = None
    """Magnitudes of the weights, as shares of the largest."""
    outputs: SomeDistribution = None
    """Magnitudes of the columns' sums, as shares of the converters' full scale."""
    errors: SomeDistribution = None
    """Magnitudes of the errors, which drive the columns, as shares of the drivers' full scale."""


class NetworkValues(Values):
    """How the values of a network are distributed: of all of its layers, and of some by themselves."""

    later: ClassVar[frozenset[str]] = Values.later | {"layers"}

    layers: dict[str, Values] = {}
    """By layer what is distributed there otherwise than in the others."""

    def of(self, layer: str) -> Values:
        """Return how the values of a layer are distributed."""
        own = self.layers.get(layer)
        shared = {name: getattr(self, name) for name in Values.model_fields}
        given = {} if own is None else {name: value for name, value in own if value is not None}
        return Values.model_construct(**{**shared, **given})
