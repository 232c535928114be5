"""The tables of a search: the best points, and all of them."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.report.table import Column, Table
from archsim.results.metric_words import display_unit, metric_name, metric_text
from archsim.studies.search.goals import Goal
from archsim.studies.search.trials import Saved, Trial
from archsim.studies.sweep.points import Made
from archsim.studies.sweep.tables import heads

BEST_SHOWN = 24


def name_of(goal: Goal) -> str:
    """Return a goal in words.

    >>> name_of(Goal(metric="area_m2")), name_of(Goal(metric="efficiency_op_per_j", most=True))
    ('least area', 'most efficiency')
    """
    return f"{'most' if goal.most else 'least'} {metric_name(goal.metric)}"


def text_of(metric: str, value: float | None) -> str:
    """Return a metric's value as people read it."""
    return metric_text(value, metric, 4)


def asked_of(data: Saved) -> list[str]:
    """Return the metrics of goals and conditions, each once."""
    return list(dict.fromkeys([*(goal.metric for goal in data.goals), *(bound.metric for bound in data.bounds)]))


def column(metric: str) -> Column:
    """Return the column of a metric."""
    share = metric.endswith("_share") or metric == "tile_utilisation"
    return Column(metric_name(metric), "%" if share else display_unit(metric), 2)


def best_table(data: Saved) -> Table:
    """The best points, the best in the first goal first, below the spec as given."""
    keys, metrics = [own.key for own in data.search], asked_of(data)
    rows: list[Sequence[object]] = []
    if data.start is not None and data.start.metrics is not None:
        rows.append(_row(data.start, keys, metrics))
    rows += [_row(own, keys, metrics) for own in data.best]
    title = "The best point" if len(data.goals) == 1 else "Pareto-optimal points"
    columns = (Column("point"), *map(Column, heads(keys)), *map(column, metrics))
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
    return "refused" if own.metrics is None else f"not {', '.join(own.broken)}" if own.broken else ""


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
