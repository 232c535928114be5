"""The executor's loop as the interpreter runs it, to be compared with the compiled one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from archsim.base.machine_code import rebuilt
from archsim.functional import executor
from archsim.functional.hashes import key


def interpreted_play(parts: Mapping[str, Any], *, plain: bool = True) -> Callable[..., Any]:
    """Return the loop with `parts` in the places of these names, in all that it is made of."""
    # The interpreter makes plain integers of the keys of draws, which are words of 64 bits.
    known = {**parts, "key": lambda *words: np.uint64(key(*words))}
    steps = () if plain else executor.STEPS
    known |= {each.__name__: rebuilt(each, known) for each in (executor.take_inputs, *steps)}
    pieces = {each.__name__: rebuilt(each, known) for each in (*executor.READS, *executor.PULSES, *steps)}
    return rebuilt(executor.play, known | pieces)
