"""Measure a GPU on a workload's layers: python -m archsim.baselines.measure WORKLOAD ... (needs PyTorch).

A step of SGD is timed by device events; its energy is the difference of the device's own counter (NVML) over the
timed steps, so that idle power is in it. Data lie on the device before: no host, no loading.
"""

from __future__ import annotations

import datetime
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from archsim.base.atomic import output
from archsim.base.documents import dump_yaml
from archsim.base.errors import ArchsimError, Problem, SpecError, nearest
from archsim.baselines.comparison import parse_batches
from archsim.baselines.measured import SCHEMA, shape_of
from archsim.baselines.steps import BATCHES_HELD, PRECISIONS, eager_step, graph_of, lean_step, problem
from archsim.baselines.unrolled_steps import check_measurable, sequence_step
from archsim.workload import Workload, load_workload

BATCHES = tuple(2**i for i in range(13))
SEQUENCES = ("lstm_warpeace", "lstm_captioning", "transformer_base")
"""LSTMs of 64 and of 512 units and a transformer's layer: what the model of sequences is still to be held against."""
SEQUENCE_BATCHES = tuple(2**i for i in range(11))
GEMM_SHAPES = ((250, 529), (512, 512), (1760, 1760), (2048, 2048), (2560, 2560), (4096, 4096), (5124, 2048),
               (10752, 3584))  # fmt: skip
GEMM_BATCHES = (1, 4, 16, 32, 64, 128, 1024, 7000)
"""(outputs, inputs) and batches of the products measured alone: sizes of DeepBench, and smaller ones."""

METHOD = (
    "graph: a hand-written step (one product per layer and direction, update added in place) replayed as a CUDA graph "
    f"of {BATCHES_HELD} steps; eager: modules, autograd and the fused SGD of PyTorch; median over chunks by device "
    "events; energy by NVML's counter over all chunks; inputs on the device; clocks as found"
)


@dataclass(frozen=True)
class Meter:
    """The device: how to wait for it, how to time a piece of work in seconds, and how to read energy and power.

    `energy_j` and `power_w` return None where the device tells nothing.
    """

    device: str
    timed: Callable[[Callable[[], None]], float]
    energy_j: Callable[[], float | None]
    power_w: Callable[[], float | None]
    about: dict[str, Any] = field(default_factory=dict)


def cpu_meter() -> Meter:
    """Return the host processor as a device, timed by its clock: for trying the script, not for comparing."""

    def timed(work: Callable[[], None]) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return Meter("cpu", timed, lambda: None, lambda: None, {"name": "CPU", "limit_w": None, "driver": None})


def cuda_meter() -> Meter:
    """Return the first CUDA device, timed by its events; energy and power by NVML where that is installed."""
    import torch

    def timed(work: Callable[[], None]) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e-3

    about: dict[str, Any] = {"name": torch.cuda.get_device_name(0), "limit_w": None, "driver": None}
    silent = Meter("cuda", timed, lambda: None, lambda: None, about)  # time, but no energy
    try:
        import pynvml
    except ImportError:
        return silent
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return silent
    driver = pynvml.nvmlSystemGetDriverVersion()
    about["driver"] = driver.decode() if isinstance(driver, bytes) else str(driver)
    about["limit_w"] = pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) * 1e-3

    def energy_j() -> float:
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * 1e-3

    def power_w() -> float:
        return float(pynvml.nvmlDeviceGetPowerUsage(handle)) * 1e-3

    return Meter("cuda", timed, energy_j, power_w, about)


def timing(meter: Meter, chunk: Callable[[], None], steps: int, seconds: float) -> dict[str, Any]:
    """Return time, energy and power per step of a `chunk` of `steps` steps, repeated for about `seconds`.

    Chunks are put together until they last 2 ms, so that the clock's own cost does not show.
    """
    chunk()
    once = max(meter.timed(chunk), 1e-7)
    together = max(1, round(2e-3 / once))

    def work() -> None:
        for _ in range(together):
            chunk()

    meter.timed(work)
    times: list[float] = []
    before, began = meter.energy_j(), time.perf_counter()
    while time.perf_counter() - began < seconds or len(times) < 5:
        times.append(meter.timed(work))
    after, lasted = meter.energy_j(), time.perf_counter() - began
    done = steps * together * len(times)
    used = None if before is None or after is None else after - before
    return {
        "time_per_step_s": _short(statistics.median(times) / (steps * together)),
        "energy_per_step_j": None if used is None else _short(used / done),
        "power_w": None if used is None else _short(used / lasted),
        "steps": done,
    }


Ways: TypeAlias = Callable[[Meter, Workload, int, str], Mapping[str, Callable[[], None]]]
"""Of a device, a workload, a batch size and a precision: by way of working what does BATCHES_HELD steps."""


def ways_of(meter: Meter, workload: Workload, batch: int, precision: str) -> dict[str, Callable[[], None]]:
    """Return the ways in PyTorch: `graph` on a CUDA device, where the step can be captured, and `eager`."""
    found = PRECISIONS[precision]
    _allow_tensor_float(found.tensor_float)
    if workload.plain and workload.mode == "training":
        given = problem(workload.dense_layers(), batch, found.dtype, meter.device)
        ways = {"graph": graph_of(_in_turn(partial(lean_step, given)))} if meter.device == "cuda" else {}
        return {**ways, "eager": _in_turn(eager_step(given))}
    chunk = _in_turn(sequence_step(workload, batch, found.dtype, meter.device))
    ways = {}
    if meter.device == "cuda":
        with suppress(RuntimeError):  # what cannot be captured has no graph
            ways["graph"] = graph_of(chunk)
    return {**ways, "eager": chunk}


def network_rows(
    meter: Meter, workload: Workload, batches: Sequence[int], precisions: Sequence[str], seconds: float,
    ways: Ways = ways_of,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a row per precision, batch and way of working; a graph is timed for `seconds`, the host for a third."""
    rows = []
    for precision in precisions:
        for batch in batches:
            for how, chunk in ways(meter, workload, batch, precision).items():
                found = timing(meter, chunk, BATCHES_HELD, seconds if how == "graph" else seconds / 3)
                rows.append({"precision": precision, "batch": batch, "how": how, **found})
    return rows


def network_entry(workload: Workload, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a network as a measured file holds it; kinds, steps and mode where they are not the plain ones."""
    sizes, kinds, bias, steps, mode = shape_of(workload)
    more = {"kinds": list(kinds), "steps": steps, "mode": mode}
    plain = workload.plain and mode == "training"
    return {"name": workload.name, "layers": [list(size) for size in sizes], "bias": bias,
            **({} if plain else more), "rows": list(rows)}  # fmt: skip


def gemm_rows(meter: Meter, precisions: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """Return the time of products of (outputs x inputs) weights with a batch of vectors, one product after another."""
    import torch

    rows = []
    for precision in precisions:
        _allow_tensor_float(PRECISIONS[precision].tensor_float)
        for outputs, inputs in GEMM_SHAPES:
            for batch in GEMM_BATCHES:
                kind = getattr(torch, PRECISIONS[precision].dtype)
                draw = torch.Generator().manual_seed(0)
                weight = torch.randn(outputs, inputs, generator=draw).to(meter.device, kind)
                vectors = torch.randn(inputs, batch, generator=draw).to(meter.device, kind)
                result = torch.empty(outputs, batch, device=meter.device, dtype=kind)

                def multiply(weight: Any = weight, vectors: Any = vectors, result: Any = result) -> None:
                    for _ in range(BATCHES_HELD):
                        torch.mm(weight, vectors, out=result)

                chunk = graph_of(multiply) if meter.device == "cuda" else multiply
                found = timing(meter, chunk, BATCHES_HELD, seconds)
                rows.append({"precision": precision, "outputs_m": outputs, "batch_n": batch, "inputs_k": inputs,
                             "time_s": found["time_per_step_s"]})  # fmt: skip
    return rows


def measure(
    workloads: Sequence[str], device: str = "cuda", batches: Sequence[int] = BATCHES,
    precisions: Sequence[str] = ("fp32", "tf32", "bf16"), seconds: float = 1.5, gemms: bool = False,
    baseline: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a measured file's content; raise SpecError for what cannot be measured here.

    `baseline` names the GPU among archsim's baselines; `seconds` is how long each graph is measured.
    """
    _check(device, batches, precisions)
    networks = [load_workload(name).value for name in workloads]
    wrong = [each for network in networks if not network.plain for each in check_measurable(network)]
    if wrong:
        raise SpecError(wrong)
    import torch

    meter = cuda_meter() if device == "cuda" else cpu_meter()
    torch.zeros(1, device=meter.device)
    idle_w = _idle_power_w(meter, seconds)
    usable = [name for name in precisions if meter.device == "cuda" or not PRECISIONS[name].cuda_only]
    return {
        "kind": "measured", "schema": SCHEMA, "gpu": {"name": meter.about["name"], "baseline": baseline},
        "date": datetime.date.today().isoformat(),
        "software": {"torch": str(torch.__version__), "cuda": torch.version.cuda, "driver": meter.about["driver"]},
        "method": METHOD, "power_idle_w": idle_w, "power_limit_w": meter.about["limit_w"],
        "workloads": [
            network_entry(network, network_rows(meter, network, batches, usable, seconds))
            for network in networks
        ],
        "gemms": gemm_rows(meter, usable, seconds / 15) if gemms else [],
    }  # fmt: skip


def _idle_power_w(meter: Meter, seconds: float) -> float | None:
    """Return the power of the device in use by nobody, its context made: the median of some readings after a rest."""
    if meter.power_w() is None:
        return None
    time.sleep(seconds)
    readings = []
    for _ in range(20):
        time.sleep(0.05)
        readings.append(meter.power_w() or 0.0)
    return _short(statistics.median(readings))


def _check(device: str, batches: Sequence[int], precisions: Sequence[str]) -> None:
    problems = [
        Problem("--precision", f"'{name}' is not a precision", nearest(name, PRECISIONS))
        for name in precisions if name not in PRECISIONS
    ]  # fmt: skip
    problems += [Problem("--batch", f"{batch} is not a batch size", "give 1 or more") for batch in batches if batch < 1]
    try:
        import torch
    except ImportError:
        hint = "pip install 'archsim[measure]', on the machine that has the GPU"
        raise SpecError([*problems, Problem("measure", "PyTorch is not installed", hint)]) from None
    if device not in ("cuda", "cpu"):
        problems.append(Problem("--device", f"'{device}' is not a device", "give cuda or cpu"))
    elif device == "cuda" and not torch.cuda.is_available():
        hint = "run it on the machine that has one, or try the script with --device cpu"
        problems.append(Problem("--device cuda", "PyTorch sees no GPU here", hint))
    if problems:
        raise SpecError(problems)


def _in_turn(step: Callable[[int], None]) -> Callable[[], None]:
    def all_batches() -> None:
        for which in range(BATCHES_HELD):
            step(which)

    return all_batches


def _allow_tensor_float(allowed: bool) -> None:
    import torch

    torch.set_float32_matmul_precision("high" if allowed else "highest")


def _short(value: float) -> float:
    """Return a measured value with the digits that mean something.

    >>> _short(3.14159265e-05)
    3.1416e-05
    """
    return float(f"{value:.5g}")


def main(
    workloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORKLOAD ...]", help=f"Workloads, by name or path; if none, {', '.join(SEQUENCES)}."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path("measured.yaml"),
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the script.")] = "cuda",
    batch: Annotated[
        str | None, typer.Option(metavar="1,16,...", help="Batch sizes; if none, 1 to 4,096, or to 1,024 of sequences.")
    ] = None,
    precision: Annotated[str, typer.Option(metavar="P,...", help=", ".join(PRECISIONS))] = "fp32,tf32,bf16",
    seconds: Annotated[float, typer.Option(min=0, help="How long each is measured.")] = 1.5,
    gemms: Annotated[bool, typer.Option("--gemms", help="Also measure products alone.")] = False,
    baseline: Annotated[str | None, typer.Option(metavar="NAME", help="Which of archsim's GPUs this is.")] = None,
) -> None:
    """Measure SGD steps of workloads on this machine's GPU, and write what `archsim compare --measured` reads."""
    try:
        with output(out, f"--out {out}") as write:
            sizes = parse_batches(batch) if batch else BATCHES if workloads else SEQUENCE_BATCHES
            chosen = workloads or list(SEQUENCES)
            found = measure(chosen, device, sizes, precision.split(","), seconds, gemms, baseline)
            write(dump_yaml(found, leaves_on_a_line=True))
    except ArchsimError as error:
        typer.echo(f"archsim: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"measured  {out}")


if __name__ == "__main__":
    typer.run(main)
