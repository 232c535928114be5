"""What the terminal shows of a run: a few lines, peak beside sustained, and where the difference goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.results.evaluate import Result


def summary(result: Result) -> list[str]:
    """Return the lines of a summary; columns are aligned with spaces."""
    data, metrics = result.data, result.data["metrics"]
    run = data["run"]
    size = counted(result.workload.value.synapses, "synapse"), counted(run["examples"], "example")
    used = f"{metrics['tiles_used']} of {counted(metrics['tiles'], 'tile')}"
    lines = [
        f"{data['arch']['name']} x {data['workload']['name']}    {used}, "
        f"{', '.join(size)}, {counted(metrics['transfers'], 'transfer', form=',.4g')}",
        f"{counted(run['examples_simulated'], 'example')} event by event, "
        f"{run['examples_fast_forwarded']:,} jumped, exactly",
        "",
        f"  {'':24}{'peak':>16}{'sustained':>16}{'lower bound':>16}{'published':>16}",
    ]
    published = {row["metric"]: row for row in data["published"]}
    lower = metrics["time_per_example_lower_bound_s"]
    rows = [
        ("time per example", "time_per_example_peak_s", "time_per_example_s", lower, "s", ""),
        ("energy efficiency", "efficiency_peak_op_per_j", "efficiency_op_per_j", None, "OP/s/W", ""),
        ("throughput", "throughput_peak_op_per_s", "throughput_op_per_s", None, "OP/s", ""),
        ("power", "power_peak_w", "power_w", None, "W", ""),
    ]
    for label, top, sustained, bound, unit, _ in rows:
        lines.append(_row(label, metrics, top, sustained, bound, unit, published))
    metric_text = "throughput_per_area_peak_op_per_s_m2"
    figures = [metrics[metric_text], metrics["throughput_per_area_op_per_s_m2"], None]
    cells = [_per_mm2(value) for value in (*figures, published.get(metric_text, {}).get("published"))]
    lines.append(f"  {'throughput per area':24}" + "".join(f"{cell:>16}" for cell in cells) + "  TOP/s/mm2")
    lines.append("")
    step = result.step
    shares = ", ".join(f"{name.replace('_', ' ')} {cycles / step.cycles:.0%}" for name, cycles in step.shares.items())
    step_s = step.cycles / float(result.chip.spec.technology.clock_hz)
    lines.append(f"  where a step of {engineering(step_s, 's')} goes:  {shares}")
    lines.append(f"  where tiles' cycles go:  {_shares(data['stalls_cycles'])}")
    lines.append(f"  where the energy goes:  {_shares(data['energy_j']['by_component'])}")
    lines.append(f"  array reads:  {_activity(data['activity'])}")
    lines.append(f"  transfers take {metrics['transfer_time_share']:.1%} of all cycles")
    if written := data.get("programming"):
        cost = f"{engineering(written['time_s'], 's')} and {engineering(written['energy_j'], 'J')}"
        lines.append(f"  to write the weights first takes {cost}, which is in none of these figures")
    lines += [f"  note: {note}" for note in data.get("notes", ())]
    failed = [audit["name"] for audit in data["audits"] if not audit["passed"]]
    lines.append(f"  audits: {len(data['audits']) - len(failed)} of {len(data['audits'])} passed")
    lines += [f"  FAILED: {name}" for name in failed]
    if "crosscheck" in data:
        missed = [check for check in data["crosscheck"] if not check["passed"]]
        lines.append(f"  cross-checks: {len(data['crosscheck']) - len(missed)} of {len(data['crosscheck'])} passed")
        lines += [f"  FAILED: {c['name']}: {c['found']} instead of {c['expected']}" for c in missed]
    return lines


def _activity(data: Mapping[str, Any]) -> str:
    """Return by what array reads were billed, and what that changes by component."""
    if data["from"] is None:
        return "the spec's fixed energy of a read"
    own = [f"{read['layer']} {read['direction']}" for read in data["reads"] if read["by"] == "measured"]
    effect = [
        f"{name.replace('_', ' ')} {engineering(both['used'], 'J')} instead of {engineering(both['spec'], 'J')}"
        for name, both in data["effect_j"].items()
    ]
    return f"activity ({data['from']}) of {', '.join(own) or 'no layer'}; {', '.join(effect)}"


def _row(
    label: str,
    metrics: Mapping[str, Any],
    top: str,
    sustained: str,
    bound: float | None,
    unit: str,
    published: Mapping[str, Any],
) -> str:
    given = published.get(top) or published.get(sustained)
    cells = [metrics[top], metrics[sustained], bound, given["published"] if given else None]
    text = "".join(f"{engineering(cell, unit, 5) if cell is not None else '':>16}" for cell in cells)
    kind = f"  ({given['kind']})" if given else ""
    return f"  {label:24}{text}{kind}".rstrip()


def _per_mm2(value: float | None) -> str:
    return "" if value is None else f"{value * 1e-18:.3g}"


def _shares(parts: Mapping[str, float]) -> str:
    total = sum(parts.values())
    ranked = sorted(parts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [(name, value / total) for name, value in ranked if total and value / total >= 0.01]
    return ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in shown)
