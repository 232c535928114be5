"""Builders shared by the tests: small workloads, the shipped chips with overrides, and random runs for hypothesis."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

import pytest
import typer
from hypothesis import assume
from hypothesis import strategies as st

from archsim.chip.graph import Chip, build_chip
from archsim.components.interconnect import ARBITRATIONS
from archsim.functional.losses import TARGETS
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import Op, Schedule
from archsim.results import intervals
from archsim.results.intervals import drawn_run, of_chip
from archsim.simulation.run import Trace, simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import PLACEMENTS, REDUCTIONS, REFRESH_POLICIES, TOPOLOGIES, TRANSFER_POLICIES
from archsim.spec.loading import Loaded, load_arch
from archsim.workload import Dataset, Dense, Training, Workload
from archsim.workload.activations import ACTIVATIONS

REFERENCE = "ambrogio_nature_2018"
PACKET = "ambrogio_nature_2018_packet"
BUS = "ambrogio_nature_2018_bus"
SHIPPED = (REFERENCE, PACKET, BUS)
STATIC = "tile.device={kind: static_cell, area: 1 um2, read_energy: 50 fJ, supply: 1.0 V, read: 0.2 V}"

DRAWN = {"archsim.results.evaluate.drawn_run": drawn_run, "archsim.studies.published.of_chip": of_chip}
"""What draws for intervals without being asked; tests/conftest.py puts nothing in its place."""
DRAWS = {f"archsim.results.intervals.{name}": getattr(intervals, name) for name in ("BILLED", "SIMULATED")}
"""How many draws users have; tests/conftest.py puts few in their place."""


@contextmanager
def with_intervals(as_users_have: bool = False) -> Iterator[None]:
    """Have metrics their intervals, of few draws, or `as_users_have` and processes that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name, own in {**DRAWN, **(DRAWS if as_users_have else {})}.items():
            patch.setattr(name, own)
        yield


def network(
    *sizes: int,
    batch: int = 1,
    bias: bool = True,
    input_bits: int = 8,
    hidden: str = "relu",
    output: str = "softmax",
    target: Any = "class",
    signed: bool = False,
    **parameters: Any,
) -> Workload:
    """Return a network whose layers have these widths, the inputs first; `parameters` are those of hidden layers."""
    last = len(sizes) - 2
    layers = tuple(
        Dense(
            name=f"fc{i + 1}",
            inputs=sizes[i],
            outputs=sizes[i + 1],
            activation=output if i == last else hidden,
            bias=bias,
            **({} if i == last else parameters),
        )
        for i in range(last + 1)
    )
    return Workload(
        name="test",
        dataset=Dataset(name="none", examples=1000, input_bits=input_bits, target=target, signed=signed),
        layers=layers,
        training=Training(epochs=1, batch=batch, learning_rate=0.05),
    )


@cache
def whole_command() -> Any:
    """Return archsim's command with all below it, which takes as long to build as many commands to carry out."""
    from archsim.cli.apps import app

    return typer.main.get_command(app)


@cache
def nodes(source: str) -> tuple[ast.AST, ...]:
    """Return the nodes of a module's tree, the root first; a source is parsed once, whatever looks through it."""
    return tuple(ast.walk(ast.parse(source)))


@cache
def shipped(name: str) -> Loaded[ArchSpec]:
    """Return a shipped chip as its file has it, which is read once."""
    return load_arch(name)


def chip_of(base: str = REFERENCE, overrides: Sequence[str] = ()) -> Chip:
    """Return a shipped chip with overrides."""
    return build_chip((shipped(base).with_overrides(overrides) if overrides else shipped(base)).value)


def schedule_of(
    workload: Workload, examples: int, overrides: Sequence[str] = (), base: str = REFERENCE, chip: Chip | None = None
) -> Schedule:
    """Return the schedule of a workload on a shipped chip with overrides."""
    chip = chip or chip_of(base, overrides)
    return build_schedule(chip, map_workload(workload, chip), examples)


def windows(row_step: str, col_step: str, ramp: str) -> list[str]:
    """Return overrides for the steps of the drivers, 128 to a window, and the length of the ramps."""
    return [
        f"tile.row_driver.step={row_step}",
        f"tile.col_driver.step={col_step}",
        f"tile.col_converter.ramp={ramp}",
        f"tile.row_converter.ramp={ramp}",
    ]


def observed(trace: Trace) -> dict[str, Any]:
    """Return all that a trace says happened, apart from how it was found out."""
    return {
        "cycles": trace.cycles,
        "examples": trace.examples,
        "started": trace.started,
        "done": trace.done,
        "grants": tuple(entry.grants for entry in trace.stages),
        "wait_cycles": tuple(entry.wait_cycles for entry in trace.stages),
        "tile_states": trace.tile_states,
        "transfer_cycles": trace.transfer_cycles,
        "refresh_cycles": trace.refresh_cycles,
        "cells_programmed_at_once": trace.cells_programmed_at_once,
        "dwell_histogram": trace.dwell.counts.tolist(),
        "dwell_cells": trace.dwell.cells,
        "dwell_total_cycles": trace.dwell.total_cycles,
        "dwell_max_cycles": trace.dwell.max_cycles,
        "dwell_open": trace.dwell.open,
        "events": trace.events,
    }


@dataclass(frozen=True)
class Record:
    """One stage of one instance of an op, in cycles: asked for, granted, ended."""

    op: int
    n: int
    stage: int
    requested: int
    granted: int
    ended: int


class Watcher:
    """An observer that keeps every grant, and when each instance of an op began and ended."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.starts: dict[tuple[int, int], int] = {}
        self.ends: dict[tuple[int, int], int] = {}

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        self.starts[op.index, n] = cycle

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        self.records.append(Record(op.index, n, stage, requested, granted, ends))

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        self.ends[op.index, n] = cycle


def record(schedule: Schedule) -> tuple[list[Record], dict[tuple[int, int], int]]:
    """Return every grant of a run in order, and when each instance of an op ended."""
    watcher = Watcher()
    simulate(schedule, observer=watcher)
    return watcher.records, watcher.ends


@dataclass(frozen=True)
class Case:
    """A random run: a shipped chip with overrides, the widths of a network, its batch, and how many examples.

    `functions` are its activations, target and signs, where they are not `network`'s own.
    """

    base: str
    overrides: tuple[str, ...]
    sizes: tuple[int, ...]
    batch: int
    bias: bool
    examples: int
    functions: tuple[tuple[str, Any], ...] = ()

    def schedule(self, examples: int | None = None) -> Schedule:
        """Return the schedule of this run, or of a longer or shorter one."""
        workload = network(*self.sizes, batch=self.batch, bias=self.bias, **dict(self.functions))
        return schedule_of(workload, self.examples if examples is None else examples, self.overrides, self.base)


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    intervals: tuple[int, int] = (3, 8),
    most_interval: int = 40,
    shards: Collection[int] = range(1, 1000),
    functions: bool = False,
) -> Case:
    """Draw small chips and networks over all policies, transports, topologies and schedules.

    `shards` says how many shards there may be: the loop of the accuracy model is compiled anew for each number. With
    `functions` also over activations, targets and signs.
    """
    pick = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    integer = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    sizes = tuple(draw(st.lists(st.integers(1, 20), min_size=2, max_size=4)))
    bias = draw(st.booleans())
    batch = pick(1, 1, 2, 5)
    rows, cols = integer(4, 24), integer(4, 24)
    needed = sum(ceil((a + bias) / rows) * ceil(b / cols) for a, b in itertools.pairwise(sizes))
    assume(needed in shards)
    count = needed + integer(0, 3)
    interval = batch * integer(1, max(1, most_interval // batch))
    examples = interval * integer(*intervals) + integer(0, interval)
    overrides = [
        f"tile.count={count}",
        f"tile.rows={rows}",
        f"tile.cols={cols}",
        *windows(pick("0.5 ns", "0.13 ns"), pick("0.5 ns", "0.5 ns", "0.13 ns"), pick("64 ns", "64 ns", "20 ns")),
        f"tile.neuron.lanes={pick(1, 4, 64)}",
        f"tile.memory.ports={integer(1, 2)}",
        f"floorplan.columns={integer(1, 4)}",
        f"placement={pick(*PLACEMENTS)}",
        f"host.rate={pick('6.4 GB/s', '0.02 GB/s', '0.3 GB/s')}",
        f"host.latency={pick('0 s', '33 ns')}",
        f"routing.topology={pick(*sorted(TOPOLOGIES))}",
        f"routing.reduction={pick(*sorted(REDUCTIONS))}",
        f"routing.link.delay={pick('150 ps/mm', '40 ns/mm')}",
        f"schedule.prefetch={integer(0, 2)}",
        f"schedule.transfer.interval_examples={interval}",
        f"schedule.transfer.policy={pick(*sorted(TRANSFER_POLICIES))}",
        f"schedule.transfer.rows_in_parallel={integer(1, 8)}",
        f"schedule.transfer.tiles_in_parallel={integer(1, count)}",
    ]
    hold, flying = integer(1, 3), 1
    if draw(st.booleans()):
        flying = integer(1, 5)
        overrides += ["schedule.mode=pipelined", f"schedule.in_flight={flying}"]
    if draw(st.booleans()):
        overrides.append("tile.row_converter=shared")
        hold = max(hold, flying)  # fewer could block each other for ever, and are refused
    overrides.append(f"tile.col_converter.sample_hold={hold}")
    base = pick(REFERENCE, PACKET)
    if base == REFERENCE:
        overrides.append(f"routing.link.wires={pick(3, 512)}")
    else:
        overrides += [f"routing.link.width_bits={pick(16, 256)}", f"routing.link.flit_time={pick('1 ns', '7 ns')}"]
        overrides.append(f"routing.router.arbitration={pick(*sorted(ARBITRATIONS))}")
        if draw(st.booleans()):  # 20 values of 8 bits and a header of 32 are 12 flits of 16 bits at most
            overrides.append(f"routing.router.buffer_flits={pick(12, 30)}")
    if pick(True, False, False, False, False):
        overrides.append(STATIC)
    refresh = pick(*sorted(REFRESH_POLICIES))
    if refresh != "none":
        overrides += [f"schedule.refresh.policy={refresh}", f"schedule.refresh.period={integer(300, 60_000)} ns"]
    if not functions:
        return Case(base, tuple(overrides), sizes, batch, bias, examples)
    output = pick(*TARGETS)
    given = {
        "hidden": pick(*(name for name in ACTIVATIONS if ACTIVATIONS[name].monotone)), "output": output,
        "target": pick(*(target for target in TARGETS[output] if target != "inputs")), "signed": draw(st.booleans()),
        "slope": 0.25,
    }  # fmt: skip
    return Case(base, tuple(overrides), sizes, batch, bias, examples, tuple(given.items()))
