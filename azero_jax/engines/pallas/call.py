"""The kernel as a function of arrays."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from azero_jax.engines.pallas.kernel import Inputs, Kernel, Outputs, State
from azero_jax.engines.pallas.plan import VMEM_LIMIT, Plan
from azero_jax.engines.xla.groups import Entries
from azero_jax.language import ops


class Batch(NamedTuple):
    """Blocks of encoded programs.

    Attributes:
      entries: as `Grouped.encode` makes them, `[B, E]` and `[B, E, *lanes]`.
      counts: `[B, 3]` int32, entries of each function.
    """

    entries: Entries
    counts: jax.Array


class Limits(NamedTuple):
    """What may differ from call to call.

    Attributes:
      call: `[2]` int32: blocks that hold programs, and the bits of the seed.
      max_abs_error: `[1]`, an absolute error above this stops the run.
    """

    call: jax.Array
    max_abs_error: jax.Array


class Positions(NamedTuple):
    """What a `Sequence` has for the kernel: `[chunks, positions]` numbers, `[chunks, 1, positions]` flags and steps."""

    numbers: jax.Array
    flags: jax.Array
    steps: jax.Array


class Results(NamedTuple):
    """What the kernel makes.

    Attributes:
      loss: `[B, T, *lanes]`.
      stop: `[B, T, *lanes]` int32, a `Stop`, and its `StopReason` above it.
      train_steps: `[B, T, *lanes]` int32.
      errors: `[B, chunks, positions, T, *lanes]`; None if they are not recorded.
      after_setup: `[registers, numbers, T, *lanes]` of each kind, in a trace.
      after_training: the same.
    """

    loss: jax.Array
    stop: jax.Array
    train_steps: jax.Array
    errors: jax.Array | None
    after_setup: tuple[jax.Array, ...] | None
    after_training: tuple[jax.Array, ...] | None


def run_kernel(
    plan: Plan,
    recorded_chunks: int,
    interpret: bool,
    batch: Batch,
    positions: Positions,
    data: jax.Array,
    limits: Limits,
    memory: tuple[jax.Array, ...] | None = None,
) -> Results:
    """Runs blocks of programs on all tasks.

    Args:
      plan: what to compile for.
      recorded_chunks: chunks whose errors are recorded.
      interpret: whether XLA interprets the kernel, on any device: for tests.
      batch: the programs.
      positions: of the run.
      data: `[examples, T, numbers]` features and label of each task.
      limits: see there.
      memory: register files before Setup, `[registers, numbers, T, *lanes]` of each kind: traces the one block that
        there is. None starts from zeros, and traces nothing.
    """
    traced = memory is not None
    blocks, tasks = batch.counts.shape[0], data.shape[1]
    chunks = positions.flags.shape[0]
    streamed = _streamed(plan, positions.numbers, data)
    entries = batch.entries
    arrays = [
        *limits, entries.group[:, None], batch.counts[:, None], positions.flags, positions.steps, streamed,
        *entries[1:], *(memory or ()),
    ]  # fmt: skip
    files = [_task_file(plan, kind) for kind in ops.KINDS]
    shapes, specs = _outputs(plan, blocks, tasks, recorded_chunks, traced)
    scratch = [] if traced else [pltpu.VMEM(plan.file(kind), plan.dtype) for kind in ops.KINDS]
    lanes = (plan.tasks, *plan.lanes)
    scratch += [pltpu.VMEM(lanes, jnp.int32), pltpu.VMEM(lanes, jnp.int32), pltpu.VMEM(lanes, plan.dtype)]
    scratch += [*(pltpu.VMEM(shape, plan.dtype) for shape in plan.staged()), pltpu.SMEM((1,), jnp.int32)]
    results = pl.pallas_call(
        partial(_kernel, plan, recorded_chunks, traced),
        grid=(blocks, tasks // plan.tasks, chunks),
        in_specs=[*_input_specs(plan, entries, streamed.shape[-1]), *(files if traced else [])],
        out_specs=specs,
        out_shape=shapes,
        scratch_shapes=scratch,
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary", "arbitrary"), vmem_limit_bytes=VMEM_LIMIT
        ),
        interpret=interpret,
        name="interpreter",
    )(*arrays)
    loss, stop, steps, *rest = results
    errors = rest.pop(0) if recorded_chunks else None
    kinds = len(ops.KINDS)
    return Results(loss, stop, steps, errors, *((tuple(rest[:kinds]), tuple(rest[kinds:])) if traced else (None, None)))


def _kernel(plan: Plan, recorded_chunks: int, traced: bool, *references: Any) -> None:
    """Sorts the references, which follow one another as in `run_kernel`."""
    rest = list(references)

    def take(count: int) -> tuple[Any, ...]:
        taken = tuple(rest[:count])
        del rest[:count]
        return taken

    kinds = len(ops.KINDS)
    call, max_abs_error, group, counts, flags, steps, examples = take(7)
    code, memory = take(len(Entries._fields) - 1), take(kinds) if traced else None
    inputs = Inputs(call, max_abs_error, group, counts, flags, steps, examples, code, memory)
    loss, stop, train_steps = take(3)
    errors, after_setup = take(1)[0] if recorded_chunks else None, take(kinds) if traced else None
    outputs = Outputs(loss, stop, train_steps, errors, after_setup)
    registers = take(kinds)  # of a trace its last outputs
    training, valid, epoch_loss, first, second, alive = take(6)
    state = State(registers, training, valid, epoch_loss, (first, second), alive)
    block, tasks, chunk = (pl.program_id(axis) for axis in range(3))
    Kernel(plan, recorded_chunks, inputs, outputs, state, tasks * plan.tasks).run(block, chunk)


def _streamed(plan: Plan, numbers: jax.Array, data: jax.Array) -> jax.Array:
    """`[T // tasks, chunks, 1, positions * tasks * numbers]`: the examples as the kernel meets them."""
    chunks = numbers.shape[0]
    taken = jnp.take(data, numbers.reshape(-1), axis=0)
    split = taken.reshape(chunks, plan.positions, -1, plan.tasks * plan.row_numbers)
    return jnp.moveaxis(split, 2, 0).reshape(split.shape[2], chunks, 1, -1)


def _input_specs(plan: Plan, entries: Entries, streamed: int) -> list[pl.BlockSpec]:
    count = entries.group.shape[1]

    def of_block(*shape: int, memory: Any) -> pl.BlockSpec:
        return pl.BlockSpec((1, *shape), lambda b, t, c: (b, *(0 for _ in shape)), memory_space=memory)

    def of_chunk() -> pl.BlockSpec:
        return pl.BlockSpec((1, 1, plan.positions), lambda b, t, c: (c, 0, 0), memory_space=pltpu.SMEM)

    return [
        pl.BlockSpec(memory_space=pltpu.SMEM),
        pl.BlockSpec(memory_space=pltpu.SMEM),
        of_block(1, count, memory=pltpu.SMEM),
        of_block(1, 3, memory=pltpu.SMEM),
        of_chunk(),
        of_chunk(),
        pl.BlockSpec((1, 1, 1, streamed), lambda b, t, c: (t, c, 0, 0), memory_space=pltpu.SMEM),
        *(of_block(count, *plan.lanes, memory=pltpu.VMEM) for _ in entries[1:]),
    ]


def _task_file(plan: Plan, kind: str) -> pl.BlockSpec:
    return pl.BlockSpec(plan.file(kind), lambda b, t, c: (0, 0, t, 0, 0), memory_space=pltpu.VMEM)


def _outputs(
    plan: Plan, blocks: int, tasks: int, recorded_chunks: int, traced: bool
) -> tuple[list[jax.ShapeDtypeStruct], list[pl.BlockSpec]]:
    """Shapes of the results, and the blocks in which the kernel has them."""
    of_tasks = pl.BlockSpec((1, plan.tasks, *plan.lanes), lambda b, t, c: (b, t, 0, 0), memory_space=pltpu.VMEM)
    dtypes = (plan.dtype, jnp.int32, jnp.int32)
    shapes = [jax.ShapeDtypeStruct((blocks, tasks, *plan.lanes), dtype) for dtype in dtypes]
    specs = [of_tasks] * 3
    if recorded_chunks:
        shape = (blocks, recorded_chunks, plan.positions, tasks, *plan.lanes)
        shapes.append(jax.ShapeDtypeStruct(shape, plan.dtype))
        last = recorded_chunks - 1
        specs.append(
            pl.BlockSpec(
                (1, 1, plan.positions, plan.tasks, *plan.lanes),
                lambda b, t, c: (b, jnp.minimum(c, last), 0, t, 0, 0),
                memory_space=pltpu.VMEM,
            )
        )
    if traced:
        for kind in (*ops.KINDS, *ops.KINDS):
            registers, numbers, _, *lanes = plan.file(kind)
            shapes.append(jax.ShapeDtypeStruct((registers, numbers, tasks, *lanes), plan.dtype))
            specs.append(_task_file(plan, kind))
    return shapes, specs
