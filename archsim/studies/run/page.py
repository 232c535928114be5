"""What a report of a run is made of: its metrics and details, as a folder holds them, in SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from archsim.base.record import Named, Number, Record
from archsim.mapping.schedule import STATES
from archsim.report.floorplan import LinkUse
from archsim.studies.common_draws import InDraws
from archsim.studies.gpus.shape import Compared
from archsim.studies.run.loads import DrawnDie
from archsim.studies.train.history import History

Figure: TypeAlias = Number | None
"""A figure, or None where it is not defined."""
Pairs: TypeAlias = tuple[tuple[int, int], ...]
Parts: TypeAlias = Mapping[str, float]


class Part(Record):
    """A part of a report's files; a later archsim of the same schema may have put more into it."""

    model_config = ConfigDict(extra="ignore")


def _whole(states: Mapping[str, int]) -> Mapping[str, int]:
    if missing := [state for state in STATES if state not in states]:
        raise ValueError(f"has no {missing[0]}")
    return states


States: TypeAlias = Annotated[Mapping[str, int], AfterValidator(_whole)]
"""Cycles in each state of a tile."""


class Metrics(Part):
    """The metrics that the report names itself; `Run.metrics` has all."""

    time_total_s: float
    time_per_example_s: float
    energy_total_j: float
    power_w: Figure
    area_m2: float
    ops_per_example: int
    ops_executed_per_example: Figure
    tiles_used: int
    tiles: int
    chips: int
    cells_used_share: float
    transfers: float
    transfer_time_share: float
    refresh_time_share: float
    pcm_writes_per_cell_mean: Figure
    pcm_writes_per_cell_max: Figure
    transfer_power_peak_w: float
    dwell_time_mean_s: Figure
    dwell_time_max_s: Figure


def _known(metrics: Any) -> Any:
    """Return metrics; those that the report names itself must be there."""
    Metrics.model_validate(metrics, strict=True)
    return metrics


class Counts(Part):
    """Examples of a run, those simulated event by event and those fast-forwarded, and its cycles."""

    examples: int
    cycles: int
    examples_simulated: int
    examples_fast_forwarded: int


class TimeParts(Part):
    """Time per example in seconds: from the peak's interval to the sustained time."""

    interval: Figure
    dependencies: Figure
    contention: Figure
    maintenance: Figure


class Energy(Part):
    """Energy of a run in joules, in all and by what."""

    total: float
    by_component: Parts
    by_phase: Parts
    by_layer: Parts
    by_tile: Parts


class Area(Part):
    """Area of the die in square metres."""

    total_m2: float
    by_component_m2: Parts


class LayerRow(Part):
    """A layer: its shape, shards, the tiles that hold it, its energy, and what these do."""

    name: str
    inputs: int
    outputs: int
    synapses: int
    row_shards: int
    col_shards: int
    tiles: tuple[int, ...]
    energy_j: float
    stalls_cycles: States


class Bin(Part):
    """Updates of cells whose dwell time is from so many cycles to so many."""

    from_cycles: int
    to_cycles: int
    cell_updates: int


class Dwell(Part):
    """Dwell times of updates on their capacitors."""

    cell_updates_read: int
    cell_updates_open: int
    median_cycles: int | None
    p99_cycles: int | None
    histogram: tuple[Bin, ...]


class PublishedRow(Part):
    """A published figure and the simulated one over it."""

    metric: str
    published: float
    ratio: Figure
    kind: str
    source: str


class Check(Part):
    """An audit: what was expected and what was found."""

    name: str
    expected: Figure
    found: Figure
    passed: bool


class Comparison(Check):
    """A point of a cross-check, and how far its two sides are apart."""

    difference: Figure


class Read(Part):
    """By which values or activity the reads of a layer's arrays in one direction are billed; energies are a cell's."""

    layer: str
    direction: str
    by: Literal["spec", "stated", "measured"]
    on_time_s: Figure
    conductance_siemens: Figure
    read_energy_j: float
    read_energy_spec_j: float


class Effect(Part):
    """The energy of a component at the spec's energy of a read, and as billed, in joules."""

    spec: float
    used: float


class Activity(Part):
    """Where the activity was measured, if it was, and what it changes."""

    source: str | None = Field(alias="from")
    reads: tuple[Read, ...]
    effect_j: Mapping[str, Effect]


class DigitalRow(Part):
    """What a layer without weights moves with an example: bits over the network, words of memories."""

    bits_sent: float
    bits_received: float
    words_read: float
    words_written: float


class Programming(Part):
    """What it takes to write all weights once."""

    time_s: float
    energy_j: float
    cells: int


class Cause(Part):
    """Figures of the spec that err together, and their share of a metric's uncertainty."""

    name: str
    figures: tuple[str, ...]
    share: float


class Uncertainty(Part):
    """How the intervals were found, and by metric the ranges that make most of each."""

    draws: int
    refused: int
    simulated: bool
    held: float
    causes: Mapping[str, tuple[Cause, ...]]


class Run(Part):
    """What metrics.json holds."""

    schema_id: Literal["archsim-metrics-1"] = Field(alias="schema")
    arch: Named
    workload: Named
    version: str
    seed: int
    command: str
    run: Counts
    metrics: Annotated[Mapping[str, Figure], BeforeValidator(_known)]
    time_per_example_parts_s: TimeParts
    energy_j: Energy
    area: Area
    stalls_cycles: States
    layers: tuple[LayerRow, ...]
    dwell: Dwell
    published: tuple[PublishedRow, ...]
    audits: tuple[Check, ...]
    activity: Activity
    notes: tuple[str, ...] = ()
    programming: Programming | None = None
    digital_layers: Mapping[str, DigitalRow] | None = None
    intervals: Mapping[str, tuple[float, float]] | None = None
    uncertainty: Uncertainty | None = None
    crosscheck: tuple[Comparison, ...] | None = None

    @property
    def failed(self) -> list[Check]:
        """The audits and comparisons that failed."""
        return [check for check in (*self.audits, *(self.crosscheck or ())) if not check.passed]


class Mode(Part):
    """What a mode counts, and its words."""

    ops_per_synapse: int
    steps: int
    example: str
    peak: str
    left_out: str


class SpecFigure(Part):
    """A figure of the spec, with its place, its source and what it is."""

    path: str
    text: str
    source: str
    status: str
    note: str


class PeakDetails(Part):
    """What the peak is made of."""

    time_per_example_s: float
    busiest_unit: str
    busy_cycles: Mapping[str, Number]
    energy_j_by_component: Parts


class Lane(Part):
    """A tile in the figure of a step."""

    tile: int
    name: str


class Span(Part):
    """Stretches of a step in which a tile is in a state, from and to a cycle."""

    state: str
    lane: int
    cycles: Pairs


class PathPart(Part):
    """A stretch of the critical path of a step."""

    what: str
    op: str
    instance: int
    cycles: tuple[int, int]


class StepDetails(Part):
    """One step: what tiles and links do in it, and its critical path."""

    example: int
    cycles: int
    shares_cycles: Mapping[str, int]
    lanes: tuple[Lane, ...]
    spans: tuple[Span, ...]
    links_cycles: Pairs
    path: tuple[PathPart, ...]


class TileRow(Part):
    """A used tile, what it holds, and its cycles in each state."""

    tile: int
    layer: str
    shard: str
    cycles: States


class Item(Part):
    """An item of the bill."""

    component: str
    action: str
    phase: str
    layer: str
    count: Number
    energy_j: float


class PartRow(Part):
    """A kind of component on the chip: how many, and the area of all."""

    component: str
    instances: int
    area_m2: float


class Site(Part):
    """A place on the die: the layer of the tile on it, if it is used."""

    layer: str | None


class Die(DrawnDie):
    """The floorplan, by tile what lies on it."""

    model_config = ConfigDict(extra="ignore")

    sites: tuple[Site, ...]


class Details(Part):
    """What details.json holds."""

    schema_id: Literal["archsim-details-1"] = Field(alias="schema")
    description: str
    clock_hz: float
    synapses: int
    mode: Mode
    overrides: tuple[str, ...]
    figures: tuple[SpecFigure, ...]
    zeros: tuple[str, ...]
    leak_time_constants_s: tuple[float, ...]
    peak: PeakDetails
    step: StepDetails
    tiles: tuple[TileRow, ...]
    bill: tuple[Item, ...]
    parts: tuple[PartRow, ...]
    links: tuple[LinkUse, ...]
    gpus: Compared
    floorplan: Die
    draws: InDraws = InDraws()


@dataclass(frozen=True)
class Page:
    """All that the files of a report show: metrics.json, and its metrics by name; details.json.

    `history` is the history.json of a training whose report lies in the same folder, if there is one.
    """

    data: Run
    metrics: Metrics
    details: Details
    history: History | None = None

    @property
    def clock_hz(self) -> float:
        """The clock of the chip, in hertz."""
        return self.details.clock_hz
