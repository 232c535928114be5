"""Plug-ins: files and modules that register things of their own, found by commands, other processes and run.yaml."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import archsim as sim
from archsim.base import plugin_loading, plugin_sending, plugins
from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.components import COMPONENTS
from archsim.spec.choices import TOPOLOGIES
from archsim.studies.study import STUDIES, all_studies
from tests.studies.test_study import files
from tests.studies.toy_tasks import held

CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
STAR = ("--set", "routing.topology=star", "--examples", "5")
CELL = "{kind: plain_cell, area: 1 um2, read_energy: 50 fJ, supply: 1.0 V, read: 0.2 V}"


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture
def archsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Run the command in this process, in a folder with two plug-ins."""
    monkeypatch.chdir(tmp_path)
    for name in ("star", "lives"):
        shutil.copyfile(Path(__file__).parent / f"plugin_{name}.py", f"{name}.py")

    def command(*words: str) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as leave:
            main(words)
        printed = capsys.readouterr()
        return Answer(int(leave.value.code or 0), printed.out, printed.err)

    yield command
    assert plugins.active() == []  # none outlasts its command


# ---- what is registered


def test_what_a_file_registers_is_there_while_its_command_runs(archsim: Command) -> None:
    assert "star" not in archsim("list", "topology").out
    assert "star" in archsim("--plugin", "star.py", "list", "topology").out.splitlines()
    assert "star" not in TOPOLOGIES
    assert "plain_cell" not in COMPONENTS
    schema = json.loads(archsim("--plugin=star.py", "schema", "arch").out)
    assert {"plain_cell", "star", "as_before"} <= set(json.dumps(schema).replace('"', " ").split())
    assert "plain_cell" in archsim("--plugin", "star.py", "check", CHIP, "--set", "tile.device={kind: plain_cel}").err
    shown = archsim("--plugin", "star.py", "show", CHIP, "--set", f"tile.device={CELL}").out
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("tile.device.kind")] == ["plain_cell"]


def test_the_environment_names_plug_ins_too(archsim: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHSIM_PLUGINS", "star.py, lives.py")
    assert archsim("list", "plugin").out.split() == ["star.py", "lives.py"]
    assert archsim("--plugin", "./star.py", "list", "plugin").out.split() == ["./star.py", "lives.py"]


def test_python_loads_a_plug_in(archsim: Command) -> None:
    with plugin_loading.using([]):
        found = sim.load_plugin("star.py")
        assert found.registered == ["topology 'star'", "placement 'as_before'", "component 'plain_cell'"]
        assert repr(found).startswith("<plug-in star.py: topology 'star'")
        assert sim.load_plugin(Path("star.py")) is found
        run = sim.run(CHIP, WORK, sets={"routing.topology": "star"}, examples=5)
        assert run.data["command"] == f"archsim --plugin star.py run {CHIP} {WORK} {' '.join(STAR)}"


def test_a_module_that_python_imports_is_a_plug_in(archsim: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(".")
    Path("star.py").rename("my_star.py")
    with plugin_loading.using([]):
        __import__("my_star")
        assert TOPOLOGIES.plugin_of("star") is plugins.active()[0]
        assert plugins.words() == ["--plugin", "my_star"]
    assert archsim("--plugin", "my_star", "list", "plugin").out.split() == ["my_star"]


# ---- a study and its command


def test_a_study_in_a_file_has_its_command(archsim: Command) -> None:
    assert "lives" not in archsim("--help").out
    assert "  lives        How long cells last." in archsim("--plugin", "lives.py", "--help").out
    told = archsim("--plugin", "lives.py", "lives", "--help").out
    for words in ("ARCH", "--set KEY=VALUE", "--jobs N", "--cycles N", "Writes that a cell endures.", "--words TEXT",
                  "--brief", "--out DIR", "--json", "--quiet"):  # fmt: skip
        assert words in told
    missing = archsim("--plugin", "lives.py", "lives")
    assert (missing.status, missing.err.splitlines()[0]) == (2, "archsim: Missing argument 'ARCH'.")


def test_a_study_is_answered_shown_again_and_repeated(archsim: Command, tmp_path: Path) -> None:
    words = ["lives", CHIP, WORK, "--cycles", "6", "--parts", "1", "--parts", "3", "--words", "So much", "--brief"]
    answer = archsim("--plugin", "lives.py", *words)
    folder = Path("reports") / f"{CHIP}--{WORK}--lives"
    assert answer.status == 0
    assert f"report  {folder / 'lives.html'}" in answer.out
    before = files(folder)
    data = json.loads(archsim("--plugin", "lives.py", *words, "--json").out)
    assert data["command"] == f"archsim --plugin lives.py lives {CHIP} {WORK} --cycles 6 --parts 1 --parts 3" \
        " --words 'So much' --brief"  # fmt: skip
    assert [life["writes"] for life in data["lives"]] == [6.0, 2.0]
    assert archsim("--plugin", "lives.py", "report", str(folder)).status == 0
    assert files(folder) == before
    assert before["inputs/lives.py"] == Path("lives.py").read_bytes()
    shutil.move(folder, tmp_path / "moved")
    Path("lives.py").unlink()
    assert "archsim --plugin moved/inputs/lives.py report moved" in archsim("report", "moved").err
    refused = archsim("run", "moved")
    assert refused.status == 2
    hint = "archsim --plugin moved/inputs/lives.py run moved"
    assert f"needs the plug-in lives.py, and runs no code that it was not given; read it, and give it: {hint}" \
        in refused.err  # fmt: skip
    assert archsim(*hint.split()[1:], "--out", "again").status == 0
    assert files(tmp_path / "again") == before


def test_a_study_is_a_function(archsim: Command, tmp_path: Path) -> None:
    with plugin_loading.using(["lives.py"]):
        found = sim.study("lives", arch=sim.load_arch(CHIP, {"tile.rows": 128}), workload=WORK, parts=(2,))
        assert found.rows == [{"part": 2, "writes": 5e5}]
        assert "--set tile.rows=128" in found.data.command
        found.report(tmp_path / "out")
        assert sim.study("survey", arch=CHIP, workloads=[WORK], examples=5).rows
        for asked, told in (({"arch": CHIP}, "asks for 'workload'"), ({"part": 1}, "does not ask for 'part'; did")):
            with pytest.raises(SpecError, match=told):
                sim.study("lives", **asked)
    with pytest.raises(SpecError, match="'lives' is not a study; allowed: ablate"):
        sim.study("lives")
    assert "lives" not in STUDIES


# ---- a run


def test_a_run_is_repeated_with_the_plug_in_it_was_given(archsim: Command, tmp_path: Path) -> None:
    assert archsim("--plugin", "star.py", "run", CHIP, WORK, *STAR, "--out", "out", "--quiet").status == 0
    before = files(tmp_path / "out")
    assert before["inputs/named/star.py"] == Path("star.py").read_bytes()
    for again in ("out", "out/run.yaml"):
        assert f"archsim --plugin out/inputs/named/star.py run {again}" in archsim("run", again).err
        given = ("--plugin", "lives.py", "--plugin", "out/inputs/named/star.py")
        answer = archsim(*given, "run", again, "--out", "two", "--quiet")
        assert (answer.status, answer.err) == (0, "")
        assert files(tmp_path / "two") == before
    Path("star.py").write_text(Path("star.py").read_text("utf-8") + "# of late\n", "utf-8")
    answer = archsim("--plugin", "star.py", "run", "out", "--out", "two", "--quiet")
    assert (
        answer.err == "archsim: out was written with another version of the plug-in star.py, and figures may differ\n"
    )


# ---- other processes, stores and resumed work


def test_any_number_of_processes_gives_the_same_bytes(archsim: Command) -> None:
    vary = ("--vary", "routing.topology=mesh,star", "--set", "placement=as_before", "--epochs", "1")
    words = ("sweep", CHIP, WORK, *vary, "--set", f"tile.device={CELL}", "--set", "dataset.examples=5", "--quiet")
    for jobs in ("1", "2"):
        given = ("--plugin", "star.py", "--plugin", "lives.py")
        assert archsim(*given, *words, "--jobs", jobs, "--out", f"swept {jobs}").status == 0
        assert archsim(*given, "lives", CHIP, WORK, "--jobs", jobs, "--out", f"lived {jobs}").status == 0
    assert len(json.loads(Path("swept 1/sweep.json").read_text("utf-8"))["points"]) == 2
    assert files(Path("swept 1")) == files(Path("swept 2"))
    assert files(Path("lived 1")) == files(Path("lived 2"))


def test_a_store_keeps_what_each_version_of_a_plug_in_gave(archsim: Command) -> None:
    def writes(store: str = "s.sqlite") -> list[float]:
        answer = archsim("--plugin", "lives.py", "lives", CHIP, WORK, "--store", store, "--json", "--out", "out")
        return [life["writes"] for life in json.loads(answer.out)["lives"]]

    text = Path("lives.py").read_text("utf-8")
    assert writes() == [1e6, 5e5]
    Path("lives.py").write_text(text.replace("FACTOR = 1\n", "FACTOR = 3\n"), "utf-8")
    assert writes() == [3e6, 15e5]
    Path("lives.py").write_text(text, "utf-8")
    assert writes() == [1e6, 5e5]
    rows = held(Path("s.sqlite"))
    assert len(rows) == 4  # what was there was taken
    assert len({row.code for row in rows}) == 1  # archsim's own, so that `store prune` keeps them
    assert len({row.versions for row in rows}) == 2
    assert all("plug-in lives.py" in row.versions for row in rows)


def test_training_is_not_gone_on_with_by_another_version(archsim: Command) -> None:
    train = importlib.import_module("archsim.studies.train.study")
    identity = train.Task.identity.func
    asked = SimpleNamespace(
        chip=sim.load_arch(CHIP), network=sim.load_workload(WORK), data=SimpleNamespace(name="d"), epochs=1, seeds=(0,),
        ablated=(), inputs=SimpleNamespace(splits=None),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, plugin_loading.using(["star.py"]):
        patch.setattr(train, "data_name", lambda data: data.name)
        assert identity(asked)["plug-in star.py"] == plugins.active()[0].digest


def test_a_process_has_just_the_plug_ins_that_it_is_told_of(
    archsim: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plugin_loading, "_complete", True)
    with plugin_loading.using(["star.py", "lives.py"]):
        star, lives = plugin_sending.to_send()
    with plugin_loading.using([]):
        plugin_sending.receive([star])
        assert [own.name for own in plugins.active()] == ["star.py"]
        plugin_sending.receive([lives._replace(name="mine")])
        assert [own.name for own in plugins.active()] == ["mine"]
        other = star.source.replace(b"star", b"staR") if star.source else b""
        digest = hashlib.sha256(other).hexdigest()[:12]
        plugin_sending.receive([star._replace(source=other, digest=digest, module=f"archsim_plugin_{digest}")])
        assert "staR" in TOPOLOGIES  # of a file that is not there
        assert "star" not in TOPOLOGIES
        monkeypatch.syspath_prepend(tmp_path)
        Path("their_star.py").write_text(Path("star.py").read_text("utf-8"), "utf-8")
        with pytest.raises(SpecError, match="the plug-in their_star: is another version than where the command was"):
            plugin_sending.receive([plugin_sending.Sent("their_star", "their_star", "installed", "0" * 12, "", None)])
        with pytest.raises(SpecError, match="no_star: there is no module 'no_star'"):
            plugin_sending.receive([plugin_sending.Sent("no_star", "no_star", "installed", "0" * 12, "", None)])
        plugin_sending.receive([])
        assert plugins.active() == []


def test_what_a_script_registers_itself_is_not_sent(archsim: Command) -> None:
    with plugin_loading.using([]):
        exec(compile(Path("star.py").read_text("utf-8"), "star.py", "exec"), {"__name__": "__main__"})
        with pytest.raises(SpecError, match="this session: registers topology 'star', and other processes"):
            plugin_sending.to_send()


# ---- what is wrong

MESH = "from archsim.spec.choices import TOPOLOGIES\n\n\n@TOPOLOGIES.add({name!r})\ndef mine(plan): ...\n"


@pytest.mark.parametrize(("text", "told"), [
    (MESH.format(name="mesh"), "bad.py, line 4: topology 'mesh' is archsim's own; give yours another name"),
    (MESH.format(name="star"), "bad.py, line 4: topology 'star' is registered by star.py, line 12, too; load one, or "
                               "give one another name"),
    ("def f(:\n", "bad.py, line 1: is no Python: invalid syntax; mend that line"),
    ("\nimport no_such.thing\n", "bad.py, line 2: there is no module 'no_such'; install what has it, where archsim"),
    ("def f():\n    return 1 / 0\n\n\nf()\n", "bad.py, line 2: ZeroDivisionError: division by zero; mend that line"),
    ("from archsim.base.units import Tme\n", "bad.py, line 1: ImportError: cannot import name 'Tme' from 'archsim."),
    ("raise SystemExit(3)\n", "bad.py, line 1: it ends Python: 3; mend that line"),
    ("x = 1\n", "--plugin bad.py: registers nothing: no component, layer, topology, placement, policy, estimator, "),
    (None, "--plugin bad.py: no such file; check the path"),
])  # fmt: skip
def test_a_file_that_is_no_plug_in_is_told_with_its_line(text: str | None, told: str, archsim: Command) -> None:
    if text is not None:
        Path("bad.py").write_text(text, "utf-8")
    answer = archsim("--plugin", "star.py", "--plugin", "bad.py", "list", "topology")
    assert (answer.status, answer.out) == (2, "")
    assert told in answer.err
    assert len(answer.err.splitlines()) == 1
    assert archsim("--plugin", "star.py", "list", "topology").status == 0


@pytest.mark.parametrize(("words", "told"), [
    (["--plugin", "no_such", "list"], "--plugin no_such: there is no module 'no_such'; give the path of a .py file"),
    (["--plugin", "star", "list"], "--plugin star: there is no module 'star'; did you mean './star.py'?"),
    (["--plugin", "a b", "list"], "--plugin a b: is neither a file nor a module's name; give the path of a .py file"),
    (["--plugin", "", "list"], "--plugin : is neither a file nor a module's name"),
    (["--plugin", "json", "list"], "--plugin json: registers nothing"),
    (["--plugin", ".", "list"], "--plugin .: is neither a file nor a module's name"),
    (["--plugin", "./", "list"], "--plugin ./: is a folder, not a file"),
    (["--plugin"], "Option '--plugin' requires an argument"),
    (["run", "--plugin", "star.py"], "--plugin stands before the command: archsim --plugin MODULE COMMAND ..."),
    (["lives", CHIP, WORK], "No such command 'lives'"),
])  # fmt: skip
def test_what_is_named_and_cannot_be_had_is_told(words: list[str], told: str, archsim: Command) -> None:
    answer = archsim(*words)
    assert (answer.status, answer.out) == (2, "")
    assert told in answer.err


@pytest.mark.parametrize(("old", "new", "told"), [
    ('words = "lives"', 'words = "list"', "line 92: study 'list' is called as a command of archsim's own"),
    ('words = "lives"', 'words = "floor plan"', "line 92: 'floor plan' cannot be a command; take small letters"),
    ("archsim-lives-1", "lives-1", "line 92: the data of study 'lives' are not signed"),
])  # fmt: skip
def test_a_study_whose_names_cannot_be_is_told(old: str, new: str, told: str, archsim: Command) -> None:
    Path("lives.py").write_text(Path("lives.py").read_text("utf-8").replace(old, new), "utf-8")
    for words in (["--help"], ["list"]):
        answer = archsim("--plugin", "lives.py", *words)
        assert (answer.status, answer.out) == (2, "")
        assert told in answer.err


def test_a_study_that_is_kept_as_one_of_archsims_own_is_told(archsim: Command) -> None:
    all_studies()
    Path("lives.py").write_text(Path("lives.py").read_text("utf-8").replace('"lives.json"', '"survey.json"'), "utf-8")
    answer = archsim("--plugin", "lives.py", "--help")
    assert "lives.py, line 92: file of a study 'survey.json' is archsim's own; give yours another name" in answer.err


def test_what_archsim_registers_after_a_plug_in_is_still_its_own() -> None:
    """Of some registries a part is imported late: studies."""
    make = "from archsim.base.registry import Registry\nTHINGS = Registry('thing')\n"
    own: dict[str, Any] = {"__name__": "archsim.things"}
    exec(compile(make, "things", "exec"), own)
    with plugin_loading.using([]):
        exec("THINGS.add('one')(1)", {"__name__": "theirs", "__file__": "theirs.py", **own | {"__name__": "theirs"}})
        assert own["THINGS"]["one"] == 1
        with pytest.raises(SpecError, match="line 1: thing 'one' is archsim's own; give yours another name"):
            exec(compile("THINGS.add('one')(2)", "things", "exec"), own)
        with pytest.raises(SpecError, match="thing 'one' is registered by theirs, line 1, too"):
            exec("THINGS.add('one')(3)", {"THINGS": own["THINGS"], "__name__": "others"})
    assert list(own["THINGS"]) == []


# ---- the page


def test_the_page_is_so_word_for_word(archsim: Command, tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "howto" / "plugins.md").read_text("utf-8")
    star, study, _ = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    Path("star.py").write_text(star, "utf-8")
    Path("pulses.py").write_text(study, "utf-8")
    lines = re.findall(r"^\$ archsim (.*)$", page, flags=re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        answer = archsim(*shlex.split(line))
        assert (answer.status, answer.err) == (0, ""), line
    assert files(tmp_path / "again") == files(tmp_path / "stars")
    updates = json.loads(Path("out/pulses.json").read_text("utf-8"))["updates"]
    assert [(own["slots"], own["time_s"] * 1e9) for own in updates] == [(7, pytest.approx(35)), (15, pytest.approx(75))]
    with plugin_loading.using(["pulses.py"]):
        assert [row["slots"] for row in sim.study("pulses", arch=CHIP, workload=WORK).rows] == [1, 15]
    table = re.findall(r"^\| [\w ]*\| (`archsim[^|]*) \| (.*) \|$", page, flags=re.MULTILINE)
    assert len(table) > 15
    for homes, names in table:
        for home, own in zip(re.findall(r"`([\w.]+)`", homes), names.split(";"), strict=True):
            module = importlib.import_module(home)
            assert all(hasattr(module, name) for name in re.findall(r"`(\w+)`", own)), home
