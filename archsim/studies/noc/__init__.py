"""The network of a chip alone, by load."""
