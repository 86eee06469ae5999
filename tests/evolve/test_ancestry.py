"""Ancestry keeps the steps of the living, and nothing else."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from azero_jax.evolve.ancestry import NO_STEP, Ancestry
from azero_jax.language.program import Programs, empty_programs
from azero_jax.language.space import make_space

SPACE: Final = make_space(features=2, scalars=3, vectors=2, matrices=0, setup=1, predict=1, learn=1)
SLOTS: Final = 8


def named(values: np.ndarray) -> Programs:
    """Programs that are told apart by a constant."""
    programs = empty_programs(len(values), SPACE)
    programs.constants[:, 0, 0] = values
    return programs


class Population:
    """Random replacements, with the whole line of every program kept beside what `Ancestry` keeps of it."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.ancestry = Ancestry(SPACE, SLOTS)
        self.names = np.arange(SLOTS, dtype=float)
        self.fitness = self.generator.random(SLOTS)
        self.lines = [[(name, fitness)] for name, fitness in zip(self.names, self.fitness, strict=True)]
        self.ancestry.begin(slice(0, SLOTS), named(self.names), self.fitness, 0)
        self.born = SLOTS

    def step(self, count: int = 3) -> None:
        slots = self.generator.permutation(SLOTS)[:count]
        parents = self.generator.integers(SLOTS, size=count)
        names = self.born + np.arange(count, dtype=float)
        fitness = self.generator.random(count) ** (1 / (1 + self.born / 50))
        mutations = np.ones(count, np.int64)
        population = named(self.names)
        self.ancestry.replace(slots, parents, named(names), fitness, mutations, population, self.born)
        lines = [self.lines[parent] for parent in parents]
        for slot, line, name, value in zip(slots, lines, names, fitness, strict=True):
            is_fitter = value > max(known for _, known in line)
            self.lines[slot] = [*line, (name, value)] if is_fitter else line
        self.names[slots] = names
        self.born += count

    def taken(self, slot: int) -> list[tuple[float, float]]:
        _, steps = self.ancestry.take(slot)
        return [(float(step.program.constants[0, 0, 0]), step.fitness) for step in steps]


@pytest.mark.parametrize("steps", [0, 1, 20, 400])
def test_a_line_has_every_ancestor_that_was_fitter_than_all_before(steps: int) -> None:
    population = Population(steps)
    for _ in range(steps):
        population.step()
    best = int(population.fitness.argmax())
    assert population.taken(best) == population.lines[best]
    assert population.taken(best) == []  # taken once


def test_a_restored_ancestry_goes_on_the_same() -> None:
    one, other = Population(1), Population(1)
    for n in range(100):
        one.step()
        other.step()
        if n % 30 == 10:
            other.ancestry = Ancestry(SPACE, SLOTS, other.ancestry.state())
    for slot in range(SLOTS):
        assert other.taken(slot) == one.taken(slot)


def test_memory_does_not_grow_with_the_search() -> None:
    population = Population(2)
    sizes = []
    for _ in range(300):
        population.step()
        sizes.append(len(population.ancestry.state()["fitness"]))
    assert max(sizes) < 60
    assert (population.ancestry.state()["rows_before"] == NO_STEP).any()
