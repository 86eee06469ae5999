"""How the search goes from one batch of candidates to the next."""

import dataclasses

from azero_jax.evolve.migration import TOPOLOGIES
from azero_jax.language.ops import KIND_NAMES, KINDS
from azero_jax.language.space import FUNCTION_NAMES
from azero_jax.mutate.policy import MutationPolicy


@dataclasses.dataclass(frozen=True)
class EvolutionSettings:
    """How the search goes from one batch of candidates to the next.

    Attributes:
      algorithm: "evolution", or "random" for random search.
      candidates: "learnable" runs only programs that can come to depend on labels (see `analysis.learnable`) and starts
        from such, "any" runs all, as the original does.
      learned: niches of learnable candidates: the kinds of registers, which the features go through, that programs of
        the first island, the second and so on must learn, again from the first where there are more islands: letters
        such as `vm`, or `any`; at most one for each island, and one for random search. Empty demands nothing.
      frozen: functions (`setup`, `predict`, `learn`) that stay as they are in the programs that the search starts from.
      start_share: share of the initial programs that are the given ones, if any; the others are random, but for frozen
        functions.
      islands: populations that evolve side by side.
      population: programs of each island (P).
      tournament: programs drawn for each tournament (T).
      batch: children of each island a step; 1 is the original's.
      initial: "random" or "empty" initial programs.
      restart_after: an island starts again from new initial programs once its best fitness has not gained
        `restart_gain` for so many of its own candidates; the best of all islands is spared. 0 never restarts.
      restart_gain: share of the distance to fitness 1 by which the best must come nearer to count as a gain.
      migration_every: islands exchange programs after so many candidates of each; 0 never.
      migration_share: share of its population that an island gives away then, and gets of others.
      topology: "pool" deals out at random what all islands give, "ring" gives what an island gives to the next one.
      mutation_probability: that a child is mutated at all; the others are copies of their parent.
      mutations: relative frequency of each mutation, such as `alter_param=1,randomize_instruction=2`.

    Raises:
      ValueError: a number is out of range.

    >>> EvolutionSettings(population=50, batch=100)
    Traceback (most recent call last):
    ValueError: batch is 100; it must be at most the population, 50
    """

    algorithm: str = "evolution"
    candidates: str = "any"
    learned: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    start_share: float = 1.0
    islands: int = 16
    population: int = 1000
    tournament: int = 10
    batch: int = 100
    initial: str = "random"
    restart_after: int = 0
    restart_gain: float = 0.01
    migration_every: int = 0
    migration_share: float = 0.5
    topology: str = "pool"
    mutation_probability: float = MutationPolicy.probability
    mutations: tuple[tuple[str, float], ...] = MutationPolicy.weights

    def __post_init__(self) -> None:
        words = {
            "algorithm": ("evolution", "random"),
            "candidates": ("learnable", "any"),
            "initial": ("random", "empty"),
            "topology": TOPOLOGIES,
        }
        for name, allowed in words.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        for name in ("islands", "population", "tournament", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.batch > self.population:
            raise ValueError(f"batch is {self.batch}; it must be at most the population, {self.population}")
        if self.restart_after < 0:
            raise ValueError(f"restart_after is {self.restart_after}; it must be 0 or more")
        if self.migration_every < 0:
            raise ValueError(f"migration_every is {self.migration_every}; it must be 0 or more")
        if self.migration_every > 0 and self.algorithm == "random":
            raise ValueError("migration_every is for evolution; random search has no populations: leave it 0")
        if not 0 < self.migration_share <= 1:
            raise ValueError(f"migration_share is {self.migration_share}; it must be above 0 and at most 1")
        if not 0 <= self.restart_gain < 1:
            raise ValueError(f"restart_gain is {self.restart_gain}; it must be from 0 to below 1")
        if self.candidates == "learnable" and self.initial == "empty" and self.algorithm == "evolution":
            raise ValueError(
                "initial is 'empty', but empty programs cannot learn; take initial random, or candidates any"
            )
        self._check_learned()
        self._check_frozen()

    def _check_learned(self) -> None:
        is_learnable = self.candidates == "learnable"
        of_live_code = self.mutation_policy().names_of_live_code()
        if of_live_code and not is_learnable:
            raise ValueError(
                f"candidates is 'any', but mutation {of_live_code[0]} is for learnable ones only; give other mutations,"
                " such as alter_param=1,randomize_instruction=1, or start from a preset for any candidates"
            )
        for kinds in self.learned:
            if kinds != "any" and (not kinds or set(kinds) - set(KINDS)):
                raise ValueError(
                    f"learned is {','.join(self.learned)}; each niche is any, or letters of"
                    f" {', '.join(f'{kind} ({name})' for kind, name in KIND_NAMES.items())}, such as vm"
                )
        if self.learned and not is_learnable:
            raise ValueError("learned is for learnable candidates only; leave it empty, or take candidates learnable")

    def _check_frozen(self) -> None:
        for name in self.frozen:
            if name not in FUNCTION_NAMES:
                raise ValueError(f"frozen is {','.join(self.frozen)}; allowed: {', '.join(FUNCTION_NAMES)}")
        if len(set(self.frozen)) == len(FUNCTION_NAMES):
            raise ValueError("frozen has all functions; at least one must be left to evolve")
        if not 0 <= self.start_share <= 1:
            raise ValueError(f"start_share is {self.start_share}; it must be from 0 to 1")

    @property
    def is_frozen(self) -> tuple[bool, ...]:
        """Of Setup, Predict and Learn, whether it is frozen."""
        return tuple(name in self.frozen for name in FUNCTION_NAMES)

    def learned_kinds(self) -> list[str]:
        """For each island, the letters of the kinds of registers that its programs must learn."""
        niches = self.learned or ("any",)
        return [niches[island % len(niches)].replace("any", "") for island in range(self.islands)]

    def mutation_policy(self) -> MutationPolicy:
        """The mutations, checked."""
        return MutationPolicy(self.mutation_probability, self.mutations)
