"""archsim's model of GPUs, and its reference chip, beside GPUs as they were measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from archsim.base.record import Record
from archsim.base.words import counted, per_cent
from archsim.baselines import fit
from archsim.baselines.gpus import baselines
from archsim.baselines.measured import PRECISION_OF, Measured, MeasuredNetwork, MeasuredRow, shipped
from archsim.baselines.model import steps
from archsim.functional.data_folder import FOLDER_VARIABLE
from archsim.report.document import Section, say
from archsim.report.table import Column, Said, Table
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.data import BESIDE
from benchmarks.peers.pairs import Pair, pairs_table, ratio_text, rounded

TABLE = "deepbench_gemm.csv"
MISSING = f"{TABLE} is neither in ARCHSIM_DATA nor beside the checkout: older cards' products are not compared again"
NETWORK, SHOWN = "mlp_mnist", (1, 64, 1024)
CHIP, CARD, BATCHES = "ambrogio_nature_2018", "H200", (1, 64, 256)


class Spread(Record):
    """How far a model is from so many measured times: the median of |ratio - 1|, the median ratio, and the ends."""

    work: str
    count: int
    error: float
    ratio: float
    least: float
    most: float


class Gpus(Record):
    """Steps of training by the model and as measured; spreads by network; the reference chip beside a card.

    `products` are spreads of DeepBench's matrix products of older cards.
    """

    pairs: tuple[Pair, ...]
    networks: tuple[Spread, ...]
    products: tuple[Spread, ...]
    chip: tuple[Pair, ...]


def measure(before: Gpus | None = None) -> Gpus:
    """Return both sides; without DeepBench's table, with what was found `before` of older cards."""
    path = table_path()
    kept = () if before is None else before.products
    return Gpus(
        pairs=tuple(_shown()), networks=tuple(_networks()), products=_products(path) if path else kept,
        chip=tuple(_chip()),
    )  # fmt: skip


def table_path() -> Path | None:
    """Return where DeepBench's products are; None if they are not found."""
    path = Path(os.environ.get(FOLDER_VARIABLE) or BESIDE) / TABLE
    return path if path.exists() else None


def _rows() -> Iterator[tuple[Measured, MeasuredNetwork, MeasuredRow, float]]:
    """Yield each measured step that a graph replays, with the model's time in seconds."""
    for each in shipped():
        gpu = baselines().gpus[each.file.gpu.baseline or ""]
        for network in each.file.workloads:
            for row in network.rows:
                if row.how == "graph":
                    found = steps(gpu, PRECISION_OF[row.precision], network.layers, [row.batch], bias=network.bias)
                    yield each, network, row, float(found.time_s[0])


def _shown() -> Iterator[Pair]:
    for each, network, row, time_s in _rows():
        if network.name == NETWORK and row.batch in SHOWN and row.precision in ("fp32", "bf16"):
            yield Pair(
                work=f"{NETWORK}, {each.file.gpu.baseline}, {row.precision}, batch {row.batch}",
                figure="step", unit="s", archsim=rounded(time_s), other=rounded(row.time_per_step_s),
            )  # fmt: skip


def _networks() -> Iterator[Spread]:
    by_network: dict[str, list[float]] = {}
    for each, network, row, time_s in _rows():
        name = f"{network.name}, {each.file.gpu.baseline}"
        by_network.setdefault(name, []).append(time_s / row.time_per_step_s)
    yield from (_spread(name, ratios) for name, ratios in by_network.items())


def _products(path: Path) -> tuple[Spread, ...]:
    products = fit.read_products(path)
    ratios = np.exp(fit.log_errors(list(fit.shipped_values().values()), products))
    groups = sorted({*zip(products.gpu.tolist(), products.precision.tolist(), strict=True)})
    return tuple(
        _spread(f"products, {gpu}, {precision}",
                ratios[(products.gpu == gpu) & (products.precision == precision)].tolist())
        for gpu, precision in groups
    )  # fmt: skip


def _spread(work: str, ratios: list[float]) -> Spread:
    return Spread(
        work=work, count=len(ratios), error=rounded(median(abs(each - 1) for each in ratios)),
        ratio=rounded(median(ratios)), least=rounded(min(ratios)), most=rounded(max(ratios)),
    )  # fmt: skip


def _chip() -> Iterator[Pair]:
    """Yield time and energy of an example of training: the chip's with transfers, of the card's its quickest steps."""
    arch, workload = load_arch(CHIP), load_workload(NETWORK)
    metrics = evaluate(arch, workload).data["metrics"]
    card = next(each for each in shipped() if each.file.gpu.baseline == CARD)
    network = card.network(workload.value)
    assert network is not None
    for batch in BATCHES:
        row = min((row for row in network.rows if row.batch == batch), key=lambda row: row.time_per_step_s)
        work = f"{NETWORK}, an example; {CARD}: {row.precision}, batch {batch}"
        yield Pair(work=work, figure="time", unit="s", archsim=rounded(metrics["time_per_example_s"]),
                   other=rounded(row.time_per_step_s / batch))  # fmt: skip
        assert row.energy_per_step_j is not None
        yield Pair(work=work, figure="energy", unit="J", archsim=rounded(metrics["energy_per_example_j"]),
                   other=rounded(row.energy_per_step_j / batch))  # fmt: skip


def section(data: Gpus) -> Section:
    """Return what the page says of it."""
    heads = ("same work", "measured", "median of |modelled / measured - 1|", "median ratio", "least", "most")
    rows = tuple(
        (each.work, each.count, Said(each.error, per_cent(each.error, 0)), *(Said(value, f"{value:.2f}")
         for value in (each.ratio, each.least, each.most)))
        for each in (*data.networks, *data.products)
    )  # fmt: skip
    worst = max(data.networks, key=lambda each: each.error)
    least, most = (each(one.error for one in data.networks) for each in (min, max))
    dates = ", ".join(dict.fromkeys(each.file.date for each in shipped()))
    torch = ", ".join(dict.fromkeys(each.file.software.get("torch") or "?" for each in shipped()))
    own = [each for each in data.pairs if f"{CARD}, fp32" in each.work]
    alone = {each.figure: each.ratio for each in data.chip if each.work.endswith("batch 1")}
    return Section("gpus", "GPUs, as measured", (
        say("Steps of training were measured on an H100 and an H200 (PyTorch {torch}, {dates}; files in "
            "`archsim/baselines/measured`), each replayed as a CUDA graph. archsim's model of GPUs has eight "
            "constants, fitted to matrix products: those of these two cards, and of a P100 and a V100 by DeepBench. "
            "No time of a step had a part in the fit.", torch=torch, dates=dates),
        pairs_table("gpus", "The MNIST network, a step", "measured", data.pairs),
        say("All steps that were measured, and DeepBench's products:"),
        Table("gpu_spreads", "All steps and products", tuple(map(Column, heads)), rows,
              "Rows of products, which were fitted, show what a fit can do; those of networks what it predicts.",
              most=len(rows)),
        say("**Agrees:** by network and card half of the modelled times are within {least} to {most} of those "
            "measured.",
            least=per_cent(least, 0), most=per_cent(most, 0)),
        say("**Does not:** the farthest is {work} ({count}, ratios of {low} to {high}). Its steps are chains of "
            "kernels of a few microseconds, in which a launch and the library's choice of tiles are nearly all; for "
            "these the model has one constant and one list. On the {card} in FP32 it is too slow with one example "
            "({one}), too quick with {batch} ({many}). Layers that fill the card are told better.",
            card=CARD, one=ratio_text(own[0].ratio), many=ratio_text(own[-1].ratio), batch=f"{SHOWN[-1]:,}",
            work=worst.work, count=counted(worst.count, "step"), low=f"{worst.least:.2f}", high=f"{worst.most:.2f}"),
        pairs_table("chip_and_gpu", "The reference chip", CARD, data.chip,
                    "The chip's figures are those of batch 1, transfers included, beside the card's quickest "
                    "precision."),
        say("**The chip itself:** at batch 1 an example takes {time} of the card's time and {energy} of its energy. "
            "With larger batches, which are another algorithm, the card catches up in time, not in energy. Chips are "
            "simulated from parts some of which are assumptions, cards were measured.",
            time=per_cent(alone["time"], 1), energy=per_cent(alone["energy"], 3)),
    ))  # fmt: skip
