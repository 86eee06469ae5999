"""What each part of a program is worth: fitness without it, over fresh tasks, with the standard error of the change.

All variants are run on the same tasks with the same random numbers as far as that goes, and compared task by task.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.engines.outcome import Stop
from azero_jax.engines.settings import EngineConfig
from azero_jax.explain.ideas import Recognised
from azero_jax.explain.knockout import without_ideas
from azero_jax.explain.listing import Listing, Place
from azero_jax.judge.run_program import Judge, standard_error
from azero_jax.language import ops
from azero_jax.language.grammar import Instruction, format_instruction
from azero_jax.language.program import concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.language.text import parse_program
from azero_jax.tasks import Tasks

DECADES: Final = 3  # to each side
STEPS: Final = 4  # of a decade
_BATCH: Final = 64  # variants of one call
_DIGITS: Final = (1, 2)  # that constants are rounded to in offers
_CHEAP: Final = 0.01  # of fitness: a removal that costs less is offered


class Variant(NamedTuple):
    """A changed program, beside the unchanged one.

    Attributes:
      name: what was changed.
      place: the instruction that is left out; None of an idea.
      fitness: mean over the tasks.
      change: mean of the fitness less that of the unchanged program.
      standard_error: of that mean; NaN for one task.
      diverged: share of the tasks on which its training or validation was ended early.
      text: the changed program.
    """

    name: str
    place: Place | None
    fitness: float
    change: float
    standard_error: float
    diverged: float
    text: str


class Sweep(NamedTuple):
    """One constant over some decades, its sign kept.

    Attributes:
      name: its instruction.
      place: where that is.
      field: "x" or "y", the first or second constant.
      value: the constant as it is.
      values: `[K]` what was tried.
      fitness: `[K]` means over the tasks.
      errors: `[K]` their standard errors.
    """

    name: str
    place: Place
    field: str
    value: float
    values: NDArray[np.float64]
    fitness: NDArray[np.float64]
    errors: NDArray[np.float64]


class Ablation(NamedTuple):
    """What was measured.

    Attributes:
      fitness: of the program, mean over the tasks.
      standard_error: of that mean.
      tasks: how many there were.
      instructions: the program without one instruction each, in order.
      ideas: the program without one idea each.
      offers: simplifications that change predictions, with what they cost.
    """

    fitness: float
    standard_error: float
    tasks: int
    instructions: tuple[Variant, ...]
    ideas: tuple[Variant, ...]
    offers: tuple[Variant, ...]


class Bench:
    """Runs variants of a program on fresh tasks."""

    def __init__(self, tasks: Tasks, engine: EngineConfig | None = None, *, epochs: int = 1, seed: int = 0) -> None:
        """What programs are run on, with what, and how; see `azero_jax.judge.run_program.Judge`."""
        self._tasks, self._engine, self._epochs, self._seed = tasks, engine, epochs, seed

    @property
    def metric(self) -> Metric:
        """How predictions are judged."""
        return self._tasks.metric

    def with_engine(self, engine: EngineConfig) -> "Bench":
        """The same with another engine."""
        return Bench(self._tasks, engine, epochs=self._epochs, seed=self._seed)

    def run(self, listings: Sequence[Listing]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """`[N, T]` fitness of programs on the tasks, and whether a run was ended early."""
        space = common_space(listings, self._tasks.features)
        programs = concatenate([parse_program(listing.text(), space) for listing in listings])
        judge = Judge(space, self._tasks, self._engine, epochs=self._epochs, seed=self._seed, batch_size=_BATCH)
        outcome = judge.outcome(programs)
        return np.asarray(outcome.fitness, np.float64), np.asarray(outcome.stop) != Stop.NONE


def ablate(listing: Listing, recognised: Mapping[Place, Recognised], bench: Bench) -> Ablation:
    """Knocks out each instruction and each recognised idea, and tries approximate simplifications.

    Args:
      listing: the program, without dead instructions.
      recognised: its ideas.
      bench: where it is run.
    """
    text = listing.text()
    places = [place for place, _ in listing.places()]
    named: list[tuple[str, Place | None, Listing]] = [
        (format_instruction(listing.at(place)), place, listing.without(place)) for place in places
    ]
    named += [(name, None, left) for name, left in without_ideas(listing, recognised, bench.metric)]
    rounded = [(f"constants rounded to {digits} digit(s)", None, _rounded(listing, digits)) for digits in _DIGITS]
    named += [one for one in rounded if one[2].text() != text]
    fitness, stopped = bench.run([listing, *(left for *_, left in named)])
    variants = []
    for n, (name, place, left) in enumerate(named, start=1):
        change = fitness[n] - fitness[0]
        diverged = float(stopped[n].mean())
        variants.append(
            Variant(
                name,
                place,
                float(fitness[n].mean()),
                float(change.mean()),
                standard_error(change),
                diverged,
                left.text(),
            )
        )
    ideas_end = len(named) - sum(one[2].text() != text for one in rounded)
    instructions, ideas = variants[: len(places)], variants[len(places) : ideas_end]
    cheap = [one._replace(name=f"without {one.name}") for one in instructions if one.change > -_CHEAP]
    offers = sorted((*cheap, *variants[ideas_end:]), key=lambda variant: -variant.change)
    own = float(fitness[0].mean()), standard_error(fitness[0]), fitness.shape[1]
    return Ablation(*own, tuple(instructions), tuple(ideas), tuple(offers))


def sweep_constants(listing: Listing, bench: Bench) -> tuple[Sweep, ...]:
    """Each constant times factors from 10**-3 to 10**3; zeros are tried as the factors themselves."""
    factors = np.logspace(-DECADES, DECADES, 2 * DECADES * STEPS + 1)
    swept, listings = [], []
    for place, instruction in listing.places():
        for field in ("x", "y")[: instruction.op.constants]:
            value = float(getattr(instruction, field))
            values = factors * (value or 1.0)
            changed = (Instruction(**(instruction._asdict() | {field: float(number)})) for number in values)
            listings += [listing.with_instruction(place, one) for one in changed]
            swept.append((format_instruction(instruction), place, field, value, values))
    if not listings:
        return ()
    fitness, _ = bench.run(listings)
    rows = fitness.reshape(len(swept), len(factors), -1)
    return tuple(
        Sweep(*one, row.mean(axis=1), np.array([standard_error(values) for values in row]))
        for one, row in zip(swept, rows, strict=True)
    )


def common_space(listings: Sequence[Listing], features: int) -> SearchSpace:
    """The smallest search space that several programs fit into."""
    spaces = [listing.space(features) for listing in listings]
    sizes = [max(space.max_sizes[function] for space in spaces) for function in range(3)]
    return make_space(
        features=features,
        scalars=max(space.scalars for space in spaces),
        vectors=max(space.vectors for space in spaces),
        matrices=max(space.matrices for space in spaces),
        setup=sizes[0],
        predict=sizes[1],
        learn=sizes[2],
        allowed=tuple(sorted({ops.OPS[op].name for space in spaces for op in space.ops})),
    )


def _rounded(listing: Listing, digits: int) -> Listing:
    """The program with constants of so many significant digits."""
    for place, one in list(listing.places()):
        if one.op.constants:
            x, y = (float(f"{number:.{digits}g}") for number in (one.x, one.y))
            listing = listing.with_instruction(place, one._replace(x=x, y=y))
    return listing
