"""Fit of the GPU model's constants to measured matrix products: python -m archsim.baselines.fit FILE.csv (needs SciPy).

FILE is a table of products as DeepBench has them: gpu, precision, outputs_m, batch_n, inputs_k, time_ms. Precision is
fp32, fp16_tensor or fp16_storage: held in FP16 and multiplied in FP32, which is what the P100's rows turn out to be
(none is quicker than its FP32 peak allows). The products of the shipped measured files are fitted with them. Errors
that are reported are those of rows left out: of whole cards, and of folds.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import typer

from archsim.base.atomic import output
from archsim.base.documents import dump_yaml, read_text
from archsim.base.errors import ArchsimError, Problem, SpecError, nearest
from archsim.base.words import per_cent
from archsim.baselines.gpus import PRECISIONS, baselines
from archsim.baselines.law import Constants, constants
from archsim.baselines.measured import PRECISION_OF, shipped
from archsim.baselines.power import sustained
from archsim.baselines.products import Array, are_aligned, product

FOLDS = 5
"""Rows of the same weights (outputs_m x inputs_k), which differ in batch and transposition, stay in one fold."""
LEFT_OUT = (("P100",), ("V100",), ("H100",), ("H200",), ("H100", "H200"))
"""Cards whose rows are left out together."""
RANGES = ((1, 16), (17, 64), (65, 1024), (1025, 10**9))
"""Ranges of batches: the groups, with GPU and precision, in which errors are told."""
SMALL_BATCH = 64
SMALL_WEIGHT = 2
"""Of the groups up to SMALL_BATCH beside the others."""
UNITS: Mapping[str, tuple[str, int]] = {
    "fp16_storage": ("fp32", 2), **{name: (name, each.value_bytes) for name, each in PRECISIONS.items()}
}  # fmt: skip
"""The peak that a precision of the table works at, and the bytes of its values."""

FREE: Mapping[str, tuple[float, float]] = {
    "stream_s": (3e-6, 8e-6), "graph_s": (1e-6, 4e-6), "arithmetic_share": (0.7, 0.95), "bandwidth_share": (0.6, 0.95),
    "results_to_fill": (1e3, 2e4), "unaligned": (1, 30), "adding_s": (0, 6e-6), "overlap": (1, 4),
}  # fmt: skip
"""What is fitted, and between which bounds; no product of DeepBench takes less than 8 us."""


PRODUCT = np.dtype([("gpu", "U32"), ("precision", "U16"), ("outputs", float), ("batch", float), ("inputs", float),
                    ("time_s", float), ("graph", bool)])  # fmt: skip
"""A measured product; `graph`: a graph started it, not the host."""
Products: TypeAlias = Any
"""An array of such records, whose fields are arrays by their names."""


def table(rows: Sequence[tuple[Any, ...]]) -> Products:
    """Return products as records, with their fields as arrays."""
    return np.array(rows, dtype=PRODUCT).view(np.recarray)


def together(*parts: Products) -> Products:
    """Return the products of several tables, one after another."""
    return np.concatenate(parts).view(np.recarray)


def shipped_products() -> Products:
    """Return the products of the measured files that come with archsim."""
    return table([
        (file.gpu.baseline, PRECISION_OF[row.precision], row.outputs_m, row.batch_n, row.inputs_k, row.time_s, True)
        for file in (each.file for each in shipped()) for row in file.gemms
    ])  # fmt: skip


def read_products(path: Path) -> Products:
    """Return the products of a table; raise SpecError with what is wrong in it."""
    label = str(path)
    rows = list(csv.DictReader(io.StringIO(read_text(path, label))))
    columns = {"gpu": str, "precision": str, "outputs_m": float, "batch_n": float, "inputs_k": float, "time_ms": float}
    problems = [Problem(label, f"has no column '{name}'", f"columns: {', '.join(columns)}")
                for name in columns if not rows or name not in rows[0]]  # fmt: skip
    if problems:
        raise SpecError(problems)
    found: dict[str, list[Any]] = {name: [] for name in columns}
    for line, row in enumerate(rows, 2):
        where = f"{label}, line {line}"
        for name, allowed in (("gpu", baselines().gpus), ("precision", UNITS)):
            if row[name] not in allowed:
                problems.append(Problem(where, f"'{row[name]}' is not a {name}", nearest(str(row[name]), allowed)))
        for name, kind in columns.items():
            try:
                found[name].append(kind(row[name]))
            except (TypeError, ValueError):
                problems.append(Problem(f"{where}: {name}", f"'{row[name]}' is not a number", "give one above 0"))
    if problems:
        raise SpecError(problems)
    return table([(*row, time_ms * 1e-3, False) for *row, time_ms in zip(*found.values(), strict=True)])


def predicted_s(products: Products, law: Constants) -> Array:
    """Return the modelled time of each product in seconds; each works on the same data again, as long as one likes."""
    out = np.zeros(len(products.time_s))
    for name, precision in sorted({*zip(products.gpu.tolist(), products.precision.tolist(), strict=True)}):
        gpu, (unit, value) = baselines().gpus[name], UNITS[precision]
        mine = (products.gpu == name) & (products.precision == precision)
        some = products[mine]
        sizes = (some.outputs[None], some.batch[None], some.inputs[None])  # one row: each is timed alone
        moved = value * (sizes[0] * sizes[2] + sizes[2] * sizes[1] + sizes[0] * sizes[1])  # weights, inputs, outputs
        # In the measured files rows lie along inputs and batch; DeepBench's come with either layout.
        whole = np.array([are_aligned(value, int(n), int(k)) for n, k in zip(some.batch, some.inputs, strict=True)])
        work = product(gpu, unit, *sizes, moved, moved, law, whole | ~some.graph)
        launch_s = np.where(some.graph, float(law.launch.graph_s), float(law.launch.stream_s))
        ops = 2 * (sizes[0] * sizes[1] * sizes[2])[0]
        out[mine] = sustained(gpu, unit, work, np.zeros(1, dtype=np.int64), ops, launch_s, 0.0, law).time_s
    return out


def with_values(values: Sequence[float], law: Constants) -> Constants:
    """Return constants that have the values of FREE, in its order."""
    named = dict(zip(FREE, map(float, values), strict=True))
    launch = law.launch.model_copy(update={name: named.pop(name) for name in ("stream_s", "graph_s")})
    return law.model_copy(update={**named, "launch": launch})


def shipped_values() -> dict[str, float]:
    """Return the values of FREE that come with archsim."""
    law = constants()
    return {name: float(getattr(law if hasattr(law, name) else law.launch, name)) for name in FREE}


def log_errors(values: Sequence[float], products: Products) -> Array:
    """Return ln(modelled / measured) of each product."""
    return np.asarray(np.log(predicted_s(products, with_values(values, constants())) / products.time_s))


def group_names(products: Products) -> list[tuple[str, str, int]]:
    """Return of each product its GPU, precision, and the place of its batch in RANGES."""
    places = [next(i for i, (low, high) in enumerate(RANGES) if low <= batch <= high) for batch in products.batch]
    return list(zip(products.gpu.tolist(), products.precision.tolist(), places, strict=True))


def weights(products: Products) -> Array:
    """Return the weight of each product in the fit: each group weighs the same, those of small batches more."""
    names = group_names(products)
    count = Counter(names)
    found = np.array([(SMALL_WEIGHT if RANGES[name[2]][1] <= SMALL_BATCH else 1) / count[name] for name in names])
    return np.asarray(found / found.sum())


def fit(products: Products, seed: int = 1) -> tuple[float, ...]:
    """Return the values of FREE that fit the products best, found by differential evolution and then downhill.

    The goal is the weighted mean of the absolute log errors. What no product tells of, as the launch from a graph where
    no graph started any, keeps its shipped value. Raises SpecError without SciPy.
    """
    try:
        from scipy.optimize import differential_evolution, minimize
    except ImportError:
        raise SpecError([Problem("fit", "SciPy is not installed", "pip install scipy")]) from None
    weight = weights(products)

    def goal(values: Sequence[float]) -> float:
        return float((weight * np.abs(log_errors(values, products))).sum())

    bounds = list(FREE.values())
    found = differential_evolution(goal, bounds, maxiter=25, popsize=6, rng=seed, tol=1e-6, polish=False)
    found = minimize(goal, found.x, method="Nelder-Mead", bounds=bounds, options={"maxiter": 600})
    untold = {"graph_s", "unaligned"} if not products.graph.any() else {"stream_s"} if products.graph.all() else set()
    own = zip(FREE, found.x, strict=True)
    return tuple(shipped_values()[name] if name in untold else float(f"{value:.4g}") for name, value in own)


def folds(products: Products, count: int = FOLDS) -> Array:
    """Return the fold of each product: shapes of weights in order of size, dealt out in turn."""
    shapes = sorted(set(zip(products.outputs.tolist(), products.inputs.tolist(), strict=True)))
    place = {shape: i % count for i, shape in enumerate(shapes)}
    return np.array([place[shape] for shape in zip(products.outputs.tolist(), products.inputs.tolist(), strict=True)])


def fits_left_out(products: Products) -> dict[str, dict[str, float]]:
    """Return the values of FREE with cards left out, and with folds left out, by the words for what was."""
    fold = folds(products)
    masks = {" and ".join(cards): np.isin(products.gpu, cards) for cards in LEFT_OUT}
    masks |= {f"fold {i + 1} of {FOLDS}": fold == i for i in range(FOLDS)}
    return {words: dict(zip(FREE, fit(products[~mask]), strict=True)) for words, mask in masks.items()}


def left_out_errors(products: Products, fitted: Mapping[str, Mapping[str, float]], folded: bool = False) -> Array:
    """Return ln(modelled / measured) of each product, with constants fitted without its card, or its fold."""
    fold, errors = folds(products), np.zeros(len(products.time_s))
    parts = {f"fold {i + 1} of {FOLDS}": fold == i for i in range(FOLDS)} if folded else {
        name: products.gpu == name for name in dict.fromkeys(products.gpu.tolist())}  # fmt: skip
    for words, mask in parts.items():
        errors[mask] = log_errors([fitted[words][name] for name in FREE], products[mask])
    return errors


@dataclass(frozen=True)
class Accuracy:
    """Errors of a group of products: median and 90th percentile of |modelled / measured - 1|, mean log error."""

    group: str
    count: int
    median: float
    p90: float
    mean_log: float


def accuracies(products: Products, errors: Array) -> list[Accuracy]:
    """Return how far the model is off: in all, in small batches, and for each GPU, precision and range of batches."""
    names = group_names(products)
    masks = {"all": np.ones(len(errors), dtype=bool), f"all, batch <= {SMALL_BATCH}": products.batch <= SMALL_BATCH}
    for gpu, precision, place in sorted(set(names)):
        low, high = RANGES[place]
        words = f"from {low}" if place == len(RANGES) - 1 else f"{low}-{high}"
        masks[f"{gpu} {precision}, batch {words}"] = np.array([name == (gpu, precision, place) for name in names])
    found = []
    for words, mask in masks.items():
        if mask.any():
            off = np.abs(np.expm1(errors[mask]))
            found.append(Accuracy(words, int(mask.sum()), float(np.median(off)), float(np.quantile(off, 0.9)),
                                  float(errors[mask].mean())))  # fmt: skip
    return found


def accuracy_lines(found: Sequence[Accuracy]) -> list[str]:
    """Return a table of errors as lines of text."""
    lines = [f"{'':36} {'rows':>5} {'median':>8} {'90th pct':>9} {'mean log':>9}"]
    return lines + [
        f"{row.group:36} {row.count:5} {per_cent(row.median):>8} {per_cent(row.p90):>9} {row.mean_log:+9.3f}"
        for row in found
    ]


def main(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Measured products, as DeepBench has them.")],
    shipped_only: Annotated[bool, typer.Option("--shipped", help="Only judge the constants that are shipped.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what is fitted with parts left out.")] = None,
) -> None:
    """Fit the constants of the GPU model, and report the errors on cards and on folds left out."""
    try:
        products = together(read_products(file), shipped_products())
        values = tuple(shipped_values().values()) if shipped_only else fit(products)
        tables = {"errors of these constants": log_errors(values, products)}
        if not shipped_only:
            fitted = fits_left_out(products)
            tables["errors on cards left out"] = left_out_errors(products, fitted)
            tables[f"errors on rows left out, {FOLDS} folds"] = left_out_errors(products, fitted, folded=True)
            if out is not None:
                with output(out, f"--out {out}") as write:
                    write(dump_yaml(fitted, leaves_on_a_line=True))
    except ArchsimError as error:
        typer.echo(f"archsim: {error}", err=True)
        raise typer.Exit(2) from None
    for name, value in zip(FREE, values, strict=True):
        typer.echo(f"{name:24} {value:.4g}")
    for words, errors in tables.items():
        typer.echo(f"\n{words}")
        for line in accuracy_lines(accuracies(products, errors)):
            typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
