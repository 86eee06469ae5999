"""The command line: `python -m azero_jax.evaluate`."""

import sys

from azero_jax.cli_evaluate import main

if __name__ == "__main__":
    sys.exit(main())
