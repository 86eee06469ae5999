"""The run directory: what a search leaves on disk, and how it goes on from there."""

from azero_jax.recording.run_directory import RunDirectory

__all__ = ["RunDirectory"]
