"""Evolve whole machine-learning algorithms from scratch."""
