"""The interpreter as one would write it first: what the engines are measured against.

`vmap` over programs of `vmap` over tasks of a loop over instructions, each a `lax.switch` whose branches return the
whole memory. It is correct, and slow: under `vmap` every branch of the switch runs, and every one copies the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from azero_jax.engines.random_bits import random_words
from azero_jax.engines.settings import RunSettings
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, Programs
from azero_jax.language.roles import FEATURES, SCALAR_LABEL, SCALAR_PREDICTION
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

FILES: Final = {ops.SCALAR: "scalars", ops.VECTOR: "vectors", ops.MATRIX: "matrices"}


class Registers(NamedTuple):
    """Memory of one program on one task; the last axis of 1 is what `Op.compute` calls lanes.

    Attributes:
      scalars: `[NS, 1]`.
      vectors: `[NV, F, 1]`.
      matrices: `[NM, F, F, 1]`.
    """

    scalars: jax.Array
    vectors: jax.Array
    matrices: jax.Array


class NaiveEngine:
    """Fitness of programs on regression tasks, in float32, one epoch, on all examples."""

    name = "naive"

    def __init__(self, space: SearchSpace, tasks: Tasks, settings: RunSettings) -> None:
        if tasks.metric.is_classification or settings.precision != "float32" or settings.epochs != 1:
            raise ValueError("the naive interpreter runs regression tasks in float32 for one epoch")
        self._data = (
            jnp.asarray(np.concatenate([tasks.train_features, tasks.valid_features], axis=1), jnp.float32),
            jnp.asarray(np.concatenate([tasks.train_labels, tasks.valid_labels], axis=1), jnp.float32),
            jnp.arange(len(tasks), dtype=jnp.uint32),
        )
        run = partial(_run, space, settings, tasks.train_examples)
        self._evaluate = jax.jit(jax.vmap(jax.vmap(run, in_axes=(None, 0)), in_axes=(0, None)))

    def evaluate(self, programs: Programs) -> jax.Array:
        """`[N, T]` fitness of N programs on T tasks."""
        code = (
            programs.opcodes.astype(np.int32),
            programs.addresses.astype(np.int32),
            programs.constants.astype(np.float32),
        )
        return self._evaluate(code, self._data)


Code = tuple[jax.Array, jax.Array, jax.Array]


def _run(space: SearchSpace, settings: RunSettings, train_examples: int, code: Code, data: Code) -> jax.Array:
    """Fitness of one program on one task."""
    features, labels, task = data
    step_of = jnp.arange(1, 1 + len(labels), dtype=jnp.uint32)

    def execute(function: int, registers: Registers, step: jax.Array) -> Registers:
        first = space.offsets[function]
        draw = partial(random_words, jnp.uint32(settings.seed), task[None], step)

        def instruction(slot: jax.Array, registers: Registers) -> Registers:
            return _execute_instruction(space.ops, code, slot, draw, registers)

        return lax.fori_loop(first, first + space.max_sizes[function], instruction, registers)

    def predict(registers: Registers, x: jax.Array, y: jax.Array, step: jax.Array) -> tuple[Registers, jax.Array]:
        registers = execute(1, _set_example(registers, x, jnp.float32(0)), step)
        return registers, jnp.abs(y - registers.scalars[SCALAR_PREDICTION.address, 0])

    def train(carry: tuple[Registers, jax.Array], example: Code) -> tuple[tuple[Registers, jax.Array], None]:
        registers, passed = carry
        x, y, step = example
        registers, error = predict(registers, x, y, step)
        registers = execute(2, _set_example(registers, x, y), step)
        return (registers, passed & (error <= settings.max_abs_error)), None

    def validate(carry: tuple[Registers, jax.Array], example: Code) -> tuple[tuple[Registers, jax.Array], jax.Array]:
        registers, passed = carry
        registers, error = predict(registers, *example)
        return (registers, passed & (error <= settings.max_abs_error)), error

    examples = (features, labels, step_of)
    f = space.features
    registers = Registers(
        jnp.zeros((space.scalars, 1)), jnp.zeros((space.vectors, f, 1)), jnp.zeros((space.matrices, f, f, 1))
    )
    registers = execute(0, registers, jnp.uint32(0))
    carry, _ = lax.scan(train, (registers, jnp.array(True)), jax.tree.map(lambda a: a[:train_examples], examples))
    carry, errors = lax.scan(validate, carry, jax.tree.map(lambda a: a[train_examples:], examples))
    loss = jnp.sqrt(jnp.mean(errors * errors))
    return jnp.where(carry[1], 1 - 2 / jnp.pi * jnp.arctan(loss), 0)


def _set_example(registers: Registers, x: jax.Array, label: jax.Array) -> Registers:
    return registers._replace(
        scalars=registers.scalars.at[SCALAR_LABEL.address].set(label),
        vectors=registers.vectors.at[FEATURES.address].set(x[:, None]),
    )


def _execute_instruction(
    numbers: tuple[int, ...], code: Code, slot: jax.Array, draw: Callable, registers: Registers
) -> Registers:
    opcode, address, constant = (field[slot] for field in code)
    branch_of = np.zeros(len(ops.OPS), np.int32)
    branch_of[list(numbers)] = np.arange(1, len(numbers) + 1)
    branches = [lambda registers, *_: registers, *(partial(_branch, ops.OPS[number], draw) for number in numbers)]
    return lax.switch(jnp.asarray(branch_of)[opcode], branches, registers, address, constant)


def _branch(op: ops.Op, draw: Callable, registers: Registers, address: jax.Array, constant: jax.Array) -> Registers:
    """The whole memory after one instruction."""
    file = getattr(registers, FILES[op.output])
    values = {"old": file[address[OUT]], "i": address[IN1], "j": address[IN2], "x": constant[0], "y": constant[1]}
    for name, kind, column in zip("ab", op.inputs, (IN1, IN2), strict=False):
        values[name] = getattr(registers, FILES[kind])[address[column]]
    if op.random:
        values["bits0"], values["bits1"] = draw(address[IN1], file.shape[1:-1])
    result = jnp.broadcast_to(op.compute(*(values[name] for name in op.arguments)), file.shape[1:])
    return registers._replace(**{FILES[op.output]: file.at[address[OUT]].set(result)})
