"""What everything stands on: units, errors, registries, sections of documents."""
