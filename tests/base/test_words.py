"""Words: a count goes with its noun. No message, report or terminal line says '1 transfers'."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim
from archsim.base.words import agreeing, counted
from archsim.cli import main
from archsim.report.markdown import markdown
from archsim.report.terminal import lines
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run.details import page_of
from archsim.studies.run.document import document
from archsim.workload import load_workload
from tests.helpers import nodes

NOUNS = re.findall(r"\w+", """
arrays assumptions audits batches bins bits blocks bytes cells channels checks chips columns comparisons crossbars
cycles devices differences dimensions draws elements entries epochs errors examples features figures files flits
floorplans heads hops images inputs labels layers levels lines links messages names neighbours networks neurons
nodes operations others outputs packets pairs parameters parts placements places points powers problems pulses reads
rectangles requests rewrites rows runs samples seeds segments shards simulations stages states steps synapses tiles
times topologies transfers trials units updates values vectors weights words workers writes
""")  # fmt: skip
JOINING = "of to and in for or is are a the from at by on was with as than that"
PLURAL = rf"(?:(?!(?:{JOINING.replace(' ', '|')})\b)[a-z]+ ){{0,2}}(?:{'|'.join(NOUNS)})\b"
COUNT_BEFORE_NOUN = re.compile(rf"^ {PLURAL}")
COUNT_IN_TEMPLATE = re.compile(rf"(\{{\w+\}}) {PLURAL}")
ONE_BEFORE_PLURAL = re.compile(rf"(?<![\d.,:/x>-])(?<! x )\b1 {PLURAL}")

PACKAGE = Path(archsim.__file__).parent
# Whose figure is a name, more than one by its nature, or written by an import that says so itself.
KNOWN = {
    ("baselines/measure.py", "BATCHES_HELD"), ("studies/gpus/document.py", "data.arch.name"),
    ("studies/run/document.py", "mode.ops_per_synapse"),
    ("studies/run/document.py", "mode.steps"), ("studies/run/document.py", "metrics.chips"),
    ("studies/run/document.py", "{ops}"), ("report/floorplan.py", "RASTER"),
    ("studies/noc/document.py", "TIMES_ZERO_LOAD"),
    ("workload/weights.py", "' x '.join(map(str, held[name].shape))"),
    ("functional/targets.py", "own.shape[1]"), ("spec/finding.py", "FOLDERS[folder]"),
    *((f"workload/onnx/{file}.py", figure) for file, figure in (
        ("chain", "matrix.vectors"), ("chain", "steps"), ("importing", "first.ops"), ("matrices", "graph.batch"),
        ("differences", "chain.rounded"), ("differences", "chain.steps"), ("differences", "first.first.inputs"),
        ("differences", "graph.batch"), ("differences", "len(uses)"), ("differences", "more"),
        ("differences", "total"), ("reading", "nodes"),
    )),
}  # fmt: skip


def counts_before_plurals(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, expression) of each formatted value that stands before a plural, in templates of texts too."""
    name = path.relative_to(PACKAGE).as_posix()
    for node in nodes(path.read_text("utf-8")):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                    before = value.value
                    is_counted = isinstance(before, ast.Call) and ast.unparse(before.func) == "counted"
                    if not is_counted and COUNT_BEFORE_NOUN.match(str(text.value)):
                        yield name, ast.unparse(before)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "say" and node.args:
            told = node.args[0]
            for match in COUNT_IN_TEMPLATE.finditer(str(told.value) if isinstance(told, ast.Constant) else ""):
                yield name, match[1]


def test_every_count_is_written_with_its_noun_by_one_function() -> None:
    found = {place for path in sorted(PACKAGE.rglob("*.py")) for place in counts_before_plurals(path)}
    assert found - KNOWN == set()


def test_templates_too() -> None:
    written = re.compile(r"\}\} (" + PLURAL + ")")
    for path in sorted((PACKAGE / "report" / "templates").glob("*.*")):
        lines = path.read_text("utf-8").splitlines()
        found = [line for line in lines for match in written.finditer(line)
                 if not re.search(r"counted\([^}]*\}\} $|ops_per_synapse \}\} $|most_busy \}\} $|metrics.chips ~ $",
                                  line[: match.start() + 3])]  # fmt: skip
        assert found == [], path.name


@given(st.integers(0, 10**7), st.sampled_from(NOUNS))
def test_one_is_singular_and_all_else_plural(number: int, noun: str) -> None:
    text = counted(number, noun.removesuffix("s"))
    assert text == f"{number:,} {noun.removesuffix('s') if number == 1 else noun}"
    assert ONE_BEFORE_PLURAL.search(f"there are {text}") is None
    assert agreeing(number, "is", "are") == ("is" if text.startswith("1 ") else "are")


SETS = ["tile.count=1", "floorplan.columns=1", "schedule.transfer.interval_examples=1"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A network of one synapse, one example of which is trained."""
    path = tmp_path / "one.yaml"
    path.write_text(
        "kind: workload\ndataset: {name: none, examples: 1, input_bits: 8}\n"
        "layers: [{name: fc1, inputs: 1, outputs: 1, activation: softmax, bias: false}]\n"
        "training: {epochs: 1, batch: 1, learning_rate: 0.01}\n",
        "utf-8",
    )
    return path


def test_a_run_of_one_example_on_one_tile_says_so(work: Path) -> None:
    result = evaluate(load_arch("ambrogio_nature_2018", SETS), load_workload(str(work)))
    shown = document(page_of(result))
    texts = ["\n".join(lines(shown)), markdown(shown)]
    assert "1 transfer," in texts[0]
    for text in texts:
        assert "1 training example of one (1 synapse) on 1 of 1 tile takes" in text
        assert ONE_BEFORE_PLURAL.findall(text) == []


@pytest.mark.slow
def test_its_whole_report_does(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [part for setting in SETS for part in ("--set", setting)]
    with pytest.raises(SystemExit) as left:
        main(["run", "ambrogio_nature_2018", str(work), *options, "--out", str(tmp_path / "out")])
    assert not left.value.code
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    shown = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    for text in (capsys.readouterr().out, shown):
        assert ONE_BEFORE_PLURAL.findall(text) == []


def test_a_share_is_written_with_a_space_before_its_sign() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in nodes(path.read_text("utf-8")):
            if isinstance(node, ast.FormattedValue) and isinstance(node.format_spec, ast.JoinedStr):
                ends = [part.value for part in node.format_spec.values if isinstance(part, ast.Constant)]
                assert not any(str(end).endswith("%") for end in ends), f"{path}:{node.lineno}: say per_cent(share)"
