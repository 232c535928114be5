"""Several chips in a package. Expected values are counted by hand, or come from one chip alone."""

from fractions import Fraction
from math import fsum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import build_chip, evaluate, load_arch, load_workload
from archsim.base.errors import InfeasibleError, SpecError
from archsim.chip.graph import Chip
from archsim.mapping.buffers import tree_of

SMALL = ("tile.count=4", "floorplan.columns=2", "placement=in_order")
TOPOLOGIES = ("mesh", "torus", "ring", "htree", "cmesh", "bus")


def packaged(chips: int, topology: str = "mesh", *sets: str) -> Chip:
    return build_chip(
        load_arch("pcm64_package_32nm", (*SMALL, f"package.chips={chips}", f"routing.topology={topology}", *sets)).value
    )


@given(st.sampled_from(TOPOLOGIES), st.integers(2, 7), st.data())
def test_every_route_leads_over_links_that_are_there(topology: str, chips: int, data: st.DataObject) -> None:
    chip = packaged(chips, topology)
    a, b = (data.draw(st.integers(-1, 4 * chips - 1)) for _ in range(2))
    if a == b:
        return
    names = ["host" if t < 0 else f"tile{t}" for t in (a, b)]
    nodes = chip.nodes(*names)
    assert [nodes[0], nodes[-1]] == names
    assert len(set(nodes)) == len(nodes)
    kinds = chip.topology.classes(nodes)
    assert len(kinds) == len(nodes) - 1
    assert all(0 <= kind < chip.topology.class_count for kind in kinds)
    crossed = [link for link in chip.route(*names)[0] if link.between_chips]
    columns = -(-(chips**0.5) // 1)
    (r, c), (s, d) = (divmod(max(t, 0) // 4, int(columns)) for t in (a, b))
    assert len(crossed) == abs(r - s) + abs(c - d)  # dimension order among the chips
    assert tree_of(chip, a, [b])[-1].tiles == (b,)


def test_one_chip_in_a_package_is_a_chip() -> None:
    sets = ("tile.count=16", "floorplan.columns=4", "placement=in_order")
    alone = evaluate(load_arch("pcm64_packet_mesh_32nm", sets), load_workload("mlp_mnist"), examples=200)
    one = evaluate(
        load_arch("pcm64_package_32nm", (*sets, "package.chips=1")), load_workload("mlp_mnist"), examples=200
    )
    assert one.data["metrics"] == alone.data["metrics"]


def test_areas_and_peaks_are_those_of_all_chips() -> None:
    one, four = packaged(1), packaged(4)
    port_m2, end_m2 = one.spec.host.total_area_m2, 0.1e-6
    grown = fsum(part.area_m2 for part in four.parts if part.component not in ("white_space", "link"))
    single = fsum(part.area_m2 for part in one.parts if part.component not in ("white_space", "link"))
    assert grown == pytest.approx(4 * single + 16 * end_m2, rel=1e-12)
    from archsim import peak

    assert peak(four).ops_per_example == 4 * peak(one).ops_per_example
    assert peak(four).time_per_example_s == peak(one).time_per_example_s
    assert fsum(p.area_m2 for p in four.parts if p.host) == pytest.approx(4 * port_m2 + 16 * end_m2)


def test_a_packet_takes_its_time_between_chips() -> None:
    """Forward: what stays on a chip does not cross, and what crosses does so once each way."""
    work = ("mode=inference", "inference.batch=1")
    slow, fast = (
        evaluate(
            load_arch("pcm64_package_32nm", (*SMALL, "package.chips=4", f"package.link.latency={t} ns")),
            load_workload("mlp_mnist", work), examples=1, full=True,
        )
        for t in (1020, 20)
    )  # fmt: skip
    # fc1 is on tiles 0, 1 and fc2, fc3 on 2, 3: all on chip 0, so that nothing crosses.
    assert slow.data["metrics"]["time_total_s"] == fast.data["metrics"]["time_total_s"]
    two = ("tile.count=2", "floorplan.columns=2", "placement=in_order", "package.chips=4")
    slow, fast = (
        evaluate(load_arch("pcm64_package_32nm", (*two, f"package.link.latency={t} ns")),
                 load_workload("mlp_mnist", work), examples=1, full=True)
        for t in (1020, 20)
    )  # fmt: skip
    # fc1 on chip 0; its sums go on to fc2 on chip 1; the ten results come back to the host at chip 0: two crossings.
    late_s = slow.data["metrics"]["time_total_s"] - fast.data["metrics"]["time_total_s"]
    assert late_s == pytest.approx(2 * 1e-6)
    carried = [item for item in fast.bill.items if item.component == "chip_link"]
    flits = fsum(item.count for item in carried)
    link: Any = fast.arch.value.routing.link
    assert flits == link.flits(250 * 8) + link.flits(10 * 8)
    assert fsum(item.energy_j for item in carried) == pytest.approx(flits * 256 * 1.17e-12)
    assert fast.passed


def test_full_and_fast_forwarded_runs_are_equal_across_chips() -> None:
    sets = ("tile.count=2", "floorplan.columns=2", "placement=in_order", "package.chips=2")
    runs = [
        evaluate(load_arch("pcm64_package_32nm", sets), load_workload("mlp_mnist"), examples=300, full=full)
        for full in (True, False)
    ]
    assert runs[0].data["metrics"] == runs[1].data["metrics"]
    assert runs[0].data["links"] == runs[1].data["links"]
    assert runs[1].data["run"]["examples_fast_forwarded"] > 200
    assert all(run.passed for run in runs)


def test_what_a_package_cannot_do_is_said() -> None:
    with pytest.raises(SpecError, match="pulse durations do not cross a package"):
        build_chip(load_arch("pcm64_package_32nm", ("routing.transport=circuit", *circuit())).value)
    arch = load_arch("pcm64_package_32nm", (*SMALL, "package.chips=2"))
    with pytest.raises(InfeasibleError, match=r"2 chips pcm64_package_32nm has 8 \(48 short\).*--set package.chips=14"):
        evaluate(arch, load_workload("mlp_wide"), examples=1)
    with pytest.raises(SpecError, match="chips"):
        load_arch("pcm64_package_32nm", ("package.chips=0",))


def circuit() -> tuple[str, ...]:
    link = {"kind": "duration_link", "delay": "150 ps/mm", "wires": "512", "wire": "0.315 pF/mm", "swing": "1.0 V"}
    return ("routing.router.arbitration=age", "routing.link=" + str(link).replace("'", ""))


def test_links_between_chips_are_the_bottleneck_when_they_are_slow() -> None:
    sets = ("tile.count=2", "floorplan.columns=2", "placement=in_order", "package.chips=2")
    times = [
        evaluate(load_arch("pcm64_package_32nm", (*sets, f"package.link.rate={rate} GB/s")), load_workload("mlp_mnist"),
                 examples=50).data["metrics"]["time_per_example_s"]
        for rate in (100, 25, 1, 0.1)
    ]  # fmt: skip
    assert times == sorted(times)
    bits = Fraction(512 * 8)  # at 0.1 GB/s a step cannot be quicker than the sums of fc1 and the errors of fc2 on it
    assert times[-1] > float(bits / (8 * 10**8))


@pytest.mark.parametrize("links", [2, 3, 4, 6])
def test_every_chip_has_circuits_for_the_links_of_its_edge(links: int) -> None:
    # Origin: four chips of 2 x 2, each with `links_per_chip` ends of 0.1 mm2, whether they lead anywhere or not.
    parts = {part.component: part for part in packaged(4, "mesh", f"package.links_per_chip={links}").parts}
    assert (parts["chip_link"].instances, parts["chip_link"].area_m2) == (4 * links, pytest.approx(4 * links * 0.1e-6))


@pytest.mark.parametrize(("chips", "most"), [(2, 1), (3, 2), (4, 2), (6, 3), (9, 4), (12, 4)])
def test_a_chip_needs_circuits_for_its_neighbours(chips: int, most: int) -> None:
    # The most neighbours of any place of ceil(sqrt(n)) columns, counted on the grid.
    columns = next(c for c in range(1, chips + 1) if c * c >= chips)
    places = {divmod(chip, columns) for chip in range(chips)}
    steps = ((0, 1), (0, -1), (1, 0), (-1, 0))
    assert most == max(sum((r + dr, c + dc) in places for dr, dc in steps) for r, c in places)
    packaged(chips, "mesh", f"package.links_per_chip={most}")
    if most > 1:
        with pytest.raises(SpecError, match=f"some have {most} neighbours"):
            packaged(chips, "mesh", f"package.links_per_chip={most - 1}")
