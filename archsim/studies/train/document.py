"""The report of a training: the chip beside floating point, and its cells, as JSON, tables and figures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.base.words import counted
from archsim.functional.checkpoint import NAME, PART
from archsim.functional.probe import Findings
from archsim.functional.train import Progress, mean_of
from archsim.report.colours import COLOURS, CYCLE
from archsim.report.drawing import draw
from archsim.report.folder import replace_file, write_folder
from archsim.report.table import Column, Table
from archsim.results.bill import ActivityFile, activity_yaml
from archsim.studies.train.measures import ACCURACY, LOSSES, R2, measure
from archsim.studies.train.saturated import saturation_section, saturation_table, warned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TABLES = ("history", "saturation", "conductances", "weight_error")
OWNED = (
    "history.json", "train.md", "accuracy.svg", "conductances.svg", "weight_error.svg", "activity.yaml",
    *(f"{name}.csv" for name in TABLES),
    NAME, PART,
)  # fmt: skip
"""What a training writes; anything else in its folder belongs to others and is kept."""


def history_json(data: Mapping[str, Any]) -> str:
    """Return a history as JSON text; NaN and infinity are refused."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def write_history(data: Mapping[str, Any], folder: Path) -> None:
    """Replace the history.json in a folder, alone and at once: the rest of the report is written at the end."""
    replace_file(folder, "history.json", history_json(data))


def write_training(
    data: Mapping[str, Any],
    folder: Path,
    findings: Findings | None = None,
    activity: ActivityFile | None = None,
    *,
    goes_on: bool = False,
) -> Path:
    """Write a history as history.json, train.md, tables, figures and activity.yaml; return the folder.

    None of it is in a folder of its own, so that a training and a run can share theirs.

    `findings` are what a probe saw of the cells, and `activity` what finished seeds measured, if there are any. A
    training that `goes_on` keeps its checkpoint.
    """
    tables = tables_of(data, findings)
    files = {
        "history.json": history_json(data),
        "train.md": _markdown(data, tables, findings, activity),
        "accuracy.svg": _curves(data),
        **{f"{table.name}.csv": table.csv() for table in tables.values()},
    }
    if activity is not None:
        files["activity.yaml"] = activity_yaml(activity)
    if findings is not None:
        files["conductances.svg"] = _histograms(findings)
        if findings.losses:
            files["weight_error.svg"] = _losses(findings)
    return write_folder(folder, files, [name for name in OWNED if not (goes_on and name == NAME)])


def tables_of(data: Mapping[str, Any], findings: Findings | None = None) -> dict[str, Table]:
    """Return the tables of a training by name: the history, conductances and weight errors."""
    what = measure(data)
    judged = (what.key_of("chip"), what.key_of("float"))
    names = (*judged, "loss_chip", "loss_float", "pulses_per_synapse", "clipped_share")
    runs = [zip(*(data[name][i] for name in names), strict=True) for i in range(len(data["seeds"]))]
    rows = [
        (seed, epoch, *values)
        for seed, run in zip(data["seeds"], runs, strict=True)
        for epoch, values in enumerate(run, 1)
    ]
    units = (what.unit, what.unit, "", "", "", "%")
    judged = (what.head("on the chip"), what.head("floating point"))
    heads = (*judged, "loss, chip", "loss, float", "pulses per synapse", "clipped")
    columns = (Column("seed"), Column("epoch"), *map(Column, heads, units))
    found = [Table("history", "Epochs", columns, tuple(rows)), saturation_table(data)]
    if findings is not None:
        found.append(_conductances(findings))
        if findings.losses:
            found.append(_errors(findings))
    return {table.name: table for table in found}


def _conductances(findings: Findings) -> Table:
    rows = [
        (each.name, moment, 1e-6 * low, 1e-6 * high, count)
        for each in findings.histograms
        for moment, counts in each.counts.items()
        for low, high, count in zip(each.edges_us, each.edges_us[1:], counts, strict=False)
    ]
    columns = (Column("quantity"), Column("moment"), Column("from", "S"), Column("to", "S"), Column("cells"))
    return Table("conductances", "Conductances", columns, tuple(rows))


def _errors(findings: Findings) -> Table:
    rows = []
    for each in findings.losses:
        for time, n, mean, rms in zip(each.time_s, each.samples, each.mean_us, each.rms_us, strict=True):
            nominal = 1e-6 * findings.nominal_us(time) if findings.tau_s else None
            rows.append(
                (each.layer, time, n, 1e-6 * rms, 1e-6 * mean, nominal, rms / each.alpha_us, mean / each.alpha_us)
            )
    columns = (
        Column("layer"), Column("time since the transfer", "s"), Column("samples"), Column("RMS", "S"),
        Column("mean", "S"), Column("offset of the nominal cell", "S"), Column("RMS, network units"),
        Column("mean, network units"),
    )  # fmt: skip
    return Table("weight_error", "What leakage took from the weights", columns, tuple(rows))


def training_lines(data: Mapping[str, Any]) -> list[str]:
    """Return what the terminal shows of a training."""
    final = data["final"]
    if not any(data["loss_chip"]) or data["diverged"] is not None:
        return ["no epoch was finished"]
    what = measure(data)
    chip, floating = (final[f"{what.key_of(where)}_mean"] for where in ("chip", "float"))
    ablated = f", without {', '.join(data['ablated'])}" if data["ablated"] else ""
    epochs = max(map(len, data["loss_chip"]))
    seeds = len(data["seeds"])
    names = f"{data['arch']['name']} x {data['workload']['name']}"
    return [
        f"{names}    {counted(epochs, 'epoch')}, {counted(seeds, 'seed')}{ablated}",
        "",
        f"  {what.name + ' on the chip':<28}{what.text(chip):>8}",
        f"  in floating point           {what.text(floating):>8}",
        f"  difference                  {what.difference(final['difference'])}",
        *(_loss_lines(data) if what is R2 else ()),
        *warned(data),
    ]


def _loss_lines(data: Mapping[str, Any]) -> list[str]:
    """Return the mean losses of the last epochs, and by which loss."""
    chip, floating = (mean_of([run[-1] for run in data[f"loss_{where}"]]) for where in ("chip", "float"))
    words = LOSSES[data["loss"]]
    return [f"  loss on the chip            {chip:8.4g}    {words}", f"  in floating point           {floating:8.4g}"]


def progress_words(now: Progress, epochs: int, seeds: int) -> str:
    """Return what a terminal shows of a training under way, in two lines: where it is, and the last epoch that ended.

    >>> from archsim.functional.train import Epoch
    >>> print(progress_words(Progress(1, 2, 500, 1438, 0.25, Epoch(1, 1, 0.9, 0.95, 0.3, 0.2, 0.0, 0.0)), 20, 5))
    seed 1, epoch 3 of 20: 500 of 1,438, loss 0.250
    chip 90.00%, loss 0.300; float 95.00%, loss 0.200
    """
    place = f"seed {now.seed}, " if seeds > 1 else ""
    loss = "" if now.loss_chip is None else f", loss {now.loss_chip:.3f}"
    first = f"{place}epoch {now.epoch + 1} of {epochs}: {now.examples:,} of {now.per_epoch:,}{loss}"
    last = now.last
    if last is None:
        return f"{first}\nno epoch has ended"
    what, chip, floating = ACCURACY, last.accuracy_chip, last.accuracy_float
    if chip is None:
        what, chip, floating = R2, last.r2_chip, last.r2_float
    second = f"chip {what.head('')}{what.text(chip)}, loss {last.loss_chip:.3f}; "
    return f"{first}\n{second}float {what.head('')}{what.text(floating)}, loss {last.loss_float:.3f}"


def _markdown(
    data: Mapping[str, Any], tables: Mapping[str, Table], findings: Findings | None, activity: ActivityFile | None
) -> str:
    lines = [f"# Training {data['workload']['name']} on {data['arch']['name']}", ""]
    what = measure(data)
    if data["ablated"]:
        lines += [f"Taken away from the chip: {', '.join(data['ablated'])}.", ""]
    if data["diverged"] is not None:
        lines += [f"**Diverged**: {data['diverged']['says']}. What follows is what was reached before.", ""]
    elif not data["complete"]:
        lines += ["**Interrupted**: this is the history so far; the command below with `--resume` goes on.", ""]
    lines += [
        f"{counted(data['data']['train'], 'example')} for training and {data['data']['test']:,} for testing: "
        f"{data['data']['source']}. The floating-point twin has the same network, examples, order and seed. "
        f"The learning rate {_rates(data['rates'])}.",
        "",
        *(line for warning in data["warnings"] for line in (f"**Warning**: {warning}.", "")),
        f"![{what.title} on the test set and mean loss by epoch](accuracy.svg)",
        "",
    ]
    if what is R2:
        words = "R2 is the share of the targets' variance, all outputs together, that the network gives; the loss is "
        lines += [f"{words}{LOSSES[data['loss']]}.", ""]
    if len(data["seeds"]) > 1:
        lines += ["Thick lines are the mean of the seeds that reached an epoch, thin ones the seeds.", ""]
    heads = " | ".join(map(what.head, ("on the chip", "floating point")))
    lines += [
        f"| seed | epoch | {heads} | loss, chip | loss, float | pulses per synapse | clipped |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for seed, epoch, chip, float_, loss_chip, loss_float, pulses, clipped in tables["history"].rows:
        lines.append(
            f"| {seed} | {epoch} | {what.text(chip)} | {what.text(float_)} | {loss_chip:.4f} | {loss_float:.4f} "
            f"| {pulses:.4f} | {clipped:.2%} |"
        )
    lines += saturation_section(data)
    if findings is not None:
        lines += _cells(findings)
    listed = ", ".join(f"[{table.title.lower()}]({table.name}.csv)" for table in tables.values())
    versions = f"Spec {data['arch']['hash']}, workload {data['workload']['hash']}, archsim {data['version']}."
    lines += ["", f"Tables: {listed}."]
    if activity is not None:
        many = ", mean of the seeds that were finished" if len(data["seeds"]) > 1 else ""
        lines += ["", f"Activity of the arrays, for `archsim run --activity`: [activity.yaml](activity.yaml){many}."]
    lines += ["", f"Repeat: `{data['command']}`. {versions}", ""]
    return "\n".join(lines)


def _cells(findings: Findings) -> list[str]:
    """Return the part of the report about the cells."""
    when = (
        "before and after each row's last transfer" if findings.transferred else "at the end; nothing was transferred"
    )
    lines = ["", "## The cells", "", f"What the cells of all shards hold {when} (seed {findings.seed}).", ""]
    lines += ["![Conductances of all cells](conductances.svg)"]
    if not findings.losses:
        return [*lines, "", "Nothing leaked."]
    last = [(each, each.time_s[-1], each.rms_us[-1], each.mean_us[-1]) for each in findings.losses]
    began = "the rows' last transfer but one" if findings.transferred else "they were first programmed"
    lines += [
        "",
        f"What leakage took from the weights since {began}, by how long ago that was. The mean is signed by the",
        "polarity of the row, so that it is what the capacitors lost; the nominal cell loses the offset that it holds.",
        "",
        "![What leakage took, against the time since the transfer](weight_error.svg)",
        "",
        "| layer | longest | RMS | mean | RMS, network units |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for each, time, rms, mean in last:
        lines.append(
            f"| {each.layer} | {1e3 * time:.3g} ms | {rms:.3g} uS | {mean:.3g} uS | {rms / each.alpha_us:.3g} |"
        )
    return lines


def _rates(rates: Mapping[str, Mapping[str, float]]) -> str:
    chip, twin = (
        f"begins at {own['first']:g}, is multiplied by {own['decay']:g} with each epoch and kept above "
        f"{own['first'] * own['floor']:g}"
        for own in (rates["chip"], rates["float"])
    )
    return chip if chip == twin else f"{chip}; the twin's own {twin}"


def _curves(data: Mapping[str, Any]) -> str:
    measured = measure(data)

    def paint(figure: Figure) -> None:
        right, left = figure.subplots(1, 2)[::-1]
        for axes, what, scale, label in (
            (left, measured.key, 100 if measured.unit else 1, measured.axis),
            (right, "loss", 1, "mean loss in training"),
        ):
            for name, tone, words in (("float", COLOURS["load"], "floating point"),
                                      ("chip", COLOURS["forward"], "on the chip")):  # fmt: skip
                runs = [[scale * (math.nan if value is None else value) for value in run]
                        for run in data[f"{what}_{name}"]]  # fmt: skip
                _seeds(axes, runs, tone, words)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid()
        right.set_ylim(bottom=0)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=2)

    return draw(paint, height=3.2)


def _seeds(axes: Axes, runs: list[list[float]], tone: str, label: str) -> None:
    """Draw the mean of some runs, and each of several as a thin line."""
    if len(runs) > 1:
        for run in runs:
            axes.plot(range(1, len(run) + 1), run, color=tone, lw=0.6, alpha=0.55)
    longest = max(map(len, runs), default=0)
    at = [[run[epoch] for run in runs if epoch < len(run)] for epoch in range(longest)]
    mean = [sum(values) / len(values) for values in at]
    axes.plot(range(1, longest + 1), mean, color=tone, lw=1.8, marker="." if longest <= 30 else None, label=label)


def _histograms(findings: Findings) -> str:
    tones = {"before": COLOURS["load"], "after": COLOURS["forward"], "at the end": COLOURS["forward"]}
    rows = -(-len(findings.histograms) // 2)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, min(2, len(findings.histograms)), squeeze=False).ravel()
        for axes, each in zip(panels, findings.histograms, strict=False):
            for moment, counts in each.counts.items():
                axes.stairs(counts, each.edges_us, color=tones[moment], lw=1.3, label=moment, fill=moment == "before",
                            alpha=0.35 if moment == "before" else 1.0)  # fmt: skip
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.7)
            axes.set_xlabel(f"{each.name}, uS")
            axes.set_ylabel("cells")
            axes.grid()
        for axes in panels[len(findings.histograms) :]:
            axes.set_axis_off()
        if findings.transferred:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(
                handles, [f"{label} the last transfer" for label in labels], loc="outside upper right", ncols=2
            )

    return draw(paint, height=0.4 + 2.1 * rows)


def _losses(findings: Findings) -> str:
    def paint(figure: Figure) -> None:
        from matplotlib.lines import Line2D

        micro, network = figure.subplots(1, 2)
        handles = []
        for place, each in enumerate(findings.losses):
            tone = CYCLE[place % len(CYCLE)]
            times = [1e3 * time for time in each.time_s]
            for axes, scale in ((micro, 1.0), (network, each.alpha_us)):
                axes.plot(times, [value / scale for value in each.rms_us], color=tone)
                axes.plot(times, [value / scale for value in each.mean_us], color=tone, ls="--")
            handles.append(Line2D([], [], color=tone, label=each.layer))
        handles += [
            Line2D([], [], color="#333333", label="RMS"),
            Line2D([], [], color="#333333", ls="--", label="mean"),
        ]
        if findings.tau_s and findings.offset_us:
            longest = max(each.time_s[-1] for each in findings.losses)
            times = [longest * i / 100 for i in range(101)]
            micro.plot([1e3 * time for time in times], [findings.nominal_us(time) for time in times], color="#b03a2e",
                       ls=":", lw=1.8)  # fmt: skip
            handles.append(Line2D([], [], color="#b03a2e", ls=":", lw=1.8, label="offset, nominal cell"))
        for axes, unit in ((micro, "uS"), (network, "network units")):
            axes.set_xlabel("time since the transfer, ms")
            axes.set_ylabel(f"taken from a weight, {unit}")
            axes.set_xlim(left=0)
            axes.grid()
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 6))

    return draw(paint, height=3.4)
