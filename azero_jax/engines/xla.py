"""The XLA engine: programs interpreted with `lax.switch` inside `vmap`, on whatever JAX runs on."""

from __future__ import annotations

import dataclasses
import math
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike, NDArray

from azero_jax import ops
from azero_jax.engines.base import Memory, Outcome, RunSettings, make_order
from azero_jax.engines.xla_run import PREDICTION_VECTOR, Data, Limits, Machine, State, run
from azero_jax.engines.xla_step import Code, Registers, branch_step, select_step
from azero_jax.program import Programs
from azero_jax.space import FUNCTION_NAMES, SearchSpace
from azero_jax.tasks import Metric, Tasks

# The select step shares one instruction loop among this many lanes (programs x tasks). More lanes spread the loop's
# overhead over more work until the registers leave the cache.
TARGET_LANES: Final = 1280
LANES_MULTIPLE: Final = 64  # no vector loop has a remainder, so a program's result cannot depend on its lanes' places


class XlaEngine:
    """Runs programs on tasks with XLA; see `azero_jax.engines.base.Engine`.

    Args:
      space: the search space; only its ops, addresses and lengths are compiled.
      tasks: the tasks, which are put on the device once.
      settings: how programs are run.
      order: `[epochs, N]` training example numbers of each epoch; None means `make_order` with the settings' seed.

    Raises:
      ValueError: tasks, order and space do not fit one another.
    """

    name = "xla"

    def __init__(
        self, space: SearchSpace, tasks: Tasks, settings: RunSettings | None = None, *, order: ArrayLike | None = None
    ) -> None:
        settings = settings or RunSettings()
        _check_tasks(space, tasks)
        self.space, self.tasks, self.settings = space, tasks, settings
        self.device = describe_device()
        self._branches = _branch_numbers(space)
        self._block = block_programs(space, len(tasks))
        self._dtype = np.dtype(settings.precision)
        step = branch_step if self._block == 1 else select_step
        self._machine = Machine(space, tasks.metric, self._dtype, step)
        blocks = -(-settings.batch_size // self._block)
        self._capacity = blocks * self._block
        self._run = jax.jit(partial(_run_batch, self._machine, self._block), static_argnames="recorded")
        self._trace = jax.jit(partial(_trace_program, dataclasses.replace(self._machine, step=branch_step)))
        with self._x64():
            self._data = self._put_tasks(order)

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""
        return self._run._cache_size() + self._trace._cache_size()

    def evaluate(
        self,
        programs: Programs,
        *,
        examples: tuple[int, int] | None = None,
        divisor: int | None = None,
        record: bool = False,
    ) -> Outcome:
        """Runs every program on every task from zeroed memory; see `azero_jax.engines.base.Engine.evaluate`.

        Raises:
          ValueError: more examples asked for than there are, or an op that the space does not have.
        """
        train, valid = self._check_examples(examples)
        recorded = (min(train, self.tasks.train_examples), valid) if record else (0, 0)
        branches = self._find_branches(programs)
        order = np.lexsort(programs.sizes.T)  # programs of like sizes share a block, which runs to its longest
        pieces = []
        with self._x64():
            limits = self._limits(train, valid, divisor)
            for start in range(0, len(programs), self._capacity):
                chosen = order[start : start + self._capacity]
                code, sizes = self._pad(branches[chosen], programs[chosen])
                blocks = np.int32(-(-len(chosen) // self._block))
                outcome = self._run(code, sizes, blocks, self._data, limits, recorded=recorded)
                pieces.append([np.asarray(array)[: len(chosen)] for array in outcome])
        if not pieces:
            pieces = [self._empty(recorded)]
        place = np.argsort(order)
        fields = [np.concatenate(field)[place] for field in zip(*pieces, strict=True)]
        return Outcome(*fields[:4], errors=fields[4] if record else None)

    def trace(self, programs: Programs, memory: Memory | None = None) -> tuple[Memory, Memory]:
        """Memory after Setup, and when training ended or stopped; see `azero_jax.engines.base.Engine.trace`."""
        branches = self._find_branches(programs)
        traced = []
        with self._x64():
            limits = self._limits(*self._check_examples(None), None)
            for index in range(len(programs)):
                code = Code(
                    branches[index],
                    programs.addresses[index].astype(np.int32),
                    programs.constants[index].astype(self._dtype),
                )
                registers = self._start_registers(memory, index)
                both = self._trace(code, programs.sizes[index], self._data, limits, registers)
                traced.append(jax.tree.map(np.asarray, both))
        after_setup, after_training = (
            Memory(*(np.stack([_lanes_first(getattr(pair[end], kind)) for pair in traced]) for kind in ops.KINDS))
            for end in (0, 1)
        )
        return after_setup, after_training

    def _x64(self) -> AbstractContextManager[Any]:
        return jax.enable_x64(self.settings.precision == "float64")

    def _put_tasks(self, order: ArrayLike | None) -> Data:
        tasks, settings = self.tasks, self.settings
        if order is None:
            order = make_order(tasks.train_examples, settings.epochs, settings.seed)
        order = np.asarray(order, np.int32)
        if order.shape != (settings.epochs, tasks.train_examples):
            raise ValueError(
                f"order has shape {order.shape}; it must be (epochs, training examples),"
                f" {(settings.epochs, tasks.train_examples)}"
            )
        if order.min() < 0 or order.max() >= tasks.train_examples:
            raise ValueError(f"order must hold example numbers from 0 to {tasks.train_examples - 1}")
        arrays = (tasks.train_features, tasks.train_labels, tasks.valid_features, tasks.valid_labels)
        return Data(*(jnp.asarray(np.moveaxis(array, 0, -1), self._dtype) for array in arrays), jnp.asarray(order))

    def _check_examples(self, examples: tuple[int, int] | None) -> tuple[int, int]:
        most = (self.tasks.train_examples * self.settings.epochs, self.tasks.valid_examples)
        train, valid = most if examples is None else examples
        if not 0 <= train <= most[0]:
            raise ValueError(f"examples: {train} training examples; allowed: 0 to {most[0]} (over all epochs)")
        if not 1 <= valid <= most[1]:
            raise ValueError(f"examples: {valid} validation examples; allowed: 1 to {most[1]}")
        return train, valid

    def _limits(self, train: int, valid: int, divisor: int | None) -> Limits:
        return Limits(
            train=np.int32(train),
            valid=np.int32(valid),
            divisor=self._dtype.type(valid if divisor is None else divisor),
            max_abs_error=self._dtype.type(self.settings.max_abs_error),
            seed=np.uint32(self.settings.seed),
        )

    def _find_branches(self, programs: Programs) -> NDArray[np.int32]:
        """`[N, L]` int32: `Code.branch`."""
        slots = np.arange(self.space.length)
        branches = self._branches[slots, programs.opcodes]
        if (branches < 0).any():
            program, slot = np.argwhere(branches < 0)[0]
            name = ops.OPS[programs.opcodes[program, slot]].name
            raise ValueError(f"program {program}, slot {slot}: the search space does not allow {name} there")
        return branches

    def _pad(self, branches: NDArray[np.int32], programs: Programs) -> tuple[Code, NDArray[np.int32]]:
        """Programs as the device takes them, always of the same shapes."""
        fields = (branches, programs.addresses, programs.constants, programs.sizes)
        dtypes = (np.int32, np.int32, self._dtype, np.int32)
        padded = [
            np.zeros((self._capacity, *field.shape[1:]), dtype) for field, dtype in zip(fields, dtypes, strict=True)
        ]
        for target, field in zip(padded, fields, strict=True):
            target[: len(field)] = field
        return Code(*padded[:3]), padded[3]

    def _empty(self, recorded: tuple[int, int]) -> list[NDArray[Any]]:
        tasks = len(self.tasks)
        dtypes = (self._dtype, np.int8, np.int8, np.int32)
        return [*(np.zeros((0, tasks), dtype) for dtype in dtypes), np.zeros((0, tasks, sum(recorded)), self._dtype)]

    def _start_registers(self, memory: Memory | None, index: int) -> Registers:
        space, tasks, f = self.space, len(self.tasks), self.space.features
        if memory is None:
            shapes = ((space.scalars,), (space.vectors, f), (space.matrices, f, f))
            return Registers(*(np.zeros((*shape, tasks), self._dtype) for shape in shapes))
        return Registers(*(np.moveaxis(np.asarray(array[index], self._dtype), 0, -1) for array in memory))


def describe_device() -> str:
    """The device that XLA runs on, such as `cpu` or `NVIDIA L4`."""
    return jax.devices()[0].device_kind


def block_programs(space: SearchSpace, tasks: int) -> int:
    """How many programs one instruction loop runs side by side."""
    if len(space.ops) > 12:
        return 1
    multiple = LANES_MULTIPLE // math.gcd(LANES_MULTIPLE, tasks)
    return multiple * max(1, TARGET_LANES // (tasks * multiple))


def _branch_numbers(space: SearchSpace) -> NDArray[np.int32]:
    """`[L, 65]`: an op's branch in each slot, 0 for NO_OP, -1 for ops that are not allowed there."""
    branches = np.full((space.length, len(ops.OPS)), -1, np.int32)
    branches[:, ops.NO_OP.number] = 0
    for function, offset in zip(space.functions, space.offsets, strict=True):
        numbers = [number for number in function.ops if number != ops.NO_OP.number]
        branches[offset : offset + function.max_size, numbers] = np.arange(1, len(numbers) + 1)
    return branches


def _check_tasks(space: SearchSpace, tasks: Tasks) -> None:
    if tasks.features != space.features:
        raise ValueError(f"the tasks have {tasks.features} features, the search space {space.features}")
    if tasks.metric is Metric.MULTICLASS_ACCURACY and space.vectors <= PREDICTION_VECTOR:
        raise ValueError(
            f"the search space has {space.vectors} vector addresses; {tasks.metric} needs {PREDICTION_VECTOR + 1}"
            " (features, label, prediction)"
        )


def _lanes_first(array: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(array, -1, 0)


def _run_batch(
    machine: Machine,
    block: int,
    code: Code,
    sizes: jax.Array,
    blocks: jax.Array,
    data: Data,
    limits: Limits,
    *,
    recorded: tuple[int, int],
) -> Outcome:
    """Runs the first `blocks` blocks of the programs, one after the other."""
    machine = dataclasses.replace(machine, recorded=recorded)
    capacity, tasks = len(sizes), data.train_features.shape[-1]
    shapes = jax.eval_shape(partial(_run_block, machine, block), 0, code, sizes, data, limits)
    empty = jax.tree.map(lambda piece: jnp.zeros((capacity, *piece.shape[1:]), piece.dtype), shapes)
    del tasks

    def one_block(number: jax.Array, outcome: Outcome) -> Outcome:
        piece = _run_block(machine, block, number, code, sizes, data, limits)
        return jax.tree.map(
            lambda whole, part: lax.dynamic_update_slice_in_dim(whole, part, number * block, 0), outcome, piece
        )

    return lax.fori_loop(0, blocks, one_block, empty)


def _run_block(
    machine: Machine, block: int, number: jax.Array, code: Code, sizes: jax.Array, data: Data, limits: Limits
) -> Outcome:
    code, sizes = jax.tree.map(lambda array: lax.dynamic_slice_in_dim(array, number * block, block), (code, sizes))
    tasks = data.train_features.shape[-1]
    if block == 1:
        code = jax.tree.map(lambda array: array[0], code)
    else:
        code = jax.tree.map(lambda array: jnp.repeat(jnp.moveaxis(array, 0, -1), tasks, axis=-1), code)
    _, state = run(machine, code, sizes.max(axis=0), data, limits)
    return _outcome(state, tasks)


def _outcome(state: State, tasks: int) -> Outcome:
    fields = (state.fitness, state.stop, state.reason, state.steps)
    errors = state.errors.reshape(-1, state.errors.shape[1] // tasks, tasks)
    return Outcome(*(field.reshape(-1, tasks) for field in fields), errors=jnp.moveaxis(errors, 0, -1))


def _trace_program(
    machine: Machine, code: Code, sizes: jax.Array, data: Data, limits: Limits, registers: Registers
) -> tuple[Registers, Registers]:
    machine = dataclasses.replace(machine, exact_memory=True)
    after_setup, state = run(machine, code, sizes, data, limits, registers)
    return after_setup, state.registers
