"""A chip against GPUs."""
