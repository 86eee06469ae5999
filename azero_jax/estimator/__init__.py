"""Estimators for scikit-learn, whose `fit` searches for a learning algorithm and trains it."""

from azero_jax.data.libraries import require

require("sklearn", "azero_jax.estimator")
