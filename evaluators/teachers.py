"""Checkpoints that a stage of training learns from: do they fit what learns?"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from evaluators.checkpoint_folders import load_checkpoint
from evaluators.encoders import ExitEncoder, ExitHead
from evaluators.glue import TaskData
from evaluators.limits import check_rows
from evaluators.token_rows import load_tokenizer, token_ids
from evaluators.training_stages import Stage, TrainingError


def outputs_of(model: ExitEncoder) -> int:
    """Outputs of every exit."""
    head = model.exits[0]
    assert isinstance(head, ExitHead)
    return head.classifier.out_features


def load_teacher(
    folder: Path, data: TaskData, tokenizer: Tokenizer, stage: Stage, learner: ExitEncoder
) -> ExitEncoder:
    """The encoder of a checkpoint, in evaluation mode, to teach a learner of the task.

    Args:
        folder: checkpoint folder.
        data: of the task.
        tokenizer: of the learner.
        stage: that learns from it.
        learner: what learns.

    Raises:
        CheckpointError: the folder is missing or damaged.
        TrainingError: its outputs are not the task's, its tokens not the learner's, or its hidden
            states are to be matched and cannot be.
    """
    teacher = load_checkpoint(folder, data.task.n_outputs)
    if outputs_of(teacher) != data.task.n_outputs:
        raise TrainingError(
            f"Teacher {folder} has {outputs_of(teacher)} outputs at every exit, expected "
            f"{data.task.n_outputs} for {data.task.name}: name one that was trained for it by "
            "--teacher."
        )
    texts = [*data.calibration.texts, *data.calibration.pairs]
    ours, theirs = token_ids(tokenizer, texts), token_ids(load_tokenizer(folder), texts)
    if ours != theirs:
        raise TrainingError(
            f"Teacher {folder} has another tokenizer than the encoder: expected the same tokens of "
            "every text, since both read the same token ids."
        )
    check_rows(folder, teacher, ours)
    _check_hidden(stage, learner, teacher)
    return teacher


def _check_hidden(stage: Stage, learner: ExitEncoder, teacher: ExitEncoder) -> None:
    widths = [one.exits[0].get_submodule("pooler").in_features for one in (learner, teacher)]
    if stage.hidden_weight and (learner.n_layers % teacher.n_layers or len(set(widths)) > 1):
        raise TrainingError(
            f"hidden_weight of stage {stage.name!r}: {learner.n_layers} layers of width "
            f"{widths[0]} cannot match the {teacher.n_layers} of width {widths[1]} of the "
            "teacher; expected the same width and a multiple of its layers."
        )
