"""Weight cells in numbers: loaded when cells are asked for, since compiled code takes a while to load."""
