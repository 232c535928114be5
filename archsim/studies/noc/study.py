"""A network alone, as the command simulates it: under each traffic, at loads given or up to saturation."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.base.errors import Problem, SpecError
from archsim.base.words import agreeing, counted
from archsim.chip.floorplan import grid
from archsim.noc.patterns import TRAFFIC, Traffic
from archsim.noc.router import Router, Wires
from archsim.noc.saturation import Load, Setting, latency_at, saturation
from archsim.report.folder import check_folder
from archsim.results.metrics import package_version
from archsim.spec.arch import TOPOLOGIES
from archsim.studies.noc.document import SCHEMA, write_network
from archsim.studies.study import all_faults

SHARES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.05)
"""Of the saturation throughput: the loads at which a curve is drawn, besides those that the search tried."""
MOST_TILES = 1024  # assumption: beyond, finding the routes of all pairs takes minutes
Progress = Callable[[float, int, str], None]


@dataclass(frozen=True)
class Request:
    """What the command was asked: names and numbers as given, not yet checked."""

    topology: str
    size: str = "8x8"
    traffic: tuple[str, ...] = ("uniform",)
    loads: tuple[float, ...] = ()
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

    @property
    def command(self) -> str:
        """The command that repeats it, as one line for a shell: what differs from the defaults."""
        words = ["archsim", "network", self.topology, "--size", self.size]
        words += [word for name in self.traffic for word in ("--traffic", name)]
        words += [word for load in self.loads for word in ("--load", f"{load:g}")]
        for field in dataclasses.fields(self)[4:]:
            value = getattr(self, field.name)
            if value != field.default:
                words += [f"--{field.name.replace('_', '-')}", str(value)]
        return shlex.join(words)


def settings_of(request: Request) -> dict[str, Setting]:
    """Return the network under each traffic that is asked for; raise SpecError with everything that is wrong."""
    shape, build, *_ = all_faults([lambda: _shape(request), lambda: TOPOLOGIES.lookup(request.topology, "TOPOLOGY"),
                                   *(lambda name=name: TRAFFIC.lookup(name, "--traffic") for name in request.traffic),
                                   lambda: _check(request)])  # fmt: skip
    # Sites of 1 mm2, so that links between routers have a length; how long they are is in --link-cycles.
    topology = build(grid([1e-6] * shape.tiles, 1e-6, shape.columns, 0.0))
    problems = request.router.problems(topology.class_count)
    if problems:
        raise SpecError(problems)
    weights = all_faults([lambda name=name: TRAFFIC[name](shape) for name in request.traffic])  # type: ignore[misc]
    wires = Wires(topology)
    return {
        name: Setting(wires, request.router, own, request.warmup_cycles, request.cycles, request.seed)
        for name, own in zip(request.traffic, weights, strict=True)
    }


def _shape(request: Request) -> Traffic:
    match = re.fullmatch(r"(\d+)x(\d+)", request.size)
    hint = "give rows x columns, such as 8x8"
    if match is None:
        raise SpecError([Problem("--size", f"'{request.size}' is not the size of a grid", hint)])
    rows, columns = int(match[1]), int(match[2])
    if not 2 <= rows * columns <= MOST_TILES:
        are = agreeing(rows * columns, "is", "are")
        what = f"{rows} x {columns} {are} {counted(rows * columns, 'tile')}"
        raise SpecError([Problem("--size", what, f"give 2 to {MOST_TILES:,}")])
    if not 0 <= request.hot_tile < rows * columns:
        what = f"there is no tile {request.hot_tile}"
        raise SpecError([Problem("--hot-tile", what, f"give 0 to {rows * columns - 1}")])
    return Traffic(rows, columns, request.hot_tile, request.hot_share)


def _check(request: Request) -> None:
    problems = [*request.router.problems()]
    problems += [
        Problem("--load", f"{counted(load, 'flit', form='g')} per tile and cycle", "give more than 0 and at most 1")
        for load in request.loads if not 0 < load <= 1
    ]  # fmt: skip
    problems += [
        Problem(f"--{name.replace('_', '-')}", f"{getattr(request, name)} is neither 0 nor 1", "give 0 or 1")
        for name in ("wait_for_tail_credit", "hold_switch_for_packet") if getattr(request, name) not in (0, 1)
    ]  # fmt: skip
    if not 0 <= request.hot_share <= 1:
        problems.append(Problem("--hot-share", f"{request.hot_share:g} is no share", "give 0 to 1"))
    if request.warmup_cycles < 0:
        problems.append(Problem("--warmup-cycles", f"{request.warmup_cycles} is negative", "give 0 or more"))
    if request.cycles < 1:
        problems.append(Problem("--cycles", f"{request.cycles} is too few", "give 1 or more"))
    if problems:
        raise SpecError(problems)


def execute_network(
    request: Request, out: Path | None = None, progress: Progress | None = None
) -> tuple[dict[str, Any], Path]:
    """Return what a network does, as its file holds it, and the folder of its report.

    `progress` is called with the traffic patterns done, how many there are, and words. Raises SpecError with
    everything that is wrong, StuckError if packets wait for each other for ever.
    """
    settings = settings_of(request)
    suffix = hashlib.sha256(request.command.encode()).hexdigest()[:8]
    folder = out if out is not None else Path("reports") / f"network-{request.topology}-{request.size}--{suffix}"
    check_folder(folder)
    curves = []
    for done, (name, setting) in enumerate(settings.items()):
        if progress is not None:
            progress(done, len(settings), f"{name} traffic")
        curves.append(_curve(name, setting, request.loads))
    setting = next(iter(settings.values()))
    data = {
        "schema": SCHEMA,
        "version": package_version(),
        "command": request.command,
        "seed": request.seed,
        "topology": request.topology,
        "size": request.size,
        "tiles": setting.wires.tiles,
        "class_count": setting.wires.topology.class_count,
        "router": {
            name: int(value) if isinstance(value, bool) else value
            for name, value in dataclasses.asdict(request.router).items()
        },  # 0 and 1, as they are given
        "warmup_cycles": request.warmup_cycles,
        "cycles": request.cycles,
        "hot": {"tile": request.hot_tile, "share": request.hot_share} if "hotspot" in request.traffic else None,
        "traffic": curves,
    }
    return data, write_network(data, folder)


def _curve(name: str, setting: Setting, loads: tuple[float, ...]) -> dict[str, Any]:
    """Return one traffic's figures: bounds, points by load, saturation if it was looked for, and the links."""
    best: Load | None = None
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
    return {
        "name": name,
        "load_bound": setting.bound,
        "latency_zero_load": setting.zero_load_mean_cycles,
        "saturation_load": None if best is None else best.load,
        "saturation_throughput": None if best is None else best.accepted,
        "latency_mean_at_half": None if best is None else shown.latency_mean,
        "points": [
            {key: value for key, value in dataclasses.asdict(point).items() if key not in ("utilisation", "wait_mean")}
            for point in sorted(points, key=lambda point: point.load)
        ],
        "links_at_load": shown.load,
        "links": [
            {"name": link, "utilisation": used, "wait_mean_cycles": wait} for link, used, wait in links if used
        ],
    }  # fmt: skip
