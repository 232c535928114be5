"""archsim beside ZigZag's model of analog in-memory arrays: the same layers on the same parts."""

from __future__ import annotations

import importlib.metadata
import logging
import tempfile
from collections.abc import Mapping, Sequence
from math import ceil, exp
from pathlib import Path
from typing import Any

import yaml

from archsim.base.record import Record
from archsim.base.units import engineering
from archsim.base.words import per_cent
from archsim.chip import build_chip
from archsim.estimates.adc import ENERGY_PER_BIT, ISAAC, ISAAC_RATE_HZ, adc_energy, adc_energy_best
from archsim.mapping import build_schedule, map_workload
from archsim.report.colours import CYCLE
from archsim.report.document import Section, say
from archsim.report.figure import Dot, Plot, Series, linear, logarithmic
from archsim.results.bill import account
from archsim.results.peak import peak
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.workload import Dataset, Dense, Workload
from benchmarks.peers.pairs import Pair, pairs_table, rounded

PACKAGE, VERSION = "zigzag-dse", "3.9.1"
MISSING = f"{PACKAGE} is not installed here: `pip install {PACKAGE}=={VERSION} six`, in an environment of its own"
ARCH = Path(__file__).with_name("zigzag_aimc.yaml")
LAYERS = ((528, 250), (250, 125), (125, 10), (256, 256))
"""(inputs, outputs): those of the MNIST network of Ambrogio et al. 2018, and one that fills an array."""
SIDE, VECTORS, NODE_M = 256, 64, 28e-9
CODINGS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "8 bits at once": (8, ()),
    "bit by bit": (1, (
        "tile.row_driver={kind: bit_serial_driver, bits: 8, step: 13.42124 ns, sampled: each_step, toggles: 1, "
        "energy: 0 J, area: 0 um2}",
        "tile.device.read_energy=18.144 fJ",  # eight times in a vector
        # Behind the adder tree, 24 full adders and as many registers of 2.1 fF for each vector's bit and weight.
        "tile.accumulator.step=0.27724 ns", "tile.accumulator.energy=0.0476272 pJ",
    )),
}  # fmt: skip
"""By how inputs come: ZigZag's `bit_serial_precision`, and what differs from the spec here."""
PARTS = {
    "drivers": ("row_driver", ("dacs",)),
    "row lines": ("crossbar", ("mults",)),
    "bit lines": ("device", ("analog_bl_addition",)),
    "converters": ("col_converter", ("adcs",)),
    "adders": ("accumulator", ("adders_pv", "accumulators")),
}
"""By name on the page: archsim's component, and the parts of ZigZag's array that are the same."""
SHOWN = {"8 bits at once": LAYERS, "bit by bit": (LAYERS[0], LAYERS[-1])}
"""What the page has: bit by bit the layers in between tell nothing more."""
BITS = tuple(range(5, 13))


class Converter(Record):
    """Energy of a conversion in joules at a number of bits, and at the rate that ZigZag gives it."""

    bits: int
    rate_hz: float
    zigzag_j: float


class ZigZag(Record):
    """What ZigZag says, and archsim beside it. `padded_reads` are what it bills where it pads a layer itself."""

    version: str
    pairs: tuple[Pair, ...]
    buffers: tuple[Pair, ...]
    overlapped_s: float
    cycle_s: float
    padded_reads: float
    padded_cycles: float
    converters: tuple[Converter, ...]


def installed() -> bool:
    """Return whether ZigZag can be asked."""
    try:
        return importlib.metadata.version(PACKAGE) is not None
    except importlib.metadata.PackageNotFoundError:
        return False


def in_archsim(shape: tuple[int, int], coding: str, sets: Sequence[str] = ()) -> dict[str, float]:
    """Return of a vector through a layer: energies by component in joules, `read` in seconds, `reads` and `used`.

    `read` is how long an array is busy with a vector, `used` the share of the cells of the arrays in use that are.
    """
    inputs, outputs = shape
    layer = Dense(name="fc", inputs=inputs, outputs=outputs, activation="relu", bias=False)
    workload = Workload(
        name="layer", mode="inference", layers=(layer,),
        dataset=Dataset(name="none", examples=VECTORS, input_bits=8, signed=False),
    )  # fmt: skip
    chip = build_chip(load_arch(str(ARCH), [*CODINGS[coding][1], *sets]).value)
    mapping = map_workload(workload, chip)
    bill = account(simulate(build_schedule(chip, mapping, VECTORS)))
    found = {name: joules / VECTORS for name, joules in bill.by(lambda item: item.component).items()}
    arrays = len(mapping.shards)
    return {**found, "read": peak(chip, "inference").time_per_example_s, "reads": arrays,
            "used": inputs * outputs / (arrays * SIDE**2)}  # fmt: skip


def in_zigzag(shape: tuple[int, int], coding: str, rows: int | None = None) -> dict[str, float]:
    """Return the same of ZigZag, its parts by its names, and `buffer` in joules; `cycles` of `cycle` seconds a vector.

    With `rows` so many of a layer's inputs are read at once, else as many as ZigZag likes.
    """
    import zigzag
    from zigzag.api import get_hardware_performance_zigzag

    inputs, outputs = shape
    home = Path(zigzag.__file__).parent / "inputs"
    hardware = yaml.safe_load((home / "hardware" / "aimc.yaml").read_text("utf-8"))
    hardware["operational_array"] |= {"sizes": [SIDE, SIDE], "bit_serial_precision": CODINGS[coding][0]}
    mapping = yaml.safe_load((home / "mapping" / "default_imc.yaml").read_text("utf-8"))[:1]
    if rows is not None:
        mapping[0].pop("spatial_mapping_hint")
        mapping[0]["spatial_mapping"] = {"D1": [f"K, {outputs}"], "D2": [f"C, {rows}"]}
    layer = {
        "id": 0, "name": "fc", "operator_type": "Gemm", "equation": "O[d][k]+=I[d][c]*W[c][k]",
        "dimension_relations": [], "loop_dims": ["C", "D", "K"], "loop_sizes": [inputs, VECTORS, outputs],
        "operand_precision": {"O": 16, "O_final": 8, "W": 8, "I": 8}, "operand_source": {"W": 0},
    }  # fmt: skip
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("hardware.yaml", "mapping.yaml")]
        for path, content in zip(paths, (hardware, mapping), strict=True):
            path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        *_, found = get_hardware_performance_zigzag(
            [layer], *map(str, paths), opt="energy", dump_folder=folder, in_memory_compute=True,
            loma_show_progress_bar=False,
        )  # fmt: skip
    return _of_evaluation(found[0][1][0][0], coding)


def _of_evaluation(found: Any, coding: str) -> dict[str, float]:
    names = [memory.memory_instance.name for memory in found.mem_level_list]
    parts = {name: 1e-12 * pj / VECTORS for name, pj in found.mac_energy_breakdown.items()}
    buffer_pj = sum(
        pj for operand in ("I", "O") for name, pj in _levels(found, operand, names).items() if name.startswith("sram")
    )
    cycles = found.ideal_temporal_cycle / VECTORS
    return {
        **parts, "buffer": 1e-12 * buffer_pj / VECTORS, "cycle": 1e-9 * found.tclk, "cycles": cycles,
        "read": 1e-9 * found.tclk * 8 / CODINGS[coding][0], "reads": cycles * CODINGS[coding][0] / 8,
        "used": found.mac_spatial_utilization,
    }  # fmt: skip


def _levels(found: Any, operand: str, names: Sequence[str]) -> dict[str, float]:
    """Return what each memory of an operand takes: those that hold it, from the array outwards."""
    own = {"I": ("rf_1B", "sram_256KB", "dram"), "O": ("rf_2B", "sram_256KB", "dram")}[operand]
    by_name = {str(key): value for key, value in found.mem_energy_breakdown.items()}
    return dict(zip([name for name in own if name in names], by_name[operand], strict=False))


def measure() -> ZigZag:
    """Return both sides; ZigZag must be installed."""
    pairs, buffers, first = [], [], next(iter(CODINGS))
    for coding in CODINGS:
        for shape in SHOWN[coding]:
            rows = ceil(shape[0] / ceil(shape[0] / SIDE))
            ours, theirs = in_archsim(shape, coding), in_zigzag(shape, coding, rows)
            work = f"{shape[0]} x {shape[1]}, {coding}"
            pairs += _pairs(work, ours, theirs)
            if coding == first:
                buffers.append(_pair(f"{shape[0]} x {shape[1]}", "buffer", "J", ours["memory"], theirs["buffer"]))
    padded = in_zigzag(LAYERS[0], first)
    of_array = in_zigzag(LAYERS[-1], first, SIDE)
    return ZigZag(
        version=importlib.metadata.version(PACKAGE), pairs=tuple(pairs), buffers=tuple(buffers),
        overlapped_s=rounded(in_archsim(LAYERS[-1], first, ["tile.col_converter.sample_hold=2"])["read"]),
        cycle_s=rounded(of_array["cycle"]), padded_cycles=rounded(padded["cycles"]),
        padded_reads=rounded(padded["adcs"] / of_array["adcs"] * SIDE / LAYERS[0][1]), converters=converters(),
    )  # fmt: skip


def _pairs(work: str, ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[Pair]:
    found = [
        _pair(work, "reads of arrays", "", ours["reads"], theirs["reads"]),
        _pair(work, "cells in use", "", ours["used"], theirs["used"]),
        _pair(work, "a read", "s", ours["read"], theirs["read"]),
    ]
    for part, (own, names) in PARTS.items():
        other = sum(theirs[name] for name in names)
        if other or ours.get(own):
            found.append(_pair(work, part, "J", ours[own], other))
    return found


def _pair(work: str, figure: str, unit: str, ours: float, theirs: float) -> Pair:
    return Pair(work=work, figure=figure, unit=unit, archsim=rounded(ours), other=rounded(theirs))


def converters() -> tuple[Converter, ...]:
    """Return what ZigZag's formula gives a converter of 5 to 12 bits behind 256 rows; ZigZag must be installed."""
    from zigzag.datatypes import OADimension
    from zigzag.hardware.architecture.imc_array import ImcArray

    found = []
    for bits in BITS:
        sizes = {OADimension("D1"): SIDE, OADimension("D2"): SIDE}
        array = ImcArray(True, 8, [8, 8], bits, 8, 0.0, sizes)
        _, delay_ns, energy_pj = array.get_adc_cost()
        found.append(Converter(bits=bits, rate_hz=rounded(1e9 / delay_ns), zigzag_j=rounded(1e-12 * energy_pj)))
    return tuple(found)


def section(data: ZigZag) -> Section:
    """Return what the page says of it."""
    cells = {each.work: each for each in data.pairs if each.figure == "bit lines"}
    read = next(each for each in data.pairs if each.figure == "a read")
    bits = next(each for each in data.pairs if each.figure == "a read" and each.work.endswith("bit by bit"))
    worst = min(cells.values(), key=lambda each: each.ratio)
    eight = next(each for each in data.converters if each.bits == 8)
    ours = adc_energy(8, eight.rate_hz, NODE_M)
    return Section("zigzag", "ZigZag's analog arrays", (
        say("ZigZag (`{package}` {version}) counts loops: which part of a layer an array holds, how often it is "
            "used, and what its parts take each time. Its analog array has weights of eight bits in eight cells of "
            "28-nm static memory. `benchmarks/peers/zigzag_aimc.yaml` gives the same parts to archsim: sizes, "
            "capacitances, delays, converters and adders by ZigZag's formulas. Both then get the same layers, "
            "{vectors} vectors through each, without biases; energies are of a vector. Time is that for which an "
            "array is busy with a vector.",
            package=PACKAGE, version=data.version, vectors=VECTORS),
        pairs_table("zigzag", "The same layers", "ZigZag", data.pairs),
        say("**Agrees:** reads, drivers, row lines, converters and adders, to the digits that the spec has. Two "
            "programs that share no line count the same, so what differs between their answers is figures and "
            "conventions."),
        say("**Does not: time.** In ZigZag a cycle is the sum of all delays, one after another. In archsim the "
            "adders work while the next vector is taken ({ratio} of ZigZag's time), and of eight bits in turn each "
            "is converted while the next settles, nine steps in all ({bits}). With a second sample-and-hold a read "
            "takes {overlapped} for {cycle}: that is what a cycle-level model is for.",
            ratio=f"{read.ratio:.2f}", bits=f"{bits.ratio:.2f}",
            overlapped=engineering(data.overlapped_s, "s"), cycle=engineering(data.cycle_s, "s")),
        say("**Does not: bit lines.** ZigZag charges the whole bit line of a column in use, all {side} cells, "
            "archsim the cells in use alone: {worst} of it for {work}. ZigZag has it right where a line is one wire; "
            "archsim's `read_energy` is a cell's current. It also gives the share of cells in use by whole cycles of "
            "all vectors, so that small layers look fuller.",
            side=SIDE, worst=f"{worst.ratio:.2f}", work=worst.work.split(",")[0]),
        say("**Beware:** left to choose, ZigZag reads {rows} rows of the first layer at once; then it counts {cycles} "
            "reads in time and {reads} in energy, since it bills products over those of a full read. The table has the "
            "rows that archsim reads, a third of the layer.", rows=SIDE, cycles=f"{data.padded_cycles:g}",
            reads=f"{data.padded_reads:g}"),
        pairs_table("buffers", "The buffer", "ZigZag", data.buffers,
                    "Energy of a vector in the memory beside the arrays, words of 512 bits."),
        say("**Does not: the buffer.** ZigZag has one array, which takes the three parts of the first layer in turn "
            "and keeps 16-bit sums in the buffer meanwhile; archsim has three arrays, and sums pass over links. In "
            "archsim a layer's input is written and read, and outputs go to the host. In ZigZag outputs are written, "
            "and, where those of all vectors and their inputs do not fit the buffer, inputs are written and outputs "
            "read, too. It also loads weights from outside for each layer, which archsim does once; that is left out "
            "here. Cells that hold more than one weight, which would spare it that, end in an error in this version."),
        _figure(data),
        say("**Converters.** ZigZag's formula, made for 28 nm and held against three analog chips by its authors, "
            "gives {theirs} for 8 bits at {rate}, archsim's estimate from Murmann's survey {median}, and from {low} "
            "to {high} for the middle 80 %. Its converters are those of columns of memory, without reference or "
            "clock; the survey's are whole. It is {place} that range, with a share of {share} of the median. With "
            "each further bit the survey's grow {growth}-fold; ZigZag's end at four-fold, as where noise is the "
            "limit, from 10 bits on. Andrulis et al. is the regression that CiMLoop uses.",
            theirs=engineering(eight.zigzag_j, "J"), rate=engineering(eight.rate_hz, "Hz"),
            median=engineering(ours.value, "J"), low=engineering(ours.low, "J"), high=engineering(ours.high, "J"),
            place="inside" if ours.low <= eight.zigzag_j <= ours.high else "outside",
            share=per_cent(eight.zigzag_j / ours.value, 0), growth=f"{exp(ENERGY_PER_BIT):.1f}"),
    ))  # fmt: skip


def _figure(data: ZigZag) -> Plot:
    at = [(each.bits, adc_energy(each.bits, each.rate_hz, NODE_M)) for each in data.converters]
    best = [(each.bits, adc_energy_best(each.bits, each.rate_hz, NODE_M).value) for each in data.converters]
    lines = (
        ("archsim: median of the survey", CYCLE[0], False, [(bits, own.value) for bits, own in at]),
        ("10 % and 90 % of it", CYCLE[5], True, [(bits, own.low) for bits, own in at]),
        ("10 % and 90 % of it", CYCLE[5], True, [(bits, own.high) for bits, own in at]),
        ("Andrulis et al., best case", CYCLE[1], False, best),
        ("ZigZag", CYCLE[3], False, [(each.bits, each.zigzag_j) for each in data.converters]),
        (f"ISAAC's, 32 nm, {engineering(ISAAC_RATE_HZ, 'Hz')}", CYCLE[2], False,
         [(bits, 1e-12 * ISAAC[bits][0]) for bits in BITS if bits in ISAAC]),
    )  # fmt: skip
    series = tuple(
        Series(label, tone, tuple(Dot(bits, joules, f"{label}, {bits} bits: {engineering(joules, 'J')}", size=0.5)
                                  for bits, joules in points), dashed=dashed, shown=not dashed)
        for label, tone, dashed, points in lines
    )  # fmt: skip
    values = [joules for *_, points in lines for _, joules in points]
    return Plot(
        "beside_peers_converters", "Energy of a conversion",
        "At 28 nm and at the rate that ZigZag's delay allows, 87 MHz for 5 bits to 36 MHz for 12.",
        linear("bits", [float(bits) for bits in BITS], "{:g}".format, room=0.03, count=8),
        logarithmic("energy", values, lambda joules: engineering(joules, "J", 3), room=0.05), series,
    )  # fmt: skip
