"""Whether a driver is at work on a run folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

LOCKS: Final = Path("/proc/locks")
QUIET_S: Final = 30.0
"""Where the system does not list its locks: a journal that was written within that time is live."""


def is_driven(run: Path, locks: Path = LOCKS) -> bool:
    """Whether some process holds the driver's lock of a run.

    The lock is looked up in the system's list and never tried, which would keep a driver away that
    starts at that moment.

    Args:
        run: the folder.
        locks: list of file locks as Linux has it.
    """
    lock = run / "driver.lock"
    try:
        about = lock.stat()
    except OSError:
        return False
    try:
        listed = locks.read_text()
    except OSError:
        return _written_lately(run / "journal.log")
    device, inode = about.st_dev, about.st_ino
    held = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    return any(held in line.split() and "->" not in line for line in listed.splitlines())


def _written_lately(journal: Path) -> bool:
    try:
        return time.time() - journal.stat().st_mtime < QUIET_S
    except OSError:
        return False
