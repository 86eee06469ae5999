"""The quick random numbers of random search."""

import numpy as np
from numba import njit

from azero_jax.compiled.splitmix import STEP, random_word, unit_interval


@njit
def draw_words(counter, words):
    for n in range(len(words)):
        counter += STEP
        words[n] = random_word(counter)


@njit
def to_units(words, units):
    for n in range(len(words)):
        units[n] = unit_interval(words[n])


def test_its_words_are_those_of_the_reference() -> None:
    # The first five of seed 1234567 by the authors' C code (prng.di.unimi.it/splitmix64.c), as Rosetta Code lists them.
    words = np.empty(5, np.uint64)
    draw_words(np.uint64(1234567), words)
    assert words.tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_a_unit_lies_from_0_to_below_1() -> None:
    units = np.empty(3)
    to_units(np.array([0, 2**63, 2**64 - 1], np.uint64), units)
    assert units.tolist() == [0.0, 0.5, 1 - 2.0**-53]
