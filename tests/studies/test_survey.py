"""Surveys: networks on one design of chip. Expected values come from single runs, and from counting tiles by hand."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import InfeasibleError, SpecError
from archsim.cli import main
from archsim.mapping.recipes import TileKit
from archsim.report.figure import Bars
from archsim.report.files import files_of
from archsim.report.html import page
from archsim.report.markdown import markdown
from archsim.report.terminal import lines
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.studies.enlarging import enlargement, held_interval
from archsim.studies.survey import COLUMNS, SHARES, STUDY, Inputs, Row, Survey, ranked, survey
from archsim.workload import load_workload

CHIP = load_arch("ambrogio_nature_2018")
document = STUDY.report
EVIL = "<b>*a*</b> `c` {x} | d"


def test_a_chip_is_enlarged_by_what_a_network_needs_and_no_more() -> None:
    # Origin: counted by hand, on crossbars of 512 x 512. 784-1000-500-250-30 and back, with a bias row in each layer:
    # 785 x 1000, 1001 x 500, 501 x 250, 251 x 30, 31 x 250, 251 x 500, 501 x 1000 and 1001 x 784.
    tiles = 2 * 2 + 2 * 1 + 1 + 1 + 1 + 1 + 1 * 2 + 2 * 2
    settings = dict(setting.split("=") for setting in enlargement(CHIP, load_workload("autoencoder").value))
    pieces = evaluate(CHIP.with_overrides([f"{k}={v}" for k, v in settings.items()]), load_workload("autoencoder"),
                      examples=1).data["metrics"]["tiles_used"]  # fmt: skip
    assert int(settings["tile.count"]) == pieces == tiles
    assert int(settings["floorplan.columns"]) ** 2 >= pieces > (int(settings["floorplan.columns"]) - 1) ** 2
    assert int(settings["schedule.transfer.tiles_in_parallel"]) == pieces  # all at once, as on the chip of 8
    assert enlargement(CHIP, load_workload("mlp_mnist").value) == ()


def test_memory_grows_to_hold_all_steps_of_an_example() -> None:
    from archsim.chip import build_chip
    from archsim.mapping import build_schedule, map_workload

    work = load_workload("lstm_imdb", ["mode=training"]).value
    settings = enlargement(CHIP, work)
    words = next(int(s.split("=")[1]) for s in settings if s.startswith("tile.memory.words"))
    area = next(s for s in settings if s.startswith("tile.memory.area"))
    assert area == f"tile.memory.area={0.016 * words / 1024:.6g} mm2"

    def fits(words: int) -> bool:
        others = [s for s in settings if not s.startswith("tile.memory")]
        chip = build_chip(CHIP.with_overrides([*others, f"tile.memory.words={words}"]).value)
        try:
            build_schedule(chip, map_workload(work, chip), 1)
        except InfeasibleError:
            return False
        return True

    assert fits(words)
    assert not fits(words // 2)
    assert not any(s.startswith("tile.memory.leakage") for s in settings)  # the reference chip's does not leak
    leaky = enlargement(CHIP.with_overrides(["tile.memory.leakage=0.25 mW"]), work)
    assert f"tile.memory.leakage={0.25 * words / 1024:.6g} mW" in leaky


def test_memory_of_a_chip_at_another_node_grows_in_proportion() -> None:
    chip = load_arch("chang_ibmjrd_2019")  # its memory is scaled from 45 to 90 nm
    work = load_workload("lstm_imdb", ["steps=20"]).value
    before, after = chip.value.tile.memory, chip.with_overrides(enlargement(chip, work)).value.tile.memory
    assert after.words > before.words
    assert after.area_m2 / before.area_m2 == pytest.approx(after.words / before.words, rel=1e-5)


def test_a_row_is_what_a_run_gives() -> None:
    (row,) = survey(CHIP, [load_workload("mlp_digits")], examples=400)
    metrics = evaluate(CHIP, load_workload("mlp_digits"), examples=400).data["metrics"]
    assert isinstance(row, Row)
    for key in ("time_per_example_s", "energy_per_example_j", "transfer_time_share", "efficiency_op_per_j"):
        assert getattr(row, key) == metrics[key]
    assert row.share_of_peak == metrics["efficiency_op_per_j"] / metrics["efficiency_peak_op_per_j"]
    assert row.fill == pytest.approx((65 * 32 + 33 * 10) / (2 * 512 * 512))
    assert row.busy == metrics["tile_utilisation"]


@pytest.mark.parametrize("name", ["mlp_digits", "lstm_imdb"])  # of sequences it is their vectors that count
def test_an_interval_is_held_for_as_long_as_was_asked(name: str) -> None:
    work = load_workload(name)
    chip = CHIP.with_overrides(enlargement(CHIP, work.value))
    (setting,) = held_interval(chip.value, work.value, Fraction(1, 1000))
    interval = int(setting.split("=")[1]) // work.value.steps
    run = evaluate(chip.with_overrides([setting]), work, examples=4 * interval)
    dwell_s = run.data["metrics"]["dwell_time_max_s"]
    kit, steps = TileKit(run.chip, run.chip.tiles[0]), run.chip.tiles[0].spec.device.transfer_steps
    rows_s = float(max(shard.rows * kit.maintenance_s(steps, 1, shard.cols) for shard in run.mapping.shards))
    assert 0.94e-3 < dwell_s < 1.06e-3 + 2 * rows_s
    assert held_interval(CHIP.value, load_workload("mlp_digits", ["mode=inference"]).value, Fraction(1, 1000)) == ()


def test_what_cannot_be_run_is_listed_with_the_reason_and_the_rest_is_run(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    huge.write_text(
        "kind: workload\nname: huge\nmode: inference\ndataset: {name: none, examples: 9}\nsteps: 3\n"
        "layers:\n- {name: cell, kind: lstm, inputs: 4, outputs: 4}\n"
    )
    rows = survey(load_arch("ambrogio_nature_2018", ["tile.cols=2", "tile.rows=8"]), [load_workload(huge)], examples=3)
    assert "4 columns of a unit must lie on one crossbar" in rows[0].reason


# ---- the report


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Two networks that infer, and one that this chip cannot train."""
    folder = tmp_path_factory.mktemp("surveys") / "one"
    with pytest.raises(SystemExit) as leave:
        main(["survey", "ambrogio_nature_2018", "mlp_digits", "transfer_cifar10", "--mode", "inference", "--examples",
              "50", "--quiet", "--out", str(folder)])  # fmt: skip
    assert not leave.value.code
    data = json.loads((folder / "survey.json").read_text("utf-8"))
    given = {"name": "huge", "mode": "training", "hash": "0", "synapses": 9, "steps": 1, "settings": [], "passed": True}
    data["networks"].append({**given, "reason": "it is too large"})
    return data, folder


def test_the_command_writes_data_page_tables_and_figures(found: tuple[dict[str, Any], Path]) -> None:
    data, folder = found
    assert [row["name"] for row in data["networks"][:2]] == ["mlp_digits", "transfer_cifar10"]
    assert all(row["transfer_time_share"] == 0 for row in data["networks"][:2])
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "survey.json", "survey.html", "survey.md", "tables/survey.csv", "figures/efficiency.svg", "figures/shares.svg",
        "run.yaml", "figures/efficiency.csv", "figures/shares.csv",
    }  # fmt: skip
    assert len((folder / "tables" / "survey.csv").read_text().splitlines()) == 3
    for path in (folder / "figures").glob("*.svg"):
        ET.parse(path)


def test_the_table_holds_the_networks_that_could_be_run_the_best_first(found: tuple[dict[str, Any], Path]) -> None:
    data, _ = found
    table = document(data).tables()["survey"]
    assert [column.name for column in table.columns] == list(COLUMNS)
    shares = [row[list(COLUMNS).index("of the peak")] for row in table.rows]
    assert shares == sorted(shares, reverse=True) == [row.share_of_peak for row in ranked(Survey.model_validate(data))]
    assert {row[0] for row in table.rows} == {"mlp_digits", "transfer_cifar10"}
    said = "\n".join(lines(document(data)))
    assert "huge could not be run: it is too large" in said
    assert "transfer_cifar10" in said
    nothing = document({**data, "networks": data["networks"][2:]})
    assert nothing.tables()["survey"].rows == ()
    assert "too large" in page(nothing)


def test_bars_are_the_rows(found: tuple[dict[str, Any], Path]) -> None:
    data, _ = found
    figures, rows = document(data).figures(), ranked(Survey.model_validate(data))
    efficiency, shares = figures["efficiency"], figures["shares"]
    assert isinstance(efficiency, Bars)
    assert isinstance(shares, Bars)
    for row, bar, own in zip(rows, efficiency.bars, shares.bars, strict=True):
        held, lost = bar.pieces
        assert bar.label == own.label == row.name
        assert held.length == row.efficiency_op_per_j
        assert lost.start + lost.length == pytest.approx(row.efficiency_peak_op_per_j, rel=1e-12)
        assert [piece.length for piece in own.pieces] == [of(row) for of, *_ in SHARES]
        assert [piece.strip for piece in own.pieces] == [(0, 3), (1, 3), (2, 3)]
    assert efficiency.axis.high == max(row.efficiency_peak_op_per_j for row in rows)


def test_what_was_changed_is_said_a_failed_audit_is_and_hostile_names_are_text(
    found: tuple[dict[str, Any], Path],
) -> None:
    data, _ = found
    first = {**data["networks"][0], "name": EVIL, "settings": ["tile.count=9", EVIL], "passed": False}
    shown = document({**data, "networks": [first, *data["networks"][1:]]})
    text = markdown(shown)
    assert "; of the chip `tile.count=9`" in text
    assert "FAILED: an audit of <b>*a*</b> `c` {x} | d." in "\n".join(lines(shown)).replace("\n  ", " ")
    assert "<b>" not in text.replace("`` <b>*a*</b> `c` {x} | d ``", "")  # as code it is text
    assert "<b>*" not in page(shown)
    ET.fromstring(files_of(shown)["figures/shares.svg"])
    assert "FAILED" not in markdown(document(data))


# ---- faults


def test_what_is_wrong_is_told_before_anything_is_simulated() -> None:
    with pytest.raises(SpecError, match="did you mean 'mlp_mnist'"):
        STUDY.prepare(Inputs("ambrogio_nature_2018", ("mlp_mnis",)))
    with pytest.raises(SpecError, match=r"--hold '7.4 ms'"):
        STUDY.prepare(Inputs("ambrogio_nature_2018", ("mlp_mnist",), hold="long"))
    for none in ("0 s", "-7 ms"):
        with pytest.raises(SpecError, match=rf"--hold: '{none}' is not above 0"):
            STUDY.prepare(Inputs("ambrogio_nature_2018", ("mlp_mnist",), hold=none))
    with pytest.raises(SpecError, match="is of one workload"):
        STUDY.prepare(Inputs("ambrogio_nature_2018", ("mlp_mnist",), sets=("steps=3",)))


def test_a_survey_of_nothing_that_can_be_run_is_none(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleError, match=r"mlp_digits: .*sends errors back"):
        STUDY.perform(Inputs("shafiee_isca_2016", ("mlp_digits",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
