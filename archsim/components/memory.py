"""Memories beside a crossbar: they keep x and d from their arrival until the update."""

from __future__ import annotations

import math

from archsim.base.units import Area, Count, Energy, Power, Time
from archsim.components.base import Action, Component, component


class Memory(Component):
    """Base of the memories: `words` words of `word_bits` bits; `ports` accesses at once."""

    choices = {
        "words": ("energy_j", "area_m2", "leakage_w", "access_s"),
        "word_bits": ("energy_j", "area_m2", "leakage_w", "access_s"),
        "ports": ("energy_j", "area_m2", "leakage_w"),
    }

    words: Count
    """Words that it holds."""
    word_bits: Count
    """Bits of a word."""
    ports: Count
    """Accesses at once."""
    access_s: Time
    """Time of an access."""
    energy_j: Energy
    """Energy of an access to one word."""
    area_m2: Area
    """Area of the memory."""
    leakage_w: Power = 0.0
    """Power that it draws all the time."""

    def words_for(self, values: int, bits: int) -> int:
        """Return how many words hold `values` numbers of `bits` bits, packed."""
        return math.ceil(values * bits / self.word_bits)

    def actions(self) -> dict[str, Action]:
        """`read` and `write`: an item is one word."""
        access = Action(self.energy_j, self.access_s, parallel=self.ports)
        return {"read": access, "write": access}


@component("sram", "memory")
class Sram(Memory):
    """Static memory."""

    scales = {"energy_j": "energy", "area_m2": "area", "access_s": "delay"}
    estimators = {"energy_j": "sram_energy", "area_m2": "sram_area"}
    example = {"words": 1024, "word_bits": 64, "ports": 2, "access": "1 ns", "energy": "10 pJ", "area": "0.016 mm2"}


@component("edram", "memory")
class Edram(Memory):
    """Embedded dynamic memory: denser than static, and all words are read and written back once per `retention`.

    The refresh is billed as power that is drawn all the time; its accesses are taken to fit between the others.
    """

    retention_s: Time
    """Time in which all words are read and written back once."""
    example = {
        "words": 2048, "word_bits": 256, "ports": 1, "access": "1 ns", "energy": "20.45 pJ", "area": "0.083 mm2",
        "retention": "40 us",
    }  # fmt: skip

    @property
    def total_leakage_w(self) -> float:
        """Leakage and refresh, in watts."""
        return self.leakage_w + self.words * self.energy_j / float(self.retention_s)
