"""Names are free text: no file stands outside of the report's folder, none is called by a name as it is."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from archsim.base.documents import dump_yaml
from archsim.base.errors import SpecError
from archsim.base.limits import NAME_LETTERS
from archsim.base.texts import slug, slugs, visible
from archsim.cli import main
from archsim.report.folder import write_folder
from archsim.spec.loading import load_arch
from archsim.studies.names import folder_of
from archsim.workload import load_workload

ODD = (
    "../../x", "/", "/etc/x", "a/b\\c", "..", ".", "-x", "~", "~root/x", "a\0b", "CON", "nul.txt",
    "x" * NAME_LETTERS.most,
    "漢字" * 150, "👩‍👩‍👧", "مرحبا", "\u202egnp", "\x1b]0;x\x07", "a\nb", " ", "$HOME `x` $(x)", "<b>|*x*", "=1+1",
    "a--b", "e\u0301", "\ufeff", "null", "~", "12:30", "{x: 1}",
)  # fmt: skip
NAMES = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=NAME_LETTERS.most)
SMALL, FEW = ("--set", "tile.rows=128", "--set", "tile.cols=128"), ("--examples", "2")
COMMANDS = {
    "run": ("run", "chip.yaml", "work.yaml", "--examples", "2", "--trace", "vcd"),
    "perfetto": ("run", "chip.yaml", "work.yaml", "--examples", "2", "--trace", "perfetto"),
    "draw": ("floorplan", "draw", "chip.yaml", "--workload", "work.yaml", "--examples", "2"),
    "floorplans": ("floorplan", "compare", "work.yaml", "chip.yaml", "ambrogio_nature_2018", "--examples", "2"),
    "optimise": ("floorplan", "optimise", "chip.yaml", "work.yaml", "--objective", "area", "--budget", "2", *FEW),
    "survey": ("survey", "chip.yaml", "work.yaml", "--examples", "2"),
    "gpus": ("compare", "chip.yaml", "work.yaml", "--examples", "2", "--gpu", "H100", "--batch", "1"),
    "published": ("published", "chip.yaml"),
    "sensitivity": ("sensitivity", "chip.yaml", "work.yaml", *SMALL, "--examples", "2"),
    "sweep": ("sweep", "chip.yaml", "work.yaml", "--vary", "tile.rows=128,256"),
    "crosscheck": ("crosscheck", "chip.yaml", "work.yaml", *SMALL, "--examples", "20"),
    "train": ("train", "chip.yaml", "work.yaml", *SMALL, "--epochs", "1"),
    "ablate": ("ablate", "chip.yaml", "work.yaml", *SMALL, "--set", "dataset.examples=100", "--only", "leakage",
               "--seeds", "1", "--epochs", "1"),
}  # fmt: skip
"""A small run of each command that writes."""


def write_specs(folder: Path, name: str) -> None:
    """Write a chip and a workload that have a name, with a tile and layers that have it, too."""
    chip = {"kind": "arch", "extends": "ambrogio_nature_2018", "name": name}
    work = yaml.safe_load(Path(load_workload("mlp_digits").path_label).read_text("utf-8"))
    for i, layer in enumerate(work["layers"]):
        layer["name"] = name if not i else f"{name[:250]} {i}"
    for file, tree in (("chip.yaml", chip), ("work.yaml", {**work, "name": name})):
        (folder / file).write_text(dump_yaml(tree), "utf-8")


def everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def call(words: tuple[str, ...]) -> int:
    with pytest.raises(SystemExit) as leave:
        main(words)
    return int(leave.value.code or 0)


def check_command(command: str, name: str, root: Path, monkeypatch: pytest.MonkeyPatch, thorough: bool = True) -> None:
    """Call a command on specs of a name, with --out and without: all that it writes stands in one folder each."""
    here = root / "a" / "b"
    here.mkdir(parents=True)
    write_specs(here, name)
    monkeypatch.chdir(here)
    before = everything_in(root)
    assert call((*COMMANDS[command], "--quiet", "--out", "out")) in (0, 1)
    assert {own for own in everything_in(root) - before if not own.startswith("a/b/out")} == set()
    if not thorough:
        return
    assert call((*COMMANDS[command], "--quiet")) in (0, 1)
    (made,) = (here / "reports").iterdir()
    mine = {own for own in everything_in(root) - before if not own.startswith(("a/b/out", f"a/b/reports/{made.name}"))}
    assert mine == {"a/b/reports"}
    for own in everything_in(here / "out"):
        assert slug(Path(own).name) == Path(own).name or own.endswith((".yaml", ".svg"))


@pytest.mark.parametrize("command", ["run", "floorplans", "optimise"])
def test_nothing_is_written_outside(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_command(command, "../../x\x1b[31m<b>|`漢字", tmp_path, monkeypatch, thorough=command == "run")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", range(len(ODD)))
def test_no_name_leads_outside(command: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_command(command, ODD[place], tmp_path, monkeypatch)


@given(NAMES)
@example("\x85")
def test_a_name_comes_through_its_file(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("x")
    write_specs(folder, name)
    chip, work = load_arch(folder / "chip.yaml"), load_workload(folder / "work.yaml")
    assert chip.value.name == work.value.name == work.value.layers[0].name == name
    (folder / "again.yaml").write_text(chip.document(), "utf-8")
    assert load_arch(folder / "again.yaml").hash == chip.hash


@pytest.mark.parametrize("name", ["''", "x" * (NAME_LETTERS.most + 1), '"\\ud83d"', '"\\udc00"'])
@pytest.mark.parametrize("kind", ["arch", "workload"])
def test_other_names_are_refused(kind: str, name: str, tmp_path: Path) -> None:
    base = "ambrogio_nature_2018" if kind == "arch" else "mlp_digits"
    (tmp_path / "x.yaml").write_text(f"kind: {kind}\nextends: {base}\nname: {name}\n", "utf-8")
    with pytest.raises(SpecError, match=r"x\.yaml.*: (301 letters|has 0 characters|not YAML)"):
        (load_arch if kind == "arch" else load_workload)(tmp_path / "x.yaml")


@given(st.lists(NAMES, min_size=2, max_size=6, unique=True))
def test_slugs_are_distinct_parts_of_paths(names: list[str]) -> None:
    found = slugs(names)
    assert len({unicodedata.normalize("NFKC", own).casefold() for own in found}) == len(names)
    assert len({slug(name) for name in names}) == len(names)
    for own in (*found, folder_of(names, ["a=b"], "gpus").name):
        assert 0 < len(own.encode()) <= 230
        assert Path(own).name == own
        assert not re.search(r"[^\w.+-]|^[.~-]|\.$", own)
        assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", own, re.IGNORECASE)


def test_a_slug_is_a_file(tmp_path: Path) -> None:
    out = write_folder(tmp_path / "out", {f"{own}.yaml": "" for own in slugs([*dict.fromkeys(ODD)])}, ())
    found = [path.name for path in out.iterdir()]
    assert len(found) == len(set(ODD))
    assert list(map(visible, found)) == found
