"""Random ops: the right distributions, and numbers that depend on nothing but seed, task, step, stream and element."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry2x32_p
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from azero_jax.engines.base import Engine
from azero_jax.engines.random_bits import random_words, threefry2x32
from azero_jax.engines.settings import RunSettings
from azero_jax.language.program import IN1, Programs, concatenate
from azero_jax.language.space import make_space
from azero_jax.language.text import parse_program
from azero_jax.tasks import linear_tasks
from tests.support.engines import ENGINES

SPACE = make_space(
    features=16,
    scalars=4,
    vectors=4,
    matrices=3,
    setup=4,
    predict=2,
    learn=0,
    allowed=(
        "SCALAR_GAUSSIAN_SET",
        "MATRIX_GAUSSIAN_SET",
        "MATRIX_UNIFORM_SET",
        "VECTOR_UNIFORM_SET",
        "MATRIX_VECTOR_PRODUCT",
        "VECTOR_MEAN",
    ),
)
TASKS = linear_tasks(tasks=20, features=16, train_examples=10, valid_examples=5, seed=0)


def test_threefry_is_that_of_jax() -> None:
    words = np.random.default_rng(0).integers(0, 2**32, (4, 1000), dtype=np.uint32)
    expected = threefry2x32_p.bind(*(jnp.asarray(word) for word in words))
    actual = threefry2x32((words[0], words[1]), (words[2], words[3]))
    assert_array_equal(np.stack(actual), np.stack(expected))


def test_threefry_gives_the_known_answers_of_random123() -> None:
    # kat_vectors of Random123: threefry2x32, 20 rounds.
    cases = {
        ((0, 0), (0, 0)): (0x6B200159, 0x99BA4EFE),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF)): (0x1CB996FC, 0xBB002BE7),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)): (0xC4923A9C, 0x483DF7A0),
    }
    for (key, counter), expected in cases.items():
        words = threefry2x32(tuple(map(jnp.uint32, key)), tuple(map(jnp.uint32, counter)))
        assert tuple(int(word) for word in words) == expected


def test_words_of_all_tasks_steps_streams_and_elements_differ() -> None:
    task = jnp.arange(5, dtype=jnp.uint32)
    words = [
        random_words(jnp.uint32(seed), task, jnp.uint32(step), jnp.int32(stream), (4, 4))[0]
        for seed in (0, 1)
        for step in (0, 1, 2)
        for stream in (0, 1)
    ]
    assert len(np.unique(np.stack(words))) == 2 * 3 * 2 * 5 * 16


@pytest.mark.parametrize("count", [1, 2, 5, 16])
def test_numbers_of_a_pair_share_their_radius_and_are_a_quarter_turn_apart(count: int) -> None:
    words = random_words(jnp.uint32(0), jnp.uint32(3), jnp.uint32(1), jnp.int32(2), (count,))
    pairs, half = count // 2, count - count // 2
    first, second = (
        threefry2x32((jnp.uint32(0), jnp.uint32(3)), (jnp.uint32(1), jnp.uint32((2 << 24) | n)))
        for n in (0, max(half - 1, 0))
    )
    assert (int(words.own[0]), int(words.radius[0]), int(words.angle[0])) == (
        int(first[0]),
        int(first[0]),
        int(first[1]),
    )
    assert_array_equal(words.radius[half:], words.radius[:pairs])
    assert_array_equal(words.own[half:], words.angle[:pairs])
    assert_array_equal(words.angle[:pairs] - words.angle[half:], 2**30)
    assert int(words.radius[half - 1]) == int(second[0])


def test_numbers_of_a_matrix_are_counted_column_by_column() -> None:
    key, counter = (jnp.uint32(0), jnp.zeros(1, jnp.uint32)), (jnp.uint32(1), jnp.int32(2))
    matrix, flat = random_words(*key, *counter, (3, 3)), random_words(*key, *counter, (9,))
    assert_array_equal(np.moveaxis(np.stack(matrix), 2, 1).reshape(3, 9, 1), np.stack(flat))


def parse(text: str, streams: tuple[int, ...] = ()) -> Programs:
    """A program whose Setup is `text`; its random instructions draw from the given streams."""
    programs = parse_program(f"def Setup():\n{text}", SPACE)
    for slot, stream in enumerate(streams):
        programs.addresses[0, slot, IN1] = stream
    return programs


def setup_matrices(engine_name: str, programs: Programs, seed: int = 0) -> NDArray[np.float64]:
    """`[N, T, 3, 16, 16]` matrices after Setup."""
    return np.asarray(make_engine(engine_name, seed).trace(programs, examples=(0, 1))[0].matrices)


@functools.cache
def make_engine(engine_name: str, seed: int = 0) -> Engine:
    """An engine that tests share, for some take 10 s to compile."""
    return ENGINES[engine_name](SPACE, TASKS, RunSettings(precision="float64", seed=seed))


@pytest.mark.parametrize("engine_name", ENGINES)
def test_gaussian_and_uniform_have_the_right_moments_and_ranges(engine_name: str) -> None:
    programs = parse("m0 = gaussian(2.0, 0.5)\nm1 = uniform(-1.0, 3.0)\nm2 = uniform(3.0, -1.0)", (0, 1, 2))
    gaussian, uniform, reversed_bounds = np.moveaxis(setup_matrices(engine_name, programs)[0], 1, 0)
    count = gaussian.size
    standard = (gaussian - 2.0) / 0.5
    assert abs(standard.mean()) < 4 / np.sqrt(count)
    assert abs(standard.var() - 1) < 4 * np.sqrt(2 / count)
    assert abs((standard**3).mean()) < 4 * np.sqrt(15 / count)
    assert abs((standard**4).mean() - 3) < 4 * np.sqrt(96 / count)
    assert uniform.min() > -1
    assert uniform.max() < 3
    assert abs(uniform.mean() - 1) < 4 * np.sqrt(16 / 12 / count)
    assert abs(uniform.var() - 16 / 12) < 0.1
    assert_array_equal(reversed_bounds, 3.0)  # low above high is the constant low


@pytest.mark.parametrize("engine_name", ENGINES)
def test_tasks_streams_and_elements_are_uncorrelated(engine_name: str) -> None:
    programs = parse("m0 = gaussian(0.0, 1.0)\nm1 = gaussian(0.0, 1.0)", (0, 1))
    matrices = setup_matrices(engine_name, programs)[0][:, :2].reshape(40, 256)
    limit = 5 / np.sqrt(256)
    assert np.abs(np.corrcoef(matrices) - np.eye(40)).max() < limit  # between tasks and streams
    neighbours = np.corrcoef(matrices[:, :-1].ravel(), matrices[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(matrices.size)
    columns = matrices.reshape(40, 16, 16)
    for power in (1, 2, 3):  # numbers of a pair, which share a radius
        of_pairs = np.corrcoef((columns[:, :, :8] ** power).ravel(), (columns[:, :, 8:] ** power).ravel())[0, 1]
        assert abs(of_pairs) < 5 / np.sqrt(matrices.size / 2)


@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_program_as_it_is_parsed_draws_other_numbers_with_each_instruction(engine_name: str) -> None:
    first, second, third = np.moveaxis(
        setup_matrices(engine_name, parse("m0 = gaussian(0.0, 1.0)\nm1 = gaussian(0.0, 1.0)\nm2 = gaussian(0.0, 1.0)"))[
            0
        ],
        1,
        0,
    )
    assert (first != second).all()
    assert (second != third).all()


@pytest.mark.parametrize("engine_name", ENGINES)
def test_equal_streams_draw_equal_numbers_and_other_seeds_others(engine_name: str) -> None:
    programs = parse("m0 = gaussian(0.0, 1.0)\nm1 = gaussian(0.0, 1.0)\nm2 = gaussian(0.0, 1.0)", (3, 3, 1))
    matrices = setup_matrices(engine_name, programs)[0]
    assert_array_equal(matrices[:, 0], matrices[:, 1])
    assert (matrices[:, 0] != matrices[:, 2]).all()
    assert (matrices != setup_matrices(engine_name, programs, seed=1)[0]).all()


@pytest.mark.parametrize("engine_name", ENGINES)
def test_every_example_draws_anew(engine_name: str) -> None:
    program = parse_program("def Predict():\n s1 = gaussian(0.0, 1.0)", SPACE)
    engine = make_engine(engine_name)
    labels = np.concatenate([TASKS.train_labels, TASKS.valid_labels], axis=1)
    errors = np.asarray(engine.evaluate(program, record=True).errors)[0].T
    signs = np.where(np.random.default_rng(0).random(labels.shape) < 0.5, -1, 1)
    assert len(np.unique(np.round(labels + signs * errors, 12))) == labels.size


@pytest.mark.parametrize("engine_name", ENGINES)
def test_numbers_do_not_depend_on_the_batch(engine_name: str) -> None:
    program = parse_program(
        "def Setup():\n m0 = gaussian(0.0, 1.0)\ndef Predict():\n v1 = dot(m0, v0)\n s1 = mean(v1)", SPACE
    )
    other = parse("v1 = uniform(0.0, 1.0)")
    engine = make_engine(engine_name)
    alone = np.asarray(engine.evaluate(program).fitness)[0]
    together = np.asarray(engine.evaluate(concatenate([other, other, program, other])).fitness)[2]
    assert_array_equal(alone, together)
