"""The command `archsim`: a thin face over the functions of the package; only here is anything printed.

Everything heavy is imported by the command that needs it. Annotations are not put off, unlike elsewhere: typer reads
those of all commands at each start, and as text they would have to be compiled each time.
"""

import functools
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from archsim.base.doors import check_text
from archsim.base.errors import ArchsimError, StuckError
from archsim.base.plugin_loading import from_environment, using
from archsim.base.plugins import split
from archsim.base.uncollected import seldom_collected
from archsim.cli import (  # noqa: F401  each adds its commands
    floorplan_commands,
    run_commands,
    spec_commands,
    store_commands,
    train_commands,
)
from archsim.cli.apps import app
from archsim.cli.options import complain, tell

COMPLETE = "_ARCHSIM_COMPLETE"
"""What a shell sets that asks how a line may go on."""


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command; exit with 0, 1 (an audit failed), 2 (bad input, explained) or 130 (interrupted).

    What is raised on purpose, by the machine or by the user is told in words. Anything else is a fault of archsim's own
    and ends in a traceback.
    """
    _open_streams()
    if COMPLETE in os.environ:
        _command()._main_shell_completion({}, "archsim")
    try:
        status = _asked(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has had enough
        status = 0
    except StuckError as error:
        status = _refused(["the simulation is stuck", *str(error).splitlines()])
    except ArchsimError as error:
        status = _refused(str(error).splitlines())
    except MemoryError:
        status = _refused(["there is not enough memory for this; try a smaller network or chip, or a larger machine"])
    except OSError as error:
        told = f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")
        status = _refused([f"{told}; look at the path, its permissions and the space that is left"])
    except ImportError as error:
        if (package := _package_of(error)) == "archsim":
            raise
        told = " ".join(str(error).split())
        status = _refused([f"the package {package} cannot be imported ({told}); install it where archsim is installed"])
    except (KeyboardInterrupt, typer.Abort):
        status = 130
        complain(["interrupted"])
    except Exception as error:
        if not hasattr(error, "format_message"):  # that of click's usage errors
            raise
        status = _refused(_usage(error))
    _leave(status)


def _asked(arguments: list[str]) -> int:
    """Carry a command out and return its exit status; unlike typer's own, it leaves exceptions as they are."""
    for place, each in enumerate(arguments, start=1):
        check_text(each, f"argument {place}")
    command = _command()
    try:
        with seldom_collected(), _warnings_told(), using([*from_environment(), *split(arguments)[0]]), \
                command.make_context("archsim", arguments) as context:  # fmt: skip
            found = command.invoke(context)
    except typer.Exit as leave:
        return leave.exit_code
    except Exception as error:
        if type(error).__name__ != "NoArgsIsHelpError":
            raise
        for line in str(error.format_message()).splitlines():  # type: ignore[attr-defined]
            tell(line)
        return 2
    return found if isinstance(found, int) else 0


def _package_of(error: ImportError) -> str:
    """Return the package that cannot be imported: the one that is not there, or else the one that raised this."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    raised = str(place.tb_frame.f_globals.get("__name__", "")) if place is not None else ""
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else raised
    return missing.partition(".")[0] or "archsim"


@contextmanager
def _warnings_told() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: complain([str(message)])
        yield


@functools.cache
def _command() -> Any:
    return typer.main.get_command(app)


def _usage(error: Any) -> list[str]:
    """Return what click says of how it was called, in plain words where a library checked what was given, and a remedy.

    That is the example of the command that was meant, and where all of it is told.
    """
    if hasattr(cause := error.__cause__, "errors"):
        from archsim.base.validation import said

        error.message = "; ".join(said(cause.errors()[0]))
    if getattr(error, "option_name", "") == "--plugin" and "No such option" in str(error):
        return ["--plugin stands before the command: archsim --plugin MODULE COMMAND ..."]
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "archsim"
    words = str(error.format_message()).splitlines()
    own = str(getattr(getattr(context, "command", None), "epilog", None) or "")
    remedy = own.replace("Example:", "for example:", 1) if own else f"try: {command} --help"
    return [*words, remedy, *([f"all of it: {command} --help"] if own else [])]


def _refused(lines: Sequence[str]) -> int:
    complain(lines)
    return 2


def _open_streams() -> None:
    """See to it that there are three streams, and that any text can be written to them."""
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed by who called: no file may get their numbers
        while (number := os.open(os.devnull, os.O_RDWR)) < 3:
            pass
        os.close(number)
        nowhere = Path(os.devnull)
        sys.stdin = sys.stdin or nowhere.open(encoding="utf-8")
        sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
        sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _leave(status: int) -> None:
    """Exit, though what is still to be written may find nobody who reads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)
