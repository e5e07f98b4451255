"""Settings that a command line changes: ``--knob NAME=VALUE``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dse.errors import UsageError
from search_space import KnobValue, ModelKnobs, model_knobs, nearest


def changed_knobs(
    flat: Mapping[str, KnobValue], changes: Sequence[str], changeable: Sequence[str]
) -> ModelKnobs:
    """A setting with some of its knobs changed.

    Args:
        flat: the setting that changes start from.
        changes: texts ``NAME=VALUE``; a value is a number where the setting has one.
        changeable: names that may be changed.

    Raises:
        UsageError: a name or a value cannot be.
    """
    changed = dict(flat)
    for change in changes:
        knob, _, text = change.partition("=")
        if knob not in changeable:
            raise UsageError(
                f"--knob {change!r}: expected NAME=VALUE with one of {', '.join(changeable)}"
                f"{nearest(knob, changeable) or '.'}"
            )
        is_number = isinstance(flat.get(knob), int | float)
        changed[knob] = _number(change, text) if is_number else text
    try:
        return model_knobs(changed)
    except ValueError as error:
        raise UsageError(f"--knob: {error}") from error


def _number(change: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"--knob {change!r}: expected a number.")
    return value
