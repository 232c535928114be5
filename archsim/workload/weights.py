"""Weights from a file: the ones a network starts with, by layer."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from archsim.base.array_files import read_arrays
from archsim.base.atomic import output
from archsim.base.errors import Problem, SpecError
from archsim.base.limits import STATE_BYTES
from archsim.spec.named import lies


def weights_of(path: Path, names: Mapping[str, tuple[int, int]]) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights of layers from an npz file, checked against their (rows, outputs); raise SpecError."""
    where, path = str(path), lies(path)
    what, hint = "cannot be read as weights: {why}", "give the file that `archsim import --weights` wrote"
    held = read_arrays(path, what, hint, most=STATE_BYTES)
    faults = []
    for name, shape in names.items():
        if name not in held:
            what = f"holds no weights of layer '{name}' ({', '.join(sorted(held)) or 'nothing'})"
            faults.append(Problem(where, what, "give each layer its rows x outputs"))
        elif held[name].shape != shape:
            what = f"layer '{name}' has {' x '.join(map(str, held[name].shape))} weights"
            faults.append(Problem(where, what, f"give {shape[0]} x {shape[1]}, the bias row last"))
        elif held[name].dtype.kind not in "buif" or not np.isfinite(held[name]).all():
            faults.append(Problem(where, f"layer '{name}' has weights that are no finite numbers", "give numbers"))
    if faults:
        raise SpecError(faults)
    return {name: np.asarray(held[name], np.float32) for name in names}


def write_weights(path: Path, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Write weights as an npz file, one layer's after another's; raise SpecError if it cannot be written."""

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            for name, values in weights.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as part:
                    np.lib.format.write_array(part, np.asanyarray(values), allow_pickle=False)

    with output(path, f"--weights {path}") as put:
        put(write)
