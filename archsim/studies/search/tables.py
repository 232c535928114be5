"""The tables of a search: the best points, and all of them."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.base.words import per_cent
from archsim.report.table import Column, Table
from archsim.results.metric_words import display_unit, metric_name, metric_text
from archsim.studies.search.goals import Goal
from archsim.studies.search.trials import Saved, Trial
from archsim.studies.sweep.figures import NAMES
from archsim.studies.sweep.points import ACCURACY, R2, Made
from archsim.studies.sweep.tables import heads

BEST_SHOWN = 24
READ = (ACCURACY, R2, "accuracy_float_mean", "r2_float_mean", "cross_entropy_chip_mean", "cross_entropy_float_mean")
"""What the best points reach on the test set."""


def name_of(goal: Goal) -> str:
    """Return a goal in words.

    >>> name_of(Goal(metric="area_m2")), name_of(Goal(metric="efficiency_op_per_j", most=True))
    ('least area', 'most efficiency')
    """
    return f"{'most' if goal.most else 'least'} {said_of(goal.metric)}"


def said_of(metric: str) -> str:
    """Return a metric in words."""
    return NAMES[metric][0] if metric in NAMES else metric_name(metric)


def unit_of(metric: str) -> str:
    """Return the unit in which a metric is shown, "%" for shares."""
    if metric in NAMES:
        return NAMES[metric][2]
    return "%" if metric.endswith("_share") or metric == "tile_utilisation" else display_unit(metric)


def text_of(metric: str, value: float | None) -> str:
    """Return a metric's value as people read it."""
    return per_cent(value, 2) if value is not None and unit_of(metric) == "%" else metric_text(value, metric, 4)


def asked_of(data: Saved) -> list[str]:
    """Return the metrics of goals and conditions, each once."""
    return list(dict.fromkeys([*(goal.metric for goal in data.goals), *(bound.metric for bound in data.bounds)]))


def column(metric: str) -> Column:
    """Return the column of a metric."""
    return Column(said_of(metric), unit_of(metric), 2)


def best_table(data: Saved) -> Table:
    """The best points, the best in the first goal first, below the spec as given."""
    keys, metrics = [own.key for own in data.search], asked_of(data)
    rows: list[Sequence[object]] = []
    if data.start is not None and data.start.metrics is not None:
        rows.append(_row(data.start, keys, metrics))
    rows += [_row(own, keys, metrics) for own in data.best]
    last = [name for name in READ if any(own.has(name) for own in data.finals.values())]
    finals = {str(number): [*map(own.get, last)] for number, own in data.finals.items()}
    rows = [(*row, *finals.get(str(row[0]), [None] * len(last))) for row in rows]
    title = "The best point" if len(data.goals) == 1 else "Pareto-optimal points"
    columns = (Column("point"), *map(Column, heads(keys)), *map(column, metrics), *(
        Column(f"{NAMES[name][0]}, trained on all", NAMES[name][2], 2) for name in last
    ))  # fmt: skip
    return Table("best", title, columns, tuple(rows), brief=True, most=BEST_SHOWN)


def _row(own: Trial, keys: Sequence[str], metrics: Sequence[str]) -> Sequence[object]:
    return (str(own.number) if own.number else "as given", *(own.settings[key] for key in keys), *map(own.get, metrics))


def trials_table(data: Saved) -> Table:
    """All points in the order of asking, in what was asked for."""
    keys, metrics = [own.key for own in data.search], asked_of(data)
    columns = (Column("point"), *map(Column, heads(keys)), *map(column, metrics), Column("what it is"))
    rows = tuple((*_row(own, keys, metrics), what_is(own, data)) for own in data.trials)
    return Table("points", "Points in the order of asking", columns, rows)


def what_is(own: Trial, data: Saved) -> str:
    """Return what there is to say of a point."""
    if own.best:
        return "best" if len(data.goals) == 1 else "Pareto-optimal"
    if own.metrics is None:
        return "stopped" if own.training else "refused"
    return f"not {', '.join(own.broken)}" if own.broken else ""


def all_table(data: Saved) -> Table:
    """All metrics of all points in SI units, under their names in metrics.json, for the file alone."""
    own: Sequence[Made] = data.trials
    names = list(dict.fromkeys(name for made in own for name in made.metrics or ()))
    keys = [each.key for each in data.search]
    columns = tuple(map(Column, ("point", *keys, *names, "best", "broken", "refused")))
    rows = tuple(
        (each.number, *(each.settings[key] for key in keys), *map(each.get, names), each.best,
         "; ".join(each.broken), each.refused) for each in data.trials
    )  # fmt: skip
    return Table("search", "All metrics, in SI units", columns, rows, most=0)
