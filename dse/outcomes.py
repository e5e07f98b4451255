"""What became of a task: the outcome of a setting or of a design, and how it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one task.

    Attributes:
        state: ``complete``, ``infeasible`` (a result: the reason says why), ``pruned`` (its race
            was lost) or ``failed``.
        reason: one sentence unless complete.
        metrics: joint: every metric of the design.
        values: objective values: joint one row, nested one row for each point of the inner front.
        hardware: nested: rows of the inner space's hardware.
        exits: nested: rows of its exit settings.
        designs_scored: designs that the outcome is of.
        designs_pruned: nested: those of them that no score was needed for.
        own_hypervolume: nested: hypervolume of this setting's front alone; of a pruned one that of
            the estimate.
        estimate: pruned: values of the inner front on the sentences drawn, if any was.
        sentences: racing: sentences of the setting that were measured.
        seconds: time it took.
        notes: sentences for the user, from a worker that cannot tell them; the executor does.
    """

    state: Literal["complete", "infeasible", "pruned", "failed"]
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    values: list[list[float]] = field(default_factory=list)
    hardware: list[int] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    designs_scored: int = 0
    designs_pruned: int = 0
    own_hypervolume: float = 0.0
    estimate: list[list[float]] = field(default_factory=list)
    sentences: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON values, defaults left out: what the journal keeps."""
    default = Outcome(state="complete")
    return {
        name: getattr(outcome, name)
        for name in Outcome.__dataclass_fields__
        if name == "state" or getattr(outcome, name) != getattr(default, name)
    }
