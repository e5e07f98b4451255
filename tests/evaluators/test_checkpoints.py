"""Checkpoints by name, and what every shipped one has to hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluators.checkpoints import (
    SHIPPED,
    UnknownCheckpointError,
    checkpoint_folder,
    shipped_checkpoints,
)
from evaluators.encoders import checkpoint_hash, load_checkpoint, load_tokenizer, token_ids


def test_shipped_checkpoints_are_found_by_name() -> None:
    """``minilm-exits`` ships with the project, and its folder is where its name says."""
    assert "minilm-exits" in shipped_checkpoints()
    for name in shipped_checkpoints():
        assert checkpoint_folder(name) == SHIPPED / name


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_shipped_checkpoint_stands_alone(name: str) -> None:
    """A shipped checkpoint is at most 25 MB, loads, and says how it was made and what it scores."""
    folder = checkpoint_folder(name)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 25e6
    assert len(checkpoint_hash(folder)) == 64
    model = load_checkpoint(folder)
    card = json.loads((folder / "card.json").read_text())
    assert {"task", "seed", "stages", "stored_as", "data_sha256"} <= set(card)
    for split in ("select", "report"):
        assert len(card["accuracy_stored"][split]) == model.n_layers
    (row,) = token_ids(load_tokenizer(folder), ["A fine film!"])
    assert row == [101, 1037, 2986, 2143, 999, 102]  # as bert-base-uncased has it


def test_own_checkpoints_come_first(tmp_path: Path) -> None:
    """A study's own folder is found by its name, also if a shipped checkpoint has that name."""
    own = {"mine": str(tmp_path / "a"), "minilm-exits": str(tmp_path / "b")}
    assert checkpoint_folder("mine", own) == tmp_path / "a"
    assert checkpoint_folder("minilm-exits", own) == tmp_path / "b"


def test_unknown_name_offers_the_nearest() -> None:
    """A name that is not known is refused with the nearest one, all of them, and the way out."""
    with pytest.raises(UnknownCheckpointError) as caught:
        checkpoint_folder("minilm-exit", {"mine": "x"})
    message = str(caught.value)
    assert message.startswith("Checkpoint 'minilm-exit' is not known, did you mean 'minilm-exits'?")
    assert "mine" in message
    assert message.endswith("or give its folder or hub name under [evaluator.checkpoints].")
