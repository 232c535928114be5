"""Ranges of figures: how they are written, what is wrong with one, and what is drawn from them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.spec.arch import ArchSpec
from archsim.spec.figure_ranges import Range, with_figures
from archsim.spec.loading import Loaded, load_arch

CONVERTER = "tile: {col_converter: {energy: {value: 19.4 pJ, range: [2 pJ, 25 pJ], source: Giordano}}}"


def arch(folder: Path, *lines: str, base: str = "ambrogio_nature_2018") -> Path:
    path = folder / "chip.yaml"
    path.write_text("\n".join(["kind: arch", f"extends: {base}", *lines, "published: []"]), encoding="utf-8")
    return path


def at(loaded: Loaded[ArchSpec], end: str) -> tuple[Range, ...]:
    """Return the ranges of the figures whose path ends so."""
    return tuple(own for own in loaded.ranges if own.path.endswith(end))


def test_a_range_is_read_in_its_unit_kept_in_the_file_and_gone_where_the_figure_is_set(tmp_path: Path) -> None:
    loaded = load_arch(arch(tmp_path, CONVERTER))
    assert at(loaded, "col_converter.energy") == (
        Range("tile.col_converter.energy", "Giordano", 2e-12, 19.4e-12, 25e-12),
    )
    again = tmp_path / "again.yaml"
    again.write_text(loaded.document(), encoding="utf-8")
    assert load_arch(again).ranges == loaded.ranges
    digests = {load_arch(arch(tmp_path, line)).digest for line in (CONVERTER, CONVERTER.replace("[2", "[3"))}
    assert digests == {loaded.digest}  # a range changes no result, but how sure it is
    assert at(loaded.with_overrides(["tile.col_converter.energy=19.4 pJ"]), "col_converter.energy") == ()


def test_the_ranges_of_a_variant_are_those_of_the_default_tile_and_one_draw_with_them(tmp_path: Path) -> None:
    both = "{energy: {value: 19.4 pJ, range: [2 pJ, 25 pJ]}}"
    loaded = load_arch(arch(tmp_path, f"tile: {{col_converter: {both}}}", "variants: {small: {rows: 64, count: 1}}"))
    assert {own.path for own in at(loaded, "col_converter.energy")} == {
        "tile.col_converter.energy", "variants.small.col_converter.energy"
    }  # fmt: skip
    assert {own.name for own in at(loaded, "col_converter.energy")} == {"tile.col_converter.energy"}


def test_a_range_is_scaled_with_its_figure(tmp_path: Path) -> None:
    line = "tile: {memory: {energy: {value: 10 pJ, range: [5 pJ, 20 pJ]}}}"
    loaded = load_arch(arch(tmp_path, line, "scaling: {reference: 45 nm, target: 14 nm}"))
    (own,) = at(loaded, "memory.energy")
    factor = loaded.marks["tile.memory.energy"].factor
    assert factor < 1
    assert (own.low, own.value, own.high) == pytest.approx((5e-12 * factor, 10e-12 * factor, 20e-12 * factor))
    assert own.value == pytest.approx(loaded.value.tile.memory.energy_j)


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        ("energy: {value: 1 pJ, range: [2 pJ, 3 pJ]}", "energy: the range .* excludes the value, 1 pJ; widen it"),
        ("energy: {value: 1 pJ, range: [3 pJ, 0.5 pJ]}", "ends below where it begins; give the lowest first"),
        ("energy: {value: 1 pJ, range: [0.5 ns, 2 pJ]}", "'ns' is not a unit of energy"),
        ("energy: {value: 1 pJ, range: [0 pJ, 2 W]}", "'W' is not a unit of energy"),
        ("energy: {value: 1 pJ, range: [1 pJ]}", "energy.range: is not two figures; give the lowest and the highest"),
        ("energy: {value: 1 pJ, range: 3}", "is not two figures"),
        (
            "energy: {value: 1 pJ, source: x, status: stand-in}",
            "1 pJ stands in for a figure .* has no range; say how far",
        ),
        ("kind: {value: ramp_adc, range: [1, 2]}", "is of something that is no quantity; leave it out"),
    ],
)
def test_what_is_wrong_with_a_range_is_told_with_its_place(tmp_path: Path, figure: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        load_arch(arch(tmp_path, f"tile: {{col_converter: {{{figure}}}}}"))


@given(st.floats(1e-15, 1e3), st.floats(1, 100), st.floats(1, 100), st.floats(0.001, 0.999))
def test_quantiles_of_both_distributions(value: float, below: float, above: float, at: float) -> None:
    plain = Range("a", "a", value / below, value, value * above)
    # log-uniform: the logarithm goes evenly from one end to the other
    assert math.log(plain.at(at)) == pytest.approx(math.log(plain.low) + at * math.log(plain.high / plain.low))
    known = Range("a", "a", value / below, value, value * above, lognormal=True)
    assert (known.at(0.1), known.at(0.5), known.at(0.9)) == pytest.approx((known.low, value, known.high))


def test_a_range_that_begins_at_zero_is_drawn_uniformly() -> None:
    assert Range("a", "a", 0.0, 1.0, 4.0).at(0.25) == 1.0


def test_figures_are_replaced_where_they_stand_and_nothing_else_changes() -> None:
    spec = load_arch("pcm64_package_32nm").value
    changed = with_figures(spec, {"tile.col_converter.energy": 3e-12, "package.link.latency": 5e-8, "tile.rows": 100.2})
    assert (changed.tile.col_converter.energy_j, changed.tile.rows) == (3e-12, 100)
    assert changed.package is not None
    assert float(changed.package.link.latency_s) == 5e-8
    assert changed.tile.row_converter == spec.tile.row_converter
    assert with_figures(changed, {}) is changed
