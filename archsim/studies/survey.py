"""Networks on one design of chip, made as large as each needs it: what each gets of the peak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from archsim.base.errors import ArchsimError, InfeasibleError, Problem, SpecError
from archsim.base.record import Named, Record
from archsim.base.shipped import builtin_names
from archsim.base.units import engineering, parse_quantity, percent
from archsim.base.words import counted
from archsim.report.bars import from_zero
from archsim.report.document import Block, Document, Facts, Points, Section, Text, code, say
from archsim.report.figure import Axis, Bar, Bars, Piece
from archsim.report.table import Column, Table
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.settings import split_overrides
from archsim.studies.enlarging import enlargement, held_interval, two_intervals
from archsim.studies.names import all_faults, folder_of
from archsim.studies.study import Data, Prepared, Progress, Study, given, named, registered, signed, silent
from archsim.studies.tasks.bench import Compute, Spread, alone, bench, outcomes
from archsim.studies.tasks.on_chip import Ran, RunTask
from archsim.studies.tasks.task import Outcome
from archsim.workload import load_workload
from archsim.workload.network import Workload

IDLE = "leakage"
"""The phase of the bill that is spent whether or not anything is done."""


@dataclass(frozen=True)
class Inputs(Spread):
    """A chip, and workloads, all built-in ones if none is named.

    With `mode` all are trained, or all infer; `hold` is a time, such as "7.4 ms", after which weights are transferred.
    """

    words = "survey"
    arch: str
    workloads: tuple[str, ...] = given("")
    mode: str | None = None
    sets: tuple[str, ...] = given("--set")
    hold: str | None = None
    examples: int | None = None


class Network(Record):
    """A network, and `settings`: what was changed of the chip so that it fits. The `reason` says why it could not run.

    `steps` are the vectors of an example.
    """

    name: str
    hash: str
    mode: str
    settings: tuple[str, ...]
    synapses: int
    steps: int
    reason: str = ""
    passed: bool = True


class Row(Network):
    """What a network that could be run comes to; SI units.

    `fill` is the share of the cells of the used tiles that hold a synapse, `busy` that of their cycles in which their
    crossbars compute, `idle` that of the energy that goes whatever is done. `dwell_leaks` is the mean time of an update
    on its capacitor, in time constants of the leak. `intervals` are by metric those that ranges of the chip's figures
    make.
    """

    tiles: int
    tiles_used: int
    time_per_example_s: float
    energy_per_example_j: float
    efficiency_op_per_j: float
    efficiency_peak_op_per_j: float
    share_of_peak: float
    throughput_op_per_s: float
    throughput_peak_op_per_s: float
    fill: float
    busy: float
    idle: float
    transfer_time_share: float
    dwell_leaks: float | None
    program_time_s: float | None
    program_energy_j: float | None
    intervals: Mapping[str, tuple[float, float]] = {}

    def end(self, metric: str, which: int) -> float | None:
        """Return the low (0) or the high (1) end of a metric's interval; None without one."""
        return self.intervals[metric][which] if metric in self.intervals else None


class Survey(Data):
    """What survey.json holds."""

    schema_id: Literal["archsim-survey-1"] = signed("archsim-survey-1")
    arch: Named
    passed: bool
    networks: tuple[Row | Network, ...]


def prepare(inputs: Inputs) -> Prepared[Survey]:
    """Return a survey to be made; raise SpecError with all that is wrong."""
    mine, theirs = split_overrides(inputs.sets)
    names = list(dict.fromkeys(inputs.workloads)) or builtin_names("workloads")
    if theirs:
        raise SpecError([Problem("--set", f"'{theirs[0]}' is of one workload", "set figures of the chip alone")])
    hold_s = None if inputs.hold is None else _hold_s(inputs.hold)
    mode = [] if inputs.mode is None else [f"mode={inputs.mode}"]
    loads: list[Callable[[], Any]] = [lambda: load_arch(inputs.arch, mine)]
    loads += [lambda name=name: load_workload(name, mode) for name in names]  # type: ignore[misc]
    chip, *networks = all_faults(loads)

    def compute(progress: Progress, folder: Path) -> Survey:
        with bench(inputs, folder) as tasks_done:
            rows = survey(
                chip, networks, examples=inputs.examples, hold_s=hold_s, progress=progress, compute=tasks_done
            )
        if all(row.reason for row in rows):
            raise InfeasibleError("\n".join(dict.fromkeys(f"{row.name}: {row.reason}" for row in rows)))
        return Survey(
            command=inputs.line, arch=named(chip), passed=all(row.passed for row in rows), networks=tuple(rows)
        )  # fmt: skip

    more = [*inputs.workloads, *mode, *inputs.sets, *([inputs.hold] if inputs.hold else [])]
    return Prepared(folder_of([chip.value.name, "survey"], more), compute)


def _hold_s(text: str) -> Fraction:
    """Return a time in seconds; raise SpecError unless it is one, and above 0."""
    hint = "give a time above 0, for example --hold '7.4 ms'"
    try:
        hold_s = parse_quantity(text, "s")
    except ValueError as error:
        raise SpecError([Problem("--hold", str(error), hint)]) from None
    if hold_s <= 0:
        raise SpecError([Problem("--hold", f"'{text}' is not above 0", hint)])
    return hold_s


def survey(
    arch: Loaded[ArchSpec],
    workloads: Sequence[Loaded[Workload]],
    *,
    examples: int | None = None,
    hold_s: Fraction | None = None,
    progress: Progress = silent,
    compute: Compute = alone,
) -> list[Network]:
    """Return a row for each workload: `examples` of it, or two transfer intervals, on the chip made large enough.

    With `hold_s` transfers come after as many examples as take so long, and not after as many as the spec says.
    """
    rows: list[Network] = []
    tasks: dict[int, RunTask] = {}
    for place, workload in enumerate(workloads):
        own, reason = workload.value, ""
        settings: tuple[str, ...] = ()
        try:
            settings = enlargement(arch, own)
            if hold_s is not None:
                settings += held_interval(arch.with_overrides(settings).value, own, hold_s)
            chip = arch.with_overrides(settings)
            tasks[place] = RunTask(chip, workload, examples or two_intervals(chip.value, own))
        except ArchsimError as error:
            reason = str(error)
        rows.append(Network(name=own.name, hash=workload.hash, mode=own.mode, settings=settings,
                            synapses=own.synapses, steps=own.steps, reason=reason))  # fmt: skip
    for place, found in zip(tasks, outcomes(compute, list(tasks.values()), progress), strict=True):
        rows[place] = _with_figures(rows[place], found)
    return rows


def _with_figures(network: Network, found: Outcome) -> Network:
    """Return a network with what its run came to, or with the reason why it could not be run."""
    if not isinstance(found, Ran):
        return network.model_copy(update={"reason": str(found)})
    metrics: Mapping[str, Any] = found.metrics
    dwell_s = metrics["dwell_time_mean_s"]
    kept = ("tiles", "tiles_used", "time_per_example_s", "energy_per_example_j", "efficiency_op_per_j",
            "efficiency_peak_op_per_j", "throughput_op_per_s", "throughput_peak_op_per_s",
            "transfer_time_share")  # fmt: skip
    figures: dict[str, Any] = {
        **{name: metrics[name] for name in kept},
        "share_of_peak": metrics["efficiency_op_per_j"] / metrics["efficiency_peak_op_per_j"],
        "fill": found.cells_used / found.cells,
        "busy": metrics["tile_utilisation"],
        "idle": found.energy_by_phase_j.get(IDLE, 0.0) / found.energy_j,
        "dwell_leaks": None if not found.leak_time_constant_s or dwell_s is None
        else dwell_s / found.leak_time_constant_s,
        "program_time_s": found.program_time_s,
        "program_energy_j": found.program_energy_j,
        "passed": not found.audits_failed,
        "intervals": {name: ends for name, ends in found.intervals.items() if name in kept},
    }  # fmt: skip
    return Row(**{**vars(network), **figures})


# ---- the report


COLUMNS: dict[str, tuple[Callable[[Row], Any], str]] = {
    "network": (lambda row: row.name, ""),
    "mode": (lambda row: row.mode, ""),
    "synapses": (lambda row: row.synapses, ""),
    "steps": (lambda row: row.steps, ""),
    "tiles": (lambda row: row.tiles_used, ""),
    "time per example": (lambda row: row.time_per_example_s, "s"),
    "energy per example": (lambda row: row.energy_per_example_j, "J"),
    "peak efficiency": (lambda row: row.efficiency_peak_op_per_j, "OP/s/W"),
    "sustained": (lambda row: row.efficiency_op_per_j, "OP/s/W"),
    "low": (lambda row: row.end("efficiency_op_per_j", 0), "OP/s/W"),
    "high": (lambda row: row.end("efficiency_op_per_j", 1), "OP/s/W"),
    "of the peak": (lambda row: row.share_of_peak, "%"),
    "cells filled": (lambda row: row.fill, "%"),
    "crossbars busy": (lambda row: row.busy, "%"),
    "idle energy": (lambda row: row.idle, "%"),
    "in transfers": (lambda row: row.transfer_time_share, "%"),
    "held, leaks": (lambda row: row.dwell_leaks, ""),
}
"""By heading: what of a row, and the unit."""
OF_THE_NETWORK = ("mode", "synapses", "steps")
"""What does not depend on the chip; on the page it stands beside what was changed of the chip."""
MEANT = (
    "*Tiles*: those that hold a part of the network; the chip is made as large as it must be.",
    "*Low*, *high*: within which 80 % of the draws of the chip's ranges have the sustained efficiency.",
    "*Of the peak*: sustained over peak efficiency.",
    "*Cells filled*: of the tiles that are used.",
    "*Crossbars busy*: share of these tiles' cycles in which they are read or updated.",
    "*Idle energy*: leakage, clock and control, which go whatever is done.",
    "*In transfers*: share of the time in which at least one crossbar moves its capacitors' weights to the long-term "
    "cells.",
    "*Held, leaks*: mean time of an update on its capacitor, in time constants of the leak; where it is much above "
    "one, little is left of it.",
)
SHARES: tuple[tuple[Callable[[Row], float], str, str], ...] = (
    (lambda row: row.fill, "cells filled", "#12837a"),
    (lambda row: row.busy, "crossbars busy", "#8e5ea2"),
    (lambda row: row.idle, "idle energy", "#b03a2e"),
)
SUSTAINED, LOST = "#1b6ca8", "#c9ced1"


def document(data: Survey) -> Document:
    """Return the report of a survey: it depends on what survey.json holds alone."""
    reasons = tuple(say("{name} could not be run: {reason}", brief=True, name=row.name, reason=row.reason)
                    for row in data.networks if row.reason)  # fmt: skip
    failed = [row.name for row in data.networks if not row.reason and not row.passed]
    alarm: list[Block] = []
    if failed:
        alarm.append(say("**FAILED:** an audit of {names}. Do not trust these figures before that is understood.",
                         kind="failed", brief=True, names=", ".join(failed)))  # fmt: skip
    rows = ranked(data)
    return Document(
        f"Networks on {data.arch.name}",
        (*alarm, say("Each network runs on a chip of this design that is as large as the network needs it.",
                     kind="lead")),
        (
            Section("networks", "What each network gets of the peak",
                    (table(rows), Points(tuple(map(say, MEANT))), *reasons)),
            Section("figures", "Efficiency, and what it is lost to", (efficiency(rows), shares(rows))),
            Section("chips", "The networks and their chips", (_changed(data),)),
        ),
        data.ends(data.arch),
        stem="survey",
    )  # fmt: skip


def ranked(data: Survey) -> list[Row]:
    """Return the networks that could be run, those that get most of the peak first."""
    run = [row for row in data.networks if isinstance(row, Row)]
    return sorted(run, key=lambda row: (-row.share_of_peak, row.name))


def table(rows: Sequence[Row]) -> Table:
    """What each network comes to; the file also holds what does not depend on the chip."""
    hidden = (*OF_THE_NETWORK, "peak efficiency")
    columns = tuple(Column(head, unit, shown=head not in hidden) for head, (_, unit) in COLUMNS.items())
    return Table("survey", "Networks", columns, tuple(tuple(of(row) for of, _ in COLUMNS.values()) for row in rows),
                 most=100, brief=True)  # fmt: skip


def efficiency(rows: Sequence[Row]) -> Bars:
    """Sustained efficiency of each network, and what is left to the peak."""
    unit = "OP/s/W"
    bars = []
    for row in rows:
        own, top = row.efficiency_op_per_j, row.efficiency_peak_op_per_j
        tip = f"{row.name}: sustained {engineering(own, unit)}, peak {engineering(top, unit)}"
        pieces = (Piece(0.0, own, SUSTAINED, tip), Piece(own, max(0.0, top - own), LOST, tip))
        bars.append(Bar(row.name, f"{percent(row.share_of_peak)} of the peak", pieces))
    most = max((max(row.efficiency_op_per_j, row.efficiency_peak_op_per_j) for row in rows), default=0.0)
    legend = (("sustained", SUSTAINED), ("peak", LOST))
    return Bars("efficiency", "Sustained efficiency and the peak", "", tuple(bars), from_zero(most, unit), legend)


def shares(rows: Sequence[Row]) -> Bars:
    """What efficiency is lost to: cells that hold nothing, crossbars that wait, and energy that goes in any case."""
    bars = []
    for row in rows:
        pieces = tuple(
            Piece(0.0, of(row), tone, f"{row.name}, {label}: {percent(of(row))}", (place, len(SHARES)))
            for place, (of, label, tone) in enumerate(SHARES)
        )  # fmt: skip
        bars.append(Bar(row.name, "", pieces))
    axis = Axis("", 0.0, 1.0, tuple((i / 4, f"{25 * i} %") for i in range(5)))
    legend = tuple((label, tone) for _, label, tone in SHARES)
    return Bars("shares", "Cells filled, crossbars busy, idle energy", "", tuple(bars), axis, legend)


def _changed(data: Survey) -> Facts:
    """Return what each network is, and what was changed of the chip so that it fits."""
    found = []
    for row in data.networks:
        what = say("{mode}, {synapses}, {steps} an example", mode=row.mode,
                   synapses=counted(row.synapses, "synapse"), steps=counted(row.steps, "vector"))  # fmt: skip
        more = (*say("; of the chip ").spans, *code(row.settings).spans) if row.settings else ()
        found.append((row.name, Text((*what.spans, *more))))
    return Facts(tuple(found))


STUDY = registered(Study(
    Inputs, Survey, "survey.json", prepare, document, lambda data: data.passed, once=("survey.csv", "survey.svg")
))  # fmt: skip
