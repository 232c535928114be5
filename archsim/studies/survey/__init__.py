"""All chips with all workloads."""
