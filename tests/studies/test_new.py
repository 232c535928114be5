"""Files to start from: they are checked, run, explain every key, and are never written over another."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from archsim.base.errors import SpecError
from archsim.base.shipped import builtin_names
from archsim.cli import main
from archsim.components.base import COMPONENTS
from archsim.spec.arch import ArchSpec
from archsim.spec.figures import dimension_at, value_at
from archsim.spec.keys import keys_at, keys_of
from archsim.spec.loading import load_arch
from archsim.studies.new import BASES, FIRST, MAKERS, start, tries, write
from archsim.studies.tasks.on_chip import HeadlineTask
from archsim.studies.views import schema_of
from archsim.workload import Workload, load_workload
from tests.helpers import shipped

DEVICES = sorted(kind for kind, cls in COMPONENTS.items() if cls.role == "device")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(kind: str, name: str = "mine", **more: Any) -> Path:
    files = start(kind, name, **more)
    write(files)
    return next(iter(files))


def kept(file: Path) -> None:
    """Hold a file to the schema that its first line names, as an editor does."""
    first = file.read_text("utf-8").splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)  # the form that the server looks for
    assert match is not None
    schema = json.loads((file.parent / match[1]).read_text("utf-8"))
    editor, plain = jsonschema.Draft202012Validator(schema), yaml.safe_load(file.read_text("utf-8"))
    assert [error.message for error in editor.iter_errors(plain)] == []
    assert not editor.is_valid({**plain, "tyle": {}})


@pytest.mark.parametrize("kind", [pytest.param("arch", marks=pytest.mark.slow), "workload"])
def test_the_schema_is_one(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))


@pytest.mark.parametrize("kind", list(MAKERS))
def test_what_is_started_is_checked_runs_and_keeps_the_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        main(["new", kind, "mine"])
    assert status.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    kept(Path("mine.yaml"))
    commands = [line.partition("archsim ")[2].split() for line in lines if "  archsim " in line]
    assert [words[0] for words in commands] == ["check", "run", "explain"]
    for words in commands[:2]:
        with pytest.raises(SystemExit) as status:
            main([*words, *(["--examples", "5", "--quiet"] if words[0] == "run" else [])])
        assert (words, status.value.code) == (words, 0)


@pytest.mark.parametrize("chip", builtin_names("arch_specs"))
def test_a_chip_begun_as_another_is_that_chip(chip: str) -> None:
    """Every value in the file, and in its comments as --set takes them, is the one there; only names differ."""
    file = made("arch", base=chip)
    name = [f"name={chip}"]
    fits = [f"fitted_on={chip}"] if any(own.kind == "fit" for own in shipped(chip).value.published) else []
    base = shipped(chip).with_overrides(["published=[]", *fits])
    assert load_arch(file, name).digest == base.digest
    text = file.read_text("utf-8")
    told = re.findall(r"^#\n# ([\w.\[\]]+): (?!\(not given)(.+)$", text, re.MULTILINE)
    assert len(told) > 60
    for path, value in told:
        dimension, own = dimension_at(base.value, path), value_at(base.value, path)
        if dimension is not None and path not in base.marks:
            assert dimension.read(str(yaml.safe_load(value))) == own, path
        elif isinstance(own, str | bool):
            assert yaml.safe_load(value) == own, path


def test_what_a_chip_tells_can_be_set() -> None:
    file = made("arch", base="pcm64_mesh_32nm")
    told = re.findall(r"^#\n# ([\w.\[\]]+): (?!\(not given)(.+)$", file.read_text("utf-8"), re.MULTILINE)[::9]
    given = [f"{path}={yaml.safe_load(value)}" for path, value in told]
    assert len(given) > 10
    assert load_arch(file, given).digest == load_arch(file).digest
    kept(file)


def test_a_chip_tells_of_every_key(tmp_path: Path) -> None:
    """Those of its own parts, and of the parts that it could have."""
    text = made("arch").read_text("utf-8")
    for path in load_arch("mine.yaml").figures:
        last = path.rpartition(".")[2]
        assert f"# {path}:" in text or f"{last}:" in text, path
    for key in keys_of(ArchSpec):
        if key.name not in ("name", "reference", "silicon", "placement_options"):  # in_order has none
            assert re.search(rf"^(# )?{key.name}[.:\[]", text, re.MULTILINE), key.name


def test_what_matters_first_are_keys() -> None:
    for path in FIRST:
        assert path.endswith(".kind") or keys_at(ArchSpec, path), path


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_of_each_kind_is_trained(device: str) -> None:
    file = made("device", device=device)
    loaded = load_arch(file)
    assert loaded.value.tile.device.kind == device
    loaded.value.check_trainable()
    HeadlineTask(loaded, load_workload("mlp_digits"), 5).compute()
    kept(file)
    text = file.read_text("utf-8")
    for key in keys_of(COMPONENTS[device]):
        assert re.search(rf"^    (# )?{key.name}: ", text, re.MULTILINE), key.name


@pytest.mark.parametrize("device", DEVICES)
def test_a_key_of_a_device_is_set_by_taking_its_mark_away(device: str) -> None:
    file = made("device", device=device)
    text = file.read_text("utf-8")
    before = load_arch(file).digest
    file.write_text(re.sub(r"^    # (\w+: )(?!#)", r"    \1", text, flags=re.MULTILINE), "utf-8")
    assert load_arch(file).digest == before


@pytest.mark.parametrize("name", ["mlp_digits", "lstm_fsdd", "transformer_base", "autoencoder"])
def test_a_workload_begun_as_another_is_that_one(name: str) -> None:
    file = made("workload", base=name)
    assert load_workload(file, [f"name={name}"]).digest == load_workload(name).digest
    kept(file)
    assert "extends" not in yaml.safe_load(file.read_text("utf-8"))
    for key in keys_of(Workload):
        if key.name not in ("name", "weights"):
            assert re.search(rf"^(# )?{key.name}[.:\[]", file.read_text("utf-8"), re.MULTILINE), key.name


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"kind": "chip"}, "'chip' is nothing to start"),
        ({"kind": "arch", "name": "../mine"}, "give a name such as mine"),
        ({"kind": "arch", "name": ""}, "give a name such as mine"),
        ({"kind": "arch", "name": "mlp_mnist"}, "is built in"),
        ({"kind": "arch", "device": "pcm_pair"}, "is for a device"),
        ({"kind": "device", "device": "pcm_pear"}, "did you mean 'pcm_pair'?"),
        ({"kind": "device", "device": "sram"}, "is not a device"),
        ({"kind": "arch", "base": "ambrogio"}, "ambrogio_nature_2018"),
        ({"kind": "workload", "base": "ambrogio_nature_2018"}, "ambrogio_nature_2018"),
    ],
)
def test_what_cannot_be_started_is_told(asked: dict[str, str], told: str) -> None:
    with pytest.raises(SpecError) as error:
        start(**{"name": "mine", **asked})
    assert told in str(error.value)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("there", ["file", "folder", "dangling link"])
def test_nothing_is_written_over(there: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("mine.yaml")
    if there == "file":
        path.write_text("mine", "utf-8")
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(SystemExit) as status:
        main(["new", "arch", "mine.yaml"])
    assert status.value.code == 2
    assert "mine.yaml: is there already; give another name" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["mine.yaml"]


def test_of_a_chip_that_only_infers_an_inference_is_proposed() -> None:
    files = start("arch", "mine", base="shafiee_isca_2016")
    write(files)
    assert any(line.endswith("--set mode=inference") for line in tries("arch", files))


def test_what_is_started_from_is_there() -> None:
    assert set(BASES) == set(MAKERS)
