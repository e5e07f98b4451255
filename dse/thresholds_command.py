"""``dse thresholds``: how early sentences may leave at a given loss of accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from dse.errors import SelectionError, UsageError
from dse.knob_changes import changed_knobs
from dse.rescored import source_of_run
from dse.runs import RunFolder, open_run
from dse.tables import TABLE_WIDTH, exit_rule
from evaluators.drop_targets import DEFAULT_TOLERANCE, AccuracyDrop, DropTarget, drop_targets
from evaluators.task_metrics import TASK_METRICS
from evaluators.tasks import glue_task
from evaluators.traces import ExitTrace
from search_space import (
    KNOBS_OF_EXIT_POLICY,
    CellKind,
    ExitPolicy,
    KnobValue,
    ModelKnobs,
    model_knobs,
    nearest,
)
from studies.recorded import KEY_NAMES, SHIPPED, RecordedTraces, knobs_of_key
from studies.records import RecordError

POLICIES: Final = tuple(policy for policy in ExitPolicy if KNOBS_OF_EXIT_POLICY[policy])
"""Exit policies that have a threshold."""

_PERCENT: Final = 100
_CHANGEABLE: Final = KEY_NAMES[1:]


def print_thresholds(
    subject: str,
    policies: Sequence[str],
    drops: str,
    changes: Sequence[str],
    traces: Path | None,
    design_id: int | None,
    tolerance: float | None,
    as_json: bool,
) -> None:
    """Print the threshold of each policy that saves most at each drop in accuracy.

    Args:
        subject: checkpoint with recorded traces, or a run folder.
        policies: exit policies by name; none for all that have a threshold.
        drops: points of accuracy that may be lost, separated by commas.
        changes: of a checkpoint: model knobs, ``name=value``.
        traces: of a checkpoint: folder of recorded traces; None for the shipped one.
        design_id: of a run: design of its front.
        tolerance: of ``patience`` on a regression; None for the usual one, in the unit of the
            labels.
        as_json: print JSON instead of a table.

    Raises:
        UsageError: the command line asks for something that cannot be.
        RunFolderError: the folder is not that of a run.
        SelectionError: there is no such design.
        RecordError: the run has no front.
        RecordedTracesError: the checkpoint or the setting is not recorded.
    """
    chosen = [_policy(name) for name in policies] or list(POLICIES)
    most_lost = _fractions(drops)
    if Path(subject).is_dir() or "/" in subject:
        run = open_run(Path(subject))
        if changes or traces is not None:
            raise UsageError(f"{subject} is a run folder: --knob and --traces need a checkpoint.")
        knobs, trace = _of_run(run, design_id)
    else:
        if design_id is not None:
            raise UsageError(f"--id {design_id}: {subject!r} is no run folder.")
        knobs, trace = _of_checkpoint(subject, changes, traces or SHIPPED)
    is_regression = glue_task(trace.task).is_regression
    if is_regression:
        chosen = [_policy(name) for name in policies] or [ExitPolicy.PATIENCE]
    elif tolerance is not None:
        raise UsageError(
            f"--tolerance {tolerance}: {trace.task} has classes, which agree if they are the same; "
            "leave it out."
        )
    usual = DEFAULT_TOLERANCE if tolerance is None else tolerance
    try:
        found = {policy: drop_targets(trace, policy, most_lost, usual) for policy in chosen}
    except ValueError as error:
        raise UsageError(str(error)) from error
    setting = knobs_of_key(knobs.trace_key())
    if as_json:
        print(json.dumps(_document(setting, trace, most_lost, found), indent=1))
        return
    named = [f"{name} {value}" for name, value in setting.items() if name != "checkpoint"]
    print(f"{setting['checkpoint']}: {', '.join(named)}\n")
    metric, unit = _metric(trace)
    table = _table(most_lost, found, f"{metric} {unit}")
    Console(width=max(TABLE_WIDTH, Console().width)).print(table)
    agree = f"Numbers agree if they differ by less than {usual}. " if is_regression else ""
    print(
        f"\nOf {trace.n_exits} layers. {agree}Chosen on the select split among all thresholds, "
        "for the lowest mean exit layer; nothing was chosen on the report split. Drops are points "
        f"of {metric} against the last exit, ± is their paired standard error."
    )


def _metric(trace: ExitTrace) -> tuple[str, str]:
    """Name, as within a sentence, and unit of the primary metric of a trace's task."""
    name = glue_task(trace.task).primary_metric
    about = TASK_METRICS[name]
    return name if name == "accuracy" else about.title, about.unit


def _policy(name: str) -> ExitPolicy:
    known = [policy.value for policy in POLICIES]
    if name not in known:
        raise UsageError(
            f"--policy {name!r}: expected one of {', '.join(known)}{nearest(name, known) or '.'}"
        )
    return ExitPolicy(name)


def _fractions(drops: str) -> list[float]:
    """Points, separated by commas, as fractions."""
    try:
        points = [float(text) for text in drops.split(",")]
    except ValueError:
        points = []
    if not points or not all(0 <= point <= _PERCENT for point in points):
        raise UsageError(f"--drop {drops!r}: expected points of accuracy, 0 to 100, as in 1,2,5.")
    return [point / _PERCENT for point in points]


def _of_run(run: RunFolder, design_id: int | None) -> tuple[ModelKnobs, ExitTrace]:
    """Model knobs of a design of a run, and their trace."""
    front = run.front_record()
    if design_id is None:
        raise UsageError(f"{run.path} has {len(front.designs)} designs: say which one by --id.")
    try:
        knobs = model_knobs(front.design(design_id).knobs)
    except RecordError as error:
        raise SelectionError(f"--id {design_id}: {error}") from error
    return knobs, source_of_run(run).trace(knobs)


def _of_checkpoint(name: str, changes: Sequence[str], folder: Path) -> tuple[ModelKnobs, ExitTrace]:
    """A recorded setting of a checkpoint, and its trace."""
    recorded = RecordedTraces(folder)
    storage = ("embedding_storage", "encoder_storage", "exit_storage")
    cells: dict[str, KnobValue] = dict.fromkeys(storage, CellKind.SRAM.value)
    flat = {**cells, **knobs_of_key(recorded.first_setting(name))}
    knobs = changed_knobs(flat, changes, _CHANGEABLE)
    return knobs, recorded.trace(knobs)


Found = dict[ExitPolicy, tuple[DropTarget | None, ...]]


def _table(most_lost: Sequence[float], found: Found, metric: str) -> Table:
    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("lose at most\npoints", justify="right", no_wrap=True)
    table.add_column("exit\nthreshold", no_wrap=True)
    for split in ("select", "report"):
        for header in ("mean exit layer", metric, "drop"):
            table.add_column(f"{split}\n{header}", justify="right", no_wrap=True)
    for policy, targets in found.items():
        for most, target in zip(most_lost, targets, strict=True):
            points = f"{most * _PERCENT:g}"
            if target is None:
                table.add_row(points, f"{policy} none")
                continue
            rule = exit_rule(policy, str(target.threshold))
            table.add_row(points, rule, *_cells(target.select), *_cells(target.report))
    return table


def _cells(figures: AccuracyDrop) -> tuple[str, str, str]:
    return (
        f"{figures.mean_exit_layer:.3f}",
        f"{figures.accuracy * _PERCENT:.2f}",
        f"{figures.drop * _PERCENT:.2f} ±{figures.drop_se * _PERCENT:.2f}",
    )


def _document(
    setting: dict[str, Any], trace: ExitTrace, most_lost: Sequence[float], found: Found
) -> dict[str, Any]:
    """What ``--json`` prints; primary metrics and drops are fractions."""
    targets = [
        {
            "policy": policy.value,
            "most_lost": most,
            "knob": KNOBS_OF_EXIT_POLICY[policy][0],
            "threshold": None if target is None else target.threshold,
            "select": None if target is None else asdict(target.select),
            "report": None if target is None else asdict(target.report),
        }
        for policy, of_policy in found.items()
        for most, target in zip(most_lost, of_policy, strict=True)
    ]
    return {"setting": setting, "task": trace.task, "n_exits": trace.n_exits, "targets": targets}
