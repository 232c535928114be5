"""The tables of a sweep: points in their main metrics, in more of them, and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archsim.report.table import Column, Table, cell
from archsim.results.metric_words import display_unit
from archsim.studies.sweep.points import ACCURACY, ENERGY, ENTROPY, R2, TIME, VALIDATED, Point, Sweep

# Metric: heading, decimals of a share, and whether less or more is better.
Metrics = Mapping[str, tuple[str, int, str]]
MAIN: Metrics = {
    ACCURACY: ("on the chip", 2, "more"),
    "accuracy_chip_std": ("std", 2, ""),
    "accuracy_float_mean": ("floating point", 2, "more"),
    "accuracy_float_std": ("its std", 2, ""),
    "accuracy_difference": ("difference", 2, "more"),
    VALIDATED[ACCURACY]: ("on the chip, validation", 2, "more"),
    "accuracy_validation_chip_std": ("its std", 2, ""),
    "accuracy_validation_float_mean": ("floating point, validation", 2, "more"),
    "accuracy_validation_float_std": ("its std", 2, ""),
    R2: ("R2 on the chip", 1, "more"),
    "r2_chip_std": ("std of R2", 1, ""),
    "r2_float_mean": ("R2 in floating point", 1, "more"),
    "r2_float_std": ("its std", 1, ""),
    "r2_difference": ("difference of R2", 1, "more"),
    VALIDATED[R2]: ("R2 on the chip, validation", 1, "more"),
    "r2_validation_chip_std": ("its std", 1, ""),
    "r2_validation_float_mean": ("R2 in floating point, validation", 1, "more"),
    "r2_validation_float_std": ("its std", 1, ""),
    "cross_entropy_chip_mean": ("cross-entropy on the chip", 1, "less"),
    "cross_entropy_float_mean": ("cross-entropy in floating point", 1, "less"),
    ENTROPY["chip"]: ("cross-entropy on the chip, validation", 1, "less"),
    ENTROPY["float"]: ("cross-entropy in floating point, validation", 1, "less"),
    TIME: ("time per example", 1, "less"),
    ENERGY: ("energy per example", 1, "less"),
}
MORE: Metrics = {
    "time_per_example_peak_s": ("peak time per example", 1, "less"),
    "time_per_example_lower_bound_s": ("lower bound of it", 1, "less"),
    "efficiency_op_per_j": ("sustained efficiency", 1, "more"),
    "area_m2": ("area", 1, "less"),
    "transfer_time_share": ("in transfers", 2, "less"),
    "refresh_time_share": ("in refresh", 2, "less"),
    "dwell_time_mean_s": ("mean dwell time", 1, "less"),
    "pulses_per_synapse": ("pulses per synapse", 1, ""),
}
MOST_ROWS = 500
"""So many points are in a table of the page, which opens at once."""


def points_table(
    data: Sweep, points: Sequence[Point], name: str, title: str, metrics: Metrics, *, brief: bool = False
) -> Table:
    """Return points in some metrics, the best in each marked, without those that none has or that are alike."""
    same = alike(data, metrics)
    names = [own for own in metrics if own not in same and any(point.has(own) for point in points)]
    columns = [*map(Column, heads(list(data.vary))), *(_column(own, metrics) for own in names)]
    rows = [
        (
            *point.settings.values(), *map(point.get, names),
            "refused" if point.refused is not None else "yes" if point.pareto else "",
        )
        for point in points
    ]  # fmt: skip
    marked = set()
    for i, own in enumerate(names, len(data.vary)):
        known = [point.figure(own) for point in points if point.has(own)]
        best = {"less": min, "more": max}.get(metrics[own][2])
        if best is not None and len(set(known)) > 1:
            value = best(known)
            marked |= {(place, i) for place, point in enumerate(points) if point.get(own) == value}
    return Table(name, title, (*columns, Column("Pareto")), tuple(rows), marked=frozenset(marked), most=MOST_ROWS,
                 brief=brief)  # fmt: skip


def _column(name: str, metrics: Metrics) -> Column:
    heading, decimals, _ = metrics[name]
    unit = "%" if name.startswith("accuracy") or name.endswith("_share") else display_unit(name)
    unit = "points" if name == "accuracy_difference" else unit
    return Column(heading, unit, decimals, brief=not name.endswith(("_std", "_difference")))


def alike(data: Sweep, metrics: Metrics) -> dict[str, str]:
    """Return metrics that are the same at all of several points, as words by name."""
    points = [point for point in data.points if point.metrics is not None]
    found = {}
    for name in metrics if len(points) > 1 else ():
        values = {point.get(name) for point in points}
        if len(values) == 1 and None not in values:
            column = _column(name, metrics)
            found[name] = f"{column.name} {cell(next(iter(values)), column)}"
    return found


def heads(keys: Sequence[str]) -> list[str]:
    """Return the keys as headings: as many of their last parts as tell them apart.

    >>> heads(["schedule.transfer.policy", "tile.rows"]), heads(["tile.row_driver.bits", "tile.col_driver.bits"])
    (['policy', 'rows'], ['row_driver.bits', 'col_driver.bits'])
    """
    parts = [key.split(".") for key in keys]
    for count in range(1, max(map(len, parts)) + 1):
        found = [".".join(own[-count:]) for own in parts]
        if len(set(found)) == len(found):
            return found
    return list(keys)


def all_table(data: Sweep) -> Table:
    """Return all metrics of all points in SI units, under their names in metrics.json, for the file alone."""
    names = list(dict.fromkeys(name for point in data.points for name in point.metrics or ()))
    rows = tuple((*own.settings.values(), *map(own.get, names), own.pareto, own.refused) for own in data.points)
    columns = tuple(map(Column, (*data.vary, *names, "pareto", "refused")))
    return Table("sweep", "All metrics, in SI units", columns, rows, most=0)
