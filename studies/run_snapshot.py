"""What is known of a run at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from studies.records import Front
from studies.spec import StudySpec
from studies.trial_table import TrialTable

RunState = Literal["running", "finished", "unfinished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """A run, finished or not.

    Attributes:
        number: grows with every snapshot of the run that differs from the one before.
        state: ``running`` while a driver is at work, ``unfinished`` if none is and none has
            ended it.
        spec: the study.
        front: its front; without designs if there is none yet.
        trials: every trial that was told.
        note: what the user should know of the state; empty for nothing.
    """

    number: int
    state: RunState
    spec: StudySpec
    front: Front
    trials: TrialTable
    note: str
