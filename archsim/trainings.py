"""Trainings as the command makes them: the schedule is simulated, its timeline is played in numbers."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archsim.accounting import activity_of, activity_yaml
from archsim.chip import build_chip
from archsim.functional.activity import Reads, together
from archsim.functional.datasets import load_data
from archsim.functional.train import Epoch, check_ablations, check_cells, history, train
from archsim.loading import load_arch
from archsim.mapping import build_schedule, map_workload
from archsim.metrics import package_version
from archsim.report import check_folder
from archsim.report.training import write_training
from archsim.runs import all_faults, default_folder, split_overrides
from archsim.simulation import simulate
from archsim.workload import load_workload


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
    epoch_ends: Callable[[Epoch, int, int], None] | None = None,
) -> tuple[dict[str, Any], Path]:
    """Return the history of a training and the folder that holds it.

    Seeds are `seed`, `seed` + 1, ... An interruption leaves the history so far. `epoch_ends` is called with
    what an epoch reached, how many epochs are done, and how many there are.
    """
    check_ablations(ablate)
    mine, theirs = split_overrides(sets)
    chip_spec, network = all_faults([lambda: load_arch(arch, mine), lambda: load_workload(workload, theirs)])
    suffix = hashlib.sha256(" ".join(sorted(ablate)).encode()).hexdigest()[:8] if ablate else ""
    folder = out if out is not None else default_folder(chip_spec, network, f"ablate-{suffix}" if suffix else "")
    check_folder(folder)
    check_cells(chip_spec.value)
    count = epochs if epochs is not None else network.value.training.epochs
    data = load_data(network.value, data_folder, seed)
    chip = build_chip(chip_spec.value)
    schedule = build_schedule(chip, map_workload(network.value, chip), count * network.value.dataset.examples)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    words = ["archsim", "train", arch, workload]
    options: list[tuple[str, Any]] = [("--set", setting) for setting in sets] + [("--ablate", name) for name in ablate]
    options += [("--epochs", epochs)] if epochs is not None else []
    options += [("--seeds", seeds)] if seeds != 1 else []
    options += [("--seed", seed)] if seed else []
    names = {
        "arch": {"name": chip_spec.value.name, "hash": chip_spec.hash},
        "workload": {"name": network.value.name, "hash": network.hash},
        "version": package_version(),
        "command": shlex.join([*words, *(str(word) for option in options for word in option)]),
    }
    found: dict[int, list[Epoch]] = {}
    reads: list[Reads] = []

    def ended(entry: Epoch) -> None:
        found.setdefault(entry.seed, []).append(entry)
        if epoch_ends is not None:
            epoch_ends(entry, sum(map(len, found.values())), seeds * count)

    try:
        for each in range(seed, seed + seeds):
            _, model = train(schedule, timeline.chunks, data, seed=each, ablate=ablate, epoch_ends=ended)
            reads += model.reads()
    finally:
        result = history(found, names=names, ablate=ablate, data=data)
        if found:
            layers = [layer.name for layer in network.value.layers]
            files = {"activity.yaml": activity_yaml(activity_of(layers, together(reads)))} if reads else {}
            write_training(result, folder, files)
    return result, folder
