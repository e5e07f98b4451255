"""Checkpoints by name: the shipped ones, and a study's own folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from search_space import nearest

SHIPPED: Final = Path(__file__).parent / "checkpoint_files"


class UnknownCheckpointError(ValueError):
    """No checkpoint of that name."""


def shipped_checkpoints() -> list[str]:
    """Names of the checkpoints that ship with the project."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def checkpoint_folder(name: str, own: Mapping[str, str] | None = None) -> Path:
    """Folder of a checkpoint.

    Args:
        name: what the search space calls it.
        own: folders of checkpoints that are not shipped, by name.

    Raises:
        UnknownCheckpointError: there is no such checkpoint.
    """
    if own and name in own:
        return Path(own[name])
    if name in shipped_checkpoints():
        return SHIPPED / name
    known = [*shipped_checkpoints(), *(own or {})]
    raise UnknownCheckpointError(
        f"Checkpoint {name!r} is not known{nearest(name, known)}: expected one of "
        f"{', '.join(known)}, or give its folder under [evaluator.checkpoints]."
    )
