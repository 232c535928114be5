"""Baselines: what GPUs are by data sheet, by model and by measurement."""
