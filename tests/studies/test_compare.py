"""Chips side by side: each row is that chip's own run; contention is what goes with room for everyone; the report."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.base.texts import for_markdown, slug
from archsim.base.units import common_unit
from archsim.report.beside import beside
from archsim.report.document import Panels
from archsim.report.figure import Plan, Plot
from archsim.report.files import files_of
from archsim.report.floorplan import Limits, floorplan, limits_of
from archsim.results.evaluate import Result, evaluate
from archsim.simulation.run import simulate
from archsim.spec.loading import load_arch
from archsim.studies.common_draws import Ratio
from archsim.studies.floorplans.chip_rows import (
    ChipComparison,
    ChipRow,
    network_units,
    rows_of_chips,
    uncontended_cycles,
)
from archsim.studies.floorplans.compare import METRICS, STUDY, Inputs, best_of, pareto, tables
from archsim.studies.names import names_of, undominated
from archsim.studies.run.loads import Drawing
from archsim.workload import load_workload
from tests.cli.test_cli import Command, archsim
from tests.helpers import BUS, PACKET, REFERENCE, Case, Watcher, cases, network, observed, schedule_of

__all__ = ["archsim"]  # a fixture

LAW = settings(max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
WORK, EXAMPLES = "mlp_digits", 60
SMALL = ("tile.rows=32", "tile.cols=32", "tile.count=9", "schedule.transfer.interval_examples=20")
CHIPS = (REFERENCE, PACKET, BUS)
Compared = tuple[list[ChipRow], list[Drawing], tuple[Ratio, ...]]
document = STUDY.report
SET = tuple(word for setting in SMALL for word in ("--set", setting))


@pytest.fixture(scope="module")
def compared() -> Compared:
    return rows_of_chips({name: load_arch(name, SMALL) for name in CHIPS}, load_workload(WORK), EXAMPLES)


@pytest.fixture(scope="module")
def runs() -> list[Result]:
    return [evaluate(load_arch(name, SMALL), load_workload(WORK), examples=EXAMPLES) for name in CHIPS]


@pytest.fixture(scope="module")
def written(compared: Compared, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("compare") / "out"
    with pytest.MonkeyPatch.context() as patch:  # the same chips, not simulated again
        patch.setattr("archsim.studies.floorplans.compare.rows_of_chips", lambda *_, **__: compared)
        data, _, folder, _ = STUDY.perform(Inputs(WORK, CHIPS, sets=SMALL, examples=EXAMPLES), folder)
    return data.plain(), folder


def model(data: dict[str, Any], **changed: Any) -> ChipComparison:
    return ChipComparison.model_validate({**data, **changed})


# ---- contention for links


@given(cases())
@LAW
def test_time_without_contention_for_links_lies_between_the_bound_and_the_run(case: Case) -> None:
    # Origin: the definitions alone. Units without limit cannot be waited for; a run in which nobody waited is the same.
    schedule = case.schedule()
    links = network_units(schedule)
    trace = simulate(schedule)
    free, bound = simulate(schedule, uncontended=links), simulate(schedule, unlimited=True)
    assert bound.cycles <= uncontended_cycles(trace) <= trace.cycles
    assert uncontended_cycles(trace) == min(trace.cycles, free.cycles)
    assert not sum(entry.wait_cycles for entry in free.stages if set(entry.stage.acquire) <= links)
    if not any(entry.wait_cycles for entry in trace.stages if links & set(entry.stage.acquire)):
        assert observed(free) == observed(trace)


@given(cases(intervals=(2, 4)))
@LAW
def test_units_without_contention_are_exact_and_the_old_meaning_is_kept(case: Case) -> None:
    # Origin: the slower reference, every example event by event; and `unlimited`, which is all of the units.
    schedule = case.schedule()
    units = schedule.chip.units
    links = network_units(schedule)
    full = simulate(schedule, uncontended=links, full=True)
    assert observed(simulate(schedule, uncontended=links)) == observed(full)
    everything = simulate(schedule, uncontended=range(len(units)))
    assert observed(everything) == observed(simulate(schedule, unlimited=True))


def test_buffers_and_links_are_the_network_and_nothing_else() -> None:
    schedule = schedule_of(network(8, 8), 5, ("routing.router.buffer_flits=20", "tile.count=4"), PACKET)
    named = {schedule.chip.units[index].name for index in network_units(schedule)}
    assert set(schedule.chip.links) < named
    assert any(".buffer" in name for name in named)
    assert not any(name.startswith("tile") and "." in name.split(">")[0] for name in named)


@pytest.mark.parametrize("base", [REFERENCE, BUS])
def test_one_message_at_a_time_loses_nothing(base: str) -> None:
    # Origin: the definition; that messages come one at a time is seen in the records.
    schedule = schedule_of(network(8, 8), 12, ("tile.count=1", "schedule.prefetch=0"), base)
    watcher = Watcher()
    trace = simulate(schedule, observer=watcher)
    spans = sorted(
        (watcher.starts[message.source_op, n], max(watcher.ends[op, n] for op in message.last_ops))
        for message in schedule.messages for n in range(12)
    )  # fmt: skip
    assert len(spans) >= 12
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert uncontended_cycles(trace) == trace.cycles


def test_the_share_lost_on_a_bus_is_that_of_two_runs(compared: Compared, runs: list[Result]) -> None:
    row, result = compared[0][2], runs[2]
    free = simulate(result.schedule, uncontended=network_units(result.schedule), full=True)
    assert row.contention_share == pytest.approx(1 - free.cycles / result.trace.cycles, rel=1e-12)
    assert 0.01 < row.contention_share < 1
    seconds = free.cycles / float(result.chip.spec.technology.clock_hz) / EXAMPLES
    assert row.time_per_example_uncontended_s == pytest.approx(seconds, rel=1e-12)


# ---- rows


@pytest.mark.parametrize("place", range(len(CHIPS)))
def test_a_row_is_the_run_of_its_chip_alone(compared: Compared, runs: list[Result], place: int) -> None:
    # Origin: `evaluate` of the chip alone, and sums written out from the chip, the bill and the links.
    row = compared[0][place]
    result = runs[place]
    metrics, chip = result.data["metrics"], result.chip
    for key in ("area_m2", "time_per_example_s", "energy_per_example_j", "efficiency_op_per_j",
                "throughput_per_area_op_per_s_m2"):  # fmt: skip
        assert getattr(row, key) == metrics[key]
    assert row.white_space_share == pytest.approx(chip.plan.white_space_m2 / chip.area_m2, rel=1e-12)
    assert row.wire_length_m == pytest.approx(sum(chip.topology.lengths_m.values()), rel=1e-12)
    busiest = result.data["links"][0]
    assert (row.busiest_link, row.busiest_link_share) == (busiest["name"], busiest["busy_cycles"] / result.trace.cycles)
    power_w = {name: energy / metrics["time_total_s"] for name, energy in result.bill.by_tile.items()}
    densities = {f"tile{i}": power_w[f"tile{i}"] / site.area_m2 for i, site in enumerate(chip.plan.sites)}
    assert row.peak_power_density_w_per_m2 == pytest.approx(max(densities.values()), rel=1e-12)
    assert densities[row.hottest_tile] == max(densities.values())
    assert row.audits_failed == ()


@pytest.mark.parametrize(("place", "carried"), [(0, "value"), (1, "flit"), (2, "value")])
def test_wire_travelled_is_counted_grant_by_grant(
    compared: Compared, runs: list[Result], place: int, carried: str
) -> None:
    # Origin: the slower reference, an observer of each stage of a run without jumps.
    row, result = compared[0][place], runs[place]
    length_of = {link.unit: link.length_m for link in result.chip.links.values()}
    watcher = Watcher()
    simulate(result.schedule, observer=watcher)
    travelled = 0.0
    for seen in watcher.records:
        op = result.schedule.ops[seen.op]
        for use in op.variants[seen.n % len(op.variants)][seen.stage].uses:
            travelled += use.count * length_of.get(use.unit, 0.0)
    assert travelled > 0
    assert row.wire_m_per_example == pytest.approx(travelled / EXAMPLES, rel=1e-9)
    assert row.carried == carried


GOALS = st.lists(st.none() | st.tuples(*[st.integers(0, 4)] * 3), max_size=9)


@given(GOALS)
def test_the_front_is_that_of_brute_force(goals: list[tuple[int, int, int] | None]) -> None:
    def better(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return all(a[i] <= b[i] for i in range(3)) and any(a[i] < b[i] for i in range(3))

    expected = [own is not None and not any(o is not None and better(o, own) for o in goals) for own in goals]
    assert undominated(goals) == expected
    if any(goal is not None for goal in goals):
        assert any(expected)


def test_the_front_of_chips_is_over_time_energy_and_area(compared: Compared) -> None:
    rows, *_ = compared
    goals = [(row.time_per_example_s, row.energy_per_example_j, row.area_m2) for row in rows]
    assert [row.pareto for row in rows] == undominated(goals)
    assert [row.plain()["pareto"] for row in rows] == [row.pareto for row in rows]


@pytest.mark.parametrize(
    ("given_", "names", "shown"),
    [
        (["a", "b"], ["a", "b"], ["a", "b"]),
        (["x/c.yaml", "y/c.yaml", "d"], ["c", "c", "d"], ["x/c.yaml", "y/c.yaml", "d"]),
        (["c", "c", "y/c.yaml"], ["c", "c", "c"], ["c (1)", "c (2)", "y/c.yaml"]),
        (["c", "c", "z"], ["c", "c", "c (1)"], ["c (2)", "c (3)", "c (1)"]),
    ],
)
def test_chips_of_one_name_are_told_apart(given_: list[str], names: list[str], shown: list[str]) -> None:
    assert names_of(given_, names) == shown


# ---- the report


def test_the_best_of_each_column_is_marked_and_its_cells_have_one_unit(
    written: tuple[dict[str, Any], Path],
) -> None:
    data = model(written[0])
    for metric in METRICS:
        values = [metric.of(row) for row in data.chips]
        best = max(values) if metric.heading in ("throughput per area", "efficiency") else min(values)
        expected = {i for i, value in enumerate(values) if value == best} if len(set(values)) > 1 else set()
        if metric.heading == "carried x length, per example":  # flits and values do not compare
            expected = set()
        assert best_of(metric, data) == expected
        (table,) = (own for own in tables(data) if metric.heading in [column.name for column in own.columns])
        place = [column.name for column in table.columns].index(metric.heading)
        assert {row for row, i in table.marked if i == place} == expected
        assert [row[place] for row in table.rows] == values
        scale, unit = (0.01, "%") if metric.unit == "%" else common_unit(values, metric.unit)
        heads, rows, _ = table.grid()
        assert heads[place] == metric.heading + ("" if unit == "%" else f", {unit}")
        for row, value in zip(rows, values, strict=True):
            shown = float(row[place][0].replace(",", "").removesuffix(" %"))
            assert shown * scale == pytest.approx(value, rel=1e-3, abs=1e-4 * (unit == "%"))


def test_the_folder_holds_all_of_it(written: tuple[dict[str, Any], Path]) -> None:
    data, folder = written
    drawings = {f"figures/floorplan_{name}.svg" for name in CHIPS}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "compare.json", "floorplans.json", "compare.md", "compare.html", "compare.csv", "figures/pareto.svg",
        "run.yaml", "tables/costs.csv", "tables/wires.csv", "tables/rates.csv", *drawings,
        *(name.replace(".svg", ".csv") for name in ("figures/pareto.svg", *drawings)),
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO((folder / "compare.csv").read_text("utf-8"))))
    assert [row["name"] for row in rows] == list(CHIPS)
    assert float(rows[1]["energy_per_example_j"]) == data["chips"][1]["energy_per_example_j"]
    costs = list(csv.DictReader(io.StringIO((folder / "tables/costs.csv").read_text("utf-8"))))
    assert float(costs[1]["energy per example [J]"]) == data["chips"][1]["energy_per_example_j"]
    text = (folder / "compare.md").read_text("utf-8")
    assert all(f"]({name})" in text for name in ("figures/pareto.svg", *drawings))
    assert text.count("**") == 2 * sum(len(best_of(metric, model(data))) for metric in METRICS)
    assert data["command"] in text
    for name in ("figures/pareto.svg", *drawings):
        ET.fromstring((folder / name).read_text("utf-8"))


def test_the_report_is_made_again_from_its_files(written: tuple[dict[str, Any], Path]) -> None:
    data, folder = written
    saved, plans = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("compare", "floorplans"))
    assert saved["floorplans"] == "floorplans.json"
    assert {**saved, "floorplans": plans} == json.loads(json.dumps(data))
    for name, text in files_of(document({**saved, "floorplans": plans})).items():
        assert (folder / name).read_text("utf-8") == text


class _Page(HTMLParser):
    """What an HTML page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _read(html: str) -> _Page:
    found = _Page()
    found.feed(html)
    found.close()
    return found


def test_the_page_stands_alone_and_its_texts_are_escaped(written: tuple[dict[str, Any], Path]) -> None:
    data, folder = written
    text = (folder / "compare.html").read_text("utf-8")
    whole = _read(text)
    assert all(address.startswith("#") for address in whole.addresses)
    assert whole.tags.count("script") == 1
    assert "url(" not in text
    assert "@import" not in text
    strange = "<script>alert('&')</script><b>`*{x}*`|"
    first, *others = data["chips"]
    plans = {strange if name == first["name"] else name: own for name, own in data["floorplans"].items()}
    shown = document({**data, "chips": [{**first, "name": strange, "pareto": True}, *others], "floorplans": plans})
    files = files_of(shown)
    odd = _read(files["compare.html"])
    assert odd.tags.count("script") == 1
    assert "".join(odd.words).count(strange) >= 2
    assert shown.figures()[f"floorplan_{slug(strange)}"].title == strange
    told = for_markdown(strange).replace("|", chr(92) + "|")
    assert f"| {told} |" in files["compare.md"]
    assert strange in "".join(ET.fromstring(files["figures/pareto.svg"]).itertext())


@pytest.mark.parametrize("spread", [0.0, 0.001, 1.0, 100.0])
def test_every_chip_has_its_name_in_the_plot(written: tuple[dict[str, Any], Path], spread: float) -> None:
    data, _ = written
    row = data["chips"][0]
    names = [f"a_chip_with_a_long_name_{i}" for i in range(5)]
    chips = [
        {**row, "name": name, "time_per_example_s": row["time_per_example_s"] * (1 + i * spread)}
        for i, name in enumerate(names)
    ]
    plot = pareto(model(data, chips=chips))
    assert {text.text for text in beside(plot, 620, 210)} == set(names)
    assert {dot.tip.split(":")[0] for own in plot.series if own.shown for dot in own.dots} == set(names)


def test_dots_stand_for_chips_and_the_line_is_the_front(written: tuple[dict[str, Any], Path]) -> None:
    data, _ = written
    times, energies, areas = (3.0, 2.0, 1.0, 3.0), (1.0, 2.0, 4.0, 5.0), (1e-6, 4e-6, 2e-6, 1e-6)
    best = undominated(list(zip(times, energies, areas, strict=True)))
    chips = [
        {**data["chips"][0], "name": f"c{i}", "time_per_example_s": times[i], "energy_per_example_j": energies[i],
         "area_m2": areas[i], "pareto": best[i]}
        for i in range(4)
    ]  # fmt: skip
    plot = pareto(model(data, chips=chips))
    assert isinstance(plot, Plot)
    line, dominated, optimal = plot.series
    # A staircase: up to the next quicker chip's time nothing takes less energy than the one before.
    assert [(dot.x, dot.y) for dot in line.dots] == [(1, 4), (2, 4), (2, 2), (3, 2), (3, 1)]
    assert ([dot.text for dot in dominated.dots], [dot.text for dot in optimal.dots]) == (["c3"], ["c0", "c1", "c2"])
    sizes = {dot.text: dot.size**2 for own in (dominated, optimal) for dot in own.dots}
    assert {name: size / sizes["c1"] for name, size in sizes.items()} == pytest.approx(
        {f"c{i}": area / max(areas) for i, area in enumerate(areas)}
    )


def test_drawings_share_their_scales(compared: Compared, written: tuple[dict[str, Any], Path]) -> None:
    rows, drawings, _ = compared
    loaded = [(own.layout, own.load) for own in drawings if own.load is not None]
    assert len(loaded) == len(CHIPS)
    common, own = limits_of(loaded), [limits_of([each]) for each in loaded]
    assert common.density_w_per_m2 == max(each.density_w_per_m2 for each in own)
    assert common.busy == max(each.busy for each in own) == rows[2].busiest_link_share
    (panels,) = (block for block in document(written[0]).blocks() if isinstance(block, Panels))
    twice = Limits(2 * common.density_w_per_m2, 2 * common.busy)
    for (layout, load), limits, shown in zip(loaded, own, panels.figures, strict=True):
        assert isinstance(shown, Plan)
        ours, alone, pale = (floorplan(layout, load, ends) for ends in (common, limits, twice))
        assert [box.tone for box in shown.boxes] == [box.tone for box in ours.boxes] != [box.tone for box in pale.boxes]
        first = panels.figures[0]
        assert isinstance(first, Plan)
        assert shown.ramps == first.ramps == ours.ramps != pale.ramps
        given_none = floorplan(layout, load)
        assert (alone.boxes, alone.ramps) == (given_none.boxes, given_none.ramps)


# ---- the command


@pytest.mark.slow
def test_the_command_compares_and_repeats_to_the_byte(archsim: Command, tmp_path: Path) -> None:
    words = ("floorplan", "compare", WORK, REFERENCE, REFERENCE, BUS, *SET, "--examples", "30")
    answer = archsim(*words)
    assert (answer.status, answer.err) == (0, "")
    assert re.search(rf"^ +{re.escape(REFERENCE)} \(1\) +\* [\d.]+ .* yes$", answer.out, re.MULTILINE)
    assert re.search(rf"^ +{re.escape(BUS)} +[\d.]+ ", answer.out, re.MULTILINE)
    assert "time per example, us" in answer.out
    (folder,) = (tmp_path / "reports").iterdir()
    assert f"reports/{folder.name}/compare.html" in answer.out
    first = _bytes(folder)
    (folder / "figures" / "floorplan_of_another.svg").write_text("old", "utf-8")
    (folder / "mine.txt").write_text("kept", "utf-8")
    again = archsim(*words, "--json")
    assert again.out == (folder / "compare.json").read_text("utf-8")
    assert _bytes(folder) == {**first, "mine.txt": b"kept"}
    assert json.loads(again.out)["command"] == " ".join(["archsim", *words])
    quiet = archsim(*words, "--quiet", "--out", "other")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_settings_are_for_all_chips_and_the_workload(archsim: Command) -> None:
    answer = archsim("floorplan", "compare", WORK, REFERENCE, BUS, *SET, "--set", "training.batch=2", "--examples",
                     "20", "--json")  # fmt: skip
    data = json.loads(answer.out)
    assert data["workload"]["hash"] == load_workload(WORK, ["training.batch=2"]).hash
    assert [row["hash"] for row in data["chips"]] == [load_arch(name, SMALL).hash for name in (REFERENCE, BUS)]


def test_all_that_is_wrong_is_told_at_once(archsim: Command, tmp_path: Path) -> None:
    for name, tile in (("one", "{count: 1, rows: 16}"), ("two", "{count: 2, rows: 16}")):
        text = f"kind: arch\nextends: {REFERENCE}\nname: {name}\ntile: {tile}\n"
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    answer = archsim("floorplan", "compare", WORK, "one.yaml", REFERENCE, "two.yaml")
    assert answer.status == 2
    assert re.search(r"^archsim: one: .*tiles.*$", answer.err, re.MULTILINE)
    assert re.search(r"^archsim: two: .*tiles.*$", answer.err, re.MULTILINE)
    assert REFERENCE not in answer.err
    unknown = archsim("floorplan", "compare", "mlp_digit", "nope", "neither")
    assert unknown.status == 2
    assert all(name in unknown.err for name in ("mlp_digit:", "nope:", "neither:"))
    alone = archsim("floorplan", "compare", WORK, REFERENCE)
    assert (alone.status, alone.out) == (2, "")
    assert "give at least two" in alone.err
    assert not (tmp_path / "reports").exists()


def test_an_audit_that_fails_is_told_and_the_status_is_1(archsim: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = [{"name": "cells are kept", "expected": 1, "found": 2, "difference": 1, "passed": False}]
    monkeypatch.setattr("archsim.results.metrics.audits_of", lambda *_: failed)
    answer = archsim("floorplan", "compare", WORK, REFERENCE, BUS, *SET, "--examples", "20")
    assert answer.status == 1
    assert f"{BUS}: FAILED: cells are kept" in answer.out
