"""Constants of a program tuned by random search: each times a log-uniform factor, in the paper from 1e-3 to 1e3.

All trials of a round are evaluated in one call of an engine.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.judge.halving import halve, share_of_examples
from azero_jax.judge.run_program import Judge
from azero_jax.language import ops
from azero_jax.language.program import Programs

HIGHEST_FACTOR: Final = 1e3  # section S5 of the paper; the lowest is its reciprocal

_CONSTANTS: Final = np.array([op.constants for op in ops.OPS])  # how many real constants an op has


class Tuned(NamedTuple):
    """The best trial, a batch of one, and its mean fitness over the judge's tasks."""

    program: Programs
    fitness: float
    trial_fitness: NDArray[np.float64]  # `[trials]` in the last round of each; the first is the program as it was given


def tune_constants(
    judge: Judge,
    program: Programs,
    trials: int = 1000,
    seed: int = 0,
    highest: float = HIGHEST_FACTOR,
    *,
    rounds: int = 1,
) -> Tuned:
    """The best of `trials` copies of a program with scaled constants, by mean fitness over the judge's tasks.

    Args:
      judge: of the program's space, on the tasks to tune on.
      program: a batch of one.
      trials: number of trials, the unchanged program included.
      seed: decides the factors.
      highest: the highest factor; the lowest is 1 / `highest`.
      rounds: of successive halving; see `azero_jax.judge.halving`.

    Raises:
      ValueError: not one program, fewer than one trial or round, or a highest factor that is not above 1.
    """
    candidates = scale_constants(program, trials, seed, highest)
    tasks, epochs = judge.engine.tasks, judge.engine.settings.epochs

    def evaluate(numbers: NDArray[np.int64], share: float) -> NDArray[np.float64]:
        examples = share_of_examples(tasks.train_examples * epochs, tasks.valid_examples, share)
        return judge.fitness(candidates[numbers], examples).mean(axis=1)

    best, fitness = halve(trials, rounds, evaluate)
    return Tuned(candidates[best : best + 1], float(fitness[best]), fitness)


def scale_constants(program: Programs, trials: int, seed: int = 0, highest: float = HIGHEST_FACTOR) -> Programs:
    """`trials` copies of a program: the first as it is, in the others each constant times a factor of its own.

    Factors are log-uniform from 1 / `highest` to `highest`; signs and zeros stay. Indices are no constants.

    Raises:
      ValueError: not one program, fewer than one trial, or a highest factor that is not above 1.
    """
    if len(program) != 1:
        raise ValueError(f"constants of one program are tuned at a time, not of {len(program)}")
    if trials < 1:
        raise ValueError(f"trials is {trials}; at least one is needed")
    if not highest > 1:
        raise ValueError(f"the highest factor is {highest:g}; it must be above 1")
    copies = program[np.zeros(trials, np.int64)]
    generator = np.random.default_rng(seed)
    factors = np.exp(generator.uniform(-np.log(highest), np.log(highest), copies.constants.shape))
    factors = np.where(np.arange(2) < _CONSTANTS[copies.opcodes][..., None], factors, 1.0)
    factors[0] = 1.0
    return Programs(copies.opcodes, copies.addresses, copies.constants * factors, copies.sizes)
