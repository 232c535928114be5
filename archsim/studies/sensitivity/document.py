"""The tornado of a sensitivity study: which assumption moves a metric most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from archsim.base.words import agreeing, counted
from archsim.report.colours import COLOURS
from archsim.report.drawing import draw
from archsim.report.folder import write_folder
from archsim.report.table import Column, Table, metric_text
from archsim.results.metrics import package_version

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 20
OWNED = ("sensitivity.json", "sensitivity.md", "figures", "tables")


class EffectLike(Protocol):
    """One assumption at one value."""

    @property
    def path(self) -> str: ...  # noqa: D102
    @property
    def given(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def factor(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> str: ...  # noqa: D102
    @property
    def metrics(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def refused(self) -> str: ...  # noqa: D102


class StudyLike(Protocol):
    """What `archsim.studies.sensitivity.study` returns."""

    @property
    def arch(self) -> str: ...  # noqa: D102
    @property
    def workload(self) -> str: ...  # noqa: D102
    @property
    def command(self) -> str: ...  # noqa: D102
    @property
    def hashes(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def examples(self) -> int: ...  # noqa: D102
    @property
    def base(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def effects(self) -> Sequence[EffectLike]: ...  # noqa: D102

    def ranked(self, metric: str) -> list[tuple[str, float | None, float | None]]: ...  # noqa: D102


def write_study(study: StudyLike, folder: Path) -> Path:
    """Write a study as sensitivity.json, sensitivity.md, tables and tornado figures; return the folder."""
    given = {effect.path: effect for effect in study.effects}
    tables = [_table(study, metric, given) for metric in study.base]
    files = {
        "sensitivity.json": json.dumps(_data(study), indent=1, allow_nan=False) + "\n",
        "sensitivity.md": _markdown(study, tables),
        **{f"tables/{table.name}.csv": table.csv() for table in tables},
        **{f"figures/{metric}.svg": _tornado(study, metric, given) for metric in study.base if _moving(study, metric)},
    }
    return write_folder(folder, files, OWNED)


def top_lines(study: StudyLike, count: int = 6) -> list[str]:
    """Return the widest effects on each metric, as lines."""
    lines = [
        f"{study.arch} x {study.workload}, {counted(study.examples, 'example')}; each assumption halved and doubled"
    ]
    for metric, base in study.base.items():
        lines.append(f"\n  {metric} = {metric_text(base, metric)}")
        for path, low, high in _moving(study, metric)[:count]:
            lines.append(f"    {path:40} {_ratio(low):>9} {_ratio(high):>9}")
    refused = [effect for effect in study.effects if effect.refused]
    if refused:
        were = agreeing(len(refused), "was", "were")
        lines.append(f"\n  {counted(len(refused), 'value')} {were} refused; sensitivity.md says why")
    return lines


def _ratio(value: float | None) -> str:
    return "refused" if value is None else f"x {value:.3f}"


def _moving(study: StudyLike, metric: str) -> list[tuple[str, float | None, float | None]]:
    return [row for row in study.ranked(metric) if any(r is not None and abs(r - 1) > 5e-4 for r in row[1:])]


def _data(study: StudyLike) -> dict[str, Any]:
    return {
        "schema": "archsim-sensitivity-1",
        "arch": {"name": study.arch, "hash": study.hashes["arch"]},
        "workload": {"name": study.workload, "hash": study.hashes["workload"]},
        "version": package_version(),
        "command": study.command,
        "examples": study.examples,
        "metrics": dict(study.base),
        "effects": [
            {
                "figure": effect.path, "given": effect.given, "status": effect.status, "factor": effect.factor,
                "value": effect.value, "metrics": dict(effect.metrics) if not effect.refused else None,
                "refused": effect.refused or None,
            }
            for effect in study.effects
        ],
    }  # fmt: skip


def _table(study: StudyLike, metric: str, given: Mapping[str, EffectLike]) -> Table:
    rows = tuple((path, given[path].given, given[path].status, low, high) for path, low, high in study.ranked(metric))
    columns = tuple(map(Column, ("figure", "value", "status", "halved: x", "doubled: x")))
    return Table(metric, f"{metric} = {metric_text(study.base[metric], metric)}", columns, rows)


def _markdown(study: StudyLike, tables: Sequence[Table]) -> str:
    count = len({effect.path for effect in study.effects})
    lines = [
        f"# Sensitivity: {study.arch} x {study.workload}",
        "",
        f"Each figure that is an assumption or fitted ({count} of them) is halved and doubled in turn, and "
        f"{counted(study.examples, 'example')} run again. A ratio is the metric over its "
        "value as given. Figures that are zero are not varied, nor are quoted and derived ones.",
    ]
    for table in tables:
        moving = _moving(study, table.name)
        lines += ["", f"## {table.title}", ""]
        if not moving:
            lines.append("No assumption moves it by more than 0.05 %.")
            continue
        kept = {row[0] for row in moving[:SHOWN]}
        shown = Table(table.name, table.title, table.columns, tuple(row for row in table.rows if row[0] in kept))
        lines += [f"![tornado](figures/{table.name}.svg)", "", shown.markdown()]
    refused = [effect for effect in study.effects if effect.refused]
    if refused:
        lines += ["", "## Refused", "", "These values make the chip impossible for the workload:", ""]
        lines += [f"- `{effect.path}` {effect.factor} ({effect.value}): {effect.refused}" for effect in refused]
    lines += ["", f"Repeat: `{study.command}`, archsim {package_version()}.", ""]
    return "\n".join(lines)


def _tornado(study: StudyLike, metric: str, given: Mapping[str, EffectLike]) -> str:
    rows = _moving(study, metric)[:SHOWN]

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

        axes = figure.subplots()
        for place, (name, tone) in enumerate((("halved", COLOURS["forward"]), ("doubled", COLOURS["convert"]))):
            own = [(i, (row[1], row[2])[place]) for i, row in enumerate(rows)]
            known = [(i, ratio) for i, ratio in own if ratio is not None]
            axes.barh(
                [i for i, _ in known], [ratio - 1 for _, ratio in known], left=1, height=0.36 + 0.3 * place,
                color=tone, label=name, zorder=3 - place,
            )  # fmt: skip
        axes.axvline(1, color="#444444", lw=0.8)
        axes.set_yticks(range(len(rows)), [f"{path} = {given[path].given}" for path, *_ in rows], fontsize=8)
        axes.invert_yaxis()
        ratios = [ratio for row in rows for ratio in row[1:] if ratio is not None]
        axes.set_xscale("log")
        axes.set_xlim(min(*ratios, 0.95) * 0.97, max(*ratios, 1.05) * 1.03)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if max(ratios) > 3 else (0.5, 0.7, 1.0, 1.4, 2.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("x {x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"{metric}, relative to its value as given (logarithmic)")
        axes.grid(axis="x")
        figure.legend(loc="outside upper right", ncols=2)

    return draw(paint, height=1.2 + 0.24 * len(rows))
