"""What a network does at one load, as a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar

from archsim.base.record import Record
from archsim.chip.floorplan.generators import grid
from archsim.chip.topologies.base import Topology
from archsim.noc.patterns import TRAFFIC, Traffic
from archsim.noc.router import Router, Wires
from archsim.noc.saturation import LinkLoads, Setting, latency_at
from archsim.spec.choices import TOPOLOGIES
from archsim.studies.tasks.task import Inside, Task, unheard


@dataclass(frozen=True)
class Net:
    """A network, and for how long packets are made."""

    topology: str
    shape: Traffic
    router: Router
    warmup_cycles: int
    cycles: int
    seed: int


def topology_of(name: str, tiles: int, columns: int) -> Topology:
    """Return a topology over a grid of sites of 1 mm2, so that links between routers have a length."""
    found: Topology = TOPOLOGIES[name](grid([1e-6] * tiles, 1e-6, columns, 0.0))
    return found


@lru_cache(1)
def _wires(name: str, tiles: int, columns: int) -> Wires:
    return Wires(topology_of(name, tiles, columns))


@lru_cache(8)
def setting_of(net: Net, traffic: str) -> Setting:
    """Return a network under a traffic; raise SpecError where that cannot be on its grid."""
    weights = TRAFFIC[traffic](net.shape)
    wires = _wires(net.topology, net.shape.tiles, net.shape.columns)
    return Setting(wires, net.router, weights, net.warmup_cycles, net.cycles, net.seed)


class AtLoad(Record):
    """What a network does at one load."""

    found: LinkLoads


@dataclass(frozen=True)
class LoadTask(Task[AtLoad]):
    """A network under a traffic at a load, in flits per tile and cycle."""

    result: ClassVar[type[Record]] = AtLoad
    net: Net
    traffic: str
    load: float

    @property
    def words(self) -> str:
        """Traffic and load."""
        return f"{self.traffic} traffic, load {self.load:.4g}"

    def labels(self) -> Mapping[str, str]:
        """Return the network, the traffic and the load."""
        size = f"{self.net.shape.rows}x{self.net.shape.columns}"
        return {"topology": self.net.topology, "size": size, "traffic": self.traffic, "load": f"{self.load:.6g}"}

    def asked(self) -> Mapping[str, Any]:
        """Return all of it."""
        return asdict(self)

    def compute(self, inside: Inside = unheard) -> AtLoad:
        """Simulate; raise StuckError if packets wait for each other for ever."""
        return AtLoad(found=latency_at(setting_of(self.net, self.traffic), self.load))
