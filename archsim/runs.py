"""Runs as files: what is to be simulated, where the report goes, and how a run is repeated exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from archsim.accounting import ActivityFile
from archsim.chip import build_chip
from archsim.components import COMPONENTS
from archsim.errors import Problem, SpecError, nearest
from archsim.loading import (
    Loaded,
    builtin_names,
    differences,
    json_schema,
    kind_of,
    load_arch,
    problems_of,
    read_yaml,
)
from archsim.metrics import SCHEMA, Result, evaluate, package_version
from archsim.section import Section
from archsim.spec import (
    FLOORPLANS,
    PLACEMENTS,
    REDUCTIONS,
    REFRESH_POLICIES,
    TOPOLOGIES,
    TRANSFER_POLICIES,
    TRANSPORTS,
    ArchSpec,
)
from archsim.units import Count, CountOrZero
from archsim.workload import Workload, load_workload


class RunFile(Section):
    """A run as a file: it repeats a run exactly, with the specs that lie beside it."""

    kind: Literal["run"]
    version: str
    command: str
    arch: str
    arch_hash: str
    workload: str
    workload_hash: str
    sets: tuple[str, ...] = ()
    examples: Count
    full: bool
    seed: CountOrZero
    activity: str | None = None
    label: str = ""


@dataclass(frozen=True)
class RunPlan:
    """What is to be simulated, resolved; `command` repeats it, `folder` is where its report goes by default."""

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    count: int
    full: bool
    seed: int
    activity: ActivityFile | None
    activity_text: str
    command: str
    folder: Path
