"""The door of `python -m azero_jax.evaluate`."""
