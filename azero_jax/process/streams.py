"""Standard output for the result alone, and standard error for what concerns the user, whatever the libraries print."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def stdout_kept_free(active: bool) -> Iterator[None]:
    """While active, everything that is written to standard output goes to standard error, from compiled code too."""
    if not active:
        yield
        return
    sys.stdout.flush()
    with contextlib.redirect_stdout(sys.stderr), _descriptor_redirected(1, 2):
        yield


@contextlib.contextmanager
def stderr_dropped() -> Iterator[None]:
    """What compiled code writes to standard error in the meantime is dropped."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, _descriptor_redirected(2, nowhere.fileno()):
        yield


@contextlib.contextmanager
def _descriptor_redirected(source: int, target: int) -> Iterator[None]:
    try:
        saved = os.dup(source)
    except OSError:  # the process has no standard output
        yield
        return
    try:
        os.dup2(target, source)
        yield
    finally:
        os.dup2(saved, source)
        os.close(saved)
