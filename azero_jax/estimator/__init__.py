"""Estimators for scikit-learn, whose `fit` searches for a learning algorithm and trains it."""
