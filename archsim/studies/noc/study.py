"""The network of a chip alone: latency against offered load under synthetic traffic, and where it saturates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from archsim.base.errors import Problem, SpecError
from archsim.base.limits import BUFFERS, DELAY, LOADS, NETWORK_CYCLES, PACKET, ROUTERS
from archsim.base.words import agreeing, counted
from archsim.chip.floorplan.generators import grid
from archsim.noc.patterns import TRAFFIC, Traffic
from archsim.noc.router import Router, Wires
from archsim.noc.saturation import LinkLoads, Setting, latency_at, saturation
from archsim.spec.choices import TOPOLOGIES
from archsim.studies import study
from archsim.studies.names import all_faults, folder_of
from archsim.studies.noc.document import Curve, HotSpot, Link, Network, document
from archsim.studies.study import Prepared, Progress, Study, registered

SHARES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.05)
"""Of the saturation throughput: the loads at which a curve is drawn, besides those that the search tried."""


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """A topology, the grid of tiles, what routers and links are, and who sends how much to whom."""

    words = "network"
    topology: str
    size: str = "8x8"
    traffic: tuple[str, ...] = ("uniform",)
    load: tuple[float, ...] = ()
    packet_flits: int = 8
    vcs: int = 4
    buffer_flits: int | None = None
    router_cycles: int = 3
    link_cycles: int = 1
    credit_cycles: int = 2
    arbitration: str = "round_robin"
    wait_for_tail_credit: int = 0
    hold_switch_for_packet: int = 0
    hot_tile: int = 0
    hot_share: float = 0.1
    warmup_cycles: int = 5_000
    cycles: int = 20_000
    seed: int = 0

    @property
    def router(self) -> Router:
        """The router that was asked for."""
        buffer_flits = self.packet_flits if self.buffer_flits is None else self.buffer_flits
        return Router(
            self.packet_flits, self.vcs, buffer_flits, self.router_cycles, self.link_cycles, self.credit_cycles,
            self.arbitration, bool(self.wait_for_tail_credit), bool(self.hold_switch_for_packet),
        )  # fmt: skip


def settings_of(inputs: Inputs) -> dict[str, Setting]:
    """Return the network under each traffic that is asked for; raise SpecError with everything that is wrong."""
    shape, build, *_ = all_faults([lambda: _shape(inputs), lambda: TOPOLOGIES.lookup(inputs.topology, "TOPOLOGY"),
                                   *(lambda name=name: TRAFFIC.lookup(name, "--traffic") for name in inputs.traffic),
                                   lambda: _check(inputs)])  # fmt: skip
    NETWORK_CYCLES.check(shape.tiles * (inputs.warmup_cycles + inputs.cycles), "--cycles")
    BUFFERS.check(shape.tiles * inputs.vcs * inputs.router.buffer_flits, "--buffer-flits")
    # Sites of 1 mm2, so that links between routers have a length; how long they are is in --link-cycles.
    topology = build(grid([1e-6] * shape.tiles, 1e-6, shape.columns, 0.0))
    problems = inputs.router.problems(topology.class_count)
    if problems:
        raise SpecError(problems)
    weights = all_faults([lambda name=name: TRAFFIC[name](shape) for name in inputs.traffic])  # type: ignore[misc]
    wires = Wires(topology)
    return {
        name: Setting(wires, inputs.router, own, inputs.warmup_cycles, inputs.cycles, inputs.seed)
        for name, own in zip(inputs.traffic, weights, strict=True)
    }


def _shape(inputs: Inputs) -> Traffic:
    match = re.fullmatch(r"(\d+)x(\d+)", inputs.size)
    hint = "give rows x columns, such as 8x8"
    if match is None:
        raise SpecError([Problem("--size", f"'{inputs.size}' is not the size of a grid", hint)])
    rows, columns = (int(each[:9]) for each in match.groups())
    ROUTERS.check(rows * columns, "--size")
    if rows * columns < 2:
        are = agreeing(rows * columns, "is", "are")
        what = f"{rows} x {columns} {are} {counted(rows * columns, 'tile')}"
        raise SpecError([Problem("--size", what, f"give 2 to {ROUTERS.most:,}")])
    if not 0 <= inputs.hot_tile < rows * columns:
        what = f"there is no tile {inputs.hot_tile}"
        raise SpecError([Problem("--hot-tile", what, f"give 0 to {rows * columns - 1}")])
    return Traffic(rows, columns, inputs.hot_tile, inputs.hot_share)


def _check(inputs: Inputs) -> None:
    problems = [*inputs.router.problems()]
    problems += [
        Problem("--load", f"{counted(load, 'flit', form='g')} per tile and cycle", "give more than 0 and at most 1")
        for load in inputs.load if not 0 < load <= 1
    ]  # fmt: skip
    problems += [
        Problem(f"--{name.replace('_', '-')}", f"{getattr(inputs, name)} is neither 0 nor 1", "give 0 or 1")
        for name in ("wait_for_tail_credit", "hold_switch_for_packet") if getattr(inputs, name) not in (0, 1)
    ]  # fmt: skip
    if not 0 <= inputs.hot_share <= 1:
        problems.append(Problem("--hot-share", f"{inputs.hot_share:g} is no share", "give 0 to 1"))
    limits = ((PACKET, "packet_flits"), (DELAY, "router_cycles"), (DELAY, "link_cycles"), (DELAY, "credit_cycles"))
    for limit, name in limits:
        problems += limit.faults(getattr(inputs, name), f"--{name.replace('_', '-')}")
    problems += LOADS.faults(len(inputs.load), "--load")
    if inputs.warmup_cycles < 0:
        problems.append(Problem("--warmup-cycles", f"{inputs.warmup_cycles} is negative", "give 0 or more"))
    if inputs.cycles < 1:
        problems.append(Problem("--cycles", f"{inputs.cycles} is too few", "give 1 or more"))
    if problems:
        raise SpecError(problems)


def prepare(inputs: Inputs) -> Prepared[Network]:
    """Return a network to be simulated; raise SpecError with everything that is wrong."""
    settings = settings_of(inputs)

    def compute(progress: Progress, folder: Path) -> Network:
        """Raise StuckError if packets wait for each other for ever."""
        curves = []
        for done, (name, setting) in enumerate(settings.items()):
            progress(done, len(settings), f"{name} traffic")
            curves.append(_curve(name, setting, inputs.load))
        wires = next(iter(settings.values())).wires
        hot = HotSpot(tile=inputs.hot_tile, share=inputs.hot_share) if "hotspot" in inputs.traffic else None
        return Network(
            command=inputs.line, seed=inputs.seed, topology=inputs.topology, size=inputs.size, tiles=wires.tiles,
            class_count=wires.topology.class_count, router=inputs.router, hot=hot,
            warmup_cycles=inputs.warmup_cycles, cycles=inputs.cycles, traffic=tuple(curves),
        )  # fmt: skip

    return Prepared(folder_of(["network", inputs.topology, inputs.size], [inputs.line]), compute)


def _curve(name: str, setting: Setting, loads: tuple[float, ...]) -> Curve:
    """Return one traffic's figures: bounds, points by load, saturation if it was looked for, and the links."""
    best: LinkLoads | None = None
    if loads:
        points = [latency_at(setting, load) for load in dict.fromkeys(loads)]
        shown = points[-1]
    else:
        best, tried = saturation(setting)
        curve = [latency_at(setting, share * best.load) for share in SHARES]
        points, shown = [*tried, *curve], curve[SHARES.index(0.5)]
    links = sorted(
        zip(setting.wires.names, shown.utilisation, shown.wait_mean, strict=True), key=lambda link: (-link[1], link[0])
    )
    return Curve(
        name=name,
        load_bound=setting.bound,
        latency_zero_load=setting.zero_load_mean_cycles,
        saturation_load=None if best is None else best.load,
        saturation_throughput=None if best is None else best.accepted,
        latency_mean_at_half=None if best is None else shown.latency_mean,
        points=tuple(sorted(points, key=lambda point: point.load)),
        links_at_load=shown.load,
        links=tuple(
            Link(name=link, utilisation=used, wait_mean_cycles=wait) for link, used, wait in links if used
        ),
    )  # fmt: skip


STUDY = registered(Study(Inputs, Network, "network.json", prepare, document))
