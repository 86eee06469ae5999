"""Defaults of an explanation."""

from typing import Final

TUNING_TRIALS: Final = 500  # of random search for better constants
