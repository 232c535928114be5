"""The layers of the package: a module imports from its own package or from lower rows only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import archsim

ROOT = Path(archsim.__file__).parent
ROWS = (
    {"units", "errors", "registry", "section", "documents", "words"},
    {"components"},
    {"spec", "loading", "faults", "schema", "scaling", "misfits"},
    {"chip", "workload"},
    {"mapping"},
    {"simulation", "functional"},
    {"accounting"},
    {"audits", "capability"},
    {"breakdowns", "recount"},
    {"metrics", "crosscheck", "baselines"},
    {"report", "explore", "exports"},
    {"runs", "reports"},
    {"views", "trainings", "crosschecks", "sweeps", "networks", "floorplans", "comparisons", "optimisations"}
    | {"side_by_side", "surveys", "gpu_comparisons", "published"},
    {"cli"},
)
ROW = {name: row for row, names in enumerate(ROWS) for name in names}
OPEN_ROWS = {0, 2}  # their modules may import each other
EXEMPT = {"__init__.py", "__main__.py"}  # the public names, and the command
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).as_posix() not in EXEMPT)


def imports(source: str, package: list[str]) -> Iterator[list[str]]:
    """Yield what is imported anywhere in a module of `package`, as the parts of absolute dotted names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            yield from ([*base, alias.name] for alias in node.names)


def faults(name: str, imported: list[str]) -> Iterator[str]:
    """Yield why a module of the top-level package or module `name` may not import `imported`."""
    if imported[0] == "simpy" and name != "simulation":
        yield "simpy belongs to archsim.simulation"
    if imported[0] != "archsim" or imported[1:2] == [name]:
        return
    target = imported[1] if len(imported) > 1 else ""
    if target not in ROW:
        # Only the command, above all others, may use the public names of archsim/__init__.py.
        if name != "cli":
            yield f"imports {'.'.join(imported)}, which has no row; import from the module that defines it"
    elif ROW[target] > ROW[name]:
        yield f"row {ROW[name]} imports archsim.{target} of the higher row {ROW[target]}"
    elif ROW[target] == ROW[name] and ROW[name] not in OPEN_ROWS:
        yield f"imports archsim.{target} of its own row {ROW[name]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_import_from_lower_rows_only(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    assert parts[0] in ROW, f"archsim.{parts[0]} has no row: give it one in {Path(__file__).name}"
    package = ["archsim", *parts[:-1]]
    found = [fault for name in imports(path.read_text("utf-8"), package) for fault in faults(parts[0], name)]
    assert not found, f"{path.relative_to(ROOT)}: {'; '.join(found)}"


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("spec", "from archsim.spec.loading import Loaded", False),
        ("mapping", "from ..chip.graph import Chip", False),
        ("mapping", "from .partition import split", False),
        ("mapping", "def late():\n    from archsim.simulation import run", True),
        ("chip", "from archsim import workload", True),
        ("accounting", "import archsim.results.metrics", True),
        ("report", "from archsim import evaluate", True),
        ("cli", "from archsim import evaluate", False),
        ("simulation", "import simpy", False),
        ("functional", "from simpy.core import Environment", True),
    ],
)
def test_the_rule_itself(name: str, source: str, wrong: bool) -> None:
    found = [fault for imported in imports(source, ["archsim", name]) for fault in faults(name, imported)]
    assert bool(found) == wrong
