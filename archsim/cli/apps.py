"""The command and its groups, to which the modules beside this one add."""

from typing import Annotated

import typer

app = typer.Typer(
    name="archsim",
    help="Cycle-level simulator of analog-memory chips that train neural networks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

data_sets = typer.Typer(help="Data sets for the accuracy model.", no_args_is_help=True)
app.add_typer(data_sets, name="data")
floorplans = typer.Typer(help="Floorplans of chips.", no_args_is_help=True)
app.add_typer(floorplans, name="floorplan")
stores = typer.Typer(help="Stores of results, as --store names them.", no_args_is_help=True)
app.add_typer(stores, name="store")


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
) -> None:
    pass
