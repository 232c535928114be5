"""What can be taken away from a chip, one or several imperfections at a time."""

from __future__ import annotations

from dataclasses import fields

from archsim.components.cells.base import Switches

OF_THE_CELLS = tuple(each.name for each in fields(Switches))
OF_THE_ARRAY = ("ir_drop",)
QUANTISED = ("converters", "pulses", "transfer_conversion")
"""What `quantisation` takes away together.

That is the levels of drivers and converters, the whole pulses of updates, and what is wrong with maintenance's reads.
"""
ABLATIONS = tuple(dict.fromkeys((*OF_THE_CELLS, *OF_THE_ARRAY, "quantisation", *QUANTISED, "mismatch")))
"""Their names."""
