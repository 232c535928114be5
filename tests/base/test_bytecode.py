"""Compiled templates: kept as a whole or not at all, and taken only where they belong to the text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from archsim.base.bytecode import keeping


def made(folder: Path, **options: bool) -> Environment:
    environment = keeping(**options)
    environment.loader = FileSystemLoader(folder)
    return environment


def shown(folder: Path, **options: bool) -> str:
    return made(folder, **options).get_template("a.html").render(x="<1>")


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("*"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    (tmp_path / "a.html").write_text("{{ x }}\n", "utf-8")
    return tmp_path


def test_what_was_kept_is_taken_and_shows_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shown(folder, autoescape=True)
    assert len(kept(folder)) == 1
    monkeypatch.setattr(Environment, "_generate", lambda *given, **named: pytest.fail("was compiled again"))
    assert shown(folder, autoescape=True) == first == "&lt;1&gt;"


def test_another_text_or_other_options_are_compiled_anew(folder: Path) -> None:
    assert shown(folder, autoescape=True) == "&lt;1&gt;"
    assert shown(folder, autoescape=False) == "<1>"
    (folder / "a.html").write_text("-{{ x }}\n", "utf-8")
    assert shown(folder, autoescape=True) == "-&lt;1&gt;"


def test_templates_that_differ_in_their_ending_are_both_kept(folder: Path) -> None:
    (folder / "a.svg").write_text("<svg/>", "utf-8")
    shown(folder)
    assert made(folder).get_template("a.svg").render() == "<svg/>"
    assert len(kept(folder)) == 2


@pytest.mark.parametrize("left", [0, 3, 12, 40, -5])
def test_a_file_that_was_cut_off_is_not_taken(folder: Path, left: int) -> None:
    shown(folder)
    (file,) = kept(folder)
    whole = file.read_bytes()
    file.write_bytes(whole[:left])
    assert shown(folder) == "<1>"
    assert file.read_bytes() == whole  # and is whole again


def test_nothing_is_written_where_python_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert shown(folder) == "<1>"
    assert kept(folder) == []


def test_a_folder_that_cannot_be_written_is_no_fault(folder: Path) -> None:
    (folder / "__pycache__").write_text("a file in its place", "utf-8")
    assert shown(folder) == "<1>"
