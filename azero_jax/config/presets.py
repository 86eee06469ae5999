"""Ready configurations, by name."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, Final

from azero_jax.config.leaves import override, read_settings
from azero_jax.config.tree import BudgetConfig, Config
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.language import ops
from azero_jax.language.roles import Metric
from azero_jax.language.settings import SpaceConfig
from azero_jax.mutate.policy import LIVE_MUTATIONS
from azero_jax.tasks.load import natural_kind
from azero_jax.tasks.settings import KINDS, SourceConfig, TaskConfig, check_kind

# The ops of the original's demo (its run_demo.sh).
_LINEAR_OPS: Final = (
    "SCALAR_CONST_SET_OP", "VECTOR_INNER_PRODUCT_OP", "SCALAR_DIFF_OP", "SCALAR_PRODUCT_OP", "SCALAR_VECTOR_PRODUCT_OP",
    "VECTOR_SUM_OP",
)  # fmt: skip

# The release's baseline search on projected binary CIFAR-10 (its run_baseline.sh): sizes, addresses, ops, mutations.
_BASELINE_SPACE: Final = SpaceConfig(
    scalars=5, vectors=9, matrices=2, setup=(1, 1, 6), predict=(1, 1, 10), learn=(1, 1, 22),
    setup_ops=(
        "SCALAR_CONST_SET_OP",
        *(f"{kind}_{law}_SET_OP" for kind in ("SCALAR", "VECTOR", "MATRIX") for law in ("GAUSSIAN", "UNIFORM")),
    ),
    predict_ops=(
        "SCALAR_SUM_OP", "MATRIX_VECTOR_PRODUCT_OP", "VECTOR_MAX_OP", "VECTOR_INNER_PRODUCT_OP", "VECTOR_SUM_OP",
    ),
    learn_ops=(
        "SCALAR_SUM_OP", "SCALAR_DIFF_OP", "SCALAR_PRODUCT_OP", "SCALAR_VECTOR_PRODUCT_OP", "VECTOR_SUM_OP",
        "VECTOR_HEAVYSIDE_OP", "VECTOR_PRODUCT_OP", "VECTOR_OUTER_PRODUCT_OP", "MATRIX_SUM_OP",
    ),
)  # fmt: skip
# Enough for linear models and two-layer nets, of numbers and of classes (which need a matrix and VECTOR_DIFF).
_TABLE_SPACE: Final = SpaceConfig(
    scalars=5, vectors=5, matrices=2, setup=(1, 4, 6), predict=(1, 3, 6), learn=(1, 8, 12),
    setup_ops=("SCALAR_CONST_SET_OP", "VECTOR_GAUSSIAN_SET_OP", "MATRIX_GAUSSIAN_SET_OP"),
    predict_ops=(*_BASELINE_SPACE.predict_ops, "SCALAR_PRODUCT_OP", "VECTOR_PRODUCT_OP"),
    learn_ops=(*_BASELINE_SPACE.learn_ops, "VECTOR_DIFF_OP"),
)  # fmt: skip
# Enough for softmax regression and a net with one hidden layer; each address more makes both much harder to find.
_MULTICLASS_SPACE: Final = SpaceConfig(
    scalars=4, vectors=6, matrices=3, setup=(1, 1, 4), predict=(1, 1, 4), learn=(1, 1, 12),
    setup_ops=("SCALAR_CONST_SET_OP", "VECTOR_GAUSSIAN_SET_OP", "MATRIX_GAUSSIAN_SET_OP"),
    predict_ops=("MATRIX_VECTOR_PRODUCT_OP", "VECTOR_MAX_OP", "VECTOR_SUM_OP"),
    learn_ops=(
        "VECTOR_DIFF_OP", "VECTOR_SUM_OP", "VECTOR_PRODUCT_OP", "SCALAR_VECTOR_PRODUCT_OP", "VECTOR_HEAVYSIDE_OP",
        "VECTOR_OUTER_PRODUCT_OP", "MATRIX_SUM_OP", "MATRIX_TRANSPOSE_OP", "MATRIX_VECTOR_PRODUCT_OP",
    ),
)  # fmt: skip
_BASELINE_MUTATIONS: Final = tuple(
    (name, 1.0) for name in ("alter_param", "randomize_instruction", "insert_instruction", "remove_instruction")
)
# The release has one population; on CIFAR-10 16 islands reached 0.60 on select tasks in 1 to 13 s, 8 in 2 to 21 s.
_BASELINE_SEARCH: Final = EvolutionSettings(
    islands=16, population=100, tournament=10, batch=10, initial="empty", mutations=_BASELINE_MUTATIONS
)
_CIFAR10_TASKS: Final = TaskConfig(
    kind="pairs", features=16, search_tasks=16,  # as many as the processor works on at a time
    train_examples=800, valid_examples=400, select_tasks=32, select_train_examples=4000, select_valid_examples=1000,
    final_tasks=45,
)  # fmt: skip

# Measured on the demo with any candidates, how many for a solution, in millions (70 to 380 experiments each;
# experiments/time_to_solve.py tells how long whole searches take). The mutations equally often, a hurdle for the
# better half: 2.6; replacing single instructions more often and whole functions seldom: 2.4; a hurdle that stops only
# the worst quarter as well: 1.9, for a tenth more time a candidate. The paper's hurdle, for the best quarter, stops too
# many that would have learned. Batches of 400 took 2.5 where those of 200 took 2.1, 32 islands 2.8, 32 of 500 3.4.
_REGRESSION_SEARCH: Final = EvolutionSettings(islands=16, population=1000, tournament=10, batch=200)
_LINEAR_MUTATIONS: Final = (("alter_param", 1.0), ("randomize_instruction", 2.0), ("randomize_component_function", 0.2))
_REGRESSION_EVALUATOR: Final = EvaluatorSettings(canonical=False, hurdle_examples=(0.1,), hurdle_percentile=25.0)

ANY_PRESETS: Final[dict[str, Config]] = {
    # The original's demo: sizes 10/2/8, addresses 4/3/1, 10 tasks of 100 + 100 examples, P=1000, T=10.
    "linear": Config(
        space=SpaceConfig(ops=_LINEAR_OPS),
        search=dataclasses.replace(_REGRESSION_SEARCH, mutations=_LINEAR_MUTATIONS),
        evaluator=_REGRESSION_EVALUATOR,
        # From 0.6 million on the length of an experiment makes no difference (384 experiments).
        budget=BudgetConfig(experiment_candidates=1_300_000),
    ),
    # Paper, section 4.1, has sizes 6/2/6, the least that a regressor with a bias needs. With twice the room, which the
    # original's demo gives the linear one too, it is found several times as often: averages of labels times features
    # fit just as well at first, and where they fill all slots there are no neutral steps left that lead on.
    "affine": Config(
        space=SpaceConfig(scalars=5, setup=(10,), predict=(4,), learn=(12,), ops=(*_LINEAR_OPS, "SCALAR_SUM_OP")),
        tasks=TaskConfig(kind="affine"),
        search=_REGRESSION_SEARCH,
        evaluator=EvaluatorSettings(canonical=False),  # without hurdles, which stop neutral steps too
        budget=BudgetConfig(sufficient_fitness=0.999, experiment_candidates=5_000_000),
    ),
    # Paper, figure 5: two-layer teachers, addresses 4/8/2, sizes 21/3/9 there.
    "teacher": Config(
        space=SpaceConfig(scalars=4, vectors=8, matrices=2, setup=(21,), predict=(3,), learn=(9,)),
        tasks=TaskConfig(
            kind="teacher", features=8, train_examples=1000, valid_examples=100, select_train_examples=10_000
        ),
        budget=BudgetConfig(sufficient_fitness=0.9, check_every=200_000),
    ),
    # Class pairs of images, projected at random; the data are the user's to name.
    "cifar10": Config(
        space=_BASELINE_SPACE,
        tasks=_CIFAR10_TASKS,
        source=SourceConfig(projections=10),
        search=_BASELINE_SEARCH,
        evaluator=EvaluatorSettings(hurdle_examples=(0.2,)),
        budget=BudgetConfig(sufficient_fitness=0.69, max_seconds=300.0, check_every=5_000),
    ),
    # The same on the 8 x 8 digits that scikit-learn brings, with all examples: 280 of a pair to train on. Ended at 0.95
    # on select tasks, 3 searches had 0.946 on unseen pairs; after 60 to 100 s, with tuned constants, 0.951 (baseline
    # 0.960). 64 search tasks in place of 16 were no better for the same time.
    "digits": Config(
        space=_BASELINE_SPACE,
        tasks=TaskConfig.all_examples("pairs", features=16, search_tasks=16, select_tasks=32, final_tasks=45),
        source=SourceConfig(data=("digits",), projections=10),
        search=_BASELINE_SEARCH,
        budget=BudgetConfig(sufficient_fitness=0.98, max_seconds=120.0, check_every=10_000, tune_trials=500),
    ),
    # All classes at once.
    "multiclass": Config(
        space=_MULTICLASS_SPACE,
        tasks=TaskConfig.all_examples("multiclass", features=16, search_tasks=8, select_tasks=10, final_tasks=10),
        source=SourceConfig(projections=10),
        search=_BASELINE_SEARCH,
        budget=BudgetConfig(sufficient_fitness=0.999, max_seconds=120.0, check_every=10_000),
    ),
    # A table of the user's: its rows as they are, held out, and split anew for each task.
    "table": Config(
        space=_TABLE_SPACE,
        tasks=TaskConfig.all_examples("table", features=None, search_tasks=8, select_tasks=16, final_tasks=1),
        # No tune_trials: 500 of them gained 0.004 on select tasks, nothing on held-out rows (mean of 12 searches).
        budget=BudgetConfig(sufficient_fitness=0.9999, max_seconds=120.0),
    ),
    # The release's demo unchanged (its run_demo.sh): one population, one child at a time, its functional equivalence
    # cache and nothing else, its mutations equally often.
    "original": Config(
        space=SpaceConfig(ops=_LINEAR_OPS),
        search=EvolutionSettings(islands=1, population=1000, tournament=10, batch=1),
        evaluator=EvaluatorSettings(cache_size=0, canonical=False, constants=False, fec_forget_every=100),
        budget=BudgetConfig(experiment_candidates=200_000, check_every=10_000),
    ),
}


def _learnable(name: str, **values: Any) -> Config:
    """The preset for any candidates, with what was measured best where only learnable ones are run.

    `values` are settings by dotted name, in which `__` stands for the dot.
    """
    search = {"candidates": "learnable", "initial": "random", "mutation_probability": 1.0, "mutations": LIVE_MUTATIONS}
    ours = {f"search.{setting}": value for setting, value in search.items()}
    return override(ANY_PRESETS[name], ours | {name.replace("__", "."): value for name, value in values.items()})


_LARGER_POPULATIONS: Final = {"search__population": 500, "search__tournament": 5, "search__batch": 25}
# Copies of a parent, and children with its live code, bring nothing here: 0.9 in place of 1 for the probability of a
# mutation took 31,000 candidates on the demo in place of 27,000 (means of 24 seeds).
PRESETS: Final[dict[str, Config]] = {
    # Random learnable programs solve the demo after 32,000 candidates on average, so populations need not be large: 16
    # of 500 took 22,700 on average (40 seeds), 16 of 200 with tournaments of 5 27,400, 32 of 100 31,600 (60 seeds).
    "linear": _learnable(
        "linear",
        search__population=500,
        search__batch=50,
        budget__experiment_candidates=16_000,
        budget__check_every=2000,
    ),
    # Tournaments of 5 without a hurdle took 270,000 candidates on average, these 223,000 (24 seeds).
    "affine": _learnable(
        "affine",
        search__population=2000,
        search__tournament=8,
        search__batch=100,
        evaluator__hurdle_examples=(0.1,),
        evaluator__hurdle_percentile=25.0,
        budget__experiment_candidates=1_000_000,
        budget__check_every=10_000,
    ),
    # Where nothing else is asked for, all programs are soon linear models of a bent input: 0.60 on search tasks. Those
    # that have to learn a matrix find nets. Tournaments of 8 and a stricter hurdle: 0.49 in place of 0.58 (2 million).
    # With 8 search tasks a net whose second layer stays random fits them by luck: 0.98 on these, 0.68 on others. Half
    # of the islands are stuck early, at constants or bilinear forms.
    "teacher": _learnable(
        "teacher",
        search__learned=("m",),
        search__tournament=4,
        search__batch=50,
        search__restart_after=40_000,
        search__restart_gain=0.03,
        evaluator__hurdle_examples=(0.1,),
        evaluator__hurdle_percentile=50.0,
        budget__check_every=100_000,
        tasks__search_tasks=16,
    ),
    # Populations of 100 and tournaments of 10 ended at 0.681 on select tasks after 100 s (2 seeds); these without
    # niches at 0.680, 0.685 and 0.689 after 300 s; with half of the islands learning a matrix, and tuned, at 0.689 and
    # 0.689 after 120 s, 0.685 after 280 s. What does well on 800 examples is not what does on 4000: with 1600 of them
    # 0.709 and 0.714 after 130 s, 0.716 after 200 s; 32 search tasks of 800: 0.684.
    "cifar10": _learnable(
        "cifar10",
        **_LARGER_POPULATIONS,
        search__learned=("any", "m"),
        tasks__train_examples=1600,
        budget__max_seconds=280.0,  # tuning takes the rest of five minutes
        budget__tune_trials=500,
    ),
    "digits": _learnable("digits", **_LARGER_POPULATIONS),
    "multiclass": _learnable("multiclass"),
    "table": _learnable("table"),
    "original": ANY_PRESETS["original"],
}
DEFAULT_PRESET: Final = "linear"
MULTICLASS_PRESET: Final = "multiclass"
_OF_THEIR_KIND: Final = (MULTICLASS_PRESET, "table")  # presets for kinds of tasks that no other preset is made for


def load_preset(name: str | None = None, /, **settings: Any) -> Config:
    """The configuration called `name`, with other settings in place of its own.

    Args:
      name: of the preset; None takes the one for the `data` that are named, `linear` where none are.
      **settings: any setting by its short name, as on the command line: `load_preset("linear", seed=3, max_seconds=60)`
        is `--preset linear --seed 3 --max-seconds 60`. With `candidates="any"` the preset has the settings that were
        measured best where programs that cannot learn are run as well.

    Raises:
      ValueError: there is no such preset or setting, in which case the nearest are suggested; or a value is not
        allowed.

    >>> load_preset("affine").tasks.kind
    'affine'
    >>> load_preset("linear", seed=3, max_seconds=60).budget.max_seconds
    60.0
    """
    return choose_config(name, read_settings(settings))


def choose_config(name: str | None, given: Mapping[str, Any]) -> Config:
    """The preset that is named, or that fits what was given, with the settings that were given, by dotted name.

    Raises:
      ValueError: there is no such preset, or a value is not allowed.
    """
    data = given.get("source.data", ())
    if name is None:
        name = natural_preset(data[0]) if data else DEFAULT_PRESET
    base = _find_preset(name, given.get("search.candidates", "learnable"))
    kind = given.get("tasks.kind", base.tasks.kind)
    if kind in KINDS:  # before numbers, which are wrong for data of another kind too
        source = {path.partition(".")[2]: value for path, value in given.items() if path.startswith("source.")}
        check_kind(kind, dataclasses.replace(base.source, **source))
    return override(with_kind(base, kind), given)


def _find_preset(name: str, candidates: str) -> Config:
    if candidates not in ("learnable", "any"):
        raise ValueError(f"candidates is {candidates!r}; allowed: learnable, any")
    presets = PRESETS if candidates == "learnable" else ANY_PRESETS
    if name in presets:
        return presets[name]
    nearest = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0)[0]
    raise ValueError(f"unknown preset {name!r}; did you mean {nearest}? allowed: {', '.join(PRESETS)}")


def natural_preset(data: str) -> str:
    """The preset that data are searched with where none is said: `table`, `digits` for those, else `cifar10`."""
    if natural_kind(data) == "table":
        return "table"
    return "digits" if data == "digits" else "cifar10"


def with_kind(config: Config, kind: str) -> Config:
    """A preset for tasks of a kind: for all classes at once and for tables their own, with the data of the one named.

    Programs that tell many classes apart need other ops and more vectors than those of two classes; the rows of a table
    are taken as they are.
    """
    if kind not in _OF_THEIR_KIND or config.tasks.kind == kind:
        return config
    return override(_find_preset(kind, config.search.candidates), {"source.data": config.source.data})


def check_predictions(space: SpaceConfig, metric: Metric) -> None:
    """Refuses a space in which no program can tell many classes apart: its predictions are a vector.

    Raises:
      ValueError: it is such a space.
    """
    _, predict, _ = space.functions
    if metric.is_one_hot and all(ops.OPS[op].output != metric.prediction.kind for op in predict.ops):
        what = "predictions of many classes are a vector, but no op of Predict makes one; add one that does, such as"
        raise ValueError(f"{what} MATRIX_VECTOR_PRODUCT_OP, to --predict-ops, or take --preset {MULTICLASS_PRESET}")
