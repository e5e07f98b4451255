"""Accuracy of an export's packed model on the sentences of its task, beside what is stated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from dse.errors import ChangedInputError
from dse.exports.checks import FigureCheck
from dse.exports.loading import ExportFolder
from dse.exports.model import ExportedModel
from dse.exports.recomputed import ExportedDesign
from evaluators.exits import accuracy_with_error, exit_answers, exit_layers
from evaluators.glue import load_task
from evaluators.sentences import TaskData
from evaluators.token_rows import TokenRow
from evaluators.traces import ExitTrace, Split
from search_space import ExitKnobs

ACCURACY_TOLERANCE: Final = 0.005
"""Of the primary metric: another machine rounds matrix products otherwise, and then a few sentences
near a threshold leave elsewhere."""
CHANGED_SHARE: Final = 0.01
"""Share of the sentences whose prediction may be another for the same reason."""


def model_checks(folder: ExportFolder, design: ExportedDesign, data: str) -> Iterator[FigureCheck]:
    """Accuracy of the packed model on each split, and how many predictions are others.

    Raises:
        ChangedInputError: the data are not those that the figures were measured on.
        ExportError: the model cannot be loaded.
        GlueDataError: data are missing or damaged.
    """
    model = ExportedModel.of(folder)
    found = load_task(model.task, data)
    expected = str(folder.document.provenance.get("data_sha256"))
    if found.content_hash() != expected:
        raise ChangedInputError(
            f"The data set is not the one that the design was measured on (SHA-256 "
            f"{found.content_hash()[:12]}…, expected {expected[:12]}…): give that one by --data."
        )
    stated = {
        Split.SELECT: ("accuracy", folder.document.metrics["accuracy"].value),
        Split.REPORT: ("report_accuracy", folder.document.report_accuracy.value),
    }
    exits = design.point.exits
    for split, (name, value) in stated.items():
        trace = design.setting.trace.of(split)
        again = replace(trace, logits=model.logits(_rows(model, found, split)))
        accuracy, _ = accuracy_with_error(again, exit_layers(again, [exits])[1])
        changed, moved = _changed(trace, again, exits)
        note = (
            f"{changed} of {len(trace.tokens)} predictions and {moved} exit layers are others than "
            "in the trace"
        )
        yield FigureCheck(
            name=f"{name} of the packed model",
            stated=value,
            recomputed=float(accuracy[0]),
            tolerance=ACCURACY_TOLERANCE,
            note=note,
        )
        yield FigureCheck(
            name=f"predictions changed, {split.name.lower()}",
            stated=0.0,
            recomputed=float(changed),
            tolerance=CHANGED_SHARE * len(trace.tokens),
        )


def _rows(model: ExportedModel, data: TaskData, split: Split) -> list[TokenRow]:
    sentences = data.select if split is Split.SELECT else data.report
    return model.rows(sentences.texts, sentences.pairs)


def _changed(before: ExitTrace, now: ExitTrace, exits: ExitKnobs) -> tuple[int, int]:
    """How many sentences leave with another answer, and how many after another layer."""
    layers = [exit_layers(trace, [exits])[1] for trace in (before, now)]
    answers = [exit_answers(*pair) for pair in zip((before, now), layers, strict=True)]
    return int(np.sum(answers[0] != answers[1])), int(np.sum(layers[0] != layers[1]))
