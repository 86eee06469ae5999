"""Random numbers in Warp: the integers of `azero_jax.engines.random_bits`, the floats of `language.compute`.

They are drawn for all lanes and places of a register side by side: functions of one number, of which the compiler makes
SIMD code.
"""

import functools
from typing import Any, Final

import warp as wp

from azero_jax.engines.random_bits import KEY_PARITY, QUARTER_TURN, STREAM_SHIFT
from azero_jax.engines.warp.kernel.distributions import make_cosine, make_radius, make_uniform

_FEWEST_PAIRS: Final = 8  # drawn in pairs, fewer leave most of a vector unused


@wp.struct
class Draw:
    """What a random op's numbers depend on, besides its stream and their place."""

    seed: wp.uint32
    step: wp.uint32
    task: wp.uint32  # of the first lane


@wp.func(inline=True)
def rotate(x: wp.uint32, count: wp.uint32):
    return (x << count) | (x >> (wp.uint32(32) - count))


@wp.func(inline=True)
def four_rounds(x0: wp.uint32, x1: wp.uint32, r0: wp.uint32, r1: wp.uint32, r2: wp.uint32, r3: wp.uint32):
    x0 = x0 + x1
    x1 = rotate(x1, r0) ^ x0
    x0 = x0 + x1
    x1 = rotate(x1, r1) ^ x0
    x0 = x0 + x1
    x1 = rotate(x1, r2) ^ x0
    x0 = x0 + x1
    x1 = rotate(x1, r3) ^ x0
    return x0, x1


@wp.func(inline=True)
def even_rounds(x0: wp.uint32, x1: wp.uint32):
    return four_rounds(x0, x1, wp.uint32(13), wp.uint32(15), wp.uint32(26), wp.uint32(6))


@wp.func(inline=True)
def odd_rounds(x0: wp.uint32, x1: wp.uint32):
    return four_rounds(x0, x1, wp.uint32(17), wp.uint32(29), wp.uint32(16), wp.uint32(24))


@wp.func(inline=True)
def threefry(k0: wp.uint32, k1: wp.uint32, c0: wp.uint32, c1: wp.uint32):
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011; Random123, JAX): two words for a key and a counter."""
    k2 = k0 ^ k1 ^ wp.uint32(KEY_PARITY)
    x0, x1 = even_rounds(c0 + k0, c1 + k1)
    x0, x1 = odd_rounds(x0 + k1, x1 + k2 + wp.uint32(1))
    x0, x1 = even_rounds(x0 + k2, x1 + k0 + wp.uint32(2))
    x0, x1 = odd_rounds(x0 + k0, x1 + k1 + wp.uint32(3))
    x0, x1 = even_rounds(x0 + k1, x1 + k2 + wp.uint32(4))
    return x0 + k2, x1 + k0 + wp.uint32(5)


@wp.func(inline=True)
def quarter_back(angle: wp.uint32):
    """The angle of a pair's second number."""
    return angle - wp.uint32(QUARTER_TURN)


def _make_words_of_pair(lanes: int) -> Any:
    """A Warp function: the two words of a pair, which is counted among those of all lanes."""

    @wp.func(inline=True)
    def words_of_pair(draw: Draw, stream: wp.uint32, pair: int):
        n = wp.uint32(pair)
        task, place = draw.task + n % wp.uint32(lanes), n / wp.uint32(lanes)
        first, second = threefry(draw.seed, task, draw.step, (stream << wp.uint32(STREAM_SHIFT)) | place)
        return first, second

    return words_of_pair


def _make_number_at(real: Any, lanes: int) -> tuple[Any, Any]:
    """Warp functions: a Gaussian and a uniform number of a register; from `half` on they are second ones of a pair."""
    uniform, radius, cosine = make_uniform(real), make_radius(real), make_cosine(real)
    words_of_pair = _make_words_of_pair(lanes)

    @wp.func(inline=True)
    def gaussian_at(n: int, half: int, stream: wp.uint32, x: real, y: real, draw: Draw):
        first, second = words_of_pair(draw, stream, wp.where(n < half, n, n - half))
        return x + y * radius(first) * cosine(wp.where(n < half, second, quarter_back(second)))

    @wp.func(inline=True)
    def uniform_at(n: int, half: int, stream: wp.uint32, x: real, y: real, draw: Draw):
        first, second = words_of_pair(draw, stream, wp.where(n < half, n, n - half))
        return uniform(wp.where(n < half, first, second), x, y)

    return gaussian_at, uniform_at


@functools.cache
def make_fill(real: Any, lanes: int, length: int) -> Any:
    """A Warp function that fills a register with random numbers.

    Random ops call it: if it is inlined into each, a kernel takes three times as long to compile.

    Args:
      real: Warp's type of a number.
      lanes: tasks of a value.
      length: of the register, in values.
    """
    return _make_fill_one(real) if lanes * length == 1 else _make_fill_many(real, lanes)


@functools.cache
def _make_fill_one(real: Any) -> Any:
    """`make_fill` of one number."""
    gaussian_at, uniform_at = _make_number_at(real, 1)

    @wp.func(inline=False)
    def fill_one(
        registers_at: wp.uint64, start: int, length: int, is_gaussian: bool, stream: int, x: real, y: real, draw: Draw
    ):
        numbers = wp.array(ptr=registers_at, shape=(0,), dtype=real)
        if is_gaussian:
            numbers[start] = gaussian_at(0, 1, wp.uint32(stream), x, y, draw)
        else:
            numbers[start] = uniform_at(0, 1, wp.uint32(stream), x, y, draw)

    return fill_one


@functools.cache
def _make_fill_many(real: Any, lanes: int) -> Any:
    """`make_fill` of registers of all lengths.

    Pairs are drawn in two passes, words and then numbers: a vector of pairs takes a long chain of instructions, and a
    core, which looks two or three hundred of them ahead, works on one whole chain at a time, but on several halves.
    """
    uniform, radius, cosine = make_uniform(real), make_radius(real), make_cosine(real)
    words_of_pair, (gaussian_at, uniform_at) = _make_words_of_pair(lanes), _make_number_at(real, lanes)
    word = wp.uint32 if real is wp.float32 else wp.uint64

    @wp.func(inline=True)
    def as_real(x: wp.uint32):
        return wp.cast(word(x), real)

    @wp.func(inline=True)
    def as_word(x: real):
        return wp.uint32(wp.cast(x, word))

    # The compiler makes SIMD code of the innermost loops, which it would not of a loop with the choice in it.
    @wp.func(inline=False)
    def fill_many(
        registers_at: wp.uint64, start: int, length: int, is_gaussian: bool, stream: int, x: real, y: real, draw: Draw
    ):
        numbers = wp.array(ptr=registers_at, shape=(0,), dtype=real)
        pairs = (length / 2) * lanes
        half = (length - length / 2) * lanes
        first = start * lanes
        second = first + half
        end = half  # of what is drawn singly: the numbers in the middle, or all
        if pairs < _FEWEST_PAIRS:
            pairs = int(0)
            end = length * lanes
        n = int(0)
        while n < pairs:
            word0, word1 = words_of_pair(draw, wp.uint32(stream), n)
            numbers[first + n] = as_real(word0)
            numbers[second + n] = as_real(word1)
            n += 1
        n = int(0)
        if is_gaussian:
            while n < pairs:
                deviation = y * radius(as_word(numbers[first + n]))
                angle = as_word(numbers[second + n])
                numbers[first + n] = x + deviation * cosine(angle)
                numbers[second + n] = x + deviation * cosine(quarter_back(angle))
                n += 1
            while n < end:
                numbers[first + n] = gaussian_at(n, half, wp.uint32(stream), x, y, draw)
                n += 1
        else:
            while n < pairs:
                numbers[first + n] = uniform(as_word(numbers[first + n]), x, y)
                numbers[second + n] = uniform(as_word(numbers[second + n]), x, y)
                n += 1
            while n < end:
                numbers[first + n] = uniform_at(n, half, wp.uint32(stream), x, y, draw)
                n += 1

    return fill_many
