"""What studies share: how they are registered and shown again, names of folders and runs, and what is not dominated."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.base.errors import Problem, SpecError
from archsim.spec.arch import ArchSpec
from archsim.workload.network import Workload

if TYPE_CHECKING:
    from archsim.report.document import Document
    from archsim.spec.loading import Loaded


@dataclass(frozen=True)
class Study:
    """A study as a folder holds it.

    `name` is the file of its data, which marks the folder and says `schema` of itself ("" for a list). `command` wrote
    it; `document` makes the report of the data alone, None where it needs more; `owned` are all names that the command
    writes. `whole` puts data together that lie in several files: it is given the folder and what `name` holds.
    """

    name: str
    schema: str
    command: str
    document: Callable[[Any], Document] | None
    owned: tuple[str, ...]
    whole: Callable[[Path, Any], Any] | None = None

    def write(self, data: Any, folder: Path, more: Mapping[str, str] | None = None) -> tuple[Document, Path]:
        """Write data, report and further files as a folder, as a whole or not at all; return report and folder."""
        from archsim.report.files import files_of
        from archsim.report.folder import write_folder

        assert self.document is not None
        shown = self.document(data)
        return shown, write_folder(folder, {self.name: json_text(data), **files_of(shown), **(more or {})}, self.owned)


STUDIES: dict[str, Study] = {}
"""By the file that marks its folder."""


def registered(study: Study) -> Study:
    """Return a study, which is known from now on by the file that marks its folder."""
    STUDIES[study.name] = study
    return study


def all_studies() -> Mapping[str, Study]:
    """Return all studies by the file that marks their folders, having found those that nothing has imported yet."""
    package = importlib.import_module("archsim.studies")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return STUDIES


def study_in(folder: Path) -> Study | None:
    """Return the study of which a folder holds a report, if there is one."""
    return next((study for name, study in sorted(all_studies().items()) if (folder / name).is_file()), None)


def show_again(study: Study, folder: Path) -> tuple[Document, Path]:
    """Make the report of a study anew from what its folder holds; all other files are kept.

    Raises SpecError where the data cannot be read, are of another archsim, or the report needs more than them.
    """
    from archsim.report.files import files_of
    from archsim.report.folder import write_folder

    where, again = f"{folder}/{study.name}", f"repeat the command that wrote it: archsim {study.command}"
    if study.document is None:
        raise SpecError([Problem(where, f"is not all that `archsim {study.command}` shows", again)])
    try:
        data = json.loads((folder / study.name).read_text("utf-8"))
        if (data["schema"] != study.schema) if study.schema else not isinstance(data, list):
            raise ValueError(f"not {study.schema or 'a list'}")
        shown = study.document(study.whole(folder, data) if study.whole is not None else data)
    except OSError as error:
        raise SpecError(
            [Problem(where, f"cannot be read: {error.strerror or error}", "check its permissions")]
        ) from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise SpecError([Problem(where, "is not what this archsim writes: cut off, edited or older", again)]) from None
    return shown, write_folder(folder, files_of(shown), ())


def paint_again(shown: Document, folder: Path, suffix: str) -> None:
    """Write the figures of a report once more into its folder `paper`, as "pdf" or "png"; raise SpecError if not."""
    from archsim.report.paint import save

    try:
        (folder / "paper").mkdir(exist_ok=True)
        for name, figure in shown.figures().items():
            part = folder / "paper" / f".{name}.{suffix}"
            save(figure, part)
            part.replace(folder / "paper" / f"{name}.{suffix}")
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise SpecError([Problem(f"{folder}/paper", what, "look at its permissions")]) from None


def json_text(data: Any) -> str:
    """Return data as JSON text; NaN and infinity are refused."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def undominated(goals: Sequence[Sequence[float] | None]) -> list[bool]:
    """Return which of several tuples of what is to be small are Pareto-optimal; None, for no result, is not.

    One is dominated if another is as small in everything and smaller in something.

    >>> undominated([(1, 5), (2, 3), (3, 3), (2, 3), None])
    [True, True, False, True, False]
    """

    def beaten(own: Sequence[float]) -> bool:
        return any(
            tuple(other) != tuple(own) and all(a <= b for a, b in zip(other, own, strict=True))
            for other in goals if other is not None
        )  # fmt: skip

    return [own is not None and not beaten(own) for own in goals]


def default_folder(arch: Loaded[ArchSpec], workload: Loaded[Workload], suffix: str = "") -> Path:
    """Return `reports/<arch>--<workload>[--<suffix>][--<hash of the overrides>]`."""
    parts = [arch.value.name, workload.value.name, *([suffix] if suffix else [])]
    return folder_of(parts, [*arch.overrides, *workload.overrides])


def folder_of(names: Sequence[str], overrides: Sequence[str]) -> Path:
    """Return `reports/<name>--<name>...[--<hash of the overrides>]`, its names made safe for any file system."""
    parts = list(names)
    if overrides:
        parts.append(hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8])
    return Path("reports") / "--".join(re.sub(r"[^\w.+-]+", "_", part).strip(".") or "_" for part in parts)


def names_of(given: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a name for each chip or run: its own, or what was given where several have it, or that with a number.

    >>> names_of(["a.yaml", "b/a.yaml", "x", "x"], ["a", "a", "x", "x"])
    ['a.yaml', 'b/a.yaml', 'x (1)', 'x (2)']
    """
    shown = [name if names.count(name) == 1 else text for text, name in zip(given, names, strict=True)]
    return list(_numbered(shown))


def _numbered(names: Sequence[str]) -> Iterator[str]:
    taken = {name for name in names if names.count(name) == 1}
    for place, name in enumerate(names):
        if names.count(name) == 1:
            yield name
            continue
        number = names[:place].count(name) + 1
        while f"{name} ({number})" in taken:
            number += 1
        taken.add(f"{name} ({number})")
        yield f"{name} ({number})"


def all_faults(loads: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what each of the functions loads; raise SpecError with the faults of all of them."""
    found: list[Any] = []
    problems: list[Problem] = []
    for load in loads:
        try:
            found.append(load())
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return found
