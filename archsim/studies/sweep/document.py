"""The report of a sweep: what each point of a grid costs and reaches, as JSON, tables and figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.base.units import unit_scale
from archsim.base.words import counted
from archsim.report.colours import CYCLE
from archsim.report.drawing import draw
from archsim.report.folder import replace_file, write_folder
from archsim.report.labels import scale_axis, write_beside
from archsim.report.table import Column, Table, display_unit
from archsim.studies.study import undominated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point: TypeAlias = Mapping[str, Any]
Data: TypeAlias = Mapping[str, Any]

SCHEMA, NAME = "archsim-sweep-1", "sweep.json"
OWNED = (NAME, "sweep.md", "tables", "figures")
"""What a sweep writes; anything else in its folder belongs to others and is kept."""
TIME, ENERGY, ACCURACY = "time_per_example_s", "energy_per_example_j", "accuracy_chip_mean"
R2_CHIP = "r2_chip_mean"
# Metric: heading, decimals of a share, and whether less or more is better.
MAIN: Mapping[str, tuple[str, int, str]] = {
    ACCURACY: ("on the chip", 2, "more"),
    "accuracy_chip_std": ("std", 2, ""),
    "accuracy_float_mean": ("floating point", 2, "more"),
    "accuracy_float_std": ("its std", 2, ""),
    "accuracy_difference": ("difference", 2, "more"),
    R2_CHIP: ("R2 on the chip", 1, "more"),
    "r2_chip_std": ("std of R2", 1, ""),
    "r2_float_mean": ("R2 in floating point", 1, "more"),
    "r2_float_std": ("its std", 1, ""),
    "r2_difference": ("difference of R2", 1, "more"),
    TIME: ("time per example", 1, "less"),
    ENERGY: ("energy per example", 1, "less"),
}
MORE: Mapping[str, tuple[str, int, str]] = {
    "time_per_example_peak_s": ("peak time per example", 1, "less"),
    "time_per_example_lower_bound_s": ("lower bound of it", 1, "less"),
    "efficiency_op_per_j": ("sustained efficiency", 1, "more"),
    "area_m2": ("area", 1, "less"),
    "transfer_time_share": ("in transfers", 2, "less"),
    "refresh_time_share": ("in refresh", 2, "less"),
    "dwell_time_mean_s": ("mean dwell time", 1, "less"),
    "pulses_per_synapse": ("pulses per synapse", 1, ""),
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
SHOWN = 40
"""The terminal shows so many points."""


def sweep_json(data: Data) -> str:
    """Return a sweep as JSON text; NaN and infinity are refused."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def write_points(data: Data, folder: Path) -> None:
    """Replace the sweep.json in a folder, alone and at once: the rest of the report is written at the end."""
    replace_file(folder, NAME, sweep_json(data))


def write_sweep(data: Data, folder: Path) -> Path:
    """Write a sweep as sweep.json, sweep.md, tables and figures; return the folder."""
    figures = figures_of(data)
    files = {
        NAME: sweep_json(data),
        "sweep.md": _markdown(data, list(figures)),
        "tables/sweep.csv": _csv(data),
        **{f"figures/{name}.svg": text for name, text in figures.items()},
    }
    return write_folder(folder, files, OWNED)


def with_pareto(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the points with `pareto`: no other is as good in accuracy, time and energy, and better in one of them.

    Where examples have values, R2 stands for accuracy; without trainings, time and energy alone count.
    """
    best = undominated([_goals(point) for point in points])
    return [{**point, "pareto": own} for point, own in zip(points, best, strict=True)]


def _goals(point: Point) -> tuple[float, ...] | None:
    """Return what is to be small, or None for a point that is refused."""
    metrics = point["metrics"]
    if metrics is None:
        return None
    cost = (metrics[TIME], metrics[ENERGY])
    merit = next((metrics[name] for name in (ACCURACY, R2_CHIP) if metrics.get(name) is not None), None)
    return cost if merit is None else (-merit, *cost)


# ---- words and tables


def point_words(done: int, total: int, settings: Mapping[str, str]) -> tuple[str, str]:
    """Return what a terminal shows of a sweep under way: how far it is, and the point that is next.

    >>> point_words(2, 15, {"schedule.transfer.policy": "staggered"})
    ('point 3 of 15', 'policy=staggered')
    """
    where = ", ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())
    return f"point {done + 1:,} of {total:,}", _cut(where, 46)


def sweep_lines(data: Data) -> list[str]:
    """Return what the terminal shows of a sweep."""
    kept = [
        name
        for name in (ACCURACY, "accuracy_float_mean", R2_CHIP, "r2_float_mean", TIME, ENERGY)
        if any(_has(p, name) for p in data["points"])
    ]
    table = table_of(data, {name: MAIN[name] for name in kept})
    rows = [[*_cells(table, row)] for row in table.rows[:SHOWN]]
    widths = [max(map(len, column)) for column in zip([column.name for column in table.columns], *rows, strict=True)]
    refused = sum(point["refused"] is not None for point in data["points"])
    count = len(data["points"])
    lines = [f"{data['arch']['name']} x {data['workload']['name']}    {counted(count, 'point')}"]
    lines[0] += f", {refused:,} of them refused; sweep.md says why" if refused else ""
    lines.append("")
    lines += [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in ([column.name for column in table.columns], *rows)
    ]
    if len(table.rows) > SHOWN:
        lines.append(f"  and {len(table.rows) - SHOWN:,} more, in tables/sweep.csv")
    return lines


def _cells(table: Table, row: Sequence[Any]) -> Iterator[str]:
    line = Table("", "", table.columns, (row,)).markdown().splitlines()[2]
    yield from (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])


def table_of(data: Data, metrics: Mapping[str, tuple[str, int, str]]) -> Table:
    """Return the table of all points in some metrics, the best of each marked."""
    keys, points = list(data["vary"]), data["points"]
    names = [name for name in metrics if any(_has(point, name) for point in points)]
    columns = [Column(key) for key in keys]
    for name in names:
        heading, decimals, _ = metrics[name]
        is_share = name.startswith("accuracy") or name.endswith("_share")
        columns.append(Column(heading, "%" if is_share else display_unit(name), decimals))
    columns.append(Column("Pareto"))
    rows, marked = [], set()
    for point in points:
        values = [(point["metrics"] or {}).get(name) for name in names]
        pareto = "refused" if point["refused"] is not None else "yes" if point["pareto"] else ""
        rows.append((*point["settings"].values(), *values, pareto))
    for i, name in enumerate(names, len(keys)):
        known = [row[i] for row in rows if row[i] is not None]
        best = {"less": min, "more": max}.get(metrics[name][2])
        if best is not None and len(set(known)) > 1:
            marked |= {(place, i) for place, row in enumerate(rows) if row[i] == best(known)}
    return Table("sweep", "Points", tuple(columns), tuple(rows), marked=frozenset(marked))


def _csv(data: Data) -> str:
    """Return all points and metrics as CSV, under their names in metrics.json."""
    points = data["points"]
    names = list(dict.fromkeys(name for point in points for name in point["metrics"] or ()))
    rows = [
        (*p["settings"].values(), *((p["metrics"] or {}).get(name) for name in names), p["pareto"], p["refused"])
        for p in points
    ]
    return Table("sweep", "", tuple(map(Column, (*data["vary"], *names, "pareto", "refused"))), tuple(rows)).csv()


def _has(point: Point, name: str) -> bool:
    return point["metrics"] is not None and point["metrics"].get(name) is not None


def _markdown(data: Data, figures: Sequence[str]) -> str:
    points, train = data["points"], data["train"]
    grid = " x ".join(f"{len(values)} of `{key}`" for key, values in data["vary"].items())
    epochs = "the epochs of the workload" if data["epochs"] is None else counted(data["epochs"], "epoch")
    lines = [f"# Sweep of {data['workload']['name']} on {data['arch']['name']}", ""]
    if not data["complete"]:
        lines += ["**Interrupted**: these are the points so far; the command below with `--resume` goes on.", ""]
    lines += [f"{counted(len(points), 'point')}: {grid}; each runs for {epochs}."]
    if data["set"]:
        lines += [f"All of them have {', '.join(f'`{setting}`' for setting in data['set'])}."]
    if train is not None:
        ablated = f", without {', '.join(train['ablated'])}" if train["ablated"] else ""
        lines += [
            f"Each is trained with {counted(len(train['seeds']), 'seed')}{ablated}; accuracies are those on the test "
            "set after the last epoch, means over the seeds with their sample standard deviation (std), and their "
            "difference in percentage points. The twin in floating point has the same network, examples, order and "
            "seed.",
        ]
    goals = "accuracy, time per example and energy per example" if train is not None else "time and energy per example"
    lines += [
        f"Reads of the arrays are billed by {data['reads_billed_by']}.",
        "",
        f"The best of each column is bold. *Pareto*: no other point is as good in {goals}, and better in one of them.",
    ]
    for name in figures:
        lines += ["", f"![{FIGURES[name]}](figures/{name}.svg)"]
    best = [point for point in points if point["pareto"]]
    main, more = (table_of(data, metrics).markdown() for metrics in (MAIN, MORE))
    lines += ["", "## Accuracy, time and energy" if train is not None else "## Time and energy", "", main]
    lines += ["", "## More of each point", "", more]
    if best:
        ranked = sorted(best, key=lambda point: point["metrics"][TIME])
        own = table_of({**data, "points": ranked}, MAIN).markdown()
        lines += ["", "## Pareto-optimal, the quickest first", "", own]
    for heading, name in (("Refused", "refused"), ("Audits that failed", "audits_failed")):
        found = [(point, point[name]) for point in points if point[name]]
        if found:
            lines += ["", f"## {heading}", ""]
            for point, why in found:
                words = ", ".join(f"`{key}={value}`" for key, value in point["settings"].items())
                lines.append(f"- {words}: {'; '.join(why) if isinstance(why, list) else ' '.join(why.splitlines())}")
    versions = f"Spec {data['arch']['hash']}, workload {data['workload']['hash']}, archsim {data['version']}."
    lines += [
        "",
        "Table: [all of it, in SI units](tables/sweep.csv).",
        "",
        f"Repeat: `{data['command']}`. {versions}",
        "",
    ]
    return "\n".join(lines)


def _short(key: str, most: int = 32) -> str:
    """Return the last parts of a key that tell enough.

    >>> _short("schedule.transfer.interval_examples"), _short("tile.rows")
    ('transfer.interval_examples', 'tile.rows')
    """
    parts = key.split(".")[-2:]
    return _cut(".".join(parts), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


# ---- figures

FIGURES = {
    "accuracy_time": "Accuracy against time per example",
    "accuracy_energy": "Accuracy against energy per example",
    "energy_time": "Energy against time per example",
    "first_key": "Against the first key",
}
LABELS: Mapping[str, tuple[str, str]] = {  # what the axis says; kind of scale
    ACCURACY: ("accuracy on the test set", "%"),
    TIME: ("time per example", "s"),
    ENERGY: ("energy per example", "J"),
}
PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))


def figures_of(data: Data) -> dict[str, str]:
    """Return the figures of a sweep, as SVG by name; none where no point could be run."""
    if not any(_goals(point) for point in data["points"]):
        return {}
    if any(_has(point, ACCURACY) for point in data["points"]):
        planes = {"accuracy_time": (TIME, ACCURACY), "accuracy_energy": (ENERGY, ACCURACY)}
        against = (ACCURACY, TIME)
    else:
        planes = {"energy_time": (TIME, ENERGY)}
        against = (TIME, ENERGY)
    found = {name: _plane(data, *metrics) for name, metrics in planes.items()}
    numbers = numbers_of(next(iter(data["vary"].values())))
    if numbers is not None and len(numbers[0]) > 1:
        found["first_key"] = _against(data, numbers, against)
    return found


def numbers_of(values: Sequence[str]) -> tuple[list[float], str] | None:
    """Return values as numbers in the unit of the first, and that unit; None where they are no numbers.

    >>> numbers_of(["500 us", "1 ms"]), numbers_of(["1000", "2000"]), numbers_of(["stop_all"])
    (([500.0, 1000.0], 'us'), ([1000.0, 2000.0], ''), None)
    """
    matches = [re.fullmatch(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\D*?)\s*", value) for value in values]
    if not all(matches):
        return None
    pairs = [(float(match[1]), match[2]) for match in matches if match is not None]
    unit = pairs[0][1]
    scales = [1 if own == unit else unit_scale(own, unit) if own and unit else None for _, own in pairs]
    if any(scale is None for scale in scales):
        return None
    return [float(number * scale) for (number, _), scale in zip(pairs, scales, strict=True) if scale is not None], unit


def _lines(data: Data) -> list[tuple[str, list[tuple[str, Mapping[str, Any]]]]]:
    """Return (values of the last keys, points), the points as (value of the first key, metrics)."""
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for point in data["points"]:
        first, *rest = point["settings"].values()
        own = found.setdefault(", ".join(rest), [])
        if point["metrics"] is not None:
            own.append((first, point["metrics"]))
    return [(name, points) for name, points in found.items() if points]


def _unit(data: Data, metric: str) -> tuple[float, str]:
    """Return what the values of a metric are divided by, and the unit that they then have."""
    label, si = LABELS[metric]
    if si == "%":
        return 0.01, f"{label}, %"
    values = sorted(abs(point["metrics"][metric]) for point in data["points"] if point["metrics"] is not None)
    middle = values[len(values) // 2]
    scale, prefix = next(((scale, prefix) for scale, prefix in PREFIXES if middle >= scale), PREFIXES[-1])
    return scale, f"{label}, {prefix}{si}"


def _plane(data: Data, x: str, y: str) -> str:
    lines = _lines(data)
    (x_scale, x_label), (y_scale, y_label) = _unit(data, x), _unit(data, y)
    first, *rest = data["vary"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        labels: list[tuple[float, float, str, str]] = []
        tracks: list[list[tuple[float, float]]] = []
        for place, (name, points) in enumerate(lines):
            xs = [metrics[x] / x_scale for _, metrics in points]
            ys = [metrics[y] / y_scale for _, metrics in points]
            spread = _spread(points, y, y_scale)
            tone = _line(axes, xs, ys, spread, place, name)
            tracks += [[(a, b - s), (a, b + s)] for a, b, s in zip(xs, ys, spread or (), strict=False)]
            labels += [(a, b, _cut(value, 16), tone) for (value, _), a, b in zip(points, xs, ys, strict=True)]
            tracks.append(list(zip(xs, ys, strict=True)))
        if y == ACCURACY:
            _twin(axes, lines, [[metrics[x] / x_scale for _, metrics in points] for _, points in lines])
        scale_axis(axes, "x", [a for a, *_ in labels])
        if y != ACCURACY:
            scale_axis(axes, "y", [b for _, b, *_ in labels])
        axes.margins(x=0.09, y=0.1)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_title(f"beside the points: {_short(first, 60)}", fontsize=8, color="#444444")
        axes.grid()
        _legend(figure, axes, rest)
        if y == ACCURACY:
            axes.set_ylim(top=min(axes.get_ylim()[1], 102))
            twin = {metrics["accuracy_float_mean"] / y_scale for _, points in lines for _, metrics in points}
            tracks += [[(axes.get_xlim()[0], value), (axes.get_xlim()[1], value)] for value in twin if len(twin) == 1]
        write_beside(figure, axes, labels, tracks)

    return draw(paint, height=max(3.8, 1.2 + 0.2 * len(lines)))


def _against(data: Data, numbers: tuple[list[float], str], metrics: tuple[str, str]) -> str:
    lines = _lines(data)
    first, *rest = data["vary"]
    place_of = dict(zip(data["vary"][first], numbers[0], strict=True))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 2)
        for axes, metric in zip(panels, metrics, strict=True):
            scale, label = _unit(data, metric)
            at = []
            for place, (name, unsorted) in enumerate(lines):
                points = sorted(unsorted, key=lambda point: place_of[point[0]])
                at.append([place_of[value] for value, _ in points])
                ys = [metrics[metric] / scale for _, metrics in points]
                _line(axes, at[-1], ys, _spread(points, metric, scale), place, name)
            if metric == ACCURACY:
                ranked = [(name, sorted(own, key=lambda point: place_of[point[0]])) for name, own in lines]
                _twin(axes, ranked, at)
            else:
                scale_axis(axes, "y", [point[metric] / scale for _, points in lines for _, point in points])
            scale_axis(axes, "x", numbers[0], ticks=numbers[0])
            axes.set_xlabel(_short(first, 40) + (f", {numbers[1]}" if numbers[1] else ""))
            axes.set_ylabel(label)
            axes.grid()
        _legend(figure, panels[0], rest)

    return draw(paint, height=max(3.3, 1.2 + 0.2 * len(lines)))


def _spread(points: Sequence[tuple[str, Mapping[str, Any]]], metric: str, scale: float) -> list[float] | None:
    """Return the standard deviations of accuracies over seeds, if there are several."""
    found = [metrics.get("accuracy_chip_std") if metric == ACCURACY else None for _, metrics in points]
    known = [each / scale for each in found if each is not None]
    return known if len(known) == len(found) else None


def _line(
    axes: Axes, xs: Sequence[float], ys: Sequence[float], spread: Sequence[float] | None, place: int, name: str
) -> str:
    """Draw one line with its markers, and spread over seeds as bars; return its colour."""
    tone = CYCLE[place % len(CYCLE)]
    # The colours come round after the markers have moved on by one.
    marker = MARKERS[(place + place // len(CYCLE)) % len(MARKERS)]
    axes.plot(xs, ys, color=tone, lw=1.3, marker=marker, ms=5, label=_cut(name, 36) or "on the chip", zorder=3)
    if spread is not None:
        above = [min(each, 100 - y) for y, each in zip(ys, spread, strict=True)]  # no accuracy is beyond 100 %
        axes.errorbar(xs, ys, (spread, above), fmt="none", ecolor=tone, elinewidth=0.8, capsize=2, alpha=0.7)
    return tone


def _twin(
    axes: Axes, lines: Sequence[tuple[str, Sequence[tuple[str, Mapping[str, Any]]]]], at: Sequence[Sequence[float]]
) -> None:
    """Draw the accuracy in floating point, dashed: one line if it is the same everywhere, else one of each colour."""
    values = [[100 * metrics["accuracy_float_mean"] for _, metrics in points] for _, points in lines]
    if len({value for own in values for value in own}) == 1:
        axes.axhline(values[0][0], color="#333333", lw=1.1, ls="--", label="floating point")
        return
    for place, (xs, ys) in enumerate(zip(at, values, strict=True)):
        axes.plot(xs, ys, color=CYCLE[place % len(CYCLE)], lw=1.0, ls="--", alpha=0.8)
    axes.plot([], [], color="#333333", lw=1.0, ls="--", label="floating point")


def _legend(figure: Figure, axes: Axes, keys: Sequence[str]) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if not keys:
        if len(handles) > 1:
            figure.legend(handles, labels, loc="outside upper right", ncols=2)
        return
    title = "\n".join(_short(key) for key in keys)
    figure.legend(handles, labels, loc="outside right upper", title=title, fontsize=8, title_fontsize=8)
