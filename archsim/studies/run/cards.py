"""The report as one HTML page that needs no other file and no network: for a screen of any width, and for paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from archsim.base.words import counted
from archsim.report.colours import BUSY, HEAT
from archsim.report.extra import Extra
from archsim.report.html import policy, source
from archsim.report.inline import inline_svg
from archsim.report.table import Table, areal
from archsim.studies.run import charts, curves
from archsim.studies.run.page import Page
from archsim.studies.run.plan_view import plan_view

STATUS_WORDS = {
    "fitted": "Fitted to published figures",
    "neglected": "Neglected, as an explicit zero",
    "assumption": "Assumptions [A]",
    "derived": "Derived from what is published",
    "quoted": "Quoted from publications",
}
"""Groups of figures, those first on which a reader has to take a view."""


@dataclass(frozen=True)
class Card:
    """A headline figure: its value with the unit, the peak beside it, and what it includes."""

    label: str
    value: str
    beside: str
    includes: str


def report_html(page: Page, found: Mapping[str, Table], more: Sequence[Extra], environment: Environment) -> str:
    """Return the page; `found` are the run's tables by name, `more` the sections that others add.

    All texts of specs are escaped, and a policy in the page forbids whatever is not in it: scripts but its own, and
    any request.
    """
    made = environment.overlay(autoescape=True)
    script, style = source("report.js"), source("report.css")
    return made.get_template("report.html").render(
        data=page.data,
        details=page.details,
        metrics=page.metrics,
        tables=found,
        cards=cards(page),
        charts={chart.name: chart for chart in (
            charts.waterfall(page), charts.energy(page), charts.energy_phase(page), charts.energy_layer(page),
            charts.area(page), charts.critical_path(page), charts.stalls(page),
        )},
        timeline=curves.timeline(page),
        plan=plan_view(page),
        dwell=curves.dwell(page),
        history=page.history,
        accuracy=curves.accuracy(page.history) if page.history is not None else None,
        extras=[(extra, _drawings(extra)) for extra in more],
        groups=groups(page),
        failed=[audit for audit in page.data["audits"] if not audit["passed"]],
        missed=[check for check in page.data.get("crosscheck", ()) if not check["passed"]],
        heat=", ".join(HEAT),
        busy=", ".join(BUSY),
        policy=policy(script),
        script=Markup(script),
        style=Markup(style),
    )  # fmt: skip


def cards(page: Page) -> list[Card]:
    """Return the headline figures, sustained, each beside its peak."""
    metrics, mode = page.metrics, page.details["mode"]
    counts = f"{mode['ops_per_synapse']} operations per synapse, example" + (" and step" if mode["steps"] > 1 else "")
    rows = (
        ("time per example", "time_per_example_s", "time_per_example_peak_s", "transfers and the host port included"),
        ("throughput", "throughput_op_per_s", "throughput_peak_op_per_s", counts),
        ("energy efficiency", "efficiency_op_per_j", "efficiency_peak_op_per_j", "leakage and the host port included"),
        ("throughput per area", "throughput_per_area_op_per_s_m2", "throughput_per_area_peak_op_per_s_m2",
         "over the whole die"),
        ("energy per example", "energy_per_example_j", "", "the whole chip, leakage included"),
        ("power", "power_w", "power_peak_w", "mean of the run, the whole chip"),
        ("area", "area_m2", "area_peak_m2", "the whole die; the peak's is without the host port"),
    )  # fmt: skip
    found = [
        Card(label, areal(metrics[key], key, 4), f"peak {areal(metrics[top], top, 4)}" if top else "", says)
        for label, key, top, says in rows
    ]
    share = metrics["tile_utilisation"]
    busy = "-" if share is None else charts.percent(share)
    return [*found, Card("crossbars busy", busy, f"{metrics['tiles_used']} of {counted(metrics['tiles'], 'tile')} used",
                         "share of the used tiles' cycles that compute")]  # fmt: skip


def groups(page: Page) -> list[tuple[str, str, list[Mapping[str, Any]]]]:
    """Return the figures of the spec as (status, heading, figures); explicit zeros are a group of their own."""
    zeros = set(page.details["zeros"])
    found: dict[str, list[Mapping[str, Any]]] = {status: [] for status in STATUS_WORDS}
    for figure in page.details["figures"]:
        found.setdefault("neglected" if figure["path"] in zeros else figure["status"], []).append(figure)
    return [(status, STATUS_WORDS.get(status, status), own) for status, own in found.items() if own]


def _drawings(extra: Extra) -> list[tuple[str, Markup]]:
    """Return (caption, element) of each drawing of a section."""
    return [
        (caption, Markup(inline_svg(svg, f"{extra.name}-{name}", caption)))
        for name, svg in extra.figures.items()
        for caption in [extra.captions.get(name, name.replace("_", " "))]
    ]
