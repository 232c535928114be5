"""Transports: how a vector leaves a crossbar and reaches others; each registers itself."""
