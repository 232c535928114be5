"""What a benchmark gives: a figure, and the limit that it should keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured value; `most` and `least` are limits, if it has any."""

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def passed(self) -> bool:
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def limit(self) -> str | None:
        if self.most is not None:
            return f"<= {self.most:g} {self.unit}"
        return f">= {self.least:g} {self.unit}" if self.least is not None else None

    def row(self) -> dict[str, object]:
        return {
            "name": self.name, "value": self.value, "unit": self.unit, "limit": self.limit, "passed": self.passed,
        }  # fmt: skip
