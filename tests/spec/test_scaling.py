"""Technology scaling: the tables' laws, what scales and what does not, and what is said of it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import evaluate, load_arch, load_workload
from archsim.base.errors import SpecError
from archsim.estimates.technology import NODES_NM
from archsim.results.metrics import HEADLINE
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.spec.scaling import Scaling, factors_of, left_alone
from archsim.studies.views import show_lines

REFERENCE, PACKET = "ambrogio_nature_2018", "ambrogio_nature_2018_packet"
PLAIN = load_arch(PACKET)
nodes = st.sampled_from(NODES_NM)
kinds = st.sampled_from(["high_performance", "low_power"])


def at(reference: object, target: object, *more: str, base: str = PACKET) -> Loaded[ArchSpec]:
    return load_arch(base, [f"scaling.reference={reference} nm", f"scaling.target={target} nm", *more])


def declared(reference: int, target: int, **more: Any) -> Scaling:
    return Scaling(reference_m=f"{reference} nm", target_m=f"{target} nm", **more)  # type: ignore[arg-type]


# ---- the tables


@pytest.mark.parametrize(
    ("reference", "target", "area"), [(90, 14, 0.061), (90, 32, 0.16), (32, 14, 0.38), (45, 7, 0.059), (14, 45, 5.8)]
)
def test_areas_are_those_of_the_paper(reference: int, target: int, area: float) -> None:
    assert factors_of(declared(reference, target), 0.9)["area"] == (area, "Stillmaker and Baas 2017")


def test_energy_is_the_ratio_of_two_equations_at_their_supplies() -> None:
    # By hand, a V^2 + b V + c: 90 nm at 1.2 V 4.762 x 1.44 - 4.781 x 1.2 + 2.092 = 3.21208;
    # 14 nm at 0.8 V 0.2363 x 0.64 - 0.09675 x 0.8 + 0.02239 = 0.096222.
    scaling = declared(90, 14, reference_supply_v="1.2 V", target_supply_v="0.8 V")
    assert factors_of(scaling, 1.0)["energy"][0] == pytest.approx(0.096222 / 3.21208, rel=1e-3)


def test_delay_is_the_ratio_of_two_equations_if_it_is_asked_for() -> None:
    # By hand, a V^3 + b V^2 + c V + d: 65 nm at 1 V -53.3 + 230.4 - 333.9 + 178.6 = 21.8;
    # 14 nm at 0.8 V -40.66 x 0.512 + 109.2 x 0.64 - 100.6 x 0.8 + 35.92 = 4.51.
    more = {"reference_supply_v": "1.0 V", "target_supply_v": "0.8 V"}
    assert "delay" not in factors_of(declared(65, 14, **more), 1.0)
    scaling = declared(65, 14, delays="scaled", **more)
    assert factors_of(scaling, 1.0)["delay"][0] == pytest.approx(4.510 / 21.8, rel=2e-3)


@given(nodes, nodes, nodes)
def test_areas_go_back_and_forth_and_by_way_of_others(a: int, b: int, c: int) -> None:
    factor = {(x, y): factors_of(declared(x, y, energy=1), 1.0)["area"][0] for x in (a, b, c) for y in (a, b, c)}
    # Two digits are printed, so that products are off by 5 % per factor at most.
    assert factor[a, b] * factor[b, a] == pytest.approx(1, rel=0.11)
    assert factor[a, b] * factor[b, c] == pytest.approx(factor[a, c], rel=0.16)
    assert (factor[a, b] < 1) == (b < a)


@given(nodes, kinds, st.sampled_from([0.7, 0.8, 0.9]))
def test_a_node_to_itself_changes_nothing_and_energy_grows_with_the_supply(node: int, kind: str, volt: float) -> None:
    if node == 180:
        volt += 0.9  # the equation of 180 nm is for supplies of its time
    same = factors_of(declared(node, node, transistors=kind, delays="kept"), volt)
    assert {quantity: factor for quantity, (factor, _) in same.items()} == {"energy": 1, "area": 1}
    up = declared(node, node, transistors=kind, target_supply_v=f"{volt + 0.1} V")
    assert factors_of(up, volt)["energy"][0] > 1


# ---- what scales


def test_digital_parts_scale_and_all_others_are_listed() -> None:
    spec = at(45, 14).value
    changed = {path for path, figure in at(45, 14).figures.items()
               if path in PLAIN.figures and figure.text != PLAIN.figures[path].text}  # fmt: skip
    actions = ("add", "compare", "activate", "derive", "multiply_add", "loss")
    energies = {f"tile.neuron.{name}_energy" for name in actions}
    assert changed == {"tile.memory.energy", "tile.memory.area", "tile.neuron.area", *energies,
                       "routing.router.energy", "routing.router.area"}  # fmt: skip
    kept = [line.split(" ")[0] for line in left_alone(spec)]
    edges = [f"tile.{edge}" for edge in ("row_driver", "col_driver", "col_converter", "row_converter")]
    assert kept == ["tile.device", "tile.array", *edges, *(f"tile.periphery[{i}]" for i in range(3)), "host"]
    assert len(kept) + len({"memory", "neuron", "router", "link"}) == len(spec.components())  # nothing is forgotten
    assert spec.tile.memory.energy_j == pytest.approx(PLAIN.value.tile.memory.energy_j * 0.188)
    assert spec.tile.device == PLAIN.value.tile.device
    assert spec.technology == PLAIN.value.technology


def test_delays_scale_if_asked_for_and_stay_exact() -> None:
    spec = at(45, 14, "scaling.delays=scaled", "scaling.delay=0.5").value
    assert spec.tile.memory.access_s * 2 == PLAIN.value.tile.memory.access_s
    assert spec.routing.router.pipeline_s * 2 == PLAIN.value.routing.router.pipeline_s
    assert spec.routing.link.delay_s_per_m == PLAIN.value.routing.link.delay_s_per_m  # the wire stays


def test_the_bill_scales_where_the_parts_do() -> None:
    work = load_workload("mlp_digits")
    before, after = (
        evaluate(arch, work, examples=5).bill.by(lambda item: item.component) for arch in (PLAIN, at(45, 14))
    )
    for name in ("memory", "neuron"):
        assert after[name] == pytest.approx(before[name] * 0.188)
    for name in ("device", "crossbar", "col_converter", "row_driver"):
        assert after[name] == before[name]


def test_variants_scale_with_the_rest() -> None:
    spec = load_arch(
        PACKET, ["variants={small: {count: 1, rows: 64}}", "scaling.reference=45 nm", "scaling.target=14 nm"]
    )
    assert spec.value.variants["small"].memory == spec.value.tile.memory
    assert spec.figures["variants.small.memory.energy"].status == "derived"


# ---- what is said


def test_show_names_both_nodes_what_was_and_what_stays() -> None:
    lines = show_lines(at(45, 14))
    text = "\n".join(lines)
    assert "digital parts from 45 nm to 14 nm: energy x 0.188 (Stillmaker and Baas 2017, 1 V to 1 V)" in text
    assert "left alone: delays, leakage, clock, tile.device (pcm_3t1c)" in text
    (line,) = [line for line in lines if line.startswith("tile.memory.energy")]
    assert line.split()[1:4] == ["1.88", "pJ", "derived"]
    assert "10 pJ (Horowitz" in line
    assert "from 45 nm to 14 nm" in line


def test_a_scaled_spec_written_out_is_the_same_and_is_not_scaled_twice(tmp_path: Path) -> None:
    base = load_arch("chang_ibmjrd_2019")
    path = tmp_path / "chip.yaml"
    path.write_text(base.document(), encoding="utf-8")
    again = load_arch(path)
    assert again.value == base.value
    assert again.hash == base.hash
    assert base.with_overrides(["tile.count=4"]).value.tile.memory == base.value.tile.memory
    assert at(45, 14).hash != PLAIN.hash
    assert at(45, 45).value.tile == PLAIN.value.tile


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        (
            ("45", "22"),
            r"a target of 22 nm is not in the tables; allowed: 180, 130, 90, 65, 45, 32, 20, 16, 14, 10, 7 nm",
        ),
        (("28", "14"), r"a reference of 28 nm is not in the tables"),
        (("32", "14", "scaling.delays=scaled"), r"1 V is beyond the equation of delay at 32 nm"),
        (("45", "14", "scaling.target_supply=0.3 V"), r"0.3 V is beyond the equation of energy at 14 nm"),
        (("45", "14", "scaling.transistors=fast"), r"'fast' is not allowed"),
        (("45", "14", "scaling.nodes=7"), r"unknown key"),
    ],
)
def test_what_cannot_be_scaled_is_explained(given_: tuple[str, ...], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        at(*given_)


def test_factors_of_ones_own_need_no_table() -> None:
    spec = at(28, 22, "scaling.energy=0.7", "scaling.area=0.6")
    assert spec.value.tile.memory.energy_j == pytest.approx(7e-12)
    assert "factor of the spec" in spec.figures["tile.memory.energy"].source
    # Where no target is named it is the node of the chip.
    chip = load_arch(REFERENCE, ["scaling.reference=45 nm"]).value
    assert chip.tile.memory.energy_j == at(45, 32).value.tile.memory.energy_j


def test_what_was_assumed_stays_assumed_and_is_varied_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    study, tasks = (import_module(f"archsim.studies.{name}") for name in ("sensitivity", "tasks.on_chip"))
    spec = at(45, 14)
    assert spec.figures["tile.neuron.area"].status == "assumption"
    area_m2 = spec.value.tile.neuron.area_m2
    monkeypatch.setattr(
        tasks, "headline_metrics", lambda arch, *_: dict.fromkeys(HEADLINE, arch.tile.neuron.area_m2 / area_m2)
    )
    neuron = {path: own for path, own in spec.figures.items() if path.startswith("tile.neuron")}
    vars(spec)["figures"] = neuron  # of all others it is the same, and takes longer
    found = study.sensitivity(spec, load_workload("mlp_digits"), examples=1)
    ratios = {
        effect.factor: effect.metrics["area_m2"]
        for effect in found.effects if effect.figure == "tile.neuron.area" and effect.metrics
    }  # fmt: skip
    assert ratios == pytest.approx({"low": 0.5, "high": 2.0})  # its range
