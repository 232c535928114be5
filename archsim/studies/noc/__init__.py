"""A network alone under synthetic traffic."""
