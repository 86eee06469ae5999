"""What matters in a program: its live instructions."""

from azero_jax.prune.pruning import prune

__all__ = ["prune"]
