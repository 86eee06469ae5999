"""Random programs and their mutations."""
