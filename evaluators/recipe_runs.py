"""Running a recipe: its stages one after another, then a checkpoint folder with its card."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn

from evaluators.batches import equal_length_batches
from evaluators.cards import recipe_card, scores_on_card
from evaluators.checkpoint_folders import checkpoint_hash, load_checkpoint, save_checkpoint
from evaluators.checkpoints import CheckpointError, checkpoint_folder
from evaluators.encoders import ExitEncoder
from evaluators.glue import DATASETS_PREFIX, Sentences, TaskData, load_task, training_texts
from evaluators.learned_spans import Spans, hard_spans, write_spans
from evaluators.limits import check_padding, check_rows
from evaluators.live import SCALE_SENTENCES
from evaluators.objectives import HiddenObjective, TaskObjective
from evaluators.recipe_starts import started
from evaluators.recipes import MINILM, Recipe
from evaluators.students import pretrained_folder
from evaluators.tasks import glue_task
from evaluators.teachers import load_teacher
from evaluators.token_rows import TokenRow, token_ids, token_rows
from evaluators.trainable_compression import TrainableCompression
from evaluators.training import Progress, exit_scores, run_stage, saved_state
from evaluators.training_spans import SOFT_SPANS
from evaluators.training_stages import (
    CHECKPOINT,
    INITIAL,
    ITSELF,
    Stage,
    StageData,
    Trained,
    TrainingError,
)
from evaluators.work_folders import check_out, make_folder, stage_digests

_TEXT_WORDS: Final = 32
_TEXT_TOKENS: Final = 48


@dataclass(slots=True)
class RecipeRun:
    """One recipe on one task, from the last saved state of its work folder.

    Attributes:
        recipe: what to run.
        source: of the GLUE data (`evaluators.glue.load_task`).
        work: folder of the saved states of stages.
        teacher: checkpoint folder that stages with the teacher ``checkpoint`` learn from.
        seed: of everything random.
        say: receives lines of progress.
    """

    recipe: Recipe
    source: Path | str
    work: Path
    teacher: Path | None
    seed: int
    say: Progress
    data: TaskData = field(init=False)
    tokenizer: Tokenizer = field(init=False)
    _initial: nn.Module | None = field(init=False, default=None)
    _spans: Spans | None = field(init=False, default=None)
    _digests: dict[str, str] = field(init=False, default_factory=dict)

    def finished(self, out: Path) -> None:
        """Run what is left of the recipe and write the checkpoint.

        Args:
            out: checkpoint folder.

        Raises:
            CheckpointError: a checkpoint, or the state of an earlier stage, is missing or damaged,
                or a folder is in the way or cannot be made.
            GlueDataError: the data are missing or damaged.
            TrainingError: the recipe does not fit the encoder or the task, or a loss is not finite.
        """
        stages = self.recipe.stages
        saved = [i for i, one in enumerate(stages) if (self.work / _state_file(one)).is_file()]
        initial = self._initial_folder()
        teacher = self._teacher_folder()
        sources = [initial, *([teacher] if teacher else [])]
        check_out(out, sources, is_begun=bool(saved))
        self.data = load_task(glue_task(self.recipe.task), self.source)
        self.say(self.data.description)
        start = started(self.recipe, initial, self.data.task.n_outputs, self.seed)
        if self.data.task.is_regression:
            start.centre(self.data.train.labels)
        self.tokenizer, self._initial = start.tokenizer, start.initial
        model = start.model
        # What a later stage would stumble over is said before the first one takes its hours.
        for stage in stages:
            stage.weights_of_exits(model.n_layers)
            if stage.teacher == CHECKPOINT:
                self._teacher_of(stage, model)
        origins = {"data": self.data.content_hash()}
        if self.recipe.initial != MINILM:
            origins["initial"] = checkpoint_hash(initial)
        if teacher is not None:
            origins["teacher"] = checkpoint_hash(teacher)
        names = [stage.name for stage in stages]
        digests = stage_digests(self.recipe, origins)
        self._digests = dict(zip(names, digests, strict=True))
        for folder in (self.work, out):
            make_folder(folder)
        first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        sentences = []
        texts = self._texts() if any(one.data is StageData.TEXT for one in stages) else []
        task_rows = self._rows(self.data.train, model)
        check_padding(initial, model)
        check_rows(initial, model, task_rows)
        for index, stage in enumerate(stages):
            rows = texts if stage.data is StageData.TEXT else task_rows
            sentences.append(len(rows))
            if index >= max(saved, default=0):
                if stage.afresh:
                    model.load_state_dict(first)
                self._run(stage, model, rows)
            else:
                self._remember_spans(stage)
        self._write(model, out, sentences)

    def _initial_folder(self) -> Path:
        initial = self.recipe.initial
        return pretrained_folder() if initial == MINILM else _folder(initial)

    def _teacher_folder(self) -> Path | None:
        """Folder of the checkpoint that stages learn from; None if no stage does.

        Raises:
            TrainingError: it is named and not needed, or needed and not named.
        """
        learning = [one.name for one in self.recipe.stages if one.teacher == CHECKPOINT]
        if not learning:
            if self.teacher is not None:
                raise TrainingError(
                    f"--teacher {self.teacher}: no stage of the recipe learns from a checkpoint; "
                    f"leave it out, or give a stage the teacher {CHECKPOINT!r}."
                )
            return None
        if self.teacher is None and not self.recipe.teacher:
            raise TrainingError(
                f"Stage {learning[0]!r} learns from a checkpoint: name one by --teacher, or as "
                "teacher in the recipe."
            )
        return self.teacher or _folder(self.recipe.teacher)

    def _rows(self, data: Sentences, model: ExitEncoder) -> list[TokenRow]:
        """Token ids of sentences or pairs."""
        return token_rows(self.tokenizer, data.texts, data.pairs, has_types=model.has_token_types)

    def _labels(self) -> Tensor:
        """Labels of the training rows: classes, int64, or numbers, fp32."""
        labels = torch.tensor(self.data.train.labels)
        return labels.float() if self.data.task.is_regression else labels.long()

    def _remember_spans(self, stage: Stage) -> None:
        """Take up the spans that a finished stage learned."""
        if stage.spans is not None:
            state = saved_state(self.work, stage.name, "running")
            if state is None:
                raise self._lost(stage.name, "the spans that it learned are kept")
            self._spans = hard_spans(state[SOFT_SPANS], stage.spans.ramp_tokens)

    def _lost(self, stage: str, why: str) -> CheckpointError:
        return CheckpointError(
            f"{self.work / stage}.safetensors: no such file; {why}. Put it back, or start again in "
            "another work folder."
        )

    def _texts(self) -> list[list[int]]:
        """Token ids of the training text of all GLUE tasks at hand, without what is held out."""
        data = self.data
        if str(self.source).startswith(DATASETS_PREFIX):
            raise TrainingError(
                f"Training text is read from a folder of GLUE tasks: expected one, not "
                f"{str(self.source)!r}."
            )
        parts = [data.select, data.report, *([data.mismatched] if data.mismatched else [])]
        held_out = [text for part in parts for text in (*part.texts, *part.pairs)]
        of_task = {*data.train.texts, *data.train.pairs}
        selected = "\n".join((*data.select.texts, *data.select.pairs))
        texts = [
            text
            for text in training_texts(Path(self.source), held_out)
            if len(text.split()) <= _TEXT_WORDS and (text in of_task or text not in selected)
        ]
        rows = [row[:_TEXT_TOKENS] for row in token_ids(self.tokenizer, texts)]
        self.say(f"distillation text: {len(rows)} sentences, {sum(map(len, rows))} tokens")
        return rows

    def _run(self, stage: Stage, model: ExitEncoder, rows: Sequence[TokenRow]) -> None:
        """Train the model in place for a stage."""
        lengths = [len(row) for row in rows]
        if stage.teacher == INITIAL:
            assert self._initial is not None
            hidden = HiddenObjective(model, self._initial, rows)
            run_stage(
                *(stage, model, hidden, lengths, self.work, self.seed, self.say),
                recipe=self._digests[stage.name],
            )
            return
        # Hooks of the compression stay on a copy; so do the parameters that are frozen.
        learner = copy.deepcopy(model)
        weights = stage.weights_of_exits(learner.n_layers)
        learner.backbone.requires_grad_(stage.trained is Trained.ALL)
        for head, weight in zip(learner.exits, weights, strict=True):
            head.requires_grad_(weight > 0)
        compression = None
        if stage.is_compressed:
            calibration = self._rows(self.data.calibration, model)[:SCALE_SENTENCES]
            batches = [batch for _, batch in equal_length_batches(calibration)]
            steps = stage.steps(len(rows))
            compression = TrainableCompression(learner, stage, batches, steps, self._spans)
        teacher = self._teacher_of(stage, model)
        labels = self._labels()
        if stage.data is StageData.TEXT:
            labels = labels.new_zeros(len(rows))  # weighed by nothing
        objective = TaskObjective(stage, learner, rows, labels, teacher, compression, self.seed)

        def after_epoch(epoch: int) -> None:
            if compression is not None:
                compression.plain()
            scores = exit_scores(learner, self.tokenizer, self.data.select, self.data.task)
            told = "; ".join(f"{name} {_told(values)}" for name, values in scores.items())
            self.say(f"{stage.name}: epoch {epoch} of {stage.epochs}, on select: {told}")

        run_stage(
            *(stage, learner, objective, lengths, self.work, self.seed, self.say),
            after_epoch=after_epoch,
            of=f"{self.data.task.name}, seed {self.seed}",
            recipe=self._digests[stage.name],
        )
        if compression is not None:
            self._spans = compression.finish() or self._spans
        model.load_state_dict(learner.state_dict())

    def _teacher_of(self, stage: Stage, model: ExitEncoder) -> ExitEncoder | None:
        """What a stage learns from, in evaluation mode; None for its own last exit."""
        if stage.teacher == ITSELF:
            return None
        if stage.teacher == CHECKPOINT:
            folder = self._teacher_folder()
            assert folder is not None
            return load_teacher(folder, self.data, self.tokenizer, stage, model)
        weights = saved_state(self.work, stage.teacher, "model")
        if weights is None:
            raise self._lost(stage.teacher, f"stage {stage.name!r} learns from its weights")
        teacher = copy.deepcopy(model)
        teacher.load_state_dict(weights)
        return teacher.eval()

    def _write(self, model: ExitEncoder, out: Path, sentences: Sequence[int]) -> None:
        """Write the checkpoint with its card, which also scores the weights as they were stored."""
        model.eval()
        recipe, data = self.recipe, self.data
        teacher = self._teacher_of(recipe.stages[-1], model)
        card = recipe_card(recipe, data, self.seed, sentences)
        if teacher is not None:
            card |= scores_on_card("teacher", teacher, self.tokenizer, data)
        card |= scores_on_card("fp32", model, self.tokenizer, data)
        try:
            save_checkpoint(model, out, self.tokenizer, recipe.stored_as, card)
        except SafetensorError as error:
            raise CheckpointError(
                f"{out}: cannot be written ({error}); make room, and run the same command again: "
                "trained weights are in the work folder."
            ) from error
        write_spans(out, self._spans)
        card |= scores_on_card("stored", load_checkpoint(out), self.tokenizer, data)
        (out / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        self.say(f"{out}: {json.dumps(card['accuracy_stored'])}")


def _folder(checkpoint: str) -> Path:
    """Folder of a shipped checkpoint, or of one that a path or hub name names."""
    is_place = "/" in checkpoint or Path(checkpoint).is_dir()
    return checkpoint_folder(checkpoint, {checkpoint: checkpoint} if is_place else None)


def _state_file(stage: Stage) -> str:
    return f"{stage.name}.safetensors"


def _told(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)
