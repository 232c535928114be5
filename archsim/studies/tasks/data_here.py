"""Data where a task is computed: those that its study was begun with, or who has no such data says so."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from archsim.base.doors import variable
from archsim.base.errors import ArchsimError, SpecError
from archsim.functional.checkpoint import digest_of
from archsim.functional.data_folder import FOLDER_VARIABLE, data_folder
from archsim.functional.data_set import Data


class UnseenDataError(ArchsimError):
    """The data that a task is to be trained on cannot be read where it is to be computed."""


def sent_folder(folder: Path | None) -> Path:
    """Return where data lie here, so that a process in another folder finds them."""
    return data_folder(folder).absolute()


def folder_here(sent: Path) -> Path:
    """Return where data lie that lay there when they were sent: there, or else where ARCHSIM_DATA says here."""
    return sent if sent.exists() or not variable(FOLDER_VARIABLE) else data_folder()


def data_name(data: Data) -> str:
    """Return what tells data apart: their name, and the digest of all of them."""
    return f"{data.name} {digest_of(data)}"


def seen(load: Callable[[], Data], workload: str, wanted: str | None) -> Data:
    """Return what is loaded; raise UnseenDataError, with this machine's name and the path, unless it is as `wanted`.

    Where none were wanted, raises SpecError with the reason.
    """
    host = socket.gethostname()
    try:
        data = load()
    except SpecError as error:
        if wanted is None:
            raise
        raise UnseenDataError(f"{host} cannot read the data of {workload}: {error}") from None
    if (found := data_name(data)) != wanted:
        raise UnseenDataError(f"{host} has other data for {workload}: {found}, not {wanted}")
    return data
