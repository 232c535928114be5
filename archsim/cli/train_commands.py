"""Commands that train in numbers: `train`, `sweep`, `crosscheck`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from archsim.base.words import counted
from archsim.cli.apps import app
from archsim.cli.options import (
    Arch,
    Json,
    Out,
    Quiet,
    Seed,
    Sets,
    Work,
    answer,
    complain,
    late_interrupts,
    lines_of,
    progress_bar,
)


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
    """Train the network on the chip's cells, on the simulated schedule, beside a floating-point baseline."""
    from archsim.studies.train.study import execute_training, progress_words

    kept = 0
    with progress_bar(None, quiet or as_json, "training") as progress, late_interrupts(True) as interrupted:

        def inside(now: Any, done: float, total: int) -> None:
            nonlocal kept
            kept = int(done)
            if interrupted():
                raise KeyboardInterrupt
            if progress is not None:
                progress(done, total, progress_words(now, total // seeds, seeds))

        try:
            _, document, folder = execute_training(
                arch, workload, sets=sets or (), epochs=epochs, seeds=seeds, seed=seed, ablate=ablate or (),
                data_folder=data, out=out, resume=resume, progress=inside,
            )  # fmt: skip
        except KeyboardInterrupt:
            if kept:
                complain([f"{counted(kept, 'epoch')} done and kept; the same command with --resume goes on"])
            raise
    answer(
        folder / "history.json",
        lambda: lines_of(document),
        f"report  {folder / 'train.html'}",
        as_json=as_json,
        quiet=quiet,
    )


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
    from archsim.studies.sweep.study import Inputs, execute_sweep

    kept = 0
    with progress_bar(None, quiet or as_json, "sweeping") as progress, late_interrupts(True) as interrupted:

        def inside(done: float, total: int, words: str) -> None:
            nonlocal kept
            kept = int(done)
            if interrupted():
                raise KeyboardInterrupt
            if progress is not None:
                progress(done, total, words)

        try:
            inputs = Inputs(
                arch, workload, vary=tuple(vary), train=train_, epochs=epochs, seeds=seeds, seed=seed,
                ablate=tuple(ablate or ()), sets=tuple(sets or ()), data=data, resume=resume,
            )  # fmt: skip
            result, document, folder = execute_sweep(inputs, out, inside)
        except KeyboardInterrupt:
            if kept:
                complain([f"{counted(kept, 'point')} done and kept; the same command with --resume goes on"])
            raise
    answer(
        folder / "sweep.json",
        lambda: lines_of(document),
        f"report  {folder / 'sweep.html'}",
        as_json=as_json,
        quiet=quiet,
        passed=not any(point["audits_failed"] for point in result["points"]),
    )


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
    from archsim.studies.crosscheck import execute_crosscheck, plan_of

    plan = plan_of(arch, workload, sets=sets or (), examples=examples, seed=seed, tolerance=tolerance, data_folder=data)
    with progress_bar(plan.run.count, quiet or as_json) as progress:
        result, document, folder = execute_crosscheck(plan, out=out, progress=progress)
    answer(
        folder / "metrics.json",
        lambda: lines_of(document),
        f"report  {folder / 'report.html'}",
        as_json=as_json,
        quiet=quiet,
        passed=result.passed,
    )
