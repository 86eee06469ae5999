"""The command line: `python -m azero_jax.evaluate`."""

import sys

from azero_jax.terminal.evaluate_command import main

if __name__ == "__main__":
    sys.exit(main())
