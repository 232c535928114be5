"""The network of a chip alone: latency against offered load under synthetic traffic, and where it saturates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.base.errors import Problem, SpecError
from archsim.base.limits import BUFFERS, DELAY, LOADS, NETWORK_CYCLES, PACKET, ROUTERS
from archsim.base.words import agreeing, counted
from archsim.noc.patterns import TRAFFIC, Traffic
from archsim.noc.router import Router
from archsim.noc.saturation import LinkLoads, Setting, bisection
from archsim.spec.choices import TOPOLOGIES
from archsim.studies.names import all_faults, folder_of
from archsim.studies.noc.document import Curve, HotSpot, Link, Network, document
from archsim.studies.noc.load_task import LoadTask, Net, setting_of, topology_of
from archsim.studies.study import Prepared, Progress, Study, registered
from archsim.studies.tasks.bench import Compute, Spread, bench, results

SHARES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.05)
"""Of the saturation throughput: the loads at which a curve is drawn, besides those that the search tried."""
STEPS = 7
"""So many loads the search tries, mostly: until 2^-7 is below its resolution."""


@dataclass(frozen=True)
class Inputs(Spread):
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
    shape, *_ = all_faults([lambda: _shape(inputs), lambda: TOPOLOGIES.lookup(inputs.topology, "TOPOLOGY"),
                            *(lambda name=name: TRAFFIC.lookup(name, "--traffic") for name in inputs.traffic),
                            lambda: _check(inputs)])  # fmt: skip
    NETWORK_CYCLES.check(shape.tiles * (inputs.warmup_cycles + inputs.cycles), "--cycles")
    BUFFERS.check(shape.tiles * inputs.vcs * inputs.router.buffer_flits, "--buffer-flits")
    problems = inputs.router.problems(topology_of(inputs.topology, shape.tiles, shape.columns).class_count)
    if problems:
        raise SpecError(problems)
    net = net_of(inputs)
    found = all_faults([lambda name=name: setting_of(net, name) for name in inputs.traffic])  # type: ignore[misc]
    return dict(zip(inputs.traffic, found, strict=True))


def net_of(inputs: Inputs) -> Net:
    """Return the network that was asked for; how long its links are is in --link-cycles."""
    return Net(inputs.topology, _shape(inputs), inputs.router, inputs.warmup_cycles, inputs.cycles, inputs.seed)


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
        with bench(inputs, folder) as tasks_done:
            curves = _curves(net_of(inputs), settings, inputs.load, progress, tasks_done)
        wires = next(iter(settings.values())).wires
        hot = HotSpot(tile=inputs.hot_tile, share=inputs.hot_share) if "hotspot" in inputs.traffic else None
        return Network(
            command=inputs.line, seed=inputs.seed, topology=inputs.topology, size=inputs.size, tiles=wires.tiles,
            class_count=wires.topology.class_count, router=inputs.router, hot=hot,
            warmup_cycles=inputs.warmup_cycles, cycles=inputs.cycles, traffic=tuple(curves),
        )  # fmt: skip

    return Prepared(folder_of(["network", inputs.topology, inputs.size], [inputs.line]), compute)


def _curves(
    net: Net, settings: Mapping[str, Setting], loads: Sequence[float], progress: Progress, compute: Compute
) -> list[Curve]:  # fmt: skip
    """Return each traffic's figures: at these loads, or, without any, where it saturates and below."""
    asked = list(dict.fromkeys(loads))
    total = len(settings) * (len(asked) or STEPS + len(SHARES))
    done = 0

    def at(wanted: Mapping[str, Sequence[float]]) -> dict[str, list[LinkLoads]]:
        """Return what the network does at some loads of each traffic."""
        nonlocal done
        tasks = [LoadTask(net, name, load) for name, own in wanted.items() for load in own]

        def told(more: float, _: int | None = None, words: str = "", /) -> None:
            progress(min(done + more, total), total, words)

        found = iter(results(compute, tasks, told))
        done += len(tasks)
        return {name: [next(found).found for _ in own] for name, own in wanted.items()}

    if asked:
        points = at(dict.fromkeys(settings, asked))
        return [_curve(name, setting, points[name], points[name][-1]) for name, setting in settings.items()]
    best: dict[str, LinkLoads] = {}
    tried: dict[str, list[LinkLoads]] = {}
    searches = {name: bisection(setting.bound) for name, setting in settings.items()}
    coming = {name: next(search) for name, search in searches.items()}
    while coming:
        met, coming = at({name: [load] for name, load in coming.items()}), {}
        for name, (found,) in met.items():
            try:
                coming[name] = searches[name].send(found)
            except StopIteration as end:
                best[name], tried[name] = end.value
    below = at({name: [share * best[name].load for share in SHARES] for name in settings})
    return [
        _curve(name, setting, [*tried[name], *below[name]], below[name][SHARES.index(0.5)], best[name])
        for name, setting in settings.items()
    ]


def _curve(
    name: str, setting: Setting, points: Sequence[LinkLoads], shown: LinkLoads, best: LinkLoads | None = None
) -> Curve:  # fmt: skip
    """Return one traffic's figures: bounds, points by load, saturation if it was looked for, and the links."""
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


def loads(data: Network) -> list[dict[str, Any]]:
    """Return each load of each traffic as flat figures."""
    return [{"traffic": curve["name"], **load} for curve in data.plain()["traffic"] for load in curve["points"]]


STUDY = registered(Study(Inputs, Network, "network.json", prepare, document, rows=loads))
