"""The report of a run as a document."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.base.units import engineering, percent
from archsim.base.words import agreeing, counted, per_cent
from archsim.report.document import Block, Card, Cards, Command, Document, Facts, Fold, Section, Text, code, say
from archsim.report.table import Column, Table, words
from archsim.studies.gpus.of_run import gpu_section
from archsim.studies.run import figures, tables
from archsim.studies.run.headline import HEADLINE, Headline, headline_text
from archsim.studies.run.page import Page, SpecFigure
from archsim.studies.train.figures import learning
from archsim.studies.train.history import History
from archsim.studies.train.measures import measure

STATUS_WORDS = {
    "fitted": "Fitted to published figures",
    "neglected": "Neglected, as an explicit zero",
    "assumption": "Assumptions [A]",
    "stand-in": "Stand-ins: quoted of other parts",
    "estimated": "Estimated from size, bits, rate and node",
    "derived": "Derived from what is published",
    "quoted": "Quoted from publications",
}
"""Groups of figures, those first on which a reader has to take a view."""
MOST_LAYERS = 12
"""So many layers are named above; the table has all."""


def document(page: Page) -> Document:
    """Return the report of a run: it depends on the page alone."""
    sections = (
        _what(page), _peak(page), _step(page), _tiles(page), _energy(page), _area(page),
        Section("links", "Links", (tables.links(page.details.links),)), _dwell(page), _accuracy(page),
        gpu_section(page.details.gpus),
        Section("made-of", "What the peak is made of", (tables.peak_time(page), tables.peak_energy(page))),
        *_sure(page), _rests(page), _audits(page), _repeat(page),
    )  # fmt: skip
    title = f"{page.data.arch.name} x {page.data.workload.name}"
    return Document(title, tuple(_head(page)), sections)


def _head(page: Page) -> list[Block]:
    data, metrics, details = page.data, page.metrics, page.details
    run = data.run
    found: list[Block] = []
    untrusted = " Do not trust these figures before that is understood."
    for rows, noun, more in ((data.audits, "audit", untrusted), (data.crosscheck or (), "cross-check", "")):
        failed = [f"{row.name}: {_figure(row.found)} instead of {_figure(row.expected)}"
                  for row in rows if not row.passed]  # fmt: skip
        if failed:
            found.append(say(
                "**{n} of {all} FAILED:** {names}." + more, kind="failed", brief=True, n=len(failed),
                all=counted(len(rows), noun), names="; ".join(failed),
            ))  # fmt: skip
    if details.description:
        found.append(say("{text}", kind="lead", text=details.description))
    found.append(say(
        "{examples} of {name} ({synapses}) on {used} of {tiles} {take} **{time}** and **{energy}**, transfers "
        "included. " + _how(run.examples_simulated, run.examples_fast_forwarded), brief=True,
        examples=counted(run.examples, details.mode.example), name=data.workload.name,
        synapses=counted(details.synapses, "synapse"), used=metrics.tiles_used,
        tiles=counted(metrics.tiles, "tile"), take=agreeing(run.examples, "takes", "take"),
        time=engineering(metrics.time_total_s, "s"), energy=engineering(metrics.energy_total_j, "J"),
        simulated=run.examples_simulated, jumped=run.examples_fast_forwarded,
    ))  # fmt: skip
    return [*found, cards(page)]


def _how(simulated: int, jumped: int) -> str:
    """Return how {simulated} and {jumped} examples were gone through."""
    if not jumped:
        return "It was simulated event by event." if simulated == 1 else "All were simulated event by event."
    return (
        "{simulated:,} were simulated event by event, {jumped:,} fast-forwarded: the schedule recurs, and cycles and "
        "counts are the same."
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.6g}"


def cards(page: Page) -> Cards:
    """Return the headline figures, sustained, each beside its peak."""
    metrics, every, mode = page.metrics, page.data.metrics, page.details.mode
    counts = f"{mode.ops_per_synapse} operations per synapse, example" + (" and step" if mode.steps > 1 else "")
    used = f"{metrics.tiles_used} of {counted(metrics.tiles, 'tile')} used"

    def beside(own: Headline) -> str:
        if own.metric == "tile_utilisation":
            return used
        peak = f"peak {headline_text(every.get(own.peak), own.peak, 4)}" if own.peak else ""
        ends = (page.data.intervals or {}).get(own.metric)
        sure = "" if ends is None else f"80 % within {tables.interval_text(ends, own.metric)}"
        return "; ".join(filter(None, (peak, sure)))

    return Cards(tuple(
        Card(own.label, headline_text(every.get(own.metric), own.metric, 4), beside(own),
             own.says.format(counted=counts))
        for own in HEADLINE
    ))  # fmt: skip


def _what(page: Page) -> Section:
    data, metrics, details = page.data, page.metrics, page.details
    layers = [f"{own.name} {own.inputs:,} x {own.outputs:,}" for own in data.layers[:MOST_LAYERS]]
    more = len(data.layers) - MOST_LAYERS
    shapes = ", ".join(layers) + (f" and {counted(more, 'more layer')}" if more > 0 else "")
    chips = f" on {metrics.chips} chips, joined by links" if metrics.chips > 1 else ""
    rows = [
        ("chip", say("{name}: {tiles}, {area}, clock {clock}; spec {hash}", name=data.arch.name,
                     tiles=counted(metrics.tiles, "tile"), area=engineering(metrics.area_m2, "m2"),
                     clock=engineering(details.clock_hz, "Hz"), hash=data.arch.hash)),
        ("workload", say("{name}: {shapes}; workload {hash}", name=data.workload.name, shapes=shapes,
                         hash=data.workload.hash)),
        ("placed", say("{used} of {tiles}{chips}; the network fills {share} of the chip's cells, the rest is idle but "
                       "leaks", used=metrics.tiles_used, tiles=counted(metrics.tiles, "tile"), chips=chips,
                       share=percent(metrics.cells_used_share))),
        *((("changed", code(details.overrides)),) if details.overrides else ()),
        ("seed", say("{seed}", seed=data.seed)),
        ("made by", say("archsim {version}", version=data.version)),
    ]  # fmt: skip
    return Section("what", "What was simulated", (Facts(tuple(rows)),))


def _peak(page: Page) -> Section:
    data, metrics, details = page.data, page.metrics, page.details
    mode = details.mode
    done = metrics.ops_executed_per_example
    texts = [say(
        "*Peak*: every cell of all tiles busy {phases}, {time} per example as set by the {unit}; leakage included; "
        "without transfers and without the host port, in time, energy and area. *Sustained*: this run; whole chip, "
        "host port and transfers included. Both count {ops} operations per synapse and example{steps}, bias rows "
        "included; {done} of {all:,} are executed{left}.",
        phases=mode.peak, time=engineering(details.peak.time_per_example_s, "s"),
        unit=words(details.peak.busiest_unit), ops=mode.ops_per_synapse,
        steps=f" and each of its {mode.steps} steps" if mode.steps > 1 else "",
        done="-" if done is None else f"{done:,.10g}", all=metrics.ops_per_example,
        left=f" ({mode.left_out})" if mode.left_out else "",
    )]  # fmt: skip
    if data.published:
        texts.append(say("Of the published figures, those marked *fit* were used to calibrate the spec and are no "
                         "prediction."))  # fmt: skip
    notes = [say("{note}", note=note, kind="note", brief=True) for note in data.notes]
    return Section("peak", "Peak and sustained", (
        tables.headline(page), *texts, _where(page), *notes, *figures.of("peak", page),
        tables.parts(page),
        say("These are differences between runs: with unlimited units and no maintenance, with the chip's units, and "
            "with maintenance.", kind="note"),
    ))  # fmt: skip


def _where(page: Page) -> Facts:
    """Return in words where time and energy go, as the figures below show it."""
    data, metrics, step = page.data, page.metrics, page.details.step
    moved = say("{n}, in {share} of all cycles", n=counted(metrics.transfers, "transfer", form=",.4g"),
                share=percent(metrics.transfer_time_share))  # fmt: skip
    found = [
        (f"where a step of {engineering(step.cycles / page.clock_hz, 's')} goes", _largest(step.shares_cycles)),
        ("where the tiles' cycles go", _largest(data.stalls_cycles)),
        ("where the energy goes", _largest(data.energy_j.by_component)),
        ("transfers", moved),
    ]
    if written := data.programming:
        found.append(("to write the weights first", say(
            "{time} and {energy} for {cells}, which none of these figures holds",
            time=engineering(written.time_s, "s"), energy=engineering(written.energy_j, "J"),
            cells=counted(written.cells, "cell"),
        )))  # fmt: skip
    return Facts(tuple(found), brief=True)


def _largest(parts: Mapping[str, float]) -> Text:
    """Return the parts of at least a hundredth, the largest first, as shares of all."""
    total = sum(parts.values()) or 1.0
    ranked = sorted(parts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{words(name)} {percent(own / total)}" for name, own in ranked if own >= 0.01 * total]
    return say("{shares}", shares=", ".join(shown) or "nowhere")


def _step(page: Page) -> Section:
    step = page.details.step
    return Section("step", "One step", (
        say("The step that ends with example {n}: {cycles}. On the critical path each stretch begins where the one "
            "before let it.", n=step.example, cycles=counted(step.cycles, "cycle")),
        *figures.of("step", page), _also(tables.step(page)),
    ))  # fmt: skip


def _also(*found: Table, title: str = "") -> Fold:
    return Fold(title or ("The same as tables" if len(found) > 1 else "The same as a table"), found)


def _tiles(page: Page) -> Section:
    return Section("tiles", "Tiles", (
        *figures.of("tiles", page), _also(tables.stalls(page), title="All tiles together, as a table"),
        tables.layers(page), *([tables.digital_layers(page)] if page.data.digital_layers else []),
        _also(tables.tiles(page), title="Each tile, as a table"),
    ))  # fmt: skip


def _energy(page: Page) -> Section:
    given = page.data.activity.source
    stated = [f"{read.layer} {read.direction}" for read in page.data.activity.reads if read.by == "stated"]
    if given is None and stated:
        activity: tuple[Block, ...] = (say(
            "Reads of {own} are billed by the values that the workload states: cells by drive and weight, lines by how "
            "often they toggle, drivers and converters in the part that goes with values. The peak keeps the spec's.",
            brief=True, own=", ".join(stated),
        ), tables.activity(page), tables.activity_effect(page))  # fmt: skip
    elif given is None:
        activity = (say(
            "Reads of the arrays are billed at the spec's fixed energy of a read, whatever the values are.", brief=True,
        ), say("`archsim train` measures the activity; `archsim run --activity FILE` bills by it."))  # fmt: skip
    else:
        reads = page.data.activity.reads
        measured = [f"{read.layer} {read.direction}" for read in reads if read.by == "measured"]
        activity = (
            say("Reads of the arrays are billed by the activity ({given}) of {own}, else at the spec's fixed energy of "
                "a read.", brief=True, given=given, own=", ".join(measured) or "no layer"),
            say("By activity it is supply x read voltage x conductance x time on. "
                "Lines are billed as often as they were charged, updates by the pulses that were fired, where it has "
                "them. The peak keeps the spec's."),
            tables.activity(page), tables.activity_effect(page),
        )  # fmt: skip
    return Section("energy", "Energy", (
        say("Mean power is {power}. What belongs to no layer (leakage, the host port) is listed as *chip*.",
            power=engineering(page.metrics.power_w, "W")),
        *figures.of("energy", page),
        _also(*tables.energy(page)),
        _also(tables.bill(page), title="The bill, item by item"), *activity,
    ))  # fmt: skip


def _area(page: Page) -> Section:
    return Section("area", "Area and floorplan", (*figures.of("area", page), _also(tables.area(page))))


def _dwell(page: Page) -> Section:
    drawn, table = figures.of("dwell", page), tables.dwell(page)
    times: tuple[Block, ...] = (say("There are no dwell times. {note}", note=table.note),)
    if drawn:
        times = (*drawn, table, _also(tables.dwell_histogram(page), title="The histogram as a table"))
    return Section("dwell", "Transfers and dwell times", (tables.endurance(page), *times))


def _accuracy(page: Page) -> Section:
    found: list[Block] = []
    if page.history is None:
        found.append(say(
            "No training was made with this report: it tells of time, energy and area, not of accuracy. "
            "`archsim train` with the same chip and workload, and this folder as its `--out`, measures accuracy beside "
            "floating point; `archsim report` then shows it here."
        ))  # fmt: skip
    else:
        drawn = learning(page.history)
        found += [_trained(page, page.history), *([drawn] if drawn is not None else []), tables.accuracy(page.history)]
    if page.data.crosscheck is not None:
        rows = page.data.crosscheck
        missed = sum(not row.passed for row in rows)
        found += [
            say("*Cross-check*: the same schedule, read as events and as numbers: in full and carrying values through "
                "the events; fast-forwarded, its timeline played by the accuracy model alone; and in floating point on "
                "the same examples in the same order."),
            say("{n} of {all} {differ}.", brief=True, n=missed or "None", all=counted(len(rows), "comparison"),
                differ="differ" if missed > 1 else "differs"),
            tables.crosscheck(page),
        ]  # fmt: skip
    else:
        found.append(say(
            "No cross-check was made. `archsim crosscheck` compares the events of this run with its numbers."
        ))  # fmt: skip
    return Section("accuracy", "Accuracy and cross-checks", tuple(found))


def _trained(page: Page, history: History) -> Text:
    what, data = measure(history), page.data
    shown = [what.text(value) for value in history.reached]
    name = "" if what.unit else f"{what.name} of "
    other = [history.arch.hash != data.arch.hash, history.workload.hash != data.workload.hash]
    spec = ", ".join(f"{own.name} {own.hash}" for own in (history.arch, history.workload))
    return say(
        "{chip} trained on {workload}, beside the same network in floating point: {name}{own} on the chip and {float} "
        "in floating point on the test set, mean of {seeds} after the last epoch{ablated}.{attention} Repeat: "
        "`{command}`",
        chip=data.arch.name, workload=data.workload.name, name=name, own=shown[0], float=shown[1],
        seeds=counted(len(history.seeds), "seed"), command=history.command,
        ablated=f", without {', '.join(history.ablated)}" if history.ablated else "",
        attention=f" ATTENTION: it was another spec ({spec}) than this run's." if any(other) else "",
    )  # fmt: skip


def groups(page: Page) -> list[tuple[str, str, list[SpecFigure]]]:
    """Return the figures of the spec as (status, heading, figures); explicit zeros are a group of their own."""
    zeros = set(page.details.zeros)
    found: dict[str, list[SpecFigure]] = {status: [] for status in STATUS_WORDS}
    for figure in page.details.figures:
        found.setdefault("neglected" if figure.path in zeros else figure.status, []).append(figure)
    return [(status, STATUS_WORDS.get(status, status), own) for status, own in found.items() if own]


def _sure(page: Page) -> list[Section]:
    how = page.data.uncertainty
    if how is None:
        return []
    outside = [
        label for label, _, value, low, high in tables.sure(page) if value is not None and not low <= value <= high
    ]
    drawn = "simulated" if how.simulated else "billed anew from the run's counters"
    text = say(
        "Some figures of the spec have ranges, or are estimates with a spread. The intervals hold {held} of {draws} in "
        "which these are drawn, each {drawn}; figures of one source, or of one estimator, err together. What the model "
        "leaves out is in no interval.{refused}{outside}", held=per_cent(how.held, 0), draws=counted(how.draws, "draw"),
        drawn=drawn,
        refused=f" Left out: {counted(how.refused, 'draw')} of which no chip can be made." if how.refused else "",
        outside=f" The nominal values of {'; '.join(outside)} lie outside, as figures stand at an end of their ranges."
        if outside else "",
        brief=True,
    )  # fmt: skip
    return [Section("sure", "How sure is it", (text, tables.intervals(page)))]


def _rests(page: Page) -> Section:
    folds = []
    for status, heading, own in groups(page):
        rows = tuple(
            (figure.path, figure.text, "; ".join(filter(None, (figure.source, figure.note)))) for figure in own
        )
        why = "why" if status in ("assumption", "neglected") else "source"
        table = Table(f"figures_{status}", heading, tuple(map(Column, ("place in the spec", "value", why))), rows,
                      most=len(rows))  # fmt: skip
        folds.append(Fold(f"{heading} ({len(own)})", (table,)))
    text = say(
        "The chip's spec has {figures}. Each is listed with its place in the spec; `inputs/arch.yaml` holds the spec "
        "itself.", figures=counted(len(page.details.figures), "figure"),
    )  # fmt: skip
    return Section("rests", "What all this rests on", (text, Fold("Find", tuple(folds), found=True)))


def _audits(page: Page) -> Section:
    rows = page.data.audits
    passed = sum(row.passed for row in rows)
    text = say("{passed} of {all} made inside the run passed.", brief=True, passed=passed,
               all=counted(len(rows), "audit"))  # fmt: skip
    return Section("audits", "Audits", (text, tables.audits(page), Fold("All metrics", (tables.all_metrics(page),))))


def _repeat(page: Page) -> Section:
    data = page.data
    return Section("repeat", "How to repeat this", (
        Command("archsim run run.yaml"), say("in the folder of this report, or:"),
        Command(data.command or "archsim.evaluate(...)"),
        say("Spec {arch}, workload {workload}, archsim {version}, seed {seed}. The same inputs give the same bytes.",
            arch=data.arch.hash, workload=data.workload.hash, version=data.version, seed=data.seed),
    ))  # fmt: skip
