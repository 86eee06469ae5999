"""The program axis spread over the devices of this machine; tasks are copied to every device."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding
from numpy.typing import NDArray

PROGRAMS_AXIS: Final = "programs"
Result = TypeVar("Result")


def over_devices(
    function: Callable[..., Result], devices: Sequence[jax.Device], sharded: Sequence[bool]
) -> Callable[..., Result]:
    """`function` run on every device, each on its share of the programs.

    Args:
      function: takes positional arrays (or trees of arrays), and returns arrays whose first axis is programs.
      devices: where to run; one device gives `function` itself.
      sharded: of each argument, whether its first axis is programs (a multiple of the number of devices); the others
        are the same on every device.
    """
    if len(devices) == 1:
        return function
    specs = tuple(PartitionSpec(PROGRAMS_AXIS) if is_sharded else PartitionSpec() for is_sharded in sharded)
    return jax.shard_map(
        function, mesh=device_mesh(devices), in_specs=specs, out_specs=PartitionSpec(PROGRAMS_AXIS), check_vma=False
    )


def on_devices(devices: Sequence[jax.Device], arrays: Any) -> Any:
    """A tree of arrays as JAX arrays, the same on every device; they need not be sent again with every call."""
    if len(devices) == 1:
        return jax.tree.map(jnp.asarray, arrays)
    return jax.device_put(arrays, shardings(devices)[1])


def shardings(devices: Sequence[jax.Device]) -> tuple[Sharding, Sharding]:
    """Of arrays whose first axis is programs, spread over the devices, and of those that every device has."""
    if len(devices) == 1:
        one = SingleDeviceSharding(devices[0])
        return one, one
    mesh = device_mesh(devices)
    return NamedSharding(mesh, PartitionSpec(PROGRAMS_AXIS)), NamedSharding(mesh, PartitionSpec())


def device_mesh(devices: Sequence[jax.Device]) -> Mesh:
    """The devices as one axis of programs."""
    return Mesh(np.array(devices), (PROGRAMS_AXIS,))


def program_rows(count: int, block: int, devices: int, capacity: int) -> NDArray[np.int64]:
    """Rows of a padded batch that give every device its share of the blocks.

    Args:
      count: programs.
      block: programs of a block; a block stays together.
      devices: number of devices; device d owns the d-th of as many equal parts of the rows.
      capacity: rows of the batch, a multiple of `block * devices`.

    Returns:
      `[count]` row of each program; with one device they are 0, 1, 2, ...
    """
    program = np.arange(count)
    number = program // block
    return (number % devices) * (capacity // devices) + (number // devices) * block + program % block
