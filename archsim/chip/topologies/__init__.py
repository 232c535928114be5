"""Topologies: the routing graph over the sites of a floorplan, and the route between two of its nodes.

Each is one registered function of the floorplan; its keyword-only parameters are what `routing.options` may set.
"""

from archsim.chip.topologies.base import Graph, Topology
from archsim.chip.topologies.buses import bus
from archsim.chip.topologies.given import graph
from archsim.chip.topologies.meshes import cmesh, mesh
from archsim.chip.topologies.rings import ring, torus
from archsim.chip.topologies.trees import htree

__all__ = ["Graph", "Topology", "bus", "cmesh", "graph", "htree", "mesh", "ring", "torus"]
