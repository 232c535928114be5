"""How energy and area of digital circuits go from node to node: tables and equations of Stillmaker and Baas.

Areas, and the equations of energy and delay against the supply, are those of A. Stillmaker and B. Baas, Scaling
equations for the accurate prediction of CMOS device performance from 180 nm to 7 nm, Integration 58, 74-81 (2017),
doi 10.1016/j.vlsi.2017.02.002, as nodeScale (UCLA NanoCAD Laboratory) and hwcomponents hold them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from functools import reduce

SOURCE = "Stillmaker and Baas 2017"
NODES_NM = (180, 130, 90, 65, 45, 32, 20, 16, 14, 10, 7)
AREAS = {  # of a circuit at each of the nodes, relative to its area at the node of the row
    180: (1, 0.34, 0.15, 0.08, 0.053, 0.025, 0.011, 0.01, 0.0093, 0.0055, 0.0032),
    130: (2.9, 1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092),
    90: (6.6, 2.3, 1, 0.53, 0.35, 0.16, 0.075, 0.067, 0.061, 0.036, 0.021),
    65: (12, 4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039),
    45: (19, 6.4, 2.8, 1.5, 1, 0.46, 0.21, 0.19, 0.17, 0.1, 0.059),
    32: (40, 14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13),
    20: (88, 30, 13, 7.1, 4.7, 2.2, 1, 0.89, 0.82, 0.48, 0.28),
    16: (99, 34, 15, 7.9, 5.3, 2.4, 1.1, 1, 0.91, 0.54, 0.31),
    14: (110, 37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34),
    10: (180, 63, 28, 15, 9.8, 4.5, 2.1, 1.9, 1.7, 1, 0.58),
    7: (320, 110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1),
}
_OLD = {  # one kind of transistor: energy (V^2, V, 1), delay (V^3, V^2, V, 1)
    180: ((0, 24.64, -17.98), (0, 97.09, -356.7, 406.5)),
    130: ((7.171, -6.709, 2.904), (-76.65, 334.9, -493.4, 275.8)),
    90: ((4.762, -4.781, 2.092), (-60.34, 262.5, -384.2, 210.9)),
    65: ((3.755, -4.398, 1.975), (-53.3, 230.4, -333.9, 178.6)),
}
EQUATIONS: Mapping[str, Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "high_performance": {
        **_OLD,
        45: ((1.018, -0.3107, 0.1539), (-501.6, 1567, -1619, 566.1)),
        32: ((0.8367, -0.4341, 0.1701), (-1047, 2982, -2797, 873.5)),
        20: ((0.373, -0.1582, 0.04104), (0, 34.63, -66.37, 41.15)),
        16: ((0.2958, -0.1241, 0.03024), (0, 24.8, -47.52, 28.87)),
        14: ((0.2363, -0.09675, 0.02239), (-40.66, 109.2, -100.6, 35.92)),
        10: ((0.2068, -0.09311, 0.02375), (-34.95, 93.65, -85.99, 30.4)),
        7: ((0.1776, -0.09097, 0.02447), (-28.58, 76.6, -70.26, 24.69)),
    },
    "low_power": {
        **_OLD,
        45: ((1.103, -0.362, 0.2767), (-285.7, 1239, -1795, 898.8)),
        32: ((0.9559, -0.7823, 0.471), (-325.9, 1374, -1922, 913.2)),
        20: ((0.2632, -0.14, 0.06841), (-160.5, 514.1, -558.6, 217.5)),
        16: ((0.2139, -0.1187, 0.05639), (-114.6, 366.7, -397.4, 153.6)),
        14: ((0.1556, -0.06472, 0.03066), (-85.37, 271.6, -292.2, 111.4)),
        10: ((0.1261, -0.0518, 0.02769), (-71.76, 228.6, -246.3, 93.91)),
        7: ((0.09365, -0.03409, 0.02043), (-61.79, 196.1, -210.3, 79.55)),
    },
}
SUPPLIES_V = {130: 1.3, 90: 1.2, 65: 1.1, 45: 1.0, 32: 0.9, 20: 0.9, 16: 0.85, 14: 0.8, 10: 0.75, 7: 0.7}
"""Nominal supplies of the Predictive Technology Model, to which the equations were fitted: its high-performance models
of 130 to 32 nm, and PTM-MG (Sinha et al., DAC 2012) from 20 nm on.
"""
REFERENCE_NM, REFERENCE_V = 45, 0.9
"""What Horowitz's figures are of, and the factors below relative to."""
LOWEST_M, HIGHEST_M = 7e-9, 130e-9
"""The nodes that have a nominal supply."""


def energy_factors(node_m: float) -> tuple[float, float, float]:
    """Return how many times the energy of 45 nm and 0.9 V a digital circuit takes at a node and its nominal supply.

    First by the equations of high-performance transistors, then the low and the high factor of it that those of
    low-power transistors make. Between the nodes of the tables the logarithm is interpolated over that of the node.
    """
    fast, slow = (
        _between(node_m, {nm: _energy(kind, nm, volts) / _energy(kind, REFERENCE_NM, REFERENCE_V) for nm, volts in
                          SUPPLIES_V.items()})
        for kind in ("high_performance", "low_power")
    )  # fmt: skip
    return fast, min(1.0, slow / fast), max(1.0, slow / fast)


def area_factor(node_m: float) -> float:
    """Return how many times the area of 45 nm a digital circuit takes at a node; interpolated as energies are."""
    row = AREAS[REFERENCE_NM]
    return _between(node_m, {nm: float(row[NODES_NM.index(nm)]) for nm in SUPPLIES_V})


def nominal_supply_v(node_m: float) -> float:
    """Return the nominal supply of a node, in volts; interpolated as energies are."""
    return _between(node_m, SUPPLIES_V)


def polynomial(powers: tuple[float, ...], at: float) -> float:
    """Return the value of a polynomial, whose highest power comes first.

    >>> polynomial((2.0, 1.0, 0.5), 3.0)
    21.5
    """
    return reduce(lambda total, factor: total * at + factor, powers, 0.0)


def _energy(transistors: str, node_nm: int, supply_v: float) -> float:
    return polynomial(EQUATIONS[transistors][node_nm][0], supply_v)


def _between(node_m: float, by_nm: Mapping[int, float]) -> float:
    return interpolated(node_m * 1e9, by_nm)


def interpolated(at: float, by: Mapping[int, float]) -> float:
    """Return the value at a place among positive ones, along straight lines between logarithms; the ends go on flat.

    >>> round(interpolated(20, {10: 1.0, 40: 4.0}), 9), interpolated(5, {10: 1.0, 40: 4.0})
    (2.0, 1.0)
    """
    places = sorted(by)
    at = min(max(at, places[0]), places[-1])
    after = max(1, bisect_left(places, at))
    low, high = places[after - 1], places[after]
    share = math.log(at / low) / math.log(high / low)
    return math.exp((1 - share) * math.log(by[low]) + share * math.log(by[high]))
