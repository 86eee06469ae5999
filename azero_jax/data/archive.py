"""Zip archives from strangers: nothing is unpacked to disk, nothing larger than announced is read."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

MAX_UNPACKED_BYTES: Final = 8 << 30
MAX_RATIO: Final = 100  # unpacked to packed bytes, of archives that unpack to more than the next constant
SMALL_BYTES: Final = 64 << 20


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, after its table of contents has been checked.

    Raises:
      ValueError: not a zip, cut off, a member's path that leaves the archive, or contents out of all proportion.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception:  # a damaged table of contents can raise nearly anything
        raise ValueError(f"{path}: not a zip file, or cut off (its table of contents is missing)") from None
    with archive:
        members = archive.infolist()
        for member in members:
            if _leaves(member.filename):
                raise ValueError(f"{path}: member {member.filename!r} tries to leave the archive's folder")
        unpacked = sum(member.file_size for member in members)
        packed = max(sum(member.compress_size for member in members), 1)
        if unpacked > MAX_UNPACKED_BYTES or (unpacked > SMALL_BYTES and unpacked > MAX_RATIO * packed):
            allowed = f"allowed are {MAX_UNPACKED_BYTES:,} bytes, and {MAX_RATIO} times its size"
            raise ValueError(f"{path}: unpacks from {packed:,} to {unpacked:,} bytes; {allowed}")
        yield archive


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's content, checked against its CRC.

    Raises:
      ValueError: the member is damaged or encrypted.
    """
    try:
        return archive.read(member)
    except Exception as error:  # the same
        raise ValueError(f"{archive.filename}: member {member.filename!r} cannot be read ({error})") from None


def _leaves(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or (len(name) > 1 and name[1] == ":")
