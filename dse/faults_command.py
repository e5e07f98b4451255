"""``dse faults``: what misread memory cells make of an encoder's accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dse.errors import UsageError
from dse.knob_changes import changed_knobs
from dse.tables import TABLE_WIDTH
from evaluators.checkpoints import checkpoint_folder
from evaluators.faults.cells import CellErrors, cell_errors
from evaluators.faults.storage import Part, Storage
from evaluators.faults.trials import FaultTrials
from evaluators.glue import load_task
from evaluators.live import LiveEvaluator
from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import UnknownTaskError, glue_task
from search_space import MODEL_KNOBS, CellKind, KnobValue, nearest

STORED: Final[dict[str, tuple[Part, ...]]] = {
    "all": ("embedding", "encoder", "exit"),
    "embeddings": ("embedding",),
    "encoder": ("encoder", "exit"),
}
"""What is kept in the cells: exits lie with the encoder's weights, the rest is read as written."""

_DENSE: Final[dict[str, KnobValue]] = {
    "span_budget_tokens": 128,
    "encoder_sparsity": 0.0,
    "embedding_sparsity": 0.0,
    "weight_format": "adaptivfloat<8,3>",
    "activation_format": "adaptivfloat<8,3>",
    "embedding_storage": CellKind.SRAM.value,
    "encoder_storage": CellKind.SRAM.value,
}
_CHANGEABLE: Final = tuple(
    name for name in MODEL_KNOBS if name != "checkpoint" and not name.endswith("_storage")
)
_PERCENT: Final = 100
_SAY_RATE: Final = " Give it by --error-rate."
_SAY_MASK_RATE: Final = (
    " Choose another kind for bitmasks: --error-rate is that of the codes' cells."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultReport:
    """What one kind of cell makes of the score; scores are fractions.

    Attributes:
        cell: kind.
        mask_cell: kind that keeps bitmasks.
        bits_per_cell: bits in one cell.
        cell_error_rate: share of cells misread, levels written equally often.
        bit_error_rate: share of bits.
        scores: by trial.
        misread_cells: mean over trials.
        mean: score over trials.
        deviation: standard deviation over trials.
        p5: 5th percentile over trials.
        drop: faultless score less the mean.
        drop_se: standard error of the drop over trials: the deviation over the root of their
            number.
    """

    cell: str
    mask_cell: str
    bits_per_cell: int
    cell_error_rate: float
    bit_error_rate: float
    scores: tuple[float, ...]
    misread_cells: float
    mean: float
    deviation: float
    p5: float
    drop: float
    drop_se: float


def print_faults(
    checkpoint: str,
    cells: Sequence[str],
    stored: str,
    mask_cell: str | None,
    error_rate: float | None,
    trials: int,
    sentences: int | None,
    changes: Sequence[str],
    task_name: str,
    data: str,
    as_json: bool,
) -> None:
    """Print the distribution of the score over draws of faults, by kind of cell.

    Args:
        checkpoint: name of a shipped one, or a folder.
        cells: kinds of cells; none for every eNVM whose rate is known.
        stored: a key of `STORED`.
        mask_cell: kind that keeps bitmasks; None for that of the codes.
        error_rate: share of cells misread, instead of the published one.
        trials: draws, 2 or more; their seeds are 0, 1, ...
        sentences: how many ``select`` sentences; None for all.
        changes: model knobs, ``name=value``.
        task_name: GLUE task.
        data: GLUE folder or ``datasets:NAME``.
        as_json: print JSON instead of a table.

    Raises:
        UsageError: the command line asks for something that cannot be.
        GlueDataError: the data are missing or damaged.
        CheckpointError: so is the checkpoint.
    """
    if stored not in STORED:
        known = ", ".join(STORED)
        raise UsageError(f"--storage {stored!r}: expected one of {known}{nearest(stored, STORED)}")
    if sentences is not None and sentences < 1:
        raise UsageError(f"--sentences {sentences}: expected 1 or more.")
    chosen = _storages(cells, STORED[stored], mask_cell, error_rate)
    knobs = changed_knobs({**_DENSE, "checkpoint": checkpoint}, changes, _CHANGEABLE)
    try:
        task = glue_task(task_name)
    except UnknownTaskError as error:
        raise UsageError(f"--task: {error}") from error
    own = {checkpoint: checkpoint} if Path(checkpoint).is_dir() else {}
    folder = checkpoint_folder(checkpoint, own)
    torch.set_num_threads(1)
    loaded = load_task(task, data)
    if sentences is not None and sentences > len(loaded.select):
        raise UsageError(
            f"--sentences {sentences}: expected at most the {len(loaded.select)} of {task.name}'s "
            "select split."
        )
    evaluator = LiveEvaluator(folder, loaded)
    reports = []
    with Progress(console=Console(stderr=True)) as bar:
        progress = bar.add_task("draws", total=1 + trials * len(chosen))
        none = Storage(errors={}, mask_errors={})
        ((faultless, _),) = evaluator.faulty_scores(knobs, none, [0], sentences)
        bar.advance(progress)
        for cell, mask, storage in chosen:
            pairs = []
            for pair in evaluator.faulty_scores(knobs, storage, range(trials), sentences):
                pairs.append(pair)
                bar.advance(progress)
            reports.append(_report(cell, mask, storage, faultless, pairs))
    metric = TASK_METRICS[task.primary_metric]
    if as_json:
        document = {
            "setting": {name: str(getattr(knobs, name)) for name in ("checkpoint", *_CHANGEABLE)},
            "task": task.name,
            "metric": task.primary_metric,
            "stored": stored,
            "sentences": sentences,
            "trials": trials,
            "faultless": faultless,
            "cells": [asdict(report) for report in reports],
        }
        print(json.dumps(document, indent=1))
        return
    print(f"{checkpoint}: {', '.join(f'{n} {getattr(knobs, n)}' for n in _CHANGEABLE)}\n")
    Console(width=max(TABLE_WIDTH, Console().width)).print(_table(reports, metric.title))
    which = "all" if sentences is None else f"{sentences} drawn"
    print(
        f"\n{metric.title} of the last exit on {which} select sentences, without faults "
        f"{faultless * _PERCENT:.2f}; {trials} draws of faults in the stored {stored}, seeds from "
        "0. ± is the standard error of the mean over draws; p5 their 5th percentile."
    )


def _storages(
    names: Sequence[str], parts: tuple[Part, ...], mask_cell: str | None, rate: float | None
) -> list[tuple[CellKind, CellKind, Storage]]:
    """Kind of cell, kind of the masks' cell, and storage of every kind asked for."""
    asked = [_cell(name) for name in names]
    found = []
    for kind in asked or [kind for kind in CellKind if kind.is_envm]:
        mask_kind = kind if mask_cell is None else _cell(mask_cell)
        try:
            errors = cell_errors(kind, rate)
        except ValueError as error:
            if not asked and rate is None:
                continue  # none is published
            said = "--cell" if rate is None else f"--error-rate {rate}"
            raise UsageError(f"{said}: {error}{_SAY_RATE if rate is None else ''}") from error
        try:
            mask_errors = errors if mask_kind is kind else cell_errors(mask_kind)
        except ValueError as error:
            raise UsageError(f"--mask-cell: {error}{_SAY_MASK_RATE}") from error
        storage = Storage(
            errors=dict.fromkeys(parts, errors), mask_errors=dict.fromkeys(parts, mask_errors)
        )
        found.append((kind, mask_kind, storage))
    return found


def _cell(name: str) -> CellKind:
    known = [kind.value for kind in CellKind if kind.is_envm]
    if name not in known:
        raise UsageError(
            f"Cell {name!r}: expected one of {', '.join(known)}{nearest(name, known) or '.'}"
        )
    return CellKind(name)


def _report(
    cell: CellKind,
    mask_cell: CellKind,
    storage: Storage,
    faultless: float,
    pairs: Sequence[tuple[float, int]],
) -> FaultReport:
    errors: CellErrors = next(iter(storage.errors.values()))
    trials = FaultTrials(tuple(score for score, _ in pairs))
    return FaultReport(
        cell=cell.value,
        mask_cell=mask_cell.value,
        bits_per_cell=errors.bits,
        cell_error_rate=errors.cell_rate,
        bit_error_rate=errors.bit_rate,
        scores=trials.scores,
        misread_cells=float(np.mean([misread for _, misread in pairs])),
        mean=trials.mean,
        deviation=trials.deviation,
        p5=trials.p5,
        drop=faultless - trials.mean,
        drop_se=trials.deviation / len(pairs) ** 0.5,
    )


def _table(reports: Sequence[FaultReport], title: str) -> Table:
    table = Table(header_style="bold", pad_edge=False, box=None)
    for header in ("cell", "bitmask\nin", "misread\nper cell", "misread\ncells"):
        table.add_column(header, no_wrap=True, justify="left" if header == "cell" else "right")
    for header in (f"{title}\nmean", "\ndeviation", "\np5", "points\nlost"):
        table.add_column(header, no_wrap=True, justify="right")
    for report in reports:
        shown: list[Any] = [report.cell, report.mask_cell, f"{report.cell_error_rate:.2g}"]
        shown += [f"{report.misread_cells:,.0f}", f"{report.mean * _PERCENT:.2f}"]
        shown += [f"{report.deviation * _PERCENT:.2f}", f"{report.p5 * _PERCENT:.2f}"]
        shown.append(f"{report.drop * _PERCENT:.2f} ±{report.drop_se * _PERCENT:.2f}")
        table.add_row(*shown)
    return table
