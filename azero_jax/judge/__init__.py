"""Known programs on tasks: run, measured, tuned, and compared with baselines."""
