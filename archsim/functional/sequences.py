"""Examples of several vectors: sequences of different length, and texts that are read character by character."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from archsim.base.arrays import F32, I32, I64, Array
from archsim.base.doors import door, read_whole
from archsim.base.errors import Problem, SpecError
from archsim.base.limits import ARRAY_BYTES
from archsim.base.words import counted
from archsim.workload import Workload

HELD_OUT = 10
"""One character in so many of a text is for testing, the last ones: a tenth, as Gokmen et al., Front. Neurosci. 12, 745
(2018), held out."""


class Frames(NamedTuple):
    """Which vector an example has at each step, and the first step that counts: shorter ones are filled up in front."""

    rows: I32  # [examples, steps]
    begin: I64  # [examples]

    def taken(self, which: slice | Array) -> Frames:
        """Return those of examples at some places."""
        return Frames(self.rows[which], self.begin[which])


class Flat(NamedTuple):
    """Sequences as a file has them: features [examples, vectors x inputs], and how many vectors count, or None: all."""

    x: F32
    lengths: I64 | None


def framed(
    workload: Workload, name: str, parts: dict[str, Flat], vectors: int
) -> dict[str, tuple[F32, Frames]]:  # fmt: skip
    """Return the vectors of each part [vectors, inputs], and which of them its examples have at each step.

    `vectors` is how many an example has in the file; 0, where it does not say. Raises SpecError where lengths or
    features do not fit the network: its steps are those of the longest sequence, whose time all take.
    """
    first, steps = workload.layers[0], workload.steps
    width = next(iter(parts.values())).x.shape[1]
    vectors = vectors or max(1, width // first.inputs)
    where, problems = f"data set '{name}'", []
    if width != vectors * first.inputs:
        has = f"{counted(vectors, 'vector')} of {counted(width / vectors, 'feature', form='g')}"
        what = f"layer {first.name} has {counted(first.inputs, 'input')} at each step, an example of {name} has {has}"
        hint = f"make it {width // vectors}" if width % vectors == 0 else "give an array [examples, steps, features]"
        raise SpecError.at(f"{workload.name}: layers[0].inputs", what, hint)
    longest = 0
    for part, (x, lengths) in parts.items():
        own = np.full(len(x), vectors) if lengths is None else lengths
        longest = max(longest, int(own.max(initial=0)))
        wrong = np.flatnonzero((own < 1) | (own > vectors))
        if wrong.size:
            at = wrong[0]
            what = f"example {at:,} for {part} is to have {counted(int(own[at]), 'step')}, of {vectors} there are"
            problems.append(Problem(where, what, f"give lengths of 1 to {vectors}"))
    if not problems and longest != steps:
        than = "longer" if longest > steps else "shorter"
        what = f"an example has {counted(steps, 'step')}, the longest of {name} is {than}: {longest:,}"
        problems.append(Problem(f"{workload.name}: steps", what, f"make it {longest}"))
    if problems:
        raise SpecError(problems)
    found = {}
    for part, (x, lengths) in parts.items():
        begin = steps - (np.full(len(x), vectors) if lengths is None else lengths).astype(np.int64)
        rows = np.arange(len(x))[:, None] * vectors + np.maximum(np.arange(steps) - begin[:, None], 0)
        found[part] = x.reshape(-1, first.inputs), Frames(rows.astype(np.int32), begin)
    return found


class Text(NamedTuple):
    """A text in stretches: one-hot vectors of its alphabet, and by part the character at each step and the next one."""

    table: F32  # [symbols, symbols]
    frames: dict[str, Frames]
    labels: dict[str, I64]  # [examples, steps]
    source: str


def read_characters(workload: Workload, path: Path) -> Text:
    """Return a text, the last tenth of it for testing; raise SpecError if it is none, or does not fit the network.

    The alphabet is made of all characters that occur, in the order of their code points. A stretch has `steps`
    characters, each of which is to be answered by the next; what is left at the end of a part is not used.
    """
    data = read_whole(path, str(path), "give a text in UTF-8", ARRAY_BYTES)
    with door(str(path), "cannot be read: {why}", "give a text in UTF-8"):
        text = data.decode("utf-8")
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    alphabet, which = np.unique(codes, return_inverse=True)
    symbols, steps, problems = len(alphabet), workload.steps, []
    sizes = {
        f"layers[0].inputs of {workload.layers[0].name}": workload.layers[0].inputs,
        f"layers[{len(workload.layers) - 1}].outputs of {workload.layers[-1].name}": workload.layers[-1].outputs,
    }
    for key, own in sizes.items():
        if own != symbols:
            what = f"the alphabet of {path.name} has {counted(symbols, 'symbol')}, the network {own:,}"
            problems.append(Problem(f"{workload.name}: {key}", what, f"make it {symbols}"))
    cut = len(which) - len(which) // HELD_OUT
    halves = {"training": which[:cut], "testing": which[cut:]}
    for part, half in halves.items():
        if len(half) <= steps:
            what = f"{path.name} has {counted(len(half), 'character')} for {part}, one example {steps + 1:,}"
            problems.append(Problem(f"{workload.name}: steps", what, "give a longer text, or fewer steps"))
    if problems:
        raise SpecError(problems)
    frames, labels = {}, {}
    for part, half in halves.items():
        count = (len(half) - 1) // steps
        rows = half[: count * steps].reshape(count, steps).astype(np.int32)
        frames[part] = Frames(rows, np.zeros(count, dtype=np.int64))
        labels[part] = half[1 : count * steps + 1].reshape(count, steps).astype(np.int64)
    source = f"{path.name}; {len(which):,} characters, {symbols} symbols; the last {100 // HELD_OUT} % for testing"
    return Text(np.eye(symbols, dtype=np.float32), frames, labels, source)
