"""Where built-in chips and workloads lie, and how they are called; nothing is read of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

FOLDERS = {"arch_specs": "arch", "workloads": "workload"}
"""The folders of built-in files, and the kind of each."""


def builtin_folder(folder: str) -> Path:
    """Return where built-in files lie: at the root of a checkout, or in the installed package."""
    package = Path(__file__).parents[1]
    root = package.parent
    return (
        root / folder
        if (root / "pyproject.toml").is_file() and (root / folder).is_dir()
        else package / "_data" / folder
    )


def builtin_names(folder: str) -> list[str]:
    """Return the names of the built-in files of `arch_specs` or `workloads`."""
    return sorted(path.stem for path in builtin_folder(folder).glob("*.yaml"))


def is_builtin(name: str, folder: str) -> bool:
    """Return whether a name is one of these, without looking at all of them."""
    with suppress(OSError, ValueError):  # of a name that no file can have
        return "/" not in name and "\\" not in name and (builtin_folder(folder) / f"{name}.yaml").is_file()
    return False
