"""Commands again: the run.yaml of a study holds its command, and which files in the folder it named by which names.

A plug-in is code, which no folder has run unless its user says so: where a command has one, it is to be given again.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from archsim.base import plugins
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
    plugins: dict[str, str] = {}
    files: dict[str, str] = {}


class Code(NamedTuple):
    """A plug-in as a report's folder keeps it: the digest of its code, and its text, where a file was named."""

    digest: str
    source: bytes | None


@dataclass(frozen=True)
class Repeat:
    """A command to be carried out again: its words after `archsim`, the first of which name it, and where files lie."""

    words: tuple[str, ...]
    named: int
    known: Mapping[str, Path]
    plugins: Mapping[plugins.Plugin, str]
    notes: tuple[str, ...] = ()

    def copied(self, aside: Path) -> dict[str, Path]:
        """Return where the files lie after they were copied into another folder; raise SpecError if one cannot be."""
        found = {name: aside / str(i) for i, name in enumerate(self.known)}
        for name, place in self.known.items():
            with door(str(place), "cannot be read: {why}", "give the folder as it was written", (OSError,)):
                (shutil.copytree if place.is_dir() else shutil.copyfile)(place, found[name])
        return found


def again_files(study: str, command: str, taken: Taken, file: str, folder: str) -> dict[str, Content]:
    """Return what repeats a command, by file name: FILE, and what the command named, in FOLDER."""
    own = plugins_named()
    inputs, places = with_plugins(taken, own).inputs(folder)
    said = {"kind": "run", "version": package_version(), "study": study, "command": command, **plugins_said(own)}
    return {file: dump_yaml({**said, "files": places}), **inputs}


def plugins_named(named: Mapping[plugins.Plugin, str] | None = None) -> dict[str, Code]:
    """Return the plug-ins that have to be named, or those given, by their names."""
    found = {own: own.name for own in plugins.given()} if named is None else named
    return {name: Code(own.digest, own.source) for own, name in found.items()}


def plugins_said(own: Mapping[str, Code]) -> dict[str, dict[str, str]]:
    """Return what a run.yaml says of plug-ins, if there are any."""
    return {"plugins": {name: code.digest for name, code in own.items()}} if own else {}


def with_plugins(taken: Taken, own: Mapping[str, Code]) -> Taken:
    """Return what was named, and the files of plug-ins."""
    files = {name: {"": code.source} for name, code in own.items() if code.source is not None}
    return replace(taken, met={**taken.met, **files})


def plugins_again(said: Mapping[str, str], known: Mapping[str, Path], name: str) -> dict[plugins.Plugin, str]:
    """Return which of the plug-ins in use are those that a run.yaml names; raise SpecError unless all are there."""
    found: dict[plugins.Plugin, str] = {}
    for own, digest in said.items():
        there = [each for each in plugins.active() if each not in found and own in (each.name, each.module)]
        beside = [each for each in plugins.given() if each not in found and each.digest == digest]
        files = [each for each in plugins.given() if each not in found and Path(each.name).name == Path(own).name]
        if not (fits := [*beside, *there, *files]):
            options = [word for each in said for word in (plugins.OPTION, str(known.get(each, each)))]
            what = f"needs the plug-in {own}, and runs no code that it was not given"
            hint = f"read it, and give it: {shlex.join(['archsim', *options, 'run', name])}"
            raise SpecError.at(name, what, hint)
        found[fits[0]] = own
    return found


def other_plugins(said: Mapping[str, str], found: Mapping[plugins.Plugin, str], name: str) -> list[str]:
    """Return what to say of plug-ins of which another version wrote a run.yaml."""
    return [
        f"{name} was written with another version of the plug-in {own}, and figures may differ"
        for each, own in found.items() if each.digest != said[own]
    ]  # fmt: skip


def check_known(folder: Path) -> None:
    """Raise SpecError where a folder holds the report of a study that a plug-in has, which is to be given."""
    path = folder / RUN_FILE
    if path.is_file() and (own := read_yaml(read_text(path, str(path)), str(path)).get("plugins")):
        names = [str(each) for each in own] if isinstance(own, dict) else []
        places = [next((str(each) for each in (Path(name), *sorted(folder.glob(f"*inputs/{Path(name).name}")))
                        if each.is_file()), name) for name in names]  # fmt: skip
        options = [word for each in places for word in (plugins.OPTION, each)]
        what = f"is the report of a study that archsim does not have, made with the plug-in {', '.join(names)}"
        raise SpecError.at(str(folder), what, f"try: {shlex.join(['archsim', *options, 'report', str(folder)])}")


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
    shared = ["version", "study", "command", "plugins", "files"]
    own = [key for key in plain if key != "kind"] if "arch" not in plain else shared
    fields = {key: plain[key] for key in own if key in plain}  # a cross-check's is that of its run, too
    try:
        said = Again.model_validate(fields)
    except ValidationError as error:
        raise SpecError(problems_of(error, Again, fields, name)) from None
    words, known = _words(said, name), known_files(said.files, path.parent, name)
    used = plugins_again(said.plugins, known, name)
    notes = [*filter(None, [other_version(said.version, name)]), *other_plugins(said.plugins, used, name)]
    return Repeat(words, len(said.study.split()), known, used, tuple(notes))


def _words(said: Again, name: str) -> tuple[str, ...]:
    where, hint = f"{name}: command", "give the file as it was written"
    try:
        first, *words = shlex.split(said.command)
    except ValueError:
        raise SpecError.at(where, "is no command line", hint) from None
    named = said.study.split()
    own, words = plugins.split(words)
    if own != list(said.plugins):
        raise SpecError.at(where, "names other plug-ins than are listed below it", hint)
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
