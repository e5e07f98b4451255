"""Checkpoints by name, folder or hub name, and what every shipped one has to hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from evaluators.checkpoint_folders import checkpoint_hash, load_checkpoint
from evaluators.checkpoints import (
    SHIPPED,
    CheckpointError,
    UnknownCheckpointError,
    checkpoint_folder,
    hub_folder,
    shipped_checkpoints,
)
from evaluators.token_rows import load_tokenizer, token_ids
from tests.evaluators.library_models import logits


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


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's client, which is offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub_folder.cache_clear()
    return tmp_path / "cache"


def test_hub_name_is_a_folder_in_the_cache(
    hub_cache: Path, bare: tuple[PreTrainedModel, Path]
) -> None:
    """A model by hub name loads from the library's cache as its folder does, also by revision."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    model = hub_cache / "models--someone--tiny"
    shutil.copytree(bare[1], model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    own = {"tiny": "someone/tiny", "pinned": f"someone/tiny@{commit}", "here": str(bare[1])}
    folders = [checkpoint_folder(name, own) for name in own]
    assert folders[:2] == [model / "snapshots" / commit] * 2
    assert len({checkpoint_hash(folder) for folder in folders}) == 1
    assert torch.equal(logits(load_checkpoint(folders[0])), logits(load_checkpoint(bare[1])))


@pytest.mark.usefixtures("hub_cache")
@pytest.mark.parametrize("place", ["someone/missing", "bert-base-uncased", "checkpoints/typo@v1"])
def test_hub_name_that_is_not_cached_is_refused_offline(place: str) -> None:
    """Offline, a name that is neither a folder nor in the cache is refused, and it is said why."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint_folder("mine", {"mine": place})
    assert str(caught.value) == (
        f"Checkpoint {place!r} is not a folder, and no model of a hub was found under that name "
        "(HF_HUB_OFFLINE is set, and the model is not in the library's cache). Give a folder, or "
        "the name of a model that can be downloaded."
    )


def test_paths_are_never_taken_for_hub_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks like a path is one, whether it exists or not."""

    def refuse(_: str) -> Path:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("evaluators.checkpoints.hub_folder", refuse)
    for place in ("/no/such", "./no-such", "../x", "~/x", "a/b/c", "a b", "C:\\x", ""):
        assert checkpoint_folder("mine", {"mine": place}) == Path(place)


def test_folder_of_that_name_comes_before_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that exists is taken, though its path could be a hub name."""
    (tmp_path / "owner" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert checkpoint_folder("mine", {"mine": "owner/model"}) == Path("owner/model")
