"""Weights from a file: the ones a network starts with, by layer."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from archsim.base.errors import Problem, SpecError


def weights_of(path: Path, names: Mapping[str, tuple[int, int]]) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights of layers from an npz file, checked against their (rows, outputs); raise SpecError."""
    where = str(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = {name: np.asarray(archive[name], np.float32) for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        hint = "give the file that `archsim import --weights` wrote"
        raise SpecError.at(where, f"cannot be read as weights: {error}", hint) from None
    faults = []
    for name, shape in names.items():
        if name not in held:
            what = f"holds no weights of layer '{name}' ({', '.join(sorted(held)) or 'nothing'})"
            faults.append(Problem(where, what, "give each layer its rows x outputs"))
        elif held[name].shape != shape:
            what = f"layer '{name}' has {' x '.join(map(str, held[name].shape))} weights"
            faults.append(Problem(where, what, f"give {shape[0]} x {shape[1]}, the bias row last"))
    if faults:
        raise SpecError(faults)
    return {name: held[name] for name in names}


def write_weights(path: Path, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Write weights as an npz file, one layer's after another's; raise SpecError if it cannot be written."""
    aside = path.with_name(f"{path.name}.part")
    try:
        try:
            with zipfile.ZipFile(aside, "w", allowZip64=True) as archive:
                for name, values in weights.items():
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, np.asanyarray(values), allow_pickle=False)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise SpecError.at(f"--weights {path}", what, "name a file in a folder that is there") from None
