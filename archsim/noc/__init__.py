"""A network alone: packets under synthetic traffic on a topology's routing graph, event by event."""
