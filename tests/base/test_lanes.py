"""Eight numbers at a time give what numpy gives, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from archsim.base.arrays import F32
from archsim.base.lanes import WIDTH, alike, either, floor, lane, load, put, some, store, total, total_in_pairs, where
from archsim.base.machine_code import lean

numbers = drawn.arrays(np.float32, (3, 2 * WIDTH), elements=st.floats(-100, 100, width=32))
TWO = np.float32(2)


@lean()
def go_through(given: Any, row: Any, first: Any, third: Any, found: Any) -> Any:
    """Fill in, row by row, what each operation gives; return whether any is beyond 90, the sums, and one lane."""
    own, other = load(given, (row, first)), load(third, first)
    store(found, (0, first), own + other * TWO)
    store(found, (1, first), (TWO - own) * other - other)
    store(found, (2, first), where(own > other, own, where(own < TWO, TWO, other)))
    store(found, (3, first), floor(own))
    store(found, (4, first), put(alike(third[0]), 3, third[1]))
    return some(either(own > np.float32(90), own < np.float32(-90))), total(own), total_in_pairs(own), lane(own, 5)


@given(numbers, numbers, st.integers(0, 2), st.integers(0, WIDTH))
def test_lanes_are_numpy_to_the_bit(given: F32, others: F32, row: int, first: int) -> None:
    found, third = np.zeros((5, 2 * WIDTH), np.float32), others[0]
    beyond, summed, in_pairs, sixth = go_through(given, row, first, third, found)
    own, other = given[row, first : first + WIDTH], third[first : first + WIDTH]
    expected = [
        own + other * TWO,
        (TWO - own) * other - other,
        np.where(own > other, own, np.where(own < TWO, TWO, other)),
        np.floor(own),
        [third[1] if each == 3 else third[0] for each in range(WIDTH)],
    ]
    np.testing.assert_array_equal(found[:, first : first + WIDTH], np.array(expected, np.float32))
    assert beyond == bool((np.abs(own) > 90).any())
    sums = np.float32(own[0])
    for each in own[1:]:
        sums = np.float32(sums + each)
    assert summed == pytest.approx(float(sums), abs=0)
    pairs = own
    while len(pairs) > 1:
        pairs = pairs[::2] + pairs[1::2]
    assert (in_pairs, sixth) == (pairs[0], own[5])
    found[:, first : first + WIDTH] = 0
    assert not found.any()
