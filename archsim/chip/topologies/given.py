"""Graphs given link by link, with shortest routes; whether mapped flows can deadlock is checked with the schedule."""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any

import networkx as nx
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.section import Flag, Section
from archsim.base.units import Length
from archsim.base.words import counted
from archsim.chip.floorplan import Plan
from archsim.chip.topologies.base import Graph, Topology, Wires, mean_m
from archsim.spec.choices import TOPOLOGIES

_WHERE = "routing.options.links"


class Join(Section):
    """A link from one node to another, and back unless `both` is false; as long as they lie apart unless said."""

    from_: str
    """Node at which the link begins: tile0, host or router0, and so on."""
    to: str
    """Node at which it ends."""
    length_m: Length | None = None
    """Its length; as far as the nodes lie apart unless given."""
    both: Flag = True
    """Whether there is a link back."""

    @model_validator(mode="before")
    @classmethod
    def _of_pair(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            if len(value) != 2:
                message = {"count": len(value)}
                raise PydanticCustomError("pair", "a list of {count} is no link; give [a, b], or from and to", message)
            return {"from": value[0], "to": value[1]}
        return value


@TOPOLOGIES.add("graph")
def graph(
    plan: Plan, *, links: Annotated[tuple[Join, ...], Field(description="Links, from node to node.")] = ()
) -> Topology:
    """A graph given link by link: `links` join `tile0` and so on, `host`, and routers of any name that begins so.

    Routes are shortest in hops, the first by name of equals, and pass through routers only. A router lies in the middle
    of its neighbours. Without links, all tiles and the host port are joined to one router. Raises SpecError with all
    that is wrong.
    """
    ends = ["host", *(f"tile{i}" for i in range(len(plan.sites)))]
    given = links or tuple(Join(from_=node, to="router0") for node in ends)
    problems = _faults(given, ends)
    if problems:
        raise SpecError(problems)
    wires = Wires(plan)
    _place_routers(wires, given, ends)
    for join in given:
        length_m = wires.apart_m(join.from_, join.to) if join.length_m is None else join.length_m
        wires.one_way(join.from_, join.to, length_m)
        if join.both:
            wires.one_way(join.to, join.from_, length_m)
    graph = wires.graph
    came_from = functools.cache(functools.partial(_first_shortest, graph))
    problems = _unreached(graph, ends)
    if problems:
        raise SpecError(problems)

    def route(a: str, b: str) -> list[str]:
        if a == b:
            beside = min(graph.successors(a), key=lambda node: (node in ends, node))
            return [a, *route(beside, a)]
        nodes, before = [b], came_from(a)
        while nodes[-1] != a:
            nodes.append(before[nodes[-1]])
        return nodes[::-1]

    return Topology(graph, wires.lengths_m, route, places_m=wires.places_m)


def _faults(links: Sequence[Join], ends: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the links by themselves: names, loops, what is given twice, dead ends."""
    problems = []
    known = set(ends)
    seen: dict[tuple[str, str], int] = {}
    leaves: dict[str, set[str]] = {}
    enters: dict[str, set[str]] = {}
    for i, join in enumerate(links):
        for key, node in (("from", join.from_), ("to", join.to)):
            if node not in known and not re.fullmatch(r"router\w*", node):
                what = f"the chip has no node '{node}'"
                if re.fullmatch(r"tile\d+", node):
                    hint = f"its {counted(len(ends) - 1, 'tile')} are tile0 to tile{len(ends) - 2}"
                else:
                    hint = nearest(node, ["host", "tile0", "router0"])
                    hint = f"{hint} (nodes are tile0 and so on, host, and names that begin with router)"
                problems.append(Problem(f"{_WHERE}[{i}].{key}", what, hint))
        if join.from_ == join.to:
            problems.append(Problem(f"{_WHERE}[{i}]", f"joins '{join.to}' to itself", "name two nodes"))
        for a, b in [(join.from_, join.to), (join.to, join.from_)][: 2 if join.both else 1]:
            if a != b and (a, b) in seen:
                hint = f"entry [{seen[a, b]}] has it; keep one"
                problems.append(Problem(f"{_WHERE}[{i}]", f"the link from {a} to {b} is given twice", hint))
            seen.setdefault((a, b), i)
            leaves.setdefault(a, set()).add(b)
            enters.setdefault(b, set()).add(a)
    for node in sorted(leaves.keys() | enters.keys()):
        if node not in known and len(leaves.get(node, set()) | enters.get(node, set())) < 2:
            (other,) = leaves.get(node) or enters[node]
            problems.append(Problem(_WHERE, f"'{node}' leads nowhere: it is joined to '{other}' alone", "join it on"))
        elif node not in known and not (node in leaves and node in enters):
            way = "leaves" if node in enters else "enters"
            problems.append(Problem(_WHERE, f"no link {way} '{node}'", "give the way back, or leave 'both' true"))
    problems += [Problem(_WHERE, f"no link joins {end}", "join every tile and the host") for end in ends
                 if end not in leaves and end not in enters]  # fmt: skip
    return problems


def _place_routers(wires: Wires, links: Sequence[Join], ends: Sequence[str]) -> None:
    """Put each router in the middle of its neighbours: first of tiles and the host, then of what is placed by then."""
    beside: dict[str, list[str]] = {}
    for join in links:
        beside.setdefault(join.from_, []).append(join.to)
        beside.setdefault(join.to, []).append(join.from_)
    placed = dict.fromkeys(ends)
    waiting = sorted(node for node in beside if node not in placed)
    while waiting:
        ready = [node for node in waiting if any(other in placed for other in beside[node])]
        if not ready:  # an island of routers, which is refused when routes are looked for
            ready = waiting[:1]
        for node in ready:
            known = [wires.centre_m(other) for other in dict.fromkeys(beside[node]) if other in placed]
            wires.places_m[node] = mean_m(known or [wires.plan.host.centre_m])
        placed.update(dict.fromkeys(ready))
        waiting = [node for node in waiting if node not in placed]


def _first_shortest(graph: Graph, source: str) -> dict[str, str]:
    """Return by node the one before it on the first shortest path from a source; only routers are passed through."""
    before: dict[str, str] = {}
    queue = deque([source])
    while queue:
        node = queue.popleft()
        if node == source or node.startswith("router"):
            for other in sorted(graph.successors(node)):
                if other != source and other not in before:
                    before[other] = node
                    queue.append(other)
    return before


def _unreached(graph: Graph, ends: Sequence[str]) -> list[Problem]:
    """Return the first pair of ends between which there is no way, if there is one."""
    routers = [node for node in graph if node.startswith("router")]
    if routers and nx.is_strongly_connected(graph.subgraph(routers)):
        inner = set(routers)
        if all(inner & set(graph.successors(end)) and inner & set(graph.predecessors(end)) for end in ends):
            return []
    for end in ends:
        reached = _first_shortest(graph, end)
        lost = [other for other in ends if other != end and other not in reached]
        if lost:
            what = f"no way over routers leads from {end} to {', '.join(lost[:5])}"
            return [Problem(_WHERE, what, "join all tiles and the host port by links, both ways")]
    return []
