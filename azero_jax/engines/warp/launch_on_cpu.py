"""A kernel on the CPU: threads take pieces of a batch until nothing is left.

The compiled code is called directly, not by way of JAX, whose callback into Warp costs a call 0.1 ms and holds a lock,
so that no two of them run at the same time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from azero_jax.engines.warp.batch import BatchBuffer, aligned
from azero_jax.engines.warp.device import Kernel, start_warp
from azero_jax.engines.warp.spec import Inputs, KernelSpec, Sizes
from azero_jax.process.cores import usable_cores
from azero_jax.process.threads import work_together

WORK_OF_A_THREAD: Final = 200_000  # instructions on groups of tasks, about half a millisecond; less wakes nobody
_BATCH, _FIRST_PROGRAM, _OUTPUTS = 0, 9, 11  # places among the kernel's arguments


class CpuLauncher:
    """Launches a kernel on batches of programs, one batch at a time: the threads have their registers here."""

    compilations: Final = 0  # of jitted functions

    def __init__(self, kernel: Kernel, spec: KernelSpec, inputs: Inputs, threads: int | None = None) -> None:
        """Hands the kernel what does not change.

        Args:
          kernel: compiled.
          spec: what it was compiled for.
          inputs: what it is handed beside the batches.
          threads: that work on a batch; None means one for each core that this process may use.
        """
        from azero_jax.engines.warp.kernel.storage import code_type, count_type, real_type, value_type

        wp = start_warp()
        real, value = real_type(spec), value_type(spec)
        kinds = (value, code_type(spec), count_type(spec), value, real)
        self._dtypes: tuple[DTypeLike, ...] = (spec.precision, np.int8, np.int32, spec.precision, spec.precision)
        self._groups = inputs.groups
        self._memory = [_aligned_copy(inputs.order), _aligned_copy(inputs.examples)]  # which Warp does not keep alive

        def described(array: NDArray[Any], kind: Any) -> Any:
            return wp.array(ptr=array.ctypes.data, shape=(len(array),), dtype=kind, device="cpu")

        def room(size: int) -> NDArray[Any]:
            self._memory.append(aligned((size, spec.lanes), spec.precision))
            return self._memory[-1]

        nothing = room(1)
        self._batch = described(nothing, wp.uint8).__ctype__()
        self._outputs = [described(nothing, kind).__ctype__() for kind in kinds]
        given = [described(self._memory[0], wp.int32), described(self._memory[1], value), *inputs[2:]]
        self._launches = []
        for _ in range(usable_cores() if threads is None else threads):
            registers = described(room(spec.scratch), value)
            arguments = [described(nothing, wp.uint8), *given, 0, registers]
            outputs = [described(nothing, kind) for kind in kinds]
            launch = wp.launch(kernel, 1, arguments, outputs, device="cpu", block_dim=1, record_cmd=True)
            launch.set_param_at_index_from_ctype(_BATCH, self._batch)
            for place, output in enumerate(self._outputs, _OUTPUTS):
                launch.set_param_at_index_from_ctype(place, output)
            self._launches.append(launch)

    def __call__(self, buffer: BatchBuffer, programs: int, sizes: Sizes, instructions: int) -> list[NDArray[Any]]:
        """Runs the programs of a buffer.

        Args:
          buffer: holds programs at 0, 1, 2, ...
          programs: how many.
          sizes: how many values of each output a program has.
          instructions: that all programs together execute on a group of tasks at most.

        Returns:
          The kernel's outputs after the scratch, flat.
        """
        outputs = [aligned((programs * size,), kind) for size, kind in zip(sizes, self._dtypes, strict=True)]
        self._batch.data = buffer.array.ctypes.data
        for described, output in zip(self._outputs, outputs, strict=True):
            described.data = output.ctypes.data
        threads = min(len(self._launches), max(1, instructions * self._groups // WORK_OF_A_THREAD))
        pieces = split(programs, threads)
        if len(pieces) <= 1:
            threads = 1
        taken = itertools.count()
        work_together([partial(self._work, launch, pieces, taken) for launch in self._launches[:threads]])
        return outputs

    def close(self) -> None:
        """Forgets nothing: there is nothing compiled for this launcher alone."""

    def _work(self, launch: Any, pieces: Sequence[range], taken: Iterator[int]) -> None:
        """Runs pieces of a batch until none is left; `taken` counts them for all threads."""
        while (number := next(taken)) < len(pieces):
            piece = pieces[number]
            launch.set_dim(len(piece) * self._groups)
            launch.set_param_at_index_from_ctype(_FIRST_PROGRAM, piece.start)
            launch.launch()


def split(programs: int, threads: int) -> list[range]:
    """Pieces of a batch, which become smaller, so that the threads end together ("guided self-scheduling").

    >>> split(20, 2)
    [range(0, 7), range(7, 12), range(12, 15), range(15, 17), range(17, 18), range(18, 19), range(19, 20)]
    >>> split(20, 1)
    [range(0, 20)]
    """
    if threads == 1:
        return [range(programs)] if programs else []
    pieces, first = [], 0
    while first < programs:
        size = -(-(programs - first) // (threads + 1))
        pieces.append(range(first, first + size))
        first += size
    return pieces


def _aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    copy = aligned(array.shape, array.dtype)
    copy[:] = array
    return copy
