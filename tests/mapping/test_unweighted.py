"""Layers without weights: that all they read was sent or written, by plain loops over single values, and by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import InfeasibleError
from archsim.mapping import map_workload
from archsim.mapping.modes import step_flows
from archsim.mapping.shards import Mapping
from archsim.mapping.unweighted import digital_words, places_in
from archsim.results.bill import account
from archsim.results.breakdowns import digital_rows
from archsim.simulation import simulate
from archsim.workload import Workload, load_workload
from tests.helpers import PACKET, REFERENCE, chip_of
from tests.mapping.test_recurrent import dense, digital, failed, schedule, work

SMALL = ("tile.rows=9", "tile.cols=16", "tile.count=60", "tile.memory.words=8192")


def linear(inputs: int, outputs: int, **more: Any) -> dict[str, Any]:
    return dense(inputs, outputs, activation="linear", **more)


@st.composite
def networks(draw: st.DrawFn) -> Workload:
    """Draw a network with one or two digital layers in its middle, of every declaration there is."""
    pick = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    parts, groups, size = draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 6))
    outputs, more = groups * size, dict[str, Any]()
    if draw(st.booleans()):
        more["groups"] = groups
    if draw(st.booleans()):
        more["over"] = "sequence"
        more["steps_at_once"] = draw(st.integers(1, 3))
        if "groups" in more and draw(st.booleans()):
            more["parts_of_all_steps"] = draw(st.integers(0, parts))
    layers = [
        linear(outputs, parts * outputs, name="first"),
        digital(parts * outputs, outputs, draw(st.integers(0, 500)), name="own", **more),
    ]
    if draw(st.booleans()):
        layers[1]["shared"] = 2
    if draw(st.booleans()):
        layers[1]["adds"] = ["first"]
    if draw(st.booleans()):
        layers.append(digital(outputs, outputs, 30, name="next", groups=outputs, adds=["own"] if parts == 1 else []))
    return work([*layers, dense(outputs, 4, name="last")], draw(st.integers(1, 3)), pick("training", "inference"))


def held_by(mapping: Mapping, layer: int) -> list[int]:
    """Return the tile that holds each output of a layer when it is done."""
    own = mapping.workload.layers[layer]
    if own.blocks:
        return [shard.tile for shard in mapping.of_layer(layer)[-1] for _ in range(shard.col_start, shard.col_stop)]
    return [place.tile for place in places_in(mapping, layer) for _ in place.outputs]


@given(networks(), st.sampled_from([REFERENCE, PACKET]))
def test_every_value_that_a_place_reads_was_sent_to_it_or_is_there(workload: Workload, base: str) -> None:
    """In inference, value by value: what is not on the tile must come; and nothing else does."""
    if workload.mode != "inference":
        workload = workload.model_copy(update={"mode": "inference"})
    chip = chip_of(base, SMALL)
    mapping = map_workload(workload, chip)
    wanted: Counter[int] = Counter()
    for index, layer in enumerate(workload.layers):
        if layer.blocks:
            continue
        places, there = places_in(mapping, index), held_by(mapping, index - 1)
        assert [i for place in places for i in place.outputs] == list(range(layer.outputs))
        assert sum(place.ops for place in places) == layer.digital_ops
        for place in places:
            for value in (value for part in layer.needed(place.outputs) for value in part):
                wanted[place.tile] += (there[value] != place.tile) * len(workload.layers[index - 1].vectors(workload))
            for name in layer.skips:
                number = [other.name for other in workload.layers].index(name)
                before = held_by(mapping, number - 1) if number else [-1] * layer.outputs
                wanted[place.tile] += sum(before[i] != place.tile for i in place.outputs) * workload.steps
        if layer.shared_values and len(places) > 1:  # a sum has one edge less than places, and goes back to all others
            wanted[-2] += 2 * (len(places) - 1) * layer.shared_values * workload.steps
    came = sum(flow.values for flow in step_flows(chip, mapping) if flow.phase == "digital")
    assert came == sum(wanted.values())


@given(networks(), st.sampled_from([REFERENCE, PACKET]))
@settings(max_examples=15)
def test_runs_pass_their_audits_and_memory_is_billed_by_the_word(workload: Workload, base: str) -> None:
    chip = chip_of(base, (*SMALL, "schedule.transfer.interval_examples=5", "schedule.transfer.interval_vectors=5"))
    own = schedule(workload, chip, 12)
    trace = simulate(own)
    assert failed(trace, simulate(own, unlimited=True).cycles) == []
    rows = digital_rows(trace)
    for name, (read, written) in digital_words(chip, own.mapping, training=workload.mode == "training").items():
        assert (rows[name]["words_read"], rows[name]["words_written"]) == (read, written)
    energy_j = sum(
        item.energy_j for item in account(trace).items if (item.phase, item.component) == ("digital", "memory")
    )
    words = sum(row["words_read"] + row["words_written"] for row in rows.values())
    each_j = chip.units[chip.tiles[0].units["memory"]].actions["read"].energy_j
    assert energy_j == pytest.approx(12 * words * each_j)
    assert all(row["bits_received"] >= row["bits_sent"] for row in rows.values())


def test_attention_by_hand() -> None:
    """Two heads of 8 over 4 steps; 48 columns on three tiles of 16, and two places with a head each.

    Queries are on the first tile, keys on the second, values on the third. The first place lacks 8 keys and 8 values,
    the second 8 queries and 8 values: 32 numbers a step. Each writes 24 bytes (3 words of 64 bits) a step, and reads
    8 queries and 4 x 16 keys and values: 72 bytes, 9 words; with two steps at once 40 bytes, 5 words.
    """
    more = {"over": "sequence", "groups": 2, "parts_of_all_steps": 2}
    for at_once, read in ((1, 9), (2, 5)):
        layers = [linear(8, 48), digital(48, 16, 100, **more, steps_at_once=at_once), linear(16, 8)]
        own = schedule(work(layers, 4, "inference"), chip_of(PACKET, SMALL), 1)
        row = digital_rows(simulate(own))["work48"]
        assert row == {"bits_sent": 4 * 32 * 8, "bits_received": 4 * 32 * 8, "words_read": 4 * 2 * read,
                       "words_written": 4 * 2 * 3}  # fmt: skip


def test_a_residual_connection_and_moments_by_hand() -> None:
    """A vector of 32 on two tiles: the host's 32 numbers go to both halves besides, a moment there and back is 2 x 2.

    Each place writes 16 bytes (2 words) and the 16 that are added, and reads both twice. State numbers are 16 bits.
    """
    layers = [linear(32, 32), digital(32, 32, 100, groups=32, shared=2, adds=["fc32"]), linear(32, 8, name="last")]
    chip = chip_of(PACKET, (*SMALL, "numerics.state_bits=16"))
    row = digital_rows(simulate(schedule(work(layers, 1, "inference"), chip, 1)))["work32"]
    assert row == {"bits_sent": 32 * 8 + 2 * 2 * 16, "bits_received": 32 * 8 + 2 * 2 * 16, "words_read": 2 * 8,
                   "words_written": 2 * 4}  # fmt: skip


def test_without_groups_each_place_is_sent_everything() -> None:
    """40 columns on three tiles (14, 13, 13), each sent to the two others; 5 words written and read at each."""
    layers = [linear(8, 40), digital(40, 20, 100), linear(20, 8)]
    row = digital_rows(simulate(schedule(work(layers, 1, "inference"), chip_of(PACKET, SMALL), 1)))["work40"]
    assert row == {"bits_sent": 40 * 8, "bits_received": 2 * 40 * 8, "words_read": 15, "words_written": 15}


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_memory_must_hold_what_is_gathered_and_what_is_added(mode: str) -> None:
    """The last tile of a layer of one shard: its x, and all that attention over 6 steps and its sum read there."""
    layers = [linear(8, 16), digital(16, 8, 50, over="sequence", groups=8, adds=["fc8"]), linear(8, 8, name="last")]
    workload = work(layers, 6, mode)
    few = ("tile.rows=9", "tile.cols=16", "tile.count=4")
    with pytest.raises(InfeasibleError, match=r"([\d,]+) words of inputs of work16") as error:
        schedule(workload, chip_of(PACKET, (*few, "tile.memory.words=1")))
    told = str(error.value)
    examples = 2 if mode == "inference" else 1  # one is loaded ahead; of it, training has no results yet
    assert f"{examples * 6 * (2 + 1)} words of inputs" in told
    need = int(told.split("must hold ")[1].split(" ")[0].replace(",", ""))
    schedule(workload, chip_of(PACKET, (*few, f"tile.memory.words={need}")))
    with pytest.raises(InfeasibleError, match="1 short"):
        schedule(workload, chip_of(PACKET, (*few, f"tile.memory.words={need - 1}")))


def test_the_shipped_transformer_is_charged_for_all_that_it_moves() -> None:
    """By hand, 25 tokens of 1,536 numbers on three tiles, heads 2, 3 and 3: who lacks what, as bytes.

    Queries, keys and values lie on a tile each; places make 128, 192 and 192 outputs. Each lacks two parts of three:
    2 x 512 bytes a token. Both normalisations are on one tile: they are sent what they add alone.
    """
    workload = load_workload("transformer_base").value
    own = schedule(workload, chip_of(REFERENCE, ("tile.count=17", "tile.memory.words=4096")), 2)
    rows = digital_rows(simulate(own))
    assert rows["attention"]["bits_sent"] == 25 * 2 * 512 * 8
    assert rows["add_and_norm1"]["bits_sent"] == rows["add_and_norm2"]["bits_sent"] == 25 * 512 * 8
    # 3 x 512 bytes written a token; queries once, keys and values of 25 tokens once for 8 of them: 16, 24 and 24 words
    # of queries and as many times 50 / 8.
    assert rows["attention"]["words_written"] == 25 * 3 * 64
    assert rows["attention"]["words_read"] == 25 * sum(w + w * 50 // 8 for w in (16, 24, 24))
    assert rows["add_and_norm1"]["words_read"] == 25 * 2 * 2 * 64


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"groups": 5}, "no 5 groups of one size"),
        ({"groups": 4, "inputs": 9, "outputs": 4}, "not parts of 4"),
        ({"parts_of_all_steps": 1}, "'over: sequence' with groups"),
        ({"parts_of_all_steps": 2, "groups": 8, "over": "sequence"}, "give 1 at most"),
        ({"steps_at_once": 2}, "'over: sequence'"),
        ({"adds": ["fc9"]}, "no layer before it"),
        ({"adds": ["last"]}, "no layer before it"),
        ({"adds": ["fc9"], "first": "fc9"}, "adds the 9 inputs of 'fc9' to 8 outputs"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(more: dict[str, Any], what: str) -> None:
    more = {"inputs": 8, "outputs": 8, **more}
    inputs, outputs = more.pop("inputs"), more.pop("outputs")
    first = linear(9, inputs, name=more.pop("first", "first"))
    with pytest.raises(ValueError, match=what):
        work([first, digital(inputs, outputs, 10, **more), linear(outputs, 3, name="last")], 2)
