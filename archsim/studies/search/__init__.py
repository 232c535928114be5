"""A search for the best figures of a spec: a library asks for points, their runs are its answers."""
