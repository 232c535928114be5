"""Plug-ins: modules outside archsim that register things of their own, and what each of them registered.

One is a file or a module that a user names, a module that Python imported, or an entry point of an installed package.
What it registered can be put aside and brought back: a process has in use just what it is to have. `plugin_loading`
finds them, `plugin_sending` has other processes find the same.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, Literal, NamedTuple

from archsim.base.errors import SpecError

OPTION = "--plugin"
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

    def entry_of(self, table: Mapping[str, Any], name: str) -> Entry:
        """Return what it registered in a table under a name; raise StopIteration if that is nothing."""
        return next(each for each in self.entries if each.table is table and each.name == name)

    def __repr__(self) -> str:
        """Return what it registers."""
        return f"<plug-in {self.name}: {', '.join(self.registered) or 'nothing of its own'}>"


KNOWN: list[Plugin] = []
"""All that were met, in use or not, those in use in the order in which they came."""
LOADING: list[Plugin] = []
"""Those whose modules are being run, the innermost last."""
LOCK = RLock()


def active() -> list[Plugin]:
    """Return the plug-ins that are in use, in the order in which they came."""
    return [own for own in KNOWN if own.is_active]


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


def note(entry: Entry) -> None:
    """Take down what a module outside archsim has registered."""
    if LOADING:
        LOADING[-1].entries.append(entry)
        return
    home = entry.home
    owner = next((own for own in active() if own.module == home.module), None)
    if owner is None:
        path = Path(home.file) if home.module == "__main__" and home.file else None
        owner = Plugin(home.module if path is None else str(path), home.module, "imported", "", path)
        owner.digest = digest_of_module(home.module, path)
        KNOWN.append(owner)
    owner.entries.append(entry)


def clash(entry: Entry, other: Plugin | None) -> SpecError:
    """Return the error of a name that a plug-in gives, and that another has, or archsim itself."""
    if other is None:
        taken, hint = "is archsim's own", "give yours another name"
    else:
        line = other.entry_of(entry.table, entry.name).home.line
        taken, hint = f"is registered by {other.name}, line {line}, too", "load one, or give one another name"
    return SpecError.at(str(entry.home), f"{entry.noun} '{entry.name}' {taken}", hint)


def owner_of(table: Mapping[str, Any], name: str) -> Plugin | None:
    """Return the plug-in that registered an entry; None for archsim itself."""
    return next((own for own in active() for each in own.entries if each.table is table and each.name == name), None)


# ---- which of them are in use


def given() -> list[Plugin]:
    """Return those that have to be named to repeat what is done here: all but those of installed packages."""
    return [own for own in active() if own.way != "installed" and own.entries]


def words() -> list[str]:
    """Return how a command names them."""
    return [each for own in given() for each in (OPTION, own.name)]


def line(*own: str) -> str:
    """Return a command of archsim as a line for a shell, with the plug-ins that it needs here.

    >>> line("run", "my chip.yaml")
    "archsim run 'my chip.yaml'"
    """
    return shlex.join(["archsim", *words(), *own])


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


@contextmanager
def as_named(plugins: Mapping[Plugin, str]) -> Iterator[None]:
    """Have just these plug-ins in use within, and named so, beside those of installed packages."""
    before = [(own, own.name, own.is_active) for own in KNOWN]
    try:
        for own in active():
            if own.way != "installed" and own not in plugins:
                put_aside(own)
        for own, name in plugins.items():
            own.name = name
        yield
    finally:
        for own, name, was in before:
            own.name = name
            if was and not own.is_active:
                bring_back(own)


def put_aside(own: Plugin) -> None:
    """Take what a plug-in registered out of the registries."""
    if own.is_active:
        for each in own.entries:
            if each.table.get(each.name) is each.entry:
                del each.table[each.name]
        own.is_active = False


def bring_back(own: Plugin) -> None:
    """Register again what a plug-in once registered; raise SpecError where a name is taken meanwhile."""
    if own.is_active:
        return
    for each in own.entries:
        if each.name in each.table:
            raise clash(each, owner_of(each.table, each.name))
    for each in own.entries:
        each.table[each.name] = each.entry
    own.is_active = True
    KNOWN.remove(own)
    KNOWN.append(own)


def digest_of_text(source: bytes) -> str:
    """Return the digest of the text of a file."""
    return hashlib.sha256(source).hexdigest()[:12]


def digest_of_module(module: str, path: Path | None = None) -> str:
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
