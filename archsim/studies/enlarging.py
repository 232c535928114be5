"""A chip made as large as a network needs it, and transfers as often as its cells need them."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isqrt

from archsim.base.units import parse_quantity
from archsim.chip.graph import build_chip
from archsim.mapping.modes import build_schedule, memory_words
from archsim.mapping.partition import map_workload
from archsim.mapping.shards import tiles_needed
from archsim.mapping.training import counts_vectors, transfer_interval
from archsim.simulation.run import simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.workload.network import Workload

PROBED = 200
"""Examples by which the time of one is found."""


def two_intervals(arch: ArchSpec, workload: Workload) -> int:
    """Return two transfer intervals, so that transfers are in them; where there are none, 8,000, as the reference's."""
    if arch.schedule.transfer is None:
        return 8000
    return 2 * transfer_interval(arch, workload)


def held_interval(arch: ArchSpec, workload: Workload, hold_s: Fraction) -> tuple[str, ...]:
    """Return settings by which weights are transferred after about `hold_s`; none where nothing is transferred."""
    chip = build_chip(arch)
    schedule = build_schedule(chip, map_workload(workload.timed, chip), PROBED, maintenance=False)
    cells = [tile.device for _, tile in arch.tile_kinds]
    if not schedule.updates or arch.schedule.transfer is None or not any(cell.transfer_steps for cell in cells):
        return ()
    step_s = Fraction(simulate(schedule).cycles, PROBED) / arch.technology.clock_hz
    batch = workload.training.batch
    examples = max(1, int(hold_s / step_s) // batch) * batch
    if counts_vectors(arch, workload):
        return (f"schedule.transfer.interval_vectors={examples * workload.timed.steps}",)
    return (f"schedule.transfer.interval_examples={examples}",)


def enlargement(arch: Loaded[ArchSpec], workload: Workload) -> tuple[str, ...]:
    """Return the settings with which a chip is large enough for a workload: tiles or chips, and words of memory.

    The same share of its tiles is transferred at once. Memory that holds more words has more area and leakage, in
    proportion (an assumption); its energy per word stays.
    """
    spec = arch.value
    settings = []
    needed = tiles_needed(workload, spec)
    if needed > spec.tile.count * spec.chips and spec.package is not None:
        settings.append(f"package.chips={ceil(needed / spec.tile.count)}")
    elif needed > spec.tile.count:
        settings.append(f"tile.count={needed}")
        if hasattr(spec.floorplan, "columns"):
            settings.append(f"floorplan.columns={isqrt(needed - 1) + 1}")
        if spec.schedule.transfer is not None:
            at_once = ceil(spec.schedule.transfer.tiles_in_parallel * needed / spec.tile.count)
            settings.append(f"schedule.transfer.tiles_in_parallel={at_once}")
    chip = build_chip(arch.with_overrides(settings).value)
    words = memory_words(chip, map_workload(workload, chip))
    memory = spec.tile.memory
    if words > memory.words:
        larger = 1 << (words - 1).bit_length()
        growth = larger / memory.words
        written_m2 = float(parse_quantity(arch.figures["tile.memory.area"].to_set, "m**2"))  # before it is scaled
        area_mm2, leakage_mw = written_m2 * 1e6 * growth, memory.leakage_w * 1e3 * growth
        settings += [f"tile.memory.words={larger}", f"tile.memory.area={area_mm2:.6g} mm2"]
        settings += [f"tile.memory.leakage={leakage_mw:.6g} mW"] if memory.leakage_w else []
    return tuple(settings)
