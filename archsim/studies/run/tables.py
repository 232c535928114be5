"""Tables of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archsim.base.units import engineering, si_of_metric
from archsim.base.words import per_cent
from archsim.report.floorplan import LinkUse
from archsim.report.table import Column, Said, Table, words
from archsim.studies.run.headline import HEADLINE, headline_text
from archsim.studies.run.page import Page
from archsim.studies.train.history import History
from archsim.studies.train.measures import measure


def shares(name: str, title: str, what: str, parts: Mapping[str, float], unit: str, note: str = "") -> Table:
    """Return a table of parts, their shares and their total."""
    total = sum(parts.values())
    rows = [(words(key), value, value / total if total else None) for key, value in parts.items() if value]
    columns = (Column(what), Column({"J": "energy", "m2": "area"}.get(unit, "cycles"), unit), Column("share", "%"))
    return Table(name, title, columns, (*rows, ("total", total, 1.0 if total else None)), note)


def headline(page: Page) -> Table:
    """Peak, sustained and lower bound side by side, with what was published."""
    metrics = page.data.metrics
    published = {row.metric: row for row in page.data.published}
    rows = []
    for own in HEADLINE:
        given = published.get(own.peak) or published.get(own.metric)
        value = headline_text(given.published, own.metric) if given else ""
        note = f"{value} ({given.kind}, x {given.ratio:.4f})" if given else ""
        cells = [headline_text(metrics.get(key), key) if key else "" for key in (own.peak, own.metric, own.bound)]
        rows.append((own.label, *cells, note))
    columns = tuple(map(Column, ("figure", "peak", "sustained", "lower bound", "published")))
    return Table("headline", "Peak and sustained", columns, tuple(rows), brief=True)


def interval_text(ends: tuple[float, float], metric: str) -> str:
    """Return the ends of a metric's interval in words."""
    low, high = (headline_text(end, metric, 3) for end in ends)
    return f"{low} to {high}"


def _cause(figures: Sequence[str]) -> str:
    """Return what errs together: the first figure, and how many more."""
    first, *more = figures
    return f"{first} and {len(more)} more" if more else first


def sure(page: Page) -> Iterator[tuple[str, str, float | None, float, float]]:
    """Yield (label, metric, value as given, low, high) of the headline figures, sustained and at the peak."""
    known = page.data.intervals or {}
    for label, metric in [(own.label, own.metric) for own in HEADLINE] + [
        (f"peak, {own.label}", own.peak) for own in HEADLINE
    ]:
        if metric in known:
            yield label, metric, page.data.metrics.get(metric), *known[metric]


def intervals(page: Page) -> Table:
    """The intervals of the headline figures, sustained and at the peak, and what makes most of each."""
    causes = page.data.uncertainty.causes if page.data.uncertainty else {}
    rows = []
    for label, metric, value, low, high in sure(page):
        told = (f"{_cause(cause.figures)} ({per_cent(cause.share, 0)})" for cause in causes.get(metric, ()))
        shown = [Said(each, headline_text(each, metric)) for each in (value, low, high)]
        rows.append((label, *shown, high / low if low > 0 else None, "; ".join(told)))
    columns = (Column("figure"), Column("nominal"), Column("low"), Column("high"), Column("high / low", "", 2),
               Column("most of it by"))  # fmt: skip
    return Table("intervals", "Intervals", columns, tuple(rows), brief=True)


def all_metrics(page: Page) -> Table:
    """Every metric, in SI units."""
    rows = [(name, value, si_of_metric(name).replace("m**2", "m2")) for name, value in page.data.metrics.items()]
    columns = (Column("metric"), Column("value"), Column("unit"))
    return Table("metrics", "All metrics", columns, tuple(rows), most=len(rows))


def parts(page: Page) -> Table:
    """From the peak's interval to the sustained time per example."""
    given = page.data.time_per_example_parts_s
    total = page.metrics.time_per_example_s
    busiest = page.details.peak.busiest_unit.replace("_", " ")
    says = {
        "interval": f"initiation interval of the peak: the {busiest} of a full tile",
        "dependencies": "an example's ops wait for each other; unlimited units, no maintenance",
        "contention": "waiting for tiles, converters, links and the host port",
        "maintenance": "transfers and refresh",
    }
    rows = [(says[key], value, None if not total else value / total) for key, value in given]
    columns = (Column("part"), Column("time per example", "s"), Column("share", "%"))
    return Table("parts", "From peak to sustained", columns, (*rows, ("sustained, total", total, 1.0)))


def step(page: Page) -> Table:
    """The critical path of one step, by what it is spent on."""
    note = "Of the step shown in the figure; each cycle of it is counted once."
    cycles = page.details.step.shares_cycles
    return shares("step", "Where one step goes", "on the critical path", cycles, "", note)


def stalls(page: Page) -> Table:
    """Used tiles' cycles by state."""
    counts = dict(sorted(page.data.stalls_cycles.items(), key=lambda pair: (-pair[1], pair[0])))
    return shares("stalls", "Where the tiles' cycles go", "state", counts, "")


def energy(page: Page) -> tuple[Table, Table, Table]:
    """Energy of the run by component, phase and layer."""
    found = page.data.energy_j
    by = {"component": found.by_component, "phase": found.by_phase, "layer": found.by_layer}
    one, two, three = (shares(f"energy_{name}", f"Energy by {name}", name, own, "J") for name, own in by.items())
    return one, two, three


def bill(page: Page) -> Table:
    """Every item of the bill: component, action, phase, layer, count, energy."""
    rows = [(own.component, own.action, own.phase, own.layer, own.count, own.energy_j) for own in page.details.bill]
    rows.sort(key=lambda row: (-row[5], *row[:4]))
    heads = ("component", "action", "phase", "layer", "count")
    return Table("bill", "The bill", (*map(Column, heads), Column("energy", "J")), tuple(rows))


def area(page: Page) -> Table:
    """Area by component: instances, area of one and of all."""
    total = page.data.area.total_m2
    ranked = sorted(page.details.parts, key=lambda part: (-part.area_m2, part.component))
    rows = [(part.component.replace("_", " "), part.instances, part.area_m2, part.area_m2 / total) for part in ranked]
    columns = (Column("component"), Column("instances"), Column("area", "m2"), Column("share", "%"))
    return Table("area", "Area by component", columns, (*rows, ("total", None, total, 1.0)))


def peak_energy(page: Page) -> Table:
    """The peak's energy per example and tile by component."""
    tiles = page.metrics.tiles
    per_tile = {name: value / tiles for name, value in page.details.peak.energy_j_by_component.items()}
    note = f"One example on one full tile of {tiles}; leakage over one interval included."
    return shares("peak_energy", "What the peak's energy is made of", "component", per_tile, "J", note)


def peak_time(page: Page) -> Table:
    """Cycles per example that each unit of a full tile is held."""
    rows = sorted(page.details.peak.busy_cycles.items(), key=lambda pair: (-pair[1], pair[0]))
    note = "The busiest unit sets the initiation interval; sample-and-hold counts per place."
    columns = (Column("unit"), Column("cycles per example"))
    return Table("peak_time", "What the peak's time is made of", columns, tuple(rows), note)


def layers(page: Page) -> Table:
    """Layers: shape, shards, energy and what their tiles do."""
    rows = []
    for layer in page.data.layers:
        states = layer.stalls_cycles
        total = sum(states.values())
        busy = states["forward"] + states["backward"] + states["update"]
        where = ", ".join(map(str, layer.tiles[:8])) + (" ..." if len(layer.tiles) > 8 else "")
        rows.append(
            (
                layer.name,
                f"{layer.inputs:,} x {layer.outputs:,}",
                layer.synapses,
                f"{layer.row_shards} x {layer.col_shards}",
                where,
                layer.energy_j,
                busy / total if total else None,
            )
        )
    columns = (Column("layer"), Column("shape"), Column("synapses"), Column("shards"), Column("on tiles"),
               Column("energy", "J"), Column("crossbars busy", "%"))  # fmt: skip
    return Table("layers", "Layers", columns, tuple(rows))


def digital_layers(page: Page) -> Table:
    """What layers without weights send, and read of memories; none where there are no such layers."""
    found = page.data.digital_layers or {}
    rows = ((name, row.bits_sent, row.bits_received, row.words_read, row.words_written) for name, row in found.items())
    columns = (
        Column("layer"),
        *(Column(name) for name in ("bits sent", "bits received", "words read", "words written")),
    )
    note = "For an example, both ways: inputs that a place lacks, what is added to them, numbers that all places share."
    return Table("digital_layers", "What digital layers move", columns, tuple(rows), note)


def tiles(page: Page) -> Table:
    """Used tiles: the share of cycles in each state."""
    rows = []
    names = list(page.data.stalls_cycles)
    for shard in page.details.tiles:
        total = sum(shard.cycles.values())
        cells = [shard.cycles[name] / total if total else None for name in names]
        rows.append((shard.tile, f"{shard.layer}{shard.shard}", *cells))
    columns = (Column("tile"), Column("shard"), *(Column(name.replace("_", " "), "%") for name in names))
    return Table("tiles", "Tiles", columns, tuple(rows))


def links(links: Sequence[LinkUse]) -> Table:
    """The links that were used, the busiest first."""
    rows = tuple(
        (own.name, own.length_m, own.messages, own.busy_cycles, own.utilisation, own.wait_cycles,
         own.buffer_wait_cycles, own.energy_j)
        for own in links
    )  # fmt: skip
    columns = (Column("link"), Column("length", "m"), Column("messages"), Column("busy cycles"),
               Column("utilisation", "%"), Column("cycles waited for"), Column("cycles waited for its buffer"),
               Column("energy", "J"))  # fmt: skip
    return Table("links", "The busiest links", columns, rows)


def dwell(page: Page) -> Table:
    """How long updates stay on their capacitors."""
    clock_hz = page.clock_hz
    data, metrics = page.data.dwell, page.metrics
    rows = [
        ("mean", metrics.dwell_time_mean_s),
        ("median", _seconds(data.median_cycles, clock_hz)),
        ("99th percentile", _seconds(data.p99_cycles, clock_hz)),
        ("maximum", metrics.dwell_time_max_s),
    ]
    taus = {*page.details.leak_time_constants_s} - {0.0}
    rows += [("leak time constant of the capacitor", tau) for tau in sorted(taus)]
    note = (
        f"Updates of cells that were read by a transfer or rewrite: {data.cell_updates_read:,}; still open at the "
        f"end, and counted apart: {data.cell_updates_open:,}."
    )
    return Table(
        "dwell", "Dwell time on the capacitor", (Column("dwell time"), Column("value", "s")), tuple(rows), note
    )


def _seconds(cycles: int | None, clock_hz: float) -> float | None:
    return None if cycles is None else cycles / clock_hz


def dwell_histogram(page: Page) -> Table:
    """The histogram of dwell times."""
    clock_hz = page.clock_hz
    bins = page.data.dwell.histogram
    rows = tuple((bin_.from_cycles, bin_.from_cycles / clock_hz, bin_.cell_updates) for bin_ in bins)
    columns = (Column("from cycles"), Column("from", "s"), Column("updates of cells"))
    return Table("dwell_histogram", "Histogram of dwell times", columns, rows)


def endurance(page: Page) -> Table:
    """What transfers do to the long-term devices, and to the supply."""
    metrics = page.metrics
    rows = (
        ("transfers of a whole shard, mean", f"{metrics.transfers:,.5g}"),
        ("cycles in which at least one crossbar transfers", per_cent(metrics.transfer_time_share, 2)),
        ("cycles in which at least one crossbar is refreshed", per_cent(metrics.refresh_time_share, 2)),
        ("RESETs per long-term device, mean", _text(metrics.pcm_writes_per_cell_mean)),
        ("RESETs per long-term device, maximum", _text(metrics.pcm_writes_per_cell_max)),
        ("peak power of cells being programmed", engineering(metrics.transfer_power_peak_w, "W")),
    )
    return Table("transfers", "Transfers", (Column("figure"), Column("value")), rows)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,.5g}"


def audits(page: Page) -> Table:
    """The checks made inside the run."""
    rows = tuple((a.name, a.expected, a.found, "passed" if a.passed else "FAILED") for a in page.data.audits)
    columns = (Column("audit"), Column("expected"), Column("found"), Column("result"))
    return Table("audits", "Audits", columns, rows)


def activity(page: Page) -> Table:
    """By which activity the reads of the arrays are billed."""
    rows = tuple(
        (
            read.layer,
            read.direction,
            read.by,
            read.on_time_s,
            read.conductance_siemens,
            read.read_energy_j,
            read.read_energy_spec_j,
            _ratio(read.read_energy_j, read.read_energy_spec_j),
        )
        for read in page.data.activity.reads
    )
    columns = (Column("layer"), Column("direction"), Column("billed by"), Column("mean time on", "s"),
               Column("mean conductance", "S"), Column("energy of a read", "J"), Column("the spec's", "J"),
               Column("ratio"))  # fmt: skip
    return Table("activity", "Activity of the arrays", columns, rows)


def activity_effect(page: Page) -> Table:
    """What the activity changes, by component, or the values that are stated."""
    rows = tuple(
        (name, own.spec, own.used, own.used - own.spec, _ratio(own.used, own.spec))
        for name, own in page.data.activity.effect_j.items()
    )
    columns = (Column("component"), Column("at the spec's read energy", "J"), Column("as billed", "J"),
               Column("difference", "J"), Column("ratio"))  # fmt: skip
    return Table("activity_effect", "What the activity changes", columns, rows, brief=True)


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None


def crosscheck(page: Page) -> Table:
    """Events against numbers, point by point."""
    rows = tuple(
        (row.name, row.expected, row.found, row.difference, "passed" if row.passed else "FAILED")
        for row in page.data.crosscheck or ()
    )
    columns = tuple(map(Column, ("check", "expected", "found", "difference", "result")))
    return Table("crosscheck", "Cross-check", columns, rows)


def accuracy(history: History) -> Table:
    """Accuracy, or R2, and loss by seed and epoch, on the chip beside floating point."""
    what = measure(history)
    rows = [
        (str(seed), epoch, *values)
        for seed, *runs in zip(
            history.seeds, *history.merit.values(), *history.losses.values(), *history.entropies.values(), strict=True
        )
        for epoch, values in enumerate(zip(*runs, strict=True), 1)
    ]
    judged = (Column(what.head(where), what.unit, 2) for where in ("on the chip", "floating point"))
    columns = (Column("seed"), Column("epoch"), *judged, Column("loss, chip"), Column("loss, float"),
               *(Column(f"cross-entropy, {where}") for where in history.entropies))  # fmt: skip
    where = f" on {history.judged_on}" if history.validated else ""
    return Table("accuracy", f"{what.name[0].upper()}{what.name[1:]}{where} by epoch", columns, tuple(rows))
