"""A network alone: packets under synthetic traffic on a topology's routing graph, event by event."""

from archsim.simulation.network.study import Load, Setting, latency_at, saturation
from archsim.simulation.network.traffic import TRAFFIC, Traffic
from archsim.simulation.network.wires import ARBITRATIONS, Router, Wires

__all__ = ["ARBITRATIONS", "TRAFFIC", "Load", "Router", "Setting", "Traffic", "Wires", "latency_at", "saturation"]
