"""A log of JSON objects, one a line, that can be cut back to where a checkpoint was taken."""

import json
import os
from pathlib import Path
from typing import Any


class JsonLines:
    """Appends objects to a file; what could not be written is kept and tried again.

    Attributes:
      path: the file.
    """

    def __init__(self, path: Path) -> None:
        """A log at the end of the file, which is made if it is not there.

        Raises:
          OSError: it cannot be written to.
        """
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._size = self._file.seek(0, os.SEEK_END)
        self._pending = b""

    @property
    def size(self) -> int:
        """Bytes of the file and of what is still to be written."""
        return self._size + len(self._pending)

    def append(self, values: dict[str, Any]) -> None:
        """Adds a line, in memory."""
        self._pending += json.dumps(values, allow_nan=False).encode() + b"\n"

    def flush(self, *, sync: bool = False) -> None:
        """Writes the lines; with `sync` they are on the disk afterwards.

        Raises:
          OSError: they could not be written; the file ends with the last whole line, nothing is lost.
        """
        try:
            rest = self._pending
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(self._size)  # what was written of a line
            raise
        self._size += len(self._pending)
        self._pending = b""
        if sync:
            os.fsync(self._file.fileno())

    def cut(self, size: int) -> bool:
        """Shortens the file to `size` bytes; False if it is shorter already, so that lines are missing."""
        whole = self._size >= size
        self._size = min(size, self._size)
        self._file.truncate(self._size)
        self._pending = b""
        return whole

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
