"""Checkpoints by name: the shipped ones, a study's own folders, and models of a hub."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from search_space import nearest

SHIPPED: Final = Path(__file__).parent / "checkpoint_files"

HUB_FILES: Final = (
    "config.json",
    "card.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "embeddings.safetensors",
    "encoder.safetensors",
    "spans.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
"""What is downloaded of a model: data only, neither pickled weights nor code."""

_HUB_NAME: Final = re.compile(
    r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*(?:@[A-Za-z0-9][\w./-]*)?"
)


class UnknownCheckpointError(ValueError):
    """No checkpoint of that name."""


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete or damaged."""


def shipped_checkpoints() -> list[str]:
    """Names of the checkpoints that ship with the project."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def trained_task(folder: Path) -> str | None:
    """The task that a checkpoint was trained for, as its card says; None if it does not.

    Raises:
        CheckpointError: the card is no JSON.
    """
    card = folder / "card.json"
    try:
        said = json.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{card}: not readable as JSON ({type(error).__name__}); repair or remove it."
        ) from error
    task = said.get("task") if isinstance(said, dict) else None
    return task if isinstance(task, str) else None


def shipped_for(task: str) -> list[str]:
    """Names of the shipped checkpoints that were trained for a task."""
    return [name for name in shipped_checkpoints() if trained_task(SHIPPED / name) == task]


def checkpoint_folder(name: str, own: Mapping[str, str] | None = None) -> Path:
    """Folder of a checkpoint.

    Args:
        name: what the search space calls it.
        own: where checkpoints are that go by another name than a shipped one: a folder, else a
            shipped checkpoint, or else the name of a model of a hub (`hub_folder`).

    Raises:
        UnknownCheckpointError: there is no such checkpoint.
        CheckpointError: its place is neither a folder nor a model that can be had.
    """
    if own and name in own:
        place = own[name]
        if place in shipped_checkpoints() and not Path(place).exists():
            return SHIPPED / place
        is_model = not Path(place).exists() and _HUB_NAME.fullmatch(place)
        return hub_folder(place) if is_model else Path(place)
    if name in shipped_checkpoints():
        return SHIPPED / name
    known = [*shipped_checkpoints(), *(own or {})]
    raise UnknownCheckpointError(
        f"Checkpoint {name!r} is not known{nearest(name, known)}: expected one of "
        f"{', '.join(known)}, or give its folder or hub name under [evaluator.checkpoints]."
    )


@cache
def hub_folder(model: str) -> Path:
    """Folder with the files of a model of a hub: the library's own download and cache.

    With ``HF_HUB_OFFLINE=1`` the cache alone is asked. A process asks once, so that it sees one
    revision.

    Args:
        model: ``owner/name``, with ``@revision`` (branch, tag or commit) behind it to pin one.

    Raises:
        CheckpointError: there is no such model, or it cannot be reached and is not in the cache.
    """
    # Loaded here: most studies name no such model, and the client takes its time to load.
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError

    name, _, revision = model.partition("@")
    try:
        return Path(
            snapshot_download(name, revision=revision or None, allow_patterns=list(HUB_FILES))
        )
    except (HFValidationError, OSError) as error:
        reason = type(error).__name__
        if constants.HF_HUB_OFFLINE:
            reason = "HF_HUB_OFFLINE is set, and the model is not in the library's cache"
        raise CheckpointError(
            f"Checkpoint {model!r} is not a folder, and no model of a hub was found under that "
            f"name ({reason}). Give a folder, or the name of a model that can be downloaded."
        ) from error
