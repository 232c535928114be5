"""Weight cells: what one synapse is made of, and what it takes to read, program and refresh it."""
