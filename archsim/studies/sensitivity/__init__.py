"""What the figures of a run depend on."""
