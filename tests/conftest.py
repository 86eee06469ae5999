"""Settings of the whole suite."""

import os

import jax
import pytest
from hypothesis import settings

# The first call of a compiled function takes seconds, so no example has a deadline.
settings.register_profile("azero_jax", deadline=None, max_examples=50)
settings.load_profile("azero_jax")


def pytest_configure(config: pytest.Config) -> None:
    """Keeps what XLA compiles from one run of the suite to the next, a folder for each worker."""
    if config.pluginmanager.hasplugin("cacheprovider"):
        assert config.cache is not None
        folder = config.cache.mkdir(f"xla-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
