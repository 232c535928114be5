"""Networks by name on one design of chip."""
