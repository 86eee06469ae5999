"""The XLA engine compiled ahead of time, for devices that need not be there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from azero_jax.engines.sharding import shardings
from azero_jax.engines.xla.engine import compiled_run
from azero_jax.engines.xla.forms import Form
from azero_jax.engines.xla.run import Data, Limits, Machine
from azero_jax.language.program import empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace


class TaskShape(NamedTuple):
    """How large tasks are.

    Attributes:
      tasks: T.
      train_examples: N.
      valid_examples: V.
      metric: how predictions are judged.
    """

    tasks: int
    train_examples: int
    valid_examples: int
    metric: Metric


def compile_ahead(
    space: SearchSpace,
    shape: TaskShape,
    form: Form,
    batch: int,
    devices: Sequence[jax.Device],
    dtype: str = "float32",
    epochs: int = 1,
) -> jax.stages.Compiled:
    """The run of a batch of programs, compiled as `XlaEngine` would.

    Args:
      space: the search space.
      shape: of the tasks.
      form: how programs are interpreted.
      batch: programs of a call; rounded up to whole blocks on every device.
      devices: for which it is compiled, such as those of `tpu_devices` or `gpu_devices`.
      dtype: of the registers.
      epochs: passes over the training examples.
    """
    machine = Machine(space, shape.metric, np.dtype(dtype), form)
    split, whole = shardings(devices)

    def abstract(shape: tuple[int, ...], kind: Any, sharding: Any = whole) -> Any:
        return jax.ShapeDtypeStruct(shape, kind, sharding=sharding)

    unit = form.block * len(devices)
    capacity = -(-batch // unit) * unit
    nothing = np.arange(0)
    code, sizes = form.encode(space, empty_programs(0, space), nothing, capacity, machine.dtype)
    f, examples = space.features, shape.train_examples + shape.valid_examples
    label = (examples, f, shape.tasks) if shape.metric.is_one_hot else (examples, shape.tasks)
    data = Data(
        features=abstract((examples, f, shape.tasks), machine.dtype),
        labels=abstract(label, machine.dtype),
        order=abstract((epochs, shape.train_examples), np.int32),
    )
    limits = Limits(*(abstract((), kind) for kind in (np.int32, np.int32, machine.dtype, np.uint32)))
    encoded = jax.tree.map(lambda array: abstract(array.shape, array.dtype, split), (code, sizes))
    return compiled_run(machine, tuple(devices)).lower((0, 0), *encoded, abstract((), np.int32), data, limits).compile()
