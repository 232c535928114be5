"""The tree of the package: rows of folders, no circle of files, few entries at the top, no two modules of one name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

import archsim
from tests.helpers import nodes

ROOT = Path(archsim.__file__).parent
ROWS = (
    {"base"},
    {"estimates"},
    {"components"},
    {"spec"},
    {"chip", "workload"},
    {"baselines", "mapping", "noc", "report"},
    {"functional", "simulation"},
    {"results"},
    {"export"},
    {"studies"},
    {"api"},
    {"cli"},
)
"""Folders from the bottom: one imports from rows below its own. A new file stands in one of them and edits no list."""
MOST_AT_THE_TOP = 21
MOST_ARGUMENTS = 12
BY_FOLDER = {"base", "study", "tables", "figures", "document", "compute"}
"""What has these names is told apart by its folder, as everyone says it: the sweep's study, the run's tables."""
APART = {
    "crosscheck": {"results/crosscheck.py", "studies/crosscheck.py"},
    "floorplan": {"api/floorplan.py", "chip/floorplan", "report/floorplan.py"},
    "gpus": {"baselines/gpus.py", "studies/gpus"},
    "loading": {"spec/loading.py", "workload/loading.py"},
    "maintenance": {"mapping/maintenance.py", "simulation/maintenance.py"},
    "noc": {"noc", "studies/noc"},
    "plan": {"chip/floorplan/plan.py", "studies/run/plan.py"},
    "run": {"simulation/run.py", "studies/run"},
    "search": {"studies/floorplans/search.py", "studies/search"},
    "train": {"functional/train.py", "studies/train"},
}
"""A thing and the study or the loader of it: the folder says which. So it does of a cell and of it in numbers."""


def sources() -> dict[str, str]:
    """Return the text of every module, by dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


def imports(name: str, source: str, modules: Mapping[str, str]) -> Iterator[str]:
    """Yield the modules of the package that one imports anywhere: at its top, in functions, and for types alone."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "archsim")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports relatively, which the graph does not follow"
            if node.module and node.module.split(".")[0] == "archsim":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield whole if whole in modules else node.module


def graph_of(modules: Mapping[str, str]) -> nx.DiGraph[str]:
    """Return the graph of all imports."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(modules)
    graph.add_edges_from((name, other) for name in modules for other in imports(name, modules[name], modules))
    return graph


def circles(graph: nx.DiGraph[str]) -> list[str]:
    """Return a circle of each set of modules that lead to each other, in words."""
    groups = [graph.subgraph(group) for group in nx.strongly_connected_components(graph)]
    whole = [group for group in groups if group.number_of_edges()]
    return sorted(" -> ".join(a for a, _ in nx.find_cycle(group)) for group in whole)


def folder_of(name: str) -> str:
    """Return the folder at the top in which a module lies; "" for the package itself and its command."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else ""


def upward(graph: nx.DiGraph[str]) -> list[str]:
    """Return the imports of another folder that lies in no lower row; the package's own public names lead anywhere."""
    row = {folder: place for place, folders in enumerate(ROWS) for folder in folders}
    found = []
    for name, other in graph.edges:
        own, its = folder_of(name), folder_of(other)
        if own and own != its and not (its and row[its] < row[own]):
            found.append(f"{name} imports {other}")
    return sorted(found)


MODULES = sources()


@cache
def graph() -> nx.DiGraph[str]:
    """Return the graph of the package's own imports."""
    return graph_of(MODULES)


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(graph()) == []


def test_folders_import_from_rows_below() -> None:
    assert {folder_of(name) for name in MODULES} - {""} == set().union(*ROWS)
    assert upward(graph()) == []


def test_simpy_belongs_to_the_simulation() -> None:
    users = {name for name, source in MODULES.items() if "import simpy" in source or "from simpy" in source}
    assert users
    assert {folder_of(name) for name in users} == {"simulation"}


def test_a_module_imports_what_is_there() -> None:
    assert set(graph()) == set(MODULES)


def test_the_top_is_small() -> None:
    entries = [path.name for path in ROOT.iterdir() if path.name not in {"__pycache__", "_data"}]
    assert len(entries) <= MOST_AT_THE_TOP, sorted(entries)


def arguments(source: str) -> Iterator[tuple[str, int]]:
    """Yield each function and method of a source, and how many arguments it takes; `self` and `cls` do not count."""
    for node in nodes(source):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            yield node.name, sum(each is not None and each.arg not in ("self", "cls") for each in own)


def test_no_function_takes_more_than_twelve_arguments() -> None:
    many = {
        f"{name}.{function} takes {count}"
        for name, source in MODULES.items()
        if folder_of(name) not in ("api", "cli")  # a command has an argument for each option, in Python, too
        for function, count in arguments(source)
        if count > MOST_ARGUMENTS
    }
    assert many == set()


def test_how_arguments_are_counted() -> None:
    source = "class A:\n    def f(self, a, /, b, *c, d=1, **e):\n        async def g(): pass"
    assert list(arguments(source)) == [("f", 5), ("g", 0)]


def test_no_two_modules_can_be_taken_for_each_other() -> None:
    places: dict[str, set[str]] = {}
    for path in sorted(ROOT.rglob("*")):
        module = path.suffix == ".py" and not path.name.startswith("__")
        if module or (path.is_dir() and (path / "__init__.py").exists()):
            places.setdefault(path.stem, set()).add(path.relative_to(ROOT).as_posix())
    cells = [{f"components/cells/{name}.py", f"components/cells/numeric/{name}.py"} for name in places]
    told = [name for name, pair in zip(places, cells, strict=True) if places[name] == pair]
    twice = {name: found for name, found in places.items() if len(found) > 1 and name not in (*BY_FOLDER, *told)}
    assert twice == APART


def test_tests_mirror_the_tree() -> None:
    folders = {
        path.parent.relative_to(Path(__file__).parent).as_posix() for path in Path(__file__).parent.rglob("*.py")
    }
    assert folders - {".", "fuzz"} == set().union(*ROWS)


@pytest.mark.parametrize(
    ("modules", "circle"),
    [
        ({"archsim.a": "from archsim.b import x", "archsim.b": ""}, []),
        ({"archsim.a": "from archsim import b", "archsim.b": "import archsim.a"}, ["archsim.a -> archsim.b"]),
        (
            {
                "archsim.a": "def late():\n    from archsim.b import x",
                "archsim.b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from archsim.a import T",
            },
            ["archsim.a -> archsim.b"],
        ),
        ({"archsim.a": "from archsim.a import x"}, ["archsim.a"]),
    ],
)
def test_the_search_for_circles(modules: dict[str, str], circle: list[str]) -> None:
    found = circles(graph_of(modules))
    assert [set(words.split(" -> ")) for words in found] == [set(words.split(" -> ")) for words in circle]


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("archsim.spec.arch", "from archsim.components.base import COMPONENTS", False),
        ("archsim.mapping.modes", "from archsim.mapping.builder import StepBuilder", False),
        ("archsim.mapping.modes", "def late():\n    from archsim.simulation.run import simulate", True),
        ("archsim.chip.graph", "from archsim.workload import layers", True),  # of its own row
        ("archsim.results.bill", "from archsim import evaluate", True),
        ("archsim.cli.apps", "from archsim.studies.views import check_file", False),
    ],
)
def test_the_rule_of_rows(name: str, source: str, wrong: bool) -> None:
    assert bool(upward(graph_of({**dict.fromkeys(MODULES, ""), name: source}))) == wrong
