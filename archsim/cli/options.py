"""What commands share: their options, the progress bar, interruptions, and how they speak."""

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from archsim.report.document import Document

Arch = Annotated[str, typer.Argument(metavar="ARCH", help="A built-in chip's name, or the path of a spec.")]
Work = Annotated[str, typer.Argument(metavar="WORKLOAD", help="A built-in workload's name, or the path of one.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a figure, e.g. tile.rows=256. Repeatable."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random (a run of timing alone draws nothing).")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the report.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result file, and nothing else, on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")]
Examples = Annotated[int | None, typer.Option(min=1, metavar="N", help="Train so many examples instead of all epochs.")]


def lines_of(document: "Document") -> list[str]:
    """Return the lines that a terminal shows of a document; their layout is imported only to show them."""
    from archsim.report.terminal import lines

    return lines(document)


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
        for line in lines():
            typer.echo(line)
        if told:
            typer.echo(f"\n{told}")
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

    columns = (TextColumn("{task.description}"), BarColumn(14), TextColumn("{task.percentage:>3.0f} %"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)

        def show_progress(done: float, of: int | None = None, words: str = doing) -> None:
            bar.update(task, completed=done, total=of or total, description=words)

        yield show_progress


@contextmanager
def late_interrupts() -> Iterator[Callable[[], bool]]:
    """Keep a first Ctrl-C back, and yield what says whether there was one; a second one interrupts at once.

    Code that is being compiled or runs compiled cannot be left anywhere without a trace.
    """
    pressed = False

    def note(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def complain(lines: Sequence[str]) -> None:
    """Print lines on standard error, each with the name of the command."""
    for line in lines:
        typer.echo(f"archsim: {line}" if line else "", err=True)
