"""Design choices: what saves area, energy or parts costs time or precision, or is refused, or its figures are told."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import ArchsimError
from archsim.base.section import marks_of, yaml_key
from archsim.base.units import Dimension
from archsim.chip import build_chip
from archsim.cli import main
from archsim.components import COMPONENTS
from archsim.functional.train import quantisers_of
from archsim.results.peak import chip_metrics, peak
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from tests.helpers import PACKET, REFERENCE, SHIPPED

# Where a component of a role stands, and what it needs around it.
PLACES = {
    "device": "tile.device", "array": "tile.array", "driver": "tile.row_driver", "converter": "tile.col_converter",
    "memory": "tile.memory", "neuron": "tile.neuron", "accumulator": "tile.accumulator", "link": "routing.link",
    "router": "routing.router", "host": "host", "chip_link": "package.link",
}  # fmt: skip
SMALL = ("tile.rows=64", "tile.cols=64", "tile.count=2", "floorplan.columns=2")
SERIAL = (
    "tile.row_driver={kind: bit_serial_driver, bits: 8, step: 10 ns, energy: 0.4 pJ, area: 1 um2, sampled: each_step}",
    "tile.col_converter={kind: sar_adc, bits: 8, energy: 2 pJ, area: 1200 um2, rate: 1 ns, lines_per_unit: 8}",
)
ADDS = "tile.accumulator={kind: shift_add, step: 1 ns, energy: 0.02 pJ, area: 60 um2}"
CHOICES = [(kind, name) for kind, cls in COMPONENTS.items() for name in cls.choices]


@dataclass(frozen=True)
class Found:
    """What a chip costs, how long things take on it, and how fine it is: larger is dearer, slower, finer."""

    saved: Mapping[str, float]
    times: Mapping[str, float]
    fineness: Mapping[str, float]


def base_of(kind: str, name: str) -> tuple[str, tuple[str, ...]]:
    role = COMPONENTS[kind].role
    if kind == "cco_adc":  # it counts for 77 ns at 8 bits
        return PACKET, (*SMALL, "tile.row_driver.step=10 ns", "tile.col_driver.step=10 ns", ADDS)
    if name == "slices":
        return PACKET, (*SMALL, ADDS)
    if role == "accumulator":
        return PACKET, (*SMALL, *SERIAL)
    if role == "chip_link":
        return PACKET, (*SMALL, "package={chips: 2, gap: 1 mm}")
    return (REFERENCE if kind in ("ramp_adc", "duration_link") else PACKET), SMALL


def with_choice(kind: str, name: str, value: Any) -> Loaded[ArchSpec]:
    """Return a chip with an example of the component, of which one choice was changed afterwards."""
    base, sets = base_of(kind, name)
    cls = COMPONENTS[kind]
    inner = ", ".join(f"{key}: {text}" for key, text in cls.example.items())
    place = PLACES[cls.role]
    return load_arch(base, [*sets, f"{place}={{kind: {kind}, {inner}}}", f"{place}.{yaml_key(name)}={value}"])


@functools.cache
def measured(kind: str, name: str, value: Any) -> Found | None:
    """Return what the chip comes to, or None where it is refused."""
    try:
        loaded = with_choice(kind, name, value)
        chip = build_chip(loaded.value)
        mode = "training" if not loaded.value.tile.missing("tile") else "inference"
        top, own = peak(chip, mode), chip_metrics(chip, mode)
    except ArchsimError:
        return None
    spec, tile = loaded.value, loaded.value.tile
    device, leaks = tile.device, {part.component for part in chip.parts if part.leakage_w}
    steps = {state: getattr(device, f"{state}_steps") for state in ("transfer", "rewrite", "programming")}
    found = device.actions()
    saved = {
        "area": chip.area_m2,
        "parts": float(sum(part.instances for part in chip.parts)),
        # Without leakage, which falls with time: a part that is faster saves it for nothing.
        "energy": sum(joules for part, joules in top.energy_j_by_component.items() if part not in leaks),
        **{state: sum(device.repeats(step) * found[step].energy_j for step in own_steps)
           for state, own_steps in steps.items()},
    }  # fmt: skip
    times = {
        **top.busy_cycles,
        **{key: figure for key, figure in own.items() if key.endswith("latency_s")},
        **{state: float(device.row_time_s(own_steps)) for state, own_steps in steps.items()},
    }
    if tile.accumulator is not None:
        times["add"] = float(
            tile.accumulator.actions()["add"].duration_s(tile.cols, tile.accumulator.units(tile.cols))[1]
        )
    fineness = {name: float(getattr(device, name)) for name in ("reachable_siemens", "residual_pulses", "trim_pulses")
                if hasattr(device, name)}  # fmt: skip
    if mode == "training":
        edges = quantisers_of(spec, tile, 1.0)
        fineness |= dict(zip(("drive", "delta", "read", "error", "slots"), map(float, edges.levels), strict=False))
    return Found(saved, times, fineness)


def values_of(kind: str, name: str) -> Iterator[Any]:
    """Yield values of a choice in order, over as much of its stated range as a small chip can show."""
    cls = COMPONENTS[kind]
    field = cls.model_fields[name]
    mark = next((mark for mark in marks_of(field) if isinstance(mark, Dimension)), None)
    assert mark is not None
    now = cls.example.get(yaml_key(name), field.default)
    if mark.whole:
        most = min(mark.most, 4096)
        yield from (n for n in (1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 1024, 4096) if mark.least <= n <= most)
    else:
        number, unit = str(now).split(" ", 1) if " " in str(now) else (str(now), "")
        yield from (f"{float(number) * factor!r} {unit}".strip() for factor in (0.25, 0.5, 1, 2, 4))


def less(a: Mapping[str, float], b: Mapping[str, float]) -> set[str]:
    """Return in what `a` is below `b`."""
    return {key for key in a.keys() & b.keys() if a[key] < b[key] * (1 - 1e-9)}


def told_of(kind: str, name: str, values: Sequence[Any]) -> bool:
    """Return whether figures depend on a choice and no longer fit at one of its values."""
    cls = COMPONENTS[kind]
    depends = bool(cls.choices[name] or cls.beside.get(name))
    return depends and any(with_choice(kind, name, value).misfits() for value in values)


# Sharing, and every ninth of the others, in few values; all of them in all values among the slow tests.
FEW = [each for i, each in enumerate(CHOICES) if each[1] == "lines_per_unit" or i % 9 == 0]


@pytest.mark.parametrize(("kind", "name"), FEW, ids=str)
def test_what_a_choice_saves_it_costs(kind: str, name: str) -> None:
    values = list(values_of(kind, name))
    hold_the_law(kind, name, [values[0], values[len(values) // 2], values[-1]])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), CHOICES, ids=str)
def test_what_any_choice_saves_it_costs_at_any_value(kind: str, name: str) -> None:
    hold_the_law(kind, name, list(values_of(kind, name)))


def hold_the_law(kind: str, name: str, values: Sequence[Any]) -> None:
    # Origin: the law itself, between neighbours of a sweep and between its ends, both ways.
    cls = COMPONENTS[kind]
    assert name in cls.model_fields
    assert all(figure in cls.model_fields for figure in cls.choices[name])
    found = [(value, measured(kind, name, value)) for value in values]
    known = [(value, own) for value, own in found if own is not None]
    assert known, "all values are refused"
    for (a, one), (b, other) in {*_pairs(known)}:
        for (to, after), (_, before) in (((a, one), (b, other)), ((b, other), (a, one))):
            saves = less(after.saved, before.saved)
            if not saves:
                continue
            pays = less(before.times, after.times) | less(after.fineness, before.fineness)
            assert pays or told_of(kind, name, (a, b)), f"{name} {to} saves {saves} for nothing"


class _Key(tuple[Any, ...]):
    """A pair that can be a member of a set, by its value."""

    def __hash__(self) -> int:
        return hash(self[0])


def _pairs(known: list[tuple[Any, Found]]) -> Iterator[tuple[_Key, _Key]]:
    for one, other in (*itertools.pairwise(known), (known[0], known[-1])):
        yield _Key(one), _Key(other)


@pytest.mark.parametrize("base", [REFERENCE, PACKET])
def test_a_shared_converter_costs_time_wherever_vectors_travel(base: str) -> None:
    # Origin: lines of a converter are served one after another, 8 x 64 ns by ramps, 8 x 207 ns by conversions.
    own = {1: 64, 8: 512} if base == REFERENCE else {1: 207, 8: 8 * 207}
    for lines, cycles in own.items():
        sets = [f"tile.{edge}_converter.lines_per_unit={lines}" for edge in ("col", "row")]
        chip = build_chip(load_arch(base, sets).value)
        assert peak(chip).busy_cycles["col_converter"] == cycles
        assert chip_metrics(chip, "training")["read_latency_s"] == pytest.approx((80 + cycles) * 1e-9)


# ---- figures that were given for something else


def words(*sets: str, base: str = PACKET) -> list[str]:
    return load_arch(base, sets).misfits()


def test_a_figure_for_8_bits_is_not_billed_silently_for_4() -> None:
    now = "for bits 8; it is 4 now"
    assert words("tile.col_converter.bits=4") == [
        f"tile.col_converter: energy 19.4 pJ holds {now}; try {{estimate: adc_energy}}, which follows it",
        f"tile.col_converter: area 390 um2 holds {now}; try {{estimate: adc_area}}, which follows it",
        f"tile.col_converter: conversion_time 207 ns, ramp 64 ns hold {now}",
    ]


def test_a_size_is_told_with_the_estimator_that_follows_it() -> None:
    now = "for words 1024; it is 2048 now"
    assert words("tile.memory.words=2048") == [
        f"tile.memory: access 1 ns holds {now}",
        f"tile.memory: energy 10 pJ holds {now}; try {{estimate: sram_energy}}, which follows it",
        f"tile.memory: area 0.016 mm2 holds {now}; try {{estimate: sram_area}}, which follows it",
    ]


def test_check_tells_of_what_node_a_stand_in_is_and_a_run_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Its range is for that; `--set` counts, and so does another way to write the same node."""
    with pytest.raises(SystemExit):
        main(["check", REFERENCE, "--set", "technology.node=65 nm"])
    told = capsys.readouterr().out
    assert "tile.memory: energy 10 pJ holds for node 45 nm; it is 65 nm now; try {estimate: sram_energy}" in told
    assert "node 65 nm" not in told
    assert words("technology.node=0.032 um", base=REFERENCE) == words(base=REFERENCE) == []
    said = load_arch(REFERENCE, ["technology.node=0.045 um"]).misfits(stand_ins=True)
    assert not any(line.startswith("tile.memory: energy") for line in said)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_stand_in_whose_source_names_a_node_says_that_it_is_for_it(name: str) -> None:
    for path, figure in load_arch(name).figures.items():
        nodes = re.findall(r"(\d+)[ -]nm", figure.source)
        if figure.status == "stand-in" and not figure.written and len(nodes) == 1:
            assert f"node {nodes[0]} nm" in figure.given_for, path


def test_a_choice_that_no_figure_depends_on_is_not_told() -> None:
    assert words("tile.col_converter.lines_per_unit=8") == []
    assert words() == []


def test_what_is_given_anew_or_set_back_fits() -> None:
    assert words("tile.col_converter.bits=4", "tile.col_converter.bits=8") == []
    (said,) = words("tile.row_driver.bits=5", "tile.row_driver.energy=20 fJ")
    assert said == "tile.row_driver: area 240 um2 holds for bits 7; it is 5 now"
    new = "{kind: pwm_driver, bits: 5, step: 0.5 ns, energy: 20 fJ, area: 100 um2}"
    assert words(f"tile.row_driver={new}") == []


def test_figures_of_neighbours_and_of_the_node_are_told() -> None:
    (said,) = words("routing.link.width_bits=128")
    assert said == "routing.router: energy 20.74 pJ, area 0.15 mm2 hold for width bits 256; it is 128 now"
    assert any(
        said.startswith("tile.device: ") and "node 32 nm; it is 14 nm now" in said
        for said in words("technology.node=14 nm")
    )


def test_a_base_and_a_variant_are_told_too_and_a_file_can_say_it_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "kind: arch\nextends: ambrogio_nature_2018_packet\nname: mine\ntile: {memory: {kind: sram, ports: 4}}\n"
        "variants: {other: {count: 1, neuron: {kind: neuron_unit, lanes: 8}}}\npublished: []\n"
    )
    loaded = load_arch(path)
    said = [
        "tile.memory: energy 10 pJ, area 0.016 mm2 hold for ports 2; it is 4 now",
        "variants.other.memory: energy 10 pJ, area 0.016 mm2 hold for ports 2; it is 4 now",
        "variants.other.neuron: area 0.02 mm2 holds for lanes 64; it is 8 now",
    ]
    assert sorted(loaded.misfits()) == said
    with pytest.raises(SystemExit) as left:
        main(["check", str(path)])
    assert not left.value.code
    printed = capsys.readouterr().out
    assert all(each in printed for each in said)
    # The file that a report keeps stands alone, and says the same.
    (tmp_path / "alone.yaml").write_text(loaded.document())
    assert sorted(load_arch(tmp_path / "alone.yaml").misfits()) == said
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["run", str(path), "mlp_digits", "--examples", "3", "--out", "out"])
    assert said[0] in (tmp_path / "out" / "report.md").read_text("utf-8")


def test_a_figure_can_say_what_it_was_given_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    energy = "energy: {value: 2 pJ, source: a paper, given_for: bits 8}"
    path.write_text(
        "kind: arch\nextends: ambrogio_nature_2018_packet\nname: mine\npublished: []\n"
        f"tile: {{col_converter: {{kind: sar_adc, bits: 6, {energy}, area: 100 um2, rate: 1 ns}}}}\n"
    )
    assert load_arch(path).misfits() == [
        "tile.col_converter: energy 2 pJ holds for bits 8; it is 6 now; try {estimate: adc_energy}, which follows it"
    ]
