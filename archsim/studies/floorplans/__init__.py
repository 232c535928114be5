"""Floorplans: drawn, compared, searched for."""
