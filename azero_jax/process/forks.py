"""Threads of JAX, Warp and Numba do not live on in a process that is forked; what waits for them waits for ever."""

import os

_first_process: list[int] = []  # the process that began to use them


def check_not_forked() -> None:
    """Refuses work in a process that was forked from one that did such work.

    Raises:
      ValueError: it was.
    """
    if not _first_process:
        _first_process.append(os.getpid())
    if _first_process[0] != os.getpid():
        how = 'use multiprocessing.get_context("spawn"), or start processes before the first search'
        raise ValueError(f"process {os.getpid()} was forked from process {_first_process[0]} after a search; {how}")
