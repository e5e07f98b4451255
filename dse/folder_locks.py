"""Locks on folders that one process at a time may write, which the system frees when it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held_alone(path: Path, refusal: Exception) -> Iterator[None]:
    """Hold a lock file, with the number of this process in it.

    Args:
        path: of the lock file; it stays when the lock is free again.
        refusal: raised if another process holds it.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise refusal from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
