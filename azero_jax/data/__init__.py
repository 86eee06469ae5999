"""Data: labelled examples from files, names and memory.

`load_source` recognises what it is given. Images, tables, `.mat` files and scikit-learn's bundled sets need the extra
`data`; data sets by name, from the network, need the extra `hub`.
"""

from azero_jax.data.bundled import BUNDLED_TABLES
from azero_jax.data.cache import default_cache_dir
from azero_jax.data.registry import FORMATS, load_source
from azero_jax.data.source import Examples, Source, make_source
from azero_jax.process.progress import Progress, no_progress

__all__ = [
    "BUNDLED_TABLES",
    "FORMATS",
    "Examples",
    "Progress",
    "Source",
    "default_cache_dir",
    "load_source",
    "make_source",
    "no_progress",
]
