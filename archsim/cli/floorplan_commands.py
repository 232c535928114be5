"""Commands about floorplans: `floorplan draw`, `compare`, `optimise`."""

from typing import Annotated

import typer

from archsim.cli.apps import floorplans
from archsim.cli.options import Arch, Examples, Json, Out, Quiet, Sets, Work, answer, lines_of, progress_bar


@floorplans.command(name="draw")
def draw_floorplan(
    arch: Arch,
    workload: Annotated[
        str | None, typer.Option(metavar="WORKLOAD", help="Simulate it, and colour by power density and load.")
    ] = None,
    examples: Examples = None,
    sets: Sets = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a chip's floorplan; write it for HotSpot, and the chip as GraphML."""
    from archsim.studies.floorplans.draw import execute_drawing

    with progress_bar(None, quiet or as_json) as progress:
        data, document, folder = execute_drawing(
            arch, workload, sets=sets or (), examples=examples, out=out, progress=progress
        )
    answer(
        folder / "floorplan.json",
        lambda: lines_of(document),
        f"report  {folder / 'floorplan.html'}\ndrawing {folder / 'floorplan.svg'}",
        as_json=as_json,
        quiet=quiet,
        passed=not data["audits_failed"],
    )


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
    from archsim.studies.floorplans.optimise import execute_optimisation

    with progress_bar(budget, quiet or as_json, "optimising") as progress:
        _, document, folder = execute_optimisation(
            arch, workload, objective, budget=budget, examples=examples, sets=sets or (), seed=seed,
            topologies=topologies, out=out, progress=progress,
        )  # fmt: skip
    answer(
        folder / "optimise.json",
        lambda: lines_of(document),
        f"report  {folder / 'optimise.html'}",
        as_json=as_json,
        quiet=quiet,
    )


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
    from archsim.studies.floorplans.compare import execute_comparison

    with progress_bar(None, quiet or as_json) as progress:
        data, document, folder = execute_comparison(
            workload, archs, sets=sets or (), examples=examples, out=out, progress=progress
        )
    answer(
        folder / "compare.json",
        lambda: lines_of(document),
        f"report  {folder / 'compare.html'}",
        as_json=as_json,
        quiet=quiet,
        passed=data["passed"],
    )
