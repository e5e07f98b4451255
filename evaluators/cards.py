"""Cards of checkpoints: what ``card.json`` says of a recipe, its data and the scores of weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from evaluators.encoders import ExitEncoder
from evaluators.glue import TaskData
from evaluators.recipes import Recipe
from evaluators.sentences import Sentences
from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import GlueTask
from evaluators.training import exit_scores
from search_space import NumberFormat


def recipe_card(
    recipe: Recipe, data: TaskData, seed: int, sentences: Sequence[int]
) -> dict[str, Any]:
    """What a card says of a recipe that was run, without scores.

    Args:
        recipe: what was run.
        data: the task that it was run on.
        seed: of everything random.
        sentences: rows that each of the stages was trained on.
    """
    return {
        "title": recipe.title,
        "task": data.task.name,
        "data": data.description,
        "metrics": list(data.task.metrics),
        "train_sentences": len(data.train),
        "data_sha256": data.content_hash(),
        "initial": recipe.initial,
        "stored_as": str(recipe.stored_as),
        "seed": seed,
        "stages": [
            {**as_json(stage), "sentences": count, "steps": stage.steps(count)}
            for stage, count in zip(recipe.stages, sentences, strict=True)
        ],
        "torch": torch.__version__,
        "majority_class": {
            "select": majority_score(data.select, data.task),
            "report": majority_score(data.report, data.task),
        },
    }


def scores_on_card(
    name: str, model: ExitEncoder, tokenizer: Tokenizer, data: TaskData
) -> dict[str, Any]:
    """What a card says of the scores of every exit on the splits, without compression.

    ``accuracy_NAME`` is of the task's primary metric, ``further_NAME`` of its others.
    """
    parts = {"select": data.select, "report": data.report}
    if data.mismatched is not None:
        parts["mismatched"] = data.mismatched
    scores = {
        split: exit_scores(model, tokenizer, part, data.task) for split, part in parts.items()
    }
    first, *others = data.task.metrics
    said: dict[str, Any] = {
        f"accuracy_{name}": {split: found[first] for split, found in scores.items()}
    }
    if others:
        said[f"further_{name}"] = {
            other: {split: found[other] for split, found in scores.items()} for other in others
        }
    return said


def majority_score(data: Sentences, task: GlueTask) -> float:
    """The task's primary metric of giving every row the commonest class, or the mean number."""
    labels = np.array(data.labels)
    answer = labels.mean() if task.is_regression else Counter(data.labels).most_common(1)[0][0]
    values = TASK_METRICS[task.primary_metric].values(np.full((1, len(labels)), answer), labels)
    return round(float(values[0]), 4)


def as_json(value: Any) -> Any:
    """A value of a recipe as JSON has it: number formats by name, null for what is not set."""
    if isinstance(value, NumberFormat):
        return str(value)
    if isinstance(value, tuple):
        return [as_json(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: as_json(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
