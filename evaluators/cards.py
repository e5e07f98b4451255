"""Cards of checkpoints: what ``card.json`` says beside the scores of the weights."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from evaluators.sentences import Sentences
from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import GlueTask
from search_space import NumberFormat


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
