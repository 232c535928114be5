"""What a chip can do by itself, without a workload: its peak, its size, and one op on one full tile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from archsim.chip.graph import Chip, Tile, Unit
from archsim.mapping.builder import Transport
from archsim.mapping.recipes import BACKWARD, FORWARD, Side, TileKit
from archsim.mapping.schedule import Stage, Use
from archsim.results.bill import largest_first
from archsim.results.stated import stated_j
from archsim.spec.choices import TRANSPORTS
from archsim.spec.values import Values
from archsim.workload.network import MODES

PHASES = ("forward", "backward", "update")
"""States of a tile that tell the phase of what follows."""


@dataclass(frozen=True)
class Peak:
    """All tiles busy in all phases back to back, without transfers and the host port."""

    ops_per_example: int
    time_per_example_s: float
    busiest_unit: str
    busy_cycles: Mapping[str, float]
    energy_per_example_j: float
    energy_j_by_component: Mapping[str, float]
    area_m2: float

    @property
    def throughput_op_per_s(self) -> float:
        """Operations per second."""
        return self.ops_per_example / self.time_per_example_s

    @property
    def efficiency_op_per_j(self) -> float:
        """Operations per joule."""
        return self.ops_per_example / self.energy_per_example_j


@dataclass(frozen=True)
class PeakWork:
    """What a peak's example takes: units used, with how often, and time, on a chip or one that costs something else.

    `uses` are told with the tiles that do the same, and the phase.
    """

    ops: int
    interval_s: float
    steps: int
    busy: Mapping[str, float]
    uses: tuple[tuple[int, str, Use], ...]

    def on(self, chip: Chip, values: Values | None = None) -> Peak:
        """Return the peak of a chip that differs at most in figures that do not touch its time, at some values."""
        energies = defaultdict[str, list[float]](list)
        for count, phase, use in self.uses:
            unit = chip.units[use.unit]
            energies[unit.component].append(count * use.count * _each_j(chip, unit, use.action, phase, values))
        for part in chip.parts:
            if part.leakage_w and not part.host:
                energies[part.component].append(part.leakage_w * self.interval_s)
        by_component = {name: self.steps * fsum(values) for name, values in energies.items()}
        return Peak(
            ops_per_example=self.steps * self.ops, time_per_example_s=self.steps * self.interval_s,
            busiest_unit=max(self.busy, key=lambda name: self.busy[name]),  # of equal ones the first
            busy_cycles={name: self.steps * cycles for name, cycles in self.busy.items()},
            energy_per_example_j=fsum(by_component.values()), energy_j_by_component=largest_first(by_component),
            area_m2=fsum(part.area_m2 for part in chip.parts if not part.host),
        )  # fmt: skip


def peak(chip: Chip, mode: str = "training", steps: int = 1) -> Peak:
    """Return the chip's peak: 6 (inference: 2) x rows x cols x tiles per initiation interval of the slowest tile kind.

    The interval is the time per vector of the busiest unit of a full tile, computed from the same stages as the
    schedule's, in a `mode`, "training" or "inference"; an example is `steps` vectors. Each tile exchanges its vectors
    with a neighbour over the longest inner link. Figures are in seconds, joules and square metres. Raises SpecError
    where the chip cannot train.
    """
    return peak_work(chip, mode, steps).on(chip)


def peak_work(chip: Chip, mode: str, steps: int) -> PeakWork:
    """Return what an example takes where all tiles of a chip are busy in all phases back to back."""
    spec = chip.spec
    transport, done = TRANSPORTS[spec.routing.transport], MODES[mode]
    done.check(chip)
    transport.check(chip, steps)
    ops, uses = 0, list[tuple[int, str, Use]]()
    busy: dict[str, float] = {}
    for kind, tile_spec in spec.tile_kinds:
        tile = next(tile for tile in chip.tiles if tile.kind == kind)
        stages = list(done.full_step(TileKit(chip, tile), transport))
        count = tile_spec.count * spec.chips
        ops += done.ops_per_synapse * tile_spec.rows * tile_spec.cols * count
        uses += [(count, phase, use) for phase, stage in _phased(stages) for use in stage.uses]
        named = _busy(chip, stages).items()
        busy |= {name if kind == "tile" else f"{kind}: {name}": cycles for name, cycles in named}
    interval_s = max(busy.values()) / float(spec.technology.clock_hz)
    return PeakWork(ops, interval_s, steps, busy, tuple(uses))


def _phased(stages: Iterable[Stage]) -> Iterator[tuple[str, Stage]]:
    """Yield stages with the phase to which they belong: that of the array's own last state."""
    phase = ""
    for stage in stages:
        phase = next((state for _, state in stage.shows if state in PHASES), phase)
        yield phase, stage


def _each_j(chip: Chip, unit: Unit, action: str, phase: str, values: Values | None) -> float:
    """Return the joules of one item of a unit's action, by stated values where they say."""
    if values is None or unit.tile < 0:
        return unit.actions[action].energy_j
    found = stated_j(chip.tiles[unit.tile].spec, unit.component, action, phase, values)
    return unit.actions[action].energy_j if found is None else found


def _busy(chip: Chip, stages: Iterable[Stage]) -> dict[str, float]:
    """Return by unit name the cycles per example between acquiring and releasing it, per holder."""
    held: dict[int, list[int]] = defaultdict(list)
    cycles: dict[int, int] = defaultdict(int)
    now = 0
    for stage in stages:
        for unit in stage.acquire:
            held[unit].append(now)
        for at, unit in stage.release:
            cycles[unit] += now + at - held[unit].pop(0)
        now += stage.latency_cycles
    named: dict[str, float] = {}
    for index, total in sorted(cycles.items()):
        own = chip.units[index]
        named[own.name.split(".")[-1] if own.tile >= 0 else "link"] = total / max(own.capacity, 1)
    return named


def chip_metrics(chip: Chip, mode: str, values: Values | None = None) -> dict[str, float]:
    """Return by metric, in SI units, what a chip reaches in a mode without any workload, at some values or the spec's.

    Of the first kind of tile, all of its lines in use: `read_latency_s` from a vector's first step to its last value
    converted, `read_energy_j` with the tile's leakage meanwhile, `tile_area_m2` with its share of the routers; and in
    training the latencies of a read of the transpose and of an update. Raises SpecError if the chip lacks what the mode
    needs.
    """
    top = peak_work(chip, mode, 1).on(chip, values)
    return {**peak_metrics(top), "area_m2": chip.area_m2, **_tile_metrics(chip, mode, values)}


def peak_metrics(top: Peak) -> dict[str, float]:
    """Return the metrics of a peak, in SI units."""
    return {
        "time_per_example_peak_s": top.time_per_example_s,
        "throughput_peak_op_per_s": top.throughput_op_per_s,
        "power_peak_w": top.energy_per_example_j / top.time_per_example_s,
        "efficiency_peak_op_per_j": top.efficiency_op_per_j,
        "area_peak_m2": top.area_m2,
        "throughput_per_area_peak_op_per_s_m2": top.throughput_op_per_s / top.area_m2,
    }


def _tile_metrics(chip: Chip, mode: str, values: Values | None) -> dict[str, float]:
    tile = chip.tiles[0]
    area_m2, leakage_w = chip.tile_share(tile)
    forward = _read(chip, tile, FORWARD)
    latency_s = _latency_s(chip, forward)
    spent_j = fsum(
        use.count * _each_j(chip, chip.units[use.unit], use.action, "forward", values)
        for stage in forward for use in stage.uses
    )  # fmt: skip
    read_j = spent_j + leakage_w * latency_s
    found = {"tile_area_m2": area_m2, "read_latency_s": latency_s, "read_energy_j": read_j}
    if mode == "training":
        rows, cols = tile.spec.rows, tile.spec.cols
        found["read_back_latency_s"] = _latency_s(chip, _read(chip, tile, BACKWARD))
        found["update_latency_s"] = _latency_s(chip, [TileKit(chip, tile).update(rows, cols, rows)])
    return found


def _read(chip: Chip, tile: Tile, side: Side) -> list[Stage]:
    """Return the stages of a read of a whole tile: integration and conversion."""
    kit, rows, cols = TileKit(chip, tile), tile.spec.rows, tile.spec.cols
    transport: Transport = TRANSPORTS[chip.spec.routing.transport]
    lines, inputs = (cols, rows) if side is FORWARD else (rows, cols)
    converted = transport.peak_stages(kit, side, lines)[0]
    return [kit.integrate(side, rows, cols, inputs, by_ramp=transport.held), converted]


def _latency_s(chip: Chip, stages: Sequence[Stage]) -> float:
    return sum(stage.latency_cycles for stage in stages) / float(chip.spec.technology.clock_hz)
