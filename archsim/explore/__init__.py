"""Exploring a design: how its figures depend on what was assumed."""

from archsim.explore.sensitivity import Effect, Study, sensitivity

__all__ = ["Effect", "Study", "sensitivity"]
