"""Published figures: every chip's own, by kind; and the command. Closed forms are written beside their tests."""

from __future__ import annotations

import csv
import functools
import json
import math
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archsim import evaluate, load_arch, load_workload
from archsim.base.errors import SpecError
from archsim.base.shipped import builtin_names
from archsim.chip import build_chip
from archsim.cli import main
from archsim.report.figure import Bars
from archsim.report.files import files_of
from archsim.report.html import page
from archsim.report.markdown import markdown
from archsim.report.terminal import lines
from archsim.results.peak import chip_metrics
from archsim.studies.published import AIM, EXACT, STUDY, Comparison, Inputs, Row, compare, name_of
from tests.helpers import shipped

pytestmark = pytest.mark.usefixtures("intervals")
document = STUDY.report
CHIPS = [name for name in builtin_names("arch_specs") if shipped(name).value.published]
FIGURES = [(name, i) for name in CHIPS for i in range(len(shipped(name).value.published))]
BROKEN = shipped("ambrogio_nature_2018").document().replace("2.34 um2", "4 um2")


@functools.cache
def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = compare([shipped(name)]).plain()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def chip(tmp_path: Path, text: str) -> str:
    path = tmp_path / "chip.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("name", "i"), FIGURES, ids=lambda part: str(part))
def test_a_figure_is_met_as_its_kind_demands(name: str, i: int, record_property: Callable[[str, object], None]) -> None:
    row = rows(name)[i]
    sys.stdout.write("\n".join(lines(document([row]))) + "\n")  # shown by `pytest -rP`
    record_property("simulated / published", row["ratio"])
    assert row["source"]
    ratio = row["simulated"] / row["published"]
    assert row["ratio"] == ratio
    if row["kind"] == "fit":
        assert abs(ratio - 1) <= row["tolerance"]
    elif row["kind"] == "input":
        assert abs(ratio - 1) <= EXACT
    else:
        assert math.isfinite(ratio)
        assert ratio > 0
        assert abs(ratio - 1) <= AIM or len(row["note"]) > 40, "off by more than is aimed at, and no word about it"


def test_all_chips_of_the_literature_are_there() -> None:
    years = {"ambrogio_nature_2018", "ambrogio_nature_2023", "ankit_asplos_2019", "chang_ibmjrd_2019",
             "gokmen_frontiers_2016", "jia_jssc_2020", "khaddam_jssc_2022", "marinella_jetcas_2018",
             "shafiee_isca_2016", "sinangil_jssc_2021", "wan_nature_2022", "wang_vlsi_2022"}  # fmt: skip
    assert years == set(CHIPS)
    kinds = {row["kind"] for name in CHIPS for row in rows(name)}
    assert kinds == {"fit", "input", "shape", "predicted"}


@pytest.mark.parametrize(
    ("name", "metric", "expected"),
    [
        # An array's operations over its step; the step over its parts, all from the papers.
        ("khaddam_jssc_2022", "throughput_peak_op_per_s", 2 * 256**2 / 130e-9),
        ("ambrogio_nature_2023", "throughput_peak_op_per_s", 34 * 2 * 512**2 / 300e-9),
        ("gokmen_frontiers_2016", "throughput_peak_op_per_s", 64 * 6 * 4096**2 / 240e-9),
        ("ankit_asplos_2019", "throughput_peak_op_per_s", 138 * 16 * 2 * 128 * 128 / 2.048e-6),
        ("ankit_asplos_2019", "read_latency_s", 17 * 128e-9),
        ("jia_jssc_2020", "throughput_peak_op_per_s", 2 * 2304 * 256 / 540e-9),
        # An array and a converter for each column, measured at 0.85 V.
        ("jia_jssc_2020", "read_energy_j", 256 * (9.7e-12 + 1.79e-12) * (1.2 / 0.85) ** 2),
        ("wang_vlsi_2022", "throughput_peak_op_per_s", 2 * 64 * 16 / 4.6e-9),
        ("sinangil_jssc_2021", "throughput_peak_op_per_s", 2 * 64 * 16 / 5.5e-9),
        # Digits of four and three bits: 22 integrations, ten steps and six, two samples.
        ("wan_nature_2022", "throughput_peak_op_per_s", 48 * 2 * 128 * 256 / (22 * 270e-9 + 16 * 300e-9 + 600e-9)),
        ("shafiee_isca_2016", "throughput_peak_op_per_s", 168 * 96 * 2 * 128 * 128 / 8 / 1.6e-6),
        # 12 units of 24.08 mW; buffer, bus, a quarter of a router, sigmoid and pooling, output registers.
        ("shafiee_isca_2016", "power_peak_w", 168 * (12 * 24.08e-3 + 20.7e-3 + 7e-3 + 10.5e-3 + 0.97e-3 + 1.68e-3)),
        ("marinella_jetcas_2018", "read_latency_s", (2**7 + 2**8) * 1e-9),
        ("shafiee_isca_2016", "read_latency_s", 17 * 100e-9),  # the last step's conversion follows it
    ],
)
def test_peaks_are_what_the_papers_sizes_and_steps_give(name: str, metric: str, expected: float) -> None:
    arch = load_arch(name).value
    found = chip_metrics(build_chip(arch), arch.published[0].mode)
    assert found[metric] == pytest.approx(expected, rel=2e-3)


def test_a_peak_is_the_same_with_a_workload_and_without() -> None:
    result = evaluate(load_arch("ambrogio_nature_2018"), load_workload("mlp_digits"), examples=3)
    alone = chip_metrics(result.chip, "training")
    shared = alone.keys() & result.data["metrics"].keys()
    assert {"efficiency_peak_op_per_j", "power_peak_w", "area_m2"} <= shared
    assert {key: alone[key] for key in shared} == {key: result.data["metrics"][key] for key in shared}


def test_a_sustained_figure_is_compared_on_its_workload(tmp_path: Path) -> None:
    text = """
    published:
      - {metric: time_per_example_s, value: 1 us, tolerance: 5 %, kind: predicted, workload: mlp_digits, source: a test}
    """
    text = "kind: arch\nextends: ambrogio_nature_2018\n" + text.replace("\n    ", "\n")
    (row,) = compare([load_arch(chip(tmp_path, text))]).plain()
    run = evaluate(load_arch("ambrogio_nature_2018"), load_workload("mlp_digits"))
    assert row["simulated"] == run.data["metrics"]["time_per_example_s"]
    assert (row["workload"], row["passed"]) == ("mlp_digits", None)
    text = text.replace("workload: mlp_digits, ", "")
    with pytest.raises(SpecError, match="not a metric of a chip without a workload"):
        compare([load_arch(chip(tmp_path, text))])


def test_predictions_say_how_far_they_can_be_off_and_of_what_they_are_made() -> None:
    made = {(row["arch"], row["metric"]): row for name in CHIPS for row in rows(name)}
    for row in made.values():
        assert row["interval"] is None or row["kind"] != "fit"
        assert row["interval"] is None or row["interval"][0] < row["interval"][1]
    jia = made["jia_jssc_2020", "read_energy_j"]  # of its own array and converters, as measured
    assert (jia["parts"], jia["interval"], jia["design"]) == ("own", None, False)
    other = made["khaddam_jssc_2022", "efficiency_peak_op_per_j"]  # of drivers and memories of others
    assert (other["parts"], other["design"]) == ("stand-ins", False)
    assert other["interval"][0] < other["published"] < other["interval"][1]
    shown = "\n".join(lines(document([row for name in CHIPS for row in rows(name)])))
    assert "Of 12 predictions of 8 chips, 3 of them measured silicon, 3 are within 20 %" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("published", "said"),
    [
        ("[{metric: power_peak_w, value: 1 W, tolerance: 5 %, kind: fit}]", r"published\[0\]: has no source"),
        ("[{metric: power_peek_w, value: 1 W, tolerance: 5 %, kind: fit, source: x}]", "did you mean 'power_peak_w'"),
        ("[{metric: power_peak_w, value: 1 W, kind: fit, source: x}]", "tolerance: is missing"),
        ("[]", "nothing is there to compare"),
    ],
)
def test_a_figure_that_says_too_little_is_refused(tmp_path: Path, published: str, said: str) -> None:
    text = f"kind: arch\nextends: ambrogio_nature_2018\npublished: {published}\n"
    with pytest.raises(SpecError, match=said):
        STUDY.perform(Inputs((chip(tmp_path, text),)), tmp_path / "out")


def test_the_command_writes_a_report_and_fails_only_with_a_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["published", "khaddam_jssc_2022", "--out", "out"])
    assert left.value.code == 0
    assert "predicted" in capsys.readouterr().out
    first = contents(Path("out"))
    assert set(first) == {"run.yaml", "published.json", "published.html", "published.md", "tables/published.csv",
                          "figures/published.svg", "figures/published.csv"}  # fmt: skip
    assert json.loads(first["published.json"]) == rows("khaddam_jssc_2022")
    with pytest.raises(SystemExit):
        main(["published", "khaddam_jssc_2022", "--out", "out", "--json"])
    assert capsys.readouterr().out.encode() == first["published.json"]
    assert contents(Path("out")) == first
    with pytest.raises(SystemExit) as left:  # a larger cell misses the area that the reference is fitted to
        main(["published", chip(tmp_path, BROKEN), "--out", "broken"])
    assert left.value.code == 1
    assert "FAILED" in capsys.readouterr().out
    assert "FAILED" in (tmp_path / "broken" / "published.md").read_text("utf-8")
    assert "FAILED" in (tmp_path / "broken" / "published.html").read_text("utf-8")


def test_shapes_are_counted_apart_from_predictions() -> None:
    found = rows("wan_nature_2022")
    assert {(row["kind"], row["passed"]) for row in found} == {("shape", None)}
    told = " ".join("\n".join(lines(document(found))).split())
    close = sum(abs(row["ratio"] - 1) <= AIM for row in found)
    assert f"only their shape is predicted: 4 figures, of which {close} are within 20 %" in told
    assert "predictions of" not in told
    worse = document([{**row, "ratio": 2.0} for row in found])
    assert sum("shape, off" in line for line in lines(worse)) == 4


@pytest.mark.parametrize(
    ("name", "totals", "at"),
    [
        ("wang_vlsi_2022", {None: 1024 * 2 / 16.376e12}, 1.0),
        # By inputs: figure 13 at 0 and 15; at 6, half of what lies between by 9 pulses of 15, half by weight besides.
        ("sinangil_jssc_2021",
         {0.0: 3.3566e-12, 1.0: 7.8125e-12, 0.6325: 3.3566e-12 + 4.4559e-12 * (0.6 + 0.6 * 0.6325) / 2}, 0.8),
    ],
)  # fmt: skip
def test_a_shape_is_the_total_at_one_supply_times_the_square_of_the_supply(
    name: str, totals: dict[float | None, float], at: float
) -> None:
    for figure in load_arch(name).value.published:
        if figure.kind != "shape":
            continue
        supply = float(figure.set_.get("technology.supply", f"{at} V").split()[0])
        inputs = None if figure.values is None else figure.values.inputs.mean  # type: ignore[union-attr]
        chip = build_chip(load_arch(name, figure.settings).value)
        found = chip_metrics(chip, "inference", figure.values)["read_energy_j"]
        assert found == pytest.approx(totals[inputs] * (supply / at) ** 2, rel=1e-3)


def test_neurram_bills_its_word_lines_neurons_and_cells_by_bits() -> None:
    """Of 8 bits in and 10 out: seven pulses, 22 integrations, 16 steps, two samples; and a third of that of 4 and 6."""
    for settings, pulses, integrations, steps, samples in (
        ((), 7, 22, 16, 2),
        (load_arch("wan_nature_2022").value.published[2].settings, 3, 7, 6, 1),
    ):
        chip = build_chip(load_arch("wan_nature_2022", settings).value)
        lines_j = 128 * pulses * (256 * 4.2e-15 + 96e-15) * 1.691**2
        neurons_j = 256 * (integrations * 0.25e-12 + steps * 0.4e-12 + samples * 1.2e-12)
        cells_j = pulses * 128 * 256 * 13.75e-15
        expected = lines_j + neurons_j + cells_j
        assert chip_metrics(chip, "inference")["read_energy_j"] == pytest.approx(expected, rel=1e-9)


def test_what_is_off_is_said() -> None:
    found = rows("gokmen_frontiers_2016")
    (off,) = [row for row in found if abs(row["ratio"] - 1) > AIM]
    shown = document(found)
    assert off["note"] in markdown(shown)
    assert f"**{off['ratio']:.3f}**" in markdown(shown)
    assert any("predicted, off" in line for line in lines(shown))
    assert Comparison.model_validate(found).missed == []
    quiet = document(rows("ambrogio_nature_2018"))  # it is fitted to both of its figures
    assert [section.name for section in quiet.sections] == ["ratios", "sources"]
    assert "off" not in {cell.text for row in quiet.tables()["published"].rows for cell in row if hasattr(cell, "text")}


def test_bars_go_from_one_to_the_ratio_under_the_name_of_their_chip() -> None:
    found = [row for name in CHIPS for row in rows(name)]
    figure = document(found).figures()["published"]
    assert isinstance(figure, Bars)
    assert (figure.zero, figure.band) == (1.0, (1 - AIM, 1 + AIM))
    assert [bar.label for bar in figure.bars if bar.head] == CHIPS
    bars = [bar for bar in figure.bars if not bar.head]
    for row, bar in zip(found, bars, strict=True):
        (piece,) = bar.pieces
        assert bar.label == name_of(Row(**row))
        assert (piece.start, piece.start + piece.length) == pytest.approx(sorted((1.0, row["ratio"])), rel=1e-12)
        assert row["arch"] in piece.tip
        assert figure.axis.low < piece.start <= piece.start + piece.length < figure.axis.high
        assert row["kind"] in bar.text
    place, width = figure.tinted or (0.0, 0.0)
    assert place == pytest.approx(figure.axis.place(1 - AIM))
    assert place + width == pytest.approx(figure.axis.place(1 + AIM))


def test_the_table_reads_in_units_and_its_file_in_si() -> None:
    found = rows("marinella_jetcas_2018")
    shown = document(found)
    table = shown.tables()["published"]
    keys = ["arch", "metric", "mode", "workload", "published", "simulated", "ratio", "kind", "low", "high", "parts",
            "tolerance", "settings", "source"]  # fmt: skip
    file = list(csv.reader(table.csv().splitlines()))
    ends = [dict(zip(("low", "high"), row["interval"] or ("", ""), strict=True)) for row in found]
    whole = [{**row, **own, "settings": "; ".join(row["settings"])} for row, own in zip(found, ends, strict=True)]
    assert file == [keys, *([str(row[key]) for key in keys] for row in whole)]
    heads, cells, right = table.grid()
    assert heads == ["arch", "metric", "published", "simulated", "ratio", "kind", "low", "high", "parts"]
    assert right == [False, False, True, True, True, False, True, True, False]
    assert [text for text, _ in cells[0]][:3] == ["marinella_jetcas_2018", "time of a read", "384 ns"]
    text = markdown(shown)
    assert all(row["source"] in text for row in found)  # named once for all figures of one source
    assert text.count(found[0]["source"]) == 1


def test_hostile_names_are_text() -> None:
    evil = "<b>*a*</b> `c` {x} | d"
    found = [{**row, "arch": evil, "note": evil, "source": evil, "workload": evil} for row in rows(CHIPS[0])]
    found = [{**row, "kind": "predicted", "ratio": 2.0, "passed": None} for row in found] + [
        {**found[0], "passed": False, "ratio": None}
    ]
    shown = document(found)
    assert "<b>" not in markdown(shown)
    assert "<b>*" not in page(shown)
    assert "1 figure FAILED" in "\n".join(lines(shown))
    ET.fromstring(files_of(shown)["figures/published.svg"])


def test_a_published_figure_needs_a_source_and_a_tolerance(tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text(
        "kind: arch\nextends: ambrogio_nature_2018\nname: mine\npublished:\n"
        "  - {metric: area_m2, value: 20 mm2, kind: predicted, tolerance: 5 %}\n"
    )
    with pytest.raises(SpecError, match=r"published\[0\]: has no source"):
        load_arch(spec)
    spec.write_text(spec.read_text().replace("tolerance: 5 %", "source: mine"))
    with pytest.raises(SpecError, match="tolerance: is missing"):
        load_arch(spec)


def test_a_chip_that_is_named_twice_is_compared_once(tmp_path: Path) -> None:
    found, *_ = STUDY.perform(Inputs(("khaddam_jssc_2022",) * 2), tmp_path / "out")
    assert [row.metric for row in found.rows] == [row["metric"] for row in rows("khaddam_jssc_2022")]


def test_figures_of_a_chip_are_those_of_one_vector_whatever_is_run() -> None:
    run = evaluate(load_arch("gokmen_frontiers_2016"), load_workload("lstm_imdb", ["steps=3"]), examples=2)
    assert run.data["metrics"]["time_per_example_peak_s"] == pytest.approx(3 * 240e-9)
    shown = [(row["metric"], row["ratio"]) for row in run.data["published"]]
    assert shown == [(row["metric"], row["ratio"]) for row in rows("gokmen_frontiers_2016")]


SETTINGS = """
kind: arch
extends: khaddam_jssc_2022
name: two
published:
  - {metric: throughput_peak_op_per_s, mode: inference, value: 1 TOP/s, tolerance: 0.05, kind: input, source: x,
     set: %s}
  - {metric: efficiency_peak_op_per_j, mode: inference, value: 10 TOP/s/W, tolerance: 0.05, kind: predicted, source: x,
     set: %s}
  - {metric: efficiency_peak_op_per_j, mode: inference, value: 10 TOP/s/W, tolerance: 0.05, kind: predicted, source: x}
"""


def test_a_figure_is_simulated_with_what_the_chip_was_set_to_for_it(tmp_path: Path) -> None:
    sets = ["tile.row_driver.step=2 ns", "tile.col_converter.energy=3 pJ"]
    written = "{tile.row_driver.step: 2 ns, tile.col_converter.energy: {value: 3 pJ, source: y}}"
    arch = load_arch(chip(tmp_path, SETTINGS % ((written,) * 2)))
    fast, off, base = compare([arch]).rows
    other = chip_metrics(build_chip(load_arch("khaddam_jssc_2022", sets).value), "inference")
    assert fast.simulated == other["throughput_peak_op_per_s"]
    assert off.simulated == other["efficiency_peak_op_per_j"] != base.simulated
    assert (fast.settings, off.settings, base.settings) == (tuple(sets), tuple(sets), ())
    assert base.simulated == compare([load_arch("khaddam_jssc_2022")]).rows[-1].simulated
    assert off.interval != base.interval
    assert off.interval is not None
    assert off.interval[0] < (off.simulated or 0) < off.interval[1]
    assert name_of(off) == "peak efficiency (row_driver.step 2 ns, col_converter.energy 3 pJ)"
    assert name_of(off.model_copy(update={"at": "3 pJ"})) == "peak efficiency at 3 pJ"
    assert name_of(off) in markdown(document([row.plain() for row in (fast, off, base)]))


def test_settings_of_a_figure_are_hashed_and_only_a_chip_set_so_is_compared_with_it(tmp_path: Path) -> None:
    path = chip(tmp_path, SETTINGS % (("{tile.row_driver.step: 2 ns}",) * 2))
    before = load_arch(path).hash
    assert load_arch(chip(tmp_path, SETTINGS % (("{tile.row_driver.step: 3 ns}",) * 2))).hash != before
    work = load_workload("mlp_digits", ["mode=inference"])
    shown = [
        [
            row["metric"]
            for row in evaluate(load_arch(path, ["tile.count=2", *sets]), work, examples=2).data["published"]
        ]
        for sets in ([], ["tile.row_driver.step=3 ns"], ["tile.row_driver.step=4 ns"])
    ]
    throughput, efficiency = "throughput_peak_op_per_s", "efficiency_peak_op_per_j"
    assert shown == [[efficiency], [throughput, efficiency, efficiency], [efficiency]]


@pytest.mark.parametrize(
    ("settings", "where", "words"),
    [
        ("{tile.rowz: 3}", "set.tile.rowz", "unknown key; did you mean 'rows'?"),
        ("{tile.row_driver.bits: 99}", "set.tile.row_driver.bits", "'99' is out of range; give a whole"),
        ("{tile.accumulator.step: 1 ns}", "set.tile.accumulator.step", "kind' is missing; allowed kinds"),
        ("{tile.col_converter.groups: 7}", "set.tile.col_converter.groups", "7 do not divide the 256 columns"),
        ("{published: []}", "set", "'published' is not a part of the chip"),
        ("{name: x}", "set", "'name' is not a part of the chip that a figure could be measured with; leave it out"),
        ("{tile: {rows: 3}}", "set", "'tile' has no value; write it as --set takes it, such as "),
        ('{"tile.rows=3": 3}', "set", "'tile.rows=3' is not a key of a spec; write a dotted one as --set takes it"),
        ("[tile.rows]", "set", "a list stands where a section is expected"),
        ("tile.rows", "set", "'tile.rows' stands where a section is expected"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_the_chip_are_told_where_they_stand(
    tmp_path: Path, settings: str, where: str, words: str
) -> None:
    with pytest.raises(SpecError) as raised:
        load_arch(chip(tmp_path, SETTINGS % ("{tile.rows: 128}", settings)))
    (problem,) = raised.value.problems
    assert problem.where.endswith(f"chip.yaml: published[1].{where}")
    assert words in f"{problem.what}; {problem.hint}"


def test_what_is_set_on_the_command_line_is_not_refused_for_the_settings_of_a_figure(tmp_path: Path) -> None:
    path = chip(tmp_path, SETTINGS % (("{tile.col_converter.groups: 8, tile.col_converter.lines_per_unit: 8}",) * 2))
    arch = load_arch(path, ["tile.count=2", "tile.cols=100"])  # of which 8 is no divisor
    assert evaluate(arch, load_workload("mlp_digits", ["mode=inference"]), examples=2).passed
