"""The report of a sweep as a document: what each point of a grid costs and reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archsim.base.record import Named
from archsim.base.words import agreeing, counted
from archsim.report.document import Block, Document, Points, Section, Span, Text, code, say
from archsim.studies.sweep.figures import figures
from archsim.studies.sweep.points import TIME, VALIDATED, Sweep, merit_of, settings_text
from archsim.studies.sweep.tables import MAIN, MORE, Metrics, alike, all_table, points_table

MOST_REASONS = 100
"""So many points that were refused are told one by one."""


def document(data: Sweep) -> Document:
    """Return the report of a sweep: it depends on what sweep.json holds alone."""
    points, trained = data.points, data.train is not None
    main = points_table(data, points, "points", "Accuracy, time and energy" if trained else "Time and energy", MAIN,
                        brief=True)  # fmt: skip
    more = points_table(data, points, "more", "Bounds, efficiency and shares", MORE)
    best = sorted((point for point in points if point.pareto), key=lambda point: point.figure(TIME))
    sections = [Section("points", "Points", (*figures(data), *_alike(data, MAIN, brief=True), main))]
    if best:
        table = points_table(data, best, "pareto", "The quickest first", MAIN)
        sections.append(Section("pareto", "Pareto-optimal", (table,)))
    sections.append(Section("more", "More of each point", (*_alike(data, MORE), more, all_table(data))))
    sections += _reasons(data)
    return Document(
        f"Sweep of {_names(data.workload, data.workloads, 'workload')} on {_names(data.arch, data.archs, 'chip')}",
        tuple(_head(data)), tuple(sections), (*_varied(data), *data.ends(data.arch, data.workload)),
        stem="sweep",
    )  # fmt: skip


def _names(own: Named, varied: Mapping[str, Named], word: str) -> str:
    return counted(len(varied), word) if varied else own.name


def _varied(data: Sweep) -> Iterator[Block]:
    """Yield the names and hashes of the chips and workloads that are varied."""
    for title, varied in (("Chips", data.archs), ("Workloads", data.workloads)):
        if varied:
            told = ", ".join(f"{key} is {own.name}, {own.hash}" for key, own in varied.items())
            yield say("{title}: {told}. Those below are what the command names besides.", kind="note", title=title,
                      told=told)  # fmt: skip


def _head(data: Sweep) -> Iterator[Block]:
    train, points = data.train, data.points
    refused = sum(point.refused is not None for point in points)
    told = f", {refused:,} of them refused; sweep.html says why" if refused else ""
    yield say("{points}{told}.", kind="lead", brief=True, points=counted(len(points), "point"), told=told)
    if not data.complete:
        yield say("**Interrupted**: these are the points so far; the command below with `--resume` goes on.",
                  kind="warning")  # fmt: skip
    epochs = "the epochs of the workload" if data.epochs is None else counted(data.epochs, "epoch")
    yield Text((*_grid(data), Span(f"; each point runs for {epochs}.")))
    if data.where:
        left = f"; {counted(data.left_out, 'other point')} of the grid {agreeing(data.left_out, 'is', 'are')} left out."
        yield Text((Span("At all of them holds "), *code(data.where).spans, Span(left)))
    if data.sets:
        yield Text((Span("All of them have "), *code(data.sets).spans, Span(".")))
    if train is not None:
        yield say(
            "Each is trained with {seeds}{ablated}; accuracies are those on the test set after the last epoch, means "
            "over the seeds with their sample standard deviation (std), and their difference in percentage points."
            "{held} The floating-point baseline has the same network, examples, order and seed.",
            seeds=counted(len(train.seeds), "seed"),
            ablated=f", without {', '.join(train.ablated)}" if train.ablated else "",
            held=" Points are compared by what they reach on the examples that dataset.validation holds back."
            if merit_of(points) in VALIDATED.values() else "",
        )  # fmt: skip
    goals = "accuracy, time per example and energy per example" if train is not None else "time and energy per example"
    yield say(
        "Reads of the arrays are billed by {billed}. The best of each column is bold. *Pareto*: no other point is as "
        "good in {goals}, and better in one of them.",
        billed=data.reads_billed_by, goals=goals,
    )  # fmt: skip


def _grid(data: Sweep) -> Iterator[Span]:
    """Yield what is varied: how many values of each key, of keys in step, or samples."""
    groups = [(data.sampled, f"samples ({data.sampler}) of")] if data.sampled else []
    groups += [(keys, "in step of") for keys in data.together]
    told: set[str] = set()
    for key, values in data.vary.items():
        keys, words = next((group for group in groups if key in group[0]), ((key,), "of"))
        if key not in told:
            count = data.samples if key in data.sampled else len(values)
            yield Span(f"{' x ' if told else 'The grid: '}{count:,} {words} ")
            yield from code(keys).spans
        told |= set(keys)


def _alike(data: Sweep, metrics: Metrics, *, brief: bool = False) -> tuple[Text, ...]:
    found = alike(data, metrics)
    return (say("At all points alike: {words}.", words=", ".join(found.values()), brief=brief),) if found else ()


def _reasons(data: Sweep) -> Iterator[Section]:
    """Yield what points were refused and whose audits failed, with the reasons."""
    refused = [(point, " ".join(point.refused.splitlines())) for point in data.points if point.refused]
    failed = [(point, "; ".join(point.audits_failed)) for point in data.points if point.audits_failed]
    for title, name, told in (("Refused", "refused", refused), ("Audits that failed", "audits_failed", failed)):
        items = [
            Text((*code(settings_text(point.settings)).spans, Span(f": {why}"))) for point, why in told[:MOST_REASONS]
        ]
        if more := len(told) - len(items):
            items.append(say("and {more:,} more, in `tables/sweep.csv` and `sweep.json`.", more=more))
        if items:
            yield Section(name, title, (Points(tuple(items)),))
