"""A law: what changes a result and was chosen stands in a spec. Numbers in code are told why they change none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import archsim
from archsim.spec.loading import load_arch
from archsim.workload import load_workload

PACKAGE = Path(archsim.__file__).parent
PARTS = ("functional", "components", "mapping", "simulation", "chip", "results/bill.py", "results/peak.py",
         "results/crosscheck.py", "results/metrics.py", "results/evaluate.py")  # fmt: skip
CHOSEN = re.compile(r"\bassum|\bestimate|\bfitted", re.IGNORECASE)
# Rules of the network model and of the shape of activations, which have issues of their own; words of the generators
# of random numbers, which Philox and SplitMix define.
ELSEWHERE = {"functional/floating_point.py", "components/draws.py"}


def files() -> list[Path]:
    found = [
        path
        for part in PARTS
        for path in ([PACKAGE / part] if part.endswith(".py") else (PACKAGE / part).rglob("*.py"))
    ]
    return [path for path in sorted(found) if not any(place in path.as_posix() for place in ELSEWHERE)]


def numbers(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, words beside it) of each constant of a module or class that is one number, or a few."""
    lines = path.read_text("utf-8").splitlines()
    tree = ast.parse("\n".join(lines))
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    for body in bodies:
        for node, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(node, ast.Assign) or not is_number(node.value):
                continue
            names = [name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)]
            if not all(name.strip("_").isupper() for name in names) or is_numbering(node.value):
                continue
            first = node.lineno - 1
            while first and re.match(r"\s*(#|[A-Z_]+ = .*$)", lines[first - 1]):  # a block of constants has one comment
                first -= 1
            words = [*lines[first : node.lineno - 1], *lines[node.lineno - 1].partition("#")[1:]]
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                words.append(str(after.value.value))
            yield ", ".join(names), "\n".join(words)


def is_number(value: ast.expr) -> bool:
    """Return whether an expression is made of numbers alone."""
    if isinstance(value, ast.Tuple):
        return all(map(is_number, value.elts))
    parts = [part for part in ast.walk(value) if not isinstance(part, ast.operator | ast.unaryop)]
    return all(isinstance(part, ast.BinOp | ast.UnaryOp) or (
        isinstance(part, ast.Constant) and isinstance(part.value, int | float) and not isinstance(part.value, bool)
    ) for part in parts)  # fmt: skip


def is_numbering(value: ast.expr) -> bool:
    """Return whether names are only numbered: 0, 1, 2, ... or 1, 2, ..."""
    if not isinstance(value, ast.Tuple):
        return False
    found = [part.value for part in value.elts if isinstance(part, ast.Constant)]
    return len(found) > 2 and found in (list(range(len(found))), list(range(1, len(found) + 1)))


CONSTANTS = [(path, name, words) for path in files() for name, words in numbers(path)]


def test_there_are_constants_to_look_at() -> None:
    names = {name for _, name, _ in CONSTANTS}
    assert {"HOPELESS", "BINS", "LONGEST_EPISODE", "TOUCH_M"} <= names


@pytest.mark.parametrize(("path", "name", "words"), CONSTANTS, ids=[f"{p.stem}-{name}" for p, name, _ in CONSTANTS])
def test_no_number_in_code_was_merely_chosen(path: Path, name: str, words: str) -> None:
    assert re.search(r"[a-z]{3}", words), f"{path}: {name} stands without a word"
    assert not CHOSEN.search(words), f"{path}: {name} is an assumption; it belongs into a spec"


@pytest.mark.parametrize(
    ("chip", "path", "value"),
    [
        ("ambrogio_nature_2018", "numerics.leak_interval", "64"),
        ("ambrogio_nature_2018", "numerics.activity_interval", "512"),
        ("ambrogio_nature_2018", "numerics.activity_share", "25 %"),
        ("ambrogio_nature_2018", "schedule.vectors_held", "2"),
        ("ambrogio_nature_2018", "tile.device.step_least", "5 %"),
        ("pcm64_package_32nm", "package.links_per_chip", "4"),
        ("pcm64_mesh_32nm", "placement_options.moves", "3000"),
    ],
)
def test_what_stood_in_code_stands_in_a_spec_with_its_status(chip: str, path: str, value: str) -> None:
    figure = load_arch(chip).figures[path]
    assert (figure.text, figure.status) == (value, "assumption")
    assert figure.source != "archsim's default"


def test_the_crop_of_mnist_stands_in_its_workload() -> None:
    figures = load_workload("mlp_mnist").figures
    assert [figures[f"dataset.cut_{what}"].text for what in ("rows", "columns")] == ["3", "2"]
