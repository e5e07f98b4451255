"""The archive: every distinct point's outcome, and the front of all of them so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from studies.fronts import FloatArray, hypervolume, non_dominated
from studies.objectives import Objective

Member = tuple[int, int, int]
"""Where a front point comes from: trial, hardware row, exit row (0 and 0 in a joint study)."""


@dataclass(slots=True)
class Archive:
    """Non-dominated points of a study.

    Attributes:
        objectives: axes of the study.
        values: (n_points, n_objectives) of the front.
        members: where each point comes from.
        designs_scored: designs scored so far.
        hypervolume: of the front.
    """

    objectives: Sequence[Objective]
    values: FloatArray = field(init=False)
    members: list[Member] = field(default_factory=list)
    designs_scored: int = 0
    hypervolume: float = 0.0

    def __post_init__(self) -> None:
        """Start empty."""
        self.values = np.zeros((0, len(self.objectives)))

    def add(self, values: FloatArray, members: Sequence[Member], designs_scored: int) -> None:
        """Merge points (n_points, n_objectives) into the front."""
        self.designs_scored += designs_scored
        if len(values) == 0:
            return
        merged = np.concatenate([self.values, values])
        everyone = self.members + list(members)
        best: NDArray[np.bool_] = non_dominated(merged, self.objectives)
        if not best[len(self.values) :].any():
            return
        self.values = merged[best]
        self.members = list(compress(everyone, best.tolist()))
        self.hypervolume = hypervolume(self.values, self.objectives)
