"""Activations of dense layers: what each does to a sum, and what a chip must keep and multiply to go back through it.

A new one is one entry here: time, bill and numbers read it. `archsim.functional` plays the functions; where a function
has a parameter (`bound`, `slope`), it stands in the layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsim.base.registry import Registry

Derivative = Literal["one", "bit", "value"]


@dataclass(frozen=True)
class Activation:
    """One activation a = f(z), z the sum of a unit.

    `signed` says that a may be negative. `full` is the largest |a|: a number, "bound" for the layer's own, or None
    where there is none and a converter must be told its range (`numerics.activation_range`). `derivative` says what
    backward needs of each unit: nothing (it is one), one bit (which of two slopes), or the value of a, from which
    f'(z) follows with one more multiplication. `monotone` functions of one sum can be the shape of a converter's ramp.
    `losses` names the targets towards which a last layer with it can be trained, and by which loss.
    """

    signed: bool
    full: float | Literal["bound"] | None
    derivative: Derivative
    monotone: bool = True
    losses: tuple[str, ...] = ()


ACTIVATIONS: Registry[Activation] = Registry("activation")
"""Activations by name."""

ACTIVATIONS.add("relu")(Activation(signed=False, full=None, derivative="bit"))
ACTIVATIONS.add("clipped_relu")(Activation(signed=False, full="bound", derivative="bit"))
ACTIVATIONS.add("leaky_relu")(Activation(signed=True, full=None, derivative="bit"))
ACTIVATIONS.add("tanh")(Activation(signed=True, full=1.0, derivative="value"))
ACTIVATIONS.add("hard_sigmoid")(Activation(signed=False, full=1.0, derivative="bit"))
ACTIVATIONS.add("sigmoid")(Activation(signed=False, full=1.0, derivative="value", losses=("cross_entropy",)))
ACTIVATIONS.add("linear")(Activation(signed=True, full=None, derivative="one", losses=("squared_error",)))
ACTIVATIONS.add("softmax")(
    Activation(signed=False, full=1.0, derivative="value", monotone=False, losses=("cross_entropy",))
)
