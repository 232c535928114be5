"""Commands that train in numbers, or may: `train`, `sweep`, `optimise`, `crosscheck`."""

from typing import Annotated

import typer

from archsim.cli.apps import app, example
from archsim.cli.completing import complete_name
from archsim.cli.options import (
    Ablate,
    Arch,
    Cluster,
    DataFolder,
    Engine,
    Epochs,
    Jobs,
    Json,
    Out,
    Quiet,
    Seed,
    Sets,
    StoreFile,
    Work,
    answer,
    lines_of,
    perform,
    progress_bar,
)

Intervals = Annotated[
    bool, typer.Option("--intervals", help="Also give the ends of metrics' intervals, by draws at each point.")
]


@app.command(epilog=example("train ambrogio_nature_2018 mlp_digits --epochs 1"))
def train(
    ctx: typer.Context,
    arch: Arch,
    workload: Work,
    sets: Sets = None,
    epochs: Epochs = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="K", help="Train with so many seeds, from --seed on.")] = 1,
    ablate: Ablate = None,
    seed: Seed = 0,
    goal: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="Say whether the chip is so near to its baseline, in percentage points."),
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option(min=2, metavar="K", help="Put training and test part together; K seeds test a K-th of it each."),
    ] = None,
    data: DataFolder = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training that was interrupted.")] = False,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the network on the chip's cells, on the simulated schedule, beside a floating-point baseline."""
    perform(ctx, "archsim.studies.train.study", "training")


@app.command(epilog=example("ablate ambrogio_nature_2018 mlp_digits --only leakage --epochs 1 --seeds 2"))
def ablate(
    ctx: typer.Context,
    arch: Arch,
    workload: Work,
    sets: Sets = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Take this away, by default each imperfection in turn. Repeatable.",
            autocompletion=complete_name("ablations"),
        ),
    ] = None,
    epochs: Epochs = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="K", help="Train with so many seeds, from --seed on.")] = 3,
    seed: Seed = 0,
    data: DataFolder = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train with each imperfection of the chip taken away in turn: what it costs, with standard errors."""
    perform(ctx, "archsim.studies.ablate", "training")


@app.command(epilog=example("sweep ambrogio_nature_2018 mlp_digits --vary tile.rows=128,256,512"))
def sweep(
    ctx: typer.Context,
    arch: Arch,
    workload: Work,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=V1,V2,...",
            help="A figure and its values; also LO..HI:+STEP, :xFACTOR, :log:N, and arch=A,B. Repeatable.",
        ),
    ],
    together: Annotated[
        list[str] | None, typer.Option(metavar="KEY,KEY", help="Keys whose values go in step. Repeatable.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Leave out other points: 'tile.rows <= tile.cols'. Repeatable."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Draw N points over all ranges LO..HI or LO..HI:log.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(metavar="lhs|sobol", help="How; by default lhs.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Also train at each point, on the chip's cells.")] = False,
    epochs: Epochs = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Train with so many seeds, from --seed.")
    ] = None,
    seed: Seed = 0,
    ablate: Ablate = None,
    sets: Sets = None,
    data: DataFolder = None,
    intervals: Intervals = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep that was interrupted.")] = False,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run, and if wanted train, at each point of a grid: accuracy against time and energy."""
    perform(ctx, "archsim.studies.sweep.study", "sweeping")


@app.command(
    epilog=example("optimise ambrogio_nature_2018 mlp_digits --search tile.rows=64..512 --minimise area --budget 10")
)
def optimise(
    ctx: typer.Context,
    arch: Arch,
    workload: Work,
    search: Annotated[
        list[str],
        typer.Option(metavar="KEY=LO..HI[:log]|A,B", help="A figure, and where it is searched for. Repeatable."),
    ],
    minimise: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="What is to be small, e.g. time, energy, area. Repeatable."),
    ] = None,
    maximise: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="What is to be large, e.g. accuracy. Repeatable.")
    ] = None,
    subject_to: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help="What has to hold: 'area <= 30 mm2'. Repeatable.")
    ] = None,
    budget: Annotated[int, typer.Option(metavar="N", help="Points at most.")] = 100,
    sampler: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="tpe, nsga2, nsga3, qmc or random; by default by the metrics."),
    ] = None,
    sets: Sets = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    data: DataFolder = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL|FILE", help="Share the search: a database, or a journal in a shared folder."),
    ] = None,
    intervals: Intervals = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search that was interrupted.")] = False,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for the figures of a spec that are best in some metrics, under conditions."""
    perform(ctx, "archsim.studies.search.study", "searching")


@app.command(epilog=example("crosscheck ambrogio_nature_2018 mlp_digits"))
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
    data: DataFolder = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate and train on one schedule, and compare: operations, weights, staleness, leakage, energy, accuracy."""
    from archsim.simulation.choice import using
    from archsim.studies.crosscheck import execute_crosscheck, plan_of

    plan = plan_of(arch, workload, sets=sets or (), examples=examples, seed=seed, tolerance=tolerance, data_folder=data)
    with using(engine), progress_bar(plan.run.count, quiet or as_json) as progress:
        result, document, folder = execute_crosscheck(plan, out=out, progress=progress)
    answer(
        folder / "metrics.json",
        lambda: lines_of(document),
        f"report  {folder / 'report.html'}",
        as_json=as_json,
        quiet=quiet,
        passed=result.passed,
    )
