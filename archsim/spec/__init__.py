"""Specs of chips: what they may say, and how they are loaded, scaled and found faulty."""
