"""The arch spec: what one analog-memory chip is, as frozen sections read from YAML."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, sqrt
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from archsim.base import units
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.limits import CHIP_LINKS, TILES
from archsim.base.section import Choice, Flag, FreeName, Options, Section
from archsim.base.shipped import builtin_names, is_builtin
from archsim.base.units import (
    Conductance,
    Count,
    CountOrZero,
    Frequency,
    Length,
    Lines,
    Ratio,
    Temperature,
    Time,
    Voltage,
    cycles,
)
from archsim.components.base import Component, Role
from archsim.components.digital import HostPort
from archsim.components.interconnect import ChipLink, Link, Router
from archsim.spec.choices import (
    FLOORPLANS,
    PLACEMENTS,
    REDUCTIONS,
    REFRESH_POLICIES,
    TOPOLOGIES,
    TRANSFER_POLICIES,
    TRANSPORTS,
    Floorplan,
    OptionsOf,
)
from archsim.spec.scaling import Scaling
from archsim.spec.tile import TileSpec
from archsim.spec.values import Values


class Technology(Section):
    """Process node, supply, temperature and the chip clock; a cycle of that clock is the unit of simulated time."""

    later: ClassVar[frozenset[str]] = frozenset({"temperature_kelvin"})

    node_m: Length
    """Process node of the chip. Estimates of areas and energies follow it; given figures do not."""
    clock_hz: Frequency
    """Clock of the chip. A cycle of it is the unit of simulated time, to which all durations are rounded up."""
    supply_v: Voltage
    """Supply of the digital parts, which estimates and scaling reckon with."""
    temperature_kelvin: Temperature = 300.0
    """Temperature of all cells. Capacitors leak faster when warmer."""


class Routing(Section):
    """How vectors travel between tiles: the graph's topology, what its links carry, and how sums are reduced.

    `options` are the keyword arguments of the topology's function.
    """

    later: ClassVar[frozenset[str]] = frozenset({"options"})

    topology: Annotated[str, Choice(TOPOLOGIES)]
    """The graph of links and routers between tiles."""
    options: Annotated[Options, OptionsOf(TOPOLOGIES, "topology")] = Field(default={}, validate_default=True)
    """Options of the topology, by name."""
    transport: Annotated[str, Choice(TRANSPORTS)]
    """What carries a vector: packets, which share links, or a circuit, which holds its whole way."""
    link: Annotated[Link, Role("link")]
    """A link between two neighbours, in one direction."""
    router: Annotated[Router, Role("router")]
    """The switch at a node of the graph."""
    reduction: Annotated[str, Choice(REDUCTIONS)]
    """How partial sums of a layer that lies on several tiles are added up."""


class Package(Section):
    """Several chips, all alike, joined by links between neighbours; `gap` is what lies between two dies.

    Each chip has circuits for `links_per_chip` links on its edge, whichever are used, since all chips are made alike.
    """

    later: ClassVar[frozenset[str]] = frozenset({"links_per_chip"})

    chips: Count
    """Chips of the package, all alike."""
    gap_m: Length
    """Distance between two neighbouring dies."""
    links_per_chip: Annotated[int, units.Dimension("", least=1, above=False, most=CHIP_LINKS.most, whole=True)] = 4
    """Links for which each chip has circuits on its edge, whether they are used or not."""
    link: Annotated[ChipLink, Role("chip_link")]
    """The link from a chip to its neighbour, in one direction."""

    @model_validator(mode="after")
    def _has_links_for_its_neighbours(self) -> Self:
        columns = ceil(sqrt(self.chips))
        rows = ceil(self.chips / columns)
        most = min(columns - 1, 2) + min(rows - 1, 2)
        if self.links_per_chip < most:
            message = {"have": self.links_per_chip, "chips": self.chips, "most": most}
            raise PydanticCustomError("package", "of {chips} chips some have {most} neighbours, and links_per_chip is "
                                      "{have}; make it {most} or more", message)  # fmt: skip
        return self


class Transfer(Section):
    """When capacitors are emptied into the long-term devices: every so many examples, by which policy.

    Of sequences of several vectors `interval_vectors` counts, where it is given, in whole sequences, at least one.
    """

    later: ClassVar[frozenset[str]] = frozenset({"interval_vectors"})

    interval_examples: Count
    """Examples after which capacitors are emptied into the long-term devices."""
    interval_vectors: Count | None = None
    """The same for sequences of several vectors: so many vectors, in whole sequences, at least one."""
    policy: Annotated[str, Choice(TRANSFER_POLICIES)]
    """How transfers and training share the tiles."""
    rows_in_parallel: Lines = 1
    """Rows of a tile that are programmed at once."""
    tiles_in_parallel: Count
    """Tiles that are programmed at once."""


class Refresh(Section):
    """Whether capacitors are read and written back between transfers, and how often."""

    policy: Annotated[str, Choice(REFRESH_POLICIES)] = "none"
    """Whether capacitors are read and written back between transfers."""
    period_s: Time | None = None
    """Time between two refreshes of a row."""

    @model_validator(mode="after")
    def _has_period(self) -> Self:
        if self.policy != "none" and self.period_s is None:
            raise PydanticCustomError("refresh", "policy '{p}' needs a period; give 'period: 500 us', or policy 'none'",
                                      {"p": self.policy})  # fmt: skip
        return self


class ScheduleSpec(Section):
    """How examples follow each other, and the maintenance between them.

    Cells that keep what they hold need no `transfer`. Without it weights are written a row at a time, one tile after
    another. In inference a layer's memory has room for `vectors_held` vectors of an example: of two, one is read while
    the next arrives.
    """

    later: ClassVar[frozenset[str]] = frozenset({"vectors_held"})

    mode: Literal["sequential", "pipelined"]
    """Whether the next example waits for the updates of the one before, or overlaps with it."""
    in_flight: Count = 1
    """Examples that are under way at once when pipelined. Gradients get older by as many."""
    prefetch: CountOrZero = 1
    """Examples that are fetched from the host ahead of their turn."""
    vectors_held: Count = 2
    """In inference, vectors of an example for which a layer's memory has room."""
    transfer: Transfer | None = None
    """When and how weights are transferred from capacitors; cells that keep their weights need none."""
    refresh: Refresh = Refresh()
    """Whether and how often capacitors are refreshed between transfers."""

    @property
    def examples_in_flight(self) -> int:
        """One when sequential, else `in_flight`."""
        return 1 if self.mode == "sequential" else self.in_flight

    @property
    def rows_written(self) -> int:
        """Rows of a tile that are programmed at once."""
        return 1 if self.transfer is None else self.transfer.rows_in_parallel

    @property
    def tiles_written(self) -> int:
        """Tiles that are programmed at once."""
        return 1 if self.transfer is None else self.transfer.tiles_in_parallel


class AnyFigure:
    """Marks a field whose text is a figure in the unit that its neighbours say."""


class Numerics(Section):
    """How numbers sit on the chip: weights as conductances, and the ranges that its converters are set to.

    A weight of one is `weight_scale` uS, `output_weight_scale` in the last layer. Converters span plus and minus
    `partial_range` where sums go on to be added (and for the errors of the backward pass, relative to the largest
    gradient), plus and minus `output_range` at the output. Hidden units are converted up to the largest value of their
    activation, those of an activation without one up to `activation_range`.
    `read_noise` is the standard deviation of what a read adds to each line before it is converted, in the same units.

    Sums of recurrent units are converted within plus and minus `gate_range`. Their states are kept in memory with
    `state_bits`; one that has no bound, c of an LSTM, up to `state_range`. Gates have the bits of the converters.

    Leakage is applied every `leak_interval` examples, or as many vectors of sequences, and before a row is read by a
    transfer. What lines draw through the cells is measured at their conductances every `activity_interval` updates, and
    around maintenance of at least the `activity_share` of a tile's rows; in between, the mean of two readings counts.
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {
            "activation_range",
            "gate_range",
            "state_range",
            "state_bits",
            "leak_interval",
            "activity_interval",
            "activity_share",
        }
    )

    weight_scale_siemens: Conductance = 100e-6
    """Conductance that stands for a weight of one."""
    output_weight_scale_siemens: Conductance = 50e-6
    """The same in the last layer."""
    partial_range: Ratio = 4.0
    """Converters span plus and minus this where sums go on to be added, and for errors of the backward pass."""
    output_range: Ratio = 16.0
    """Converters span plus and minus this at the network's output."""
    activation_range: Ratio = 2.0
    """Hidden units whose activation has no largest value are converted up to this."""
    gate_range: Ratio = 4.0
    """Converters span plus and minus this where sums of recurrent units are read."""
    state_range: Ratio = 4.0
    """The state of a recurrent unit that has no bound, c of an LSTM, is kept up to plus and minus this."""
    state_bits: units.Bits = 8
    """Bits with which the state of a recurrent unit is kept in memory."""
    read_noise: Ratio = 0.0
    """Standard deviation of what a read adds to each line before it is converted, in units of weight times input."""
    leak_interval: Count = 64
    """Examples, or vectors of sequences, between two moments at which leakage is applied in the numbers."""
    activity_interval: Count = 512
    """Updates between two readings of the conductances to which the measured energy is charged."""
    activity_share: units.Share = 0.25
    """Maintenance of so large a part of a tile's rows has its conductances read before and after."""


ABOUT = ("name", "description", "reference", "silicon", "published")
"""Keys of a spec that say something of the chip and are none of its parts."""


def _settings(given: object) -> object:
    for key, value in given.items() if isinstance(given, dict) else ():
        what = None
        if not isinstance(key, str) or "=" in key or not key.strip():
            what = "'{key}' is not a key of a spec; write a dotted one"
        elif key.partition(".")[0].partition("[")[0] in ABOUT:
            what = "'{key}' is not a part of the chip that a figure could be measured with; leave it out"
        elif not isinstance(value, str | int | float) or not str(value).strip():
            what = "'{key}' has no value; write it"
        if what is not None:
            what += " as --set takes it, such as 'tile.row_driver.bits: 6'"
            raise PydanticCustomError("setting", what, {"key": str(key)})
    return {key: str(value) for key, value in given.items()} if isinstance(given, dict) else given


FigureSettings = Annotated[
    dict[str, str],
    BeforeValidator(_settings),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "object"]}}),
]
"""Values by dotted key of a spec, as `--set` takes them."""


class Published(Section):
    """A figure that the chip's authors published, to be compared with the simulated one.

    `kind` says whether the spec was fitted to it (`fit`), states it itself (`input`) or predicts it (`predicted`). Of a
    `shape` parts were fitted to the same measurement, or are its total at another setting: only how it goes with the
    setting is predicted. `mode` says of what it is.
    A sustained figure names the `workload` on which it holds; without one it is the chip's own. One that was measured
    with the chip set otherwise than its spec says is simulated with these values (`set`), one that holds for certain
    inputs, weights and outputs at these (`values`). `at` says in short words how it was set.
    """

    later: ClassVar[frozenset[str]] = frozenset({"mode", "workload", "set_", "at", "values"})

    metric: str
    """Which metric of metrics.json the figure is of."""
    value: Annotated[str, AnyFigure()]
    """The figure as published, with its unit."""
    tolerance: units.Share
    """By how much the simulated figure may differ, as a share."""
    kind: Literal["fit", "input", "shape", "predicted"]
    """Whether the spec was fitted to the figure, states it itself, was fitted in parts, or predicts it."""
    mode: Literal["training", "inference"] = "training"
    """Whether it was published of training or of inference."""
    workload: str = ""
    """The workload on which it holds; without one it is the chip's own peak."""
    set_: FigureSettings = {}
    """What the chip was set to when it was measured, by dotted key, where that differs from the spec."""
    at: str = ""
    """In short words how the chip was set."""
    values: Values | None = None
    """For which inputs, weights and outputs the chip's own figure holds; a workload states its own."""

    @model_validator(mode="after")
    def _is_of_one_kind_of_values(self) -> Self:
        if self.values is not None and self.workload:
            text = "values are of the chip's own figures, and '{workload}' states its own; leave one of both out"
            raise PydanticCustomError("values", text, {"workload": self.workload})
        return self

    @property
    def settings(self) -> tuple[str, ...]:
        """What the chip is set to for it, as `key=value`."""
        return tuple(f"{key}={value}" for key, value in self.set_.items())

    @model_validator(mode="after")
    def _has_unit(self) -> Self:
        try:
            units.parse_metric(self.metric, self.value)
        except ValueError as error:
            message = {"what": str(error), "metric": self.metric, "unit": units.si_of_metric(self.metric) or "none"}
            raise PydanticCustomError("published", "{what}; '{metric}' has the unit {unit}", message) from None
        return self


def _built_in(name: str) -> str:
    if name and not is_builtin(name, "arch_specs"):
        message = "there is no built-in chip '{name}'; {hint}"
        hint = nearest(name, builtin_names("arch_specs"))
        raise PydanticCustomError("choice", message, {"name": name, "hint": hint})
    return name


class ArchSpec(Section):
    """A chip, or a package of equal ones: technology, tiles, routing, host, floorplan, schedule, what was published.

    As loaded, its digital parts are already as at the node that `scaling` declares. `placement_options` are the keyword
    arguments of the placement's function. `silicon` says that what was published of it was measured on a chip; else it
    is a design.
    """

    later: ClassVar[frozenset[str]] = frozenset({"package", "scaling", "placement_options", "silicon", "fitted_on"})

    name: FreeName
    """Name of the chip, as reports call it; the file's own unless given."""
    description: str = ""
    """What the chip is, in sentences."""
    reference: str = ""
    """The publication that describes the chip."""
    silicon: Flag = False
    """Whether what was published was measured on a chip; else it is a design."""
    technology: Technology
    """Process node, clock, supply and temperature."""
    tile: TileSpec
    """The kind of tile that the chip is made of."""
    variants: dict[FreeName, TileSpec] = {}
    """Further kinds of tile by name, each with what differs from the default one, and its count."""
    routing: Routing
    """How vectors travel between tiles."""
    host: Annotated[HostPort, Role("host")]
    """The port through which examples come."""
    floorplan: Annotated[Floorplan, Role("floorplan", registry=FLOORPLANS)]
    """Where tiles and the host port lie on the die."""
    placement: Annotated[str, Choice(PLACEMENTS)] = "in_order"
    """Which tile holds which part of the network."""
    placement_options: Annotated[Options, OptionsOf(PLACEMENTS, "placement")] = Field(default={}, validate_default=True)
    """Options of the placement, by name."""
    schedule: ScheduleSpec
    """How examples follow each other, and the maintenance between them."""
    package: Package | None = None
    """Several such chips side by side; without it there is one."""
    numerics: Numerics = Numerics()
    """How numbers sit on the chip: scales and ranges, which training in numbers reads."""
    scaling: Scaling | None = None
    """Takes digital parts, whose figures are of one node, to another."""
    published: tuple[Published, ...] = ()
    """Figures that the chip's authors published, with which `archsim published` compares; not those of a chip that it
    extends."""
    fitted_on: Annotated[str, AfterValidator(_built_in)] = ""
    """The built-in chip on which the fitted figures were fitted, where that is another one. A chip that extends it says
    so by itself."""

    @model_validator(mode="after")
    def _is_of_a_size(self) -> Self:
        TILES.check(sum(tile.count for _, tile in self.tile_kinds) * self.chips)
        return self

    def cycles(self, time_s: Fraction, times: int = 1) -> int:
        """Return a time, so many `times` over, in cycles of the chip clock, rounded up once."""
        return cycles(time_s, self.technology.clock_hz, times)

    def check_trainable(self) -> None:
        """Raise SpecError with every part that training needs and the chip lacks."""
        found = []
        for name, tile in self.tile_kinds:
            place = name if name == "tile" else f"variants.{name}"
            found += tile.missing(place)
            if self.schedule.transfer is None and tile.device.transfer_steps:
                what = f"is missing, and the '{tile.device.kind}' of {place} must be transferred in training"
                hint = "say when and how, or train on cells that keep their weights"
                found.append(Problem("schedule.transfer", what, hint))
        if found:
            raise SpecError(found)

    @property
    def tile_kinds(self) -> list[tuple[str, TileSpec]]:
        """The kinds of tile by name, the default one first."""
        return [("tile", self.tile), *self.variants.items()]

    @property
    def chips(self) -> int:
        """How many chips there are; `tile.count` is that of one."""
        return 1 if self.package is None else self.package.chips

    def components(self) -> list[Component]:
        """Return each component once, in order of the spec."""
        found: list[Component] = []
        for _, tile in self.tile_kinds:
            found += [value for _, value in tile if isinstance(value, Component)]
            found += tile.periphery
        joined = [] if self.package is None else [self.package.link]
        return [*found, self.routing.link, self.routing.router, self.host, *joined]
