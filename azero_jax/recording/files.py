"""Files that are either whole or not there, and the lock of a run directory."""

import contextlib
import os
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps two searches out of one folder
    fcntl = None  # type: ignore[assignment]

LOCK_FILE: Final = "lock"
TEMPORARY_SUFFIX: Final = ".tmp"


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that a crash at any moment leaves the old content or the new, never a part.

    Raises:
      OSError: it could not be written; the old file, if any, is untouched.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes a rename in the folder last through a power failure, where folders can be opened."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # of file systems that cannot; the file is whole nevertheless
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class FolderLock:
    """Keeps a folder for one process; the system gives it back when the process ends, however it ends.

    Attributes:
      problem: why the folder is not locked, where the file system has no locks (as some network file systems); else "".
    """

    def __init__(self, folder: Path) -> None:
        """Takes the lock.

        Raises:
          ValueError: another search has it; its process id is named.
          OSError: the folder cannot be written to.
        """
        self.problem = ""
        self._file = (folder / LOCK_FILE).open("a+")
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise folder_in_use(folder, lock_holder(folder)) from None
        except OSError as error:
            self.problem = error.strerror or str(error)
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Gives the folder back."""
        self._file.truncate(0)
        self._file.close()


def folder_in_use(folder: Path, holder: int | None) -> ValueError:
    """What to raise where another process, `holder`, has the lock of a folder."""
    return ValueError(f"run directory {folder} is in use by process {holder}; wait for it to end, or choose another")


def lock_holder(folder: Path) -> int | None:
    """The id of the process that has locked the folder, None if none has."""
    if fcntl is None:
        return None
    try:
        with (folder / LOCK_FILE).open(errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read()
                return int(text) if text.isdecimal() else -1  # not written yet
    except OSError:
        pass
    return None
