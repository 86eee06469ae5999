"""Settings of the whole suite."""

from hypothesis import settings

# The first call of a compiled function takes seconds, so no example has a deadline.
settings.register_profile("azero_jax", deadline=None, max_examples=50)
settings.load_profile("azero_jax")
