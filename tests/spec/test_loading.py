"""Loading: every fault of a file is told with its place, and every figure keeps where it comes from."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.documents import STATUSES, dump_yaml, texts
from archsim.base.errors import Problem, SpecError
from archsim.base.limits import NESTING, SPEC_BYTES
from archsim.base.schema import json_schema
from archsim.base.shipped import builtin_names
from archsim.components.base import Role
from archsim.spec.arch import ArchSpec
from archsim.spec.finding import description_of, find_file, kind_of
from archsim.spec.loading import Loaded, differences, digest_of, load_arch
from archsim.studies.views import check_lines
from archsim.workload import Workload, load_workload
from tests.helpers import shipped

REFERENCE = "ambrogio_nature_2018"
SHIPPED = load_arch(REFERENCE)
PLAIN: dict[str, Any] = {"kind": "arch", **texts(SHIPPED.tree)}
for published in PLAIN["published"]:
    published["source"] = "Ambrogio 2018"  # who published it must be said
WRITTEN = [
    path
    for path, figure in SHIPPED.figures.items()
    if figure.source != "archsim's default" and not path.startswith("published")
]
DEFAULTED = {
    "lines_per_unit", "sample_hold", "leakage", "prefetch", "rows_in_parallel", "weight_scale", "output_weight_scale",
    "partial_range", "output_range", "read_noise", "drift_exponent", "drift_exponent_spread", "drift_start",
    "stuck_reset", "stuck_set", "multiply_add_energy", "compare_energy", "leak_interval", "activity_interval",
    "activity_share", "vectors_held", "step_least", "leak_temperature", "leak_halving", "step_spread_absolute",
    "capacitance", "pulse_noise", "reset_noise", "pulse_least", "temperature", "signed_rows", "signed_columns",
    "signed_updates", "flicker", "flicker_exponent", "flicker_most", "flicker_span", "flicker_read",
    "transistor_flicker", "reference_noise", "drift_law", "drift_law_mean", "drift_law_slope", "drift_law_least",
    "drift_law_most", "drift_law_spread", "drift_law_spread_slope", "drift_law_spread_least", "drift_law_spread_most",
    "gain_spread", "offset_spread", "offset_calibration",
    "transfer_range", "verify_range", "verify_noise", "residual_range", "residual_noise", "transfer_threshold",
    "programmed",
    "gate_range", "state_range", "state_bits",
}  # fmt: skip
LEFT_OUT = {"interval_vectors"}  # without which there is none
Edit = Callable[[dict[str, Any]], object]


def defaulted(path: str) -> bool:
    """Whether a figure has a default: by its name, or since its section may be left out."""
    return path.rpartition(".")[2] in DEFAULTED or ".array.wires." in path


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(path: str, value: Any) -> Edit:
    """An edit that sets what stands at a dotted path, or removes it if the value is `...`."""

    def edit(tree: dict[str, Any]) -> None:
        *above, last = (int(part) if part.isdigit() else part for part in path.split("."))
        here: Any = tree
        for part in above:
            here = here[part]
        if value is ...:
            del here[last]
        else:
            here[last] = value

    return edit


def write(*edits: Edit, name: str = "chip.yaml") -> str:
    """Write the shipped spec with bare figures and some edits; return its name."""
    tree = copy.deepcopy(PLAIN)
    for edit in edits:
        edit(tree)
    return write_text(json.dumps(tree), name)  # JSON is YAML, and quick to write


def write_text(text: str | bytes, name: str = "chip.yaml") -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def faults(name: str, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        load_arch(name, overrides)
    for problem in caught.value.problems:  # the rule for all of them
        assert problem.where
        assert problem.what
        assert problem.hint
        assert str(problem) in str(caught.value)
    return caught.value.problems


def fault(name: str, *overrides: str) -> Problem:
    problems = faults(name, *overrides)
    assert len(problems) == 1, problems
    return problems[0]


# ---- one fault, at its place


@pytest.mark.parametrize(
    ("path", "value", "what", "hint"),
    [
        ("technology.clock", "1 pJ", "'pJ' is not a unit of frequency", "GHz"),
        ("technology.clock", "1", "'1' has no unit", "GHz"),
        ("technology.clock", "nan GHz", "'nan GHz' is not a number with a unit", "above 0"),
        ("technology.clock", ".inf", "'.inf' is not a number with a unit", "above 0"),
        ("technology.clock", "0 GHz", "out of range", "above 0"),
        ("technology.clock", "1e99 GHz", "above the limit of 60", "above 0"),
        ("technology.node", "32 km", "out of range", "at most 1 m"),
        ("technology.supply", "-1 V", "out of range", "above 0"),
        ("tile.rows", "0", "out of range", "1 or more"),
        ("tile.rows", "-512", "out of range", "1 or more"),
        ("tile.rows", "65537", "out of range", "at most 65,?536"),
        ("tile.rows", "512.5", "'512.5' is not a whole number", "1 or more"),
        ("tile.rows", "NaN", "'NaN' is not finite", "whole number"),
        ("tile.rows", "512 kg", "is not a number", "whole number"),
        ("tile.rows", "12:30", "'12:30' is not a number", "whole number"),
        ("tile.rows", ["512"], "is not a quantity", "whole number"),
        ("tile.count", "9999999999999", "out of range", "at most"),
        ("tile.device.area", "-2.34 um2", "out of range", "area 0 or more"),
        ("tile.periphery.1.area", "1 V", "'V' is not a unit of area", "um2"),
        ("tile.col_converter.bits", "64", "out of range", "at most 32"),
        ("floorplan.white_space", "100 %", "out of range", "at most 0.95"),
        ("schedule.transfer.interval_examples", "0", "out of range", "1 or more"),
        ("schedule.transfer.tiles_in_parallel", "0", "out of range", "1 or more"),
        ("schedule.mode", "sequental", "'sequental' is not allowed", "sequential"),
        ("routing.topology", "mash", "'mash' is not a topology", "did you mean 'mesh'"),
        ("routing.transport", "packets", "'packets' is not a transport", "did you mean 'packet'"),
        ("placement", "snail", "'snail' is not a placement", "snake"),
        ("tile", "512", "stands where a section is expected", "mapping"),
        ("tile.periphery", "mirror", "stands where a list is expected", "list"),
        ("tile.array", "crossbar", "'crossbar' is not a array|'crossbar' is not an array", "crossbar"),
        ("name", ["a"], "is not text", "word"),
    ],
)
def test_a_wrong_value_is_told_at_its_place(path: str, value: Any, what: str, hint: str) -> None:
    problem = fault(write(put(path, value)))
    dotted = re.sub(r"\.(\d+)", r"[\1]", path)
    assert problem.where == f"chip.yaml: {dotted}"
    assert re.search(what, problem.what), problem
    assert re.search(hint, problem.hint), problem


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("technology.clok", "clock"),
        ("tile.rowz", "rows"),
        ("tile.device.gian", "gain"),
        ("tile.periphery.0.aera", "area"),
        ("schedule.transfer.intervall_examples", "interval_examples"),
        ("rooting", "routing"),
        ("tile.array.settle_s", "settle"),  # the name in code
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(path: str, nearest: str) -> None:
    problem = fault(write(put(path, "1 ns")))
    assert problem == Problem(
        "chip.yaml: " + re.sub(r"\.(\d+)", r"[\1]", path), "unknown key", f"did you mean '{nearest}'?"
    )


@pytest.mark.parametrize(
    ("path", "kind", "what", "hint"),
    [
        ("tile.device", "pcm_3t1d", "'pcm_3t1d' is not a component", "did you mean 'pcm_3t1c'"),
        ("tile.row_driver", "pmw_driver", "'pmw_driver' is not a component", "did you mean 'pwm_driver'"),
        ("tile.periphery.2", "line_circiut", "'line_circiut' is not a component", "did you mean 'line_circuit'"),
        (
            "tile.device",
            "sram",
            "'sram' is a memory, not a device",
            ", ".join(Role("device").kinds()),
        ),
        ("routing.link", ..., "'kind' is missing", "duration_link, packet_link"),
    ],
)
def test_an_unknown_kind_of_component_is_told_with_the_nearest(path: str, kind: Any, what: str, hint: str) -> None:
    problem = fault(write(put(f"{path}.kind", kind)))
    assert problem.where.startswith("chip.yaml: " + re.sub(r"\.(\d+)", r"[\1]", path))
    assert what in problem.what
    assert hint in problem.hint


MISSED = [path for path in WRITTEN if not (defaulted(path) or path.rpartition(".")[2] in LEFT_OUT)]


@pytest.mark.parametrize("path", MISSED[::4])
def test_a_figure_without_default_is_missed(path: str) -> None:
    problem = fault(write(put(re.sub(r"\[(\d+)\]", r".\1", path), ...)))
    assert (problem.where, problem.what) == (f"chip.yaml: {path}", "is missing")
    assert problem.hint.startswith("give ")


@pytest.mark.parametrize("path", [path for path in WRITTEN if defaulted(path)])
def test_a_figure_with_a_default_may_be_left_out_and_says_so(path: str) -> None:
    loaded = load_arch(write(put(re.sub(r"\[(\d+)\]", r".\1", path), ...)))
    assert (loaded.figures[path].source, loaded.figures[path].status) == ("archsim's default", "assumption")


@pytest.mark.parametrize("section", ["technology", "tile", "routing", "host", "floorplan", "schedule"])
def test_each_section_is_missed(section: str) -> None:
    problem = fault(write(put(section, ...)))
    assert (problem.where, problem.what) == (f"chip.yaml: {section}", "is missing")


def test_all_faults_are_told_at_once() -> None:
    name = write(
        put("technology.clock", "1"),
        put("technology.suply", "1 V"),
        put("tile.rows", "0"),
        put("tile.device.area", "1 ns"),
        put("tile.memory.kind", "dram"),
        put("tile.periphery.1.per", "corner"),
        put("routing.topology", "moebius"),
        put("schedule.transfer.interval_examples", "0"),
        put("published.0.value", "28065 GW"),
        put("host", ...),
    )
    places = {problem.where.removeprefix("chip.yaml: ") for problem in faults(name, "tile.cols=none", "nonsense")}
    expected = {
        "technology.clock", "technology.suply", "tile.rows", "tile.device.area", "tile.memory", "tile.periphery[1].per",
        "routing.topology", "schedule.transfer.interval_examples", "published[0]", "host", "--set tile.cols", "--set",
    }  # fmt: skip
    assert places == expected


def test_a_published_figure_has_the_unit_of_its_metric() -> None:
    problem = fault(write(put("published.0.value", "28065 GW")))
    assert problem.where == "chip.yaml: published[0]"
    assert "'GW' is not a unit of efficiency" in problem.what
    assert "op/s/W" in problem.hint


def test_a_refresh_needs_a_period() -> None:
    problem = fault(write(put("schedule.refresh", {"policy": "rewrite"})))
    assert problem.where == "chip.yaml: schedule.refresh"
    assert "needs a period" in problem.what


@pytest.mark.parametrize("value", [{"value": "512", "sauce": "x"}, {"value": "512", "unit": "1"}])
def test_a_figure_has_no_keys_but_its_four(value: dict[str, str]) -> None:
    problem = fault(write(put("tile.rows", value)))
    assert problem.where == "chip.yaml: tile.rows"
    assert "a figure has no key" in problem.what


def test_a_status_is_one_of_four() -> None:
    problem = fault(write(put("tile.rows", {"value": "512", "status": "quotted"})))
    assert problem == Problem("chip.yaml: tile.rows.status", "'quotted' is not a status", "did you mean 'quoted'?")


def test_a_source_is_text() -> None:
    assert fault(write(put("tile.source", ["a", "b"]))).where == "chip.yaml: tile.source"


def test_a_key_without_value_is_told() -> None:
    problem = fault(write(put("placement", None)))
    assert (problem.where, problem.what) == ("chip.yaml: placement", "has no value")


# ---- what is no spec at all


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("kind: arch\n  x: [1\n", "chip.yaml, line 2", "not YAML"),
        ("kind: arch\na: [1, 2\n", "chip.yaml, line", "not YAML"),
        ("kind: arch\n\tname: x\n", "chip.yaml, line 2", "not YAML"),
        ("kind: arch\nname: 'x\n", "chip.yaml, line", "not YAML"),
        ("kind: arch\nname: \x07\n", "chip.yaml", "not YAML"),
        ("- kind: arch\n", "chip.yaml", "not a mapping"),
        ("512\n", "chip.yaml", "not a mapping"),
        ("", "chip.yaml", "is empty"),
        ("# nothing\n", "chip.yaml", "is empty"),
        ("kind: arch\nname: a\nplacement: snake\nname: b\n", "chip.yaml, line 4", "key 'name' is given twice"),
        ("kind: arch\ntile:\n  rows: 1\n  rows: 1\n", "chip.yaml, line 4", "key 'rows' is given twice"),
        ("kind: arch\n? [a, b]\n: 3\n", "chip.yaml, line 2", "a key that is not a word"),
        ("kind: arch\ntile: &t {rows: 1}\n", "chip.yaml, line 2", "anchors and aliases"),
        ("kind: arch\ntile: *t\n", "chip.yaml, line 2", "anchors and aliases|not YAML"),
        ("kind: arch\n---\nkind: arch\n", "chip.yaml, line 2", "a second document"),
        ("kind: workload\n", "chip.yaml: kind", "'workload' is not 'arch'"),
        ("name: chip\n", "chip.yaml: kind", "is missing"),
        ("kind: [arch]\n", "chip.yaml: kind", "is not 'arch'"),
        (b"\xff\xfe\x00\x01", "chip.yaml", "not text in UTF-8"),
        (b"kind: arch\n\x00\n", "chip.yaml", "not YAML"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "chip.yaml", "not text in UTF-8"),
    ],
)
def test_what_is_no_spec_is_refused_at_its_line(text: str | bytes, where: str, what: str) -> None:
    problem = fault(write_text(text))
    assert problem.where.startswith(where)
    assert re.search(what, problem.what), problem


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    # "Billion laughs": each line is ten of the line before, 10^9 scalars at the end.
    lines = ["a0: &a0 lol"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "anchors and aliases" in fault(write_text("\n".join(["kind: arch", *lines]))).what


def test_a_tag_runs_nothing() -> None:
    name = write_text("kind: arch\nname: !!python/object/apply:pathlib.Path.touch [ran]\n")
    assert faults(name)
    assert not Path("ran").exists()


def test_a_file_is_read_up_to_its_limit_and_no_byte_more() -> None:
    text = "kind: workload\n#".ljust(SPEC_BYTES.most, "x")
    assert fault(write_text(text)).where == "chip.yaml: kind"
    assert f"{SPEC_BYTES.most + 1:,} bytes" in fault(write_text(text + "x")).what


def test_nesting_is_allowed_exactly_to_its_limit() -> None:
    def nested(depth: int) -> str:  # the file itself is the first mapping
        return write_text("kind: arch\nfoo: " + "[" * (depth - 1) + "]" * (depth - 1) + "\n")

    assert not any("nesting" in problem.what for problem in faults(nested(NESTING.most)))
    assert f"{NESTING.most + 1} levels of nesting, above the limit" in fault(nested(NESTING.most + 1)).what
    assert "1,000 levels of nesting, above the limit" in fault(nested(100_000)).what


def test_a_folder_is_not_a_spec() -> None:
    Path("chips.yaml").mkdir()
    assert "a folder" in fault("chips.yaml").what


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("chop.yaml", "did you mean 'chip.yaml'?"),
        ("nowhere/chip.yaml", "no .yaml file in nowhere"),
        ("ambrogio_natur_2018", f"did you mean '{REFERENCE}'?"),
        ("zzz", REFERENCE),
    ],
)
def test_a_missing_file_is_told_with_the_nearest_name(name: str, hint: str) -> None:
    write()
    problem = fault(name)
    assert problem.where == name
    assert hint in problem.hint


# ---- extends


@pytest.mark.parametrize("depth", [1, 2, 3, 40])
def test_a_base_may_extend_another_to_any_depth(depth: int) -> None:
    # Level i of the chain sets rows and tiles: the last word wins, and all else is the first base's.
    base = REFERENCE
    for i in range(depth):
        name = f"level{i}.yaml"
        write_text(
            f"kind: arch\nextends: {base}\ndescription: level {i}\ntile: {{rows: {100 + i}, count: {2 + i}}}\n", name
        )
        base = name
    over = load_arch(base)
    assert over.value.name == f"level{depth - 1}"
    assert (over.value.tile.rows, over.value.tile.count) == (99 + depth, 1 + depth)
    assert over.value.description == f"level {depth - 1}"
    flat = load_arch(REFERENCE, [f"tile.rows={99 + depth}", f"tile.count={1 + depth}"]).value
    own = ("name", "description", "reference", "published", "fitted_on")
    assert all(over.value.resolved()[key] == value for key, value in flat.resolved().items() if key not in own)
    assert (over.value.published, over.value.fitted_on) == ((), REFERENCE)  # whatever is between


def test_what_was_published_of_a_chip_is_its_own() -> None:
    """One that extends a chip that was fitted names that; so does a file of it that stands alone."""
    own = "published: [{metric: area_m2, value: 1 mm2, tolerance: 10 %, kind: input, source: me}]\n"
    over = load_arch(write_text(f"kind: arch\nextends: {REFERENCE}\n{own}"))
    assert ([each.metric for each in over.value.published], over.value.fitted_on) == (["area_m2"], REFERENCE)
    alone = load_arch(write_text(over.document(), "alone.yaml"))
    assert (alone.value.fitted_on, alone.value.published) == (REFERENCE, over.value.published)
    other = load_arch(write_text("kind: arch\nextends: shafiee_isca_2016\n"))  # nothing was fitted
    assert (other.value.published, other.value.fitted_on) == ((), "")
    problem = fault(write_text(f"kind: arch\nextends: {REFERENCE}\nfitted_on: ambrogio_natur_2018\n"))
    assert (problem.where, problem.what) == ("chip.yaml: fitted_on", "there is no built-in chip 'ambrogio_natur_2018'")
    assert REFERENCE in problem.hint
    for odd in ("a" * 300, "../arch_specs/ambrogio_nature_2018", "a\0b"):
        with pytest.raises(SpecError, match="there is no built-in chip"):
            SHIPPED.with_overrides({"fitted_on": odd})


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_circle_of_files_is_refused_by_name(length: int) -> None:
    names = [f"file{i}.yaml" for i in range(length)]
    for i, name in enumerate(names):
        write_text(f"kind: arch\nextends: {names[(i + 1) % length]}\n", name)
    problem = fault(write_text("kind: arch\nextends: file0.yaml\n"))
    assert problem.where == f"{names[-1]}: extends"
    assert problem.what == f"'file0.yaml' leads in a circle: {' -> '.join([*names, names[0]])}"


def test_a_file_may_not_extend_itself() -> None:
    assert fault(write_text("kind: arch\nextends: chip.yaml\n")).where == "chip.yaml: extends"


def test_a_file_may_have_the_name_of_the_built_in_one_that_it_extends() -> None:
    text = f"kind: arch\nextends: {REFERENCE}\ntile: {{rows: 77}}\n"
    assert load_arch(write_text(text, f"{REFERENCE}.yaml")).value.tile.rows == 77


@pytest.mark.parametrize(
    ("base", "what", "hint"),
    [
        ("ambrogio_natur_2018", "'ambrogio_natur_2018'", f"did you mean '{REFERENCE}'?"),
        ("basis.yaml", "no such file", "did you mean 'base.yaml'?"),
        ("[a, b]", "is not a name", "name or path"),
    ],
)
def test_a_missing_base_is_told(base: str, what: str, hint: str) -> None:
    write(name="base.yaml")
    problem = fault(write_text(f"kind: arch\nextends: {base}\n"))
    assert problem.where == "chip.yaml: extends"
    assert what in problem.what
    assert hint in problem.hint


def test_a_base_of_another_kind_is_refused() -> None:
    write_text("kind: workload\n", "base.yaml")
    assert fault(write_text("kind: arch\nextends: base.yaml\n")).where == "base.yaml: kind"


def test_a_fault_in_the_extending_file_names_that_file() -> None:
    write(name="base.yaml")
    assert fault(write_text("kind: arch\nextends: base.yaml\ntile: {rows: 0}\n")).where == "chip.yaml: tile.rows"


def test_extending_merges_mappings_and_replaces_the_rest() -> None:
    write(name="base.yaml")
    base = load_arch("base.yaml")
    text = "kind: arch\nextends: base\ntile:\n  rows: 256\n  periphery: []\nplacement: snake\npublished: []\n"
    over = load_arch(write_text(text))
    assert over.value.name == "chip"  # of the file, not of its base
    assert (over.value.tile.rows, over.value.tile.cols) == (256, base.value.tile.cols)
    assert over.value.tile.device == base.value.tile.device
    assert (over.value.tile.periphery, over.value.published) == ((), ())
    assert {path for path, _, _ in differences(base, over)} >= {"tile.rows", "placement", "name"}


def test_a_component_of_another_kind_replaces_the_whole() -> None:
    cell = "{kind: static_cell, area: 1 um2, read_energy: 50 fJ, supply: 1 V, read: 0.2 V}"
    over = load_arch(write_text(f"kind: arch\nextends: {REFERENCE}\ntile:\n  device: {cell}\n"))
    assert over.value.tile.device.kind == "static_cell"
    assert not any(path.startswith("tile.device.gain") for path in over.figures)


def test_the_same_kind_keeps_what_is_not_said_again() -> None:
    text = f"kind: arch\nextends: {REFERENCE}\ntile:\n  device: {{kind: pcm_3t1c, gain: 4}}\n"
    over = load_arch(write_text(text))
    assert over.value.tile.device.resolved() == {**SHIPPED.value.tile.device.resolved(), "gain": 4}


def test_the_figures_of_a_base_keep_their_sources() -> None:
    over = load_arch(write_text(f"kind: arch\nextends: {REFERENCE}\ntile:\n  rows: 256\n"))
    first, figures = ({path: figure for path, figure in each.figures.items() if not re.match("tile.rows|publ", path)}
                      for each in (SHIPPED, over))  # fmt: skip
    assert figures == first
    assert (over.figures["tile.rows"].text, over.figures["tile.rows"].status) == ("256", "assumption")


# ---- keys that are read no more


@pytest.mark.parametrize(("base", "part", "kind", "key", "value"), [
    (REFERENCE, "device", "pcm_3t1c", "read_conductance", "11 uS"),
    ("shafiee_isca_2016", "array", "read_only_crossbar", "signed_columns", "two_passes"),
])  # fmt: skip
def test_a_file_with_a_retired_key_loads_as_without_it_and_is_told(
    base: str, part: str, kind: str, key: str, value: str
) -> None:
    plain, path = f"kind: arch\nextends: {base}\nname: chip\n", f"tile.{part}.{key}"
    name = write_text(f"{plain}tile: {{{part}: {{kind: {kind}, {key}: {value}}}}}\n")
    over, alone = load_arch(name), load_arch(write_text(plain, "other.yaml"))
    assert over.hash == alone.hash
    assert list(over.retired) == [path]
    assert alone.retired == {}
    line, told, *_ = check_lines(name)
    assert "fine" in line
    assert told.startswith(f"  {path} is read no more: ")
    assert fault(name, f"{path}={value}").where == f"--set {path}"


# ---- variants


def test_variants_inherit_the_tile_but_not_its_count() -> None:
    spec = load_arch(write(put("variants", {"small": {"count": "2", "rows": "128"}}))).value
    small = spec.variants["small"]
    assert (small.count, small.rows) == (2, 128)
    assert small.model_copy(update={"count": spec.tile.count, "rows": spec.tile.rows}) == spec.tile
    assert [name for name, _ in spec.tile_kinds] == ["tile", "small"]


def test_a_variant_says_its_count() -> None:
    problem = fault(write(put("variants", {"small": {"rows": "128"}})))
    assert (problem.where, problem.what) == ("chip.yaml: variants.small.count", "is missing")


def test_a_fault_of_a_variant_is_told_there() -> None:
    problem = fault(write(put("variants", {"small": {"count": "2", "rowz": "128"}})))
    assert (problem.where, problem.hint) == ("chip.yaml: variants.small.rowz", "did you mean 'rows'?")


def test_a_setting_of_the_tile_holds_for_its_variants() -> None:
    name = write(put("variants", {"small": {"count": "2", "rows": "128"}}))
    spec = load_arch(name, ["tile.cols=64", "variants.small.count=3"]).value
    assert (spec.tile.cols, spec.variants["small"].cols, spec.variants["small"].count) == (64, 64, 3)


# ---- sources


def test_a_bare_figure_is_an_assumption() -> None:
    figure = load_arch(write()).figures["tile.rows"]
    assert (figure.text, figure.source, figure.status, figure.note) == ("512", "", "assumption", "")


def test_a_figure_keeps_its_source_status_and_note() -> None:
    whole = {"value": "512", "source": "Jain 2022", "status": "derived", "note": "half of 1,024"}
    figure = load_arch(write(put("tile.rows", whole))).figures["tile.rows"]
    assert (figure.text, figure.source, figure.status, figure.note) == tuple(whole.values())


def test_a_figure_with_a_source_alone_is_quoted() -> None:
    figure = load_arch(write(put("tile.rows", {"value": "512", "source": "Jain 2022"}))).figures["tile.rows"]
    assert figure.status == "quoted"


def test_the_source_of_a_section_holds_for_its_bare_figures_only() -> None:
    loaded = load_arch(
        write(
            put("tile.memory.source", "Horowitz"),
            put("tile.memory.status", "derived"),
            put("tile.memory.words", {"value": "2048", "status": "assumption", "note": "twice"}),
        )
    )
    figures = loaded.figures
    for key in ("word_bits", "ports", "access", "energy", "area"):
        assert (figures[f"tile.memory.{key}"].source, figures[f"tile.memory.{key}"].status) == ("Horowitz", "derived")
    own = figures["tile.memory.words"]
    assert (own.text, own.source, own.status, own.note) == ("2048", "", "assumption", "twice")
    outside = [figure for path, figure in figures.items() if not path.startswith("tile.memory.")]
    assert not any(figure.source == "Horowitz" for figure in outside)


def test_the_source_of_a_section_holds_for_the_sections_in_it() -> None:
    figures = load_arch(write(put("schedule.source", "a thesis"))).figures
    assert figures["schedule.transfer.interval_examples"].source == "a thesis"
    assert figures["schedule.transfer.interval_examples"].status == "quoted"


def test_a_default_says_that_it_is_one() -> None:
    figure = SHIPPED.figures["tile.memory.leakage"]
    assert (figure.source, figure.status) == ("archsim's default", "assumption")


def test_zeros_are_the_figures_that_are_zero() -> None:
    assert SHIPPED.zeros().keys() == {
        path for path, figure in SHIPPED.figures.items() if float(figure.text.split()[0].removesuffix("%")) == 0
    }
    assert "tile.device.invert_energy" in SHIPPED.zeros()  # the reference spec calls it neglected


# ---- overrides


def test_an_override_is_sourced_from_the_command_line() -> None:
    loaded = load_arch(write(), ["tile.rows=256", "tile.periphery[1].area = 50 um2"])
    assert (loaded.value.tile.rows, loaded.value.tile.periphery[1].area_m2) == (256, 50e-12)
    for path, text in (("tile.rows", "256"), ("tile.periphery[1].area", "50 um2")):
        figure = loaded.figures[path]
        assert (figure.text, figure.source, figure.status) == (text, "command line", "assumption")
    assert loaded.overrides == ("tile.rows=256", "tile.periphery[1].area = 50 um2")


def test_the_figures_of_an_override_that_is_a_mapping_are_sourced_from_the_command_line() -> None:
    setting = "tile.device={kind: static_cell, area: 1 um2, read_energy: 50 fJ, supply: 1 V, read: 0.2 V}"
    assert load_arch(write(), [setting]).figures["tile.device.area"].source == "command line"


def test_the_last_override_holds_and_they_can_be_added_in_steps() -> None:
    once = load_arch(write(), ["tile.rows=64", "tile.rows=256", "tile.cols=32"])
    steps = load_arch("chip.yaml", ["tile.rows=64"]).with_overrides(["tile.rows=256"]).with_overrides(["tile.cols=32"])
    assert (once.value, once.hash, once.figures) == (steps.value, steps.hash, steps.figures)
    assert once.value.tile.rows == 256


@pytest.mark.parametrize("setting", ["tile.rows", "=256", "tile.rows=", "=", "", "[0]=3"])
def test_an_override_is_a_key_and_a_value(setting: str) -> None:
    problem = fault(write(), setting)
    assert problem.where == "--set"
    assert f"'{setting}' is not KEY=VALUE" in problem.what
    assert "--set tile.rows=256" in problem.hint


def test_an_override_of_dots_is_refused() -> None:
    assert fault(write(), "..=3").where == "--set"


@pytest.mark.parametrize(
    ("setting", "what", "hint"),
    [
        ("tile.rowz=256", "unknown key", "did you mean 'rows'?"),
        ("tile.rows=256 kg", "is not a number", "whole number"),
        ("tile.rows==256", "is not a number", "whole number"),
        ("tile.periphery[3].area=1 um2", "there is no entry [3]", "3"),
        ("tile.periphery[99]=1 um2", "there is no entry [99]", "3"),
        ("tile.rows[0]=1", "there is no entry [0]", "no list"),
        ("tile.periphery.area=1 um2", "'area' cannot be set in a list", "[0]"),
        ("tile.device=512", "'512' is not a device", "pcm_3t1c"),
        ("tile={rows: [1", "not YAML", "quotes"),
        ("technology.clock=1", "has no unit", "GHz"),
        ("routing.topology=mash", "'mash' is not a topology", "did you mean 'mesh'?"),
        ("tile.row_converter=sheared", "'sheared' is not a converter", "'shared'"),
    ],
)
def test_a_fault_of_an_override_names_the_setting(setting: str, what: str, hint: str) -> None:
    problem = fault(write(), setting)
    assert problem.where.startswith(f"--set {setting.partition('=')[0]}")
    assert what in problem.what
    assert hint in problem.hint


@pytest.mark.parametrize("index", range(3))
def test_a_list_index_is_allowed_exactly_to_the_last(index: int) -> None:
    assert len(SHIPPED.value.tile.periphery) == 3
    loaded = load_arch(write(), [f"tile.periphery[{index}].leakage=1 mW"])
    assert [circuit.leakage_w for circuit in loaded.value.tile.periphery][index] == 1e-3


# ---- the hash

FIGURES = ["technology.clock", "tile.rows", "tile.device.read_energy", "tile.periphery[1].area", "host.rate"]


def unit_of(path: str) -> str:
    return SHIPPED.figures[path].text.partition(" ")[2]


@given(st.sampled_from(FIGURES), st.integers(1, 400), st.integers(1, 400))
def test_the_hash_changes_with_a_figure_and_only_then(path: str, a: int, b: int) -> None:
    one, other = (SHIPPED.with_overrides([f"{path}={value} {unit_of(path)}"]) for value in (a, b))
    assert (one.hash == other.hash) == (a == b) == (one.value == other.value)
    assert re.fullmatch("[0-9a-f]{12}", one.hash)


@given(st.sampled_from(list(SHIPPED.figures)))
def test_a_figure_written_again_in_other_words_keeps_the_hash(path: str) -> None:
    if path.startswith("published"):  # these are compared as they were written
        return
    number, _, unit = SHIPPED.figures[path].text.partition(" ")
    again = SHIPPED.with_overrides([f"{path}={number}e0  {unit}"])
    assert again.digest == SHIPPED.digest
    assert again.value == SHIPPED.value
    assert differences(SHIPPED, again) == []


def test_other_units_of_the_same_value_keep_the_hash() -> None:
    settings_ = ["technology.clock=1000 MHz", "tile.device.area=2340000 nm2", "host.rate=51.2 Gbit/s"]
    assert SHIPPED.with_overrides(settings_).digest == SHIPPED.digest


def test_descriptions_sources_order_and_white_space_are_not_in_the_hash() -> None:
    plain = load_arch(write())
    assert plain.hash == SHIPPED.hash  # the same figures without any source
    turned = write_text(dump_yaml(dict(reversed(PLAIN.items()))))
    assert load_arch(turned).digest == SHIPPED.digest
    other = write(put("description", "another"), put("reference", "another"), put("tile.rows", "  512 "))
    assert load_arch(other).digest == SHIPPED.digest
    commented = write_text("# a comment\n\n" + dump_yaml(PLAIN).replace("\n", "   \n"))
    assert load_arch(commented).digest == SHIPPED.digest


def test_choices_and_names_are_in_the_hash() -> None:
    changes = ["name=other", "placement=snake", "routing.topology=bus", "tile.row_converter=shared", "published=[]"]
    hashes = {SHIPPED.with_overrides([change]).hash for change in changes}
    assert len({SHIPPED.hash, *hashes}) == 1 + len(changes)
    assert digest_of(SHIPPED.value) == SHIPPED.digest


def test_differences_name_each_path_once_and_mirror() -> None:
    other = SHIPPED.with_overrides(["tile.rows=256", "technology.clock=500 MHz"])
    assert differences(SHIPPED, other) == [("technology.clock", "1 GHz", "500 MHz"), ("tile.rows", "512", "256")]
    assert differences(other, SHIPPED) == [(path, b, a) for path, a, b in differences(SHIPPED, other)]


# ---- what is shipped


def each_shipped() -> Iterator[tuple[str, Loaded[Any]]]:
    yield from ((name, shipped(name)) for name in builtin_names("arch_specs"))
    yield from ((name, load_workload(name)) for name in builtin_names("workloads"))


EVERY = pytest.mark.parametrize(("name", "loaded"), [pytest.param(*pair, id=pair[0]) for pair in each_shipped()])


@EVERY
def test_what_is_shipped_is_named_like_its_file(name: str, loaded: Loaded[Any]) -> None:
    folder = {"arch": "arch_specs", "workload": "workloads"}[loaded.kind]
    assert loaded.value.name == name
    assert kind_of(find_file(name, folder)) == loaded.kind


@EVERY
def test_what_is_shipped_says_where_each_figure_comes_from(name: str, loaded: Loaded[Any]) -> None:
    assert loaded.figures
    for path, figure in loaded.figures.items():
        assert figure.status in STATUSES, path
        assert figure.source or figure.status == "assumption", path


@EVERY
def test_a_document_loads_again_as_the_same(name: str, loaded: Loaded[Any]) -> None:
    write_text(loaded.document(), "again.yaml")
    again = load_arch("again.yaml") if loaded.kind == "arch" else load_workload("again.yaml")
    assert (again.hash, again.value) == (loaded.hash, loaded.value)
    assert again.figures == loaded.figures
    assert again.document() == loaded.document()


def test_a_document_leaves_overrides_out() -> None:
    assert SHIPPED.with_overrides(["tile.rows=256"]).document() == SHIPPED.document()


def test_two_figures_are_fitted_and_no_other() -> None:
    # Design, section 9: cell read energy and cell area, nothing else.
    fitted = {path for path, figure in SHIPPED.figures.items() if figure.status == "fitted"}
    assert fitted == {"tile.device.read_energy", "tile.device.area"}


@EVERY
def test_names_with_a_space_in_a_folder_with_a_space_load(name: str, loaded: Loaded[Any]) -> None:
    Path("a folder").mkdir()
    write_text(loaded.document(), "a folder/a spec.yaml")
    load = load_arch if loaded.kind == "arch" else load_workload
    assert load("a folder/a spec.yaml").path_label == "a folder/a spec.yaml"
    assert load(Path("a folder/a spec.yaml").absolute()).hash == loaded.hash


def test_a_file_without_name_is_named_by_its_path() -> None:
    assert load_arch(write(put("name", ...))).value.name == "chip"


def test_a_byte_order_mark_and_windows_lines_mean_nothing() -> None:
    text = "\ufeff" + dump_yaml(PLAIN).replace("\n", "\r\n")
    assert load_arch(write_text(text)).digest == SHIPPED.digest


# ---- workloads


@pytest.mark.parametrize(
    ("edit", "where", "what"),
    [
        (put("layers.1.inputs", "251"), "chip.yaml", "251"),
        (put("layers.1.name", "fc1"), "chip.yaml", "named twice"),
        (put("layers", []), "chip.yaml", "at least one layer"),
        (put("layers.0.activation", "relU"), "chip.yaml: layers[0].activation", "not an activation"),
        (put("layers.0.inputs", "0"), "chip.yaml: layers[0].inputs", "out of range"),
        (put("layers.0.bias", "perhaps"), "chip.yaml: layers[0].bias", "not true or false"),
        (put("training.epochs", "1.5"), "chip.yaml: training.epochs", "not a whole number"),
        (put("trainings", {}), "chip.yaml: trainings", "unknown key"),
    ],
)
def test_a_fault_of_a_workload_is_told_at_its_place(edit: Edit, where: str, what: str) -> None:
    tree: dict[str, Any] = {"kind": "workload", **texts(load_workload("mlp_mnist").tree)}
    edit(tree)
    name = write_text(dump_yaml(tree))
    with pytest.raises(SpecError) as caught:
        load_workload(name)
    assert len(caught.value.problems) == 1
    problem = caught.value.problems[0]
    assert problem.where.startswith(where)
    assert what in problem.what
    assert problem.hint or where == "chip.yaml"


@pytest.mark.parametrize(("text", "bias"), [("true", True), ("True", True), ("false", False), ("FALSE", False)])
def test_true_and_false_are_read_in_any_case(text: str, bias: bool) -> None:
    assert load_workload("mlp_mnist", [f"layers[0].bias={text}"]).value.dense_layers()[0].bias is bias


# ---- the schema for editors


KEYWORDS = {
    "$ref", "type", "const", "enum", "anyOf", "oneOf", "properties", "required", "additionalProperties", "items", "if",
    "then", "else", "$schema", "$defs", "title", "description", "default", "pattern", "minLength", "maxLength",
    "propertyNames",
}  # fmt: skip


def errors(schema: dict[str, Any], data: Any, root: dict[str, Any], path: str = "") -> list[str]:
    """Return where data do not keep a JSON Schema: the keywords that archsim's schemas use."""
    assert schema.keys() <= KEYWORDS, schema.keys() - KEYWORDS
    if "$ref" in schema:
        return errors(root["$defs"][schema["$ref"].rpartition("/")[2]], data, root, path)
    names = {"string": str, "number": int | float, "object": dict, "array": list, "boolean": bool, "null": type(None)}
    found: list[str] = []
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(isinstance(data, names[name]) for name in types):
        return [f"{path}: not {types}"]
    if "const" in schema and data != schema["const"]:
        found.append(f"{path}: not {schema['const']}")
    if "pattern" in schema and not re.search(schema["pattern"], data):
        found.append(f"{path}: not like {schema['pattern']}")
    if isinstance(data, str) and not schema.get("minLength", 0) <= len(data) <= schema.get("maxLength", len(data)):
        found.append(f"{path}: of {len(data)} characters")
    if "enum" in schema and data not in schema["enum"]:
        found.append(f"{path}: not in {schema['enum']}")
    for word in ("anyOf", "oneOf"):
        if word in schema:
            tries: list[list[str]] = [errors(option, data, root, path) for option in schema[word]]
            fits = sum(not tried for tried in tries)
            if not fits or (word == "oneOf" and fits > 1):
                closest = min(tries, key=len)
                found += closest or [f"{path}: {fits} of oneOf"]
    if "if" in schema:
        branch = "else" if errors(schema["if"], data, root, path) else "then"
        found += errors(schema[branch], data, root, path)
    if isinstance(data, dict):
        properties, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
        found += [f"{path}: lacks {key}" for key in schema.get("required", []) if key not in data]
        for key, value in data.items():
            found += errors(schema.get("propertyNames", {}), key, root, f"{path}: a key")
            here = properties.get(key, extra)
            if here is False:
                found.append(f"{path}: has {key}")
            elif isinstance(here, dict):
                found += errors(here, value, root, f"{path}.{key}")
    if isinstance(data, list) and isinstance(schema.get("items"), dict):
        for i, item in enumerate(data):
            found += errors(schema["items"], item, root, f"{path}[{i}]")
    return found


def schema_errors(data: Any, kind: str = "arch") -> list[str]:
    schema = json_schema({"arch": ArchSpec, "workload": Workload}[kind], kind)  # type: ignore[arg-type]
    return errors(schema, data, schema)


@EVERY
def test_what_is_shipped_keeps_the_schema(name: str, loaded: Loaded[Any]) -> None:
    folder = {"arch": "arch_specs", "workload": "workloads"}[loaded.kind]
    text = yaml.safe_load(find_file(name, folder).read_text(encoding="utf-8"))
    assert schema_errors(text, loaded.kind) == []


def test_a_file_that_extends_another_need_not_be_complete_in_the_schema() -> None:
    assert schema_errors({"kind": "arch", "extends": REFERENCE, "routing": {"topology": "bus"}}) == []


def test_a_variant_need_not_be_complete_in_the_schema() -> None:
    assert schema_errors({**PLAIN, "variants": {"small": {"count": "2", "rows": "128"}}}) == []


@pytest.mark.parametrize(
    "edit",
    [
        put("tile.rowz", "1"),
        put("kind", "workload"),
        put("tile", ...),
        put("tile.device.kind", "pcm_3t1d"),
        put("routing.topology", "mash"),
        put("tile.rows", {"value": "1", "unit": "x"}),
        put("schedule.mode", "parallel"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(edit: Edit) -> None:
    tree = copy.deepcopy(PLAIN)
    assert schema_errors(tree) == []
    edit(tree)
    assert schema_errors(tree)
    assert faults(write_text(dump_yaml(tree)))


@pytest.mark.parametrize("folder", ["arch_specs", "workloads"])
def test_a_description_is_that_of_the_loaded_file(folder: str) -> None:
    # Reference: the file loaded as a whole, with what it extends, and validated.
    load: Callable[[str], Any] = load_arch if folder == "arch_specs" else load_workload
    for name in builtin_names(folder)[::3]:
        assert description_of(name, folder) == load(name).value.description, name
