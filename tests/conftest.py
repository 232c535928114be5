"""What all tests share: how many examples a law is tried on where it does not say, and no deadline for the first."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None, max_examples=25)  # first calls compile, or load the table of units
settings.load_profile("steady")
