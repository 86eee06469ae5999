"""The command line: `python -m azero_jax.search`."""

from azero_jax.process.patience import leave
from azero_jax.terminal.search_command import main

if __name__ == "__main__":
    leave(main())
