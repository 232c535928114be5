"""The report of a chip against GPUs: gpus.json, gpus.md, its tables as CSV and its figures as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from archsim.report.folder import write_folder
from archsim.report.gpu_figures import figures
from archsim.report.gpu_tables import CONVENTIONS, modelled_table, tables
from archsim.report.tables import Table

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


def write_gpus(data: Data, folder: Path) -> Path:
    """Write a comparison with GPUs into `folder`, as a whole or not at all, and return the folder."""
    found, drawn = tables(data), figures(data)
    files = {
        NAME: json.dumps(data, indent=1, allow_nan=False) + "\n",
        "gpus.md": markdown(data, found),
        **{f"tables/{name}.csv": table.csv() for name, table in found.items()},
        **{f"figures/{name}.svg": svg for name, svg in drawn.items()},
    }
    return write_folder(folder, files, OWNED)


def markdown(data: Data, found: Mapping[str, Table]) -> str:
    """Return the comparison as Markdown."""
    lines = [f"# {data['arch']['name']} against GPUs, training {data['workload']['name']}", ""]
    lines += [line for text in CONVENTIONS for line in (text, "")]
    for name, table in found.items():
        lines += [f"## {table.title}", ""]
        shown = modelled_table(data, all_precisions=False) if name == "gpus_modelled" else table
        if name == "gpus_modelled":
            lines += ["Each GPU in its fastest precision; all precisions are in `tables/gpus_modelled.csv`.", ""]
        lines += [shown.markdown(), ""]
        lines += [table.note, ""] if table.note else []
    for name, title in TITLES.items():
        lines += [f"## {title}", "", f"![{title}](figures/{name}.svg)", ""]
    lines += [line for each in data["measured"] for line in (_origin(each), "")]
    lines.append(
        f"Repeat: `{data['command']}`. Spec {data['arch']['hash']}; workload {data['workload']['hash']}; "
        f"archsim {data['version']}."
    )
    return "\n".join([*lines, ""])


def _origin(each: Data) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in each["software"].items() if version)
    return f"Measured: {each['gpu']}, {each['date']} ({versions}); {each['file']}. {each['method']}."
