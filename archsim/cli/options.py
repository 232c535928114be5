"""What commands share: their options, the progress bar, interruptions, and how they speak."""

import dataclasses
import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.base.errors import MOST_TEXT, cut
from archsim.base.texts import for_terminal
from archsim.base.words import counted
from archsim.cli.completing import complete_arch, complete_name, complete_setting, complete_workload

if TYPE_CHECKING:
    from archsim.report.document import Document
    from archsim.studies.study import AnyStudy

Arch = Annotated[
    str,
    typer.Argument(metavar="ARCH", help="A built-in chip's name, or the path of a spec.", autocompletion=complete_arch),
]
Work = Annotated[
    str,
    typer.Argument(
        metavar="WORKLOAD", help="A built-in workload's name, or the path of one.", autocompletion=complete_workload
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace a figure, e.g. tile.rows=256. Repeatable.",
        autocompletion=complete_setting,
    ),
]
Engine = Annotated[
    str, typer.Option(metavar="NAME", help="What simulates: auto, simpy or compiled; the figures are equal.")
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="Seed of everything random (a run of timing alone draws nothing).")
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the report.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result file, and nothing else, on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="So many processes at once; by default all cores, for what is worth it."),
]
Cluster = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="The scheduler of a Dask cluster whose workers do it.")
]
StoreFile = Annotated[
    Path | None,
    typer.Option("--store", metavar="FILE", help="Keep results there, and take what is there; else in the folder."),
]
Examples = Annotated[int | None, typer.Option(min=1, metavar="N", help="Train so many examples instead of all epochs.")]
Epochs = Annotated[int | None, typer.Option(min=1, metavar="E", help="Epochs instead of the workload's.")]
Ablate = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Take an imperfection away, e.g. leakage. Repeatable.",
        autocompletion=complete_name("ablations"),
    ),
]
DataFolder = Annotated[
    Path | None, typer.Option(metavar="DIR|FILE", help="Folder of the data, or an .npz file; or set ARCHSIM_DATA.")
]


def lines_of(document: "Document") -> list[str]:
    """Return the lines that a terminal shows of a document; their layout is imported only to show them."""
    from archsim.report.terminal import lines

    return lines(document)


def perform(given: typer.Context, study: "AnyStudy | str", doing: str = "simulating") -> None:
    """Carry out a study, or that of a module, as its command was asked; options are called as its inputs are."""
    from archsim.api.shown import performed
    from archsim.simulation.choice import using

    study, asked = importlib.import_module(study).STUDY if isinstance(study, str) else study, given.params
    words = {field.name: asked[field.name] for field in dataclasses.fields(study.inputs)}
    inputs = study.inputs(**{
        name: tuple(own) if isinstance(own, list) else own for name, own in words.items() if own not in (None, [], ())
    })  # fmt: skip
    kept = 0
    silent = asked["quiet"] or asked["as_json"]
    with progress_bar(None, silent, doing) as bar, late_interrupts(bool(study.keeps)) as interrupted:

        def progress(done: float, total: int | None = None, words: str = "", /) -> None:
            nonlocal kept
            kept = int(done)
            if interrupted():
                raise KeyboardInterrupt
            if bar is not None:
                bar(done, total, words)

        try:
            with using(asked.get("engine", "auto") if "engine" not in words else "auto"):
                found = performed(study, inputs, asked["out"], progress)
        except KeyboardInterrupt:
            if kept and study.keeps:
                complain([f"{counted(kept, study.keeps)} done and kept; the same command with --resume goes on"])
            elif kept and "store" in words:
                complain(["what is done is kept; the same command goes on"])
            raise
    assert found.folder is not None
    told = f"report  {found.report()}{study.tells.format(folder=found.folder)}"
    answer(found.folder / study.file, lambda: lines_of(found.document), told, as_json=asked["as_json"],
           quiet=asked["quiet"], passed=found.passed)  # fmt: skip


def answer(
    file: Path,
    lines: Callable[[], Iterable[str]],
    told: str = "",
    *,
    as_json: bool,
    quiet: bool,
    passed: bool = True,
) -> None:
    """Print the result file alone, or lines and what is `told` of the report; leave with 1 unless all has `passed`."""
    if as_json:
        sys.stdout.write(file.read_text(encoding="utf-8"))
    elif not quiet:
        for line in (*lines(), *(["", *told.split("\n")] if told else ())):
            tell(line)
    if not passed:
        raise typer.Exit(1)


@contextmanager
def progress_bar(total: int | None, silent: bool, doing: str = "simulating") -> Iterator[Callable[..., None] | None]:
    """Show a progress bar on standard error if that is a terminal; yield what to call with (done[, total[, words]])."""
    if silent or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(14), TextColumn("{task.percentage:>3.0f} %"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)

        def show_progress(done: float, of: int | None = None, words: str = "") -> None:
            bar.update(task, completed=done, total=of or total, description=for_terminal(words or doing))

        yield show_progress


@contextmanager
def late_interrupts(late: bool) -> Iterator[Callable[[], bool]]:
    """Keep a first Ctrl-C back if it is to come late, and yield what says whether there was one; a second interrupts.

    Code that is being compiled or runs compiled cannot be left anywhere without a trace.
    """
    pressed = False

    def note(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    if not late or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def list_entries(
    headings: Sequence[str], entries: Sequence[Sequence[str]], line: Callable[[Sequence[str]], str]
) -> None:  # fmt: skip
    """Print entries as a table on a terminal, and one a line when piped, as `line` gives it."""
    if not sys.stdout.isatty():
        for entry in entries:
            tell(line(entry))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    for entry in entries:
        table.add_row(*(Text(for_terminal(own)) for own in entry[: len(headings)]))
    Console().print(table)


def complain(lines: Sequence[str]) -> None:
    """Print lines on standard error, each with the name of the command."""
    for line in lines:
        tell(f"archsim: {line if len(line) <= 4 * MOST_TEXT else cut(line)}" if line else "", err=True)


def tell(line: str, *, err: bool = False) -> None:
    """Print a line, on standard error if wanted; nothing in it commands the terminal."""
    typer.echo(for_terminal(line), err=err)
