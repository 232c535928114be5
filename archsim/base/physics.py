"""Constants of nature: exact by the definition of the SI (brochure, 9th edition, section 2.2)."""

from __future__ import annotations

ELEMENTARY_CHARGE_C = 1.602176634e-19
BOLTZMANN_J_PER_K = 1.380649e-23
