"""Functions compiled to machine code, which is kept on disk where there is a folder for it."""

from __future__ import annotations

import hashlib
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba
import numba.core.caching

from archsim.base.doors import FOREIGN
from archsim.base.scratch import scratch

config: Any = numba.config
FunctionCache: Any = numba.core.caching.FunctionCache
CompileResultCacheImpl: Any = numba.core.caching.CompileResultCacheImpl
F = TypeVar("F", bound=Callable[..., Any])
UNREADABLE: tuple[type[Exception], ...] = (*FOREIGN, ImportError, pickle.PickleError)
UNKEPT = (
    "no folder can be written that would keep compiled code, so each command compiles anew, for seconds to minutes, or "
    "simulates on SimPy's engine; "
    "set NUMBA_CACHE_DIR to a folder that can"
)


@cache
def _tell() -> None:
    warnings.warn(UNKEPT, stacklevel=1)


def _places() -> list[Any]:
    """Return numba's classes that find a place for a function's code, and one more, in their order."""
    found = list(CompileResultCacheImpl._locator_classes)
    if not _has_home():  # numba would make a folder called "~"
        found = [each for each in found if "UserWide" not in each.__name__]
    return [*found, InScratch]


def _has_home() -> bool:
    with suppress(RuntimeError):
        return Path.home().is_absolute()
    return False


class InScratch:
    """The place of a function's code among temporary files, where nothing else can be written."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """Return what locates the code of a function, or None; it is found as where the user provides a place."""
        folder = scratch()
        if folder is None:
            return None
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder / "numba")
        try:
            return CompileResultCacheImpl._locator_classes[0].from_function(py_func, py_file)
        finally:
            config.CACHE_DIR = before


class Located(CompileResultCacheImpl):  # type: ignore[misc]
    """Code of functions at the first place that can be written."""

    _locator_classes = _places()


class Kept(FunctionCache):  # type: ignore[misc]
    """The code of a function on disk: what cannot be read is compiled anew, and what cannot be written is not kept."""

    _impl_class = Located

    def __init__(self, function: Any, whole: bool = False) -> None:
        super().__init__(function)
        if whole:
            self._cache_file._source_stamp = self._cache_file._source_stamp, digest_of(function)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for a function's types, None if nothing that can be read is."""
        try:
            return super().load_overload(sig, target_context)
        except UNREADABLE:  # a loss of power or a full disk has cut it off
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code for a function's types, if it can be written."""
        with suppress(OSError):
            super().save_overload(sig, data)


def njit(whole: bool = False, **options: Any) -> Callable[[F], F]:
    """Return a decorator that compiles with numba; its code is kept beside the source, or in numba's own folder.

    If neither can be written (a read-only installation without a home) it is kept with temporary files, and if they
    cannot be written either not at all, which a warning says. numba compiles anew where the function's own file has
    changed; of a `whole` one also where those have that hold what it calls, or numbers and records that these take.
    """
    options.setdefault("_nrt", True)  # else numba takes it over from what calls a function first

    def compiled(function: F) -> F:
        made = numba.njit(**options)(function)
        try:
            made._cache = Kept(function, whole)
        except RuntimeError as error:
            if "no locator available" not in str(error):  # numba's own words: nothing else tells it apart
                raise
            _tell()
        return cast("F", made)

    return compiled


def lean(**options: Any) -> Callable[[F], F]:
    """Return a decorator as `njit` does, for what makes no array: it counts no references to those that it is given.

    For records of many arrays that takes as long as what is done with them.
    """
    return njit(_nrt=False, **options)


def compile_for(function: Any, *arguments: Any) -> None:
    """Compile a function for arguments of these types, or load its code, without calling it."""
    if not config.DISABLE_JIT:
        function.compile(tuple(map(numba.typeof, arguments)))


def is_kept(function: Any) -> bool:
    """Return whether a compiled function has its code at hand, in this process or on disk."""
    if config.DISABLE_JIT:
        return False
    if function.signatures:
        return True
    kept = getattr(function, "_cache", None)
    with suppress(*UNREADABLE):
        return isinstance(kept, Kept) and bool(kept._cache_file._load_index())
    return False


def rebuilt(function: Callable[..., Any], parts: Mapping[str, Any]) -> FunctionType:
    """Return a plain function that finds `parts` under these names, in the places of what its module has there."""
    own = cast("FunctionType", function)
    return FunctionType(own.__code__, {**own.__globals__, **parts}, own.__name__)


def files_of(function: Callable[..., Any]) -> list[Path]:
    """Return the files that hold a function and all compiled ones that it calls, or that these call, sorted."""
    return sorted({Path(str(sys.modules[each.__module__].__file__)) for each in _reached(function, set())})


def digest_of(function: Callable[..., Any]) -> str:
    """Return what changes with the code of a function, of those that it calls, and with the values that they take."""
    found = hashlib.sha256()
    for path in files_of(function):
        found.update(path.read_bytes())
    for each in _reached(function, set()):
        plain = getattr(each, "py_func", each)
        for name in plain.__code__.co_names:
            value = plain.__globals__.get(name)
            value = getattr(value, "_fields", value)
            if isinstance(value, int | float | str | tuple):
                found.update(f"{name}={value!r};".encode())
    return found.hexdigest()


def _reached(function: Any, met: set[int]) -> Iterator[Any]:
    if id(function) in met:
        return
    met.add(id(function))
    yield function
    plain = getattr(function, "py_func", function)
    for name in plain.__code__.co_names:
        each = plain.__globals__.get(name)
        if hasattr(each, "py_func"):
            yield from _reached(each, met)
