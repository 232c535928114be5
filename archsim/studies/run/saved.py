"""Record reports: what a folder holds of a run, read again and checked before anything is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.errors import Problem, SpecError
from archsim.mapping.schedule import STATES
from archsim.results.metrics import SCHEMA
from archsim.studies.gpus.shape import GPUS, OrNull
from archsim.studies.run.page import DETAILS_SCHEMA, Page
from archsim.studies.study import study_in
from archsim.studies.train.history import History

Shape: TypeAlias = Any
"""What JSON must look like: a type, types that are allowed, [shape] of each item, {key: shape} of a mapping, or OrNull.

The key "*" is for a mapping from any names; keys that a shape does not name are allowed, so that more can be added.
"""
MOST_PROBLEMS = 8
NUMBER, COUNT, FIGURE = (int, float), int, (int, float, type(None))
AGAIN = "simulate it again: archsim run {folder}/run.yaml"

_RECT = {"x_m": NUMBER, "y_m": NUMBER, "width_m": NUMBER, "height_m": NUMBER}
_STATES = dict.fromkeys(STATES, COUNT)
METRICS = (
    "time_total_s", "time_per_example_s", "time_per_example_lower_bound_s", "time_per_example_peak_s",
    "examples_per_s", "ops_per_example", "ops_executed_per_example", "throughput_op_per_s",
    "throughput_peak_op_per_s", "power_w", "power_peak_w", "energy_total_j", "energy_per_example_j",
    "efficiency_op_per_j", "efficiency_peak_op_per_j", "area_m2", "area_peak_m2", "throughput_per_area_op_per_s_m2",
    "throughput_per_area_peak_op_per_s_m2", "transfer_time_share", "refresh_time_share", "tile_utilisation",
    "tiles_used", "tiles", "chips", "cells_used_share", "transfers", "pcm_writes_per_cell_mean",
    "pcm_writes_per_cell_max",
    "transfer_power_peak_w", "dwell_time_mean_s", "dwell_time_max_s",
)  # fmt: skip
DATA: Shape = {
    "arch": {"name": str, "hash": str},
    "workload": {"name": str, "hash": str},
    "version": str,
    "seed": COUNT,
    "command": str,
    "run": dict.fromkeys(("examples", "cycles", "examples_simulated", "examples_fast_forwarded"), COUNT),
    "metrics": dict.fromkeys(METRICS, FIGURE),
    "time_per_example_parts_s": dict.fromkeys(("interval", "dependencies", "contention", "maintenance"), FIGURE),
    "energy_j": {
        "total": NUMBER, "by_component": {"*": NUMBER}, "by_phase": {"*": NUMBER}, "by_layer": {"*": NUMBER},
        "by_tile": {"*": NUMBER},
    },
    "area": {"total_m2": NUMBER, "by_component_m2": {"*": NUMBER}},
    "stalls_cycles": _STATES,
    "layers": [
        {
            "name": str, "inputs": COUNT, "outputs": COUNT, "synapses": COUNT, "row_shards": COUNT,
            "col_shards": COUNT, "tiles": [COUNT], "energy_j": NUMBER, "stalls_cycles": _STATES,
        }
    ],
    "dwell": {
        "cell_updates_read": COUNT, "cell_updates_open": COUNT, "median_cycles": FIGURE, "p99_cycles": FIGURE,
        "histogram": [{"from_cycles": COUNT, "to_cycles": COUNT, "cell_updates": COUNT}],
    },
    "published": [{"metric": str, "published": NUMBER, "ratio": FIGURE, "kind": str, "source": str}],
    "audits": [{"name": str, "expected": FIGURE, "found": FIGURE, "passed": bool}],
    "activity": {
        "from": (str, type(None)),
        "reads": [
            {
                "layer": str, "direction": str, "by": str, "on_time_s": FIGURE, "conductance_siemens": FIGURE,
                "read_energy_j": NUMBER, "read_energy_spec_j": NUMBER,
            }
        ],
        "effect_j": {"*": {"spec": NUMBER, "used": NUMBER}},
    },
}  # fmt: skip
DETAILS: Shape = {
    "gpus": GPUS,
    "description": str,
    "clock_hz": NUMBER,
    "synapses": COUNT,
    "mode": {"ops_per_synapse": COUNT, "steps": COUNT, "example": str, "peak": str, "left_out": str},
    "overrides": [str],
    "figures": [{"path": str, "text": str, "source": str, "status": str, "note": str}],
    "zeros": [str],
    "leak_time_constants_s": [NUMBER],
    "peak": {
        "time_per_example_s": NUMBER, "busiest_unit": str, "busy_cycles": {"*": NUMBER},
        "energy_j_by_component": {"*": NUMBER},
    },
    "step": {
        "example": COUNT, "cycles": COUNT, "shares_cycles": {"*": COUNT}, "lanes": [{"tile": COUNT, "name": str}],
        "spans": [{"state": str, "lane": COUNT, "cycles": [[COUNT]]}], "links_cycles": [[COUNT]],
        "path": [{"what": str, "op": str, "instance": COUNT, "cycles": [COUNT]}],
    },
    "tiles": [{"tile": COUNT, "layer": str, "shard": str, "cycles": _STATES}],
    "bill": [
        {"component": str, "action": str, "phase": str, "layer": str, "count": NUMBER, "energy_j": NUMBER}
    ],
    "parts": [{"component": str, "instances": COUNT, "area_m2": NUMBER}],
    "links": [
        {
            "name": str, "length_m": NUMBER, "messages": COUNT, "busy_cycles": COUNT, "utilisation": FIGURE,
            "wait_cycles": COUNT, "buffer_wait_cycles": COUNT, "energy_j": NUMBER,
        }
    ],
    "floorplan": {
        "width_m": NUMBER, "height_m": NUMBER, "host": _RECT, "routers_m": [[[NUMBER]]],
        "sites": [{**_RECT, "used_m2": NUMBER, "layer": (str, type(None))}],
        "others": [{"kind": str, **_RECT}],
        "blocks": [{"name": str, "kind": str, **_RECT}],
        "wires": [{"link": str, "line_m": [[NUMBER]]}],
    },
}  # fmt: skip
CROSSCHECK: Shape = [{"name": str, "expected": FIGURE, "found": FIGURE, "difference": FIGURE, "passed": bool}]

PROGRAMMING: Shape = {"time_s": NUMBER, "energy_j": NUMBER, "cells": COUNT}


def load_page(folder: Path) -> Page:
    """Return what a report's folder holds of its run; nothing is simulated.

    Raises SpecError where there is no report, where it is newer than this archsim, cut off or lacks something.
    """
    if not folder.is_dir():
        raise SpecError([Problem(str(folder), "is not a folder", "give the folder of a report of `archsim run`")])
    if not (folder / "metrics.json").exists():
        what, hint = "is not there, so the folder holds no report of a run", "give one that `archsim run` wrote"
        if (study := study_in(folder)) is not None:
            what = f"is not there: the folder holds a report of `archsim {study.inputs.words}`"
        raise SpecError([Problem(f"{folder}/metrics.json", what, hint)])
    data, details = _read(folder, "metrics.json", SCHEMA), _read(folder, "details.json", DETAILS_SCHEMA)
    found = [*_faults(data, DATA, ""), *_faults(data.get("crosscheck", []), CROSSCHECK, "crosscheck")]
    if "programming" in data:
        found += _faults(data["programming"], PROGRAMMING, "programming")
    if "notes" in data:
        found += _faults(data["notes"], [str], "notes")
    problems = [Problem(f"{folder}/metrics.json: {where}", what) for where, what in found]
    problems += [Problem(f"{folder}/details.json: {where}", what) for where, what in _faults(details, DETAILS, "")]
    if problems:
        raise SpecError(_some(problems, AGAIN.format(folder=folder)))
    return Page(data, details, saved_history(folder))


def saved_history(folder: Path) -> History | None:
    """Return the history of a training in a report's folder, or None where there is none that can be read.

    A training under way replaces it after each epoch, and its own report tells of it: it is no fault of a run's.
    """
    try:
        return History.read((folder / "history.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _read(folder: Path, name: str, schema: str) -> dict[str, Any]:
    """Return a file of a report whose schema is the one that this archsim writes."""
    where, again = f"{folder}/{name}", AGAIN.format(folder=folder)
    try:
        text = (folder / name).read_text("utf-8")
    except FileNotFoundError:
        raise SpecError([Problem(where, "is not there: an older archsim wrote this report", again)]) from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SpecError([Problem(where, f"cannot be read: {why}", again)]) from None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise SpecError([Problem(where, "is no JSON: it was cut off or edited", again)]) from None
    if not isinstance(found, dict):
        raise SpecError([Problem(where, f"holds {_named(found)} and not a mapping", again)])
    given = found.get("schema")
    if given != schema:
        stem, number = schema.rsplit("-", 1)
        later = re.fullmatch(re.escape(stem) + r"-(\d{1,9})", str(given))
        newer = later is not None and int(later[1]) > int(number)
        hint = "update archsim, or " + again if newer else again
        what = f"'{given}' is newer than this archsim reads, '{schema}'" if newer else f"is not '{schema}'"
        raise SpecError([Problem(f"{where}: schema", what, hint)])
    return found


def _faults(value: Any, shape: Shape, where: str) -> Iterator[tuple[str, str]]:
    """Yield (place, what is wrong) wherever a value does not have the shape."""
    if isinstance(shape, OrNull):
        if value is not None:
            yield from _faults(value, shape.shape, where)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            yield where or "all", f"is {_named(value)} and not a mapping"
        elif "*" in shape:
            for key, own in value.items():
                yield from _faults(own, shape["*"], _joined(where, key))
        else:
            yield from ((_joined(where, key), "is missing") for key in shape if key not in value)
            for key in shape:
                if key in value:
                    yield from _faults(value[key], shape[key], _joined(where, key))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield where, f"is {_named(value)} and not a list"
        else:
            for place, own in enumerate(value):
                yield from _faults(own, shape[0], f"{where}[{place}]")
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        yield where, f"is {_named(value)} and not {_wanted(shape)}"


def _joined(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _named(value: Any) -> str:
    names: Mapping[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "yes or no", type(None): "null"}
    return names.get(type(value), "a number")


def _wanted(shape: Shape) -> str:
    types = shape if isinstance(shape, tuple) else (shape,)
    names: Mapping[type, str] = {str: "text", bool: "yes or no", type(None): "null", int: "a number", float: "a number"}
    return " or ".join(dict.fromkeys(names[each] for each in types))


def _some(problems: list[Problem], hint: str) -> list[Problem]:
    """Return the first problems, and how many more there are; the last one says what to try."""
    shown, more = problems[:MOST_PROBLEMS], len(problems) - MOST_PROBLEMS
    if more > 0:
        shown.append(Problem("", f"and {more:,} more"))
    return [*shown[:-1], Problem(shown[-1].where, shown[-1].what, hint)]
