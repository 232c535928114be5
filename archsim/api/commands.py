"""The commands as functions: each takes what its command takes and returns what it found.

What many of them take:

`arch`, `workload`, `archs`
    Chips and workloads: names, paths, or what `load_arch` and `load_workload` returned.
`sets`
    Settings, such as {"tile.rows": 256}.
`examples`, `epochs`
    How much is simulated or trained, by default all of the workload's.
`seed`
    That of everything that is drawn.
`data`
    The folder of the data, or an .npz file.
`jobs`, `cluster`
    So many processes, by default as many as pay; or the address of a Dask scheduler. Results do not depend on them.
`store`
    A file in which results are kept, and from which they are taken.
`out`, `resume`
    The folder of the report. Without it nothing is written; with it what is kept on the way lies there, from which
    `resume` goes on.
`progress`
    Called with how much is done, of how much in all, and words.

All raise SpecError with everything that is wrong in what was given, before anything is simulated.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archsim.api.inputs import Axes, File, Spec, as_many, axes, numbers, pair, path, several, several_paths, texts
from archsim.api.shown import Run, StudyResult, performed
from archsim.base.errors import Problem, SpecError, nearest
from archsim.results.evaluate import evaluate
from archsim.simulation.choice import using
from archsim.spec.settings import Settings
from archsim.studies.study import AnyStudy, Progress, silent, study_called

if TYPE_CHECKING:
    from archsim.studies.ablate import Ablations
    from archsim.studies.gpus.shape import GpuComparison
    from archsim.studies.noc.document import Network
    from archsim.studies.published import Comparison
    from archsim.studies.search.trials import Saved
    from archsim.studies.sensitivity import Sensitivity
    from archsim.studies.survey import Survey
    from archsim.studies.sweep.points import Sweep
    from archsim.studies.train.history import History


def studied(module: AnyStudy | str, out: File | None, progress: Progress | None, **asked: Any) -> StudyResult[Any]:
    """Return what a study, or that of a module, finds, being asked as its inputs are called."""
    study: AnyStudy = importlib.import_module(module).STUDY if isinstance(module, str) else module
    inputs, told = study.inputs(**asked), progress or silent
    if out is None:
        data, folder, again = study.find(inputs, told)
        return StudyResult(study, data, folder, again, is_written=False)
    return performed(study, inputs, path(out), told)


def study(
    words: str, *, out: File | None = None, progress: Progress | None = None, **asked: Any
) -> StudyResult[Any]:  # fmt: skip
    """Carry out the study of a command, such as a plug-in's, asked as its options are called, with underscores.

    Chips and workloads are names, paths or what `load_arch` and `load_workload` returned; of several items give a
    sequence. Raises SpecError also where there is no such study, or it asks for something else.
    """
    found = study_called(words)
    fields = {field.name: field for field in dataclasses.fields(found.inputs)}
    strange = [
        Problem(words, f"does not ask for '{name}'", nearest(name, fields)) for name in asked if name not in fields
    ]
    missing = [
        Problem(words, f"asks for '{name}', which was not given", f"study('{words}', {name}=...)")
        for name, field in fields.items() if field.default is dataclasses.MISSING and name not in asked
    ]  # fmt: skip
    if strange or missing:
        raise SpecError([*strange, *missing])
    if {"arch", "workload", "sets"} <= set(fields):
        asked |= pair(asked["arch"], asked["workload"] or "", asked.get("sets", ()))
    given = {name: as_many(own, str(fields[name].type)) for name, own in asked.items()}
    return studied(found, out, progress, **given)


def run(
    arch: Spec = "ambrogio_nature_2018",
    workload: Spec = "mlp_mnist",
    *,
    sets: Settings = (),
    epochs: int | None = None,
    examples: int | None = None,
    full: bool = False,
    seed: int = 0,
    trace: str | None = None,
    activity: File | None = None,
    engine: str = "auto",
    out: File | None = None,
    progress: Progress | None = None,
) -> Run:
    """Simulate a training run: time, energy and area, cycle by cycle.

    `epochs` or `examples` say how much of it, all epochs of the workload by default; `full` goes through every example
    event by event. `activity` is a file that `train` wrote, by which reads are billed. `engine` is `simpy`, `compiled`,
    or `auto`, the quicker one: figures are equal. `trace` names a kind of file with every event, such as "perfetto",
    which `out` then has. Metrics are in SI units.

    >>> found = run("ambrogio_nature_2018", "mlp_digits", examples=10)
    >>> f"{found.time_per_example_s * 1e9:.1f} ns"
    '535.4 ns'
    """
    from archsim.studies.names import default_folder
    from archsim.studies.run.plan import plan_from_options

    asked = pair(arch, workload, sets)
    plan = plan_from_options(
        asked["arch"], asked["workload"], sets=asked["sets"], epochs=epochs, examples=examples, full=full, seed=seed,
        activity=path(activity), trace=trace,
    )  # fmt: skip
    count = plan.count
    told = None if progress is None else lambda done: progress(done, count)
    with using(engine):
        result = evaluate(
            plan.arch, plan.workload, examples=count, full=full, seed=seed, activity=plan.activity,
            activity_from=plan.activity_from, command=plan.command, progress=told,
        )  # fmt: skip
    return _reported(Run(result, plan, default_folder(plan.arch, plan.workload)), out)


def crosscheck(
    arch: Spec,
    workload: Spec,
    *,
    sets: Settings = (),
    examples: int | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    data: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> Run:
    """Simulate and train on one schedule, and compare; the comparison is the run's `crosscheck`.

    Operations, weights, staleness, leakage, energy and accuracy are compared over `examples`, by default two transfers
    of each shard. By `tolerance` percentage points the chip's accuracy may fall short.
    """
    from archsim.studies.crosscheck import crosschecked, plan_of

    asked = pair(arch, workload, sets)
    plan = plan_of(asked["arch"], asked["workload"], sets=asked["sets"], examples=examples, seed=seed,
                   tolerance=tolerance, data_folder=path(data))  # fmt: skip
    count = plan.run.count
    result, used = crosschecked(plan, None if progress is None else lambda done: progress(done, count))
    return _reported(Run(result, used, plan.folder), out)


def train(
    arch: Spec,
    workload: Spec,
    *,
    sets: Settings = (),
    epochs: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    ablate: str | Sequence[str] = (),
    goal: float | None = None,
    splits: int | None = None,
    data: File | None = None,
    resume: bool = False,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[History]:
    """Train the network on the chip's cells, on the simulated schedule, beside a floating-point baseline.

    `seeds` are so many devices, from `seed` on. `ablate` names imperfections to take away, `goal` by how many
    percentage points the chip may fall short. With `splits` examples are cut into so many parts, of which each seed is
    tested on one. Accuracies are shares of 1, losses in nats; its rows are the epochs of each seed.
    """
    return studied(
        "archsim.studies.train.study", out, progress, **pair(arch, workload, sets), epochs=epochs, seeds=seeds,
        seed=seed, ablate=texts(ablate), goal=goal, splits=splits, data=path(data), resume=resume, jobs=jobs,
        cluster=cluster, store=path(store),
    )  # fmt: skip


def ablate(
    arch: Spec,
    workload: Spec,
    *,
    sets: Settings = (),
    only: str | Sequence[str] = (),
    epochs: int | None = None,
    seeds: int = 3,
    seed: int = 0,
    data: File | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Ablations]:
    """Train with each imperfection of the chip taken away in turn, or with `only` some: what each costs.

    `seeds` are so many devices; its rows are the trainings, accuracies as shares of 1.
    """
    return studied(
        "archsim.studies.ablate", out, progress, **pair(arch, workload, sets), only=texts(only), epochs=epochs,
        seeds=seeds, seed=seed, data=path(data), jobs=jobs, cluster=cluster, store=path(store),
    )  # fmt: skip


def sweep(
    arch: Spec,
    workload: Spec,
    vary: Axes,
    *,
    sets: Settings = (),
    together: str | Sequence[str] = (),
    where: str | Sequence[str] = (),
    sample: int | None = None,
    sampler: str | None = None,
    intervals: bool = False,
    train: bool = False,
    epochs: int | None = None,
    seeds: int | None = None,
    seed: int = 0,
    ablate: str | Sequence[str] = (),
    data: File | None = None,
    resume: bool = False,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Sweep]:
    """Run, and if wanted `train`, at each point of a grid; its rows are the points.

    `vary` are values by key, {"tile.rows": [128, 256], "tile.cols": "64..512:x2"}; keys in one of `together`,
    "KEY,KEY", go in step. `where` are conditions that points must meet, such as "tile.rows <= tile.cols". `sample`
    takes so many points of the grid, by the `sampler` "lhs" or "sobol". `seeds` and `ablate` are as `train` has them.
    With `intervals` each metric has columns METRIC_low and METRIC_high.
    """
    return studied(
        "archsim.studies.sweep.study", out, progress, **pair(arch, workload, sets), vary=axes(vary, "vary"),
        together=texts(together), where=texts(where), sample=sample, sampler=sampler, intervals=intervals,
        train=train, epochs=epochs, seeds=seeds, seed=seed, ablate=texts(ablate), data=path(data), resume=resume,
        jobs=jobs, cluster=cluster, store=path(store),
    )  # fmt: skip


def optimise(
    arch: Spec,
    workload: Spec,
    search: Axes,
    *,
    minimise: str | Sequence[str] = (),
    maximise: str | Sequence[str] = (),
    subject_to: str | Sequence[str] = (),
    budget: int = 100,
    sampler: str | None = None,
    intervals: bool = False,
    sets: Settings = (),
    epochs: int | None = None,
    seed: int = 0,
    data: File | None = None,
    storage: str | None = None,
    resume: bool = False,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Saved]:
    """Search for the figures of a spec that are best in some metrics, under conditions; its rows are points tried.

    `search` says where figures are searched for, {"tile.rows": "64..1024:log", "schedule.in_flight": [1, 2, 4]};
    `minimise` and `maximise` name metrics, `subject_to` what has to hold, such as "area <= 30 mm2". It tries `budget`
    points, which a `sampler` of Optuna chooses; `storage` is the address of Optuna's database, where others look on or
    search with it. With `intervals` each metric has columns METRIC_low and METRIC_high.
    """
    return studied(
        "archsim.studies.search.study", out, progress, **pair(arch, workload, sets), search=axes(search, "search"),
        minimise=texts(minimise), maximise=texts(maximise), subject_to=texts(subject_to), budget=budget,
        sampler=sampler, intervals=intervals, epochs=epochs, seed=seed, data=path(data), storage=storage,
        resume=resume, jobs=jobs, cluster=cluster, store=path(store),
    )  # fmt: skip


def survey(
    arch: Spec,
    workloads: Spec | Sequence[Spec] = (),
    *,
    mode: str | None = None,
    hold: str | None = None,
    sets: Settings = (),
    examples: int | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Survey]:
    """Put networks side by side on one chip, made as large as each needs it; all built-in workloads if none is given.

    With `mode` all are trained, or all infer; `hold` is a time, such as "7.4 ms", after which weights are transferred.
    """
    asked = pair(arch, "", sets)
    return studied(
        "archsim.studies.survey", out, progress, arch=asked["arch"], sets=asked["sets"], workloads=several(workloads),
        mode=mode, hold=hold, examples=examples, jobs=jobs, cluster=cluster, store=path(store),
    )  # fmt: skip


def sensitivity(
    arch: Spec,
    workload: Spec,
    *,
    sets: Settings = (),
    examples: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Sensitivity]:
    """Take each assumption to the ends of its range, or halve and double it; its rows are the effects."""
    return studied(
        "archsim.studies.sensitivity", out, progress, **pair(arch, workload, sets), examples=examples, seed=seed,
        jobs=jobs, cluster=cluster, store=path(store),
    )  # fmt: skip


def compare(
    arch: Spec,
    workload: Spec,
    *,
    gpu: str | Sequence[str] = (),
    batch: int | Sequence[int] | None = None,
    measured: File | Sequence[File] = (),
    gpus: File | Sequence[File] = (),
    beside: Spec | Sequence[Spec] = (),
    sets: Settings = (),
    epochs: int | None = None,
    examples: int | None = None,
    seed: int = 0,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[GpuComparison]:
    """Set a chip against GPUs at the same operations, all known ones unless `gpu` names some; its rows are steps.

    `batch` are batch sizes of the GPUs. `gpus` are files of your own GPUs, `measured` files of measured steps, `beside`
    further chips.
    """
    sizes = batch if isinstance(batch, Sequence) or batch is None else [batch]
    return studied(
        "archsim.studies.gpus.study", out, progress, **pair(arch, workload, sets), gpu=texts(gpu),
        batch=None if sizes is None else ",".join(map(str, sizes)), measured=several_paths(measured),
        gpus=several_paths(gpus), beside=several(beside), epochs=epochs, examples=examples, seed=seed,
    )  # fmt: skip


def published(
    archs: Spec | Sequence[Spec] = (),
    *,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Comparison]:
    """Put published figures of chips, of all built-in ones if none is given, beside simulated ones: its rows."""
    return studied("archsim.studies.published", out, progress, archs=several(archs), jobs=jobs, cluster=cluster,
                   store=path(store))  # fmt: skip


def network(
    topology: str,
    *,
    size: str = "8x8",
    traffic: str | Sequence[str] = "uniform",
    load: float | Sequence[float] = (),
    packet_flits: int = 8,
    vcs: int = 4,
    buffer_flits: int | None = None,
    router_cycles: int = 3,
    link_cycles: int = 1,
    credit_cycles: int = 2,
    arbitration: str = "round_robin",
    wait_for_tail_credit: int = 0,
    hold_switch_for_packet: int = 0,
    hot_tile: int = 0,
    hot_share: float = 0.1,
    warmup_cycles: int = 5_000,
    cycles: int = 20_000,
    seed: int = 0,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Network]:
    """Simulate a network alone under synthetic traffic: latency against load, and where it saturates.

    `topology` is "mesh", "torus" or the like, of so many routers by so many: `size`. `traffic` names patterns, `load`
    the flits that each router sends in a cycle, by default from little to saturation.
    Packets are of `packet_flits`; a router has `vcs` virtual channels of `buffer_flits` at each input, by default a
    packet's, takes `router_cycles`, and grants by `arbitration`; a flit takes `link_cycles`, its credit `credit_cycles`
    back. With `wait_for_tail_credit` 1 a channel is given on when the last credit is back; with
    `hold_switch_for_packet` 1 a switch stays with a packet to its end. Of the traffic "hotspot" a share `hot_share`
    goes to `hot_tile`. It simulates `cycles`, after `warmup_cycles` of them.
    """
    return studied(
        "archsim.studies.noc.study", out, progress, topology=topology, size=size, traffic=texts(traffic),
        load=numbers(load), packet_flits=packet_flits, vcs=vcs, buffer_flits=buffer_flits, router_cycles=router_cycles,
        link_cycles=link_cycles, credit_cycles=credit_cycles, arbitration=arbitration,
        wait_for_tail_credit=wait_for_tail_credit, hold_switch_for_packet=hold_switch_for_packet, hot_tile=hot_tile,
        hot_share=hot_share, warmup_cycles=warmup_cycles, cycles=cycles, seed=seed, jobs=jobs, cluster=cluster,
        store=path(store),
    )  # fmt: skip


def _reported(found: Run, out: File | None) -> Run:
    if out is not None:
        found.report(out)
    return found
