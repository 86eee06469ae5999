"""Engines: run a batch of programs on a batch of tasks, in one call."""
