"""Memories beside a crossbar: they keep x and d from their arrival until the update."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from archsim.components.base import Action, Component, component
from archsim.units import Area, Count, Energy, Power, Time


@component("sram", "memory")
class Sram(Component):
    """Static memory of `words` words of `word_bits` bits; `ports` accesses at once."""

    words: Count
    word_bits: Count
    ports: Count
    access_s: Time
    energy_j: Energy
    area_m2: Area
    leakage_w: Power = 0.0
    example: ClassVar[dict[str, Any]] = {
        "words": 1024, "word_bits": 64, "ports": 2, "access": "1 ns", "energy": "10 pJ", "area": "0.016 mm2",
    }  # fmt: skip

    def words_for(self, values: int, bits: int) -> int:
        """Return how many words hold `values` numbers of `bits` bits, packed."""
        return math.ceil(values * bits / self.word_bits)

    def actions(self) -> dict[str, Action]:
        """`read` and `write`: an item is one word."""
        access = Action(self.energy_j, self.access_s, parallel=self.ports)
        return {"read": access, "write": access}
