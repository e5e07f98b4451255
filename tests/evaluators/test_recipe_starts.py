"""What a recipe starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluators import recipe_starts
from evaluators.checkpoint_folders import save_checkpoint
from evaluators.encoders import ExitEncoder, backbone_from_config
from evaluators.recipe_starts import Start, started
from evaluators.recipes import MINILM, Recipe
from evaluators.training_stages import Stage
from search_space import adaptivfloat
from tests.evaluators.conftest import CONFIGS, tiny_tokenizer

STAGE = Stage(name="dense", epochs=1, learning_rate=1e-2, batch_size=8)


def start_of(initial: str, folder: Path, n_outputs: int = 1) -> Start:
    """The start of a recipe of one stage."""
    recipe = Recipe(
        title="tiny", initial=initial, stages=(STAGE,), stored_as=adaptivfloat(8, 3), task="STS-B"
    )
    return started(recipe, folder, n_outputs, seed=1)


def biases(start: Start) -> list[float]:
    """Of the one output of every exit."""
    found: list[Tensor] = [head.get_parameter("classifier.bias") for head in start.model.exits]
    return [float(bias.detach()) for bias in found]


def test_renewed_exits_of_a_regression_answer_the_mean(tiny_folders: dict[str, Path]) -> None:
    """Exits of two classes make room for exits of one number, which begin at the labels' mean."""
    start = start_of(str(tiny_folders["bert"]), tiny_folders["bert"])
    assert biases(start) == [0.0] * 3
    start.centre([1.0, 2.0, 4.5])
    assert biases(start) == [2.5] * 3


def test_exits_from_the_package_answer_the_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do those of an encoder that has none, whatever their biases were."""
    tiny = backbone_from_config(CONFIGS["bert"])
    monkeypatch.setattr(recipe_starts, "pretrained_minilm", lambda: tiny)
    monkeypatch.setattr(recipe_starts, "load_tokenizer", lambda _: tiny_tokenizer())
    start = start_of(MINILM, tmp_path)
    start.centre([3.0])
    assert biases(start) == [3.0] * 3


def test_exits_that_have_learned_are_kept(tmp_path: Path) -> None:
    """A checkpoint of the task goes on from its own biases."""
    model = ExitEncoder(backbone_from_config(CONFIGS["bert"]), n_classes=1)
    with torch.no_grad():
        for number, head in enumerate(model.exits):
            head.get_parameter("classifier.bias").fill_(0.5 + number)
    folder = tmp_path / "own"
    save_checkpoint(model, folder, tiny_tokenizer())
    start = start_of(str(folder), folder)
    start.centre([3.0])
    assert biases(start) == [0.5, 1.5, 2.5]
