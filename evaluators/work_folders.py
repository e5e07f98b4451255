"""Folders of a training run: where its states and its checkpoint go, and whose states they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from evaluators.cards import as_json
from evaluators.checkpoints import CheckpointError
from evaluators.recipes import Recipe


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises:
        CheckpointError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{folder}: cannot be made ({error.strerror}); expected a folder, new or not, where "
            "files can be written."
        ) from error


def check_out(out: Path, sources: list[Path], *, is_begun: bool) -> None:
    """Refuse to write a checkpoint over another one.

    Args:
        out: folder that the checkpoint is to be written to.
        sources: folders of the checkpoints that the run reads.
        is_begun: whether the run has saved states, so that what is in ``out`` may be its own.

    Raises:
        CheckpointError: ``out`` is one that the run reads, or holds a checkpoint of another run.
    """
    if any(out.resolve() == source.resolve() for source in sources):
        raise CheckpointError(
            f"{out}: the run starts or learns from this checkpoint; expected another --out."
        )
    if not is_begun and (out / "config.json").exists():
        raise CheckpointError(
            f"{out}: holds a checkpoint, and the work folder has no state of a run that made it; "
            "expected a folder without one: choose another --out, or remove it."
        )


def stage_digests(recipe: Recipe, origins: dict[str, str]) -> tuple[str, ...]:
    """What the weights of each stage follow from beside task and seed: (n_stages,) SHA-256.

    Args:
        recipe: whose stages.
        origins: hashes of the initial checkpoint, of the teacher and of the data, by name.
    """
    facts = [recipe.initial, as_json(recipe.student)]
    return tuple(
        hashlib.sha256(
            json.dumps([facts, origins, as_json(recipe.stages[: end + 1])], sort_keys=True).encode()
        ).hexdigest()
        for end in range(len(recipe.stages))
    )
