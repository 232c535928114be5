"""How plug-ins are found: files and modules that a user names, and what installed packages declare."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from archsim.base.doors import read_whole, variable
from archsim.base.errors import ArchsimError, Problem, SpecError, nearest
from archsim.base.limits import SPEC_BYTES
from archsim.base.plugins import (
    KNOWN,
    LOADING,
    LOCK,
    OPTION,
    Plugin,
    active,
    bring_back,
    digest_of_module,
    digest_of_text,
    put_aside,
)

GROUP, VARIABLE = "archsim.plugins", "ARCHSIM_PLUGINS"
HINT = "give the path of a .py file, or a module that Python can import"
_tried: set[EntryPoint] = set()
_complete = False


class Declared(NamedTuple):
    """A study that an installed package declares: its command, where it is, and what the package says of itself."""

    name: str
    module: str
    says: str


# ---- those that a user names


def load_plugin(name: str | Path) -> Plugin:
    """Load a plug-in by the path of its file, which ends in .py, or by the dotted name of a module.

    Returns what it registers. Raises SpecError where there is no such thing, where it fails, with its line, where it
    registers nothing, or a name that is taken.
    """
    text = str(name)
    with LOCK:
        found = _from_file(text) if _is_path(text) else _from_module(text)
        found.name, found.way = text, "named"
        return found


def _is_path(text: str) -> bool:
    return text.endswith(".py") or "/" in text or "\\" in text


def _from_file(text: str) -> Plugin:
    path = Path(text).expanduser()
    source = read_whole(path, f"{OPTION} {text}", HINT, SPEC_BYTES)
    digest = digest_of_text(source)
    own = next((each for each in KNOWN if each.source == source), None)
    if own is not None:
        bring_back(own)
        return own
    own = Plugin(text, f"archsim_plugin_{digest}", "named", digest, path.absolute(), source)
    bring_up(own, text)
    _check_entries(own)
    return own


def _from_module(text: str) -> Plugin:
    if not all(each.isidentifier() for each in text.split(".")):
        raise SpecError.at(f"{OPTION} {text}", "is neither a file nor a module's name", HINT)
    own = next((each for each in KNOWN if each.source is None and each.module == text), None)
    if own is not None:
        bring_back(own)
        return own
    own = Plugin(text, text, "named", "")
    bring_up(own, text)
    _check_entries(own)
    return own


def _check_entries(own: Plugin) -> None:
    """Raise SpecError unless something was registered by a plug-in, or before by another module of its package."""
    package = own.module.partition(".")[0]
    if any(each.home.module.partition(".")[0] == package for other in active() for each in other.entries):
        return
    if not own.entries:
        KNOWN.remove(own)
        what = "registers nothing: no component, layer, topology, placement, policy, estimator, export or study"
        hint = "decorate what it has, as in @component('name', 'device')"
        raise SpecError.at(f"{OPTION} {own.name}", what, hint)


def bring_up(own: Plugin, text: str) -> None:
    """Run a plug-in's module; raise SpecError where it fails, with what it registered taken back."""
    KNOWN.append(own)
    LOADING.append(own)
    try:
        with _told(own, text):
            if own.source is not None:
                _run(own)
            else:
                importlib.import_module(own.module)
                own.digest = digest_of_module(own.module)
    except BaseException:
        put_aside(own)
        KNOWN.remove(own)
        raise
    finally:
        LOADING.pop()


def _run(own: Plugin) -> None:
    """Run the text of a plug-in's file as a module."""
    assert own.source is not None
    assert own.path is not None
    spec = importlib.util.spec_from_loader(own.module, None, origin=str(own.path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(own.path)
    code: CodeType = compile(own.source, str(own.path), "exec", dont_inherit=True)
    sys.modules[own.module] = module
    try:
        exec(code, module.__dict__)  # whoever names a plug-in wants it run
    except BaseException:
        del sys.modules[own.module]
        raise


@contextmanager
def _told(own: Plugin, text: str) -> Iterator[None]:
    """Turn what a plug-in's module raises into a SpecError that says where."""
    is_named = own.way == "named"
    where, mend = (f"{OPTION} {text}", "mend that line") if is_named else (text, "mend or remove the package")
    try:
        yield
    except SpecError as error:
        raise SpecError([Problem(each.where or where, each.what, each.hint) for each in error.problems]) from None
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if own.source is None and (own.module == missing or own.module.startswith(f"{missing}.")):
            hint = _near(text) if is_named else mend
            raise SpecError.at(where, f"there is no module '{missing}'", hint) from None
        line = _line(error, own)
        hint = "install what has it, where archsim is installed"
        raise SpecError.at(line or where, f"there is no module '{missing}'", hint) from None
    except SyntaxError as error:
        line = f"{error.filename}, line {error.lineno}"
        raise SpecError.at(line, f"is no Python: {error.msg}", mend) from None
    except (Exception, SystemExit) as error:
        kind = "it ends Python" if isinstance(error, SystemExit) else type(error).__name__
        what = f"{kind}: {error}" if str(error) else kind
        raise SpecError.at(_line(error, own) or where, " ".join(what.split()), mend) from None


def _line(error: BaseException, own: Plugin) -> str:
    """Return the innermost line of the plug-in's own files at which it failed, "" if none of them did."""
    module = sys.modules.get(own.module.partition(".")[0])
    folders = [Path(each) for each in getattr(module, "__path__", ())]
    files = [Path(str(file))] if (file := getattr(module, "__file__", None)) else []
    files += [own.path] if own.path is not None else []
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path in files or any(folder in path.parents for folder in folders):
            found = f"{frame.filename}, line {frame.lineno}"
    if not found:  # the module is gone again: its file is the first after Python's own of importing
        outside = [frame for frame in traceback.extract_tb(error.__traceback__)
                   if "importlib" not in frame.filename and Path(__file__) != Path(frame.filename)]  # fmt: skip
        found = f"{outside[-1].filename}, line {outside[-1].lineno}" if outside else ""
    return found


def _near(text: str) -> str:
    """Return what may have been meant by the name of a module that is not there."""
    beside = Path(f"{text.replace('.', '/')}.py")
    if beside.is_file():
        return f"did you mean './{beside}'?"
    first = text.partition(".")[0]
    known = {each.value.partition(":")[0].partition(".")[0] for each in _points()}
    hint = nearest(first, known) if known else ""
    return hint if hint.startswith("did you mean") else HINT


def from_environment() -> list[str]:
    """Return the plug-ins that ARCHSIM_PLUGINS names, with commas between."""
    return [each.strip() for each in variable(VARIABLE).split(",") if each.strip()]


@contextmanager
def using(names: Sequence[str | Path]) -> Iterator[list[Plugin]]:
    """Have plug-ins loaded within, beside those that are in use."""
    before = {own: (own.is_active, own.name, own.way) for own in KNOWN}
    try:
        yield [load_plugin(name) for name in names]
    finally:
        with LOCK:
            for own in [*KNOWN]:
                was, name, way = before.get(own, (False, own.name, own.way))
                if own.way != "installed" and not was:
                    put_aside(own)
                own.name, own.way = name, way


# ---- those of installed packages


@cache
def _points() -> tuple[EntryPoint, ...]:
    """Return the entry points of installed packages, sorted."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value)))


def declared() -> list[Declared]:
    """Return the studies that installed packages declare, as NAME = "module:STUDY", without importing anything."""
    found = []
    for each in _points():
        if each.attr:
            about = each.dist.metadata["Summary"] if each.dist is not None else ""
            found.append(Declared(each.name, each.module, " ".join(part for part in (about, _by(each)) if part)))
    return found


def load_installed() -> None:
    """Load the entry points of installed packages that were not loaded yet; one that fails is told in a warning.

    While a module of archsim's own is being imported they are left for later.
    """
    global _complete
    if _complete or is_importing():
        return
    with LOCK:
        for each in _points():
            if each in _tried:
                continue
            _tried.add(each)
            try:
                _load_point(each)
            except ArchsimError as error:
                told = "; ".join(str(error).splitlines())
                warnings.warn(f"the plug-in '{each.name}' {_by(each)} is left out: {told}", stacklevel=1)
        _complete = True


def _by(point: EntryPoint) -> str:
    return f"({point.dist.name} {point.dist.version})" if point.dist is not None else ""


def _load_point(point: EntryPoint) -> None:
    own = next((each for each in KNOWN if each.source is None and each.module == point.module), None)
    if own is None:
        own = Plugin(point.module, point.module, "installed", "")
        bring_up(own, point.module)
    if point.attr:
        with _told(own, point.value):
            study = getattr(importlib.import_module(point.module), point.attr)
            found = study.inputs.words
        if found != point.name:
            what = f"declares a study '{point.name}', and its command is '{found}'"
            raise SpecError.at(point.value, what, "name the entry point as the command")


def is_importing() -> bool:
    """Return whether a module of archsim's own is being imported, which a plug-in could not import yet."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and str(frame.f_globals.get("__name__", "")).startswith("archsim."):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def look_no_more() -> None:
    """Take what there is for all: another process has told what this one is to have."""
    global _complete
    _complete = True
