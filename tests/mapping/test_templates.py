"""Schedules made of a template are those made afresh, wherever tiles are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from archsim.base.errors import ArchsimError
from archsim.chip import Chip, build_chip, graph
from archsim.mapping import build_schedule, map_workload, templates
from archsim.mapping.schedule import Schedule
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import PLACEMENTS, TOPOLOGIES
from archsim.spec.figure_ranges import with_figures
from archsim.spec.figures import value_at
from archsim.workload import Workload, load_workload
from tests.helpers import PACKET, REFERENCE, Case, cases, network, shipped

LAW = settings(max_examples=8, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
               suppress_health_check=list(HealthCheck))  # fmt: skip
PLACES = (
    *("floorplan.columns=1", "floorplan.columns=2", "floorplan.columns=5"),
    *(f"placement={name}" for name in sorted(PLACEMENTS) if name != "annealed"),
    *(f"routing.topology={name}" for name in sorted(TOPOLOGIES) if name != "graph"),
)


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    templates.forget()
    yield
    templates.forget()


def made(chip: Chip, workload: Workload, examples: int, maintenance: bool = True) -> tuple[Schedule, bool]:
    """Return a schedule, and whether there was a template of it."""
    mapping = map_workload(workload, chip)
    known = templates.known(templates.asked(chip, mapping, examples, maintenance)) is not None
    return build_schedule(chip, mapping, examples, maintenance=maintenance), known


def check(chips: Sequence[Chip], workload: Workload, examples: int, maintenance: bool = True) -> None:
    """Schedules of all chips are equal to those made afresh, and all but the first two are of a template."""
    found = [made(chip, workload, examples, maintenance) for chip in chips]
    assert [known for _, known in found] == [place > 1 for place in range(len(chips))]
    for chip, (schedule, _) in zip(chips, found, strict=True):
        templates.forget()
        assert schedule == made(chip, workload, examples, maintenance)[0]


@LAW
@given(cases(), st.lists(st.sampled_from(PLACES), min_size=1, max_size=2), st.booleans())
def test_a_schedule_of_a_template_is_the_one_made_afresh(case: Case, places: list[str], maintenance: bool) -> None:
    assume(case.base == REFERENCE)
    templates.forget()
    workload = network(*case.sizes, batch=case.batch, bias=case.bias)
    given_, sets = shipped(case.base), [(), (), *((place,) for place in places)]
    quick = ("placement=greedy", "placement_options={}")
    chips = [build_chip(given_.with_overrides((*case.overrides, *quick, *more)).value) for more in sets]
    kinds = [tuple(chip.kinds[shard.tile] for shard in map_workload(workload, chip).shards) for chip in chips]
    assume(len(set(kinds)) == 1)  # other kinds of tiles have other templates
    check(chips, workload, case.examples, maintenance)


@pytest.mark.parametrize(
    ("arch", "workload", "sets"),
    [
        ("pcm64_mesh_32nm", "mlp_wide", ("placement=greedy",)),
        ("ambrogio_nature_2018", "gru_japanese_vowels", ("tile.memory.words=4096",)),
        ("ambrogio_nature_2018", "mlp_mnist", ("schedule.transfer.policy=interleaved",)),
    ],
)
def test_a_schedule_of_a_template_is_the_one_made_afresh_on_shipped_chips(
    arch: str, workload: str, sets: tuple[str, ...]
) -> None:
    given_ = shipped(arch)
    chips = [build_chip(given_.with_overrides((*sets, *more)).value)
             for more in ((), (), ("floorplan.columns=2",), ("placement=snake", "floorplan.columns=3"))]  # fmt: skip
    check(chips, load_workload(workload).value, 20)


def test_what_ops_depend_on_has_a_template_of_its_own() -> None:
    """Each of these changes ops, so that the third schedule is made afresh."""
    workload, given_ = network(20, 8), shipped(REFERENCE)
    for changed in ("technology.clock=2 GHz", "tile.neuron.lanes=4", "schedule.prefetch=2", "host.latency=77 ns",
                    "routing.link.wires=3"):  # fmt: skip
        templates.forget()
        plain, other = build_chip(given_.value), build_chip(given_.with_overrides((changed,)).value)
        schedules = [made(chip, workload, 9) for chip in (plain, plain, other)]
        assert not schedules[2][1]
        assert schedules[2][0].ops != schedules[1][0].ops
    assert made(plain, workload, 9)[1]
    assert not made(plain, workload, 10)[1]
    assert not made(plain, network(20, 9), 9)[1]


def test_what_is_kept_of_chips_and_schedules_makes_none_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each figure half as large again: what is made after many others is what is made with nothing kept."""
    workload, base = network(20, 8), shipped(REFERENCE)
    values = {path: value_at(base.value, path) for path in base.figures}
    numbers = {path: own for path, own in values.items() if isinstance(own, int | float | Fraction) and own > 0}
    specs = [with_figures(base.value, {path: 1.5 * float(value)}) for path, value in numbers.items()]
    assert len(specs) > 100

    def of(spec: ArchSpec) -> object:
        chip = build_chip(spec)
        try:
            schedule = build_schedule(chip, map_workload(workload, chip), 9)
        except ArchsimError as error:
            return str(error)
        wires, units = list(chip.links.values()), list(schedule.chip.units)
        return chip.plan, wires, chip.parts, units, schedule.ops, schedule.messages

    def afresh(spec: ArchSpec) -> object:
        templates.forget()
        monkeypatch.setattr(graph, "_known", OrderedDict())
        return of(spec)

    want = [afresh(spec) for spec in specs]
    for _ in range(3):
        of(base.value)
    assert [path for path, spec, own in zip(numbers, specs, want, strict=True) if of(spec) != own] == []


def test_packets_have_no_template() -> None:
    """Their ops are as many as their ways have links."""
    chip = build_chip(shipped(PACKET).value)
    mapping = map_workload(network(20, 8), chip)
    assert templates.asked(chip, mapping, 9, True) is None
