"""The report of a search as a document: what was found, how, and what each point costs."""

from __future__ import annotations

from collections.abc import Iterator

from archsim.base.words import agreeing, counted
from archsim.report.document import Block, Document, Fold, Points, Section, Span, Text, code, say
from archsim.report.figure import Plot
from archsim.studies.search.figures import figures
from archsim.studies.search.tables import all_table, best_table, name_of, text_of, trials_table
from archsim.studies.search.trials import Saved
from archsim.studies.sweep.points import settings_text

MOST_REASONS = 100


def document(data: Saved) -> Document:
    """Return the report of a search: it depends on what search.json holds alone."""
    drawn = list(figures(data))
    found = [own for own in drawn if isinstance(own, Plot) and own.name.startswith("front_")]
    rest = [own for own in drawn if own not in found]
    sections = [
        Section("found", "What was found", (*_found(data), *found)),
        Section("search", "How it went", tuple(rest)),
        Section("points", "Points", (Fold("All points, in the order of asking", (trials_table(data),), found=True),
                                     all_table(data))),
    ]  # fmt: skip
    sections += _reasons(data)
    sections.append(Section("rules", "How the search goes", (Points(tuple(_rules(data))),)))
    title = f"Search over {data.arch.name} for {data.workload.name}"
    return Document(title, tuple(_head(data)), tuple(own for own in sections if own.blocks),
                    data.ends(data.arch, data.workload), stem="search")  # fmt: skip


def _head(data: Saved) -> Iterator[Block]:
    stopped = sum(bool(own.metrics is None and own.training) for own in data.trials)
    refused = sum(own.metrics is None for own in data.trials) - stopped
    broken = sum(bool(own.broken) for own in data.trials)
    told = [f"{refused:,} of them cannot be run"] if refused else []
    told += [f"{stopped:,} were stopped early"] if stopped else []
    told += [f"{broken:,} do not meet the conditions"] if broken else []
    yield say("Searched for the {goals}: {points} of at most {budget:,}{told}.", kind="lead", brief=True,
              goals=" and the ".join(map(name_of, data.goals)), points=counted(len(data.trials), "point"),
              budget=data.budget, told="".join(f", {each}" for each in told))  # fmt: skip
    if not data.complete:
        yield say("**Interrupted**: these are the points so far; the command below with `--resume` goes on.",
                  kind="warning")  # fmt: skip
    for own in data.search:
        how = ", by equal factors" if own.log else ""
        values = ", ".join(own.values) if own.values else f"{own.ends[0]} to {own.ends[1]}{how}"
        yield say("`{key}`: {values}.", key=own.key, values=values)
    if data.bounds:
        under = agreeing(len(data.bounds), "Under the condition ", "Under the conditions ")
        yield Text((Span(under), *code([own.text for own in data.bounds]).spans, Span(".")))
    if data.held:
        yield say("Each point is trained on {examples} with one seed, and judged by what it reaches on {held} "
                  "of the training part. The test set decides nothing: it is read once the best points are trained on "
                  "all of these.",
                  examples=counted(data.examples, "example"), held=counted(data.held, "other"))  # fmt: skip
        if data.sides == ("float",):
            yield say("The floating-point baseline is trained, without the chip, which no metric asks for.")
        elif data.sides == ("chip",):
            yield say("The chip is trained, without the floating-point baseline, which no metric asks for.")
    if data.sets:
        yield Text((Span("All points have "), *code(data.sets).spans, Span(".")))


def _found(data: Saved) -> Iterator[Block]:
    best = data.best
    if not best:
        yield say("No point that was tried can be run and meets all conditions.", kind="warning", brief=True)
        return
    yield best_table(data)
    start = data.start
    first, *others = data.goals
    if not others and start is not None and start.has(first.metric):
        before, after = start.figure(first.metric), best[0].figure(first.metric)
        meets = all(
            start.has(own.metric) and own.excess(start.figure(own.metric)) <= 0 for own in data.bounds
        )  # fmt: skip
        if meets and first.cost(after) >= first.cost(before):
            yield say("Nothing better than the spec as given was found.", brief=True)
        else:
            yield say("As given {before}, found {after}.", brief=True, before=text_of(first.metric, before),
                      after=text_of(first.metric, after))  # fmt: skip
    runs = [(own.number, data.specs[str(own.number)]) for own in best if str(own.number) in data.specs]
    if runs:
        yield say("In this folder, the specs of these points are run by:")
        yield Points(tuple(say("point {number}: `{line}`", number=number, line=line) for number, line in runs))


def _reasons(data: Saved) -> Iterator[Section]:
    refused = [(own, " ".join(own.refused.splitlines())) for own in data.trials if own.refused and not own.training]
    failed = [(own, "; ".join(own.audits_failed)) for own in data.trials if own.audits_failed]
    for title, name, told in (("Cannot be run", "refused", refused), ("Audits that failed", "audits_failed", failed)):
        items = [Text((*code(settings_text(own.settings)).spans, Span(f": {why}"))) for own, why in told[:MOST_REASONS]]
        if items:
            more = () if len(told) <= MOST_REASONS else (say("The others are in tables/search.csv."),)
            yield Section(name, title, (Points(tuple(items)), *more))


def _rules(data: Saved) -> Iterator[Text]:
    yield say("Points are asked for by Optuna's sampler `{sampler}`, {batch} at a time, each batch with a seed of its "
              "own that follows from seed {seed}; they are told in the order of asking. How many processes compute "
              "does not matter.", sampler=data.sampler, batch=data.batch, seed=data.seed)  # fmt: skip
    if data.shared:
        yield say("This search was shared with other commands: what was asked for depends on which of them was when "
                  "where, and this page cannot be made again by the command below.", kind="warning")  # fmt: skip
    yield say("A point that was tried is not tried again: where the sampler asks for too many of those, one that was "
              "not tried is drawn at random.")  # fmt: skip
    yield say("A point that cannot be run is told as one that breaks all conditions.")
    if data.held and len(data.goals) == 1:
        yield say("A training that has reached less than the median of those in earlier batches is stopped after a "
                  "quarter or half of its epochs.")  # fmt: skip
    epochs = "the epochs of the workload" if data.epochs is None else counted(data.epochs, "epoch")
    by = "the activity that its training measured" if data.held else "the spec"
    yield say("Each point runs for {epochs}; reads of the arrays are billed by {by}.", epochs=epochs, by=by)
