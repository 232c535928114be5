"""The command as a user meets it: exit statuses, what goes where, and what the messages say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archsim.base.shipped import builtin_folder
from archsim.cli import main
from archsim.spec.choices import TOPOLOGIES
from tests.helpers import whole_command

CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
SHORT = (CHIP, WORK, "--examples", "30")


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture
def archsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as leave:
            main(words)
        printed = capsys.readouterr()
        return Answer(int(leave.value.code or 0), printed.out, printed.err)

    return command


def test_a_run_writes_its_report_into_the_default_folder(archsim: Command, tmp_path: Path) -> None:
    answer = archsim("run", *SHORT)
    assert (answer.status, answer.err) == (0, "")
    assert "30 training examples" in answer.out
    folder = tmp_path / "reports" / f"{CHIP}--{WORK}"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"metrics.json", "details.json", "report.html", "report.md"} <= names
    assert {"run.yaml", "inputs/arch.yaml", "inputs/workload.yaml"} <= names
    assert f"reports/{CHIP}--{WORK}/report.html" in answer.out


def test_overrides_give_the_folder_a_hash_of_their_own(archsim: Command, tmp_path: Path) -> None:
    for rows in ("256", "128"):
        archsim("run", *SHORT, "--set", f"tile.rows={rows}")
    archsim("run", *SHORT, "--set", "tile.rows=256")
    folders = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert len(folders) == 2
    assert all(folder.startswith(f"{CHIP}--{WORK}--") for folder in folders)


def test_json_is_the_result_file_and_nothing_else(archsim: Command, tmp_path: Path) -> None:
    answer = archsim("run", *SHORT, "--json", "--out", "here")
    assert answer.out == (tmp_path / "here" / "metrics.json").read_text("utf-8")
    assert answer.err == ""
    assert json.loads(answer.out)["run"]["examples"] == 30


def test_quiet_says_nothing(archsim: Command) -> None:
    assert archsim("run", *SHORT, "--quiet") == Answer(0, "", "")


def test_the_command_is_kept_without_what_only_concerns_output(archsim: Command) -> None:
    words = ("run", *SHORT, "--set", "tile.rows=256", "--seed", "3", "--full")
    data = json.loads(archsim(*words, "--json", "--quiet", "--out", "x").out)
    said = f"archsim run {CHIP} {WORK} --set tile.rows=256 --examples 30 --seed 3 --full"
    assert data["command"] == said
    assert data["seed"] == 3


def test_a_run_file_repeats_every_byte(archsim: Command, tmp_path: Path) -> None:
    settings = ("--set", "training.batch=2", "--set", "tile.rows=64", "--trace", "vcd")
    archsim("run", *SHORT, *settings, "--out", "one", "--quiet")
    assert archsim("run", "one/run.yaml", "--out", "two", "--quiet").status == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert "trace.vcd" in contents(tmp_path / "one")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_file_whose_inputs_were_changed_is_refused(archsim: Command, tmp_path: Path) -> None:
    archsim("run", *SHORT, "--out", "one", "--quiet")
    spec = tmp_path / "one" / "inputs" / "arch.yaml"
    spec.write_text(spec.read_text("utf-8").replace("47.9 fJ", "48.9 fJ"), "utf-8")
    answer = archsim("run", "one/run.yaml", "--out", "two")
    assert answer.status == 2
    assert "one/run.yaml: arch_hash" in answer.err
    assert not (tmp_path / "two").exists()


def test_fast_forwarded_and_full_runs_differ_only_in_how_they_were_made(archsim: Command) -> None:
    settings = ("--set", "schedule.transfer.interval_examples=40")
    results = [
        json.loads(archsim("run", CHIP, WORK, "--examples", "500", *settings, *more, "--json").out)
        for more in ((), ("--full",))
    ]
    assert results[0]["run"]["examples_fast_forwarded"] > 0 == results[1]["run"]["examples_fast_forwarded"]
    for data in results:
        del data["command"], data["run"]["examples_simulated"], data["run"]["examples_fast_forwarded"]
    assert results[0] == results[1]


def test_a_fitted_figure_that_is_missed_fails_the_run(archsim: Command, tmp_path: Path) -> None:
    archsim("run", *SHORT, "--out", "one", "--quiet")
    spec = (tmp_path / "one" / "inputs" / "arch.yaml").read_text("utf-8").replace("47.9 fJ", "70 fJ")
    (tmp_path / "mine.yaml").write_text(spec, "utf-8")
    answer = archsim("run", "mine.yaml", WORK, "--examples", "30", "--out", "two")
    assert answer.status == 1
    assert "FAILED: published efficiency_peak_op_per_j (fitted)" in answer.out
    assert "FAILED" in (tmp_path / "two" / "report.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", CHIP), f"'{CHIP}' is a chip, and no workload was given; for example: archsim run {CHIP}"),
        (("run", CHIP, "mlp_mnis"), "did you mean 'mlp_mnist'?"),
        (("run", "nothing.yaml"), "nothing.yaml: no such file"),
        (("run", CHIP, WORK, "--set", "tile.rows=0"), "--set tile.rows: '0' is out of range; give a whole number 1 or"),
        (("run", CHIP, WORK, "--set", "tile.rows"), "'tile.rows' is not KEY=VALUE; for example --set tile.rows=256"),
        (("run", CHIP, WORK, "--set", "tile.count=1"), "needs 2 tiles of 512 x 512, the chip"),
        (("run", CHIP, WORK, "--epochs", "1", "--examples", "2"), "--epochs and --examples were both given"),
        (("run", CHIP, WORK, "--examples", "0"), "'--examples'"),
        (("run", CHIP, WORK, "--trace", "vdc"), "did you mean 'vcd'?"),
        (("run", CHIP, WORK, "--set", "schedule.transfer.interval_examples=0"), "'0' is out of range"),
        (("run", CHIP, WORK, "--set", "routing.transport=packet"), "give routing.link the kind 'packet_link'"),
        (("run", CHIP, WORK, "--activity", "none.yaml"), "none.yaml: no such file"),
        (("check", "none.yaml"), "none.yaml: no such file"),
        (("list", "gpus"), "'gpus' is not something to list"),
        (("schema", "chip"), "'chip' is not a kind of file; allowed: arch, workload"),
        (("diff", CHIP, WORK), "give two of a kind"),
        (("show", "ambrogio"), "neither a file nor a built-in name; did you mean"),
        (("rum",), "try: archsim --help"),
        (("run", CHIP, WORK, "--bogus"), "--bogus"),
    ],
)
def test_bad_input_is_explained_on_standard_error_and_leaves_nothing(
    archsim: Command, tmp_path: Path, words: Sequence[str], says: str
) -> None:
    answer = archsim(*words)
    assert answer.status == 2
    assert answer.out == ""
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert all(line.startswith("archsim: ") for line in answer.err.splitlines())
    assert not list(tmp_path.iterdir())


def test_all_faults_of_all_files_are_told_at_once(archsim: Command, tmp_path: Path) -> None:
    for name, rows in (("a.yaml", "0"), ("b.yaml", "many")):
        text = f"kind: arch\nextends: {CHIP}\ntile: {{rows: {rows}, colz: 3}}\n"
        (tmp_path / name).write_text(text, "utf-8")
    answer = archsim("check", "a.yaml", "b.yaml", CHIP)
    assert answer.status == 2
    assert answer.out.startswith(f"{CHIP}: arch {CHIP}, fine")
    for fault in (
        "a.yaml: tile.rows: '0' is out of range",
        "b.yaml: tile.rows: 'many' is not a number",
        "a.yaml: tile.colz: unknown key; did you mean 'cols'?",
        "b.yaml: tile.colz: unknown key; did you mean 'cols'?",
    ):
        assert fault in answer.err


def test_a_folder_that_is_no_report_is_left_alone(archsim: Command, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("years of work", "utf-8")
    answer = archsim("run", *SHORT, "--out", "precious")
    assert answer.status == 2
    assert "--out precious: holds other things (thesis.tex)" in answer.err
    assert (tmp_path / "precious" / "thesis.tex").read_text("utf-8") == "years of work"
    assert "holds the current folder" in archsim("run", *SHORT, "--out", ".").err
    (tmp_path / "file").write_text("x", "utf-8")
    assert "exists and is not a folder" in archsim("run", *SHORT, "--out", "file").err
    assert "is not a folder" in archsim("run", *SHORT, "--out", "file/below").err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_told_before_anything_runs(archsim: Command, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    answer = archsim("run", *SHORT, "--out", "locked/report")
    assert answer.status == 2
    assert "cannot be written" in answer.err


def test_the_lists_are_names_one_a_line_when_piped(archsim: Command) -> None:
    chips = archsim("list", "arch").out.split()
    assert chips == sorted(path.stem for path in builtin_folder("arch_specs").glob("*.yaml"))
    assert {CHIP, f"{CHIP}_bus", "pcm64_mesh_32nm"} < set(chips)
    assert archsim("list", "policy").out.split() == ["stop_all", "staggered", "interleaved", "none", "rewrite"]
    assert archsim("list", "traffic").out.split()[:3] == ["uniform", "transpose", "hotspot"]
    everything = archsim("list").out.split()
    assert {"mlp_mnist", "pcm_3t1c", "mesh", "in_order", "circuit", "tree"} <= set(everything)


def test_show_gives_each_figure_with_its_status_and_source(archsim: Command) -> None:
    lines = archsim("show", CHIP, "--set", "tile.rows=128").out.splitlines()
    rows = {line.split()[0]: line for line in lines[1:] if line.strip()}
    assert rows["tile.rows"].split()[1:3] == ["128", "assumption"]
    assert "command line" in rows["tile.rows"]
    assert rows["tile.device.area"].split()[1:4] == ["2.34", "um2", "fitted"]
    assert "Giordano" in rows["tile.col_converter.energy"]


def test_diff_names_what_differs_between_specs_and_between_runs(archsim: Command) -> None:
    lines = archsim("diff", CHIP, f"{CHIP}_bus").out.splitlines()
    assert [line.split() for line in lines if line.startswith("routing")] == [["routing.topology", "mesh", "bus"]]
    assert archsim("diff", CHIP, CHIP).out == "no difference\n"
    for name, chip in (("a", CHIP), ("b", f"{CHIP}_bus")):
        archsim("run", chip, WORK, "--examples", "30", "--out", name, "--quiet")
    assert archsim("diff", "a", "a").out == "no difference\n"
    assert "time_per_example_s" in archsim("diff", "a", "b").out


@pytest.mark.parametrize("kind", ["arch", "workload"])
def test_the_schema_is_json(archsim: Command, kind: str) -> None:
    schema = json.loads(archsim("schema", kind).out)
    assert schema["title"] == f"archsim {kind}"


def test_the_version_is_the_packages(archsim: Command) -> None:
    from importlib.metadata import version

    assert archsim("--version").out == f"archsim {version('archsim')}\n"


def test_an_interrupted_run_leaves_130_and_no_folder(
    archsim: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("archsim.studies.run.study.evaluate", interrupted)
    assert archsim("run", *SHORT) == Answer(130, "", "archsim: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_each_option_that_takes_a_value_has_a_name_for_it() -> None:

    def options(command: Any, words: str) -> Iterator[str]:
        for name, below in getattr(command, "commands", {}).items():
            yield from options(below, f"{words} {name}")
        for each in command.params:
            if each.param_type_name == "option" and not each.is_flag and each.metavar is None:
                yield f"{words} --{each.name}"

    assert list(options(whole_command(), "archsim")) == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom archsim.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('numpy', 'simpy', 'networkx', 'matplotlib', 'pint', 'yaml') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_a_run_imports_no_compiler_and_no_library_of_all_units(tmp_path: Path) -> None:
    # Of what takes longest to import: a run of timing computes no numbers of a network, and has the field's units.
    words = ["run", *SHORT, "--out", str(tmp_path / "out")]
    code = (
        f"import sys\nfrom archsim.cli import main\ntry:\n    main({words!r})\n"
        "except SystemExit:\n    pass\n"
        "print([name for name in ('numba', 'scipy', 'pint', 'matplotlib', 'onnx') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_the_face_puts_no_annotations_off() -> None:
    # Typer reads the annotations of all commands at each start: text would be compiled anew each time.
    from archsim.cli import floorplan_commands, run_commands, spec_commands, train_commands

    for module in (floorplan_commands, run_commands, spec_commands, train_commands):
        assert not hasattr(module, "annotations"), module.__name__


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archsim", "list", "topology"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == list(TOPOLOGIES)
