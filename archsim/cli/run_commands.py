"""Commands that simulate a run or show one again: `run`, `compare`, `report`, `sensitivity`, `network`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from archsim.base import plugins
from archsim.base.errors import Problem, SpecError, nearest
from archsim.cli.apps import app, example
from archsim.cli.completing import complete_arch, complete_name, complete_run, complete_workload
from archsim.cli.options import (
    Arch,
    Cluster,
    Engine,
    Examples,
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
    tell,
)

if TYPE_CHECKING:
    from archsim.studies.again import Repeat


DEMO = ("ambrogio_nature_2018", "mlp_mnist")
"""What `archsim run` runs without names, and `make demo`."""
NEXT = {
    f"compare {DEMO[0]} {DEMO[1]} --gpu V100": "against a GPU",
    f"train {DEMO[0]} mlp_digits --epochs 2": "does it learn? (its data are in the package)",
    "new arch my_chip": "a chip of your own to start from",
}
"""What is told after it to try next, and what for."""


@app.command(epilog=example("run ambrogio_nature_2018 mlp_digits"))
def run(
    ctx: typer.Context,
    arch: Annotated[
        str | None,
        typer.Argument(
            metavar="ARCH", help="A chip by name or path; or a RUN.yaml, alone.", autocompletion=complete_run
        ),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Argument(metavar="WORKLOAD", help="A workload by name or path.", autocompletion=complete_workload),
    ] = None,
    sets: Sets = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="E", help="Epochs instead of the workload's.")] = None,
    examples: Examples = None,
    full: Annotated[bool, typer.Option("--full", help="Go through every example event by event.")] = False,
    seed: Seed = 0,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Also write a trace: perfetto, vcd, ...; see archsim list trace.",
            autocompletion=complete_name("traces"),
        ),
    ] = None,
    activity: Annotated[Path | None, typer.Option(metavar="FILE", help="Measured activity, from `train`.")] = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a training run: time, energy, area, and where they go. Without names: the shipped demonstration."""
    from archsim.export.formats import TRACES
    from archsim.simulation.choice import using
    from archsim.studies.again import repeat_of
    from archsim.studies.run.plan import RunPlan, plan_from_file, plan_from_options
    from archsim.studies.run.study import execute

    is_demo = arch is None
    if arch is None:
        arch, workload = DEMO
    if workload is None:
        given = sets or epochs or examples or full or seed or activity
        if given:
            raise SpecError([Problem("run", "options that change a run were given with a RUN.yaml",
                                     "edit the file, or give ARCH and WORKLOAD")])  # fmt: skip
        if (repeat := repeat_of(arch)) is not None:
            _again(ctx, repeat, trace, out, as_json, quiet)
        plan: RunPlan = plan_from_file(arch, trace)
    else:
        plan = plan_from_options(
            arch, workload, sets=sets or (), epochs=epochs, examples=examples, full=full, seed=seed, activity=activity,
            trace=trace,
        )  # fmt: skip
    for note in plan.notes:
        tell(f"archsim: {note}", err=True)
    with using(engine), progress_bar(plan.count, quiet or as_json) as progress:
        result, document, folder = execute(plan, out=out, progress=progress)
    ends = [f"report  {folder / 'report.html'}"]
    ends += [f"trace   {folder / TRACES[plan.trace].file}"] if plan.trace else []
    ends += [f"again   {plugins.line('run', str(folder / 'run.yaml'))}", *(_next_lines() if is_demo else ())]
    answer(
        folder / "metrics.json",
        lambda: lines_of(document),
        "\n".join(ends),
        as_json=as_json,
        quiet=quiet,
        passed=result.passed,
    )


def _next_lines() -> list[str]:
    lines = {plugins.line(*command.split()): words for command, words in NEXT.items()}
    wide = max(map(len, lines))
    return ["", *(f"{'' if i else 'next':6}  {command:{wide}}  {words}"
                  for i, (command, words) in enumerate(lines.items()))]  # fmt: skip


def _again(
    ctx: typer.Context, repeat: "Repeat", trace: str | None, out: Path | None, as_json: bool, quiet: bool
) -> None:
    """Carry a study out again, by the files that its folder holds, and leave with its exit status."""
    from archsim.spec.named import Taken, taking
    from archsim.studies.study import all_studies

    study = " ".join(repeat.words[: repeat.named])
    allowed = {"crosscheck", *(each.inputs.words for each in all_studies().values())}
    if study not in allowed:
        raise SpecError([Problem("study", f"'{study}' is not a study", nearest(study, allowed))])
    if trace is not None:
        raise SpecError([Problem("--trace", "is for a run", "leave it out")])
    for note in repeat.notes:
        tell(f"archsim: {note}", err=True)
    flags = [*(["--out", str(out)] if out else []), *(["--json"] if as_json else []), *(["--quiet"] if quiet else [])]
    words = [*repeat.words[: repeat.named], *flags, *repeat.words[repeat.named :]]
    command = ctx.find_root().command
    with TemporaryDirectory() as aside:  # the folder may be the one that is written
        taken = Taken(repeat.copied(Path(aside)), alone=True)
        with plugins.as_named(repeat.plugins), taking(taken), command.make_context("archsim", words) as context:
            command.invoke(context)
    raise typer.Exit(0)


@app.command(epilog=example("compare ambrogio_nature_2018 mlp_digits --gpu V100"))
def compare(
    ctx: typer.Context,
    arch: Arch,
    workload: Work,
    gpu: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A GPU; all if not given. Repeatable.", autocompletion=complete_name("gpus")),
    ] = None,
    batch: Annotated[str | None, typer.Option(metavar="1,16,...", help="Batch sizes of the GPUs.")] = None,
    measured: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A measured file, beside those shipped. Repeatable.")
    ] = None,
    gpus: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A file of your own GPUs, beside archsim's. Repeatable.")
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARCH", help="Another chip with the same workload. Repeatable.", autocompletion=complete_arch
        ),
    ] = None,
    sets: Sets = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="E", help="Epochs instead of the workload's.")] = None,
    examples: Examples = None,
    seed: Seed = 0,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set a chip against GPUs, at the same operations: time, energy, efficiency and density per example."""
    perform(ctx, "archsim.studies.gpus.study")


@app.command(epilog=example("report reports/ambrogio_nature_2018--mlp_mnist"))
def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR ...", help="A report's folder; or several of `run` or `crosscheck`."),
    ] = None,
    index: Annotated[
        bool, typer.Option("--index", help="List all reports below a folder, ./reports by default, on a page there.")
    ] = False,
    figures: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="Also write the figures of one as pdf or png, for papers.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a report again from what its folder holds; or put several runs side by side. Nothing is simulated."""
    if index:
        _list_reports(folders or [], figures, out, as_json, quiet)
        return
    if not folders:
        raise SpecError([Problem("report", "no folder was given", "for example: archsim report "
                                 f"reports/{DEMO[0]}--{DEMO[1]}, or archsim report --index")])  # fmt: skip
    if len(folders) == 1:
        _render_again(folders[0], figures, out, as_json, quiet)
        return
    if figures is not None:
        raise SpecError([Problem("--figures", "is for one folder", "leave it out")])
    from archsim.studies.runs.study import STUDY, Inputs

    _, document, written, _ = STUDY.perform(Inputs(tuple(folders)), out)
    page = f"report  {written / 'runs.html'}"
    answer(written / STUDY.file, lambda: lines_of(document), page, as_json=as_json, quiet=quiet)


def _list_reports(folders: list[Path], figures: str | None, out: Path | None, as_json: bool, quiet: bool) -> None:
    from archsim.studies.index import DEFAULT, plain, told, write_index

    if figures is not None or out is not None:
        raise SpecError([Problem("--index", "is a list in the folder itself", "leave --figures and --out out")])
    if len(folders) > 1:
        raise SpecError([Problem("--index", f"is of one folder, not of {len(folders)}", "give the one above them")])
    page, groups = write_index(folders[0] if folders else DEFAULT)
    if as_json:
        import json

        typer.echo(json.dumps(plain(groups), indent=2))
    elif not quiet:
        tell(f"index   {page}  {told(groups)}")


def _render_again(folder: Path, figures: str | None, out: Path | None, as_json: bool, quiet: bool) -> None:
    from archsim.report.folder import held
    from archsim.report.paint import FORMATS
    from archsim.studies.again import check_known
    from archsim.studies.run.study import render_again
    from archsim.studies.study import paint_again, show_again, study_in

    if out is not None:
        raise SpecError([Problem("--out", "is for several runs; one is made again where it is", "leave it out")])
    if figures is not None and figures not in FORMATS:
        raise SpecError([Problem("--figures", f"'{figures}' is not a format", nearest(figures, FORMATS))])
    with held(folder):
        study = None if (folder / "metrics.json").exists() or not folder.is_dir() else study_in(folder)
        if study is None:
            check_known(folder)
            shown, written = render_again(folder)
            data = written / "metrics.json"
        else:
            shown, written = show_again(study, folder)
            data = written / study.file
        if figures is not None:
            paint_again(shown, written, figures)
    told = f"report  {written / f'{shown.stem}.html'}"
    answer(data, lambda: [told], as_json=as_json, quiet=quiet)


@app.command(epilog=example("sensitivity ambrogio_nature_2018 mlp_digits --examples 100"))
def sensitivity(
    ctx: typer.Context,
    arch: Arch,
    workload: Work,
    sets: Sets = None,
    examples: Examples = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Halve and double each assumption in turn, and draw the tornado."""
    perform(ctx, "archsim.studies.sensitivity")


@app.command(epilog=example("survey ambrogio_nature_2018 mlp_digits mlp_mnist"))
def survey(
    ctx: typer.Context,
    arch: Arch,
    workloads: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORKLOAD ...]", help="Workloads; all built-in ones if none.", autocompletion=complete_workload
        ),
    ] = None,
    mode: Annotated[str | None, typer.Option(metavar="NAME", help="Train all, or let all infer.")] = None,
    hold: Annotated[
        str | None, typer.Option(metavar="TIME", help="Transfer after so long, not after the spec's examples.")
    ] = None,
    sets: Sets = None,
    examples: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of each, instead of two transfer intervals.")
    ] = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Networks side by side on one chip, made as large as each needs it: what each gets of the peak."""
    perform(ctx, "archsim.studies.survey", "surveying")


@app.command(epilog=example("network mesh --size 4x4 --load 0.1"))
def network(
    ctx: typer.Context,
    topology: Annotated[
        str,
        typer.Argument(
            metavar="TOPOLOGY", help="A topology by name, e.g. mesh.", autocompletion=complete_name("topologies")
        ),
    ],
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
        int | None, typer.Option(metavar="N", help="Flits of a virtual channel's buffer; a packet's if not given.")
    ] = None,
    router_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles of a router's pipeline.")] = 3,
    link_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles of a link between routers.")] = 1,
    credit_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles until a credit can be used.")] = 2,
    arbitration: Annotated[str, typer.Option(metavar="NAME", help="round_robin, fixed or age.")] = "round_robin",
    wait_for_tail_credit: Annotated[
        int,
        typer.Option(
            metavar="0|1",
            help="As in BookSim. 0: a virtual channel takes the next packet as soon as the tail of the one before has "
            "been sent to it, and holds several; 1: only when the credit of that tail is back.",
        ),
    ] = 0,
    hold_switch_for_packet: Annotated[
        int,
        typer.Option(
            metavar="0|1",
            help="As in BookSim. 0: the switch is arbitrated flit by flit; 1: a packet keeps it while its flits follow "
            "each other.",
        ),
    ] = 0,
    hot_tile: Annotated[int, typer.Option(metavar="N", help="The hot spot of 'hotspot'.")] = 0,
    hot_share: Annotated[float, typer.Option(metavar="S", help="Share of all packets that go there besides.")] = 0.1,
    warmup_cycles: Annotated[int, typer.Option(metavar="N", help="Cycles before packets are measured.")] = 5_000,
    cycles: Annotated[int, typer.Option(metavar="N", help="Cycles whose packets are measured.")] = 20_000,
    seed: Seed = 0,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """A network alone under synthetic traffic: latency against offered load, and where it saturates."""
    perform(ctx, "archsim.studies.noc.study")
