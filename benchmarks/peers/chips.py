"""archsim's predictions beside the published figures of chips that CiMLoop models, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archsim.base.record import Record
from archsim.base.shipped import builtin_names
from archsim.base.words import agreeing, counted
from archsim.chip import build_chip
from archsim.report.document import Section, say
from archsim.report.table import Column, Said, Table
from archsim.results.metric_words import metric_name, metric_text
from archsim.results.peak import peak
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.studies.published import compare
from benchmarks.peers.pairs import Pair, pairs_table, ratio_text, rounded

PEER = "CiMLoop"
SERIAL, THROUGHPUTS = "jia_jssc_2020", {1: 1.0, 2: 1 / 2, 4: 1 / 4, 8: 64 / 600}
"""Throughput of Jia et al. 2020, figure 10, by bits of an input, to that of one: as CiMLoop's tests have it."""


class Figure(Record):
    """A row of `archsim published`, in SI units, and `at` what it was measured.

    `kind` is input, shape or predicted, `parts` what most of it is made of.
    """

    arch: str
    metric: str
    simulated: float
    published: float
    kind: str
    parts: str
    at: str = ""


class Chips(Record):
    """Figures of chips that CiMLoop's tests have, too, and throughputs by bits of inputs."""

    rows: tuple[Figure, ...]
    bits: tuple[Pair, ...]


def measure() -> Chips:
    """Return both sides; every chip counts whose spec names CiMLoop as where its figures are from."""
    chips = [load_arch(name) for name in builtin_names("arch_specs")]
    own = [chip for chip in chips if chip.value.published and PEER in (chip.value.reference or "")]
    return Chips(rows=tuple(figures(own)), bits=throughputs())


def figures(chips: Sequence[Loaded[ArchSpec]]) -> Iterator[Figure]:
    """Yield the published figures of chips, with archsim's."""
    for row in compare(chips).rows:
        if row.simulated is not None:
            yield Figure(
                arch=row.arch, metric=row.metric, simulated=rounded(row.simulated), published=rounded(row.published),
                kind=row.kind, parts=row.parts, at=row.at,
            )  # fmt: skip


def throughputs() -> tuple[Pair, ...]:
    """Return the chip's throughput with inputs of several bits, one after another, to that with one."""
    found = []
    peaks = {
        bits: peak(build_chip(load_arch(SERIAL, [f"tile.row_driver.bits={bits}"]).value), "inference")
        for bits in THROUGHPUTS
    }
    for bits, published in THROUGHPUTS.items():
        if bits > 1:
            share = peaks[bits].throughput_op_per_s / peaks[1].throughput_op_per_s
            found.append(Pair(work=f"{SERIAL}, inputs of {bits} bits", figure="throughput to that of one bit", unit="",
                              archsim=rounded(share), other=rounded(published)))  # fmt: skip
    return tuple(found)


def section(data: Chips) -> Section:
    """Return what the page says of it."""
    heads = ("chip", "figure", "archsim", "published", "archsim / published", "what it is", "made of")
    rows = tuple(
        (row.arch, ", ".join([metric_name(row.metric), *([row.at] if row.at else [])]),
         _text(row.metric, row.simulated), _text(row.metric, row.published),
         Said(row.simulated / row.published, ratio_text(row.simulated / row.published)), row.kind, row.parts)
        for row in data.rows
    )  # fmt: skip
    predicted = [row.simulated / row.published for row in data.rows if row.kind == "predicted"]
    near = sum(abs(ratio - 1) <= 0.2 for ratio in predicted)
    shapes = [row.simulated / row.published for row in data.rows if row.kind == "shape"]
    shaped = sum(abs(ratio - 1) <= 0.2 for ratio in shapes)
    last = data.bits[-1]
    return Section("chips", "CiMLoop's macros", (
        say("CiMLoop comes with models of published macros and tests of what was published of them. It needs "
            "Timeloop and a container, and was not run; what its tests hold, the chips' own figures, stands here "
            "beside archsim's. *Input* figures are lines of a spec, converted; *predicted* ones are not. All chips "
            "whose specs have their figures from CiMLoop are here; `archsim published` has the others."),
        Table("chips", "Chips", tuple(map(Column, heads)), rows, most=len(rows)),
        say("With inputs of several bits, one after another, throughput falls:"),
        pairs_table("bits", "Inputs bit by bit", "published", data.bits),
        say("**Agrees:** {near} of {count} {lie} within 20 %. For Jia et al. both programs have energies "
            "grow with the square of the supply; the array's grew a little more in silicon. Of the {shapes} of kind "
            "*shape*, of which only how they go with supply, bits or values is foretold, {shaped} do.",
            near=near, lie=agreeing(near, "lies", "lie"), count=counted(len(predicted), "prediction"),
            shapes=counted(len(shapes), "figure"), shaped=shaped),
        say("**Values:** for Sinangil et al. both have lines go with the pulses of the inputs and cells with input "
            "times weight, and both take inputs and weights as the square root of the output: the paper does not say. "
            "CiMLoop scales a counter, lines and a capacitor; archsim splits what the paper measured between outputs "
            "of 0 and 15 in two. At the mean output of 6 both come close at 0.8 V, and neither does at 1 V."),
        say("**Does not:** with inputs of 8 bits archsim is at {ratio} of the published throughput, and CiMLoop's "
            "tests note the same: the chip's memories do not keep up, which neither models.",
            ratio=f"{last.ratio:.2f}"),
        say("**Beware** of reading CiMLoop's models as predictions: its model of this macro calibrates the "
            "converter's energy by 0.275, areas of converters and drivers by 0.4 and 9.1, and has delays go by the "
            "supply to the power of 2.66 (`variables_iso.yaml` of the macro). archsim takes the parts that were "
            "measured at one supply, and is judged at another. What CiMLoop itself makes of its macros is drawn in "
            "its notebooks, without figures to quote."),
    ))  # fmt: skip


def _text(metric: str, value: float) -> Said:
    return Said(value, metric_text(value, metric))
