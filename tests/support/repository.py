"""The repository's address: it stands in pyproject.toml, and what links to it is made to agree.

`python -m tests.support.repository` puts the address into the notebooks, README.md and the site's settings.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from tests.support.house import README, ROOT

NOTEBOOKS: Final = tuple(sorted((ROOT / "notebooks").glob("*.ipynb")))
LINKING: Final = (*NOTEBOOKS, README, ROOT / "docs" / "mkdocs.yml")
# How an address on GitHub is named: itself, and by Colab. Others' repositories are not the project's.
_NAME: Final = r"[\w.-]+/azero_jax"
_PATTERNS: Final = (rf"(?<=https://github\.com/){_NAME}\b", rf"(?<=research\.google\.com/github/){_NAME}\b")


def owner_and_name() -> str:
    """Such as `azero-jax/azero_jax`, of the address in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].removeprefix("https://github.com/")


def linked(file: Path) -> set[str]:
    """The repositories of this name that a file links to."""
    text = file.read_text(encoding="utf-8")
    return {name for pattern in _PATTERNS for name in re.findall(pattern, text)}


if __name__ == "__main__":
    for linking in LINKING:
        text = linking.read_text(encoding="utf-8")
        for pattern in _PATTERNS:
            text = re.sub(pattern, owner_and_name(), text)
        linking.write_text(text, encoding="utf-8")
