"""What a recipe starts from: the encoder of its first stage, its tokenizer, and its own teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from evaluators.checkpoint_folders import load_checkpoint
from evaluators.encoders import ExitEncoder, renew_exits
from evaluators.recipes import MINILM, Recipe
from evaluators.students import pretrained_minilm, shared_student
from evaluators.teachers import outputs_of
from evaluators.token_rows import load_tokenizer
from evaluators.training_stages import TrainingError


@dataclass(frozen=True, slots=True)
class Start:
    """What the first stage begins with.

    Attributes:
        model: the encoder that is trained.
        tokenizer: of the checkpoint that it comes from.
        initial: encoder whose hidden states a student matches on text; None without a student.
        has_own_exits: whether the exits come from a checkpoint; those of them that a plain folder
            lacks have biases of 0.
    """

    model: ExitEncoder
    tokenizer: Tokenizer
    initial: nn.Module | None = None
    has_own_exits: bool = False

    def centre(self, labels: Sequence[float]) -> None:
        """Let new exits of a regression begin by answering the mean of the labels.

        Exits that begin at 0 learn the mean first, which drives their poolers to the bounds of
        tanh: little is left then that tells one sentence from another.
        """
        mean = sum(labels) / len(labels)
        with torch.no_grad():
            for head in self.model.exits:
                bias = head.get_parameter("classifier.bias")
                if not (self.has_own_exits and bias.any()):
                    bias.fill_(mean)


def started(recipe: Recipe, folder: Path, n_outputs: int, seed: int) -> Start:
    """The start of a recipe.

    Args:
        recipe: the recipe.
        folder: of the checkpoint that it names as initial.
        n_outputs: outputs of an exit: classes of the task, or 1.
        seed: of what is new in the encoder.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        TrainingError: the recipe's student cannot be started from it.
    """
    tokenizer = load_tokenizer(folder)
    torch.manual_seed(seed)
    student = recipe.student
    if recipe.initial != MINILM:
        if student is not None:
            raise TrainingError(f"A student starts from {MINILM!r} alone, not {recipe.initial!r}.")
        model = _with_outputs(load_checkpoint(folder, n_outputs), n_outputs)
        return Start(model, tokenizer, has_own_exits=True)
    backbone = pretrained_minilm()
    if student is None:
        return Start(ExitEncoder(backbone, n_classes=n_outputs), tokenizer)
    layers = backbone.config.num_hidden_layers
    if student.layers % layers:
        raise TrainingError(
            f"layers {student.layers} of the student: expected a multiple of the {layers} of "
            f"{recipe.initial!r}."
        )
    initial = backbone.eval()  # type: ignore[no-untyped-call]
    learner = ExitEncoder(shared_student(backbone, student), n_classes=n_outputs)
    return Start(learner, tokenizer, initial)


def _with_outputs(model: ExitEncoder, wanted: int) -> ExitEncoder:
    """The encoder with as many outputs as the task has: other exits are taken off."""
    if outputs_of(model) == wanted:
        return model
    renewed = ExitEncoder(model.backbone, n_classes=wanted)
    renew_exits(renewed)
    return renewed.eval()
