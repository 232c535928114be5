"""A run: its plan, its files and its report."""
