"""Cells and references that fluctuate from read to read: the closed forms of sums against draws device by device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from archsim.components import COMPONENTS
from archsim.components.cells.base import Switches
from archsim.components.cells.capacitor import CapacitorPair
from archsim.components.cells.numeric.conformance import cells_of, weights_for
from archsim.components.cells.pcm import PcmPair
from archsim.functional.chip_model import ChipModel
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.simulation.run import simulate
from tests.components.flutter_reference import factor, of_devices, seen
from tests.components.test_cell_conformance import KINDS, device_of
from tests.functional.test_read_noise import data, read
from tests.helpers import network, schedule_of

FLUTTER = {
    **{kind: {"flicker": "0.88 %"} for kind in KINDS if issubclass(COMPONENTS[kind], PcmPair)},
    "static_cell": {"flicker": "2 %"},
    "soft_bounds": {"flicker": "2 %"},
    "cap_3t1c": {"transistor_flicker": "1 %", "reference_noise": "0.2 uS"},
}
FLUTTER["pcm_3t1c"] = {**FLUTTER["pcm_3t1c"], **FLUTTER["cap_3t1c"], "reference_noise": "1 uS"}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_variances_by_row_are_those_of_reads_drawn_device_by_device(kind: str) -> None:
    device = device_of(kind, **FLUTTER[kind])
    cells = cells_of(device, 5, 24)
    cells.program(weights_for(cells, 1), 0)
    rng, span = np.random.default_rng(2), cells.columns_per_reference
    off = seen(device, cells, rng, 4000)
    own, shared = cells.flutter()
    # Squares of normal draws: relative error sqrt(2 / n). Neighbours that share a reference covary by its variance.
    assert off.mean(axis=0) == pytest.approx(0, abs=6 * off.std() / math.sqrt(4000))
    assert (off**2).mean(axis=(0, 2)) == pytest.approx(own + shared, rel=0.05)
    pairs = off[:, :, ::2] * off[:, :, 1::2] if span > 1 else off[:, :, :1] * off[:, :, 1:2]
    products = pairs.mean(axis=(0, 2))
    assert products == pytest.approx(shared, abs=6 * float((own + shared).max()) / math.sqrt(4000))
    if span < 24:
        apart = (off[:, :, 0] * off[:, :, span]).mean(axis=0)
        assert apart == pytest.approx(0, abs=6 * float((own + shared).max()) / math.sqrt(4000))
    for part in (cells.flutter(1, 4)[0], cells.flutter(1, 4)[1]):
        assert part.shape == (3,)
    assert cells.flutter(1, 4)[0] == pytest.approx(own[1:4])


def test_flicker_of_pcm_is_aihwkits() -> None:
    """q = min(0.0088 r^-0.65, 0.2), times sqrt(ln((t + t_read) / (2 t_read))) with t_read = 250 ns."""
    device = device_of("pcm_pair", flicker="0.88 %", flicker_span="1 s")
    assert factor(device) == pytest.approx(3.8090, abs=1e-4)  # sqrt(ln(2,000,000.5)), ln 2 + 6 ln 10 = 14.509
    found = of_devices(device, np.array([25.0, 2.5, 0.1, 0.0])) / factor(device)
    assert found == pytest.approx([0.0088 * 25, 0.0088 * 10**0.65 * 2.5, 0.2 * 0.1, 0.0], rel=1e-6)


@every_kind
def test_nothing_fluctuates_that_is_off_or_taken_away(kind: str) -> None:
    assert not device_of(kind).parameters(Switches()).flutter.any
    on, away = device_of(kind, **FLUTTER[kind]), Switches(flicker=False, reference_noise=False)
    assert on.parameters(Switches()).flutter.any
    assert not on.parameters(away).flutter.any
    assert on.parameters(Switches(flicker=False)).flutter.any == issubclass(COMPONENTS[kind], CapacitorPair)


def model_of(*sizes: int, on: bool = True, ablate: tuple[str, ...] = ()) -> ChipModel:
    options = [f"tile.device.{key}={text}" for key, text in FLUTTER["pcm_3t1c"].items()] if on else []
    settings = [*options, "numerics.output_range=1000", "numerics.partial_range=1000", "tile.rows=32", "tile.cols=16",
                "schedule.transfer.interval_examples=20"]  # fmt: skip
    schedule = schedule_of(network(*sizes), 40, settings)
    return chip_model(schedule, data(sizes[0], sizes[-1]), 0, Order(40, 60, 0), ("converters", *ablate))


READS = 300


def test_a_columns_variance_is_the_sum_over_its_rows_and_references_are_common() -> None:
    noisy, quiet = model_of(40, 20, 10), model_of(40, 20, 10, on=False)
    assert noisy.setup.tables.flutter.shape == (2, len(noisy.cells), 21)  # 41 rows in two shards
    z = []
    for n in range(READS):
        off = (read(noisy, "forward", 0, n) - read(quiet, "forward", 0, n))[0, :16].astype(float)
        own, shared = noisy.cells[0].flutter()
        x = noisy.buffers.acts[0, n % noisy.program.slots, : len(own)].astype(float)
        variances = np.array([x**2 @ own, x**2 @ shared]) / float(noisy.alpha[0]) ** 2
        z.append((off / math.sqrt(variances.sum()), variances[1] / variances.sum()))
    found, share = np.array([row for row, _ in z]), np.mean([part for _, part in z])
    assert abs(found.mean()) < 5 / math.sqrt(READS)
    # Columns of eight share a reference: of 16 columns there are two draws, so that fewer are independent.
    assert (found**2).mean() == pytest.approx(1, abs=5 * math.sqrt(2 * (share**2 / 2 + 1 / 16) / READS))
    together = np.corrcoef(found.T)
    same = np.kron(np.eye(2), np.ones((8, 8))) > 0
    assert together[same & ~np.eye(16, dtype=bool)].mean() == pytest.approx(share, abs=5 / math.sqrt(READS))
    assert abs(together[~same].mean()) < 5 / math.sqrt(READS)
    assert 0.1 < share < 0.9


def test_a_rows_variance_counts_references_by_the_square_of_what_their_columns_drive() -> None:
    noisy, quiet = model_of(40, 20, 10), model_of(40, 20, 10, on=False)
    shard = next(s.index for s in noisy.schedule.mapping.shards if s.layer == 1)
    own, shared = (part[:20] for part in noisy.cells[shard].flutter())
    z = []
    for n in range(READS):
        delta = np.abs(np.random.default_rng(n).normal(0, 0.1, 10)).astype(np.float32)
        both = [read(model, "backward", 1, n, delta)[0, :20].astype(float) for model in (noisy, quiet)]
        d = delta.astype(float)
        groups = d[:8].sum() ** 2 + d[8:].sum() ** 2
        z.append((both[0] - both[1]) * float(noisy.alpha[1]) / np.sqrt(own * (d @ d) + shared * groups))
    found = np.array(z)
    assert abs(found.mean()) < 5 / math.sqrt(found.size)
    assert found.std() == pytest.approx(1, abs=5 / math.sqrt(2 * found.size) + 0.01)
    assert abs(np.corrcoef(found.T)[np.triu_indices(20, 1)].mean()) < 5 / math.sqrt(READS)
    assert abs((found[1:] * found[:-1]).mean()) < 5 / math.sqrt(found.size)


def trained(on: bool, ablate: tuple[str, ...] = ()) -> tuple[list[Any], ChipModel]:
    model = model_of(12, 6, 4, on=on, ablate=ablate)
    timeline = simulate(model.schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks(500))
    return [cells.weights.copy() for cells in model.cells], model


def test_it_is_taken_away_by_its_names_and_looked_at_after_transfers() -> None:
    (off, _), (on, model) = trained(False), trained(True)
    away, silent = trained(True, ("flicker", "reference_noise"))
    assert all(np.array_equal(a, b) for a, b in zip(off, away, strict=True))
    assert silent.setup.tables.flutter.shape[2] == 0
    assert not any(np.array_equal(a, b) for a, b in zip(off, on, strict=True))
    first = model_of(12, 6, 4).setup.tables.flutter
    assert not np.array_equal(model.setup.tables.flutter, first)
    assert "flutter" in model.arrays()  # of what a training is resumed from
