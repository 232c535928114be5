"""A floorplan as the section of a spec that gives it rectangle by rectangle, to be edited and pasted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from archsim.base.documents import dump_yaml
from archsim.chip.floorplan import CHANNEL, Plan
from archsim.chip.floorplan.plan import Rect
from archsim.export.formats import CHIP_FILES, ChipFile


def floorplan_yaml(plan: Plan, source: str) -> str:
    """Return `floorplan:` of kind explicit, in millimetres with all digits, so that it gives the same plan.

    Its figures are derived, and `source` says from what.
    """
    section: dict[str, Any] = {"kind": "explicit", "status": "derived", "source": source}
    section["die"] = _sizes(plan.width_m, plan.height_m)
    section["tiles"] = [_fields(site) for site in plan.sites]
    if plan.host.area_m2 > 0:
        section["host"] = _fields(plan.host)
    for key, wanted in (("blocks", False), ("channels", True)):
        listed = [block for block in plan.blocks if (block.kind == CHANNEL) == wanted]
        if listed:
            section[key] = [{"name": block.name, **_fields(block.rect)} for block in listed]
    return dump_yaml({"floorplan": section})


def _fields(rect: Rect) -> dict[str, str]:
    return {"x": _mm(rect.x_m), "y": _mm(rect.y_m), **_sizes(rect.width_m, rect.height_m)}


def _sizes(width_m: float, height_m: float) -> dict[str, str]:
    return {"width": _mm(width_m), "height": _mm(height_m)}


def _mm(length_m: float) -> str:
    return f"{Decimal(repr(float(length_m))).scaleb(3):f} mm"


CHIP_FILES.add("floorplan.yaml")(
    ChipFile(
        "floorplan rectangle by rectangle, to be edited and pasted into a spec",
        lambda chip, _: floorplan_yaml(chip.plan, f"floorplan of kind {chip.spec.floorplan.kind} of {chip.spec.name}"),
    )
)
