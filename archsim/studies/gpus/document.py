"""The report of a chip against GPUs: gpus.json, gpus.md, its tables as CSV and its figures as SVG."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from archsim.report.folder import write_folder
from archsim.report.table import Table
from archsim.studies.gpus.figures import figures
from archsim.studies.gpus.tables import conventions, measured_table, modelled_table, tables

Data: TypeAlias = Mapping[str, Any]

NAME = "gpus.json"
OWNED = (NAME, "gpus.md", "figures", "tables")
"""What a comparison writes; anything else in its folder is kept."""
TITLES = {
    "gpus_time": "Time per example by batch size",
    "gpus_energy": "Energy per example by batch size",
    "gpus_efficiency": "Energy efficiency",
    "gpus_density": "Throughput per area",
}
BRIEF: Mapping[str, tuple[Callable[..., Table], str]] = {
    "gpus_modelled": (modelled_table, "Each GPU in its fastest precision."),
    "gpus_measured": (measured_table, "The precision and way that are the quickest at the largest batch."),
}
"""Tables that are too long to read: what makes a short one, and what that one holds."""


def write_gpus(data: Data, folder: Path) -> Path:
    """Write a comparison with GPUs into `folder`, as a whole or not at all, and return the folder."""
    found, drawn = tables(data), figures(data)
    files = {
        NAME: json.dumps(data, indent=1, allow_nan=False) + "\n",
        "gpus.md": markdown(data, found, drawn),
        **{f"tables/{name}.csv": table.csv() for name, table in found.items()},
        **{f"figures/{name}.svg": svg for name, svg in drawn.items()},
    }
    return write_folder(folder, files, OWNED)


def markdown(data: Data, found: Mapping[str, Table], drawn: Iterable[str]) -> str:
    """Return the comparison as Markdown."""
    lines = [f"# {data['arch']['name']} against GPUs: {data['workload']['name']}, {data['mode']}", ""]
    lines += [line for text in conventions(data) for line in (text, "")]
    for name, table in found.items():
        lines += [f"## {table.title}", ""]
        brief = BRIEF.get(name)
        if brief is not None:
            lines += [f"{brief[1]} All rows are in `tables/{name}.csv`.", ""]
        lines += [_escaped((table if brief is None else brief[0](data, brief=True)).markdown()), ""]
        lines += [table.note, ""] if table.note else []
    for name in drawn:
        title = TITLES[name]
        lines += [f"## {title}", "", f"![{title}](figures/{name}.svg)", ""]
    lines += [line for each in data["measured"] for line in (_origin(each), "")]
    lines.append(
        f"Repeat: `{data['command']}`. Spec {data['arch']['hash']}; workload {data['workload']['hash']}; "
        f"archsim {data['version']}."
    )
    return "\n".join([*lines, ""])


def _origin(each: Data) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in each["software"].items() if version)
    return _escaped(f"Measured: {each['gpu']}, {each['date']} ({versions}); {each['file']}. {each['method']}.")


def _escaped(text: str) -> str:
    """Return text whose names, which come from files, cannot be taken for HTML."""
    return text.replace("<", "&lt;")
