"""The command `archsim`: a thin face over the functions of the package; only here is anything printed.

Everything heavy is imported by the command that needs it. Annotations are not put off, unlike elsewhere: typer reads
those of all commands at each start, and as text they would have to be compiled each time.
"""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from archsim.base.errors import ArchsimError, StuckError
from archsim.cli import floorplan_commands, run_commands, spec_commands, train_commands  # noqa: F401  each adds its commands
from archsim.cli.apps import app
from archsim.cli.options import complain


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command; exit with 0, 1 (an audit failed), 2 (bad input, explained) or 130 (interrupted)."""
    try:
        status = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except StuckError as error:
        complain(["the simulation is stuck", *str(error).splitlines()])
        sys.exit(2)
    except ArchsimError as error:
        complain(str(error).splitlines())
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        complain([f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")])
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        complain(["interrupted"])
        sys.exit(130)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's usage errors
            complain([error.format_message(), "try: archsim --help"])
            sys.exit(2)
        raise
    if status == 130:  # how click tells of an interruption
        complain(["interrupted"])
    sys.exit(status if isinstance(status, int) else 0)
