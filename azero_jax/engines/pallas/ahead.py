"""The Pallas engine compiled ahead of time, for TPUs that need not be there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from azero_jax.engines.pallas.call import Batch, Limits, Positions
from azero_jax.engines.pallas.engine import compiled_run
from azero_jax.engines.pallas.plan import make_plan
from azero_jax.engines.pallas.sequence import count_chunks
from azero_jax.engines.sharding import shardings
from azero_jax.engines.xla.ahead import TaskShape
from azero_jax.language.program import empty_programs
from azero_jax.language.space import SearchSpace


def compile_ahead(
    space: SearchSpace, shape: TaskShape, batch: int, devices: Sequence[jax.Device], epochs: int = 1, recorded: int = 0
) -> jax.stages.Compiled:
    """The run of a batch of programs in float32, compiled as `PallasEngine` would.

    Args:
      space: the search space.
      shape: of the tasks.
      batch: programs of a call; rounded up to whole blocks on every device.
      devices: for which it is compiled, such as those of `tpu_devices`.
      epochs: passes over the training examples.
      recorded: chunks of examples whose errors are recorded.
    """
    split, whole = shardings(devices)

    def abstract(shape: tuple[int, ...], kind: Any, sharding: Any = whole) -> Any:
        return jax.ShapeDtypeStruct(shape, kind, sharding=sharding)

    plan = make_plan(space, shape.metric, np.dtype(np.float32), shape.tasks, epochs)
    unit = plan.form.block * len(devices)
    entries, counts = plan.form.encode(
        space, empty_programs(0, space), np.arange(0), -(-batch // unit) * unit, plan.dtype
    )
    encoded = jax.tree.map(lambda array: abstract(array.shape, array.dtype, split), (entries, counts))
    examples = shape.train_examples + shape.valid_examples
    chunks = count_chunks(epochs, examples, plan.positions)
    streamed = (abstract((chunks, 1, plan.positions), np.int32) for _ in range(2))
    positions = Positions(abstract((chunks, plan.positions), np.int32), *streamed)
    data = abstract((examples, shape.tasks, plan.row_numbers), plan.dtype)
    limits = Limits(abstract((2,), np.int32), abstract((1,), plan.dtype))
    run = compiled_run(plan, tuple(devices), False)
    return run.lower(recorded, Batch(*encoded), positions, data, limits).compile()
