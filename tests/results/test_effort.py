"""How the work of a run grows with tiles and layers, counted in lines that are run; and what is told of much work."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import networkx as nx
import pytest

import archsim
from archsim.base.texts import for_xml
from archsim.chip import build_chip
from archsim.chip.places import BUSIEST, layout_of, node_rect
from archsim.export.graphml import chip_graphml
from archsim.mapping import map_workload
from archsim.results import effort
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run.details import details, page_of
from archsim.studies.run.document import document
from archsim.workload import load_workload
from tests.helpers import REFERENCE, SHIPPED

HOME = str(Path(archsim.__file__).parent)


def network(folder: Path, widths: list[int]) -> str:
    """Write a network of layers of these widths, and return its path."""
    layers = [
        {"name": f"fc{i}", "inputs": widths[i], "outputs": widths[i + 1], "activation": "relu"}
        for i in range(len(widths) - 1)
    ]
    dataset, training = {"name": "none", "examples": 20}, {"epochs": 1, "learning_rate": 0.1}
    spec = {"kind": "workload", "name": "net", "dataset": dataset, "layers": layers, "training": training}
    path = folder / "net.yaml"
    path.write_text(json.dumps(spec))
    return str(path)


def lines_run(do: Callable[[], Any]) -> int:
    """Return how many lines of archsim are run by it; each turn of a comprehension counts as one."""
    count = 0

    def of_line(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return of_line

    def of_call(frame: FrameType, event: str, arg: Any) -> Any:
        return of_line if frame.f_code.co_filename.startswith(HOME) else None

    before = sys.gettrace()
    sys.settrace(of_call)
    try:
        do()
    finally:
        sys.settrace(before)
    return count


def report_of(workload: str, tiles: int, *sets: str) -> None:
    """Load, simulate and report on a network on a chip of so many small tiles."""
    columns = math.isqrt(tiles - 1) + 1
    own = [f"tile.count={tiles}", "tile.rows=64", "tile.cols=64", f"floorplan.columns={columns}", *sets]
    result = evaluate(load_arch(REFERENCE, own), load_workload(workload))
    more = details(result)
    document(page_of(result, None, more))


@pytest.mark.parametrize("topology", ["mesh", "bus", "htree"])
def test_work_grows_no_faster_than_tiles(tmp_path: Path, topology: str) -> None:
    path = network(tmp_path, [100, 50, 10])
    report_of(path, 4)  # what is made once
    few, many = (lines_run(lambda: report_of(path, n, f"routing.topology={topology}")) for n in (100, 400))  # noqa: B023
    assert math.log(many / few) / math.log(4) < 1.1


def test_work_grows_no_faster_than_layers(tmp_path: Path) -> None:
    found = []
    for layers in (2, 20, 80):
        path = network(tmp_path, [32] * (layers + 1))
        found.append(lines_run(lambda: report_of(path, layers)))  # noqa: B023
    assert math.log(found[2] / found[1]) / math.log(4) < 1.05


@pytest.mark.parametrize("arch", [*SHIPPED, "pcm64_htree_32nm", "pcm64_package_32nm"])
def test_graphml_is_what_networkx_writes(arch: str) -> None:
    chip = build_chip(load_arch(arch).value)
    graph: nx.DiGraph[str] = nx.DiGraph(name=for_xml(chip.spec.name))
    for node in chip.graph:
        x, y = node_rect(chip, node).centre_m
        graph.add_node(for_xml(node), x_m=float(x), y_m=float(y))
    for (a, b), name in nx.get_edge_attributes(chip.graph, "link").items():
        link = chip.links[name]
        words = {"link": for_xml(name), "length_m": float(link.length_m), "flight_s": float(link.flight_s)}
        graph.add_edge(for_xml(a), for_xml(b), **words)
    assert chip_graphml(chip) == "\n".join(nx.generate_graphml(graph)) + "\n"


def test_of_many_links_the_busiest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = build_chip(load_arch(REFERENCE, ["tile.count=400", "floorplan.columns=20"]).value)
    whole = layout_of(chip)
    held = {name: i / 10_000 for i, (name, _) in enumerate(whole.wires) if i % 3}
    monkeypatch.setattr("archsim.chip.places.MOST_LINES", 1000)
    some = layout_of(chip, held)
    assert (len(some.wires), len(some.wires) + some.more) == (BUSIEST, len(whole.wires))
    assert list(some.wires) == sorted(whole.wires, key=lambda wire: held.get(wire[0], 0.0))[-BUSIEST:]


def test_much_work_is_told_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ["tile.count=400", "tile.rows=64", "tile.cols=64", "floorplan.columns=20"]
    arch = load_arch(REFERENCE, settings)
    small, large = (load_workload(network(tmp_path, widths)) for widths in ([63, 63], [639, 639, 639]))
    chip = build_chip(arch.value)
    least, most = (effort.effort_of(chip, map_workload(each.value, chip)) for each in (small, large))
    assert not least.much
    assert not most.much
    assert (least.shards, most.shards) == (1, 200)
    assert least.seconds < most.seconds
    assert least.bytes < most.bytes
    with caplog.at_level(logging.WARNING, "archsim"):
        evaluate(arch, small, examples=2)
    assert not caplog.records
    monkeypatch.setattr(effort, "MUCH_S", 0.0)
    with caplog.at_level(logging.WARNING, "archsim"):
        evaluate(arch, small, examples=2)
    (told,) = caplog.messages
    assert told == f"archsim: {least.text}"
    assert "(an estimate)" in told
