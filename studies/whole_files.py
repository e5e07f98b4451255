"""Files that are written whole or not at all, and are on the disk when they count as written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class UnwritableError(ValueError):
    """A file cannot be written."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, wait for the disk, and give it its name.

    Whatever happens meanwhile, the file is the old one or the new one. One process at a time may
    write it; a temporary file that a killed one left is written over.

    Raises:
        UnwritableError: the folder or the disk does not take it; the old file is as it was.
    """
    temporary = path.with_name(path.name + ".tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(temporary, flags, 0o666)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)  # noqa: PTH105 - one name for all that touches the disk here
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise UnwritableError(
            f"{path}: cannot be written ({error.strerror or error}); mend that and try again."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's names are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
