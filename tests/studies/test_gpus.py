"""archsim compare: the same operations on both sides, the paper's own comparison, and what is left of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.base.errors import SpecError
from archsim.base.shipped import builtin_folder
from archsim.baselines.comparison import BATCHES, FIGURES, compare_gpus, modelled_steps, parse_batches
from archsim.baselines.gpus import FOLDER, known_gpus
from archsim.baselines.law import constants
from archsim.baselines.measured import PRECISION_OF, shipped
from archsim.baselines.model import steps
from archsim.cli import main
from archsim.report.figure import Bars, Plot
from archsim.report.folder import check_folder
from archsim.results.evaluate import Result, evaluate
from archsim.results.intervals import BILLED
from archsim.spec.loading import load_arch
from archsim.studies.gpus import tables
from archsim.studies.gpus.shape import Catch, Compared, GpuComparison, MeasuredCatch
from archsim.studies.gpus.study import STUDY, Inputs
from archsim.studies.gpus.tables import caught
from archsim.studies.views import catalogue
from archsim.workload import load_workload

document = STUDY.report
CHIP = "ambrogio_nature_2018"
EFFICIENCY, DENSITY = "efficiency_op_per_j", "throughput_per_area_op_per_s_m2"


@pytest.fixture(scope="module")
def result() -> Result:
    """The reference chip on the paper's network, a little of it."""
    return evaluate(load_arch(CHIP), load_workload("mlp_mnist"), examples=200)


@pytest.fixture(scope="module")
def data(result: Result) -> dict[str, Any]:
    return compare_gpus(result)


def compared(arch: str, workload: str, out: Path | None = None, **asked: Any) -> tuple[dict[str, Any], Path]:
    """Return what gpus.json holds, and its folder."""
    found, _, folder, _ = STUDY.perform(Inputs(arch, workload, **asked), out)
    return found.plain(), folder


def rows_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        row for part in ("gpus", "measured") for each in data[part] for row in each.get("modelled", each.get("rows"))
    ]


def test_the_papers_comparison_comes_out(data: dict[str, Any]) -> None:
    # 28,065 GOP/s/W / (30 TOP/s / 300 W) = 280.65; 3.6 TOP/s/mm2 / (30 TOP/s / 815 mm2) = 97.8. Published: 280, 98.
    paper = data["paper"]
    assert paper["published_ratio"] == pytest.approx({EFFICIENCY: 280.65, DENSITY: 97.8}, rel=1e-9)
    for key, ratio in paper["published_ratio"].items():
        assert ratio == pytest.approx(paper["quoted"][key], rel=0.005)
        # The reference spec is calibrated to both published figures.
        assert paper["ratio"]["peak"][key] == pytest.approx(ratio, rel=0.005)
        assert paper["ratio"]["sustained"][key] < ratio / 2


def test_against_todays_tensor_peaks_the_lead_is_much_smaller(data: dict[str, Any]) -> None:
    # 28,065 / (989,000 / 700) = 19.9 and 3.6 / (989 / 814) = 2.96.
    gpu = next(each for each in data["gpus"] if each["name"] == "H100")
    peak = next(row for row in gpu["peaks"] if row["precision"] == gpu["fastest"])
    assert peak["ratio"]["peak"][EFFICIENCY] == pytest.approx(19.9, rel=0.005)
    assert peak["ratio"]["peak"][DENSITY] == pytest.approx(2.96, rel=0.005)
    words = [line[0] for line in tables.ladder(Compared.model_validate(data))]
    assert any("H100 BF16 tensor: chip's peak / data-sheet peak" in line for line in words)
    assert any("H200 BF16 tensor: sustained / modelled, batch 4,096" in line for line in words)


def test_the_same_operations_are_counted_on_both_sides(data: dict[str, Any]) -> None:
    assert data["ops_per_example"] == 6 * 164_885  # synapses of 528-250-125-10, bias rows included
    for row in [*rows_of(data), *data["chip"].values()]:
        ops = row["time_per_example_s"] * row["throughput_op_per_s"]
        assert ops == pytest.approx(data["ops_per_example"], rel=1e-9)
        ops = row["energy_per_example_j"] * row["efficiency_op_per_j"]
        assert ops == pytest.approx(data["ops_per_example"], rel=1e-9)


def test_the_chips_figures_are_those_of_the_run(result: Result, data: dict[str, Any]) -> None:
    held = data["chip"]["sustained"]
    for key in ("time_per_example_s", "energy_per_example_j", *FIGURES):
        assert held[key] == pytest.approx(result.data["metrics"][key], rel=1e-9)


def test_every_ratio_is_chip_over_gpu(data: dict[str, Any]) -> None:
    peaks = [row for gpu in data["gpus"] for row in gpu["peaks"]]
    assert len(rows_of(data)) > len(peaks) > 10
    for row in [*rows_of(data), *peaks]:
        for name in ("peak", "sustained"):
            for key in FIGURES:
                assert row["ratio"][name][key] == pytest.approx(data["chip"][name][key] / row[key], rel=1e-12)


def test_the_gpu_catches_up_where_it_stays_ahead(result: Result, tmp_path: Path) -> None:
    """A GPU that is as good at batch 1 and 64, but not between, has caught up from 64 on."""
    chip = result.data["metrics"]["time_per_example_s"]
    rows = "".join(
        f"  - {{precision: fp32, how: graph, batch: {batch}, time_per_step_s: {share * batch * chip:.9e}, steps: 9}}\n"
        for batch, share in ((1, 0.9), (16, 1.1), (64, 0.9), (256, 0.5))
    )
    path = tmp_path / "own.yaml"
    path.write_text(
        "kind: measured\ngpu: {name: Mine}\ndate: '2026-01-01'\nmethod: none\nworkloads:\n- name: own\n"
        f"  layers: [[528, 250], [250, 125], [125, 10]]\n  bias: true\n  rows:\n{rows}"
    )
    own = compare_gpus(result, ["P100"], measured=[path])["measured"][-1]["catches_up"]
    assert [each["sustained"]["time_per_example_s"] for each in own] == [64]


def test_the_gpu_catches_up_at_the_first_batch_that_is_as_good(data: dict[str, Any]) -> None:
    for gpu in data["gpus"]:
        for found in gpu["catches_up"]:
            rows = {row["batch"]: row for row in gpu["modelled"] if row["precision"] == found["precision"]}
            for key in ("time_per_example_s", "energy_per_example_j"):
                limit, batch = data["chip"]["sustained"][key], found["sustained"][key]
                early = [b for b in BATCHES if batch is None or b < batch]
                assert all(rows[b][key] > limit for b in early)
                assert batch is None or rows[batch][key] <= limit


def test_catching_up_in_words() -> None:
    keys = ("time_per_example_s", "energy_per_example_j")
    peak, known = dict.fromkeys(keys, 1), dict(zip(keys, (True, False), strict=True))
    said: list[Any] = []
    for pair in ((None, 1), (2, None)):
        both = {"precision": "fp32", "batches": [1, 2, 4096], "peak": peak,
                "sustained": dict(zip(keys, pair, strict=True))}  # fmt: skip
        said += caught(Catch.model_validate({**both, "known": dict.fromkeys(keys, True)}))
        said += caught(Catch.model_validate({**both, "known": known}))[1:]
    assert said == ["not up to 4,096", "at every batch", "not measured", "from 2", "not up to 4,096", "not measured"]


def test_what_was_measured_stands_beside_what_is_modelled(data: dict[str, Any]) -> None:
    assert [each["baseline"] for each in data["measured"]] == ["H100", "H200"]
    for each in data["measured"]:
        assert len(each["rows"]) == 78  # three precisions, 13 batches, two ways
        for row in each["rows"]:
            if row["how"] == "graph":
                assert 0.2 < row["modelled_over_measured_time"] < 2


def test_the_model_is_checked_by_its_median(data: dict[str, Any]) -> None:
    each, *_ = data["measured"]
    graph = next(row for row in each["rows"] if row["how"] == "graph")
    rows = [{**graph, "modelled_over_measured_time": ratio} for ratio in (0.5, 0.8, 1.0, 3.0)]

    def model_check(*measured: dict[str, Any]) -> str:
        return tables.model_check(Compared.model_validate({**data, "measured": measured}))

    said = model_check({**each, "rows": rows})
    assert "time x 0.90 in the middle, 0.50 to 3.00" in said  # the mean of the two in the middle
    assert "in part a fit" in said
    assert model_check() == ""


def test_catching_up_does_not_depend_on_the_batches_shown(result: Result, data: dict[str, Any]) -> None:
    few = compare_gpus(result, ["h100"], (3, 1))
    [gpu] = few["gpus"]
    assert {row["batch"] for row in gpu["modelled"]} == {1, 3}
    assert gpu["catches_up"] == next(each for each in data["gpus"] if each["name"] == "H100")["catches_up"]
    assert [each["baseline"] for each in few["measured"]] == ["H100"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "'0' is not a batch size; give sizes from 1 to 1,000,000"),
        ("1,,2", "'' is not a whole number; for example --batch 1,16"),
        ("-4", "'-4' is not a whole number"),
        ("1e3", "'1e3' is not a whole number"),
        ("9999999", "9,999,999 examples in a batch, above the limit"),
        ("9" * 5000, "is not a batch size"),
    ],
)
def test_batches_that_are_none(text: str, words: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse_batches(text)
    assert words in str(raised.value)


def test_all_faults_are_told_at_once_and_nothing_is_simulated(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        compared("ambrogio", "mlp_nist", gpu=("H10",), batch="0", measured=(tmp_path / "none.yaml",), out=tmp_path)
    said = str(raised.value)
    for words in ("ambrogio", "mlp_nist", "did you mean 'H100'?", "'0' is not a batch size", "no such file"):
        assert words in said
    assert len(raised.value.problems) == 5


def test_the_command_writes_the_same_report_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", CHIP, "mlp_mnist", "--examples", "40", "--gpu", "H100", "--gpu", "v100", "--batch", "1,64"]
    printed = []
    for folder in ("a", "b"):
        with pytest.raises(SystemExit) as leave:
            main([*words, "--json", "--out", str(tmp_path / folder)])
        assert leave.value.code == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] == (tmp_path / "a" / "gpus.json").read_text()
    assert json.loads(printed[0])["command"] == " ".join(["archsim", *words[:3], *words[5:], *words[3:5]])
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert [path.suffix for path in files].count(".svg") == 4
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    text = (tmp_path / "a" / "gpus.md").read_text()
    assert "6 per synapse and example" in text
    assert "280x and 98x" in text
    assert "280x and 98x" in (tmp_path / "a" / "gpus.html").read_text()
    check_folder(tmp_path / "a")  # it may be replaced


def test_a_file_of_a_gpu_that_is_no_baseline_and_has_an_odd_name(tmp_path: Path) -> None:
    row = "{precision: bf16, batch: 4, how: graph, time_per_step_s: 3.1e-05, steps: 100}"
    path = tmp_path / "odd.yaml"
    path.write_text(
        "kind: measured\ngpu: {name: '<script>| a $x_{1 GPU', baseline: null}\ndate: '2026-11-26'\nmethod: m\n"
        f"workloads: [{{name: mine, layers: [[64, 32], [32, 10]], bias: true, rows: [{row}]}}]\n"
    )
    found, folder = compared(CHIP, "mlp_digits", examples=20, gpu=("V100",), measured=(path,), out=tmp_path / "out")
    [each] = found["measured"]
    assert each["rows"][0]["energy_per_example_j"] is None
    assert each["rows"][0][DENSITY] is None
    assert caught(MeasuredCatch.model_validate(each["catches_up"][0]))[1] == "not measured"
    assert "<script>" not in (folder / "gpus.md").read_text()
    assert "<script>| a" not in (folder / "gpus.html").read_text()


REPORTED = {"command": "archsim compare a b", "version": "1", "arch": {"name": "a", "hash": "h"},
            "workload": {"name": "b", "hash": "i"}, "schema": "archsim-gpus-1", "seed": 0, "examples": 200,
            "passed": True}  # fmt: skip


def test_figures_by_batch_are_the_modelled_and_the_best_measured_rows(data: dict[str, Any]) -> None:
    found = document({**data, **REPORTED}).figures()
    for name, key in (("gpus_time", "time_per_example_s"), ("gpus_energy", "energy_per_example_j")):
        plot = found[name]
        assert isinstance(plot, Plot)
        lines = {series.label: series for series in plot.series}
        for gpu in data["gpus"]:
            rows = [row for row in gpu["modelled"] if row["precision"] == gpu["fastest"]]
            own = next(series for label, series in lines.items() if label.startswith(f"{gpu['name']}, ")
                       and label.endswith("modelled"))  # fmt: skip
            assert [(dot.x, dot.y) for dot in own.dots] == [(row["batch"], row[key]) for row in rows]
        for each in data["measured"]:
            best: dict[int, float] = {}
            for row in each["rows"]:
                if row[key] is not None:
                    best[row["batch"]] = min(row[key], best.get(row["batch"], row[key]))
            own = lines[f"{each['baseline']}, measured, best precision"]
            assert {dot.x: dot.y for dot in own.dots} == best
        for which in ("sustained", "peak"):
            assert {dot.y for dot in lines[f"chip, {which}"].dots} == {data["chip"][which][key]}
        assert all(0 <= plot.x.place(dot.x) <= 100 and 0 <= plot.y.place(dot.y) <= 100
                   for series in plot.series for dot in series.dots)  # fmt: skip


def test_bars_are_peaks_and_what_is_sustained(data: dict[str, Any]) -> None:
    found = document({**data, **REPORTED}).figures()
    for name, key in (("gpus_efficiency", EFFICIENCY), ("gpus_density", DENSITY)):
        bars = found[name]
        assert isinstance(bars, Bars)
        ends = {bar.label: bar.pieces[0].start + bar.pieces[0].length for bar in bars.bars}
        assert ends["chip, peak"] == pytest.approx(data["chip"]["peak"][key])
        assert ends["chip, sustained"] == pytest.approx(data["chip"]["sustained"][key])
        peak = next(row for row in data["gpus"][3]["peaks"] if row["precision"] == "bf16")
        assert ends["H100 BF16 tensor, data sheet"] == pytest.approx(peak[key])


def test_tables_hold_every_row(data: dict[str, Any]) -> None:
    found = document({**data, **REPORTED}).tables()
    assert len(found["gpus_modelled"].rows) == sum(len(gpu["modelled"]) for gpu in data["gpus"])
    assert len(found["gpus_measured"].rows) == 156
    assert len(found["gpus_modelled"].read) < len(found["gpus_modelled"].rows)  # the page shows a short one
    for table in found.values():
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_steps_of_sgd_are_no_measurement_of_inference() -> None:
    file = FOLDER / "measured" / "h100_2026_11_26.yaml"
    with pytest.raises(SpecError, match="inference; measure this workload"):
        compared(CHIP, "mlp_mnist", sets=("mode=inference",), measured=(file,))


def test_gpus_are_listed() -> None:
    assert [name for _, name, _ in catalogue("gpu")] == ["P100", "V100", "A100", "H100", "H200"]
    assert catalogue("gpu")[3][2] == "H100 SXM5 80 GB, 4 nm: 989 TOP/s in BF16 tensor, 700 W"


def test_inference_is_compared_by_its_own_operations(tmp_path: Path) -> None:
    path = tmp_path / "infer.yaml"
    path.write_text((builtin_folder("workloads") / "mlp_digits.yaml").read_text() + "\nmode: inference\n")
    found, folder = compared(CHIP, str(path), examples=20, gpu=("A100",), batch="1", out=tmp_path / "out")
    assert (found["mode"], found["ops_per_example"]) == ("inference", 2 * (65 * 32 + 33 * 10))
    said = " ".join(tables.conventions(GpuComparison.model_validate(found)))
    assert "updates" not in said  # nothing is updated
    assert "waits until b examples are there" in said
    assert found["paper"] is None
    assert found["measured"] == []
    assert "2 per synapse and example (forward alone)" in (folder / "gpus.md").read_text()


# ---- a user's own GPUs

OWN = """kind: gpus
gpus:
  Mine:
    title: a card of mine
    node: 5 nm
    area: 400 mm2
    power_limit: 200 W
    power_idle: 20 W
    clock: 2 GHz
    processors: 60
    cache_bytes: 33554432
    bandwidth: 600 GB/s
    peaks: {fp32: 30 TOP/s, bf16: 120 TOP/s}
"""


def test_own_gpus_stand_beside_those_of_archsim(tmp_path: Path) -> None:
    path, row = tmp_path / "own.yaml", "{precision: bf16, batch: 4, how: graph, time_per_step_s: 3.1e-05, steps: 100}"
    path.write_text(OWN)
    measured = tmp_path / "measured.yaml"
    measured.write_text(
        "kind: measured\ngpu: {name: my card, baseline: Mine}\ndate: '2026-11-26'\nmethod: m\n"
        f"workloads: [{{name: mine, layers: [[64, 32], [32, 10]], bias: true, rows: [{row}]}}]\n"
    )
    found, folder = compared(CHIP, "mlp_digits", examples=20, gpu=("mine", "H100"), gpus=(path,),
                             measured=(measured,), out=tmp_path / "out")  # fmt: skip
    assert [gpu["name"] for gpu in found["gpus"]] == ["Mine", "H100"]
    assert found["gpus"][0]["fastest"] == "bf16"
    modelled = modelled_steps(known_gpus([path])["Mine"], "bf16", load_workload("mlp_digits").value, [4], "graph")
    assert found["measured"][0]["rows"][0]["modelled_over_measured_time"] == pytest.approx(modelled.time_s[0] / 31e-6)
    assert f"--gpus {path}" in found["command"]
    assert "Mine" in (folder / "gpus.md").read_text()
    assert list(known_gpus()) == ["P100", "V100", "A100", "H100", "H200"]
    assert list(known_gpus([path])) == ["P100", "V100", "A100", "H100", "H200", "Mine"]


def test_an_own_gpu_goes_before_one_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN.replace("Mine", "H100"))
    assert known_gpus([path])["H100"].title == "a card of mine"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bandwidth", "bandwith", "own.yaml: gpus.Mine.bandwith: unknown key; did you mean 'bandwidth'?"),
        ("area: 400 mm2", "area: 400 mm", "gpus.Mine.area: 'mm' is not a unit of area"),
        ("peaks: {fp32: 30 TOP/s, bf16: 120 TOP/s}", "peaks: {bf16: 120 TOP/s}", "gpus.Mine.peaks.fp32: is missing"),
        ("power_idle: 20 W", "power_idle: 200 W", "gpus.Mine: power_idle of 200.0 W leaves nothing of a limit of 200"),
        ("kind: gpus", "kind: arch", "own.yaml: kind"),
        (OWN[OWN.index("  Mine") :], "  {}\n", "own.yaml: gpus: holds no GPU"),
    ],
)
def test_faults_of_own_gpus_are_told_with_all_others(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN.replace(old, new))
    with pytest.raises(SpecError) as raised:
        compared(CHIP, "mlp_digits", gpu=("Mine",), batch="0", gpus=(path,), out=tmp_path / "out")
    said = str(raised.value)
    assert words in said
    assert "'0' is not a batch size" in said
    assert "'Mine' is not a GPU" not in said


def test_the_list_holds_own_gpus(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    kind, name, about = catalogue("gpu", [path])[-1]
    assert (kind, name) == ("gpu", "Mine")
    assert about.startswith("a card of mine, 5 nm: ")
    with pytest.raises(SpecError, match="holds GPUs, not what 'list arch' lists"):
        catalogue("arch", [path])


# ---- intervals


@pytest.mark.usefixtures("intervals")
def test_a_chip_beside_itself_has_no_interval_however_unsure_both_are(tmp_path: Path) -> None:
    """All draws are common, so that the ratio is 1 in each; and of half of the leakage, in proportion to its share."""
    twin = tmp_path / "twin.yaml"
    twin.write_text(f"kind: arch\nname: twin\nextends: {CHIP}\n")
    found, folder = compared(CHIP, "mlp_digits", examples=20, gpu=("H100",), batch="1", beside=(str(twin),),
                             out=tmp_path / "out")  # fmt: skip
    [other] = found["chips"]
    assert other["chip"]["sustained"]["intervals"][EFFICIENCY] == found["chip"]["sustained"]["intervals"][EFFICIENCY]
    for ratio in other["ratio"].values():
        assert set(ratio) == set(FIGURES)  # neither intervals nor causes
        assert set(ratio.values()) == {1.0}
    assert f"--beside {twin}" in found["command"]
    assert "## Chips beside each other" in (folder / "gpus.md").read_text()


def test_ratios_to_modelled_steps_lie_within_the_models_spread(tmp_path: Path) -> None:
    """Of a chip without ranges: time x 1.35, energy x 1.35 and x 1.20 together, as lognormal factors at 10 and 90 %."""
    found, folder = compared("jia_jssc_2020", "mlp_digits", examples=20, gpu=("H100",), batch="1",
                             sets=("mode=inference", "tile.count=2"), out=tmp_path / "out")  # fmt: skip
    assert "intervals" not in found["chip"]["sustained"]
    assert found["uncertainty"]["draws"] == BILLED
    [gpu] = found["gpus"]
    assert all("intervals" not in row for row in gpu["peaks"])  # the data sheet is taken as it is
    row = next(row for row in gpu["modelled"] if row["precision"] == gpu["fastest"])
    law = constants().spread
    both = float(np.hypot(np.log(law.time), np.log(law.power)))
    ratio = row["ratio"]["sustained"]
    assert ratio["intervals"]["throughput_op_per_s"] == pytest.approx(
        [ratio["throughput_op_per_s"] * law.time**sign for sign in (-1, 1)], rel=0.01)  # fmt: skip
    assert ratio["intervals"][EFFICIENCY] == pytest.approx(
        [ratio[EFFICIENCY] * np.exp(sign * both) for sign in (-1, 1)], rel=0.06)  # fmt: skip
    assert [cause["figures"] for cause in ratio["causes"][EFFICIENCY]] == [
        ["modelled time of H100"], ["modelled power of H100"]]  # fmt: skip
    assert "modelled time of H100" in (folder / "gpus.md").read_text()


def test_the_models_spread_holds_80_per_cent_of_the_measured_steps() -> None:
    off = []
    for each in shipped():
        gpu = known_gpus()[each.file.gpu.baseline or ""]
        for net in each.file.workloads:
            for row in (row for row in net.rows if row.how == "graph"):
                own = steps(gpu, PRECISION_OF[row.precision], net.layers, [row.batch], bias=net.bias)
                off.append((own.time_s[0] / row.time_per_step_s, own.power_w[0] / (row.power_w or np.nan)))
    time, power = np.quantile(np.abs(np.log(np.array(off))), 0.8, axis=0)
    law = constants().spread
    assert (law.time, law.power) == pytest.approx((np.exp(time), np.exp(power)), rel=0.01)


def test_a_range_in_a_file_of_gpus_is_drawn(tmp_path: Path) -> None:
    """Peak efficiency is in inverse proportion to the limit, which is log-uniform; a step's power follows it, too."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN.replace("power_limit: 200 W", "power_limit: {value: 200 W, range: [100 W, 400 W]}"))
    found, _ = compared("jia_jssc_2020", "mlp_digits", examples=20, gpu=("Mine",), gpus=(path,), batch="4096",
                        sets=("mode=inference", "tile.count=2"), out=tmp_path / "out")  # fmt: skip
    [gpu] = found["gpus"]
    peak = gpu["peaks"][0]
    ends = [peak[EFFICIENCY] * factor for factor in (2**-0.8, 2**0.8)]  # 10 and 90 % of 1/2 to 2
    assert peak["intervals"] == {EFFICIENCY: pytest.approx(ends, rel=0.02)}
    assert peak["ratio"]["peak"]["intervals"][EFFICIENCY] == pytest.approx(
        [peak["ratio"]["peak"][EFFICIENCY] * factor for factor in (2**-0.8, 2**0.8)], rel=0.02)  # fmt: skip


@pytest.mark.usefixtures("intervals")
def test_a_chip_too_large_for_draws_is_compared_without(tmp_path: Path) -> None:
    found, folder = compared(CHIP, "mlp_digits", examples=20, gpu=("H100",), batch="1", sets=("tile.count=1025",),
                             out=tmp_path / "out")  # fmt: skip
    assert found["uncertainty"] is None
    assert "intervals" not in json.dumps(found)
    text = (folder / "gpus.md").read_text()
    assert "There are no intervals" in text
    assert "efficiency, low" not in text
