"""Hardware components: one frozen class each, found by its `kind` in a spec.

Importing this package registers all of them.
"""

from archsim.components import converters, crossbar, digital, drivers, interconnect, memory
from archsim.components.base import COMPONENTS, Action, Component
from archsim.components.cells import base as devices
from archsim.components.cells import capacitor as cell_parts

__all__ = [
    "COMPONENTS",
    "Action",
    "Component",
    "cell_parts",
    "converters",
    "crossbar",
    "devices",
    "digital",
    "drivers",
    "interconnect",
    "memory",
]
