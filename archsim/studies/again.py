"""Commands again: the run.yaml of a study holds its command, and which files in the folder it named by which names."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from archsim.base.atomic import Content
from archsim.base.documents import dump_yaml, read_text, read_yaml
from archsim.base.doors import door
from archsim.base.errors import Problem, SpecError
from archsim.base.section import Section
from archsim.results.metrics import package_version
from archsim.spec.faults import problems_of
from archsim.spec.named import Taken

RUN_FILE = "run.yaml"
_FORBIDDEN = ("--out", "--resume")


class Again(Section):
    """What repeats a study: its command, and by the names in that the files of the folder."""

    version: str
    study: str
    command: str
    files: dict[str, str] = {}


@dataclass(frozen=True)
class Repeat:
    """A command to be carried out again: its words after `archsim`, the first of which name it, and where files lie."""

    words: tuple[str, ...]
    named: int
    known: Mapping[str, Path]
    note: str = ""

    def copied(self, aside: Path) -> dict[str, Path]:
        """Return where the files lie after they were copied into another folder; raise SpecError if one cannot be."""
        found = {name: aside / str(i) for i, name in enumerate(self.known)}
        for name, place in self.known.items():
            with door(str(place), "cannot be read: {why}", "give the folder as it was written", (OSError,)):
                (shutil.copytree if place.is_dir() else shutil.copyfile)(place, found[name])
        return found


def again_files(study: str, command: str, taken: Taken, file: str, folder: str) -> dict[str, Content]:
    """Return what repeats a command, by file name: FILE, and what the command named, in FOLDER."""
    inputs, places = taken.inputs(folder)
    said = {"kind": "run", "version": package_version(), "study": study, "command": command, "files": places}
    return {file: dump_yaml(said), **inputs}


def file_of_run(name: str) -> Path:
    """Return the run.yaml that a name stands for: itself, or that of a folder."""
    path = Path(name)
    return path / RUN_FILE if path.is_dir() and (path / RUN_FILE).is_file() else path


def repeat_of(name: str) -> Repeat | None:
    """Return the study that a run.yaml repeats, None if it is that of a run; raise SpecError with what is wrong."""
    path = file_of_run(name)
    if not path.is_file():
        return None
    plain = read_yaml(read_text(path, name), name)
    if plain.get("kind") != "run" or "study" not in plain:
        return None
    own = [key for key in plain if key != "kind"] if "arch" not in plain else ["version", "study", "command", "files"]
    fields = {key: plain[key] for key in own if key in plain}  # a cross-check's is that of its run, too
    try:
        said = Again.model_validate(fields)
    except ValidationError as error:
        raise SpecError(problems_of(error, Again, fields, name)) from None
    return Repeat(
        _words(said, name),
        len(said.study.split()),
        known_files(said.files, path.parent, name),
        other_version(said.version, name),
    )


def _words(said: Again, name: str) -> tuple[str, ...]:
    where, hint = f"{name}: command", "give the file as it was written"
    try:
        first, *words = shlex.split(said.command)
    except ValueError:
        raise SpecError.at(where, "is no command line", hint) from None
    named = said.study.split()
    if first != "archsim" or words[: len(named)] != named or not named:
        raise SpecError.at(where, f"is not one of `archsim {said.study}`", hint)
    if any(word.split("=")[0] in _FORBIDDEN for word in words):
        raise SpecError.at(where, f"has one of {', '.join(_FORBIDDEN)}", "give --out beside the file")
    return tuple(words)


def known_files(files: Mapping[str, str], folder: Path, name: str) -> dict[str, Path]:
    """Return where in a folder the files of a run.yaml lie; raise SpecError for what is not in it."""
    strange = [
        Problem(f"{name}: files.{text}", f"'{place}' is not in the folder", "give the folder as it was written")
        for text, place in files.items() if Path(place).is_absolute() or ".." in Path(place).parts
    ]  # fmt: skip
    if strange:
        raise SpecError(strange)
    return {text: folder / place for text, place in files.items()}


def other_version(version: str, name: str) -> str:
    """Return what to say where another archsim wrote a run.yaml; "" where this one did."""
    own = package_version()
    return f"{name} was written by archsim {version}; this is {own}, and figures may differ" if version != own else ""
