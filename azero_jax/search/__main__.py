"""The command line: `python -m azero_jax.search`."""

import sys

from azero_jax.terminal.search_command import main

if __name__ == "__main__":
    sys.exit(main())
