"""Functions and results for scripts and notebooks."""
