"""The report of a training: accuracy on the chip beside floating point, as history.json, a table and a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.report.figures import COLOURS, draw
from archsim.report.folder import write_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWNED = ("history.json", "train.md", "accuracy.svg", "activity.yaml")


def write_training(data: Mapping[str, Any], folder: Path, more: Mapping[str, str] | None = None) -> Path:
    """Write a history as history.json, train.md and accuracy.svg, and more files beside them; return the folder."""
    files = {
        **(more or {}),
        "history.json": json.dumps(data, indent=1, allow_nan=False) + "\n",
        "train.md": _markdown(data),
        "accuracy.svg": _curves(data),
    }
    return write_folder(folder, files, OWNED)


def training_lines(data: Mapping[str, Any]) -> list[str]:
    """Return what the terminal shows of a training."""
    final = data["final"]
    if final["accuracy_chip_mean"] is None:
        return ["no epoch was finished"]
    ablated = f", without {', '.join(data['ablated'])}" if data["ablated"] else ""
    epochs = max(map(len, data["accuracy_chip"]))
    seeds = len(data["seeds"])
    names = f"{data['arch']['name']} x {data['workload']['name']}"
    return [
        f"{names}    {epochs} epochs, {seeds} seed{'s' * (seeds > 1)}{ablated}",
        "",
        f"  accuracy on the chip        {final['accuracy_chip_mean']:8.2%}",
        f"  in floating point           {final['accuracy_float_mean']:8.2%}",
        f"  difference                  {100 * final['difference']:+8.2f} percentage points",
    ]


def _markdown(data: Mapping[str, Any]) -> str:
    lines = [f"# Training {data['workload']['name']} on {data['arch']['name']}", ""]
    lines += [
        f"{data['data']['train']:,} examples for training and {data['data']['test']:,} for testing: "
        f"{data['data']['source']}. The floating-point twin has the same network, examples, order and seed.",
        "",
        "![accuracy](accuracy.svg)",
        "",
        "| seed | epoch | on the chip | floating point | loss, chip | loss, float | pulses per synapse | clipped |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    if data["ablated"]:
        lines.insert(2, f"Taken away from the chip: {', '.join(data['ablated'])}.\n")
    for i, seed in enumerate(data["seeds"]):
        columns = ("accuracy_chip", "accuracy_float", "loss_chip", "loss_float", "pulses_per_synapse", "clipped_share")
        for epoch, row in enumerate(zip(*(data[name][i] for name in columns), strict=True)):
            chip, float_, loss_chip, loss_float, pulses, clipped = row
            lines.append(
                f"| {seed} | {epoch + 1} | {chip:.2%} | {float_:.2%} | {loss_chip:.4f} | {loss_float:.4f} "
                f"| {pulses:.4f} | {clipped:.2%} |"
            )
    versions = f"Spec {data['arch']['hash']}, workload {data['workload']['hash']}, archsim {data['version']}."
    lines += ["", f"Repeat: `{data['command']}`. {versions}", ""]
    return "\n".join(lines)


def _curves(data: Mapping[str, Any]) -> str:
    def paint(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        for name, tone, label in (
            ("accuracy_float", COLOURS["load"], "floating point"), ("accuracy_chip", COLOURS["forward"], "on the chip"),
        ):  # fmt: skip
            for i, run in enumerate(data[name]):
                epochs = range(1, len(run) + 1)
                axes.plot(
                    epochs, [100 * value for value in run], color=tone, label=label if not i else None, marker="."
                )
        axes.set_xlabel("epoch")
        axes.set_ylabel("accuracy on the test set, %")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid()
        axes.legend(loc="lower right")

    return draw(paint, height=3.4)
