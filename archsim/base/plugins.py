"""Plug-ins: modules outside archsim that register things of their own; which there are, and how others find the same.

One is a file or a module that a user names, a module that Python imported, or an entry point of an installed package.
What each registered is known, so that it can be put aside and brought back: a process has just those that it is to.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType
from typing import Any, Literal, NamedTuple

from archsim.base.doors import read_whole, variable
from archsim.base.errors import ArchsimError, Problem, SpecError, nearest
from archsim.base.limits import SPEC_BYTES
from archsim.base.scratch import scratch

GROUP, VARIABLE, OPTION = "archsim.plugins", "ARCHSIM_PLUGINS", "--plugin"
HINT = "give the path of a .py file, or a module that Python can import"
Way = Literal["named", "imported", "installed"]


class Home(NamedTuple):
    """Where something is registered: the module, its file, and the line."""

    module: str
    file: str
    line: int

    @property
    def is_own(self) -> bool:
        """Whether that is archsim itself."""
        return self.module.partition(".")[0] == "archsim"

    def __str__(self) -> str:
        """Return it as messages show it."""
        return f"{self.file or self.module}, line {self.line}"


class Entry(NamedTuple):
    """Something that a plug-in registered: in which table of which noun, under which name, and where."""

    noun: str
    table: dict[str, Any]
    name: str
    entry: Any
    home: Home


@dataclass(eq=False)
class Plugin:
    """A plug-in: how it is `named`, its `module`, and what it registered; `source` is that of one named by its file."""

    name: str
    module: str
    way: Way
    digest: str
    path: Path | None = None
    source: bytes | None = None
    entries: list[Entry] = field(default_factory=list)
    is_active: bool = True

    @property
    def label(self) -> str:
        """What it is called wherever it lies."""
        return Path(self.name).name if self.path is not None else self.module.partition(".")[0]

    @property
    def registered(self) -> list[str]:
        """What it registers, in words."""
        return [f"{each.noun} '{each.name}'" for each in self.entries if not each.name.endswith(".json")]

    def __repr__(self) -> str:
        """Return what it registers."""
        return f"<plug-in {self.name}: {', '.join(self.registered) or 'nothing of its own'}>"


class Sent(NamedTuple):
    """A plug-in as another process is told of it; `source` goes along where a file was named."""

    name: str
    module: str
    way: Way
    digest: str
    path: str
    source: bytes | None


class Declared(NamedTuple):
    """A study that an installed package declares: its command, where it is, and what the package says of itself."""

    name: str
    module: str
    says: str


_known: list[Plugin] = []
_loading: list[Plugin] = []
_lock = RLock()
_tried: set[EntryPoint] = set()
_complete = False
"""Whether there is nothing left to look for: all entry points were tried, or another process told what there is."""


def active() -> list[Plugin]:
    """Return the plug-ins that are in use, in the order in which they came."""
    return [own for own in _known if own.is_active]


# ---- what registries tell


def home_of_caller() -> Home | None:
    """Return the module that registers something now: the innermost outside archsim, or archsim's own being imported.

    None stands for neither, as in a thread of an interpreter that is embedded.
    """
    frame = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        home = Home(name, str(frame.f_globals.get("__file__", "")), frame.f_lineno)
        if not home.is_own or frame.f_code.co_name == "<module>":
            return home
        frame = frame.f_back  # type: ignore[assignment]
    return None


def is_importing() -> bool:
    """Return whether a module of archsim's own is being imported, which a plug-in could not import yet."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and str(frame.f_globals.get("__name__", "")).startswith("archsim."):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def note(entry: Entry) -> None:
    """Take down what a module outside archsim has registered."""
    if _loading:
        _loading[-1].entries.append(entry)
        return
    home = entry.home
    owner = next((own for own in active() if own.module == home.module), None)
    if owner is None:
        path = Path(home.file) if home.module == "__main__" and home.file else None
        owner = Plugin(home.module if path is None else str(path), home.module, "imported", "", path)
        owner.digest = _digest_of(home.module, path)
        _known.append(owner)
    owner.entries.append(entry)


def clash(entry: Entry, other: Plugin | None) -> SpecError:
    """Return the error of a name that a plug-in gives, and that another has, or archsim itself."""
    if other is None:
        taken, hint = "is archsim's own", "give yours another name"
    else:
        line = next(each.home.line for each in other.entries if each.table is entry.table and each.name == entry.name)
        taken, hint = f"is registered by {other.name}, line {line}, too", "load one, or give one another name"
    return SpecError.at(str(entry.home), f"{entry.noun} '{entry.name}' {taken}", hint)


def owner_of(table: Mapping[str, Any], name: str) -> Plugin | None:
    """Return the plug-in that registered an entry; None for archsim itself."""
    return next((own for own in active() for each in own.entries if each.table is table and each.name == name), None)


# ---- those that a user names


def load_plugin(name: str | Path) -> Plugin:
    """Load a plug-in by the path of its file, which ends in .py, or by the dotted name of a module.

    Returns what it registers. Raises SpecError where there is no such thing, where it fails, with its line, where it
    registers nothing, or a name that is taken.
    """
    text = str(name)
    with _lock:
        found = _from_file(text) if _is_path(text) else _from_module(text)
        found.name, found.way = text, "named"
        return found


def _is_path(text: str) -> bool:
    return text.endswith(".py") or "/" in text or "\\" in text


def _from_file(text: str) -> Plugin:
    path = Path(text).expanduser()
    source = read_whole(path, f"{OPTION} {text}", HINT, SPEC_BYTES)
    digest = _digest(source)
    own = next((each for each in _known if each.source == source), None)
    if own is not None:
        _bring_back(own)
        return own
    own = Plugin(text, f"archsim_plugin_{digest}", "named", digest, path.absolute(), source)
    _bring_up(own, text)
    _check_entries(own)
    return own


def _from_module(text: str) -> Plugin:
    if not all(each.isidentifier() for each in text.split(".")):
        raise SpecError.at(f"{OPTION} {text}", "is neither a file nor a module's name", HINT)
    own = next((each for each in _known if each.source is None and each.module == text), None)
    if own is not None:
        _bring_back(own)
        return own
    own = Plugin(text, text, "named", "")
    _bring_up(own, text)
    _check_entries(own)
    return own


def _check_entries(own: Plugin) -> None:
    """Raise SpecError unless something was registered by a plug-in, or before by another module of its package."""
    package = own.module.partition(".")[0]
    if any(each.home.module.partition(".")[0] == package for other in active() for each in other.entries):
        return
    if not own.entries:
        _known.remove(own)
        what = "registers nothing: no component, layer, topology, placement, policy, estimator, export or study"
        hint = "decorate what it has, as in @component('name', 'device')"
        raise SpecError.at(f"{OPTION} {own.name}", what, hint)


def _bring_up(own: Plugin, text: str) -> None:
    """Run a plug-in's module; raise SpecError where it fails, with what it registered taken back."""
    _known.append(own)
    _loading.append(own)
    try:
        with _told(own, text):
            if own.source is not None:
                _run(own)
            else:
                importlib.import_module(own.module)
                own.digest = _digest_of(own.module)
    except BaseException:
        _put_aside(own)
        _known.remove(own)
        raise
    finally:
        _loading.pop()


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
    with _lock:
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
    own = next((each for each in _known if each.source is None and each.module == point.module), None)
    if own is None:
        own = Plugin(point.module, point.module, "installed", "")
        _bring_up(own, point.module)
    if point.attr:
        with _told(own, point.value):
            study = getattr(importlib.import_module(point.module), point.attr)
            found = study.inputs.words
        if found != point.name:
            what = f"declares a study '{point.name}', and its command is '{found}'"
            raise SpecError.at(point.value, what, "name the entry point as the command")


# ---- which of them are in use


def given() -> list[Plugin]:
    """Return those that have to be named to repeat what is done here: all but those of installed packages."""
    return [own for own in active() if own.way != "installed" and own.entries]


def words() -> list[str]:
    """Return how a command names them."""
    return [each for own in given() for each in (OPTION, own.name)]


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the plug-ins that a command names before its own words, and these words.

    >>> split(["--plugin", "a.py", "--plugin=b", "run", "x"])
    (['a.py', 'b'], ['run', 'x'])
    """
    named, place = [], 0
    while place < len(words):
        if words[place] == OPTION and place + 1 < len(words):
            named.append(words[place + 1])
            place += 2
        elif words[place].startswith(f"{OPTION}="):
            named.append(words[place].partition("=")[2])
            place += 1
        else:
            break
    return named, [*words[place:]]


def from_environment() -> list[str]:
    """Return the plug-ins that ARCHSIM_PLUGINS names, with commas between."""
    return [each.strip() for each in variable(VARIABLE).split(",") if each.strip()]


@contextmanager
def using(names: Sequence[str | Path]) -> Iterator[list[Plugin]]:
    """Have plug-ins loaded within, beside those that are in use."""
    before = {own: (own.is_active, own.name, own.way) for own in _known}
    try:
        yield [load_plugin(name) for name in names]
    finally:
        with _lock:
            for own in [*_known]:
                was, name, way = before.get(own, (False, own.name, own.way))
                if own.way != "installed" and not was:
                    _put_aside(own)
                own.name, own.way = name, way


@contextmanager
def as_named(plugins: Mapping[Plugin, str]) -> Iterator[None]:
    """Have just these plug-ins in use within, and named so, beside those of installed packages."""
    before = [(own, own.name, own.is_active) for own in _known]
    try:
        for own in active():
            if own.way != "installed" and own not in plugins:
                _put_aside(own)
        for own, name in plugins.items():
            own.name = name
        yield
    finally:
        for own, name, was in before:
            own.name = name
            if was and not own.is_active:
                _bring_back(own)


def _put_aside(own: Plugin) -> None:
    """Take what a plug-in registered out of the registries."""
    if own.is_active:
        for each in own.entries:
            if each.table.get(each.name) is each.entry:
                del each.table[each.name]
        own.is_active = False


def _bring_back(own: Plugin) -> None:
    """Register again what a plug-in once registered; raise SpecError where a name is taken meanwhile."""
    if own.is_active:
        return
    for each in own.entries:
        if each.name in each.table:
            raise clash(each, owner_of(each.table, each.name))
    for each in own.entries:
        each.table[each.name] = each.entry
    own.is_active = True
    _known.remove(own)
    _known.append(own)


# ---- what results depend on, and other processes


def versions() -> tuple[tuple[str, str], ...]:
    """Return the plug-ins in use, installed ones included, each with the digest of its code."""
    load_installed()
    return tuple(sorted({(f"plug-in {own.label}", own.digest) for own in active() if own.entries}))


def to_send() -> tuple[Sent, ...]:
    """Return the plug-ins in use as another process is told of them; raise SpecError where it could not have one."""
    load_installed()
    found = [own for own in active() if own.entries]
    for own in found:
        if own.module == "__main__":
            what = f"registers {own.registered[0]}, and other processes, which share the work, cannot import it"
            hint = "write that to a .py file, and call load_plugin('FILE.py'); or take jobs=1"
            raise SpecError.at(str(own.path or "this session"), what, hint)
    return tuple(
        Sent(own.name, own.module, own.way, own.digest, str(own.path or ""), own.source) for own in found
    )  # fmt: skip


def receive(sent: Sequence[Sent]) -> None:
    """Have just the plug-ins that another process told of; raise SpecError where one cannot be had, or is another."""
    global _complete
    with _lock:
        _complete = True
        wanted = [next((own for own in _known if _is(own, each)), None) for each in sent]
        for own in active():
            if own not in wanted:
                _put_aside(own)
        for each, there in zip(sent, wanted, strict=True):
            own = there or _received(each)
            _bring_back(own)
            own.name, own.way = each.name, each.way


def _is(own: Plugin, sent: Sent) -> bool:
    return (own.module, own.digest) == (sent.module, sent.digest)


def _received(sent: Sent) -> Plugin:
    """Return the plug-in that another process told of, loaded here."""
    if sent.source is not None:
        own = Plugin(sent.name, sent.module, sent.way, sent.digest, _lies(sent), sent.source)
        _bring_up(own, sent.name)
        return own
    own = Plugin(sent.name, sent.module, sent.way, "")
    _bring_up(own, sent.name)
    if own.digest != sent.digest:
        what = "is another version than where the command was given"
        raise SpecError.at(f"the plug-in {sent.module}", what, "install the same on both, and start workers anew")
    return own


def _lies(sent: Sent) -> Path:
    """Return where the file of a plug-in lies here, or a copy, so that what is compiled of it can be kept."""
    path = Path(sent.path)
    with suppress(OSError):
        if path.read_bytes() == sent.source:
            return path
    if (folder := scratch()) is not None and sent.source is not None:
        from archsim.base.atomic import claimed

        copy = folder / f"{sent.module}.py"
        with suppress(OSError), claimed(copy) as claim:
            claim.write(sent.source)
            return copy
    return path


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:12]


def _digest_of(module: str, path: Path | None = None) -> str:
    """Return the digest of the code of a module's whole package, or of its file; of what has none, of nothing."""
    first: ModuleType | None = sys.modules.get(module.partition(".")[0])
    folders = [Path(each) for each in getattr(first, "__path__", ())]
    found = hashlib.sha256()
    for folder in sorted(folders):
        for each in sorted(folder.rglob("*.py")):
            found.update(each.relative_to(folder).as_posix().encode() + b"\0" + each.read_bytes() + b"\0")
    if not folders:
        file = path or Path(str(getattr(first, "__file__", None) or "/nowhere"))
        found.update(file.read_bytes() if file.is_file() else b"")
    return found.hexdigest()[:12]
