"""A grid of figures of a spec, with a run and perhaps trainings at each point."""
