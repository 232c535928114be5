"""The training of one seed as a task, which keeps a checkpoint of its own at the end of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from archsim.base.atomic import output
from archsim.base.doors import door
from archsim.base.record import Record
from archsim.chip import build_chip
from archsim.functional.activity import Measured
from archsim.functional.checkpoint import DAMAGED, Arrays, Checkpoint
from archsim.functional.data_set import Data
from archsim.functional.datasets import load_data
from archsim.functional.epochs import DivergedError, Epoch
from archsim.functional.findings import Findings
from archsim.functional.probe import Probe
from archsim.functional.splits import Split
from archsim.functional.train import Chunks, Training, scales_of
from archsim.functional.train import Progress as Place
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.schedule import Schedule
from archsim.simulation import simulate
from archsim.simulation.shortened import shortened
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.studies.tasks.data_here import folder_here, seen
from archsim.studies.tasks.task import Inside, Task, labelled, unheard
from archsim.workload.network import Workload

SYNAPSE_S = 2e-10
"""A training's time for an example and a synapse: half of what MNIST's takes on one core. An estimate."""
NOTHING_RESUMED = "nothing can be resumed; train without --resume"


class Trained(Record):
    """What one seed's epochs reached, what was measured in them, and what a probe found; or where it `diverged`."""

    epochs: tuple[Epoch, ...]
    reads: tuple[Measured, ...] = ()
    findings: Findings | None = None
    diverged: Mapping[str, Any] | None = None

    def error(self) -> DivergedError | None:
        """Return what a training that diverged raises."""
        return None if self.diverged is None else DivergedError(**self.diverged)


def trained(
    schedule: Schedule, data: Data, seed: int, ablated: tuple[str, ...], probed: bool, chunks: Chunks,
    state: tuple[list[Epoch], Arrays] | None, where: str, ended: Callable[[Epoch, Training], None],
    inside: Callable[[Place], None], compared: bool = True,
) -> Trained:  # fmt: skip
    """Train one seed from its `state` in the file `where`, if it has one, to its end, under a probe if it is `probed`.

    Beside the chip stands its baseline, if they are `compared`.
    Calls `ended` with each epoch, and `inside` within them. Raises SpecError where the state is another chip's.
    """
    probe = Probe(schedule) if probed else None
    training = Training(schedule, data, seed=seed, ablate=ablated, probe=probe, compared=compared)
    if state is not None:
        found, arrays = state
        with door(where, DAMAGED, NOTHING_RESUMED, (ValueError,), speaks=(ValueError,)):
            training.restore(arrays, found)
    try:
        training.play(chunks, lambda epoch: ended(epoch, training), inside)
    except DivergedError as error:
        return Trained(epochs=tuple(training.found), diverged={"message": str(error), **vars(error)})
    scales = scales_of(schedule.chip.spec, schedule.mapping.workload)
    return Trained(
        epochs=tuple(training.found), reads=tuple(training.model.activity()),
        findings=None if probe is None else probe.findings(seed, scales),
    )  # fmt: skip


@dataclass(frozen=True)
class SeedTask(Task[Trained]):
    """A training of one seed on these data: their name and digest, and where and by which seed they are found.

    A checkpoint of the training called `identity` is kept at `place`, in a folder of the study's, and gone on from, if
    there is a place. Unless it is `compared`, the chip is trained without its baseline.
    """

    result: ClassVar[type[Record]] = Trained
    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    epochs: int
    seed: int
    ablated: tuple[str, ...]
    probed: bool
    data: str
    data_folder: Path
    data_seed: int
    identity: Mapping[str, Any]
    place: Path | None
    split: Split | None = None
    compared: bool = True

    @property
    def words(self) -> str:
        """Its seed."""
        return f"seed {self.seed}"

    @property
    def estimate_s(self) -> float:
        """How long it takes at least."""
        workload = self.workload.value
        return self.epochs * workload.dataset.examples * workload.synapses * SYNAPSE_S

    def labels(self) -> Mapping[str, str]:
        """Return chip and workload, what is set of them, and the seed."""
        sets = [*self.arch.overrides, *self.workload.overrides]
        return {**labelled(self.arch.value.name, self.workload.value.name, sets), "seed": str(self.seed)}

    def asked(self) -> Mapping[str, Any]:
        """Return specs, data and options."""
        return {
            "arch": self.arch.digest, "workload": self.workload.digest, "data": self.data, "epochs": self.epochs,
            "seed": self.seed, "ablated": list(self.ablated), "probed": self.probed, "split": self.split,
            "compared": self.compared,
        }  # fmt: skip

    def compute(self, inside: Inside = unheard) -> Trained:
        """Train; raise UnseenDataError where the data are not found here."""
        workload = self.workload.value
        folder = folder_here(self.data_folder)
        first = None if self.split is None else Split(0, self.split.of)
        data = seen(lambda: load_data(workload, folder, self.data_seed, first), workload.name, self.data)
        if self.split != first:
            data = load_data(workload, folder, self.data_seed, self.split)
        chip = build_chip(self.arch.value)
        schedule = build_schedule(chip, map_workload(workload, chip), self.epochs * workload.dataset.examples)
        timeline = simulate(schedule, timeline=True).timeline
        assert timeline is not None
        place = self.place
        if place is not None and not place.parents[1].is_dir():
            place = None  # on a machine that does not see the folder
        state = None
        if place is not None and place.is_file():
            kept = Checkpoint.read_file(place)
            kept.check(self.identity)
            state = kept.found[self.seed], kept.arrays
        done = list(state[0]) if state is not None else []

        def ended(epoch: Epoch, training: Training) -> None:
            done.append(epoch)
            if place is not None:
                with output(place, f"--out {place.parents[1]}") as write:
                    write(Checkpoint(self.identity, {self.seed: done}, None, {}, training.arrays()).write)

        def within(place: Place) -> None:
            loss = "" if place.loss_chip is None else f", loss {place.loss_chip:.3f}"
            inside(place.epochs / self.epochs, f"epoch {place.epoch + 1} of {self.epochs}{loss}")

        chunks = shortened(schedule, timeline.chunks)
        return trained(schedule, data, self.seed, self.ablated, self.probed, chunks, state, str(place), ended, within,
                       self.compared)  # fmt: skip
