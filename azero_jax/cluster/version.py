"""Which azero_jax this is, to the last line: all workers of a search must run the same."""

import functools
import hashlib
from importlib import metadata
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]


@functools.cache
def package_version() -> str:
    """The version, and a checksum of the sources.

    >>> package_version().count("+")
    1
    """
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    try:
        version = metadata.version("azero-jax")
    except metadata.PackageNotFoundError:
        version = "uninstalled"
    return f"{version}+{digest.hexdigest()[:8]}"
