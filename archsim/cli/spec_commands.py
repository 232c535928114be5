"""Commands that show, check and bring in: `check`, `show`, `diff`, `list`, `schema`, `published`, `import`, `data`."""

from pathlib import Path
from typing import Annotated

import typer

from archsim.base.errors import ArchsimError, Problem, SpecError
from archsim.cli.apps import app, data_sets, example
from archsim.cli.completing import complete_arch, complete_key, complete_name, complete_spec, complete_word
from archsim.cli.options import Cluster, Engine, Jobs, Json, Out, Quiet, Sets, StoreFile, list_entries, perform, tell


@app.command(epilog=example("check ambrogio_nature_2018"))
def check(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE ...", help="Specs or workloads, by path or name.", autocompletion=complete_spec),
    ],
    sets: Sets = None,
) -> None:
    """Validate specs and workloads: everything that is wrong, at once."""
    from archsim.studies.views import check_lines

    problems: list[Problem] = []
    for name in files:
        try:
            for line in check_lines(name, sets or ()):
                tell(line)
        except SpecError as error:
            problems += error.problems
        except ArchsimError as error:
            problems.append(Problem(name, str(error), "change the spec"))
    if problems:
        raise SpecError(problems)


@app.command(epilog=example("show ambrogio_nature_2018"))
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ARCH|WORKLOAD", help="A spec or workload, by name or path.", autocompletion=complete_spec
        ),
    ],
    sets: Sets = None,
) -> None:
    """Print a spec as resolved, each figure with its status and source."""
    from archsim.studies.views import load_any, show_lines

    for line in show_lines(load_any(name, sets or ())):
        tell(line)


@app.command(epilog=example("diff ambrogio_nature_2018 ambrogio_nature_2018_tuned"))
def diff(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A spec, workload or report folder.", autocompletion=complete_spec)
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Another of the same kind.", autocompletion=complete_spec)],
) -> None:
    """Print what differs between two specs or two runs."""
    from archsim.studies.views import diff_lines

    for line in diff_lines(a, b):
        tell(line)


@app.command(name="list", epilog=example("list topology"))
def list_(
    noun: Annotated[
        str | None,
        typer.Argument(
            metavar="[NOUN]",
            help="arch, workload, component, layer, topology, placement, policy, gpu, plugin, ...; nothing for all.",
            autocompletion=complete_name("nouns"),
        ),
    ] = None,
    gpus: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A file of your own GPUs, beside archsim's. Repeatable.")
    ] = None,
) -> None:
    """List what there is: a table on a terminal, one name a line when piped."""
    from archsim.studies.views import catalogue

    entries = catalogue(noun, gpus or ())
    list_entries(("kind", "name", "what it is"), entries, lambda entry: entry[1])


@app.command(epilog=example("schema arch"))
def schema(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="arch|workload", help="Which kind of file.", autocompletion=complete_word("arch", "workload")
        ),
    ],
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    import json

    from archsim.studies.views import schema_of

    typer.echo(json.dumps(schema_of(kind), indent=2))


@app.command(epilog=example("explain tile.rows"))
def explain(
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY|METRIC", help="As --set and metrics.json have it: tile.rows.", autocompletion=complete_key
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Tell what a key of a spec or a metric is: unit, range, default, where it is shipped, and what it moves."""
    import json

    from archsim.studies.explain import lines_of, plain_of

    if as_json:
        typer.echo(json.dumps(plain_of(key), indent=2))
        return
    for line in lines_of(key):
        tell(line)


@app.command(epilog=example("new arch my_chip"))
def new(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="arch|workload|device",
            help="What to start.",
            autocompletion=complete_word("arch", "workload", "device"),
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; NAME.yaml is written in this folder.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="ARCH|WORKLOAD", help="What to start from, by name or path.", autocompletion=complete_spec
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="The kind of a device, e.g. soft_bounds.",
            autocompletion=complete_name("devices"),
        ),
    ] = None,
) -> None:
    """Write a commented NAME.yaml to start from: archsim new arch my_chip. Nothing is ever overwritten."""
    from archsim.studies.new import start, tries, write

    files = start(kind, name, base, device)
    write(files)
    for line in tries(kind, files):
        tell(line)


@app.command(epilog=example("published ambrogio_nature_2018"))
def published(
    ctx: typer.Context,
    archs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ARCH ...]",
            help="Chips, by name or path; nothing for all built-in ones.",
            autocompletion=complete_arch,
        ),
    ] = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    store: StoreFile = None,
    engine: Engine = "auto",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Published figures against simulated ones; exit with 1 if a fitted one is not met."""
    perform(ctx, "archsim.studies.published")


@app.command(name="import", epilog=example("import MODEL.onnx > workload.yaml"))
def import_(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model in ONNX's binary form.")],
    digital: Annotated[
        bool, typer.Option("--digital", help="Charge what has no fixed weights to the digital units.")
    ] = False,
    dim: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="The size of a symbolic dimension. Repeatable.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Also write the weights, and let the workload name them.")
    ] = None,
) -> None:
    """Print the workload of an ONNX model: archsim import MODEL.onnx > workload.yaml."""
    from archsim.base.documents import dump_yaml
    from archsim.workload.onnx.importing import import_onnx
    from archsim.workload.onnx.sizes import sizes_of
    from archsim.workload.weights import write_weights

    here, file = Path.cwd(), weights
    if file is not None and file.is_absolute() and file.is_relative_to(here):
        file = file.relative_to(here)  # as the workload that is printed lies here
    found = import_onnx(model, digital=digital, dims=sizes_of(dim or ()), weights_file=str(file) if file else None)
    if weights is not None:
        write_weights(weights, found.weights)
    for note in found.notes:
        tell(f"archsim: {note}", err=True)
    typer.echo(dump_yaml(found.workload), nl=False)


@data_sets.command(name="fetch", epilog=example("data fetch mnist"))
def fetch_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which data set: mnist.")],
    folder: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Folder of the data sets; else ARCHSIM_DATA, else ./data."),
    ] = None,
) -> None:
    """Download a data set, unless it is there, and check it."""
    from archsim.functional.downloads import fetch

    for path, fetched in fetch(name, folder):
        tell(f"{path}  {'fetched' if fetched else 'was there'}")
