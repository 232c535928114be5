"""The report of a training, on a small history and what a probe could have found: its data, and what media show."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace
from typing import Any

import pytest

from archsim.functional.findings import Findings, Histogram, Loss
from archsim.functional.ranges import REMEDIES, WORTH_A_WARNING
from archsim.report.document import Document
from archsim.report.figure import Plot
from archsim.report.files import files_of
from archsim.report.table import Said
from archsim.report.terminal import lines
from archsim.studies.train.study import STUDY
from tests.report.samples import html_in

SERIES = ("accuracy_chip", "accuracy_float", "loss_chip", "loss_float", "pulses_per_synapse", "clipped_share")
HISTORY: dict[str, Any] = {
    "schema": "archsim-history-1", "version": "0", "command": "c",
    "arch": {"name": "a", "hash": "1"}, "workload": {"name": "w", "hash": "2"},
    "rates": {where: {"first": 0.01, "decay": 0.9, "floor": 0.1} for where in ("chip", "float")},
    "data": {"name": "d", "source": "s", "train": 2, "test": 1}, "ablated": [], "complete": True, "diverged": None,
    "seeds": [0], **{name: [[0.5]] for name in SERIES}, "loss": "cross_entropy", "saturation": [[{}]], "warnings": [],
    "final": {"accuracy_chip_mean": 0.5, "accuracy_float_mean": 0.5, "difference": 0.0},
}  # fmt: skip
"""A training of one epoch."""
DIVERGED = {"seed": 5, "epoch": 3, "where": "on the chip"}
HOSTILE = '<b>*x*</b> `y` {z} | & "q"'


def two_seeds() -> dict[str, Any]:
    """Three epochs of seed 4 and two of seed 5, which was interrupted."""
    chip, floating = [[0.7, 0.8, 0.9], [0.6, 0.7]], [[0.8, 0.9, 0.95], [0.75, 0.85]]
    share = {kind: 0.001 * i for i, kind in enumerate(REMEDIES)}
    return {
        **HISTORY, "seeds": [4, 5], "complete": False, "ablated": ["leakage"],
        "accuracy_chip": chip, "accuracy_float": floating, "loss_chip": [[3.0, 2.0, 1.0], [4.0, 3.0]],
        "loss_float": [[2.0, 1.0, 0.5], [2.5, 1.5]], "pulses_per_synapse": [[0.1] * 3, [0.2] * 2],
        "clipped_share": [[0.01] * 3, [0.02] * 2], "warnings": ["seed 4 is slow"],
        "saturation": [[{"fc1": share}, {"fc1": {**share, "weights_clipped": 0.4}}, {}], [{"fc1": share}] * 2],
        "final": {"accuracy_chip_mean": 0.8, "accuracy_float_mean": 0.9, "difference": -0.1},
    }  # fmt: skip


def document(data: dict[str, Any], findings: Findings | None = None, activity: bool = False) -> Document:
    return STUDY.report({**data, "findings": None if findings is None else asdict(findings), "activity": activity})


def found(transferred: bool = True) -> Findings:
    """Two quantities in three bins; one layer that leaked for 1 and 2 ms."""
    moments = ("before", "after") if transferred else ("at the end",)
    histograms = tuple(
        Histogram(name, (0.0, 1.0, 2.0, 3.0), {moment: (4, 0, i) for i, moment in enumerate(moments, 1)})
        for name in ("W", "G+")
    )
    loss = Loss("fc1", 4.0, (1e-3, 2e-3), (10, 20), (0.1, 0.3), (0.2, 0.4))
    return Findings(4, transferred, histograms, (loss,), 2.0, 5e-3)


def plot(name: str, data: dict[str, Any], findings: Findings | None = None) -> Plot:
    own = document(data, findings).figures()[name]
    assert isinstance(own, Plot)
    return own


def test_curves_are_each_seed_and_the_mean_of_those_that_reached_an_epoch() -> None:
    for name, key in (("accuracy", "accuracy"), ("loss", "loss")):
        drawn = plot(name, two_seeds())
        thick = {own.label: [(dot.x, dot.y) for dot in own.dots] for own in drawn.series if not own.thin}
        thin = {own.label: [(dot.x, dot.y) for dot in own.dots] for own in drawn.series if own.thin}
        for side, words in (("chip", "on the chip"), ("float", "in floating point")):
            one, other = two_seeds()[f"{key}_{side}"]
            label = words if side == "chip" else "floating point"
            assert thin[f"{label}, seed 4"] == list(enumerate(one, 1))
            assert thin[f"{label}, seed 5"] == list(enumerate(other, 1))
            mean = [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2, one[2]]
            assert thick[label] == [(epoch, pytest.approx(value)) for epoch, value in enumerate(mean, 1)]
        assert [text for text, _ in drawn.legend] == ["floating point", "on the chip"]
        assert drawn.y.label == {"accuracy": "accuracy on the test set", "loss": "mean loss in training"}[name]
    last = plot("accuracy", two_seeds()).series[-1].dots
    assert last[0].tip == "on the chip, epoch 1: 65.00 %, mean of 2 seeds, 60.00 % to 70.00 %"
    single = plot("accuracy", HISTORY)
    assert [(own.thin, own.dots[0].tip) for own in single.series] == [
        (False, "floating point, seed 0, epoch 1: 50.00 %"), (False, "on the chip, seed 0, epoch 1: 50.00 %"),
    ]  # fmt: skip


def test_epochs_that_were_not_tested_are_left_out_of_the_curve() -> None:
    """Where part of the data is kept for validation, the test set is looked at after the last epoch alone."""
    data = {
        **HISTORY,
        **{name: [[None, None, 0.5]] for name in SERIES[:2]},
        **{name: [[1.0] * 3] for name in SERIES[2:]},
    }
    assert [(dot.x, dot.y) for own in plot("accuracy", data).series for dot in own.dots] == [(3, 0.5)] * 2
    assert len(plot("loss", data).series[0].dots) == 3


def test_the_final_table_and_the_history_are_the_data() -> None:
    data = two_seeds()
    tables = document(data).tables()
    assert tables["final"].rows[0] == ("on the chip", 0.8, 2.0)  # losses of the last epochs: 1 and 3
    assert tables["final"].rows[1] == ("in floating point", 0.9, 1.0)
    assert tables["final"].rows[2] == ("difference", Said(-0.1, "-10.00 points"), None)
    rows = list(csv.reader(io.StringIO(tables["history"].csv())))
    assert rows[0] == ["seed", "epoch", "on the chip [share]", "floating point [share]", "loss, chip", "loss, float",
                       "pulses per synapse", "clipped [share]"]  # fmt: skip
    assert [row[:3] for row in rows[1:]] == [["4", "1", "0.7"], ["4", "2", "0.8"], ["4", "3", "0.9"],
                                             ["5", "1", "0.6"], ["5", "2", "0.7"]]  # fmt: skip
    assert "final" not in document({**data, "diverged": {**DIVERGED, "says": "lost"}}).tables()


def test_saturation_is_the_largest_share_marked_where_it_is_worth_a_warning() -> None:
    tables = document(two_seeds()).tables()
    (row,) = tables["saturation_most"].rows
    assert dict(zip(REMEDIES, row[1:], strict=True))["weights_clipped"] == 0.4
    assert set(tables["saturation_most"].marked) == {
        (0, i) for i, value in enumerate(row) if i and value > WORTH_A_WARNING
    }  # fmt: skip
    assert [own[:3] for own in tables["saturation"].rows] == [
        (4, 1, "fc1"), (4, 2, "fc1"), (5, 1, "fc1"), (5, 2, "fc1"),
    ]  # fmt: skip
    assert "saturation" not in {section.name for section in document(HISTORY).sections}


def test_figures_of_the_cells_are_what_the_probe_counted_and_summed() -> None:
    before = plot("conductances", HISTORY, found())
    tips = ["0 to 1 uS: 4 cells before the last transfer, 4 cells after the last transfer",
            "2 to 3 uS: 1 cell before the last transfer, 2 cells after the last transfer"]  # fmt: skip
    for hidden, heights in ((False, (4, 1)), (True, (4, 2))):
        own = [box for box in before.boxes if (box.tone == "transparent") == hidden]
        assert [(box.x, box.width, box.tip) for box in own] == [(0.0, 1.0, tips[0]), (2.0, 1.0, tips[1])]
        assert [box.y + box.height for box in own] == [pytest.approx(height) for height in heights]
    assert [dot.y for dot in before.series[0].dots] == [4, 4, before.y.low, before.y.low, 2, 2]
    assert [text for text, _ in before.legend] == ["after the last transfer", "before the last transfer"]
    assert plot("conductances_2", HISTORY, found()).x.label == "G+, uS"
    rms, mean, nominal = plot("weight_error", HISTORY, found()).series
    assert [(dot.x, dot.y) for dot in rms.dots] == [(1e-3, 0.2), (2e-3, 0.4)]
    assert [dot.y for dot in mean.dots] == [0.1, 0.3]
    # Origin: offset (1 - exp(-t / tau)) with 2 uS and 5 ms, at 2 ms.
    assert (nominal.dots[-1].x, nominal.dots[-1].y) == (2e-3, pytest.approx(0.65936, rel=1e-4))
    rms, mean = plot("weight_error_network", HISTORY, found()).series
    assert ([dot.y for dot in rms.dots], [dot.y for dot in mean.dots]) == ([0.05, 0.1], [0.025, 0.075])
    (row,) = document(HISTORY, found()).tables()["weight_error"].read
    assert row[:3] == ("fc1", 2e-3, 20)
    still = document(HISTORY, replace(found(transferred=False), losses=()))
    assert "weight_error" not in still.figures()
    assert "Nothing leaked." in {str(block) for block in still.blocks()}
    assert "at the end; nothing was transferred" in files_of(still)["train.md"]


def test_a_terminal_shows_what_was_reached_and_the_warnings() -> None:
    text = "\n".join(lines(document(two_seeds(), found())))
    assert text.splitlines()[0] == "Training w on a"
    for part in ("3 epochs, 2 seeds; taken away from the chip: leakage.", "mean of 2 seeds", "80.00 %", "-10.00 points",
                 "Warning: seed 4 is slow."):  # fmt: skip
        assert part in text
    assert len(text.splitlines()) < 16


def test_what_was_interrupted_or_diverged_says_so() -> None:
    interrupted = files_of(document(two_seeds()))["train.md"]
    assert "**Interrupted**: this is the history so far; the command below with `--resume` goes on." in interrupted
    diverged = {**two_seeds(), "diverged": {**DIVERGED, "says": "training on the chip diverged"}}
    assert "training on the chip diverged. What follows is what was reached before." in str(
        [str(block) for block in document(diverged).head]
    )
    assert "Interrupted" not in files_of(document(diverged))["train.md"]


@pytest.mark.parametrize("findings", [None, found(), found(transferred=False)])
def test_all_files_are_owned_and_names_are_text_in_all_of_them(findings: Findings | None) -> None:
    data = {**two_seeds(), "arch": {"name": HOSTILE, "hash": "1"}, "warnings": [HOSTILE], "command": HOSTILE}
    if findings is not None:
        findings = replace(findings, losses=(replace(findings.losses[0], layer=HOSTILE),))
    files = files_of(document(data, findings, activity=True))
    assert set(files) < set(STUDY.owned)
    for name, text in files.items():
        if name.endswith(".svg"):
            ET.fromstring(text)
    page = files["train.html"]
    assert "<b>*x*" not in page
    assert "&lt;b&gt;*x*&lt;/b&gt; `y` {z} | &amp; &#34;q&#34;" in page
    assert not html_in(files["train.md"])
    assert "activity.yaml" in page
    assert "twin" not in page + files["train.md"]
