"""Commands about floorplans: `floorplan draw`, `compare`, `optimise`."""

from typing import Annotated

import typer

from archsim.cli.apps import example, floorplans
from archsim.cli.completing import complete_arch, complete_workload
from archsim.cli.options import Arch, Cluster, Engine, Examples, Jobs, Json, Out, Quiet, Sets, StoreFile, Work, perform


@floorplans.command(name="draw", epilog=example("floorplan draw ambrogio_nature_2018"))
def draw_floorplan(
    ctx: typer.Context,
    arch: Arch,
    workload: Annotated[
        str | None,
        typer.Option(
            metavar="WORKLOAD",
            help="Simulate it, and colour by power density and load.",
            autocompletion=complete_workload,
        ),
    ] = None,
    examples: Examples = None,
    sets: Sets = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw a chip's floorplan; write it for HotSpot, and the chip as GraphML."""
    perform(ctx, "archsim.studies.floorplans.draw")


@floorplans.command(
    name="optimise", epilog=example("floorplan optimise ambrogio_nature_2018 mlp_digits --objective time --budget 10")
)
def optimise_floorplan(
    ctx: typer.Context,
    arch: Arch,
    workload: Work,
    objective: Annotated[str, typer.Option(metavar="NAME", help="What is to be least: time, energy, area or edp.")],
    budget: Annotated[int, typer.Option(metavar="N", help="Simulations at most.")] = 40,
    examples: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of each simulation; else to the first transfer, 2,000 at most."),
    ] = None,
    sets: Sets = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of what the search draws.")] = 0,
    topologies: Annotated[bool, typer.Option("--topologies", help="Also try other topologies.")] = False,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for a better floorplan and placement, and write the spec that was found."""
    perform(ctx, "archsim.studies.floorplans.optimise", "optimising")


@floorplans.command(
    name="compare", epilog=example("floorplan compare mlp_digits ambrogio_nature_2018 ambrogio_nature_2018_bus")
)
def compare_floorplans(
    ctx: typer.Context,
    workload: Work,
    archs: Annotated[
        list[str],
        typer.Argument(
            metavar="ARCH ARCH ...", help="At least two chips, by name or path.", autocompletion=complete_arch
        ),
    ],
    sets: Sets = None,
    examples: Examples = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Chips side by side on one workload: area, wires, contention, time, energy and power density."""
    perform(ctx, "archsim.studies.floorplans.compare")
