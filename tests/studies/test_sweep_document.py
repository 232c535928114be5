"""The report of a sweep, on a small grid made up: its figures and tables are its points, and names are text."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from archsim.report.figure import Plot
from archsim.report.files import files_of
from archsim.report.terminal import MOST_LINES, lines
from archsim.studies.sweep.points import Point, with_pareto
from archsim.studies.sweep.study import STUDY

document = STUDY.report
HOSTILE = '<b>*x*</b> `y` {z} | & "q"'


def point(first: str, last: str, time: float, energy: float, **trained: float | None) -> dict[str, Any]:
    metrics = {"time_per_example_s": time, "energy_per_example_j": energy, "area_m2": 1e-6, **trained}
    return {"settings": {"schedule.transfer.period": first, "tile.kind": last}, "metrics": metrics, "training": None,
            "data": None, "audits_failed": [], "refused": None}  # fmt: skip


def accuracy(chip: float, floating: float, spread: float | None = None, name: str = "accuracy") -> dict[str, Any]:
    return {f"{name}_chip_mean": chip, f"{name}_chip_std": spread, f"{name}_float_mean": floating,
            f"{name}_difference": chip - floating}  # fmt: skip


def swept(points: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    vary: dict[str, list[str]] = {}
    for own in points:
        for key, value in own["settings"].items():
            vary[key] = list(dict.fromkeys([*vary.get(key, []), value]))
    pareto = [own.plain() for own in with_pareto([Point.model_validate(own) for own in points])]
    return {
        "schema": "archsim-sweep-1", "version": "0", "command": "c",
        "arch": {"name": "a", "hash": "1"}, "workload": {"name": "w", "hash": "2"},
        "set": [], "vary": vary, "epochs": 2, "train": {"seeds": [1, 2], "ablated": [], "versions": {}},
        "reads_billed_by": "the spec", "complete": True, "points": pareto, **more,
    }  # fmt: skip


def plot(data: dict[str, Any], name: str) -> Plot:
    own = document(data).figures()[name]
    assert isinstance(own, Plot)
    return own


TRAINED = [
    point("2 ms", "x", 3e-6, 1e-6, **accuracy(0.90, 0.95, 0.04)),
    point("1 ms", "x", 4e-6, 2e-6, **accuracy(0.98, 0.95, 0.03)),
    point("2 ms", "y", 5e-6, 9e-6, **accuracy(0.80, 0.95, 0.02)),
    point("1 ms", "y", 6e-6, 8e-6, **accuracy(0.85, 0.95, 0.01)),
]  # fmt: skip


def test_points_lie_where_their_metrics_are_and_full_ones_are_pareto_optimal() -> None:
    drawn = plot(swept(TRAINED), "accuracy_time")
    level, x, y = drawn.series
    assert [(dot.x, dot.y, dot.text, dot.hollow) for dot in x.dots] == [
        (3e-6, 0.90, "2 ms", False), (4e-6, 0.98, "1 ms", False),
    ]  # fmt: skip
    assert [(dot.x, dot.y, dot.hollow) for dot in y.dots] == [(5e-6, 0.80, True), (6e-6, 0.85, True)]
    assert (x.spread, y.spread) == ((0.04, 0.03), (0.02, 0.01))
    assert [(dot.y, level.dashed) for dot in level.dots] == [(0.95, True)] * 2  # the same in all points: one line
    assert [text for text, _ in drawn.legend] == ["floating point", "x", "y"]
    assert "Colours: tile.kind." in drawn.says
    assert drawn.y.high <= 1.0  # no accuracy is beyond 100 %
    assert drawn.y.low < 0.78  # the bars are within
    assert x.dots[0].tip == (
        "transfer.period=2 ms, tile.kind=x: accuracy on the test set 90.00 %, std 4.00 %; time per example 3 us"
    )


def test_floating_point_that_differs_is_a_line_of_each_colour() -> None:
    points = [point("1", "x", 1e-6, 1e-6, **accuracy(0.5, 0.6)),
              point("2", "x", 2e-6, 2e-6, **accuracy(0.6, 0.7)),
              point("1", "y", 3e-6, 3e-6, **accuracy(0.7, 0.8)),
              point("2", "y", 4e-6, 4e-6, **accuracy(0.8, 0.9))]  # fmt: skip
    drawn = plot(swept(points), "accuracy_energy")
    dashed = [own for own in drawn.series if own.dashed]
    assert [[dot.y for dot in own.dots] for own in dashed] == [[0.6, 0.7], [0.8, 0.9]]
    assert [own.tone for own in dashed] == [own.tone for own in drawn.series if not own.dashed]
    assert [text for text, _ in drawn.legend] == ["x", "y"]
    assert not any(own.spread for own in drawn.series)  # of one seed there is none


def test_against_the_first_key_points_are_in_its_order_and_its_unit() -> None:
    drawn = plot(swept(TRAINED), "first_key_accuracy")
    assert drawn.x.label == "transfer.period, ms"
    assert [text for _, text in drawn.x.ticks] == ["1", "2"]
    assert [[(dot.x, dot.y) for dot in own.dots] for own in drawn.series[1:]] == [
        [(1.0, 0.98), (2.0, 0.90)], [(1.0, 0.85), (2.0, 0.80)],
    ]  # fmt: skip
    many = [point(str(i), "x", i * 1e-6, 1e-6, **accuracy(0.5, 0.6)) for i in range(1, 30)]
    assert len(plot(swept(many), "first_key_time").x.ticks) < 12


def test_without_trainings_energy_is_against_time_and_with_values_r2() -> None:
    alone = swept([point("1", "x", 1e-6, 2e-6), point("2", "x", 2e-6, 1e-6)], train=None)
    assert list(document(alone).figures()) == ["energy_time", "first_key_time", "first_key_energy"]
    (line,) = plot(alone, "energy_time").series
    assert [(dot.x, dot.y) for dot in line.dots] == [(1e-6, 2e-6), (2e-6, 1e-6)]
    values = swept([point("1", "x", 1e-6, 2e-6, **accuracy(-0.5, 0.9, name="r2"))])
    assert list(document(values).figures()) == ["r2_time", "r2_energy"]
    level, line = plot(values, "r2_time").series
    assert (level.dots[0].y, line.dots[0].y) == (0.9, -0.5)


def test_tables_hold_the_points_and_mark_the_best() -> None:
    data = swept(TRAINED)
    tables = document(data).tables()
    heads = [column.name for column in tables["points"].columns]
    assert heads == ["period", "kind", "on the chip", "std", "difference", "time per example", "energy per example",
                     "Pareto"]  # fmt: skip
    assert tables["points"].rows[1][:4] == ("1 ms", "x", 0.98, 0.03)
    texts = [str(block) for block in document(data).blocks()]
    assert "At all points alike: floating point 95.00 %." in texts
    assert "At all points alike: area 1 mm2." in texts
    best = {heads[i]: place for place, i in tables["points"].marked}
    assert best == {"on the chip": 1, "difference": 1, "time per example": 0, "energy per example": 0}
    assert [row[:2] for row in tables["pareto"].rows] == [("2 ms", "x"), ("1 ms", "x")]
    rows = list(csv.DictReader(io.StringIO(tables["sweep"].csv())))
    assert [float(row["accuracy_chip_mean"]) for row in rows] == [0.90, 0.98, 0.80, 0.85]
    assert [row["schedule.transfer.period"] for row in rows] == ["2 ms", "1 ms", "2 ms", "1 ms"]
    assert [row["pareto"] for row in rows] == ["True", "True", "False", "False"]


def test_keys_with_the_same_last_parts_are_told_apart() -> None:
    own = {**point("1", "x", 1e-6, 1e-6), "settings": {"a.b.kind": "1", "c.b.kind": "2", "d.rows": "3"}}
    table = document(swept([own], train=None)).tables()["points"]
    assert [column.name for column in table.columns[:3]] == ["a.b.kind", "c.b.kind", "d.rows"]


def test_a_terminal_shows_the_first_points_and_the_page_all() -> None:
    data = swept([point(str(i), "x", i * 1e-6, 1e-6) for i in range(1, 101)], train=None)
    text = lines(document(data))
    assert (text[0], text[2].strip()) == ("Sweep of w on a", "100 points.")
    assert text[-1].strip() == f"and {100 - MOST_LINES} more, in tables/points.csv"
    assert len(text) < MOST_LINES + 10
    trained = lines(document(swept(TRAINED)))
    assert trained[3].strip() == "At all points alike: floating point 95.00 %."
    assert "on the chip" in trained[5]
    assert "std" not in trained[5]  # they are in the page
    assert all(len(line) <= 140 for line in trained)
    assert files_of(document(data))["sweep.html"].count("<tr>") > 200  # points, and more of each


def test_what_is_refused_or_failed_or_interrupted_says_so() -> None:
    refused = {**point("2", "x", 0, 0), "metrics": None, "refused": "needs\n2 tiles"}
    failed = {**point("1", "x", 1e-6, 1e-6), "audits_failed": ["sum", "area"]}
    shown = document(swept([failed, refused], train=None, complete=False, set=["tile.rows=8"]))
    text = files_of(shown)["sweep.md"]
    assert "- `schedule.transfer.period=2`, `tile.kind=x`: needs 2 tiles" in text.split("## Refused")[1]
    assert "- `schedule.transfer.period=1`, `tile.kind=x`: sum; area" in text.split("## Audits that failed")[1]
    assert "**Interrupted**" in text
    assert "All of them have `tile.rows=8`." in text
    assert "2 points, 1 of them refused; sweep.html says why." in text
    nothing = document(swept([refused], train=None))
    assert nothing.figures() == {}
    assert "pareto" not in nothing.tables()


@pytest.mark.parametrize("trained", [True, False])
def test_names_are_text_in_all_files(trained: bool) -> None:
    more = [accuracy(0.9, 0.9 + i / 100, 0.01) if trained else {} for i in range(2)]
    points = [point(f"{HOSTILE} {i}", f"{i}{HOSTILE}", 1e-6, 1e-6, **own) for i, own in enumerate(more)]
    points.append({**point("1", "x", 0, 0), "metrics": None, "refused": HOSTILE})
    data = swept(points, set=[HOSTILE], command=HOSTILE, arch={"name": HOSTILE, "hash": "1"})
    data = data if trained else {**data, "train": None}
    files = files_of(document(data))
    for name, text in files.items():
        if name.endswith(".svg"):
            ET.fromstring(text)
    assert "<b>*x*" not in files["sweep.html"]
    assert "&lt;b&gt;*x*&lt;/b&gt; `y` {z} | &amp; &#34;q&#34;" in files["sweep.html"]
    assert "twin" not in files["sweep.html"]


def many(count: int, groups: int) -> list[dict[str, Any]]:
    """Return points on a curve, some of them better than others, in so many groups of the last key."""
    found = []
    for i in range(count):
        time, extra = 1e-6 * (1 + i // groups), 1 + (i % groups) / groups
        found.append(point(f"{1 + i // groups} ms", f"k{i % groups}", time, extra * 1e-12 / time))
    return found


def test_many_points_are_pixels_and_all_of_them_count() -> None:
    points = many(2500, 50)
    points += [{**points[0], "settings": {**points[0]["settings"], "tile.kind": f"r{i}"}, "metrics": None,
                "refused": "too large"} for i in range(500)]  # fmt: skip
    data = swept(points, train=None)
    shown = document(data)
    names = ["energy_time", "first_key_time", "first_key_energy"]
    assert sorted(shown.figures()) == sorted(names)
    for name in names:
        own = plot(data, name)
        counts = [int(box.tip.split(" ")[0].replace(",", "")) for box in own.boxes]
        assert sum(counts) == 2500
        front = [each for each in data["points"] if each["pareto"]]
        assert sum(len(series.dots) for series in own.series) == len(front) == 50
        for box in own.boxes:
            assert own.x.low * (1 - 1e-9) <= box.x < box.x + box.width <= own.x.high * (1 + 1e-9)
            assert own.y.low * (1 - 1e-9) <= box.y < box.y + box.height <= own.y.high * (1 + 1e-9)
    files = files_of(shown)
    assert len(files["sweep.html"]) < 1_000_000
    assert len(list(csv.reader(io.StringIO(files["tables/sweep.csv"])))) == 3001
    assert "400 more, in" in files["sweep.md"]
    assert files["sweep.md"].count("too large") == 100


def test_more_groups_than_colours_are_dots_of_one() -> None:
    own = plot(swept(many(44, 11), train=None), "energy_time")
    (series,) = own.series
    assert (series.line, series.label, len(series.dots)) == (False, "", 44)
    assert "Colours" not in own.says
    assert len(plot(swept(many(40, 10), train=None), "energy_time").series) == 10
