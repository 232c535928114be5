"""Where data sets lie."""

from __future__ import annotations

from pathlib import Path

from archsim.base.doors import variable

FOLDER_VARIABLE, DEFAULT_FOLDER = "ARCHSIM_DATA", Path("data")

SEQUENCES = "seq"
"""The folder in which sequences may lie beside others."""


def data_folder(folder: Path | None = None) -> Path:
    """Return where data lie: the folder or file that is given, else that of ARCHSIM_DATA, else `data` beneath this."""
    if folder is not None:
        return folder
    named = variable(FOLDER_VARIABLE)
    return Path(named) if named else DEFAULT_FOLDER


def within(folder: Path, file: str) -> Path:
    """Return where a file lies in a folder, or in the folder of sequences in that."""
    path = folder / file  # an absolute name stays as it is
    return path if path.is_file() or not (folder / SEQUENCES / file).is_file() else folder / SEQUENCES / file
