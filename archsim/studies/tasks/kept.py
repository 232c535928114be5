"""Tasks of a study: those in the store are taken from there, the others are computed and kept."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from archsim.base.errors import ArchsimError
from archsim.base.record import Record
from archsim.studies.tasks.store import RECOVER, Store, ask_of, row_of
from archsim.studies.tasks.surroundings import Surroundings
from archsim.studies.tasks.task import AnyTask, Outcome
from archsim.studies.tasks.workers import Done, Told, Workers


def computed(
    tasks: Sequence[AnyTask], workers: Workers, store: Store | None, told: Told
) -> Generator[tuple[int, Outcome], None, None]:
    """Yield (place, outcome) of each task: at once of those that are in the store, the others as they are done.

    Results go into the store as they come; what was raised does not.
    """
    here = workers.surroundings() if store is not None else None
    asks = [ask_of(_kind(task), task.asked(), here) for task in tasks]
    places: dict[str, list[int]] = {}
    for place, ask in enumerate(asks):
        places.setdefault(ask, []).append(place)  # one that is asked for twice is computed once
    left = dict(places)
    if store is not None:
        for ask, text in _known(tasks, places, store, here):
            yield from ((place, _read(tasks[place], text, store)) for place in left.pop(ask))
    done = len(tasks) - sum(map(len, left.values()))
    asked = list(left)
    new = [tasks[left[ask][0]] for ask in asked]
    for each in workers.outcomes(new, lambda more, words: told(done + more, words)):
        ask = asked[each.place]
        if store is not None:
            _keep(store, new[each.place], each, ask if each.here == here else None)
        yield from ((place, each.outcome) for place in left[ask])


def _known(
    tasks: Sequence[AnyTask], places: dict[str, list[int]], store: Store, here: Surroundings | None
) -> Iterator[tuple[str, str]]:
    """Yield (ask, result) of what is in the store, however it was asked for then."""
    found = store.asked(list(places))
    yield from found.items()
    others = [ask for ask in places if ask not in found]
    if not any(store.has(kind) for kind in {_kind(tasks[places[ask][0]]) for ask in others}):
        return
    keys: dict[str, list[str]] = {}
    for ask in others:
        task = tasks[places[ask][0]]
        try:
            keys.setdefault(row_of(_kind(task), task.depends(), here=here).key, []).append(ask)
        except ArchsimError:
            continue  # it will say so itself
    for key, text in store.results(list(keys)).items():
        for ask in keys[key]:
            store.remember(ask, key)
            yield ask, text


def _keep(store: Store, task: AnyTask, done: Done, ask: str | None) -> None:
    """Put a result into the store; `ask` is how it was asked for, None if it was computed in other surroundings."""
    if isinstance(done.outcome, Record) and done.depends is not None:
        text = done.outcome.model_dump_json(by_alias=True)
        row = row_of(_kind(task), done.depends, text, done.here, task.labels())
        store.remember(ask or ask_of(_kind(task), task.asked(), done.here), row.key)
        store.put(row)


def _kind(task: AnyTask) -> str:
    return type(task).__name__


def _read(task: AnyTask, text: str, store: Store) -> Record:
    """Return a result as the store holds it; raise SpecError where that is another than was written."""
    return task.result.read_from(text, f"{store.where}: {task.words}", RECOVER)
