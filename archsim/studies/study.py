"""A study: what it is asked, what it computes, how that is shown; registered once, and shown again from its folder.

A command of the shell, a Python function, the folder, the head of its file and `archsim report DIR` follow from that.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, Self, TypeAlias, TypeVar

from pydantic import Field, PrivateAttr

from archsim.base import plugins
from archsim.base.atomic import Content
from archsim.base.doors import door, read_plain
from archsim.base.errors import SpecError
from archsim.base.record import Named, Record
from archsim.base.registry import Registry
from archsim.report.document import Command, Document, Text, say
from archsim.report.files import files_of
from archsim.report.folder import reserved, write_folder
from archsim.report.paint import save
from archsim.results.metrics import package_version
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, flat, load_arch
from archsim.spec.named import Taken, taking
from archsim.spec.settings import split_overrides
from archsim.studies.again import RUN_FILE, again_files
from archsim.studies.input_kinds import check_asked
from archsim.studies.names import all_faults
from archsim.workload import load_workload
from archsim.workload.network import Workload


class Progress(Protocol):
    """What a study calls as it goes on: how much is done, with its part, of how many in all, and words."""

    def __call__(self, done: float, total: int | None = None, words: str = "", /) -> None:
        """Take a step."""


def silent(done: float, total: int | None = None, words: str = "", /) -> None:
    """Show no progress."""


# ---- what a study is asked


def given(flag: str, default: Any = ()) -> Any:
    """Return a field of inputs whose option is not called as the field is."""
    return dataclasses.field(default=default, metadata={"flag": flag})


def asked(says: str, default: Any = dataclasses.MISSING, flag: str = "", metavar: str = "") -> Any:
    """Return a field of inputs that says what it is, for the command that is made of them; see `Inputs`."""
    more = {name: own for name, own in (("flag", flag), ("metavar", metavar)) if own}
    return dataclasses.field(default=default, metadata={"says": says, **more})


def unsaid(default: Any = None) -> Any:
    """Return a field of inputs that changes no result, so that the line that repeats it leaves it out."""
    return dataclasses.field(default=default, metadata={"unsaid": True})


@dataclass(frozen=True)
class Inputs:
    """What a study is asked: names and numbers as given, of which kinds and sizes alone are checked.

    A field without a default is an argument of the command `words`, one with a default an option, which is not in the
    `line` while it has that. A tuple is given item by item.
    """

    words: ClassVar[str]

    def __post_init__(self) -> None:
        fields = dataclasses.fields(self)
        check_asked({field.name: field.type for field in fields}, {own.name: getattr(self, own.name) for own in fields})

    @property
    def line(self) -> str:
        """The command that repeats it, as one line for a shell."""
        found = ["archsim", *plugins.words(), *self.words.split()]
        arguments: list[str] = []
        options: list[str] = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            flag = field.metadata.get("flag", f"--{field.name.replace('_', '-')}")
            is_argument = field.default is dataclasses.MISSING or not flag
            if "unsaid" in field.metadata or (not is_argument and value == field.default):
                continue
            for each in value if isinstance(value, tuple) else (value,):
                text = _number(each) if isinstance(each, float) else str(each)
                arguments += [text] if is_argument else []
                options += [] if is_argument else [flag] if each is True else [flag, text]
        if any(text.startswith("-") for text in arguments):
            return shlex.join([*found, *options, "--", *arguments])
        return shlex.join([*found, *arguments, *options])


def _number(value: float) -> str:
    return short if float(short := f"{value:g}") == value else repr(value)


@dataclass(frozen=True)
class Pair(Inputs):
    """A chip and a workload, by name or path, and figures of both to replace."""

    arch: str
    workload: str
    sets: tuple[str, ...] = dataclasses.field(default=(), kw_only=True, metadata={"flag": "--set"})

    def load(self) -> tuple[Loaded[ArchSpec], Loaded[Workload]]:
        """Return chip and workload with what is replaced; raise SpecError with the faults of both."""
        mine, theirs = split_overrides(self.sets)
        chip, workload = all_faults([lambda: load_arch(self.arch, mine), lambda: load_workload(self.workload, theirs)])
        return chip, workload


# ---- what it computes


def signed(schema: str) -> Any:
    """Return the field `schema_id` of a study's data."""
    return Field(schema, alias="schema")


class Data(Record):
    """What a study computes, as its file holds it: which kind of file it is, who wrote it, and how it is repeated.

    A study adds its own fields, of plain values in SI units; `schema_id` says which version of them these are.
    """

    schema_id: str = Field(alias="schema")
    version: str = Field(default_factory=package_version)
    command: str
    _files: Mapping[str, Content] = PrivateAttr(default_factory=dict)

    @classmethod
    def read_from(cls, text: str, where: str, hint: str) -> Self:
        """Return what the text of a file holds, which names its schema; raise SpecError with what is wrong in it."""
        found = super().read_from(text, where, hint)
        if "schema_id" not in found.model_fields_set:
            raise SpecError.at(f"{where}: schema", "is missing", hint)
        return found

    def beside(self, files: Mapping[str, Content]) -> None:
        """Have further files, by name, written beside its report."""
        self._files = files

    def ends(self, *specs: Any) -> tuple[Command, Text]:
        """Return how a report ends: the command, the hashes of specs, and the version."""
        hashes = "; ".join(f"{what} {own.hash}" for what, own in zip(("spec", "workload"), specs, strict=False))
        return Command(self.command), say("{hashes}; archsim {version}.", kind="note", version=self.version,
                                          hashes=hashes[:1].upper() + hashes[1:])  # fmt: skip


def named(loaded: Loaded[Any]) -> Named:
    """Return how a file names a spec."""
    return Named(name=loaded.value.name, hash=loaded.hash)


I = TypeVar("I", bound=Inputs)  # noqa: E741
D = TypeVar("D", bound=Record)


@dataclass(frozen=True)
class Prepared(Generic[D]):
    """Inputs that were found right: the report's folder, if none is named, and what computes the data.

    `compute` is given what to call as it goes on, and the folder, for what is to be kept if it is interrupted.
    """

    folder: Path
    compute: Callable[[Progress, Path], D]


class Performed(NamedTuple, Generic[D]):
    """A study that was carried out: data, report, its folder, and the files in it that repeat the study."""

    data: D
    document: Document
    folder: Path
    again: Mapping[str, Content]


@dataclass(frozen=True)
class Study(Generic[I, D]):
    """A study. `command` are its words, `file` holds its data and marks its folder.

    `prepare` raises SpecError with all that is wrong, before anything is simulated. `passed` says whether all audits
    did. `again` is the file that repeats it, of a name of its own where its folder may be that of a run, too. `parts`
    are the names that it writes beside the file and the report, `once` those that it writes at times, or earlier
    versions did; `tells` is printed at the end, of a {folder}. A study that `keeps` something (an "epoch", a "point")
    goes on with --resume. Its `page` is named as its file, unless given. `whole` is given a folder and the
    text of the file, and puts in what of the data lies in another file. `rows` are what data consist of, as flat
    figures, by default its first list of records; `metrics` its figures as a whole, by default its numbers. What it is
    for, it `says` where its command is made of its inputs, as a plug-in's is.
    """

    inputs: type[I]
    data: type[D]
    file: str
    prepare: Callable[[I], Prepared[D]]
    document: Callable[[D], Document]
    passed: Callable[[D], bool] = lambda data: True
    parts: tuple[str, ...] = ("tables", "figures")
    once: tuple[str, ...] = ()
    tells: str = ""
    keeps: str = ""
    page: str = ""
    again: str = RUN_FILE
    whole: Callable[[Path, str], str] = lambda folder, text: text
    rows: Callable[[D], Sequence[Mapping[str, Any]]] = lambda data: rows_of(data)
    metrics: Callable[[D], Mapping[str, Any]] = lambda data: metrics_of(data)
    says: str = ""

    @property
    def stem(self) -> str:
        """The name of its page, without an ending."""
        return self.page or Path(self.file).stem

    @property
    def owned(self) -> tuple[str, ...]:
        """All names that it writes, or wrote; anything else in its folder is kept."""
        own = (self.file, f"{self.stem}.html", f"{self.stem}.md", self.again, self.inputs_in)
        return (*own, *self.parts, *self.once)

    @property
    def inputs_in(self) -> str:
        """The folder of what the command named."""
        return "inputs" if self.again == RUN_FILE else f"{self.stem}_inputs"

    def perform(self, inputs: I, out: Path | None = None, progress: Progress = silent) -> Performed[D]:
        """Carry the study out and write its report into `out`, or a folder by the names of what is studied."""
        with taking() as taken:
            prepared = self.prepare(inputs)
            folder = out or prepared.folder
            with reserved(folder):
                data = prepared.compute(progress, folder)
                again = self._again(inputs, taken)
                return Performed(data, *self.write(data, folder, again), again)

    def find(self, inputs: I, progress: Progress = silent) -> tuple[D, Path, Mapping[str, Content]]:
        """Return the data alone, the folder that its report would have, and the files in it that repeat the study.

        What is kept on the way is deleted; where that is to outlast an interruption, `perform` does it.
        """
        with taking() as taken, TemporaryDirectory() as aside:
            prepared = self.prepare(inputs)
            data = prepared.compute(progress, Path(aside))
            return data, prepared.folder, self._again(inputs, taken)

    def _again(self, inputs: I, taken: Taken) -> dict[str, Content]:
        return again_files(inputs.words, inputs.line, taken, self.again, self.inputs_in)

    def write(
        self, data: D, folder: Path, more: Mapping[str, Content] = {}, keep: Collection[str] = ()
    ) -> tuple[Document, Path]:
        """Write data, report and further files as a folder, as a whole or not at all; return report and folder.

        Of the names that it owns, those in `keep` are left as they are.
        """
        shown = self.document(data)
        beside = data._files if isinstance(data, Data) else {}
        owned = [name for name in self.owned if name not in keep]
        files = {self.file: data.json_text(), **files_of(shown), **beside, **more}
        return shown, write_folder(folder, files, owned)

    def report(self, plain: Any) -> Document:
        """Return the report of data as JSON holds it; raise ValidationError unless it is of this study."""
        return self.document(self.data.model_validate(plain))


AnyStudy: TypeAlias = Study[Any, Any]
STUDIES: Registry[AnyStudy] = Registry("study")
"""By the words of their commands."""
FILES: Registry[AnyStudy] = Registry("file of a study")
"""By the file that marks its folder."""


def rows_of(data: Record, field: str = "") -> list[dict[str, Any]]:
    """Return the records in a field of data, or in the first that has any, each as figures by dotted name."""
    lists = {name: own for name, own in data if isinstance(own, tuple) and own and isinstance(own[0], Record)}
    return [flat(own.plain()) for own in (lists.get(field, ()) if field else next(iter(lists.values()), ()))]


def metrics_of(data: Record) -> dict[str, Any]:
    """Return the numbers of data by dotted name, those in lists left out."""
    scalars = {name: own for name, own in data if not isinstance(own, tuple)}
    found = flat({name: own.plain() if isinstance(own, Record) else own for name, own in scalars.items()})
    return {
        name: own for name, own in found.items()
        if isinstance(own, int | float) and not isinstance(own, bool) and "[" not in name
    }  # fmt: skip


def unfolded(plain: Mapping[str, Any], *parts: str) -> dict[str, Any]:
    """Return a record as flat figures by dotted name; what is in the given parts stands first, under its own name."""
    inner = {name: own for part in parts for name, own in (plain.get(part) or {}).items()}
    return flat({**inner, **{name: own for name, own in plain.items() if name not in parts}})


def registered(study: Study[I, D]) -> Study[I, D]:
    """Return a study, which is known from now on by its command and by the file that marks its folder.

    Raises SpecError where a plug-in's has names that are taken, or that cannot be those of a command and of a report.
    """
    words = study.inputs.words
    STUDIES.add(words)(study)
    FILES.add(study.file)(study)
    if (own := STUDIES.plugin_of(words)) is not None:
        home = next(each.home for each in own.entries if each.entry is study)
        if not re.fullmatch(r"[a-z][a-z0-9-]*", words):
            raise SpecError.at(str(home), f"'{words}' cannot be a command", "take small letters, digits and hyphens")
        schema = getattr(study.data.model_fields.get("schema_id"), "default", "")
        if not str(schema).startswith("archsim-") or not study.file.endswith(".json"):
            what = (
                f"the data of study '{words}' are not signed, so that its folder would be taken for none of archsim's"
            )
            hint = f"""file="{words}.json", schema_id = signed("archsim-{words}-1")"""
            raise SpecError.at(str(home), what, hint)
    return study


def all_studies() -> Mapping[str, AnyStudy]:
    """Return all studies by the file that marks their folders, having found those that nothing has imported yet."""
    package = importlib.import_module("archsim.studies")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return dict(FILES.items())


def study_called(words: str) -> AnyStudy:
    """Return the study of that command; raise SpecError with the nearest if there is none."""
    all_studies()
    return STUDIES.lookup(words)


def study_in(folder: Path) -> AnyStudy | None:
    """Return the study of which a folder holds a report, if there is one."""
    return next((study for name, study in sorted(all_studies().items()) if (folder / name).is_file()), None)


def edited(where: str, again: str) -> AbstractContextManager[None]:
    """Return the door around showing what a file holds: what was written here, from the same data, showed it before.

    Whatever a report cannot be made of is thus the file's fault; the command that writes it has no such door.
    """
    return door(where, "is not what this archsim writes: cut off, edited or older", again)


def show_again(study: AnyStudy, folder: Path) -> tuple[Document, Path]:
    """Make the report of a study anew from what its folder holds; all other files are kept.

    Raises SpecError where the data cannot be read, or are of another archsim.
    """
    where, again = f"{folder}/{study.file}", f"repeat the command that wrote it: archsim {study.inputs.words}"
    text = read_plain(folder / study.file, where, again)
    with edited(where, again):
        shown = study.document(study.data.read_from(study.whole(folder, text), where, again))
        files = files_of(shown)
    return shown, write_folder(folder, files, ())


def paint_again(shown: Document, folder: Path, suffix: str) -> None:
    """Write the figures of a report once more into its folder `paper`, as "pdf" or "png"; raise SpecError if not."""
    files = {f"paper/{name}.{suffix}": partial(save, figure, suffix) for name, figure in shown.figures().items()}
    write_folder(folder, files, (), into=["paper"])
