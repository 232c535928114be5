"""Training on a chip's cells, beside the floating-point baseline."""
