"""Commands about stores of results: `store list`, `show`, `export`, `prune`, `merge`."""

from pathlib import Path
from typing import Annotated

import typer

from archsim.base.words import counted
from archsim.cli.apps import example, stores
from archsim.cli.options import Json, lines_of, list_entries, tell

File = Annotated[Path, typer.Argument(metavar="FILE", help="A store: a file of --store, or a folder's points.sqlite.")]
Kind = Annotated[str | None, typer.Option(metavar="NAME", help="Points of this kind alone, as store list names it.")]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="'METRIC <= QUANTITY'", help="Points whose metrics meet it. Repeatable; all must hold."),
]


@stores.command(name="list", epilog=example("store list points.sqlite"))
def list_stores(
    files: Annotated[list[Path], typer.Argument(metavar="FILE ...", help="Stores.")],
) -> None:
    """What stores have: a table on a terminal; when piped a line each of points, bytes, kind, code, whose, file."""
    from archsim.studies.stores import listed

    found = [
        (f"{own.points:,}", f"{own.size / 1e6:,.1f} MB", own.kind, own.code, "present" if own.is_present else "other",
         str(own.path), f"{own.points} {own.size}") for own in listed(files)
    ]  # fmt: skip
    headings = ("points", "size of file", "kind", "code", "", "file")
    list_entries(headings, found, lambda own: " ".join((own[6], *own[2:6])))


@stores.command(name="show", epilog=example("store show points.sqlite"))
def show_store(
    file: File,
    kind: Kind = None,
    where: Where = None,
    most: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many points at most: 20, or all with --json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Points with what they depend on and their figures; with --where, those first that meet it best."""
    from archsim.studies.stores import Asked, points_json, shown

    asked = Asked(kind, tuple(where or ()))
    if as_json:
        for line in points_json(file, asked, most):
            typer.echo(line)
        return
    for line in lines_of(shown(file, asked, most or 20)):
        tell(line)


@stores.command(name="export", epilog=example("store export points.sqlite --out points.csv"))
def export_store(
    file: File,
    out: Annotated[Path, typer.Option(metavar="X.csv|X.parquet", help="The file to write; its ending says what.")],
    kind: Kind = None,
    where: Where = None,
) -> None:
    """Write points as a table for other tools, metrics in SI units."""
    from archsim.studies.stores import Asked, export

    tell(f"{out}  {counted(export(file, out, Asked(kind, tuple(where or ()))), 'point')}")


@stores.command(name="prune", epilog=example("store prune points.sqlite"))
def prune_store(
    file: File,
    kind: Kind = None,
    code: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Points by this code, instead of all by other than this.")
    ] = None,
) -> None:
    """Delete points that other code than this computed, which are never taken again."""
    from archsim.studies.stores import prune

    gone, left = prune(file, kind, code)
    tell(f"{file}  {counted(gone, 'point')} deleted, {left:,} left")


@stores.command(name="merge", epilog=example("store merge all.sqlite points.sqlite"))
def merge_stores(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The store that takes them; made if it is not there.")],
    others: Annotated[list[Path], typer.Argument(metavar="FROM ...", help="Stores whose points it takes.")],
) -> None:
    """Take the points of other stores; of one that is damaged, none."""
    from archsim.studies.stores import merge

    for other, new, old in merge(file, others):
        tell(f"{other}  {counted(new, 'point')} taken, {old:,} were there")
