"""Commands of studies that plug-ins have: each is made of what the study is asked, whose fields say what they are."""

import dataclasses
import inspect
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from archsim.base import plugin_loading, plugins
from archsim.base.errors import SpecError
from archsim.cli import options
from archsim.cli.options import perform

if TYPE_CHECKING:
    from archsim.studies.study import AnyStudy

KNOWN: dict[str, Any] = {
    "ablate": options.Ablate, "arch": options.Arch, "cluster": options.Cluster, "data": options.DataFolder,
    "epochs": options.Epochs, "examples": options.Examples, "jobs": options.Jobs, "seed": options.Seed,
    "sets": options.Sets, "store": options.StoreFile, "workload": options.Work,
}  # fmt: skip
"""What archsim's own commands call so, for fields of inputs that say nothing of themselves."""
METAVARS = {int: "N", float: "X", Path: "FILE", str: "TEXT"}


class Declared(TyperCommand):
    """A command that an installed package declares: its study is imported when it is called."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Return the context of the study's own command."""
        plugin_loading.load_installed()
        command = _loaded(str(self.name))
        if command is None:
            where, hint = f"archsim {self.name}", "mend or remove the package that declares it"
            raise SpecError.at(where, "is a study of a plug-in that was left out", hint)
        return command.make_context(*arguments, **more)


def names(own: Iterable[str]) -> list[str]:
    """Return the commands that plug-ins have beside archsim's own."""
    loaded = [study.inputs.words for study, _ in _studies()]
    return sorted({*loaded, *(each.name for each in plugin_loading.declared())}.difference(own))


def check_names(own: Iterable[str]) -> None:
    """Raise SpecError where the study of a plug-in that was named is called as a command of archsim's own."""
    for study, entry in _studies():
        if study.inputs.words in own:
            what = f"study '{study.inputs.words}' is called as a command of archsim's own"
            raise SpecError.at(str(entry.home), what, "give its inputs other words")


def command_called(name: str) -> Any:
    """Return the command of a plug-in's study, None if there is none of that name."""
    if (command := _loaded(name)) is not None:
        return command
    if (says := next((each.says for each in plugin_loading.declared() if each.name == name), None)) is not None:
        return Declared(name=name, help=says)
    plugin_loading.load_installed()  # a package may have a study that it does not declare
    return _loaded(name)


def _studies() -> list[tuple["AnyStudy", plugins.Entry]]:
    return [(each.entry, each) for own in plugins.active() for each in own.entries if each.noun == "study"]


def _loaded(name: str) -> Any:
    study = next((study for study, _ in _studies() if study.inputs.words == name), None)
    return None if study is None else command_of(study)


def command_of(study: "AnyStudy") -> Any:
    """Return the command of a study: an argument or option for each field of its inputs, and what all studies take."""
    types = typing.get_type_hints(study.inputs)
    parameters = [_parameter(field, types[field.name]) for field in dataclasses.fields(study.inputs)]
    if "engine" not in types:
        parameters.append(_keyword("engine", options.Engine, "auto"))
    parameters += [_keyword("out", options.Out, None), _keyword("as_json", options.Json, False),
                   _keyword("quiet", options.Quiet, False)]  # fmt: skip

    def carry_out(ctx: typer.Context, **asked: Any) -> None:
        perform(ctx, study)

    face: Any = carry_out
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    face.__signature__ = inspect.Signature([context, *parameters])
    face.__annotations__ = {own.name: own.annotation for own in (context, *parameters)}
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name=study.inputs.words, help=study.says)(face)
    return typer.main.get_command(app)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _parameter(field: "dataclasses.Field[Any]", kind: Any) -> inspect.Parameter:
    """Return the parameter that a field of inputs stands for."""
    is_argument = field.default is dataclasses.MISSING or not field.metadata.get("flag", " ")
    default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
    if field.name in KNOWN and "says" not in field.metadata:
        return _keyword(field.name, KNOWN[field.name], None if default == () else default)
    kind, is_several = _plain(kind)
    says, metavar = field.metadata.get("says"), field.metadata.get("metavar", METAVARS.get(kind, "TEXT"))
    flags = [flag] if (flag := field.metadata.get("flag")) else []
    if is_argument:
        mark = typer.Argument(metavar=field.name.upper() + (" ..." if is_several else ""), help=says)
    elif kind is bool:
        mark = typer.Option(*(flags or [f"--{field.name.replace('_', '-')}"]), help=says)
    else:
        mark = typer.Option(*flags, metavar=metavar, help=says)
    whole: Any = list[kind] if is_several else kind
    if default is None or is_several:
        whole, default = whole | None, default or (default if is_argument and not is_several else None)
    if is_argument and is_several and field.default is dataclasses.MISSING:
        default = inspect.Parameter.empty
    return _keyword(field.name, Annotated[whole, mark], default)


def _plain(kind: Any) -> tuple[type, bool]:
    """Return the type of a field, or of the items of a tuple, and whether it is one; None beside it is left out."""
    parts = [each for each in typing.get_args(kind) if each is not type(None)]
    if typing.get_origin(kind) is tuple:
        return parts[0], True
    if parts and typing.get_origin(kind) is not Annotated:
        return _plain(parts[0])
    return (kind if isinstance(kind, type) else parts[0]), False
