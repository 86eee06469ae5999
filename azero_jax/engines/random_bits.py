"""The random words that random ops draw: Threefry-2x32, a counter-based generator, the same integers in every engine.

Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; 20 rounds, as in Random123 and in
`jax.random`. A word is a pure function of (seed, task, step, stream, place): it depends neither on the batch that a
program was in nor on the engine that ran it.

Threefry makes two words at a time, for two numbers of a register: one in its first half, one in its second. The places
of a matrix are counted column by column; of an odd number of places the one in the middle has no partner.
"""

import math
from typing import Final

import jax
import jax.numpy as jnp

from azero_jax.language.compute import RandomWords

ROTATIONS: Final = ((13, 15, 26, 6), (17, 29, 16, 24))  # of the even and of the odd groups of four rounds
KEY_PARITY: Final = 0x1BD11BDA  # C240 of the Threefish specification, cut to 32 bits
STREAM_SHIFT: Final = 24  # a counter's upper 8 bits are the stream, its lower 24 bits the place
QUARTER_TURN: Final = 2**30  # an angle of 2**32 is a turn


def threefry2x32(key: tuple[jax.Array, jax.Array], counter: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Threefry-2x32 with 20 rounds.

    Args:
      key: two uint32 arrays.
      counter: two uint32 arrays; all four broadcast against one another.

    Returns:
      Two uint32 arrays of the broadcast shape.
    """
    keys = (*key, key[0] ^ key[1] ^ jnp.uint32(KEY_PARITY))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << rotation) | (x1 >> (32 - rotation))
            x1 = x1 ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1


def random_words(
    seed: jax.Array, task: jax.Array, step: jax.Array, stream: jax.Array, shape: tuple[int, ...]
) -> RandomWords:
    """The words of every number of a register.

    Args:
      seed: uint32, `RunSettings.seed`.
      task: `[lanes]` uint32, each lane's index along the task axis; lanes may be several axes.
      step: uint32, 0 in Setup, then 1, 2, ... for the training and validation examples of each epoch, run or left out.
      stream: `[lanes]` or one number, which random instruction of the program draws.
      shape: of the register without its lanes: `()`, `(F,)` or `(F, F)`.

    Returns:
      Words of shape `[*shape, lanes]`.
    """
    count = math.prod(shape)
    places = jnp.arange(count, dtype=jnp.int32).reshape(shape[::-1]).T
    return words_at(places.reshape(*shape, *(1 for _ in task.shape)), count, (seed, task), (step, stream))


def words_at(
    places: jax.Array, count: int, key: tuple[jax.Array, jax.Array], counter: tuple[jax.Array, jax.Array]
) -> RandomWords:
    """The words of some numbers of a register.

    Args:
      places: int32, which numbers.
      count: how many the register has.
      key: seed and task, see `random_words`; all arrays broadcast against one another.
      counter: step and stream.
    """
    half = (count + 1) // 2
    is_second = places >= half
    pair = jnp.where(is_second, places - half, places).astype(jnp.uint32)
    step, stream = counter
    first, second = threefry2x32(key, (step, (jnp.asarray(stream).astype(jnp.uint32) << STREAM_SHIFT) | pair))
    own = jnp.where(is_second, second, first)
    return RandomWords(own, radius=first, angle=jnp.where(is_second, second - jnp.uint32(QUARTER_TURN), second))
