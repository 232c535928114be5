"""Things by number or name that are made when they are first asked for: most of a large chip's are never used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Made(Sequence[T]):
    """So many things; `make` makes the one of a number. Those that were asked for are kept, those gone through not."""

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._count = count
        self._make = make
        self._kept: dict[int, T] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(self._count)))
        found = self._kept.get(index)
        if found is None:
            place = index if index >= 0 else index + self._count
            if not 0 <= place < self._count:
                raise IndexError(index)
            found = self._kept[place] = self._make(place)
        return found

    def __iter__(self) -> Iterator[T]:
        return map(self._make, range(self._count))


def joined(first: Sequence[T], more: Sequence[T]) -> Made[T]:
    """Return the things of both, one after the other."""
    before = len(first)
    return Made(before + len(more), lambda place: first[place] if place < before else more[place - before])


class MadeByName(Mapping[str, T]):
    """One thing for each of some names; `make` makes the one of a name and its number."""

    def __init__(self, names: Sequence[str], make: Callable[[str, int], T]) -> None:
        self._numbers = {name: number for number, name in enumerate(names)}
        self._make = make
        self._kept: dict[str, T] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __getitem__(self, name: str) -> T:
        found = self._kept.get(name)
        if found is None:
            found = self._kept[name] = self._make(name, self._numbers[name])
        return found
