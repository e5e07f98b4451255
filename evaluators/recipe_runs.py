"""Running a recipe: its stages one after another, then a checkpoint folder with its card."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from evaluators.checkpoints import CheckpointError, checkpoint_folder
from evaluators.encoders import (
    ExitEncoder,
    load_checkpoint,
    load_tokenizer,
    save_checkpoint,
    token_ids,
)
from evaluators.glue import Sentences, TaskData, load_sst2, training_texts
from evaluators.live import SCALE_SENTENCES, _equal_length_batches
from evaluators.objectives import HiddenObjective, TaskObjective
from evaluators.recipes import MINILM, Recipe, RecipeError
from evaluators.students import pretrained_folder, pretrained_minilm, shared_student
from evaluators.trainable_compression import TrainableCompression
from evaluators.training import Progress, exit_accuracies, run_stage, saved_weights
from evaluators.training_stages import CHECKPOINT, INITIAL, ITSELF, Stage, StageData, Trained
from search_space import NumberFormat

_TEXT_WORDS: Final = 32
_TEXT_TOKENS: Final = 48


@dataclass(slots=True)
class RecipeRun:
    """One recipe on one task, from the last saved state of its work folder.

    Attributes:
        recipe: what to run.
        glue_dir: GLUE folder.
        work: folder of the saved states of stages.
        teacher: checkpoint folder that stages with the teacher ``checkpoint`` learn from.
        seed: of everything random.
        say: receives lines of progress.
    """

    recipe: Recipe
    glue_dir: Path
    work: Path
    teacher: Path | None
    seed: int
    say: Progress
    data: TaskData = field(init=False)
    tokenizer: Tokenizer = field(init=False)
    _initial: nn.Module | None = field(init=False, default=None)

    def finished(self, out: Path) -> None:
        """Run what is left of the recipe and write the checkpoint.

        Args:
            out: checkpoint folder.

        Raises:
            CheckpointError: a checkpoint, or the state of an earlier stage, is missing or damaged.
            GlueDataError: the data are.
            RecipeError: the recipe does not fit the encoder or the task.
        """
        self.data = load_sst2(self.glue_dir)
        model = self._started()
        stages = self.recipe.stages
        saved = [i for i, one in enumerate(stages) if (self.work / _state_file(one)).is_file()]
        sentences = []
        texts = self._texts() if any(one.data is StageData.TEXT for one in stages) else []
        task_rows = token_ids(self.tokenizer, self.data.train.texts)
        for index, stage in enumerate(stages):
            rows = texts if stage.data is StageData.TEXT else task_rows
            sentences.append(len(rows))
            if index >= max(saved, default=0):
                self._run(stage, model, rows)
        self._write(model, out, sentences)

    def _started(self) -> ExitEncoder:
        """The encoder that the first stage starts from, and its tokenizer."""
        initial = self.recipe.initial
        folder = pretrained_folder() if initial == MINILM else _folder(initial)
        self.tokenizer = load_tokenizer(folder)
        torch.manual_seed(self.seed)
        if initial != MINILM:
            if self.recipe.student is not None:
                raise RecipeError(f"A student starts from {MINILM!r} alone, not {initial!r}.")
            return load_checkpoint(folder)
        backbone = pretrained_minilm()
        if self.recipe.student is None:
            return ExitEncoder(backbone, n_classes=2)
        self._initial = backbone.eval()  # type: ignore[no-untyped-call]
        return ExitEncoder(shared_student(backbone, self.recipe.student), n_classes=2)

    def _texts(self) -> list[list[int]]:
        """Token ids of the training text of all GLUE tasks at hand, without what is held out."""
        data = self.data
        held_out = (*data.select.texts, *data.report.texts)
        of_task = set(data.train.texts)
        selected = "\n".join(data.select.texts)
        texts = [
            text
            for text in training_texts(self.glue_dir, held_out)
            if len(text.split()) <= _TEXT_WORDS and (text in of_task or text not in selected)
        ]
        rows = [row[:_TEXT_TOKENS] for row in token_ids(self.tokenizer, texts)]
        self.say(f"distillation text: {len(rows)} sentences, {sum(map(len, rows))} tokens")
        return rows

    def _run(self, stage: Stage, model: ExitEncoder, rows: Sequence[Sequence[int]]) -> None:
        """Train the model in place for a stage."""
        lengths = [len(row) for row in rows]
        if stage.teacher == INITIAL:
            assert self._initial is not None
            hidden = HiddenObjective(model, self._initial, rows)
            run_stage(stage, model, hidden, lengths, self.work, self.seed, self.say)
            return
        # Hooks of the compression stay on a copy; so do the parameters that are frozen.
        learner = copy.deepcopy(model)
        weights = stage.weights_of_exits(learner.n_layers)
        learner.backbone.requires_grad_(stage.trained is Trained.ALL)
        for head, weight in zip(learner.exits, weights, strict=True):
            head.requires_grad_(weight > 0)
        compression = None
        if stage.sampling is not None:
            compression = TrainableCompression(learner, stage.sampling, self._calibration())
        teacher = self._teacher_of(stage, model)
        labels = self.data.train.labels
        objective = TaskObjective(stage, learner, rows, labels, teacher, compression, self.seed)
        run_stage(stage, learner, objective, lengths, self.work, self.seed, self.say)
        model.load_state_dict(learner.state_dict())

    def _calibration(self) -> list[Tensor]:
        """Batches of token ids (batch, tokens) that spans are measured on."""
        rows = token_ids(self.tokenizer, self.data.calibration.texts[:SCALE_SENTENCES])
        return [batch for _, batch in _equal_length_batches(rows)]

    def _teacher_of(self, stage: Stage, model: ExitEncoder) -> ExitEncoder | None:
        """What a stage learns from, in evaluation mode; None for its own last exit."""
        if stage.teacher == ITSELF:
            return None
        if stage.teacher == CHECKPOINT:
            if self.teacher is None and not self.recipe.teacher:
                raise RecipeError(
                    f"Stage {stage.name!r} learns from a checkpoint: name one by --teacher, or as "
                    "teacher in the recipe."
                )
            return load_checkpoint(self.teacher or _folder(self.recipe.teacher))
        weights = saved_weights(self.work, stage.teacher)
        if weights is None:
            raise CheckpointError(
                f"{self.work / stage.teacher}.safetensors: no such file; stage {stage.name!r} "
                "learns from its weights. Put it back, or start again in another work folder."
            )
        teacher = copy.deepcopy(model)
        teacher.load_state_dict(weights)
        return teacher.eval()

    def _write(self, model: ExitEncoder, out: Path, sentences: Sequence[int]) -> None:
        """Write the checkpoint with its card, which also scores the weights as they were stored."""
        model.eval()
        recipe, data = self.recipe, self.data
        last = recipe.stages[-1]
        teacher = self._teacher_of(last, model)
        card: dict[str, Any] = {
            "title": recipe.title,
            "task": recipe.task,
            "train_sentences": len(data.train),
            "data_sha256": data.content_hash(),
            "initial": recipe.initial,
            "stored_as": str(recipe.stored_as),
            "seed": self.seed,
            "stages": [
                {**_as_json(stage), "sentences": count, "steps": stage.steps(count)}
                for stage, count in zip(recipe.stages, sentences, strict=True)
            ],
            "torch": torch.__version__,
            "majority_class": {
                "select": _majority_share(data.select),
                "report": _majority_share(data.report),
            },
        }
        if teacher is not None:
            card["accuracy_teacher"] = self._accuracies(teacher)
        card["accuracy_fp32"] = self._accuracies(model)
        save_checkpoint(model, out, self.tokenizer, recipe.stored_as, card)
        card["accuracy_stored"] = self._accuracies(load_checkpoint(out))
        (out / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        self.say(f"{out}: {json.dumps(card['accuracy_stored'])}")

    def _accuracies(self, model: ExitEncoder) -> dict[str, list[float]]:
        """Accuracy of every exit on both splits, without compression."""
        return {
            "select": exit_accuracies(model, self.tokenizer, self.data.select),
            "report": exit_accuracies(model, self.tokenizer, self.data.report),
        }


def _folder(checkpoint: str) -> Path:
    """Folder of a shipped checkpoint, or of one that a path or hub name names."""
    is_place = "/" in checkpoint or Path(checkpoint).is_dir()
    return checkpoint_folder(checkpoint, {checkpoint: checkpoint} if is_place else None)


def _state_file(stage: Stage) -> str:
    return f"{stage.name}.safetensors"


def _majority_share(data: Sentences) -> float:
    """Accuracy of giving every sentence the commonest label."""
    return round(Counter(data.labels).most_common(1)[0][1] / len(data), 4)


def _as_json(value: Any) -> Any:
    """A value of a recipe as JSON has it: number formats by name, no key for what is not set."""
    if isinstance(value, NumberFormat):
        return str(value)
    if isinstance(value, tuple):
        return [_as_json(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _as_json(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
