"""Small text files that a person wrote, with whatever editor."""

import codecs
from pathlib import Path
from typing import Final

from azero_jax.process.messages import one_line

MAX_BYTES: Final = 16 << 20


def is_there(name: str) -> bool:
    """Whether there is such a file or folder; a text that can be no path is none."""
    try:
        return bool(name) and Path(name).exists()
    except (OSError, ValueError):
        return False


def read_text_file(path: Path) -> str:
    """A text in UTF-8, or in UTF-16 if it begins with its byte order mark; the mark is left out.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it cannot be read, is no text, or has more than `MAX_BYTES` bytes; one line says which.
    """
    shown = one_line(str(path), 120)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(
                f"{shown}: cannot be read: it has more than {MAX_BYTES:,} bytes, which is no text of this kind"
            )
        marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if marked else "utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{shown}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{shown}: cannot be read: it is not text in UTF-8") from None
