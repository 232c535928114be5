"""The part of a training's report about saturation: what met an end of a range, by layer, and the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archsim.functional.ranges import REMEDIES, WORTH_A_WARNING
from archsim.report.table import Column, Table


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def saturation_table(data: Mapping[str, Any]) -> Table:
    """Return the shares by seed, epoch and layer."""
    rows = [
        (seed, epoch, layer, *(own.get(kind) for kind in REMEDIES))
        for seed, run in zip(data["seeds"], data["saturation"], strict=True)
        for epoch, layers in enumerate(run, 1)
        for layer, own in layers.items()
    ]
    columns = (Column("seed"), Column("epoch"), Column("layer"), *(Column(_words(kind), "%") for kind in REMEDIES))
    return Table("saturation", "What met an end of a range", columns, tuple(rows))


def saturation_section(data: Mapping[str, Any]) -> list[str]:
    """Return the lines of the report: by layer, the largest share that any seed and epoch had."""
    layers = [layers for run in data["saturation"] for layers in run if layers]
    if not layers:
        return []
    kinds = list(REMEDIES)
    lines = [
        "",
        "## What met an end of a range",
        "",
        f"The largest share of any seed and epoch; above {WORTH_A_WARNING:.0%} in bold. Each is of what it names: "
        "conductances asked for in transfers, weights, cells written, capacitors, columns and pulses of updates.",
        "",
        f"| layer | {' | '.join(map(_words, kinds))} |",
        f"| --- |{' ---: |' * len(kinds)}",
    ]
    for layer in layers[0]:
        most = [max(own[layer][kind] for own in layers) for kind in kinds]
        cells = [f"**{value:.2%}**" if value > WORTH_A_WARNING else f"{value:.2%}" for value in most]
        lines.append(f"| {layer} | {' | '.join(cells)} |")
    return lines


def warned(data: Mapping[str, Any]) -> list[str]:
    """Return the lines with which a terminal warns, an empty one first, if there is something to warn of."""
    return ["", *(f"  warning: {line}" for line in data["warnings"])] if data["warnings"] else []
