"""What is known of programs without running them: live instructions, the canonical form, constant predictions, cost."""

from azero_jax.analysis.canonical.form import Canonical, canonicalize, number_streams
from azero_jax.analysis.pruning import prune

__all__ = ["Canonical", "canonicalize", "number_streams", "prune"]
