"""How the search goes from one batch of candidates to the next."""

import dataclasses

from azero_jax.mutate import MutationPolicy


@dataclasses.dataclass(frozen=True)
class EvolutionSettings:
    """How the search goes from one batch of candidates to the next.

    Attributes:
      algorithm: "evolution", or "random" for random search.
      islands: populations that evolve side by side.
      population: programs of each island (P).
      tournament: programs drawn for each tournament (T).
      batch: children of each island a step; 1 is the original's.
      initial: "random" or "empty" initial programs.
      restart_after: an island starts again from new initial programs once its best fitness has not gained
        `restart_gain` for so many of its own candidates; the best of all islands is spared. 0 never restarts.
      restart_gain: share of the distance to fitness 1 by which the best must come nearer to count as a gain.
      mutation_probability: that a child is mutated at all; the others are copies of their parent.
      mutations: relative frequency of each mutation, such as `alter_param=1,randomize_instruction=2`.

    Raises:
      ValueError: a number is out of range.

    >>> EvolutionSettings(population=50, batch=100)
    Traceback (most recent call last):
    ValueError: batch is 100; it must be at most the population, 50
    """

    algorithm: str = "evolution"
    islands: int = 16
    population: int = 1000
    tournament: int = 10
    batch: int = 100
    initial: str = "random"
    restart_after: int = 0
    restart_gain: float = 0.01
    mutation_probability: float = MutationPolicy.probability
    mutations: tuple[tuple[str, float], ...] = MutationPolicy.weights

    def __post_init__(self) -> None:
        for name, allowed in (("algorithm", ("evolution", "random")), ("initial", ("random", "empty"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        for name in ("islands", "population", "tournament", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.batch > self.population:
            raise ValueError(f"batch is {self.batch}; it must be at most the population, {self.population}")
        if self.restart_after < 0:
            raise ValueError(f"restart_after is {self.restart_after}; it must be 0 or more")
        if not 0 <= self.restart_gain < 1:
            raise ValueError(f"restart_gain is {self.restart_gain}; it must be from 0 to below 1")
        self.mutation_policy()

    def mutation_policy(self) -> MutationPolicy:
        """The mutations, checked."""
        return MutationPolicy(self.mutation_probability, self.mutations)
