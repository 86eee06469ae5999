"""Explanations of what was found: simplified, annotated, ablated, tuned, exported, reported."""
