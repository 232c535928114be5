"""Tiles of a kind share the stages that they are asked for: what was made for one and moved to another is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mapping.recipes import BACKWARD, FORWARD, TileKit, kits_of
from tests.helpers import PACKET, REFERENCE, chip_of

ASKED: dict[str, Callable[[int, int], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "integrate": lambda rows, cols: ((BACKWARD, rows, cols, rows), {"kept": 3}),
    "convert": lambda rows, cols: ((FORWARD, cols), {"signed": True}),
    "read_out": lambda rows, cols: ((FORWARD, cols), {}),
    "recall": lambda rows, cols: ((rows,), {}),
    "maximum": lambda rows, cols: ((cols,), {}),
    "scan": lambda rows, cols: ((BACKWARD, rows), {}),
    "update": lambda rows, cols: ((rows, cols, rows), {}),
    "_work": lambda rows, cols: (((("activate", cols),), (("write", rows),)), {}),
    "_maintain": lambda rows, cols: ((("read", "program"), "transfer", (1,) * rows, cols, 7), {}),
}
KINDS = ("tile.count=3", "variants={wide: {count: 2, rows: 512, cols: 640}}")
CHIPS = {"circuit": chip_of(REFERENCE, KINDS), "packet": chip_of(PACKET, KINDS)}


@pytest.mark.parametrize("name", list(CHIPS))
@given(st.integers(1, 512), st.integers(1, 512))
@settings(max_examples=10)
def test_a_stage_that_was_made_for_another_tile_is_the_one_that_is_made_for_it(name: str, rows: int, cols: int) -> None:
    chip = CHIPS[name]
    for kit in kits_of(chip, range(len(chip.tiles))).values():
        for own, arguments in ASKED.items():
            if name == "packet" and own in ("read_out", "scan"):  # its converters have no ramps
                continue
            args, named = arguments(rows, cols)
            if own == "_maintain":
                args = (kit.tile.spec.device.transfer_steps, *args[1:])
            make = getattr(TileKit, own)
            assert make(kit, *args, **named) == make.__wrapped__(kit, *args, **named)
