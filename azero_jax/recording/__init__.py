"""The run directory: what a search leaves on disk, and how it goes on from there."""
