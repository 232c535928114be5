"""What a key or a metric is: every one can be asked for, and what is said of it is what a run shows."""

from __future__ import annotations

import json
import re

import pytest

from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.results.metric_words import MEANINGS
from archsim.results.metrics import METRICS
from archsim.spec.arch import ABOUT, ArchSpec
from archsim.spec.keys import keys_at, paths_of
from archsim.studies.explain import Explained, explained, lines_of, plain_of
from archsim.workload import Workload


def test_every_metric_is_explained() -> None:
    assert tuple(MEANINGS) == METRICS
    assert MEANINGS["area_m2"] in " ".join(" ".join(lines_of("area_m2")).split())


@pytest.mark.parametrize("root", [ArchSpec, Workload])
def test_every_key_can_be_asked_for_by_its_path(root: type[ArchSpec] | type[Workload]) -> None:
    for path in paths_of(root):
        found = [own for own in explained(path) if own.keys == tuple(keys_at(root, path))]
        assert [own.path for own in found] == [path]


def test_what_is_said_of_a_key_is_what_the_shipped_files_have() -> None:
    (own,) = explained("tile.rows")
    values = {name: value for value in own.shipped for name in value.files}
    assert values["shafiee_isca_2016"].value == "128"
    assert values["shafiee_isca_2016"].source.startswith("ISAAC 2016")
    assert len(values) == len(own.files)


@pytest.mark.parametrize(
    ("key", "metrics", "numbers"),
    [
        ("tile.rows", {"area_m2", "efficiency_peak_op_per_j", "throughput_per_area_peak_op_per_s_m2"}, False),
        ("host.latency", set(), False),
        ("tile.device.leak_time_constant", set(), True),
        ("numerics.partial_range", set(), True),
        ("training.learning_rate", set(), True),
        ("tile.col_converter.area", {"area_m2", "throughput_per_area_peak_op_per_s_m2"}, False),
        ("technology.clock", {"time_per_example_s", "energy_per_example_j", "efficiency_op_per_j"}, False),
    ],
)
def test_what_a_key_moves(key: str, metrics: set[str], numbers: bool) -> None:
    """Of which metrics it is a part, by what each of them is; what numbers alone read moves no time and no area."""
    (own,) = explained(key)
    moved = {name for each in own.moves for name in each.ratios}
    assert metrics <= moved
    assert bool(moved) == bool(metrics)
    assert any(each.numbers for each in own.moves) == numbers


def test_a_choice_is_tried_with_each_other_word() -> None:
    (own,) = explained("schedule.transfer.policy")
    assert [each.value for each in own.moves] == ["staggered", "interleaved"]
    assert all("time_per_example_s" in each.ratios for each in own.moves)


def test_a_value_that_is_refused_is_told_with_its_reason() -> None:
    (own,) = explained("schedule.transfer.rows_in_parallel")
    assert own.moves
    (own,) = explained("schedule.refresh.policy")
    assert "needs a period" in own.moves[0].refused


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("tile.row", "did you mean 'tile.rows'?"),
        ("leakage", "tile.device.leakage, tile.array.leakage"),
        ("pcm_3t1c", "try archsim explain tile.device"),
        ("mesh", "try archsim explain routing.topology"),
        ("mlp_mnist", "try archsim show mlp_mnist"),
        ("time_per_exmaple_s", "did you mean 'time_per_example_s'?"),
        ("tile.device.leakige", "did you mean 'tile.device.leakage'?"),
        ("zzz", "archsim explain tile"),
        ("", "archsim explain tile"),
    ],
)
def test_a_slip_leads_to_the_nearest(asked: str, told: str) -> None:
    with pytest.raises(SpecError, match=re.escape(told)):
        lines_of(asked)


def test_the_last_word_is_enough_where_it_is_one_key_alone() -> None:
    assert lines_of("leak_time_constant") == lines_of("tile.device.leak_time_constant")


def test_json_has_what_the_lines_have(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        main(["explain", "tile.col_converter.bits", "--json"])
    assert status.value.code == 0
    data = json.loads(capsys.readouterr().out)
    assert data == plain_of("tile.col_converter.bits")
    (own,) = data["found"]
    assert own["means"][0] | {"of": ""} == {
        "of": "", "meaning": "Bits of a code.", "unit": "", "default": "", "required": True, "kinds": [], "words": [],
        "allowed": "a whole number 1 or more and at most 32",
    }  # fmt: skip
    assert {each["value"] for each in own["moves"]} == {"4", "16"}
    assert plain_of("area_m2")["unit"] == "m2"


@pytest.mark.parametrize("path", ["tile", "tile.device", "routing.options", "layers", "package", "variants.a.rows"])
def test_a_section_shows_its_keys(path: str) -> None:
    text = "\n".join(lines_of(path))
    for own in explained(path):
        for key in own.keys:
            for section in key.below.values():
                assert all(f"{name.name}" in text for name in [Explained(path, own.spec, (key,)).keys[0]])
                assert section.__name__


def test_texts_of_a_spec_are_not_listed() -> None:
    for path in ABOUT[:3]:
        assert "shipped" not in "\n".join(lines_of(path))
