"""Reports: the same bytes for the same inputs, whole or not at all, and every figure where the reader looks."""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

import archsim.baselines
from archsim.base.documents import read_yaml
from archsim.base.shipped import builtin_names
from archsim.report.terminal import lines
from archsim.results.evaluate import Result, evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run.details import page_of
from archsim.studies.run.document import document
from archsim.studies.run.study import write_report
from archsim.workload import Dense, load_workload
from tests.helpers import shipped

FAST = "schedule.transfer.interval_examples=20"


def result_of(*sets: str, arch: str = "ambrogio_nature_2018", examples: int = 60) -> Result:
    return evaluate(load_arch(arch, [FAST, *sets]), load_workload("mlp_digits"), examples=examples, command="archsim x")


@pytest.fixture(scope="module")
def result() -> Result:
    return result_of()


@pytest.fixture(scope="module")
def folder(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(result, tmp_path_factory.mktemp("reports") / "one", trace="perfetto")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_inputs_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = write_report(result_of(), tmp_path / "two", trace="perfetto")
    assert contents(again) == contents(folder)


def test_no_date_and_no_path_of_the_machine_is_in_a_report(folder: Path) -> None:
    shipped = (Path(archsim.baselines.__file__).parent / "measured").glob("*.yaml")
    measured = {read_yaml(path.read_text("utf-8"), path.name)["date"] for path in shipped}
    for name, data in contents(folder).items():
        text = data.decode("utf-8")
        days = set(re.findall(r"20\d\d-\d\d-\d\d", text))
        assert days <= measured, name  # of the GPUs that are shipped as measured, and of nothing else
        assert str(Path.cwd()) not in text, name
        assert str(folder.parent) not in text, name


def test_every_figure_and_table_of_the_text_exists(folder: Path) -> None:
    text = (folder / "report.md").read_text("utf-8")
    links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(links) == len(list((folder / "figures").glob("*.svg")))
    for link in [*links, *re.findall(r"`(tables/\w+\.csv)`", text)]:
        assert (folder / link).is_file(), link
    assert "{{" not in text
    assert "None" not in text


def test_each_figure_is_an_svg_file_with_its_tooltips(folder: Path, result: Result) -> None:
    figures = document(page_of(result)).figures()
    assert {path.stem for path in (folder / "figures").iterdir()} == set(figures)
    for name, figure in figures.items():
        root = ET.fromstring((folder / "figures" / f"{name}.svg").read_text("utf-8"))
        tips = [own.text or "" for own in root.iter("{http://www.w3.org/2000/svg}title")]
        assert tips, name
        assert root.get("aria-label") == figure.title


def test_tables_hold_the_figures_of_the_result(folder: Path, result: Result) -> None:
    with (folder / "tables" / "metrics.csv").open(encoding="utf-8") as file:
        rows = {row["metric"]: row["value"] for row in csv.DictReader(file)}
    metrics = result.data["metrics"]
    assert rows == {name: "" if value is None else str(value) for name, value in metrics.items()}
    with (folder / "tables" / "bill.csv").open(encoding="utf-8") as file:
        total = math.fsum(float(row["energy [J]"]) for row in csv.DictReader(file))
    assert total == pytest.approx(metrics["energy_total_j"], rel=1e-12)


def test_metrics_have_no_nan_and_their_parts_add_up(folder: Path) -> None:
    text = (folder / "metrics.json").read_text("utf-8")
    data = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in metrics.json"))
    energy, area, run = data["energy_j"], data["area"], data["run"]
    for parts in ("by_component", "by_phase", "by_layer", "by_tile"):
        assert math.fsum(energy[parts].values()) == pytest.approx(energy["total"], rel=1e-12)
    assert math.fsum(area["by_component_m2"].values()) == pytest.approx(area["total_m2"], rel=1e-12)
    assert sum(data["stalls_cycles"].values()) == data["metrics"]["tiles_used"] * run["cycles"]
    assert run["examples_simulated"] + run["examples_fast_forwarded"] == run["examples"]
    total = math.fsum(data["time_per_example_parts_s"].values())
    assert total == pytest.approx(data["metrics"]["time_per_example_s"], rel=1e-12)


def test_metrics_follow_their_definitions(result: Result) -> None:
    # Origin: the definitions of the result file, from cycles, energy and the workload's counts.
    data, m = result.data, result.data["metrics"]
    time_s = data["run"]["cycles"] / 1e9
    ops = 6 * result.workload.value.synapses
    assert m["time_total_s"] == pytest.approx(time_s)
    assert m["time_per_example_s"] == pytest.approx(time_s / 60)
    assert m["ops_per_example"] == ops
    assert m["throughput_op_per_s"] == pytest.approx(60 * ops / time_s)
    assert m["efficiency_op_per_j"] == pytest.approx(60 * ops / data["energy_j"]["total"])
    assert m["throughput_per_area_op_per_s_m2"] == pytest.approx(60 * ops / time_s / data["area"]["total_m2"])
    assert m["power_w"] == pytest.approx(data["energy_j"]["total"] / time_s)
    # Design, section 8, with 160 residual pulses and five conversions of 207 ns: 3.515 us a row. Both tiles transfer
    # together after each 20 examples: 65 and 33 rows, 3 times.
    assert m["transfer_time_share"] * time_s == pytest.approx(3 * 65 * 3.515e-6)
    assert m["pcm_writes_per_cell_max"] == 3 * 2  # two iterations each


def test_a_report_is_replaced_as_a_whole_and_what_is_not_its_own_is_kept(result: Result, tmp_path: Path) -> None:
    out = write_report(result, tmp_path / "out", trace="vcd")
    (out / "notes.txt").write_text("mine", "utf-8")
    (out / "history.json").write_text("[]", "utf-8")
    write_report(result, out)
    names = set(contents(out))
    assert "trace.vcd" not in names
    assert {"notes.txt", "history.json", "metrics.json"} <= names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


# ---- everything that is shipped


QUICK = {
    ("ambrogio_nature_2018_packet", "mlp_digits"), ("ambrogio_nature_2018_pcm_pair", "mlp_digits"),
}  # fmt: skip


def pairs() -> list[Any]:
    """Return each shipped chip with each shipped workload of dense layers that fits; all but a few are slow."""
    found = []
    tiles = {name: shipped(name).value.tile for name in builtin_names("arch_specs")}
    networks = {name: load_workload(name).value for name in builtin_names("workloads")}
    for (arch, tile), (workload, network) in itertools.product(tiles.items(), networks.items()):
        if tile.missing("tile"):
            continue  # it only infers
        if not all(isinstance(layer, Dense) for layer in network.layers):
            continue  # see test_workloads
        shards = [math.ceil(layer.rows / tile.rows) * math.ceil(layer.outputs / tile.cols) for layer in network.layers]
        if sum(shards) <= tile.count:
            quick = (arch, workload) in QUICK
            found.append(pytest.param(arch, workload, marks=[] if quick else [pytest.mark.slow]))
    return found


@pytest.mark.parametrize(("arch", "workload"), pairs())
def test_every_shipped_chip_trains_every_shipped_workload(arch: str, workload: str, tmp_path: Path) -> None:
    chip = load_arch(arch)
    result = evaluate(chip, load_workload(workload), examples=20_000)
    assert result.passed, [audit for audit in result.data["audits"] if not audit["passed"]]
    transfer = chip.value.schedule.transfer if chip.value.tile.device.transfer_steps else None
    due = 0 if transfer is None else 20_000 // transfer.interval_examples
    assert result.data["metrics"]["transfers"] == due
    assert 0 < result.trace.examples_simulated <= 200
    out = write_report(result, tmp_path / "out")
    assert yaml.safe_load((out / "metrics.json").read_text("utf-8"))["run"]["examples"] == 20_000


@pytest.mark.parametrize("policy", ["stop_all", "staggered", "interleaved"])
def test_the_reference_chip_reaches_its_published_peaks_under_every_policy(policy: str) -> None:
    # Ambrogio 2018: 28,065 GOP/s/W and 3.6 TOP/s/mm2, fitted, within 1 %.
    settings = [f"schedule.transfer.policy={policy}"]
    metrics = evaluate(load_arch("ambrogio_nature_2018", settings), load_workload("mlp_mnist"), examples=9000).data[
        "metrics"
    ]
    assert metrics["efficiency_peak_op_per_j"] == pytest.approx(28_065e9, rel=0.01)
    assert metrics["throughput_per_area_peak_op_per_s_m2"] == pytest.approx(3.6e12 / 1e-6, rel=0.01)
    assert metrics["time_per_example_peak_s"] == pytest.approx(240e-9)


@pytest.mark.usefixtures("intervals")
def test_a_figure_outside_of_its_interval_is_told() -> None:
    """Ranges of one side, as that of a converter that was taken at its worst, put a value at an end of them."""
    apart = ["fitted_on=ankit_asplos_2019"]  # of which nothing was fitted
    for sets, outside in (([], []), (apart, ["energy efficiency", "power"])):
        result = evaluate(load_arch("pcm64_mesh_32nm", sets), load_workload("mlp_mnist"), examples=20)
        said = " ".join(" ".join(lines(document(page_of(result)))).split())
        assert (
            re.findall(r"The nominal values of (.*?) lie outside", said)
            == ["; ".join(f"peak, {label}" for label in outside)][: len(outside)]
        )
