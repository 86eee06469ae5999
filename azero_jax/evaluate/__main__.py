"""The command line: `python -m azero_jax.evaluate`."""

from azero_jax.process.patience import leave
from azero_jax.terminal.evaluate_command import main

if __name__ == "__main__":
    leave(main())
