"""Arrays in .npz files, the door that all of them come through."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archsim.base.arrays import Array
from archsim.base.doors import check_regular, door
from archsim.base.errors import SpecError
from archsim.base.limits import ARRAY_BYTES, STATE_BYTES, Limit


def _read(file: Any, name: str, where: str, hint: str) -> Array:
    try:
        found: Array = file[name]
    except ValueError as error:
        if "pickle" in str(error):
            raise SpecError.at(where, f"'{name}' in it holds Python objects, which are never loaded", hint) from None
        raise
    return found


def read_arrays(
    path: Path, what: str, hint: str, *,
    choose: Callable[[Sequence[str]], Iterable[str]] = lambda names: names, most: Limit = ARRAY_BYTES,
) -> dict[str, Array]:  # fmt: skip
    """Return arrays of an .npz file by name, those that `choose` takes of all names; pickles are never read.

    Raises SpecError, `what` saying with "{why}" what it is not, if anything in it is no array or cannot be read.
    """
    where = str(path)
    check_regular(path, where, hint, STATE_BYTES)
    with door(where, what, hint), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that numpy reads all the same
        if not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            most.check(sum(each.file_size for each in file.zip.infolist()), where)
            found = {name: _read(file, name, where, hint) for name in choose(file.files)}
    for name, array in found.items():
        if not isinstance(array, np.ndarray):
            raise SpecError.at(where, f"'{name}' in it is no array", hint)
    return found
