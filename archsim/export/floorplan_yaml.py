"""A floorplan as the section of a spec that gives it rectangle by rectangle, to be edited and pasted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from textwrap import indent
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
    parts = [dump_yaml({"floorplan": section}), _list("tiles", [_fields(site) for site in plan.sites])]
    if plan.host.area_m2 > 0:
        parts.append(indent(dump_yaml({"host": _fields(plan.host)}), "  "))
    for key, wanted in (("blocks", False), ("channels", True)):
        listed = [block for block in plan.blocks if (block.kind == CHANNEL) == wanted]
        if listed:
            parts.append(_list(key, [{"name": block.name, **_fields(block.rect)} for block in listed]))
    return "".join(parts)


PLAIN = re.compile(r"[a-z]+\d+|-?[\d.]+ mm", re.ASCII)
"""Scalars that stand in YAML as they are."""


def _list(key: str, items: Sequence[Mapping[str, str]]) -> str:
    """Return a list of mappings as the section has it; of a hundred thousand, a dumper of YAML needs half a minute."""
    if not all(PLAIN.fullmatch(value) for item in items for value in item.values()):
        return indent(dump_yaml({key: items}), "  ")
    rows = (f"  - {'    '.join(f'{name}: {value}{chr(10)}' for name, value in item.items())}" for item in items)
    return f"  {key}:\n{''.join(rows)}"


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
