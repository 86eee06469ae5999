"""One of the best algorithms of a search."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Finalist:
    """One of the best distinct algorithms of a search.

    Attributes:
      program: text, without its dead instructions.
      raw_program: text as evolution left it, also where the constants of `program` have been tuned since.
      search_fitness: mean fitness on the search tasks.
      select_fitness: mean fitness on the select tasks.
      final_fitness: mean fitness on the unseen tasks; None until the search ends.
      candidates: programs that had been evaluated when it was tried on the select tasks.
      experiment: the experiment that it comes from, from 1.
      cost: of its instructions, each once, without the dead ones: the op table's costs, in millions.
      untuned_fitness: mean fitness on the select tasks before its constants were tuned; None if they were not.

    >>> text = "def Setup(): ..."
    >>> finalist = Finalist(text, text, 0.9, 0.8, None, candidates=1000, experiment=1, cost=3.7)
    >>> dataclasses.replace(finalist, final_fitness=0.7).final_fitness
    0.7
    """

    program: str
    raw_program: str
    search_fitness: float
    select_fitness: float
    final_fitness: float | None
    candidates: int
    experiment: int
    cost: float
    untuned_fitness: float | None = None
