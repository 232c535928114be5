"""The command and its groups, to which the modules beside this one add."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """The commands of archsim, and those of studies that plug-ins have."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all; installed plug-ins say theirs without being imported."""
        from archsim.cli.plugin_commands import names

        return [*super().list_commands(ctx), *names(self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, None if there is none of that name."""
        from archsim.cli.plugin_commands import check_names, command_called

        check_names(self.commands)
        return self.commands.get(cmd_name) or command_called(cmd_name)


app = typer.Typer(
    name="archsim",
    cls=Commands,
    help="Cycle-level simulator of analog-memory chips that train neural networks.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

data_sets = typer.Typer(help="Data sets for the accuracy model.", no_args_is_help=True)
app.add_typer(data_sets, name="data")
floorplans = typer.Typer(help="Floorplans of chips.", no_args_is_help=True)
app.add_typer(floorplans, name="floorplan")
stores = typer.Typer(help="Stores of results, as --store names them.", no_args_is_help=True)
app.add_typer(stores, name="store")


def example(words: str) -> str:
    """Return what stands below a command's help, and in the message if it is called without what it needs."""
    return f"Example: archsim {words}"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"archsim {version('archsim')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE|FILE.py",
            help="Load components, studies, ... of your own; or set ARCHSIM_PLUGINS. Repeatable.",
        ),
    ] = None,
) -> None:
    pass  # which plug-ins there are decides what commands there are: they are loaded before
