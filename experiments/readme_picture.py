"""The pictures of README.md: how a program came about, in a search that runs now.

    python experiments/readme_picture.py

One search of the preset `affine`, whose lineage is drawn on white and on black paper. With the same seed it is the same
lineage on every processor of a kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

import azero_jax as az

FOLDER: Final = Path(__file__).parents[1] / "docs" / "pages" / "pictures"
MOST_BYTES: Final = 500_000


@click.command(context_settings={"show_default": True})
@click.option("--seed", default=10, help="Of the search.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, help="Where the pictures are written.")
def main(seed: int, folder: Path) -> None:
    """Writes the pictures."""
    result = az.search(az.load_preset("affine", seed=seed, max_seconds=300))
    print(result)
    folder.mkdir(parents=True, exist_ok=True)
    for name, dark in (("evolution-light.gif", False), ("evolution-dark.gif", True)):
        animation = result.animate(dark=dark)
        if len(animation.gif) > MOST_BYTES:
            raise click.ClickException(f"{name} would have {len(animation.gif):,} bytes; take another seed")
        animation.save(folder / name)
        print(f"{folder / name}: {len(animation.gif):,} bytes, {animation.about}")


if __name__ == "__main__":
    main()
