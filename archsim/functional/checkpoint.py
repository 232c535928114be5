"""Checkpoints: all that a training is at the end of an epoch, in one file, so that it goes on to the same bits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from pydantic import Field

from archsim.base.array_files import read_arrays
from archsim.base.arrays import Array
from archsim.base.doors import door
from archsim.base.errors import Problem, SpecError
from archsim.base.limits import STATE_BYTES
from archsim.base.record import Record
from archsim.functional.activity import Measured
from archsim.functional.data_set import Data
from archsim.functional.epochs import Epoch
from archsim.functional.findings import Findings

Arrays: TypeAlias = Mapping[str, Array]

NAME, PARTS = "checkpoint.npz", "checkpoints"
"""The file of a training, and the folder of those of seeds that others train, each called as its seed."""
_HEAD, _SUM = "head", "sum"
DAMAGED = "is damaged ({why})"


class Head(Record):
    """What a checkpoint holds beside its arrays."""

    schema_id: Literal["archsim-checkpoint-1"] = Field(default="archsim-checkpoint-1", alias="schema")
    identity: Mapping[str, Any]
    found: tuple[Epoch, ...]
    findings: Findings | None
    reads: tuple[tuple[int, tuple[Measured, ...]], ...]


@dataclass(frozen=True)
class Checkpoint:
    """A training at the end of an epoch.

    `identity` says of which training it is, in words that `check` compares; `found` what each seed reached, the one
    under way last; `arrays` is the state of that one. `reads` are those of the seeds that are finished, and `findings`
    what a probe saw in one of them.
    """

    identity: Mapping[str, Any]
    found: Mapping[int, list[Epoch]]
    findings: Findings | None
    reads: Mapping[int, list[Measured]]
    arrays: Arrays

    def write(self, file: BinaryIO) -> None:
        """Write it to an open file."""
        head = Head(
            identity=self.identity, found=tuple(entry for run in self.found.values() for entry in run),
            findings=self.findings, reads=tuple((seed, tuple(own)) for seed, own in self.reads.items()),
        )  # fmt: skip
        contents: dict[str, Any] = {_HEAD: np.frombuffer(head.json_text().encode(), dtype=np.uint8), **self.arrays}
        contents[_SUM] = np.frombuffer(_sum_of(contents), dtype=np.uint8)
        np.savez(file, **contents)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Return the checkpoint in a folder; raise SpecError if there is none, or if it is damaged."""
        path = folder / NAME
        if not path.is_file():
            what = f"there is nothing to resume: no {NAME} is in {folder}"
            if (folder / "history.json").is_file():
                what += ", only the history of a training that is complete or diverged"
            hint = "train without --resume, or name with --out the folder of a training that was interrupted"
            raise SpecError([Problem("--resume", what, hint)])
        return cls.read_file(path)

    @classmethod
    def read_file(cls, path: Path) -> Checkpoint:
        """Return the checkpoint in a file; raise SpecError if it is damaged."""
        hint = "nothing can be resumed; train without --resume"
        arrays = read_arrays(path, DAMAGED, hint, most=STATE_BYTES)
        total = arrays.pop(_SUM, None)  # earlier versions wrote none
        if total is not None and total.tobytes() != _sum_of(arrays):
            raise SpecError.at(str(path), DAMAGED.replace("{why}", "its sum is not that of what it holds"), hint)
        with door(str(path), DAMAGED, hint):
            text = arrays.pop(_HEAD).tobytes().decode()
        head = Head.read_from(text, str(path), hint)
        found: dict[int, list[Epoch]] = {}
        for entry in head.found:
            found.setdefault(entry.seed, []).append(entry)
        return cls(head.identity, found, head.findings, {seed: list(own) for seed, own in head.reads}, arrays)

    def check(self, identity: Mapping[str, Any]) -> None:
        """Raise SpecError, with all differences, unless the checkpoint is of the training with this identity."""
        hint = "go on with what it was begun with, or train without --resume"
        why = {"epochs": "how a training ends depends on its number of epochs, so train anew for another"}
        check_identity(self.identity, identity, "the checkpoint", hint, why)


def check_identity(
    then: Mapping[str, Any], now: Mapping[str, Any], place: str, hint: str, hints: Mapping[str, str] | None = None
) -> None:
    """Raise SpecError, with all differences, unless what is kept in `place` and what is wanted are the same.

    `hint` says what to try, and `hints`, for some keys, something else.
    """
    problems = []
    for key in {**now, **then}:
        was, wanted = then.get(key), now.get(key)
        if was != wanted:
            what = f"{_words(was)} in {place}, {_words(wanted)} now"
            problems.append(Problem(f"--resume: {key}", what, (hints or {}).get(key, hint)))
    if problems:
        raise SpecError(problems)


def _sum_of(arrays: Arrays) -> bytes:
    """Return the SHA-256 of all arrays and their names."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name}{array.shape}{array.dtype}".encode(errors="surrogateescape"))
        found.update(np.ascontiguousarray(array).data)
    return found.digest()


def digest_of(data: Data) -> str:
    """Return the SHA-256 of all features, labels and target values of a data set, shortened."""
    found = hashlib.sha256()
    held = data.validation
    frames = (data.train_frames, data.test_frames, held.frames if held is not None else None)
    parts = (data.train_x, data.train_y, data.test_x, data.test_y, data.train_t, data.test_t,
             *(held[:3] if held is not None else ()), *(array for each in frames for array in each or ()))  # fmt: skip
    for array in (part for part in parts if part is not None):
        found.update(f"{array.shape}{array.dtype}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:16]


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "nothing" if value is None else str(value)
