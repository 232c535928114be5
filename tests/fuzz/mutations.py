"""Mutations of plain trees, of text and of bytes; each depends on its generator of random numbers alone."""

from __future__ import annotations

import copy
import random
from typing import Any

WORDS = (
    "0", "-1", "1", "1e999", "-1e-999", "nan", "inf", "9" * 400, "", " ", "null", "~", "true", "[]", "{}", "1/0",
    "0x10", "1_000", "1 s**9**9", "1 GHz*9**9**9", "5 %", "-5 %", "1 kg", "3 mm2", "1e-30 J", "1e30 s", "1 parsec",
    "\u202e right to left", "../../x", "~nosuchuser/x", "$HOME", "=1+1", "@x", "<b>&amp;", "\U0001f600", "\u0000",
    "\u001b[31mred", "a" * 1000, "名前", "mesh", "relu", "arch", "training", "circuit", "pcm_3t1c", "all", ".inf",
    "0.1", "1000000", "100000000000", "2.5",
)  # fmt: skip
"""Scalars that were found to hurt one program or another."""


MOST_PARTS = 1_000_000
"""So many parts a tree is given at once at most: the fuzzer looks at each."""


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all that is in a tree, itself apart."""
    found: list[tuple[Any, ...]] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += [(*path, key), *places(value, (*path, key))]
    return found


def of_tree(tree: Any, draw: random.Random) -> Any:
    """Return a tree with one thing changed in it: a value, a key, or what holds them."""
    tree = copy.deepcopy(tree)
    paths = places(tree)
    if not paths:
        return draw.choice([[], {}, "x", None, 3, [tree] * 3])
    path = draw.choice(paths)
    holder = tree
    for key in path[:-1]:
        holder = holder[key]
    key, value = path[-1], holder[path[-1]]
    what = draw.randrange(10)
    if what <= 3:
        holder[key] = draw.choice(WORDS)
    elif what == 4:
        holder[key] = scaled(value, draw)
    elif what == 5:
        del holder[key]
    elif what == 6:
        holder[key] = draw.choice([None, [], {}, [value], {"x": value}, 7, -2.5, True])
    elif what == 7:
        other = tree
        for step in draw.choice(paths):
            other = other[step]
        holder[key] = copy.deepcopy(other)
    elif what == 8 and isinstance(holder, dict):
        holder[draw.choice([*WORDS, f"{key}x", "kind", "extends"])] = value
    else:
        deep: Any = value
        for _ in range(draw.choice((3, 30, 300))):
            deep = [deep] if draw.random() < 0.5 else {"x": deep}
        times = min(draw.choice((2, 50, 2000)), MOST_PARTS // len(places([value])))
        holder[key] = [value] * times if draw.random() < 0.5 else deep
    return tree


def scaled(value: Any, draw: random.Random) -> Any:
    """Return a number, or a text that begins with one, multiplied by something."""
    factor = draw.choice((0, -1, 1e9, 1e-9, 0.5, 2, 3, 10, 1e3))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * factor if draw.random() < 0.7 else int(value * factor) if abs(value * factor) < 1e18 else value
    number, _, unit = str(value).partition(" ")
    try:
        return f"{float(number) * factor:g} {unit}".strip()
    except ValueError:
        return draw.choice(WORDS)


def of_text(text: str, draw: random.Random) -> str:
    """Return a text with a line, a word or a letter changed."""
    lines = text.split("\n")
    at = draw.randrange(len(lines))
    what = draw.randrange(6)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(at, draw.choice(lines))
    elif what == 2:
        lines[at] = " " * draw.randrange(9) + lines[at]
    elif what == 3:
        parts = lines[at].split(" ")
        parts[draw.randrange(len(parts))] = draw.choice(WORDS)
        lines[at] = " ".join(parts)
    elif what == 4:
        place = draw.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:place] + draw.choice("{}[]:,'\"#&*!|>%@`\t\\\x00\x1b-=9") + lines[at][place:]
    else:
        lines = lines[:at]
    return "\n".join(lines)


def of_bytes(data: bytes, draw: random.Random) -> bytes:
    """Return bytes cut off, flipped, doubled or overwritten somewhere."""
    if not data:
        return bytes(draw.randrange(256) for _ in range(draw.randrange(9)))
    at = draw.randrange(len(data))
    what = draw.randrange(6)
    if what == 0:
        return data[:at]
    if what == 1:
        return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
    if what == 2:
        return data[:at] + bytes(draw.randrange(256) for _ in range(draw.randrange(1, 9))) + data[at:]
    if what == 3:
        return data[:at] + data[at + draw.randrange(1, 17) :]
    if what == 4:
        return data[:at] + b"\xff" * draw.randrange(1, 9) + data[at + 8 :]
    return data + data[at:]
