"""What several draws of faults make of one setting, and which of them its trace holds.

A chip is written once and then keeps its faults, so a trace is one draw: that whose score at the
last exit on the ``select`` sentences is the median, the lower one of an even number, the first of
equal ones. How far other chips are from it is the standard deviation over the draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

FAULT_TRIALS: Final = 5
"""Draws behind a trace; their seeds are 0, 1, ..."""


@dataclass(frozen=True, slots=True)
class FaultTrials:
    """Scores of several draws of faults in the weights of one setting.

    Attributes:
        scores: (n_trials,) primary metric of the task at the last exit, by seed from 0 on.
    """

    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        """Require two trials, which a deviation takes."""
        if len(self.scores) < 2:
            raise ValueError(f"{len(self.scores)} trials of faults: expected 2 or more.")

    @property
    def chosen(self) -> int:
        """Seed of the draw with the median score."""
        order = np.argsort(self.scores, kind="stable")
        return int(order[(len(order) - 1) // 2])

    @property
    def mean(self) -> float:
        """Mean score."""
        return float(np.mean(self.scores))

    @property
    def deviation(self) -> float:
        """Standard deviation of the scores, n - 1 degrees of freedom."""
        return float(np.std(self.scores, ddof=1))

    @property
    def p5(self) -> float:
        """5th percentile of the scores, interpolated between those beside it."""
        return float(np.percentile(self.scores, 5))
