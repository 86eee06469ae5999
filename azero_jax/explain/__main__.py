"""The command line: `python -m azero_jax.explain`."""

import sys

from azero_jax.terminal.explain_command import main

if __name__ == "__main__":
    sys.exit(main())
