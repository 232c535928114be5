"""The command `archsim`: a thin face over the functions of the package; only here is anything printed.

Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.errors import ArchsimError, Problem, SpecError, StuckError

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


@app.command()
def run(
    arch: Annotated[str, typer.Argument(metavar="ARCH", help="A chip by name or path; or a RUN.yaml, alone.")],
    workload: Annotated[str | None, typer.Argument(metavar="WORKLOAD", help="A workload by name or path.")] = None,
    sets: Sets = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="E", help="Epochs instead of the workload's.")] = None,
    examples: Examples = None,
    full: Annotated[bool, typer.Option("--full", help="Go through every example event by event.")] = False,
    seed: Seed = 0,
    trace: Annotated[str | None, typer.Option(metavar="KIND", help="Also write a trace: perfetto or vcd.")] = None,
    activity: Annotated[Path | None, typer.Option(metavar="FILE", help="Measured activity, from `train`.")] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a training run: time, energy, area, and where they go."""
    from archsim.runs import RunPlan, execute, plan_from_file, plan_from_options

    if workload is None:
        given = sets or epochs or examples or full or seed or activity
        if given:
            raise SpecError([Problem("run", "options that change a run were given with a RUN.yaml",
                                     "edit the file, or give ARCH and WORKLOAD")])  # fmt: skip
        plan: RunPlan = plan_from_file(arch, trace)
    else:
        plan = plan_from_options(
            arch, workload, sets=sets or (), epochs=epochs, examples=examples, full=full, seed=seed, activity=activity,
            trace=trace,
        )  # fmt: skip
    for note in plan.notes:
        typer.echo(f"archsim: {note}", err=True)
    with _progress(plan.count, quiet or as_json) as progress:
        result, folder = execute(plan, out=out, progress=progress)
    if as_json:
        _print_file(folder / "metrics.json")
    elif not quiet:
        from archsim.report.summary import summary

        for line in summary(result):
            typer.echo(line)
        typer.echo(f"\nreport  {folder / 'report.md'}\nagain   archsim run {folder / 'run.yaml'}")
    if not result.passed:
        raise typer.Exit(1)


@app.command()
def sensitivity(
    arch: Arch,
    workload: Work,
    sets: Sets = None,
    examples: Examples = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Halve and double each assumption in turn, and draw the tornado."""
    from archsim.explore import sensitivity as study_of
    from archsim.loading import load_arch, split_overrides
    from archsim.report import check_folder
    from archsim.report.tornado import top_lines, write_study
    from archsim.runs import default_folder
    from archsim.workload import load_workload

    mine, theirs = split_overrides(sets or ())
    chip, network = load_arch(arch, mine), load_workload(workload, theirs)
    words = ["archsim", "sensitivity", arch, workload, *(word for given in sets or () for word in ("--set", given))]
    command = shlex.join(words + (["--examples", str(examples)] if examples else []))
    folder = out or default_folder(chip, network, "sensitivity")
    check_folder(folder)
    with _progress(None, quiet or as_json) as progress:

        def tick(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total)

        study = study_of(chip, network, examples=examples, command=command, progress=tick)
    write_study(study, folder)
    if as_json:
        _print_file(folder / "sensitivity.json")
    elif not quiet:
        for line in top_lines(study):
            typer.echo(line)
        typer.echo(f"\nreport  {folder / 'sensitivity.md'}")


@app.command()
def train(
    arch: Arch,
    workload: Work,
    sets: Sets = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="E", help="Epochs instead of the workload's.")] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="K", help="Train with so many seeds, from --seed on.")] = 1,
    ablate: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Take an imperfection away, e.g. leakage. Repeatable.")
    ] = None,
    seed: Seed = 0,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the data; or set ARCHSIM_DATA.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training that was interrupted.")] = False,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the network on the chip's cells, on the simulated schedule, beside a floating-point twin."""
    from archsim.report.training import progress_words, training_lines
    from archsim.trainings import execute_training

    kept = 0
    with _progress(None, quiet or as_json, "training") as progress, _late_interrupts() as interrupted:

        def inside(now: Any, done: float, total: int) -> None:
            nonlocal kept
            kept = int(done)
            if interrupted():
                raise KeyboardInterrupt
            if progress is not None:
                progress(done, total, progress_words(now, total // seeds, seeds))

        try:
            history, folder = execute_training(
                arch, workload, sets=sets or (), epochs=epochs, seeds=seeds, seed=seed, ablate=ablate or (),
                data_folder=data, out=out, resume=resume, progress=inside,
            )  # fmt: skip
        except KeyboardInterrupt:
            if kept:
                _complain([f"{kept} epoch{'s' * (kept > 1)} done and kept; the same command with --resume goes on"])
            raise
    if as_json:
        _print_file(folder / "history.json")
    elif not quiet:
        for line in training_lines(history):
            typer.echo(line)
        typer.echo(f"\nreport  {folder / 'train.md'}")


@app.command()
def sweep(
    arch: Arch,
    workload: Work,
    vary: Annotated[
        list[str], typer.Option(metavar="KEY=V1,V2,...", help="A figure, and the values that it takes. Repeatable.")
    ],
    train_: Annotated[bool, typer.Option("--train", help="Also train at each point, on the chip's cells.")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="E", help="Epochs instead of the workload's.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Train with so many seeds, from --seed.")
    ] = None,
    seed: Seed = 0,
    ablate: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Take an imperfection away, e.g. leakage. Repeatable.")
    ] = None,
    sets: Sets = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the data; or set ARCHSIM_DATA.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep that was interrupted.")] = False,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run, and if wanted train, at each point of a grid: accuracy against time and energy."""
    from archsim.report.sweep import sweep_lines
    from archsim.sweeps import execute_sweep

    kept = 0
    with _progress(None, quiet or as_json, "sweeping") as progress, _late_interrupts() as interrupted:

        def inside(done: float, total: int, words: str) -> None:
            nonlocal kept
            kept = int(done)
            if interrupted():
                raise KeyboardInterrupt
            if progress is not None:
                progress(done, total, words)

        try:
            result, folder = execute_sweep(
                arch, workload, vary=vary, train=train_, epochs=epochs, seeds=seeds, seed=seed, ablate=ablate or (),
                sets=sets or (), data_folder=data, out=out, resume=resume, progress=inside,
            )  # fmt: skip
        except KeyboardInterrupt:
            if kept:
                _complain([f"{kept} point{'s' * (kept > 1)} done and kept; the same command with --resume goes on"])
            raise
    if as_json:
        _print_file(folder / "sweep.json")
    elif not quiet:
        for line in sweep_lines(result):
            typer.echo(line)
        typer.echo(f"\nreport  {folder / 'sweep.md'}")
    if any(point["audits_failed"] for point in result["points"]):
        raise typer.Exit(1)


@app.command()
def crosscheck(
    arch: Arch,
    workload: Work,
    examples: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many examples, instead of two transfers of each shard.")
    ] = None,
    sets: Sets = None,
    seed: Seed = 0,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, metavar="POINTS", help="By how much accuracy may fall short, in percentage points."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the data; or set ARCHSIM_DATA.")] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate and train on one schedule, and compare: operations, weights, staleness, leakage, energy, accuracy."""
    from archsim.crosschecks import execute_crosscheck, plan_of

    plan = plan_of(arch, workload, sets=sets or (), examples=examples, seed=seed, tolerance=tolerance, data_folder=data)
    with _progress(plan.run.count, quiet or as_json) as progress:
        result, folder = execute_crosscheck(plan, out=out, progress=progress)
    if as_json:
        _print_file(folder / "metrics.json")
    elif not quiet:
        from archsim.report.summary import summary

        for line in summary(result):
            typer.echo(line)
        typer.echo(f"\nreport  {folder / 'report.md'}")
    if not result.passed:
        raise typer.Exit(1)


@app.command()
def network(
    topology: Annotated[str, typer.Argument(metavar="TOPOLOGY", help="A topology by name, e.g. mesh.")],
    size: Annotated[str, typer.Option(metavar="ROWSxCOLUMNS", help="The grid of tiles.")] = "8x8",
    traffic: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Who sends to whom; uniform if not given. Repeatable.")
    ] = None,
    load: Annotated[
        list[float] | None,
        typer.Option(metavar="L", help="Flits per tile and cycle; without it, up to saturation. Repeatable."),
    ] = None,
    packet_flits: Annotated[int, typer.Option(metavar="N", help="Flits of a packet.")] = 8,
    vcs: Annotated[int, typer.Option(metavar="N", help="Virtual channels of an input port.")] = 4,
    buffer_flits: Annotated[
        int | None, typer.Option(metavar="N", help="Flits that a virtual channel holds; a packet's if not given.")
    ] = None,
    router_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles of a router's pipeline.")] = 3,
    link_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles of a link between routers.")] = 1,
    credit_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles until a credit can be used.")] = 2,
    arbitration: Annotated[str, typer.Option(metavar="NAME", help="round_robin, fixed or age.")] = "round_robin",
    hot_tile: Annotated[int, typer.Option(metavar="N", help="The hot spot of 'hotspot'.")] = 0,
    hot_share: Annotated[float, typer.Option(metavar="S", help="Share of all packets that go there besides.")] = 0.1,
    warmup_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles before packets are measured.")] = 5_000,
    cycles: Annotated[int, typer.Option(metavar="N", help="Cycles whose packets are measured.")] = 20_000,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """A network alone under synthetic traffic: latency against offered load, and where it saturates."""
    from archsim.networks import Request, execute_network
    from archsim.report.network import network_lines

    request = Request(
        topology, size, tuple(traffic or ("uniform",)), tuple(load or ()), packet_flits, vcs, buffer_flits,
        router_cycles, link_cycles, credit_cycles, arbitration, hot_tile, hot_share, warmup_cycles, cycles, seed,
    )  # fmt: skip
    with _progress(None, quiet or as_json) as progress:
        result, folder = execute_network(request, out=out, progress=progress)
    if as_json:
        _print_file(folder / "network.json")
    elif not quiet:
        for line in network_lines(result):
            typer.echo(line)
        typer.echo(f"\nreport  {folder / 'network.md'}")


@app.command()
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE ...", help="Specs or workloads, by path or name.")],
) -> None:
    """Validate specs and workloads: everything that is wrong, at once."""
    from archsim.views import check_file

    problems: list[Problem] = []
    for name in files:
        try:
            typer.echo(check_file(name))
        except SpecError as error:
            problems += error.problems
        except ArchsimError as error:
            problems.append(Problem(name, str(error)))
    if problems:
        raise SpecError(problems)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ARCH|WORKLOAD", help="A spec or workload, by name or path.")],
    sets: Sets = None,
) -> None:
    """Print a spec as resolved, each figure with its status and source."""
    from archsim.views import load_any, show_lines

    for line in show_lines(load_any(name, sets or ())):
        typer.echo(line)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A spec, workload or report folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another of the same kind.")],
) -> None:
    """Print what differs between two specs or two runs."""
    from archsim.views import diff_lines

    for line in diff_lines(a, b):
        typer.echo(line)


@app.command(name="list")
def list_(
    noun: Annotated[
        str | None,
        typer.Argument(
            metavar="[NOUN]", help="arch, workload, component, topology, placement, policy, ...; nothing for all."
        ),
    ] = None,
) -> None:
    """List what there is: a table on a terminal, one name a line when piped."""
    from archsim.views import catalogue

    entries = catalogue(noun)
    if not sys.stdout.isatty():
        for _, name, _ in entries:
            typer.echo(name)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "what it is"):
        table.add_column(heading)
    for entry in entries:
        table.add_row(*entry)
    Console().print(table)


@app.command()
def schema(kind: Annotated[str, typer.Argument(metavar="arch|workload", help="Which kind of file.")]) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    import json

    from archsim.views import schema_of

    typer.echo(json.dumps(schema_of(kind), indent=2))


@floorplans.command(name="draw")
def draw_floorplan(
    arch: Arch,
    workload: Annotated[
        str | None, typer.Option(metavar="WORKLOAD", help="Simulate it, and colour by power density and load.")
    ] = None,
    examples: Examples = None,
    sets: Sets = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Draw a chip's floorplan; write it for HotSpot, and the chip as GraphML."""
    from archsim.floorplans import execute_drawing, floorplan_lines

    with _progress(None, quiet) as progress:
        chip, folder = execute_drawing(arch, workload, sets=sets or (), examples=examples, out=out, progress=progress)
    if not quiet:
        for line in floorplan_lines(chip):
            typer.echo(line)
        typer.echo(f"\ndrawing  {folder / 'floorplan.svg'}")


@floorplans.command(name="optimise")
def optimise_floorplan(
    arch: Arch,
    workload: Work,
    objective: Annotated[str, typer.Option(metavar="NAME", help="What is to be least: time, energy, area or edp.")],
    budget: Annotated[int, typer.Option(metavar="N", help="Simulations at most.")] = 40,
    examples: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of each simulation; else to the first transfer, 2,000 at most."),
    ] = None,
    sets: Sets = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what the search draws.")] = 0,
    topologies: Annotated[bool, typer.Option("--topologies", help="Also try other topologies.")] = False,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for a better floorplan and placement, and write the spec that was found."""
    from archsim.optimisations import execute_optimisation
    from archsim.report.optimise import optimisation_lines

    with _progress(budget, quiet or as_json, "optimising") as progress:
        result, folder = execute_optimisation(
            arch, workload, objective, budget=budget, examples=examples, sets=sets or (), seed=seed,
            topologies=topologies, out=out, progress=progress,
        )  # fmt: skip
    if as_json:
        _print_file(folder / "optimise.json")
    elif not quiet:
        for line in optimisation_lines(result, folder):
            typer.echo(line)


@floorplans.command(name="compare")
def compare_floorplans(
    workload: Work,
    archs: Annotated[list[str], typer.Argument(metavar="ARCH ARCH ...", help="At least two chips, by name or path.")],
    sets: Sets = None,
    examples: Examples = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Chips side by side on one workload: area, wires, contention, time, energy and power density."""
    from archsim.comparisons import execute_comparison
    from archsim.report.compare_tables import compare_lines

    with _progress(None, quiet or as_json) as progress:
        data, folder = execute_comparison(
            workload, archs, sets=sets or (), examples=examples, out=out, progress=progress
        )
    if as_json:
        _print_file(folder / "compare.json")
    elif not quiet:
        for line in compare_lines(data):
            typer.echo(line)
        typer.echo(f"\npage  {folder / 'compare.html'}")
    if not data["passed"]:
        raise typer.Exit(1)


@data_sets.command(name="fetch")
def fetch_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which data set: mnist.")],
    folder: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Folder of the data sets; else ARCHSIM_DATA, else ./data."),
    ] = None,
) -> None:
    """Download a data set, unless it is there, and check it."""
    from archsim.functional.datasets import fetch

    for path, fetched in fetch(name, folder):
        typer.echo(f"{path}  {'fetched' if fetched else 'was there'}")


def _print_file(path: Path) -> None:
    sys.stdout.write(path.read_text(encoding="utf-8"))


@contextmanager
def _progress(total: int | None, silent: bool, doing: str = "simulating") -> Iterator[Callable[..., None] | None]:
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
def _late_interrupts() -> Iterator[Callable[[], bool]]:
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


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command; exit with 0, 1 (an audit failed), 2 (bad input, explained) or 130 (interrupted)."""
    try:
        status = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except StuckError as error:
        _complain(["the simulation is stuck", *str(error).splitlines()])
        sys.exit(2)
    except ArchsimError as error:
        _complain(str(error).splitlines())
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _complain([f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")])
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        _complain(["interrupted"])
        sys.exit(130)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's usage errors
            _complain([error.format_message(), "try: archsim --help"])
            sys.exit(2)
        raise
    if status == 130:  # how click tells of an interruption
        _complain(["interrupted"])
    sys.exit(status if isinstance(status, int) else 0)


def _complain(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(f"archsim: {line}" if line else "", err=True)
