"""The ways in: for each, what a case is made of, and the words of the command that reads it."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from archsim.base.shipped import builtin_folder
from tests.fuzz.mutations import WORDS, of_bytes, of_text, of_tree

CHIPS = sorted(path.stem for path in builtin_folder("arch_specs").glob("*.yaml"))
WORKS = sorted(path.stem for path in builtin_folder("workloads").glob("*.yaml"))
CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
BUILT = (CHIP, f"{CHIP}_packet", f"{CHIP}_bus", f"{CHIP}_3t1c", "gokmen_frontiers_2016")
FIT = (WORK, "mlp_mnist", "transfer_cifar10", "transfer_cifar100", "mlp_wide")
"""Networks that all of these chips are large enough for."""


class Way(NamedTuple):
    """A way in: `make` writes a case into a folder, with a mutation for each generator, and returns the words."""

    make: Callable[[Path, random.Random, list[random.Random]], list[str]]
    weight: int


WAYS: dict[str, Way] = {}
Make = Callable[[Path, random.Random, list[random.Random]], list[str]]


def way(weight: int) -> Callable[[Make], Make]:
    """Return a decorator: a way in, that so many of all cases take."""

    def register(make: Make) -> Make:
        WAYS[make.__name__] = Way(make, weight)
        return make

    return register


@cache
def plain(folder: str, name: str) -> Any:
    """Return what a shipped file holds, as a tree of text."""
    return yaml.load((builtin_folder(folder) / f"{name}.yaml").read_text("utf-8"), yaml.BaseLoader)


def write_yaml(path: Path, tree: Any, draw: random.Random, changes: list[random.Random]) -> None:
    """Write a tree as YAML: changed as a tree, or as text."""
    if draw.random() < 0.75:
        for change in changes:
            tree = of_tree(tree, change)
        text = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
    else:
        text = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
        for change in changes:
            text = of_text(text, change)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


@way(20)
def arch(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A chip's spec."""
    path = folder / "chip.yaml"
    write_yaml(path, plain("arch_specs", draw.choice(CHIPS)), draw, changes)
    what = draw.randrange(8)
    if what == 0:
        return ["check", str(path)]
    if what == 1:
        return ["show", str(path)]
    if what == 2:
        return ["floorplan", "draw", str(path)]
    return ["run", str(path), draw.choice((WORK, "mlp_mnist")), "--examples", str(draw.choice((1, 2, 5, 40)))]


@way(12)
def workload(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A workload."""
    path = folder / "work.yaml"
    if draw.random() < 0.3:
        write_yaml(path, plain("workloads", draw.choice(WORKS)), draw, changes)
        return ["check", str(path)]
    write_yaml(path, plain("workloads", draw.choice(FIT)), draw, changes)
    return ["run", draw.choice(BUILT), str(path), "--examples", str(draw.choice((1, 2, 5)))]


@cache
def keys(folder: str, name: str) -> list[str]:
    """Return the dotted places of a shipped file."""
    from tests.fuzz.mutations import places

    tree = plain(folder, name)
    found = []
    for path in places(tree):
        text = ""
        for part in path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        found.append(text)
    return found


@way(15)
def settings(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """Figures replaced on the command line."""
    chip, work = draw.choice(CHIPS), draw.choice((WORK, "mlp_mnist", "lstm_imdb"))
    words = ["run", chip, work, "--examples", "2"]
    for change in changes:
        of = ("arch_specs", chip) if change.random() < 0.7 else ("workloads", work)
        key = change.choice(keys(*of))
        value = change.choice((*WORDS, change.choice(["64 ns", "16", "2 um2", "0.5", "3", "4 GB/s"])))
        words += ["--set", (f"{key}={value}" if change.random() < 0.95 else value).replace("\x00", "\\0")]
    return words


OPTIONS: dict[str, list[str]] = {
    "run": ["--epochs", "--examples", "--seed", "--activity", "--trace", "--out"],
    "survey": ["--mode", "--hold", "--examples", "--set"],
    "sensitivity": ["--examples", "--seed"],
    "compare": ["--gpu", "--batch", "--measured", "--gpus", "--examples", "--seed"],
    "sweep": ["--vary", "--together", "--where", "--sample", "--sampler", "--epochs", "--seeds", "--ablate", "--set"],
    "optimise": ["--search", "--minimise", "--maximise", "--subject-to", "--budget", "--sampler", "--epochs", "--set"],
    "ablate": ["--only", "--epochs", "--seeds", "--seed", "--set"],
    "network": ["--size", "--traffic", "--load", "--packet-flits", "--vcs", "--buffer-flits", "--router-cycles",
                "--link-cycles", "--credit-cycles", "--arbitration", "--hot-tile", "--hot-share", "--warmup-cycles",
                "--cycles", "--seed"],
}  # fmt: skip
BASE = {
    "run": [CHIP, WORK, "--examples", "3"], "survey": [CHIP, WORK, "--examples", "3"],
    "sensitivity": [CHIP, WORK, "--examples", "2", "--set", "tile.rows=128", "--set", "tile.cols=128"],
    "compare": [CHIP, WORK, "--examples", "2", "--gpu", "H100"],
    "sweep": [CHIP, WORK, "--vary", "tile.rows=128,256", "--epochs", "1"],
    "optimise": [CHIP, WORK, "--search", "tile.rows=128,256", "--minimise", "time", "--budget", "2"],
    "ablate": [CHIP, WORK, "--epochs", "1", "--set", "dataset.examples=60", "--seeds", "1", "--only", "leakage"],
    "network": ["mesh", "--size", "3x3", "--load", "0.1", "--cycles", "300", "--warmup-cycles", "50"],
}  # fmt: skip


@way(8)
def options(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """Options of commands."""
    command = draw.choice(sorted(OPTIONS))
    words = [command, *BASE[command]]
    for change in changes:
        if change.random() < 0.2 and len(words) > 2:
            words[change.randrange(1, len(words))] = change.choice(WORDS).replace("\x00", "")
        else:
            words += [change.choice(OPTIONS[command]), change.choice(WORDS).replace("\x00", "")]
    return words


SAVED = ("run", "survey", "network", "compare", "sweep", "floorplan", "optimise", "published", "chips")


@way(10)
def saved(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A report's folder, shown again; or two of them compared; or a sweep that goes on."""
    kept = reports()
    own = draw.choice(sorted(kept.rglob("*.json")))
    made = folder / "report"
    made.mkdir()
    for path in own.parent.iterdir():
        if path.is_file():
            (made / path.name).write_bytes(path.read_bytes())
    data = json.loads(own.read_text("utf-8"))
    if draw.random() < 0.8:
        for change in changes:
            data = of_tree(data, change)
        text = json.dumps(data).encode()
    else:
        text = own.read_bytes()
        for change in changes:
            text = of_bytes(text, change)
    (made / own.name).write_bytes(text)
    if own.name == "sweep.json" and draw.random() < 0.5:
        return ["sweep", *BASE["sweep"], "--resume", "--out", str(made)]
    if own.name == "metrics.json" and draw.random() < 0.3:
        return ["diff", str(made), str(own.parent)]
    if own.name == "metrics.json" and draw.random() < 0.3:
        return ["report", str(made), str(own.parent), "--out", str(folder / "both")]
    return ["report", str(made)]


@cache
def reports() -> Path:
    """Return a folder with a small report of each study, made once."""
    import tempfile

    from archsim.cli import main

    root = Path(tempfile.mkdtemp(prefix="archsim-fuzz-"))
    floor = ["floorplan"]
    for name, words in {
        "run": ["run", *BASE["run"]], "survey": ["survey", *BASE["survey"]], "network": ["network", *BASE["network"]],
        "compare": ["compare", *BASE["compare"]], "sweep": ["sweep", *BASE["sweep"]],
        "search": ["optimise", *BASE["optimise"]], "ablations": ["ablate", *BASE["ablate"]],
        "floorplan": [*floor, "draw", CHIP, "--workload", WORK, "--examples", "3"],
        "chips": [*floor, "compare", WORK, CHIP, f"{CHIP}_packet", "--examples", "3"],
        "published": ["published", "chang_ibmjrd_2019"],
    }.items():  # fmt: skip
        with contextlib.suppress(SystemExit):
            main([*words, "--quiet", "--out", str(root / name)])
        assert (root / name).is_dir(), words
    return root


@way(4)
def run_file(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A run or another study as a file, or one of its inputs."""
    made = folder / "again"
    kept = draw.choice(sorted(path.parent for path in reports().rglob("run.yaml")))
    for path in (kept / "run.yaml", *sorted(kept.glob("inputs/*"))):
        (made / path.relative_to(kept)).parent.mkdir(parents=True, exist_ok=True)
        (made / path.relative_to(kept)).write_bytes(path.read_bytes())
    names = sorted(str(path.relative_to(made)) for path in made.rglob("*.yaml"))
    name = draw.choice(("run.yaml", *names))
    tree = yaml.load((made / name).read_text("utf-8"), yaml.BaseLoader)
    write_yaml(made / name, tree, draw, changes)
    return ["run", str(made / "run.yaml")]


@way(4)
def stores(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A store of results, its bytes changed, or its options."""
    kept = draw.choice(sorted(reports().rglob("points.sqlite")))
    data = kept.read_bytes()
    command = draw.choice(("list", "show", "export", "prune", "merge"))
    words = ["store", command, str(folder / "points.sqlite")]
    words += ["--out", str(folder / "all.csv")] if command == "export" else [str(kept)] if command == "merge" else []
    for change in changes:
        if command in ("show", "export") and change.random() < 0.3:
            key = change.choice(("--where", "--where", "--kind"))
            words += [key, change.choice((*WORDS, "time <= 1 ms", "energy >= 1 nJ")).replace("\x00", "")]
        else:
            data = of_bytes(data, change)
    (folder / "points.sqlite").write_bytes(data)
    return words


FLP = """# <unit-name> <width> <height> <left-x> <bottom-y>
tile0 0.0014 0.0014 0.0 0.0
tile1 0.0014 0.0014 0.0014 0.0
tile2 0.0014 0.0014 0.0 0.0014
tile3 0.0014 0.0014 0.0014 0.0014
host 0.0028 0.0022 0.0 0.0028
"""


@way(5)
def flp(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A floorplan in HotSpot's form."""
    text = FLP
    for change in changes:
        text = of_text(text, change)
    (folder / "plan.flp").write_bytes(text.encode("utf-8", "surrogatepass"))
    return ["run", CHIP, WORK, "--examples", "2", "--set", "tile.count=4",
            "--set", f"floorplan={{kind: explicit, flp: {folder / 'plan.flp'}}}"]  # fmt: skip


@way(3)
def gpus(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A user's own GPUs, or measured steps."""
    row = {"precision": "bf16", "batch": "4", "how": "graph", "time_per_step_s": "3.1e-05", "steps": "100"}
    own = {"title": "mine", "node": "5 nm", "area": "400 mm2", "power_limit": "200 W", "power_idle": "20 W",
           "clock": "2 GHz", "processors": "60", "cache_bytes": "33554432", "bandwidth": "600 GB/s",
           "peaks": {"fp32": "30 TOP/s", "bf16": "120 TOP/s"}}  # fmt: skip
    file = folder / "gpus.yaml"
    words = ["compare", CHIP, WORK, "--examples", "2", "--batch", "1,4"]
    if draw.random() < 0.5:
        write_yaml(file, {"kind": "gpus", "gpus": {"Mine": own}}, draw, changes)
        return [*words, "--gpus", str(file), "--gpu", "Mine"]
    network = {"name": "w", "layers": [["64", "32"], ["32", "10"]], "bias": "true", "rows": [row]}
    tree = {"kind": "measured", "gpu": {"name": "m", "baseline": "H100"}, "date": "2026-11-26", "method": "m",
            "workloads": [network]}  # fmt: skip
    write_yaml(file, tree, draw, changes)
    return [*words, "--gpu", "H100", "--measured", str(file)]


@cache
def model() -> bytes:
    """Return a small model in ONNX's form; empty where onnx is not installed."""
    try:
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return b""
    weights = numpy_helper.from_array(np.ones((8, 4), np.float32), "w")
    bias = numpy_helper.from_array(np.ones(4, np.float32), "b")
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, own]) for name, own in (("x", 8), ("z", 4)))
    graph = helper.make_graph(nodes, "g", [x], [z], [weights, bias])
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


@way(4)
def onnx(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """A model in ONNX's form."""
    data = model()
    for change in changes:
        data = of_bytes(data, change)
    (folder / "model.onnx").write_bytes(data)
    return ["import", str(folder / "model.onnx"), *(["--digital"] if draw.random() < 0.3 else [])]


@way(3)
def arrays(folder: Path, draw: random.Random, changes: list[random.Random]) -> list[str]:
    """Data to train on, as arrays."""
    import io

    import numpy as np

    made = np.random.default_rng(draw.randrange(1 << 30))
    x = made.random((60, 64), dtype=np.float32)
    file = io.BytesIO()
    np.savez(file, train_x=x[:40], train_y=made.integers(0, 10, 40), test_x=x[40:], test_y=made.integers(0, 10, 20))
    data = file.getvalue()
    for change in changes:
        data = of_bytes(data, change)
    (folder / "own.npz").write_bytes(data)
    tree = dict(plain("workloads", WORK))
    tree["dataset"] = {**tree["dataset"], "name": "own.npz", "examples": "40"}
    (folder / "own.yaml").write_text(yaml.safe_dump(tree), "utf-8")
    return ["train", CHIP, str(folder / "own.yaml"), "--epochs", "1", "--data", str(folder)]
