"""What all tests share: on how many examples a law is tried where it does not say, and no deadline for the first.

`make test-slow` is thorough: it tries all laws on four times as many.
"""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["COLUMNS"] = "140"  # of a terminal; workers of pytest-xdist are told 80

settings.register_profile("quick", deadline=None, max_examples=15)  # first calls compile, or load the table of units
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=60)
settings.load_profile("thorough" if os.environ.get("ARCHSIM_THOROUGH") else "quick")
