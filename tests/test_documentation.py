"""README and documentation are true: their commands run, their code runs, and their tables hold what runs give."""

from __future__ import annotations

import csv
import math
import re
import shlex
import sys
import time
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest

from archsim.cli import main
from archsim.components import COMPONENTS
from archsim.export.formats import TRACES
from archsim.results.evaluate import evaluate
from archsim.spec.choices import PLACEMENTS, TOPOLOGIES
from archsim.spec.loading import load_arch
from archsim.studies.run import figures
from archsim.workload import load_workload

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
PAGES = {"README.md": TEXT, **{
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))
    if not {"_build", "made", "reports"} & set(path.parts)
}}  # fmt: skip
COLUMNS = (
    ("ambrogio_nature_2018", ()),
    ("ambrogio_nature_2018_packet", ()),
    ("ambrogio_nature_2018_bus", ()),
    ("ambrogio_nature_2018", ("schedule.mode=pipelined", "schedule.in_flight=4")),
)
ROWS = {  # heading: metric, scale, decimals
    "peak efficiency, GOP/s/W": ("efficiency_peak_op_per_j", 1e-9, 0),
    "peak throughput per area, TOP/s/mm2": ("throughput_per_area_peak_op_per_s_m2", 1e-18, 2),
    "peak time per example, ns": ("time_per_example_peak_s", 1e9, 0),
    "sustained time per example, ns": ("time_per_example_s", 1e9, 0),
    "lower bound of it, no contention, ns": ("time_per_example_lower_bound_s", 1e9, 0),
    "sustained efficiency, GOP/s/W": ("efficiency_op_per_j", 1e-9, 0),
    "sustained throughput per area, GOP/s/mm2": ("throughput_per_area_op_per_s_m2", 1e-15, 1),
    "share of time in transfers": ("transfer_time_share", 100, 1),
    "mean dwell time on a capacitor, ms": ("dwell_time_mean_s", 1e3, 2),
}


def test_the_table_of_the_reference_holds_what_runs_give() -> None:
    found = [row for name in PAGES for row in rows_of("reference", name)]
    results = [evaluate(load_arch(arch, sets), load_workload("mlp_mnist")).data["metrics"] for arch, sets in COLUMNS]
    expected = [
        [heading, *(f"{m[metric] * scale:,.{decimals}f}{' %' if 'share' in heading else ''}" for m in results)]
        for heading, (metric, scale, decimals) in ROWS.items()
    ]
    assert found == expected * 2  # README and documentation


def rows_of(table: str, page: str = "") -> list[list[str]]:
    """Return the cells of a marked table, of one page or of the one that has it."""
    _, *after = (PAGES[page] if page else "".join(PAGES.values())).split(f"<!-- table: {table} -->\n")
    lines = [re.split(r"\n\n", text.strip())[0].splitlines()[2:] for text in after]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for own in lines for line in own]


def commands() -> list[str]:
    """Return what pages have users type, but for what names a file or a placeholder; each once."""
    found: list[str] = []
    for text in PAGES.values():
        whole = re.sub(r"\s*\\\n\s*", " ", text)
        shown = re.findall(r"^(?:    |\$ )(archsim .*)", whole, flags=re.MULTILINE)
        found += [line.split("  #")[0].strip() for line in shown]
    own = re.compile(r"\b[A-Z]{2,}\b|\bA B\b|mine|my_chip\.yaml|--index|model|reports/|--data|--plugin")
    return [line for line in dict.fromkeys(found) if not own.search(line.replace("H100", ""))]


SHORTER = {"sensitivity": ["--examples", "2"], "crosscheck": ["--examples", "100"],
           "network": ["--cycles", "300", "--load", "0.1"], "optimise": ["--budget", "5"],
           "train": ["--epochs", "1"], "published": ["chang_ibmjrd_2019"]}  # fmt: skip
"""By command what makes it so: whole ones are in benchmarks, and in tests of their own."""


@pytest.mark.parametrize("line", commands())
def test_the_commands_that_pages_show_run(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[1:]
    words += SHORTER.get(words[0], [])
    with pytest.raises(SystemExit) as leave:
        main(words)
    assert not leave.value.code


@pytest.mark.usefixtures("intervals")
def test_the_python_of_the_readme_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    seconds, passed = capsys.readouterr().out.split()
    assert 1e-7 < float(seconds) < 1e-5
    assert passed == "True"


@pytest.mark.slow
def test_the_cluster_of_the_page_starts_and_takes_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    distributed: Any = pytest.importorskip("distributed")
    page = PAGES["docs/howto/cluster.md"]
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    made: list[Any] = []

    class SLURMCluster(distributed.LocalCluster):  # type: ignore[misc]
        """Jobs of a queue as processes of this machine; the other arguments are as dask-jobqueue 0.9 has them."""

        def __init__(self, cores: int, processes: int, memory: str, walltime: str, scheduler_options: Any) -> None:
            assert (cores, processes, memory[-3:], len(walltime.split(":"))) == (16, 16, " GB", 3)
            super().__init__(n_workers=0, threads_per_worker=1, scheduler_port=0, dashboard_address=":0")
            made.append((self, scheduler_options["port"]))

        def scale(self, jobs: int) -> None:
            super().scale(n=min(jobs, 1))

    def commands(seconds: float) -> None:
        (cluster, port), told = made[0], capsys.readouterr().out
        assert told == f"{cluster.scheduler_address}\n"
        (line,) = re.findall(rf"^\$ (archsim .*--cluster tcp://HOST:{port}.*)$", page, flags=re.MULTILINE)
        own = {"ARCH": "ambrogio_nature_2018", "WORKLOAD": "mlp_digits", f"tcp://HOST:{port}": told.strip()}
        words = [own.get(word, word) for word in shlex.split(line)[1:]]
        cluster.wait_for_workers(1, timeout=60)
        with cluster, pytest.raises(SystemExit) as leave:
            main([*words, "--quiet"])
        assert not leave.value.code
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=SLURMCluster))
    monkeypatch.setattr(time, "sleep", lambda seconds: commands(seconds) if seconds == 60 else sleep(seconds))
    with pytest.raises(KeyboardInterrupt):
        exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "points.sqlite").is_file()


def test_the_spec_of_the_readme_loads_and_runs(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    arch = load_arch(tmp_path / "mine.yaml")
    assert (arch.value.name, arch.value.tile.rows) == ("mine", 1024)
    assert evaluate(arch, load_workload("mlp_mnist"), examples=10_000).passed


def test_the_readme_is_short() -> None:
    assert len(TEXT.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    """Those between pages of the documentation are checked by its build, headings included."""
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        path = (ROOT / page).parent / target.split("#")[0]
        assert target.startswith("https://") or path.exists() or "made/" in target, target


@pytest.mark.slow
def test_the_table_of_floorplans_holds_what_runs_give() -> None:
    rows = rows_of("floorplans")
    assert len(rows) == 9
    for name, *shown in rows:
        own = name.strip("`*").split("`")[0]
        found = evaluate(load_arch(f"pcm64_{own}_32nm"), load_workload("mlp_wide"), examples=8000)
        metrics, wires_m = found.data["metrics"], sum(link.length_m for link in found.chip.links.values())
        assert shown[0] == f"{metrics['area_m2'] * 1e6:.1f}"
        assert shown[1] == f"{wires_m * 1e3:.0f}"
        assert shown[2] == f"{metrics['time_per_example_s'] * 1e6:.2f}"
        assert shown[4] == f"{metrics['energy_per_example_j'] * 1e6:.2f}"
        assert shown[5] == f"{metrics['throughput_per_area_op_per_s_m2'] * 1e-15:.1f}"


def test_the_table_against_gpus_holds_what_the_comparison_gives() -> None:
    from archsim.baselines.comparison import compare_gpus

    found = [tuple(map(float, row[1:])) for row in rows_of("gpus")]
    data = compare_gpus(evaluate(load_arch("ambrogio_nature_2018"), load_workload("mlp_mnist")), ("H100",), (1,))
    paper = data["paper"]
    (peak,) = [row for row in data["gpus"][0]["peaks"] if row["precision"] == data["gpus"][0]["fastest"]]
    ratios = (paper["published_ratio"], peak["ratio"]["peak"], paper["ratio"]["sustained"], peak["ratio"]["sustained"])
    keys = ("efficiency_op_per_j", "throughput_per_area_op_per_s_m2")
    for got, ratio in zip(found, ratios, strict=True):
        assert got == pytest.approx(tuple(ratio[key] for key in keys), rel=0.006)


@pytest.mark.slow
def test_the_table_of_networks_holds_what_a_survey_gives() -> None:
    from fractions import Fraction

    from archsim.studies.survey import Row, survey

    table = {re.findall(r"`(\w+)`", row[0])[0]: row for row in rows_of("networks")}
    workloads = [load_workload(name, ["mode=training"]) for name in table]
    for row in survey(load_arch("ambrogio_nature_2018"), workloads, hold_s=Fraction(74, 10**4)):
        found = table[row.name][1:]
        assert isinstance(row, Row)
        shares = ((row.share_of_peak, 0), (row.fill, 0), (row.busy, 1), (row.transfer_time_share, 0))
        assert found == [
            f"{row.synapses:,}", f"{row.tiles_used}", f"{row.time_per_example_s * 1e6:,.3g} us",
            f"{row.energy_per_example_j * 1e6:,.3g} uJ", f"{row.efficiency_op_per_j / 1e9:,.0f}",
            *(f"{share:.{digits}%}".replace("%", " %") for share, digits in shares),
        ]  # fmt: skip


def test_the_table_of_larger_networks_holds_what_was_measured() -> None:
    from archsim.baselines.measured import measurements

    networks = ("mlp_mnist", "transfer_cifar100", "autoencoder", "fc_alexnet", "fc_vgg16")
    for name, (_, chip, one, many, ratio) in zip(networks, rows_of("larger"), strict=True):
        row = next(row for row in rows_of("networks") if f"`{name}`" in row[0])
        assert chip == ", ".join(row[3:5])
        for batch, found in ((1, one), (4096, many)):
            rows = [
                row
                for file, network in measurements(load_workload(name).value, ())
                if file.file.gpu.baseline == "H100"
                for row in network.rows
                if row.batch == batch
            ]
            time_us = min(float(row.time_per_step_s) for row in rows) / batch * 1e6
            energy_uj = min(float(row.energy_per_step_j or math.inf) for row in rows) / batch * 1e6
            own_us, own_uj = (float(text.replace(",", "").removesuffix(" us").removesuffix(" uJ"))
                              for text in found.split(", "))  # fmt: skip
            assert own_us == pytest.approx(time_us, rel=0.006)
            assert own_uj == pytest.approx(energy_uj, rel=0.006)
        assert float(ratio) == pytest.approx(own_uj / float(chip.split(", ")[1].removesuffix(" uJ")), rel=0.02)


def test_the_guide_names_what_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for path in re.findall(r"`((?:archsim|tests)/[\w/.]+)`", text) + re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / path).exists(), path
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "archsim").rglob("*.py"))
    for name in re.findall(r"^\+@?(?:\w+ = )?(\w+)[.(]", text, flags=re.MULTILINE):
        assert re.search(rf"\b{name}\b", code), name  # what a newcomer calls to register


GUIDE = {  # what the guide adds, and a module that imports all that it needs
    "star": "archsim.chip.topologies.buses",
    "nearest_to_host": "archsim.mapping.placement",
    "Mram": "archsim.components.memory",
    "energy_tile": "archsim.studies.run.figures",
    "states_csv": "archsim.export.vcd",
}


def test_what_the_guide_adds_works_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    blocks = re.findall(r"```diff\n((?:\+.*\n)+)```", text)
    for registry in (TOPOLOGIES, PLACEMENTS, COMPONENTS, TRACES):
        assert len(registry)
        monkeypatch.setattr(registry, "_found", dict(registry.items()))
    monkeypatch.setitem(figures.BY_SECTION, "energy", list(figures.BY_SECTION["energy"]))
    for name, module in GUIDE.items():
        (block,) = (own for own in blocks if re.search(rf"^\+(?:def|class) {name}\b", own, flags=re.MULTILINE))
        code = "from __future__ import annotations\n" + re.sub(r"^\+", "", block, flags=re.MULTILINE)
        exec(compile(code, f"CONTRIBUTING.md: {name}", "exec"), dict(vars(import_module(module))))
    mram = {**COMPONENTS["sram"].example, "write": "5 ns", "write_energy": "30 pJ"}
    assert COMPONENTS["mram"].model_validate(mram).actions()["write"].latency_s == Fraction(5, 10**9)
    chip = load_arch("ambrogio_nature_2018", ["routing.topology=star", "placement=nearest"])
    result = evaluate(chip, load_workload("mlp_digits"), examples=20)
    assert result.passed
    _, *rows = csv.reader(TRACES["csv"].build(result).splitlines())
    assert len(rows) == len(result.schedule.used_tiles)
    assert all(sum(map(int, row[1:])) == result.trace.cycles for row in rows)
    with pytest.raises(SystemExit):
        main(["run", "ambrogio_nature_2018", "mlp_digits", "--examples", "20", "--quiet", "--out", str(tmp_path / "x")])
    assert (tmp_path / "x" / "figures" / "energy_tile.svg").is_file()
