"""Each option of each command, and each word that a command is given, as something that nobody means.

A command works or refuses, and whoever is refused is told what to try; nothing else comes of it. Which options there
are is read from the commands.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archsim.cli import main
from tests.helpers import whole_command
from tests.studies.test_study import CHIP, COMMANDS, SMALL, WORK

BASES: dict[str, list[str]] = {
    **{name: words for name, words in COMMANDS.items() if name != "ablations.json"},
    "run": ["run", CHIP, WORK, "--examples", "3"],
    "crosscheck": ["crosscheck", CHIP, WORK, *SMALL, "--examples", "5"],
    "ablate": ["ablate", CHIP, WORK, *SMALL, "--set", "dataset.examples=60", "--only", "leakage", "--epochs", "1"],
    "history.json": ["train", CHIP, WORK, *SMALL, "--set", "dataset.examples=60", "--epochs", "1"],
    "check": ["check", CHIP, WORK],
    "show": ["show", CHIP],
    "diff": ["diff", CHIP, f"{CHIP}_bus"],
    "list": ["list", "chips"],
    "explain": ["explain", "tile.rows"],
    "schema": ["schema", "arch"],
    "new": ["new", "arch", "mine"],
    "report": ["report", "nowhere"],
    "import": ["import", "nowhere.onnx"],
    "store": ["store", "show", "nowhere.sqlite"],
}
"""A small call of each command, by any name."""
WORDS = ("relu", "", "-1", "{}", "1e30", "null", "a/b", "--", "0", "1 kg", "[", "é\t")
FIXED = {"--out", "--store", "--keep"}
"""Where things are written: a word that nobody means would be a name like any other."""


def options(words: list[str]) -> Iterator[str]:
    command = whole_command()
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    for own in command.params:
        if own.param_type_name == "option" and not own.is_flag:
            yield from (each for each in own.opts if each.startswith("--") and each not in FIXED)


def calls() -> Iterator[tuple[str, ...]]:
    for words in BASES.values():
        for option in options(words):
            yield from ((*words, option, word) for word in WORDS)
        for place, was in enumerate(words):
            if not was.startswith("-") and place and (words[0] not in ("floorplan", "store") or place > 1):
                yield from ((*words[:place], word, *words[place + 1 :]) for word in WORDS)


ALL = list(dict.fromkeys(calls()))
FOUND = {(*COMMANDS["gpus.json"], "--gpus", "relu")}
"""Calls that had a traceback once."""
SOME = [each for each in ALL if each in FOUND or zlib.crc32(repr(each).encode()) % 40 == 0]


def check(words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as left:
        main([*words])
    told = capsys.readouterr().err
    assert left.value.code in (0, 1, 2)
    assert left.value.code != 2 or any(hint in told for hint in ("; ", "try: ", "all of it: "))


@pytest.mark.parametrize("words", SOME, ids=" ".join)
def test_a_word_that_nobody_means_is_refused_with_what_to_try(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(words, tmp_path, monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("words", sorted(set(ALL) - set(SOME)), ids=" ".join)
def test_more_words_that_nobody_means_are_refused_with_what_to_try(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(words, tmp_path, monkeypatch, capsys)
