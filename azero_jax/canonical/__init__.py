"""The canonical form of programs, and its hash."""

from azero_jax.canonical.form import Canonical, canonicalize, number_streams

__all__ = ["Canonical", "canonicalize", "number_streams"]
