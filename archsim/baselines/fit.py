"""Fit of the GPU model's constants to measured matrix products: python -m archsim.baselines.fit FILE.csv (needs SciPy).

FILE is a table of products as DeepBench has them: gpu, precision, outputs_m, batch_n, inputs_k, time_ms. Precision is
fp32, fp16_tensor or fp16_storage: held in FP16 and multiplied in FP32, which is what the P100's rows turn out to be
(none is quicker than its FP32 peak allows). The error that is reported is that of rows left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsim.baselines.gpus import baselines
from archsim.baselines.model import Constants, constants, product_s
from archsim.documents import read_text
from archsim.errors import ArchsimError, Problem, SpecError, nearest

if TYPE_CHECKING:
    from archsim.baselines.model import Array

FOLDS = 10
"""Rows of the same weights (outputs_m x inputs_k), which differ in batch and transposition, stay in one fold."""
SMALL_BATCH = 64
UNITS: Mapping[str, tuple[str, int]] = {"fp32": ("fp32", 4), "fp16_tensor": ("fp16_tensor", 2),
                                        "fp16_storage": ("fp32", 2)}  # fmt: skip
"""The peak that a precision of the table works at, and the bytes of its values."""
BIAS_WEIGHT = 0.15
"""Of the mean log error of a GPU's small batches beside the mean absolute log error of all rows."""

FREE: Mapping[str, tuple[float, float]] = {
    "stream_s": (1e-6, 8e-6), "arithmetic_share": (0.6, 1.0), "bandwidth_share": (0.5, 0.95),
    "results_to_fill": (1e3, 1e5),
}  # fmt: skip
"""What is fitted, and between which bounds; no product of DeepBench takes less than 8 us."""


@dataclass(frozen=True)
class Products:
    """Measured products: arrays of one length."""

    gpu: Array
    precision: Array
    outputs: Array
    batch: Array
    inputs: Array
    time_s: Array

    def __getitem__(self, which: Array) -> Products:
        """Return some of the products."""
        return replace(self, **{name: getattr(self, name)[which] for name in self.__dataclass_fields__})


def read_products(path: Path) -> Products:
    """Return the products of a table; raise SpecError with what is wrong in it."""
    import numpy as np

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
    given = {name: np.array(values) for name, values in found.items()}
    return Products(given["gpu"], given["precision"], given["outputs_m"], given["batch_n"], given["inputs_k"],
                    given["time_ms"] * 1e-3)  # fmt: skip


def predicted_s(products: Products, law: Constants) -> Array:
    """Return the modelled time of each product, started by the host, in seconds; each works on the same data again."""
    import numpy as np

    out = np.zeros(len(products.time_s))
    for name, gpu in baselines().gpus.items():
        for precision, (unit, value) in UNITS.items():
            mine = (products.gpu == name) & (products.precision == precision)
            if not mine.any():
                continue
            some = products[mine]
            moved = value * (
                some.outputs * some.inputs + some.inputs * some.batch + some.outputs * some.batch
            )  # weights, inputs, outputs
            peak = gpu.peaks_op_per_s[unit]
            work = product_s(gpu, peak, some.outputs, some.batch, some.inputs, moved, moved, law)
            out[mine] = work + float(law.launch.stream_s)
    return out


def with_values(values: Sequence[float], law: Constants) -> Constants:
    """Return constants that have the values of FREE, in its order."""
    named = dict(zip(FREE, map(float, values), strict=True))
    launch = law.launch.model_copy(update={"stream_s": named.pop("stream_s")})
    return law.model_copy(update={**named, "launch": launch})


def shipped_values() -> dict[str, float]:
    """Return the values of FREE that come with archsim."""
    law = constants()
    return {name: float(getattr(law if hasattr(law, name) else law.launch, name)) for name in FREE}


def log_errors(values: Sequence[float], products: Products) -> Array:
    """Return ln(modelled / measured) of each product."""
    import numpy as np

    return np.asarray(np.log(predicted_s(products, with_values(values, constants())) / products.time_s))


def fit(products: Products, seed: int = 1) -> tuple[float, ...]:
    """Return the values of FREE that fit the products best, found by differential evolution and then downhill.

    The goal is the mean absolute log error, and besides, for each GPU, the mean log error of small batches: they shall
    not be wrong in one direction. Raises SpecError without SciPy.
    """
    import numpy as np

    try:
        from scipy.optimize import differential_evolution, minimize
    except ImportError:
        raise SpecError([Problem("fit", "SciPy is not installed", "pip install scipy")]) from None
    small = products.batch <= SMALL_BATCH
    groups = [small & (products.gpu == name) for name in baselines().gpus]
    groups = [group for group in groups if group.any()]

    def goal(values: Sequence[float]) -> float:
        errors = log_errors(values, products)
        bias = sum(abs(errors[group].mean()) for group in groups)
        return float(np.abs(errors).mean() + BIAS_WEIGHT * bias)

    bounds = list(FREE.values())
    found = differential_evolution(goal, bounds, maxiter=60, popsize=8, rng=seed, tol=1e-6, polish=False)
    found = minimize(goal, found.x, method="Nelder-Mead", bounds=bounds, options={"maxiter": 800})
    return tuple(float(value) for value in found.x)


def folds(products: Products, count: int = FOLDS) -> Array:
    """Return the fold of each product: shapes of weights in order of size, dealt out in turn."""
    import numpy as np

    shapes = sorted(set(zip(products.outputs.tolist(), products.inputs.tolist(), strict=True)))
    place = {shape: i % count for i, shape in enumerate(shapes)}
    return np.array([place[shape] for shape in zip(products.outputs.tolist(), products.inputs.tolist(), strict=True)])


def held_out_errors(products: Products, count: int = FOLDS) -> Array:
    """Return ln(modelled / measured) of each product, with constants fitted to the other folds."""
    import numpy as np

    fold, errors = folds(products, count), np.zeros(len(products.time_s))
    for each in range(count):
        values = fit(products[fold != each])
        errors[fold == each] = log_errors(values, products[fold == each])
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
    """Return how far the model is off: in all, and for each GPU and precision; small batches apart."""
    import numpy as np

    all_of = np.ones(len(errors), dtype=bool)
    groups = {"all": all_of}
    for gpu, precision in sorted({*zip(products.gpu.tolist(), products.precision.tolist(), strict=True)}):
        groups[f"{gpu} {precision}"] = (products.gpu == gpu) & (products.precision == precision)
    found = []
    for name, group in groups.items():
        for words, part in (("", all_of), (f", batch <= {SMALL_BATCH}", products.batch <= SMALL_BATCH)):
            some = errors[group & part]
            if len(some):
                off = np.abs(np.expm1(some))
                found.append(Accuracy(name + words, len(some), float(np.median(off)), float(np.quantile(off, 0.9)),
                                      float(some.mean())))  # fmt: skip
    return found


def accuracy_lines(found: Sequence[Accuracy]) -> list[str]:
    """Return a table of errors as lines of text."""
    lines = [f"{'':32} {'rows':>5} {'median':>8} {'90th pct':>9} {'mean log':>9}"]
    return lines + [f"{row.group:32} {row.count:5} {row.median:8.1%} {row.p90:9.1%} {row.mean_log:+9.3f}"
                    for row in found]  # fmt: skip


def main(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Measured products, as DeepBench has them.")],
    shipped: Annotated[bool, typer.Option("--shipped", help="Only judge the constants that are shipped.")] = False,
) -> None:
    """Fit the constants of the GPU model, and report the error on rows left out."""
    try:
        products = read_products(file)
        if shipped:
            values: Sequence[float] = tuple(shipped_values().values())
            errors = log_errors(values, products)
        else:
            values, errors = fit(products), held_out_errors(products)
    except ArchsimError as error:
        typer.echo(f"archsim: {error}", err=True)
        raise typer.Exit(2) from None
    for name, value in zip(FREE, values, strict=True):
        typer.echo(f"{name:24} {value:.4g}")
    typer.echo(f"\nerrors {'of the shipped constants' if shipped else f'on rows left out, {FOLDS} folds'}")
    for line in accuracy_lines(accuracies(products, errors)):
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
