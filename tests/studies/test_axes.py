"""What a sweep varies: ranges, keys in step, samples and conditions, held to numpy and to plain loops over the grid."""

from __future__ import annotations

import importlib
import itertools
import json
import operator
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.base.limits import POINTS
from archsim.base.shipped import builtin_names
from archsim.base.units import parse_number, parse_quantity
from archsim.spec.figures import figure_paths, text_at
from archsim.spec.loading import flat, load_arch
from archsim.studies.conditions import SIGNS, conditions_of
from archsim.studies.study import silent
from archsim.studies.sweep.asked import asked
from archsim.studies.sweep.axes import axes_of, space_of
from archsim.studies.sweep.grid import Inputs
from archsim.studies.sweep.spans import DIGITS, RangeError, range_of
from archsim.studies.sweep.study import STUDY
from tests.cli.test_cli import Command, archsim
from tests.helpers import REFERENCE

__all__ = ["archsim"]  # a fixture

WORK = "mlp_digits"
DECIMALS = st.decimals("1e-6", "1e6", places=6).map(lambda own: own.normalize())
UNITS = st.sampled_from(["", "ns", "pJ/bit", "mm2"])


def values_of(text: str, whole: bool = False) -> list[Fraction]:
    span = range_of(text, lambda by_text: whole)
    assert span is not None
    return [parse_number(value.split(" ")[0]) for value in span.values()]


@given(low=DECIMALS, step=DECIMALS, count=st.integers(1, 40), part=st.fractions(0, Fraction(9, 10)), unit=UNITS)
def test_added_steps_are_those_of_exact_fractions(
    low: Decimal, step: Decimal, count: int, part: Fraction, unit: str
) -> None:
    beyond = Decimal(int(part * 1000)) / 1000 * step  # less than a step
    found = values_of(f"{low:f} {unit}..{low + count * step + beyond:f}{unit}:+{step:f}")
    assert found == [Fraction(low) + i * Fraction(step) for i in range(count + 1)]
    arange = np.arange(float(low), float(low + count * step) + float(step) / 2, float(step))
    assert np.allclose([float(own) for own in found], arange, rtol=1e-12)


@given(low=st.integers(1, 1000), factor=st.integers(2, 9), count=st.integers(1, 12), more=st.integers(0, 1))
def test_whole_factors_are_exact_and_end_where_they_reach(low: int, factor: int, count: int, more: int) -> None:
    texts = (span := range_of(f"{low}..{low * factor**count + more}:x{factor}")) and span.values()
    assert texts == tuple(str(low * factor**i) for i in range(count + 1))


@given(low=DECIMALS, ratio=st.decimals("1.01", "1e4", places=3), count=st.integers(2, 60), unit=UNITS)
def test_logarithmic_steps_are_those_of_numpy_to_the_digits_written(
    low: Decimal, ratio: Decimal, count: int, unit: str
) -> None:
    found = values_of(f"{low:f}..{low * ratio:f} {unit}:log:{count}")
    assert (found[0], found[-1], len(found)) == (Fraction(low), Fraction(low * ratio), count)
    assert all(a < b for a, b in itertools.pairwise(found))
    expected = np.geomspace(float(low), float(low * ratio), count)
    assert np.allclose([float(own) for own in found], expected, rtol=0.5 * 10.0 ** (1 - DIGITS) + 1e-12)


@given(low=st.integers(1, 200), over=st.integers(1, 5000), count=st.integers(2, 60))
def test_whole_keys_get_whole_numbers_each_once(low: int, over: int, count: int) -> None:
    found = values_of(f"{low}..{low + over}:log:{count}", whole=True)
    rounded = np.geomspace(low, low + over, count)
    assert found[0] == low
    assert found[-1] == low + over
    assert all(own.denominator == 1 for own in found)
    assert all(a < b for a, b in itertools.pairwise(found))
    assert all(min(abs(float(own) - value) for own in found) <= 0.5 + 1e-9 for value in rounded)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("128..1024:x2", "128 256 512 1024"),
        ("100..900:+200", "100 300 500 700 900"),
        ("100..1000:+200", "100 300 500 700 900"),
        ("1 ms..10 ms:log:5", "1 ms,1.77828 ms,3.16228 ms,5.62341 ms,10 ms"),
        ("1 ms..2 ms:+500 us", "1 ms,1.5 ms,2 ms"),
        ("500 us..1 ms:+250 us", "500 us,750 us,1000 us"),
        ("1..4 ms:x2", "1 ms,2 ms,4 ms"),
        ("1e-3..1e-1:log:3", "0.001 0.01 0.1"),
        ("1e-9..1e-7:x10", "1e-9 1e-8 1e-7"),
        ("10 %..30 %:+10", "10 %,20 %,30 %"),
        ("-1..1:+1", "-1 0 1"),
        ("1e6..1000003:+1", "1000000 1000001 1000002 1000003"),
        ("1000000..1000001 ns:log:3", "1000000 ns,1000000.5 ns,1000001 ns"),  # as many digits as tell them apart
        ("1 , 2..8 : x2", "1 2 4 8"),
    ],
)
def test_values_are_shown_as_one_would_write_them(text: str, values: str) -> None:
    (axis,) = axes_of([f"a.key={text}"])
    assert list(axis.values) == values.split("," if "," in values else " ")


def test_paths_and_words_are_no_ranges() -> None:
    for text in ("../a.yaml", "a..b", "1..", "..2", "v1..2", "{count: 1..2}"):
        assert range_of(text) is None
    assert axes_of(["arch=1..2,../b.yaml"])[0].values == ("1..2", "../b.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("9..1:+1", "does not rise"),
        ("1..9:+0", "leads nowhere"),
        ("1..9:x1", "a factor is above 1"),
        ("0..9:x2", "its lower end is not above 0"),
        ("-1..9:log:3", "its lower end is not above 0"),
        ("1..9:log:1", "1 value cannot reach"),
        ("1..9:by:3", "'by:3' says no steps"),
        ("1 ns..9 pJ:+1", "'pJ' and 'ns' are not units of one kind"),
        ("1 ns..9 ns:+1 pJ", "'pJ' and 'ns' are not units of one kind"),
    ],
)
def test_ranges_that_mean_nothing_are_told(text: str, says: str) -> None:
    with pytest.raises(RangeError, match=says):
        values_of(text)
    with pytest.raises(SpecError, match=r"--vary a\.key: "):
        axes_of([f"a.key={text}"])


@pytest.mark.parametrize(
    "text", ["0..1:+1e-9", f"1..2:x1.{'0' * 30}1", "1..2:log:999999999999", "1..9:x1.000001", "1..1e60:+1"]
)
def test_ranges_of_too_many_values_are_refused_at_once(text: str) -> None:
    with pytest.raises(SpecError, match=f"--vary a[.]key: .*above the limit of {POINTS.most:,}"):
        axes_of([f"a.key={text}"])


# ---- together, samples


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.data())
def test_keys_in_step_take_their_values_in_order_and_nothing_else(counts: list[int], data: Any) -> None:
    keys = [f"a.k{i}" for i in range(len(counts))]
    first = data.draw(st.integers(0, len(keys) - 2))
    group = [first, *data.draw(st.lists(st.integers(first + 1, len(keys) - 1), min_size=1, unique=True))]
    for place in group:
        counts[place] = counts[first]
    varied = [f"{key}={','.join(f'v{i}' for i in range(count))}" for key, count in zip(keys, counts, strict=True)]
    text = ",".join(keys[place] for place in data.draw(st.permutations(group)))
    points = [tuple(own.values()) for own in space_of(varied, together=[text]).points()]
    grid = itertools.product(*([f"v{i}" for i in range(count)] for count in counts))
    assert sorted(points) == sorted(row for row in grid if len({row[place] for place in group}) == 1)
    assert len(set(points)) == len(points)
    assert list(next(space_of(varied, together=[text]).points())) == keys


@settings(max_examples=8)
@given(
    st.sampled_from(["lhs", "sobol"]), st.integers(1, 70), st.integers(0, 2**32 - 2), st.integers(1, 50),
    st.integers(1, 300),
)  # fmt: skip
def test_samples_lie_within_their_ranges(sampler: str, count: int, seed: int, low: int, over: int) -> None:
    varied = [
        f"a.count={low}..{low + over}", f"a.share={low / 1000}..{(low + over) / 1000}:log",
        f"a.time=0.1234567 us..{low + over} us", "a.policy=x,y",
    ]  # fmt: skip
    space = space_of(varied, sample=count, sampler=sampler, seed=seed)
    points = list(space.points())
    assert len(points) == 2 * space.samples <= 2 * count
    for point in points:
        assert low <= int(point["a.count"]) <= low + over
        assert parse_number(str(low / 1000)) <= parse_number(point["a.share"]) <= parse_number(str((low + over) / 1000))
        time = parse_quantity(point["a.time"], "s")
        assert Fraction(1234567, 10**13) <= time <= Fraction(low + over, 10**6)
    assert points == list(space_of(varied, sample=count, sampler=sampler, seed=seed).points())
    assert len({tuple(point.values()) for point in points}) == len(points)


@pytest.mark.parametrize("count", [10, 16])
def test_a_latin_hypercube_has_one_sample_in_each_part(count: int) -> None:
    points = [*space_of([f"a.x=0..{count}.0", "a.y=1..2"], sample=count, seed=3, whole=lambda *_: False).points()]
    assert sorted(int(float(point["a.x"])) for point in points) == list(range(count))
    assert sorted(int((float(point["a.y"]) - 1) * count) for point in points) == list(range(count))


def test_whole_keys_are_known_by_the_spec_and_sampled_once() -> None:
    found = asked(Inputs(REFERENCE, WORK, vary=("tile.memory.ports=1..3", "training.learning_rate=1..3"), sample=30))
    ports, rates = (axis.values for axis in found.space.axes)
    assert ports == ("1", "2", "3")
    assert len(rates) == 30
    alone = asked(Inputs(REFERENCE, WORK, vary=("tile.memory.ports=1..3",), sample=30))
    assert sorted(point["tile.memory.ports"] for point in alone.points) == ["1", "2", "3"]


# ---- conditions


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=6, unique=True), st.sampled_from(sorted(SIGNS)),
    st.integers(1, 30), st.booleans(),
)  # fmt: skip
def test_conditions_leave_what_a_plain_comparison_leaves(
    numbers: Sequence[int], sign: str, limit: int, in_ns: bool
) -> None:
    (condition,) = conditions_of(
        [f"a.time {sign} {limit * 1000 if in_ns else limit} {'ns' if in_ns else 'us'}"], "-", ""
    )
    compare = {"<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt,
               ">": operator.gt}[sign]  # fmt: skip
    found = [own for own in numbers if condition.holds({"a.time": f"{own} us"}.get)]
    assert found == [own for own in numbers if compare(own, limit)]
    (between,) = conditions_of([f"a.x{sign}a.y"], "-", "")
    pairs = list(itertools.product(numbers, repeat=2))
    kept = [(x, y) for x, y in pairs if between.holds({"a.x": str(x), "a.y": f"{y}.0"}.get)]
    assert kept == [(x, y) for x, y in pairs if compare(x, y)]


def test_points_that_do_not_meet_a_condition_are_left_out() -> None:
    vary = ("tile.rows=64,128,256", "tile.cols=64,128,256", "schedule.transfer.policy=stop_all,staggered")
    where = ("tile.rows <= tile.cols", "schedule.transfer.policy != 'staggered'", "technology.clock >= 1 MHz",
             "tile.cols > 64", "dataset.examples < 1e9")  # fmt: skip
    found = asked(Inputs(REFERENCE, WORK, vary=vary, where=where))
    kept = [(int(point["tile.rows"]), int(point["tile.cols"])) for point in found.points]
    assert kept == [(x, y) for x in (64, 128, 256) for y in (64, 128, 256) if x <= y > 64]
    assert {point["schedule.transfer.policy"] for point in found.points} == {"stop_all"}
    assert found.left_out == 18 - len(kept)


def test_a_condition_that_values_decide_holds_for_points_that_cannot_be_built_too() -> None:
    vary = ("tile.rows=64,128", "tile.cols=64,128", "schedule.transfer.rows_in_parallel=1,100")
    found = asked(Inputs(REFERENCE, WORK, vary=vary, where=("tile.rows < tile.cols", "tile.rows >= 1")))
    assert {(point["tile.rows"], point["tile.cols"]) for point in found.points} == {("64", "128")}


@pytest.mark.parametrize("name", builtin_names("arch_specs"))
def test_a_condition_knows_all_that_a_spec_says(name: str) -> None:
    value = load_arch(name).value
    said = {key: str(own) for key, own in flat(value.resolved()).items() if own is not None}
    said |= dict(figure_paths(value, ""))
    said = {key: own for key, own in said.items() if "].set." not in key}  # what a published figure is compared at
    assert {key: text_at(value, key) for key in said} == said


def test_a_condition_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("open('made','w') == 0", "tile.rows == open('made','w')", "tile.rows <= 2**2**9", "a < b < c"):
        with pytest.raises(SpecError, match="--where "):
            asked(Inputs(REFERENCE, WORK, vary=("tile.rows=64,128",), where=(text,)))
    assert not list(tmp_path.iterdir())


FILL = ("--vary", "tile.rows=64,128")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*FILL, "--together", "tile.rows,tile.colz"), "--together tile.rows,tile.colz: 'tile.colz' is not varied"),
        ((*FILL, "--together", "tile.rows"), "is not several keys; for example --together tile.rows,tile.cols"),
        (
            (*FILL, "--vary", "tile.cols=1,2,3", "--together", "tile.rows,tile.cols"),
            "keys have different numbers of values: tile.rows 2, tile.cols 3; give each as many",
        ),
        (("--vary", "tile.rows=64..128"), "--vary tile.rows: the range says no steps; write LOW..HIGH:+STEP"),
        ((*FILL, "--sample", "3"), "--sample: no range is to be sampled; give one as --vary KEY=LOW..HIGH"),
        ((*FILL, "--sampler", "sobol"), "--sampler: is of no use without --sample"),
        (("--vary", "tile.rows=0.5..0.9", "--sample", "3"), "there is no whole number between its ends"),
        (("--vary", "tile.rows=1..9", "--sample", "3", "--sampler", "lhx"), "'lhx' is no sampler; did you mean 'lhs'?"),
        (("--vary", "tile.rows=1..9,3", "--sample", "3"), "a range without steps stands beside other values"),
        (("--vary", "tile.rows=1..9", "--sample", "999999"), "--sample: 999,999 points of a grid, above the limit"),
        ((*FILL, "--where", "tile.rowz < 3"), "'tile.rowz' has no value; did you mean 'tile.rows'?"),
        ((*FILL, "--where", "tile.rows"), "--where 'tile.rows': compares nothing, not one of <=, >=, ==, !=, <, >"),
        ((*FILL, "--where", "tile.rows = 3"), "'=' compares nothing; write tile.rows == 3"),
        ((*FILL, "--where", "tile.rows < 3 ns"), "tile.rows has no unit, and the other side is in 'ns'"),
        ((*FILL, "--where", "technology.clock < 3 ns"), "technology.clock is in 'Hz', and the other side is in 'ns'"),
        ((*FILL, "--where", "tile.rows < tile.colz"), "'tile.colz' is neither a quantity nor a name of one; did you"),
        ((*FILL, "--where", "schedule.mode < sequential"), "compare words by == or !="),
        ((*FILL, "--where", "tile.rows < 3"), "--where 'tile.rows < 3': holds at none of 2 points"),
        (("--vary", "arch=nowhere.yaml,ambrogio_nature_2018"), "nowhere.yaml: no such file"),
        (("--vary", "arch=ambrogio_nature_2019"), "did you mean 'ambrogio_nature_2018'?"),
        (("--vary", "workload=mlp_mnst,mlp_digits"), "did you mean 'mlp_mnist'?"),
        (("--vary", "arch=ambrogio_nature_2018,ambrogio_nature_2018"), "is given twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_anything_runs(
    archsim: Command, tmp_path: Path, words: Sequence[str], says: str
) -> None:
    answer = archsim("sweep", REFERENCE, WORK, *words)
    assert (answer.status, answer.out) == (2, "")
    assert says in answer.err
    assert all(line.startswith("archsim: ") for line in answer.err.splitlines())
    assert not list(tmp_path.iterdir())


def test_all_of_it_is_told_at_once(archsim: Command) -> None:
    answer = archsim(
        "sweep", "no_chip", WORK, "--vary", "tile.rows=9..1:+1", "--vary", "workload=no_work", "--where", "a",
        "--together", "x,y", "--seeds", "2", "--sampler", "none",
    )  # fmt: skip
    assert answer.status == 2
    for says in (
        "no_chip: ",
        "does not rise",
        "no_work: ",
        "--where 'a'",
        "'x' is not varied",
        "--seeds: ",
        "--sampler: ",
    ):
        assert says in answer.err


def test_without_scipy_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module

    def missing(name: str, *more: Any) -> Any:
        if name == "scipy.stats":
            raise ImportError(name)
        return load(name, *more)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SpecError, match=r"--sample: needs the package SciPy; pip install 'archsim\[search\]'"):
        space_of(["tile.rows=1..9"], sample=3)


# ---- chips and workloads as axes


def test_chips_and_workloads_are_varied_by_name_or_path_and_repeat(archsim: Command, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(f"kind: arch\nextends: {REFERENCE}\ntile:\n  rows: 64\n  cols: 64\n")
    words = ["sweep", REFERENCE, WORK, "--epochs", "1", "--vary", f"arch=own.yaml,{REFERENCE}",
             "--vary", "schedule.transfer.interval_examples=200..800:x2", "--where", "tile.rows < 100",
             "--out", "out"]  # fmt: skip
    assert archsim(*words).status == 0
    data = json.loads(Path("out/sweep.json").read_text("utf-8"))
    assert [point["settings"]["arch"] for point in data["points"]] == ["own.yaml"] * 3
    assert data["left_out"] == 3
    assert list(data["archs"]) == ["own.yaml", REFERENCE]
    alone = STUDY.perform(
        Inputs("own.yaml", WORK, vary=("schedule.transfer.interval_examples=200,400,800",), epochs=1),
        tmp_path / "alone", silent,
    )[0]  # fmt: skip
    assert [point["metrics"] for point in data["points"]] == [dict(own.metrics or {}) for own in alone.points]
    (tmp_path / "own.yaml").unlink()
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file() and path.suffix != ".sqlite"}
    assert archsim("run", "out", "--out", "again").status == 0
    assert {path: (Path("again") / path.relative_to("out")).read_bytes() for path in before} == before
