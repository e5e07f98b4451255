"""What the end of a command shows: paths as one types them here, and the one step that follows."""

from __future__ import annotations

import shlex
from pathlib import Path


def shown_path(path: Path) -> str:
    """The path as short as it can be from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def next_step(*words: str | Path) -> str:
    """The line that names one command to go on with, as a shell takes it.

    >>> next_step("dse", "export", "my run")
    "Next:   dse export 'my run'"
    """
    texts = [shown_path(word) if isinstance(word, Path) else word for word in words]
    return "Next:   " + shlex.join(texts)
