"""What a run measures on: data, checkpoints, recorded traces and cost model, by their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from dse.errors import ChangedInputError, UsageError
from dse.trace_sources import TaskSources, TraceSource
from studies.recorded import RecordedTraces
from studies.spec import StudySpec

_OWN_TO_A_DRIVER: Final = {
    "evaluator": {"cache", "cache_mib", "checkpoints", "limit_s"},
    "search": {"in_flight", "seed", "stop", "warm_start", "workers"},
}
"""What drivers of one study may have differently. Checkpoints are compared by their content."""


def origin_of(spec: StudySpec, source: TraceSource) -> dict[str, Any]:
    """Hashes of what accuracy is measured on, as a front's provenance has them.

    Of several tasks those of each, under ``tasks``.
    """
    if isinstance(source, TaskSources):
        each = {task: origin_of(spec.of_task(task), own) for task, own in source.by_task.items()}
        return {"tasks": each}
    if isinstance(source, RecordedTraces):
        manifest = source.manifest
        return {
            "data_sha256": manifest.data_sha256,
            "checkpoints": {n: c.checkpoint_sha256 for n, c in manifest.checkpoints.items()},
            "recorded_on": manifest.machine,
        }
    from dse.live import LiveSource  # torch: only where sentences are evaluated
    from evaluators.checkpoint_folders import checkpoint_hash

    assert isinstance(source, LiveSource)
    names = spec.search_space()["checkpoint"].values
    return {
        "data": source.data.description,
        "data_sha256": source.data.content_hash(),
        "checkpoints": {str(n): checkpoint_hash(source.folder(str(n))) for n in names},
    }


def input_hashes(spec: StudySpec, source: TraceSource, origin: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of every input of a study, by name: a change of one changes figures."""
    if isinstance(source, TaskSources):
        of_tasks: dict[str, str] = {}
        for task, own in source.by_task.items():
            hashes = input_hashes(spec.of_task(task), own, origin["tasks"][task])
            of_tasks |= {f"{name} of {task}": digest for name, digest in hashes.items()}
        return of_tasks
    names = [str(name) for name in spec.search_space()["checkpoint"].values]
    found = {"data set": str(origin["data_sha256"])}
    found |= {
        f"checkpoint {name}": str(origin["checkpoints"][name])
        for name in names
        if name in origin["checkpoints"]
    }
    if isinstance(source, RecordedTraces):
        recorded = source.manifest.checkpoints
        found |= {
            f"recorded traces of {name}": recorded[name].arrays_sha256
            for name in names
            if name in recorded
        }
    script = spec.cost_model.script
    if script is not None:
        found[f"cost model {spec.cost_model.name}"] = hashlib.sha256(
            script.read_bytes()
        ).hexdigest()
    return found


def refuse_changed(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Require the inputs of a run to be what they were.

    Raises:
        ChangedInputError: one is another; trials on the two could not be compared.
    """
    for name, digest in before.items():
        if now.get(name) != digest:
            other = f"{now[name][:12]}… now" if name in now else "gone now"
            raise ChangedInputError(
                f"{name[0].upper()}{name[1:]} has changed since the run began (SHA-256 "
                f"{digest[:12]}… then, {other}): put the old one back, or start a new run."
            )


def study_facts(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of every table of a study that its drivers must have in common, by name."""
    document = spec.document()
    for table, names in _OWN_TO_A_DRIVER.items():
        document[table] = {n: v for n, v in document[table].items() if n not in names}
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for name, value in document.items()
        if name != "title"
    }


def refuse_another_study(agreed: Mapping[str, str], spec: StudySpec, study_name: str) -> None:
    """Require a driver's study file to be that of the drivers before it.

    Raises:
        UsageError: a table is another.
    """
    own = study_facts(spec)
    other = sorted(name for name, digest in agreed.items() if own[name] != digest)
    if other:
        raise UsageError(
            f"Study {study_name!r} was begun with another study file: {', '.join(other)} "
            f"{'differs' if len(other) == 1 else 'differ'}; take that file, or another "
            "--study-name."
        )
