"""A law: every figure of every shipped spec changes some result of some shipped chip, or is text.

Each is changed in turn, alone or with the switch that turns it on, in chips that have it, until a result differs: a
line of the bills of area and energy, a time, a published row, or what cells, converters and a short training come to
in numbers. Text is what a field of plain strings holds: names, descriptions, sources.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest

from archsim.base.errors import ArchsimError, InfeasibleError, SpecError
from archsim.base.section import Choice, Section, marks_of, yaml_key
from archsim.base.shipped import builtin_names
from archsim.base.units import Dimension
from archsim.chip.graph import build_chip
from archsim.components.base import COMPONENTS
from archsim.components.crossbar import Crossbar
from archsim.functional.datasets import load_data
from archsim.functional.order import Order
from archsim.functional.train import chip_model, quantisers_of, scales_of
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.results.bill import Activity, ActivityFile, LayerActivity, account
from archsim.results.breakdowns import programming_data
from archsim.results.peak import peak
from archsim.simulation.run import simulate
from archsim.spec.arch import AnyFigure, ArchSpec
from archsim.spec.bearing import bearing
from archsim.spec.loading import Loaded
from archsim.spec.tile import TileSpec
from archsim.studies.published import compare
from archsim.workload import Workload, load_workload
from tests.helpers import PACKET, shipped

Results = Mapping[str, Any]
Numbers = np.random.default_rng

ADDER = "tile.accumulator={kind: shift_add, step: 1 ns, energy: 1 pJ, area: 60 um2}"

# What turns a figure on that is off, or out of use, in every shipped chip: by owner and field, settings of a chip.
SWITCHES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Pcm3T1C", "drift_start_s"): ("tile.device.drift_exponent=0.05",),
    ("PcmPairCell", "drift_start_s"): ("tile.device.drift_exponent=0.05",),
    ("PcmPairCell", "transfer_read_s"): ("schedule.transfer.interval_examples=5",),
    ("Refresh", "period_s"): ("schedule.refresh={policy: rewrite, period: 4 us}",),
    **{
        (COMPONENTS[cell].__name__, f"program_{what}"): (
            "tile.device.program=80 us",
            "tile.device.program_energy=20 pJ",
        )
        for cell in COMPONENTS
        if COMPONENTS[cell].role == "device"
        for what in ("s", "energy_j")
    },
    **{
        (cell, name): (f"tile.device.{flicker}=1 %",)
        for cell, flicker in (
            ("Capacitor3T1C", "transistor_flicker"),
            ("Pcm3T1C", "flicker"),
            ("PcmPairCell", "flicker"),
            ("StaticCell", "flicker"),
            ("SoftBounds", "flicker"),
        )
        for name in ("flicker_span_s", "flicker_read_s", "flicker_exponent", "flicker_most")
    },
    **{
        (cell, f"drift_law_{name}"): ("tile.device.drift_law=conductance", "tile.device.drift_start=1 us")
        for cell in ("Pcm3T1C", "PcmPairCell")
        for name in ("mean", "slope", "least", "most", "spread", "spread_slope", "spread_least", "spread_most")
    },
    **{
        (cell, name): switch
        for cell in ("Capacitor3T1C", "Pcm3T1C")
        for name, switch in (
            ("capacitance_f", ("tile.device.pulse_noise=shot",)),
            ("step_spread_absolute_v", ("tile.device.step_spread=0",)),
            ("leak_halving_kelvin", ("technology.temperature=310 K",)),
        )
    },
    ("Capacitor3T1C", "step_least"): ("tile.device.step_spread=0.6",),
    ("Pcm3T1C", "step_least"): ("tile.device.step_spread=0.6",),
    ("StaticCell", "step_least"): ("tile.device.step_spread=0.6",),
    ("StaticCell", "bound_least"): ("tile.device.bound_spread=0.6", "tile.device.bound=2 uS"),
    ("PcmPairCell", "set_step_least"): ("tile.device.set_step_spread=0.6",),
    ("PcmPairCell", "set_limit_least"): ("tile.device.set_limit_spread=0.6",),
    ("Edram", "ports"): ("tile.memory.access=50 ns",),
    ("Edram", "retention_s"): ("tile.memory.energy=1 pJ",),
    # A SET ramp of 500 ns reaches 15.6 uS, where control is not yet worse.
    **{
        (cell, name): ("tile.device.ramp=4.4 us",)
        for cell in ("Pcm3T1C", "PcmPairCell")
        for name in ("set_control_siemens", "set_control_loss_siemens")
    },
    ("Numerics", "activity_share"): ("schedule.transfer.policy=interleaved", "schedule.transfer.rows_in_parallel=16"),
    ("Routing", "reduction"): ("tile.rows=16", "tile.cols=32"),
    ("Scaling", "target_m"): ("scaling.target=90 nm",),
    ("Scaling", "target_supply_v"): ("scaling.target_supply=1.2 V",),
    ("ScheduleSpec", "mode"): ("schedule.in_flight=4",),
    ("SoftBounds", "step_least"): ("tile.device.step_spread=0.6",),
    ("SoftBounds", "bound_least"): ("tile.device.bound_spread=0.6",),
    ("ScheduleSpec", "in_flight"): ("schedule.mode=pipelined",),
    ("CcoAdc", "sample_hold"): ("schedule.mode=pipelined", "schedule.in_flight=4"),
    **{
        (driver, "phase_cells"): ("tile.row_driver.phases=2",)
        for driver in ("BitSerialDriver", "LevelDriver", "PwmDriver", "WeightedBitsDriver")
    },
    **{
        (converter, name): switch
        for converter in ("CcoAdc", "CounterAdc", "RampAdc", "SarAdc", "StepwiseAdc")
        for name, switch in (
            ("group_cells", ("tile.col_converter.groups=2",)),
            ("converted", ("tile.row_driver.phases=2", ADDER)),
        )
    },
    **{
        (driver, "line_current_a"): ("tile.row_driver.line_current=10 uA",)
        for driver in ("BitSerialDriver", "LevelDriver", "PwmDriver", "WeightedBitsDriver")
    },
    ("ChipLink", "energy_per_bit_j_per_bit"): ("tile.count=1",),
    ("BitSerialDriver", "toggles"): ("tile.array.line_end=48 fF",),
    ("Crossbar", "pair_area_m2"): ("tile.array.signed_rows=paired_lines", "tile.array.pair_area=0.1 um2"),
    ("Router", "wait_for_tail_credit"): ("routing.router.buffer_flits=36",),
    **{
        ("Wires", name): ("tile.array.wires.row=20 ohm", "tile.array.wires.col=20 ohm")
        for name in ("row_lines", "rows_driven", "rows_read", "cols_driven", "cols_read", "idle_rows")
    },
}
# Of components that no shipped chip has, or none that trains: where they may stand, and what they need beside them.
PLACES: Mapping[str, tuple[str, ...]] = {
    "bit_serial_driver": ("tile.row_driver",),
    "cco_adc": ("tile.col_converter", "tile.row_driver.step=1 ns"),
    "counter_adc": ("tile.col_converter",),
    "level_driver": ("tile.row_driver",),
    "static_cell": ("tile.device",),
    "stepwise_adc": ("tile.col_converter",),
    "weighted_bits_driver": ("tile.row_driver",),
}


@dataclass(frozen=True)
class Place:
    """A figure of a chip: the class and field that it belongs to, the chip (and settings), and its dotted path."""

    owner: str
    field: str
    chip: str
    settings: tuple[str, ...]
    path: str


# ---- which figures there are


def figures(section: Section, path: str = "") -> Iterator[tuple[type[Section], str, str]]:
    """Yield (class, field, dotted path) of all that is no text."""
    for name, info in type(section).model_fields.items():
        value, here = getattr(section, name), f"{path}.{yaml_key(name)}" if path else yaml_key(name)
        marks = marks_of(info)
        if any(isinstance(mark, Dimension | AnyFigure | Choice) for mark in marks) or literals(info.annotation):
            yield type(section), name, here
        elif not isinstance(value, str):
            yield from inner(value, here)


def inner(value: Any, path: str) -> Iterator[tuple[type[Section], str, str]]:
    if isinstance(value, Section):
        yield from figures(value, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from inner(item, f"{path}.{key}")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from inner(item, f"{path}[{i}]")


def literals(annotation: Any) -> tuple[Any, ...]:
    """Return what a field of words, or of yes and no, may be."""
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for arg in get_args(annotation) for word in literals(arg))


@cache
def loaded(chip: str, settings: tuple[str, ...] = ()) -> Loaded[ArchSpec]:
    return shipped(chip).with_overrides(settings) if settings else shipped(chip)


@cache
def places() -> dict[tuple[str, str], list[Place]]:
    """Return where each figure stands, by its class and field."""
    found: dict[tuple[str, str], list[Place]] = {}
    chips: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in builtin_names("arch_specs")]
    for kind, (place, *beside) in PLACES.items():
        example = ", ".join(f"{key}: {text}" for key, text in COMPONENTS[kind].example.items())
        chips.append((PACKET, (*beside, f"{place}={{kind: {kind}, {example}}}")))
    for chip, settings in chips:
        for owner, field, path in figures(loaded(chip, settings).value):
            name = owner.__name__
            found.setdefault((name, field), []).append(Place(name, field, chip, settings, path))
    return found


# ---- what comes out


def bills(spec: Loaded[ArchSpec], workload: Workload) -> Results:
    """Return areas, times and energies of a short run."""
    chip = build_chip(spec.value)
    found: dict[str, Any] = {"parts": chip.parts}
    found["links"] = [(link.length_m, link.flight_s, link.flit_s) for link in chip.links.values()]
    mapping = map_workload(workload, chip)
    trace = simulate(build_schedule(chip, mapping, 12))
    found["cycles"] = (trace.cycles, trace.transfer_cycles, trace.refresh_cycles, trace.tile_states)
    found["energy"] = account(trace).items
    measured = ActivityFile(
        layers={layer.name: LayerActivity(forward=READS, backward=READS) for layer in workload.layers}
    )
    found["measured"] = account(trace, measured).total_j
    top = peak(chip, workload.mode, workload.steps)
    found["peak"] = (top.efficiency_op_per_j, top.throughput_op_per_s, top.area_m2)
    found["bearing"] = bearing(spec.value)
    if all(tile.device.writing_steps for _, tile in spec.value.tile_kinds):
        found["programming"] = programming_data(chip, mapping)
    return found


def numbers(spec: Loaded[ArchSpec], workload: Workload) -> Results:
    """Return what cells are worth after pulses, leaks, a transfer and a rewrite, and how edges convert."""
    found: dict[str, Any] = {"scales": scales_of(spec.value, workload)}
    for name, tile in spec.value.tile_kinds:
        found[f"drive {name}"] = tile.row_driver.on_shares()
        if not tile.missing("tile"):
            found[f"drive back {name}"] = tile.backward_driver.on_shares()
            found[f"edges {name}"] = quantisers_of(spec.value, tile, 0.05)
        found[f"cells {name}"] = cells(tile, spec.value.technology.temperature_kelvin)
    return found


def cells(tile: TileSpec, kelvin: float) -> list[Any]:
    levels = 2**tile.col_converter.bits - 1
    own = tile.device.cells(12, 24, 1, 0, temperature_kelvin=kelvin, levels=levels)
    draw = Numbers(2)
    slots = tile.array.pulses if isinstance(tile.array, Crossbar) else 15
    seen = [own.step, own.weights.copy()]
    for index in range(4):
        nx, nd = draw.integers(0, slots + 1, 12), draw.integers(-slots, slots + 1, 24)
        for _ in range(40):
            own.update(nx, nd, draw.random(12).astype(np.float32), slots)
        own.leak(0, 12, 2e-3)
        seen += [own.weights.copy(), own.conductances().copy(), *own.flutter()]
        own.transfer(0, 12, 3, index, True, 2e-3) if index % 2 else own.rewrite(0, 12, 2e-3, 3, index)
        seen += [own.weights.copy(), own.conductances().copy()]
    own.program(np.linspace(-80, 80, 288, dtype=np.float32).reshape(12, 24), 4)
    return [*seen, own.weights.copy()]


def trained(spec: Loaded[ArchSpec], workload: Workload) -> Results:
    """Return weights and measured reads of a short training of the digits."""
    transfers = ["schedule.transfer.interval_examples=100"] if spec.value.schedule.transfer is not None else []
    small = spec.with_overrides(["tile.rows=128", "tile.cols=128", *transfers])
    chip = build_chip(small.value)
    timeline = simulate(build_schedule(chip, map_workload(workload, chip), 300), timeline=True)
    assert timeline.timeline is not None
    model = chip_model(timeline.schedule, load_data(workload), 0, Order(workload.dataset.examples, 2, 0))
    model.play(timeline.timeline.chunks())
    return {"weights": model.matrices(), "reads": model.reads()}


def placed(spec: Loaded[ArchSpec], workload: Workload) -> Results:
    """Return the tile of each shard."""
    return {"tiles": [shard.tile for shard in map_workload(workload, build_chip(spec.value)).shards]}


def published(spec: Loaded[ArchSpec], workload: Workload) -> Results:
    return {"published": compare([spec]).plain()} if spec.value.published else {}


@dataclass(frozen=True)
class Scene:
    """A way to look: settings that bring all into play, the workload, and what is looked at."""

    look: Callable[[Loaded[ArchSpec], Workload], Results]
    workload: str
    settings: tuple[str, ...] = ()
    work: tuple[str, ...] = ()


READS = Activity(conductance_siemens=10e-6, on_time_s=Fraction(20, 10**9))
TRANSFERS = ("schedule.transfer={interval_examples: 5, policy: stop_all, tiles_in_parallel: 2}",)
ONE_LAYER = "layers=[{name: fc1, inputs: 64, outputs: 10, activation: softmax}]"
REWRITES = ("schedule.refresh={policy: rewrite, period: 4 us}",)
SCENES = (
    Scene(bills, "mlp_digits"),
    Scene(bills, "mlp_digits", TRANSFERS),
    Scene(numbers, "mlp_digits"),
    Scene(bills, "mlp_digits", REWRITES),
    Scene(bills, "mlp_digits", (), ("mode=inference",)),
    Scene(published, "mlp_digits"),
    Scene(bills, "lstm_imdb", (), ("mode=inference", "steps=6")),
    Scene(bills, "lstm_imdb", (), ("steps=3",)),
    Scene(bills, "mlp_digits", (), ("mode=inference", ONE_LAYER)),
    Scene(bills, "mlp_digits", ("tile.rows=48", "tile.cols=32")),
    Scene(placed, "mlp_wide"),
    Scene(trained, "mlp_digits"),
)


@cache
def work(name: str, settings: tuple[str, ...]) -> Workload:
    return load_workload(name, list(settings)).value


@cache
def before(scene: Scene, chip: str, settings: tuple[str, ...]) -> str | None:
    """Return what comes out as it is; None where that chip cannot do it."""
    try:
        return outcome(scene, chip, settings)
    except ArchsimError:
        return None


def outcome(scene: Scene, chip: str, settings: tuple[str, ...]) -> str:
    found = scene.look(loaded(chip, settings), work(scene.workload, scene.work))
    with np.printoptions(threshold=10**9, floatmode="unique"):
        text = repr(found)
    assert " at 0x" not in text  # else nothing would ever be the same
    return text


# ---- what may be set instead


def others(place: Place, settings: tuple[str, ...]) -> Iterator[str]:
    """Yield other values of a figure, as text."""
    _, info = field_of(place)
    marks, figure = marks_of(info), loaded(place.chip, settings).figures.get(place.path)
    text = figure.to_set if figure is not None else ""
    choice = next((mark for mark in marks if isinstance(mark, Choice)), None)
    words = literals(info.annotation) or tuple(choice.registry if choice is not None else ())
    yield from (str(word) for word in words if str(word).lower() != text.lower())
    match = re.match(r"\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)(.*)$", text, re.DOTALL)
    if match is None:
        if any(isinstance(mark, Dimension) for mark in marks):  # none, as it stands
            yield from ("1", "2")
        return
    value, unit = float(match[1]), match[2]
    mark = next((mark for mark in marks if isinstance(mark, Dimension)), None)
    if mark is not None and mark.whole:
        yield from (str(int(value) + 1), str(int(value) * 2), str(max(1, int(value) // 2)), "1", "3")
    elif value:
        yield from (f"{value * by:.12g}{unit}" for by in (2, 0.5, 50, 1.1, 0.9, 0.3))
    else:
        yield from (f"{size}{unit}" for size in ("0.1", "1e-6", "1e-12", "10"))


def field_of(place: Place) -> tuple[type[Section], Any]:
    for owner, field, path in figures(loaded(place.chip, place.settings).value):
        if path == place.path:
            return owner, owner.model_fields[field]
    raise AssertionError(place)


def matters(owner: str, field: str) -> bool:
    """Return whether a change of the figure changes a result of a chip that has it, or has the chip refused.

    A refusal counts where it is not of the figure's own range: a memory too small, a window too short.
    """
    switch = SWITCHES.get((owner, field), ())
    marks = marks_of(field_of(places()[owner, field][0])[1])
    smooth = any(isinstance(mark, Dimension) and not mark.whole for mark in marks)
    for scene in SCENES:
        for place in unlike(places()[owner, field]):
            settings = (*place.settings, *scene.settings, *switch)
            base = before(scene, place.chip, settings)
            if base is None:
                continue
            for number, text in enumerate(others(place, settings)):
                try:
                    after = outcome(scene, place.chip, (*settings, f"{place.path}={text}"))
                except InfeasibleError:
                    return True
                except SpecError as error:
                    if any(re.search("is out of range|unit|is not ", each.what) for each in error.problems):
                        continue  # of the figure's own range
                    return True
                if after != base:
                    return True
                if smooth and number == 2:
                    break  # neither twice, half nor fifty times as much changes anything: try the next chip
    return False


def unlike(known: list[Place], most: int = 6) -> list[Place]:
    """Return a place in each of a few chips, those first in which the figure differs."""
    own = {place.chip: place for place in reversed(known)}
    order = [own[chip] for chip in sorted(own, key=lambda chip: (chip.startswith("pcm64"), chip))]
    texts: dict[str, Place] = {}
    for place in order:
        figure = loaded(place.chip, place.settings).figures.get(place.path)
        texts.setdefault("" if figure is None else figure.text, place)
    return list(dict.fromkeys([*texts.values(), *order]))[:most]


ALL = sorted(places())


def sample(count: int, seed: int = 20180558) -> list[tuple[str, str]]:
    return sorted(random.Random(seed).sample(ALL, count))


@pytest.mark.parametrize(("owner", "field"), sample(12))
def test_a_figure_changes_a_result(owner: str, field: str) -> None:
    assert matters(owner, field), f"{owner}.{field} changes nothing: {places()[owner, field][0]}"


@pytest.mark.slow
def test_every_figure_of_every_shipped_spec_changes_a_result() -> None:
    dead = [(owner, field) for owner, field in ALL if not matters(owner, field)]
    assert dead == []


def test_the_law_finds_a_figure_that_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without drift its start is read by nothing; with the switch it is. Cells in numbers are enough to see both.
    monkeypatch.setitem(globals(), "SCENES", (Scene(numbers, "mlp_digits"),))
    assert matters("PcmPairCell", "drift_start_s")
    monkeypatch.setitem(globals(), "SWITCHES", {})
    assert not matters("PcmPairCell", "drift_start_s")
