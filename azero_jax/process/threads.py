"""Work that threads of this process share, of which there are as many as cores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from azero_jax.process.cores import usable_cores


def work_together(workers: Sequence[Callable[[], None]]) -> None:
    """Calls the first worker in this thread and the others in further ones; returns when all have ended.

    All take their work from one place until nothing is left there, so that a worker whose thread is busy with something
    else need not be called any more. An error of one comes out when all have ended, the first worker's before others'.

    >>> import itertools
    >>> done, numbers = [0] * 100, itertools.count()
    >>> def work():
    ...     while (number := next(numbers)) < len(done):
    ...         done[number] += 1
    >>> work_together([work, work])
    >>> done == [1] * 100
    True
    """
    others = [_pool().submit(worker) for worker in workers[1:]]
    try:
        workers[0]()
    finally:
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """The threads beside the caller's, for all of this process."""
    return ThreadPoolExecutor(max(1, usable_cores() - 1), thread_name_prefix="beside")
