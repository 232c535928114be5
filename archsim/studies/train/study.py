"""Trainings as the command makes them: the schedule is simulated, its timeline is played in numbers."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np

from archsim.chip import build_chip
from archsim.functional.activity import Measured, together
from archsim.functional.checkpoint import NAME, PART, Checkpoint, damaged, digest_of
from archsim.functional.datasets import load_data
from archsim.functional.history import DivergedError, Epoch, history
from archsim.functional.losses import loss_name
from archsim.functional.probe import Findings, Probe
from archsim.functional.remarks import rates_warnings
from archsim.functional.train import (
    Progress,
    Training,
    check_ablations,
    check_cells,
    check_network,
    scales_of,
    seeds_from,
)
from archsim.mapping import build_schedule, map_workload
from archsim.report.document import Document
from archsim.report.files import files_of
from archsim.report.folder import check_folder, replace_file, write_folder
from archsim.results.bill import ActivityFile, activity_of, activity_yaml
from archsim.results.metrics import package_version
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.spec.settings import split_overrides
from archsim.studies.names import all_faults, default_folder
from archsim.studies.old import Study, json_text, registered
from archsim.studies.train.document import document
from archsim.studies.train.measures import ACCURACY, R2
from archsim.workload import load_workload

TABLES = ("final", "history", "saturation", "saturation_most", "conductances", "weight_error")
FIGURES = ("accuracy", "loss", "conductances", *(f"conductances_{place}" for place in range(2, 10)), "weight_error",
           "weight_error_network")  # fmt: skip
OWNED = (
    "history.json", "train.html", "train.md", "activity.yaml", NAME, PART,
    *(f"{name}.csv" for name in TABLES), *(f"{name}.svg" for name in FIGURES),
)  # fmt: skip
"""What a training writes; anything else in its folder belongs to others and is kept."""
STUDY = registered(
    Study("history.json", "archsim-history-1", "train", None, OWNED)
)  # what a probe saw of the cells is not in its file


def execute_training(
    arch: str,
    workload: str,
    *,
    sets: Sequence[str] = (),
    epochs: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    ablate: Sequence[str] = (),
    data_folder: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    epoch_ends: Callable[[Epoch, int, int], None] | None = None,
    progress: Callable[[Progress, float, int], None] | None = None,
) -> tuple[dict[str, Any], Document, Path]:
    """Return the history of a training, its report, and the folder that holds them.

    Seeds are `seed`, `seed` + 1, ... An interruption leaves the history so far and a checkpoint of the last epoch
    that ended, from which `resume` goes on. `epoch_ends` is called with what an epoch reached, how many epochs are
    done, and how many there are; `progress` with where the training is, the epochs done, with their part, and all.
    """
    ablate = list(dict.fromkeys(ablate))
    check_ablations(ablate)
    own_seeds = seeds_from(seed, seeds)
    mine, theirs = split_overrides(sets)
    chip_spec, network = all_faults([lambda: load_arch(arch, mine), lambda: load_workload(workload, theirs)])
    suffix = hashlib.sha256(" ".join(sorted(ablate)).encode()).hexdigest()[:8] if ablate else ""
    folder = out if out is not None else default_folder(chip_spec, network, f"ablate-{suffix}" if suffix else "")
    check_folder(folder)
    check_cells(chip_spec.value)
    check_network(network.value)
    kept = Checkpoint.read(folder) if resume else None
    count = epochs if epochs is not None else network.value.training.epochs
    data = load_data(network.value, data_folder, seed)
    names = {
        "arch": {"name": chip_spec.value.name, "hash": chip_spec.hash},
        "workload": {"name": network.value.name, "hash": network.hash},
        "rates": {
            where: {"first": own.learning_rate, "decay": own.learning_rate_decay, "floor": own.learning_rate_floor}
            for where, own in (("chip", network.value.training), ("float", network.value.training.of_the_baseline))
        },
        "loss": loss_name(network.value),
        "version": package_version(),
        "command": _command(arch, workload, sets, ablate, epochs, seeds, seed),
    }
    remarks = rates_warnings(network)
    identity = {
        "arch": f"{chip_spec.value.name} {chip_spec.hash}",
        "workload": f"{network.value.name} {network.hash}",
        "data": f"{data.name} {digest_of(data)}",
        "epochs": count,
        "seeds": [*own_seeds],
        "ablated": sorted(ablate),
        "version": f"archsim {package_version()}, numpy {np.__version__}, numba {numba.__version__}",
    }
    if kept is not None:
        kept.check(identity)
    chip = build_chip(chip_spec.value)
    schedule = build_schedule(chip, map_workload(network.value, chip), count * network.value.dataset.examples)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    found: dict[int, list[Epoch]] = {each: list(run) for each, run in kept.found.items()} if kept is not None else {}
    findings: Findings | None = kept.findings if kept is not None else None
    reads: dict[int, list[Measured]] = dict(kept.reads) if kept is not None else {}  # of the finished seeds
    diverged: DivergedError | None = None

    def so_far() -> dict[str, Any]:
        return history(found, names=names, ablate=ablate, data=data, wanted=(seeds, count), diverged=diverged,
                       remarks=remarks)  # fmt: skip

    def one(each: int) -> None:
        """Train one seed from where it stands to its end; the first one under a probe."""
        nonlocal findings
        training = Training(schedule, data, seed=each, ablate=ablate, probe=Probe(schedule) if each == seed else None)
        if each in found:
            assert kept is not None
            try:
                training.restore(kept.arrays, found[each])
            except ValueError as error:
                raise damaged(folder / NAME, error) from None

        def ended(entry: Epoch) -> None:
            anew = not found
            found.setdefault(each, []).append(entry)
            if anew:
                write_folder(folder, {"history.json": json_text(so_far())}, OWNED)  # of this training from now on
            Checkpoint(identity, found, findings, reads, training.arrays()).write(folder)
            replace_file(folder, "history.json", json_text(so_far()))  # alone: the report is written at the end
            if epoch_ends is not None:
                epoch_ends(entry, sum(map(len, found.values())), seeds * count)

        def inside(now: Progress) -> None:
            if progress is not None:
                part = now.examples / now.per_epoch if now.epoch == len(training.found) else 0.0
                progress(now, (each - seed) * count + len(training.found) + part, seeds * count)

        training.play(timeline.chunks, ended, inside)
        if training.probe is not None:
            findings = training.probe.findings(each, scales_of(chip_spec.value, network.value))
        reads[each] = [*training.model.reads(), *training.model.updates()]

    try:
        for each in own_seeds:
            if each not in reads:
                one(each)
    except DivergedError as error:
        diverged = error
        raise
    finally:
        result = so_far()
        if found:
            layers = [layer.name for layer in network.value.layers]
            whole = together(part for own in reads.values() for part in own)
            activity = activity_of(layers, whole) if whole else None
            shown = write_training(result, folder, findings, activity, goes_on=len(reads) < seeds and diverged is None)
    return result, shown, folder


def write_training(
    data: Mapping[str, Any],
    folder: Path,
    findings: Findings | None = None,
    activity: ActivityFile | None = None,
    *,
    goes_on: bool = False,
) -> Document:
    """Write a history as history.json, the report's files and activity.yaml; return the report.

    None of it is in a folder of its own, so that a training and a run can share theirs.

    `findings` are what a probe saw of the cells, and `activity` what finished seeds measured, if there are any. A
    training that `goes_on` keeps its checkpoint.
    """
    shown = document(data, findings, activity is not None)
    files = {"history.json": json_text(data), **files_of(shown)}
    if activity is not None:
        files["activity.yaml"] = activity_yaml(activity)
    write_folder(folder, files, [name for name in OWNED if not (goes_on and name == NAME)])
    return shown


def progress_words(now: Progress, epochs: int, seeds: int) -> str:
    """Return what a terminal shows of a training under way, in two lines: where it is, and the last epoch that ended.

    >>> print(progress_words(Progress(1, 2, 500, 1438, 0.25, Epoch(1, 1, 0.9, 0.95, 0.3, 0.2, 0.0, 0.0)), 20, 5))
    seed 1, epoch 3 of 20: 500 of 1,438, loss 0.250
    chip 90.00%, loss 0.300; float 95.00%, loss 0.200
    """
    place = f"seed {now.seed}, " if seeds > 1 else ""
    loss = "" if now.loss_chip is None else f", loss {now.loss_chip:.3f}"
    first = f"{place}epoch {now.epoch + 1} of {epochs}: {now.examples:,} of {now.per_epoch:,}{loss}"
    last = now.last
    if last is None:
        return f"{first}\nno epoch has ended"
    what, chip, floating = ACCURACY, last.accuracy_chip, last.accuracy_float
    if chip is None:
        what, chip, floating = R2, last.r2_chip, last.r2_float
    second = f"chip {what.head('')}{what.text(chip)}, loss {last.loss_chip:.3f}; "
    return f"{first}\n{second}float {what.head('')}{what.text(floating)}, loss {last.loss_float:.3f}"


def _command(
    arch: str, workload: str, sets: Sequence[str], ablate: Sequence[str], epochs: int | None, seeds: int, seed: int
) -> str:
    """Return the command that repeats a training from its beginning, as one line for a shell."""
    options: list[tuple[str, Any]] = [("--set", setting) for setting in sets] + [("--ablate", name) for name in ablate]
    options += [("--epochs", epochs)] if epochs is not None else []
    options += [("--seeds", seeds)] if seeds != 1 else []
    options += [("--seed", seed)] if seed else []
    return shlex.join(["archsim", "train", arch, workload, *(str(word) for option in options for word in option)])
