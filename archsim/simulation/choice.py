"""Which engine simulates: that which is asked for, or the quicker one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias, Union

from archsim.base.errors import SpecError, nearest
from archsim.mapping.schedule import Schedule
from archsim.simulation.engine import Engine
from archsim.simulation.events import Hearer
from archsim.simulation.flat import RANKS
from archsim.simulation.program import FOREVER
from archsim.simulation.timeline import Timeline

if TYPE_CHECKING:
    from archsim.simulation.compiled import CompiledEngine

Either: TypeAlias = Union[Engine, "CompiledEngine"]

ENGINES = ("auto", "simpy", "compiled")
WORTH_LOADING, WORTH_COMPILING, WORTH_CALLING, SHORTEST = 400_000, 4_000_000, 150, 1_000
"""From so many actions on the compiled engine is quicker: where its code is to be loaded (1.5 s, numba included), to be
compiled (20 s) or is there, against some 0.2 million actions a second. Of many short runs, as in a search, all before
count towards loading, each as `SHORTEST` at least, as much as looking for what recurs takes besides (a run of a sweep
takes SimPy's engine 5.7 ms longer). Measured on two cores of an AMD EPYC; time alone depends on it."""
UNITS = 3
"""One that takes more units, as long circuits do, counts as so many times more actions. Measured with those above."""
_before = [0]
"""How many actions runs of this process had ahead, as far as these are worth calling compiled code."""
_failed: list[str] = []
"""Why the compiled engine could not be had in this process, told once."""
_asked: ContextVar[str] = ContextVar("engine", default="auto")


@contextmanager
def using(engine: str) -> Iterator[None]:
    """Have an engine simulate within this context: `simpy`, `compiled`, or `auto`, the quicker one.

    Results are equal to the last bit. Raises SpecError where it is none of these.
    """
    if engine not in ENGINES:
        raise SpecError.at("--engine", f"'{engine}' is not an engine", nearest(engine, ENGINES))
    token = _asked.set(engine)
    try:
        yield
    finally:
        _asked.reset(token)


def begun(
    schedule: Schedule, examples: int, *, unlimited: bool = False, uncontended: Collection[int] = (),
    timeline: Timeline | None = None, hearer: Hearer | None = None,
) -> Either:  # fmt: skip
    """Return the engine that simulates a schedule, in cycle 0, where some `examples` are to be gone through."""
    compiles = _compiles(schedule, examples)
    made: type[Engine] | type[CompiledEngine] = (_loaded() if compiles else None) or Engine
    return made(schedule, unlimited=unlimited, uncontended=uncontended, timeline=timeline, hearer=hearer)


def asked() -> str:
    """Return which engine is asked for in this context."""
    return _asked.get()


def _loaded() -> type[CompiledEngine] | None:
    """Return the compiled engine, ready to simulate; None, with a word, where it cannot be had and `auto` is asked for.

    Raises SpecError where it was asked for.
    """
    if _failed and _asked.get() == "auto":
        return None
    try:
        from archsim.simulation.compiled import CompiledEngine, compile_loop

        compile_loop()
    except Exception as error:  # whatever a compiler, its libraries and its files may raise
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        if _asked.get() == "compiled":
            hint = "take --engine simpy, or auto; for the compiled one numba must be there and work"
            raise SpecError.at("--engine", f"the compiled engine cannot be had ({why})", hint) from error
        _failed.append(why)
        warnings.warn(f"SimPy's engine simulates, since the compiled one cannot be had ({why})", stacklevel=3)
        return None
    return CompiledEngine


def _compiles(schedule: Schedule, examples: int) -> bool:
    """Return whether the compiled engine simulates."""
    asked = _asked.get()
    if asked == "simpy":
        return False
    known = schedule.chip.spec.routing.router.arbitration in RANKS
    if not known or (schedule.examples + 1) * len(schedule.ops) >= FOREVER:
        if asked == "compiled":
            why = "has more examples than it counts" if known else "has an arbitration of a plug-in"
            warnings.warn(f"SimPy's engine simulates, not the compiled one: the run {why}", stacklevel=3)
        return False
    if asked == "compiled":
        return True
    ahead = examples * actions_of(schedule)
    is_there = "archsim.simulation.loop" in sys.modules
    if ahead < WORTH_CALLING:
        return False
    _before[0] += max(ahead, SHORTEST)
    if not is_there and _before[0] < WORTH_LOADING:
        return False
    return _before[0] >= WORTH_COMPILING or _is_kept()


def actions_of(schedule: Schedule) -> int:
    """Return the actions of an example, each counted as the engine of SimPy takes time for it."""
    stages = (stage for op in schedule.ops if op.maintenance is None for stage in op.stages)
    return sum([max(1, len(stage.acquire) // UNITS) for stage in stages])


def _is_kept() -> bool:
    """Return whether the loop's code is kept, or whether it cannot be loaded: who loads it will tell."""
    try:
        from archsim.base.machine_code import is_kept
        from archsim.simulation import loop
    except Exception:
        return True
    return is_kept(loop.advance)
