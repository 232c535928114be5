"""What a report is made of: the result and its details, as plain data that a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archsim.studies.train.history import History

DETAILS_SCHEMA = "archsim-details-1"


@dataclass(frozen=True)
class Page:
    """All that the files of a report show: `data` is metrics.json, `details` details.json, in SI units.

    `history` is the history.json of a training whose report lies in the same folder, if there is one.
    """

    data: Mapping[str, Any]
    details: Mapping[str, Any]
    history: History | None = None

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The metrics by name."""
        found: Mapping[str, Any] = self.data["metrics"]
        return found

    @property
    def clock_hz(self) -> float:
        """The clock of the chip, in hertz."""
        return float(self.details["clock_hz"])
