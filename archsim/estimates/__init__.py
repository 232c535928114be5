"""Estimates: the energy, area or power of a component from what it is, with the range that holds 80 % of its data.

A module beside this one registers its own: all are imported when an estimator is first looked up.
"""

from archsim.estimates.base import ESTIMATORS, Estimate, Estimator, Parameter

__all__ = ["ESTIMATORS", "Estimate", "Estimator", "Parameter"]
