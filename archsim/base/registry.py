"""Named choices: a thing is added by registering it, and nothing else need be edited."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from operator import itemgetter
from threading import get_ident
from typing import Generic, TypeVar

from archsim.base import plugin_loading, plugins
from archsim.base.errors import SpecError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from name to class or function, in order of registration; of names, where several modules register.

    Thus it never depends on what was imported first. `home` names the module whose import registers the entries, or the
    package whose modules do, each of them; or several of these. They are imported at the first look, and so are the
    plug-ins of installed packages, which come after archsim's own.

    >>> colours: Registry[int] = Registry("colour")
    >>> _ = colours.add("red")(1)
    >>> colours["red"], list(colours)
    (1, ['red'])
    """

    def __init__(self, noun: str, home: str | tuple[str, ...] = ()) -> None:
        self.noun = noun
        self._homes = (home,) if isinstance(home, str) else home
        self._scattered = len(self._homes) > 1
        self._found: dict[str, T] = {}
        self._looking: set[int] = set()
        maker = plugins.home_of_caller()
        self._is_own = maker is not None and maker.is_own

    @property
    def _entries(self) -> dict[str, T]:
        self._look_at_home()
        if self._is_own:
            plugin_loading.load_installed()
        return self._found

    def _look_at_home(self) -> None:
        """Import what registers archsim's own entries."""
        thread = get_ident()
        if self._homes and thread not in self._looking:  # what is being imported may look as well
            self._looking.add(thread)
            try:
                for home in self._homes:  # another thread that imports them, too, is waited for
                    package = importlib.import_module(home)
                    self._scattered |= hasattr(package, "__path__")
                    for found in pkgutil.iter_modules(getattr(package, "__path__", ())):
                        if not found.ispkg:
                            importlib.import_module(f"{home}.{found.name}")
                self._homes = ()
            finally:
                self._looking.discard(thread)

    def add(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its argument under `name`; a name is given once.

        Raises SpecError where a plug-in gives one that is taken.
        """

        def register(entry: T) -> T:
            home = plugins.home_of_caller()
            if self._is_own and home is not None and not home.is_own:
                self._look_at_home()
                noted = plugins.Entry(self.noun, self._found, name, entry, home)
                if name in self._found:
                    raise plugins.clash(noted, self.plugin_of(name))
                plugins.note(noted)
            elif (other := self.plugin_of(name)) is not None:  # which was there before archsim's
                raise plugins.clash(other.entry_of(self._found, name), None)
            elif name in self._found:
                raise ValueError(f"{self.noun} '{name}' is registered twice")
            self._found[name] = entry
            return entry

        return register

    def plugin_of(self, name: str) -> plugins.Plugin | None:
        """Return the plug-in that registered an entry; None for archsim's own."""
        return plugins.owner_of(self._found, name)

    def __getitem__(self, name: str) -> T:
        return self.lookup(name)

    def lookup(self, name: str, where: str = "") -> T:
        """Return the entry of that name; raise SpecError with the nearest name if there is none."""
        try:
            return self._entries[name]
        except KeyError:
            article = "an" if self.noun[0] in "aeiou" else "a"
            what = f"'{name}' is not {article} {self.noun}"
            raise SpecError.at(where, what, nearest(name, self._entries)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.items())

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> list[tuple[str, T]]:
        """Return (name, entry) pairs in order."""
        entries = self._entries.items()
        return sorted(entries, key=itemgetter(0)) if self._scattered else list(entries)
