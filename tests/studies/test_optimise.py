"""The search for a better floorplan: never worse, within its budget, the same by seed, and the best where all is known.

The slower reference is the whole space, each point simulated by `evaluate`.
"""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import ArchsimError, SpecError
from archsim.chip.floorplan import DIGITAL
from archsim.chip.graph import Chip, build_chip
from archsim.cli import main
from archsim.mapping import map_workload
from archsim.mapping.traffic import traffic_of
from archsim.report.document import Points
from archsim.report.figure import Plot
from archsim.report.files import files_of
from archsim.results.evaluate import evaluate, headline_metrics
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import FLOORPLANS, PLACEMENTS, TOPOLOGIES
from archsim.spec.figures import Figure
from archsim.spec.loading import Loaded, digest_of, load_arch
from archsim.studies.floorplans.candidates import Optimised, Refused, optimised, spec_of
from archsim.studies.floorplans.guesses import GuessTask
from archsim.studies.floorplans.layouts import COLUMNS, Layout, Point, column_counts, settings_of, space_of
from archsim.studies.floorplans.optimise import STUDY, Inputs
from archsim.studies.floorplans.search import OBJECTIVES, Candidate, Figures, Optimisation, optimise
from archsim.workload import Workload, load_workload
from tests.helpers import PACKET, REFERENCE, network

document = STUDY.report
SMALL = ("tile.count=9", "tile.rows=24", "tile.cols=24", "floorplan.columns=9", "routing.link.delay=15 ns/mm")
"""Nine small tiles in one row, on wires so slow that the way matters."""
RING = "floorplan={kind: ring, core: {name: controller, area: 6 mm2}, white_space: 10 %}"


def chip(*sets: str, base: str = PACKET) -> Loaded[ArchSpec]:
    return load_arch(base, (*SMALL, *sets))


def work(*sizes: int) -> Loaded[Workload]:
    value = network(*(sizes or (60, 24, 24, 10)))
    return Loaded(value, "workload", "test", (), {}, {})


@cache
def found(objective: str, budget: int = 12, seed: int = 0, topologies: bool = False) -> Optimisation:
    return optimise(chip(), work(), objective, budget=budget, examples=20, seed=seed, topologies=topologies)


def known(candidate: Candidate) -> Figures:
    assert candidate.figures is not None
    return candidate.figures


def metrics(arch: Loaded[ArchSpec], workload: Loaded[Workload]) -> Figures:
    said = evaluate(arch, workload, examples=20).data["metrics"]
    return Figures(said["time_per_example_s"], said["energy_per_example_j"], said["area_m2"])


@pytest.mark.parametrize(
    "objective",
    [name if name in ("time", "edp") else pytest.param(name, marks=pytest.mark.slow) for name in OBJECTIVES],
)
def test_it_is_never_worse_than_the_spec_as_given_and_here_better(objective: str) -> None:
    result = found(objective)
    given_, best = (OBJECTIVES[objective].of(known(each)) for each in (result.start, result.best))
    assert result.start.settings == ()
    assert known(result.start) == metrics(chip(), work())
    assert best[0] <= given_[0] * (1 + 1e-9)
    assert best[-1] < given_[-1]  # in one row, the host is far from most tiles


@pytest.mark.parametrize("budget", [1, 2, 7])
def test_it_simulates_no_more_than_its_budget(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from archsim.studies.tasks import on_chip as module

    calls = []

    real = headline_metrics

    def counted(spec: ArchSpec, *rest: Any) -> dict[str, float]:
        calls.append(spec)
        return real(spec, *rest)

    monkeypatch.setattr(module, "headline_metrics", counted)
    result = optimise(chip(), work(), "time", budget=budget, examples=5)
    assert len(calls) == len(result.candidates) == budget
    assert [each.number for each in result.candidates] == list(range(1, budget + 1))
    if budget == 1:
        assert result.best is result.start


def test_no_spec_is_simulated_twice() -> None:
    hashes = [each.hash for each in found("edp").candidates if each.number is not None]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.slow
def test_with_enough_budget_it_finds_what_trying_everything_finds() -> None:
    arch, workload = chip("tile.count=4", "floorplan.columns=4"), work(40, 20, 10)
    space = space_of(arch)
    every = {point: metrics(arch.with_overrides(settings_of(arch, space, point)), workload) for point in space.points()}
    least = min(figures.time_per_example_s * figures.energy_per_example_j for figures in every.values())
    result = optimise(arch, workload, "edp", budget=len(every) + 5, examples=20)
    assert {each.point: each.figures for each in result.candidates} == every
    assert result.value(result.best) == pytest.approx(least, rel=1e-9)


@pytest.mark.slow
def test_seeds_decide_what_is_drawn_and_nothing_else() -> None:
    arch, workload = chip("tile.count=4", "floorplan.columns=4"), work(40, 20, 10)
    runs = [optimise(arch, workload, "time", budget=45, examples=2, seed=seed).candidates for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    first = next(i for i, each in enumerate(runs[0]) if each.phase == "random")
    assert runs[0][:first] == runs[2][:first]
    assert runs[0][first].point != runs[2][first].point


@pytest.mark.slow
def test_the_files_are_the_same_bytes_and_the_spec_runs_to_the_best_value(tmp_path: Path) -> None:
    sets = (*SMALL, "dataset.input_bits=6")
    folders: list[Path] = [
        STUDY.perform(Inputs(PACKET, "mlp_digits", "edp", budget=8, examples=30, sets=sets), tmp_path / name)[2]
        for name in "ab"
    ]  # fmt: skip
    texts = [
        {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in folders
    ]
    assert texts[0] == texts[1]
    data = json.loads(texts[0]["optimise.json"])
    best = next(row for row in data["candidates"] if row["number"] == data["best"])
    file = folders[0] / data["file"]
    assert file.name == f"{PACKET}_optimised.yaml"
    assert main_status(["run", str(file), "mlp_digits", "--set", sets[-1], "--examples", "30", "--quiet", "--out",
                        str(tmp_path / "run")]) == 0  # fmt: skip
    said = json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
    for key in ("time_per_example_s", "energy_per_example_j", "area_m2"):
        assert said[key] == best[key]
    assert best["value"] == said["time_per_example_s"] * said["energy_per_example_j"] < data["candidates"][0]["value"]
    for name, text in files_of(document(data)).items():  # the report is made again from its file
        assert texts[0][name] == text
    text = texts[0]["optimise.md"]
    assert data["run"] in text
    assert all(row["after"] in text for row in data["changes"])
    rows = {name: list(csv.DictReader(texts[0][f"tables/{name}.csv"].splitlines())) for name in ("gain", "changes")}
    assert [list(row.values()) for row in rows["changes"]] == [list(row.values())[:3] for row in data["changes"]]
    before, after = rows["gain"]
    assert (before[""], after[""]) == ("before", "after")
    assert float(after["time per example [s]"]) == best["time_per_example_s"]
    assert float(before["time per example [s]"]) == data["candidates"][0]["time_per_example_s"]


def main_status(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(str(left.value.code or 0))


def test_what_was_changed_says_so_and_the_rest_keeps_its_sources(tmp_path: Path) -> None:
    arch = chip(base=REFERENCE)
    result = optimise(arch, work(), "time", budget=2, examples=5)
    point = Point(Layout("snake", 3, (("white_space", "10 %"),)), "spectral", "torus")
    space = space_of(arch, topologies=True)
    best = Candidate(2, "coarse", point, settings_of(arch, space, point), "", result.start.figures)
    changed = Optimisation(arch, work(), "time", 2, 5, 0, space, (result.start, best), best)
    path = tmp_path / "found.yaml"
    path.write_text(str(spec_of(changed, "x")["x.yaml"]))
    written = load_arch(path)
    columns = written.figures["floorplan.columns"]
    assert (columns.text, columns.status) == ("3", "assumption")
    assert columns.note.startswith("found by archsim floorplan optimise")
    assert written.figures["floorplan.white_space"] == arch.figures["floorplan.white_space"]
    assert written.figures["tile.rows"] == Figure("24", "command line", "assumption")
    kept = {path: figure for path, figure in arch.figures.items() if not path.startswith(("published", "floorplan"))}
    assert kept.items() <= written.figures.items()
    assert (written.value.published, written.value.fitted_on) == ((), REFERENCE)
    same = {"name": arch.value.name, "description": "", "reference": "", "published": (), "fitted_on": ""}
    want = arch.with_overrides(best.settings).value.model_copy(update=same)
    assert digest_of(written.value.model_copy(update=same)) == digest_of(want)


def test_failures_are_listed_with_their_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*rest: Any, **more: Any) -> Any:
        raise ArchsimError("no such placement today")

    monkeypatch.setitem(PLACEMENTS._found, "greedy", refuse)
    result = found.__wrapped__("time", 10)
    listed = [each for each in result.candidates if each.refused]
    assert listed
    assert {(each.refused, each.point.placement, each.number) for each in listed} == {
        ("no such placement today", "greedy", None)
    }
    assert sum(each.figures is not None for each in result.candidates) == 10
    data = optimised(result, "archsim floorplan optimise", "a.yaml", "archsim run a.yaml")
    assert [row.refused for row in data.candidates if isinstance(row, Refused)] == [each.refused for each in listed]
    assert Optimised.read(data.json_text()) == data
    with pytest.raises(ArchsimError, match="no such placement"):  # the spec as given has to run
        optimise(chip("placement=greedy"), work(), "time", budget=2, examples=5)


def test_placements_of_a_layout_are_guessed_together_as_each_point_alone() -> None:
    """The reference builds the chip of each point and goes along the links of its routes."""
    names = tuple(name for name in PLACEMENTS if name != "annealed")
    together = GuessTask(chip(), work(), 5, ("floorplan.columns=3",), names).compute()
    assert not any(together.refused)
    for name, cost_m in zip(names, together.costs_m, strict=True):
        built = build_chip(chip("floorplan.columns=3", f"placement={name}").value)
        mapping = map_workload(work().value, built)
        at = ["host", *(f"tile{shard.tile}" for shard in mapping.shards)]
        assert cost_m == pytest.approx(sum(
            values * sum(link.length_m for link in built.route(at[source + 1], at[target + 1])[0])
            for (source, target), values in traffic_of(built, mapping).values.items()
        ), rel=1e-12)  # fmt: skip
        assert together.area_m2 == built.area_m2


def test_a_mesh_with_a_hole_is_refused_and_a_ring_around_it_is_not() -> None:
    """Routes of a mesh lead over the core; whoever sends packets has to say so."""
    ring = chip(RING, "tile.count=12", "routing.topology=ring")
    result = optimise(ring, work(), "time", budget=8, examples=5, topologies=True)
    refused = {each.point.topology for each in result.candidates if "around the floorplan's holes" in each.refused}
    assert refused == {"mesh", "torus"}
    assert {"ring", "bus"} <= {each.point.topology for each in result.candidates if each.figures is not None}
    with pytest.raises(SpecError, match="'mesh' has no way from"):
        optimise(chip(RING, "tile.count=12"), work(), "time", budget=8, examples=5)


@pytest.mark.slow
def test_topologies_change_only_if_asked_for() -> None:
    assert {each.point.topology for each in found("time").candidates} == {"mesh"}
    result = found("time", 14, topologies=True)
    assert {each.point.topology for each in result.candidates} == set(TOPOLOGIES) - {"graph"}
    own = chip("routing.topology=cmesh", "routing.options={concentration: 2}")
    space = space_of(own, topologies=True)
    for point in space.points(["in_order"]):
        if point.layout == space.start.layout:
            spec = own.with_overrides(settings_of(own, space, point)).value
            assert spec.routing.topology == point.topology
            assert (spec.routing.options.resolved() == {}) == (point != space.start)


# ---- the space


def digital(chip: Chip) -> list[tuple[str, float]]:
    return [(block.name, block.rect.area_m2) for block in chip.plan.blocks if block.kind == DIGITAL]


@pytest.mark.parametrize("kind", list(FLOORPLANS))
def test_no_point_loses_anything_that_stands_on_the_die(kind: str) -> None:
    example = {**FLOORPLANS[kind].example, "kind": kind}
    if kind == "explicit":
        tile, host = {"x": "1 mm", "width": "2 mm", "height": "2 mm"}, {"width": "1 mm", "height": "9 mm"}
        example["tiles"] = [{**tile, "y": f"{2 * i} mm"} for i in range(9)]
        example["host"] = {"x": "0 mm", "y": "0 mm", **host}
    arch = load_arch(PACKET, (*SMALL[:3], f"floorplan={json.dumps(example)}"))
    space = space_of(arch)
    assert settings_of(arch, space, space.start) == ()
    before = build_chip(arch.value)
    for point in space.points([arch.value.placement]):
        after = build_chip(arch.with_overrides(settings_of(arch, space, point)).value)
        assert digital(after) == digital(before)
        assert len(after.tiles) == len(before.tiles)
    taken = {layout.kind for layout in space.layouts}
    assert taken | {left for left, _ in space.left_out} == set(FLOORPLANS)
    assert all(why for _, why in space.left_out)


def test_a_core_and_channels_keep_the_kind() -> None:
    assert {layout.kind for layout in space_of(chip(RING)).layouts} == {"ring"}
    wide = "{kind: h_tree, channel_width: 0.2 mm, white_space: 10 %}"
    layouts = space_of(chip(f"floorplan={wide}")).layouts
    assert {layout.kind for layout in layouts} == {"h_tree", "columns"}
    assert {dict(each.carried)["channel_width"] for each in layouts if each.kind == "columns"} == {"0.2 mm"}
    assert {each.kind for each in space_of(chip()).layouts} == {"grid", "snake", "h_tree", "columns"}


@given(st.integers(1, 5000))
@settings(deadline=None)
def test_columns_are_all_different_near_the_square_and_possible(tiles: int) -> None:
    counts = column_counts(tiles)
    assert len(set(counts)) == len(counts)
    assert all(1 <= count <= tiles for count in counts)
    aspects = {n: max(Fraction(n * n, tiles), Fraction(tiles, n * n)) for n in range(1, tiles + 1)}
    assert counts[0] == min(aspects, key=lambda n: (aspects[n], n))
    if tiles < 7:
        assert sorted(counts) == list(range(1, tiles + 1))


def test_points_are_neighbours_if_one_choice_differs() -> None:
    own = space_of(chip()).start
    others = [
        (own, 0),
        (Point(Layout("grid", 3), own.placement, own.topology), 1),
        (Point(Layout("snake", 9, (("white_space", "10 %"),)), own.placement, own.topology), 1),
        (Point(Layout("snake", 3), own.placement, own.topology), 2),
        (Point(Layout("h_tree", None), own.placement, own.topology), 1),
        (Point(own.layout, "spectral", "torus"), 2),
    ]
    for other, distance in others:
        assert own.apart(other) == other.apart(own) == distance


# ---- the report


def reported(result: Optimisation) -> dict[str, Any]:
    data: dict[str, Any] = optimised(result, "archsim floorplan optimise", "a.yaml", "archsim run a.yaml").plain()
    return data


def test_the_figure_and_tables_show_each_simulation_once_and_the_best_so_far() -> None:
    data = reported(found("time"))
    shown = document(data)
    plot = shown.figures()["trajectory"]
    assert isinstance(plot, Plot)
    line, *phases = plot.series
    rows = [row for row in data["candidates"] if row["value"] is not None]
    base = rows[0]["value"]
    dots = sorted((dot.x, dot.y, dot.tip) for own in phases for dot in own.dots)
    assert [dot[:2] for dot in dots] == [(row["number"], row["value"] / base) for row in rows]
    assert all(
        tip.startswith(f"simulation {x}: {row['floorplan']}") for (x, _, tip), row in zip(dots, rows, strict=True)
    )
    least = [min(row["value"] for row in rows[: i + 1]) / base for i in range(len(rows))]
    ends = {dot.x: dot.y for dot in line.dots}  # of two at one simulation, the later
    assert [ends[row["number"]] for row in rows] == least
    best = shown.tables()["best"]
    assert best.rows[0][0] == data["best"]
    assert [row[5] for row in best.rows] == sorted(row[5] for row in best.rows)
    assert [row[-1] for row in best.rows] == pytest.approx([row[5] / base - 1 for row in best.rows], abs=5.1e-5)
    assert len(shown.tables()["candidates"].rows) == len(data["candidates"])


def test_refusals_are_told_by_reason_and_hostile_texts_are_text() -> None:
    data = reported(found("time"))
    bad = "<b>no *place* for `{x}`|"
    none = ("number", "time_per_example_s", "energy_per_example_j", "area_m2", "value", "best_so_far")
    refused = {**data["candidates"][-1], **dict.fromkeys(none), "refused": bad}
    odd = {
        **data, "arch": {**data["arch"], "name": bad}, "file": bad, "left_out": [{"kind": bad, "why": "it is"}],
        "candidates": [*data["candidates"], refused, refused],
    }  # fmt: skip
    shown = document(odd)
    listed = [str(item) for block in shown.blocks() if isinstance(block, Points) for item in block.items]
    assert [text for text in listed if text.endswith(f", and 1 more: {bad}")]
    assert f"{bad}: it is" in listed
    assert "<b>no" not in files_of(shown)["optimise.html"]


def test_nothing_better_is_said() -> None:
    data = reported(optimise(chip(), work(), "time", budget=1, examples=5))
    assert any(str(block) == "Nothing better than the spec as given was found." for block in document(data).blocks())


# ---- the command


@pytest.mark.slow
def test_the_command_prints_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["floorplan", "optimise", REFERENCE, "mlp_digits", "--objective", "time", "--budget", "4", "--examples",
             "20", "--set", "tile.rows=24", "--set", "tile.cols=24", "--out", str(tmp_path / "out")]  # fmt: skip
    assert main_status(words) == 0
    shown = capsys.readouterr().out
    for text in ("time per example", "before", "after", f"{REFERENCE}_optimised.yaml", "4 simulations of 20 examples"):
        assert text in shown
    assert main_status([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "archsim-optimise-1"
    assert main_status([*words, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "optimise.json", "optimise.html", "optimise.md", "figures", "tables", "run.yaml", f"{REFERENCE}_optimised.yaml",
    }  # fmt: skip
    figures = sorted(path.name for path in (tmp_path / "out" / "figures").iterdir())
    assert figures == ["trajectory.csv", "trajectory.svg"]


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["floorplan", "optimise", "ambrogio", "mlp_digits", "--objective", "tme", "--budget", "0"]
    assert main_status([*words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    for text in (
        "--objective: 'tme' is not a search objective",
        "did you mean 'time'?",
        "--budget: 0 simulations",
        "ambrogio",
    ):
        assert text in said
    assert not (tmp_path / "out").exists()


def test_examples_reach_to_the_first_transfer() -> None:
    arch, workload = load_arch(PACKET, ["schedule.transfer.interval_examples=50"]), load_workload("mlp_digits")
    assert optimise(arch, workload, "area", budget=1).examples == 50
    assert COLUMNS in type(arch.value.floorplan).model_fields
