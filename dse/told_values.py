"""What may be told: outcomes with finite numbers of the right kind and number, and safe names.

Optuna takes infinities for values and any text for a name; neither reaches the storage. An
evaluator of one's own, or a worker with a broken library, may return anything.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from dse.errors import UsageError
from dse.executors import Kind
from dse.outcomes import Outcome
from studies.spec import StudySpec

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STATES: Final = ("complete", "infeasible", "pruned", "failed")


class _UnfitError(ValueError):
    """An outcome holds what cannot be told; the message says what."""


def checked_name(name: str) -> str:
    """The name of a study in its storage.

    Raises:
        UsageError: it could be taken for a path, markup or an option.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"Study name {name!r}: expected at most 100 letters, digits, '.', '_' and '-', the "
            "first a letter or digit; choose another."
        )
    return name


def checked_outcome(outcome: Any, kind: Kind, spec: StudySpec) -> Outcome:
    """The outcome with plain Python numbers; a failed one with the reason if it cannot be told."""
    try:
        return _plain(outcome, kind, spec)
    except _UnfitError as error:
        return Outcome(state="failed", reason=f"the evaluation gave {error}")


def _plain(outcome: Any, kind: Kind, spec: StudySpec) -> Outcome:
    if not isinstance(outcome, Outcome):
        raise _UnfitError(f"{_shown(outcome)} instead of an outcome")
    if outcome.state not in _STATES:
        raise _UnfitError(f"state {_shown(outcome.state)}: expected one of {', '.join(_STATES)}")
    if not isinstance(outcome.reason, str):
        raise _UnfitError(f"{_shown(outcome.reason)} as its reason: expected text")
    if not isinstance(outcome.metrics, dict):
        raise _UnfitError(f"{_shown(outcome.metrics)} as metrics: expected a table of numbers")
    metrics = {str(name): _finite(str(name), value) for name, value in outcome.metrics.items()}
    needed = [o.metric for o in spec.objectives] + [c.metric for c in spec.constraints]
    missing = [name for name in needed if name not in metrics]
    if kind == "design" and missing and (metrics or outcome.state == "complete"):
        raise _UnfitError(f"no metric {missing[0]!r}, which the study asks for")
    names = [o.metric for o in spec.objectives]
    rows = [_row(row, names) for row in _listed("values", outcome.values)]
    hardware = [_whole("hardware", n) for n in _listed("hardware", outcome.hardware)]
    exits = [_whole("exits", n) for n in _listed("exits", outcome.exits)]
    if not len(rows) == len(hardware) == len(exits):
        raise _UnfitError(
            f"{len(rows)} rows of values for {len(hardware)} rows of hardware and {len(exits)} of "
            "exits: expected as many of each"
        )
    if outcome.state == "complete" and not rows:
        raise _UnfitError("a complete design without objective values")
    return replace(
        outcome,
        metrics=metrics,
        values=rows,
        hardware=hardware,
        exits=exits,
        designs_scored=_whole("designs_scored", outcome.designs_scored),
        designs_pruned=_whole("designs_pruned", outcome.designs_pruned),
        own_hypervolume=_finite("own_hypervolume", outcome.own_hypervolume),
        estimate=[_row(row, names) for row in _listed("estimate", outcome.estimate)],
        sentences=_whole("sentences", outcome.sentences),
        seconds=_finite("seconds", outcome.seconds),
    )


def _row(row: Any, names: Sequence[str]) -> list[float]:
    values = _listed("values", row)
    if len(values) != len(names):
        raise _UnfitError(
            f"{len(values)} objective values: expected {len(names)} ({', '.join(names)})"
        )
    return [_finite(name, value) for name, value in zip(names, values, strict=True)]


def _listed(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _UnfitError(f"{_shown(value)} as {name}: expected a list")
    return list(value)


def _finite(name: str, value: Any) -> float:
    """The value as a float; a truth value is none, though Python takes it for 0 or 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _UnfitError(f"{name} {_shown(value)}: expected a number")
    try:
        found = float(value)
    except (OverflowError, ValueError):
        found = math.inf
    if not math.isfinite(found):
        raise _UnfitError(f"{name} {_shown(value)}: expected a finite number")
    return found


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise _UnfitError(f"{name} {_shown(value)}: expected a whole number, 0 or more")
    return int(value)


def _shown(value: Any) -> str:
    """A value as a short text, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # a value of one's own, or a number with too many digits to print
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
