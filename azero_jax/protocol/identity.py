"""What makes a search the one that it is: a run may go on only as the same search."""

import hashlib
import json
from typing import Final

from azero_jax.config.leaves import fixed_settings, get_setting
from azero_jax.config.tree import Config

# What may be changed when a run goes on: everything else decides what is searched.
CHANGEABLE: Final = (
    "budget.sufficient_fitness",
    "budget.max_candidates",
    "budget.max_train_steps",
    "budget.max_seconds",
    "budget.no_improvement_candidates",
    "budget.tune_trials",
    "output",
    "cluster.workers",
    "cluster.ray_address",
    "cluster.device",
    "cluster.asynchronous",
    "cluster.round_candidates",
    "cluster.migrants",
    "cluster.worker_lines",
    "engine.engine",
    "source.data",  # where it lies; that it is the same is seen from the tasks
)


def search_identity(config: Config, start_from: tuple[str, ...], tasks: str) -> str:
    """A checksum of all that decides what is searched.

    `tasks` is the fingerprint of the user's own tasks, "" if the configuration draws them.
    """
    settings = [[setting.path, get_setting(config, setting.path)] for setting in fixed_settings(CHANGEABLE)]
    return hashlib.sha256(json.dumps([settings, start_from, tasks]).encode()).hexdigest()


def check_same_search(config: Config, saved: Config, where: str) -> None:
    """Checks that a run may go on with a configuration.

    Raises:
      ValueError: a setting that decides what is searched differs from the saved one.
    """
    for setting in fixed_settings(CHANGEABLE):
        ours, theirs = get_setting(config, setting.path), get_setting(saved, setting.path)
        if ours != theirs:
            raise ValueError(
                f"{setting.path} is {ours}, but {theirs} in {where}; a run that goes on may change only"
                f" {', '.join(CHANGEABLE)}"
            )
