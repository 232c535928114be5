"""Hardware components: one frozen class each, found by its `kind` in a spec.

A module beside this one, or in `cells`, registers its own: all are imported when a component is first looked up.
"""

from archsim.components.base import COMPONENTS, Action, Component

__all__ = ["COMPONENTS", "Action", "Component"]
