"""Designs scored again under other constants: what sensitivity and uncertainty have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluators.exits import ExitHistogram
from hw_cost import AcceleratorColumns, Technology
from search_space import DesignPoint, ExitKnobs, HardwareKnobs, ModelKnobs
from studies.scoring import Scorer, Setting

FloatArray = NDArray[np.float64]
Ints = NDArray[np.int64]

FIGURES: Final = ("energy_pj", "latency_mean_ns", "area_mm2")
"""Metrics that the constants move and that are shown of a design."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Designs that share a setting: cells of a grid of accelerators by settings of the exit knobs.

    Attributes:
        setting: what they share.
        histogram: of the distinct settings of their exit knobs.
        columns: their distinct accelerators.
        rows: accelerator of each design.
        exits: setting of the exit knobs of each design.
        places: place of each design among all.
    """

    setting: Setting
    histogram: ExitHistogram
    columns: AcceleratorColumns
    rows: Ints
    exits: Ints
    places: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescoring:
    """Designs that are ready to be scored under any constants.

    Attributes:
        scorer: scenario and metrics; its technology is replaced each time.
        batches: the designs by setting.
        n_designs: number of designs.
    """

    scorer: Scorer
    batches: tuple[_Batch, ...]
    n_designs: int

    @classmethod
    def of(cls, scorer: Scorer, designs: Sequence[tuple[Setting, DesignPoint]]) -> Rescoring:
        """Designs, each with its measured setting; equal settings are scored together."""
        by_setting: dict[ModelKnobs, list[int]] = {}
        for place, (setting, _) in enumerate(designs):
            by_setting.setdefault(setting.knobs, []).append(place)
        batches = []
        for places in by_setting.values():
            setting = designs[places[0]][0]
            points = [designs[place][1] for place in places]
            hardware: dict[HardwareKnobs, int] = {}
            exits: dict[ExitKnobs, int] = {}
            for point in points:
                hardware.setdefault(point.hardware, len(hardware))
                exits.setdefault(point.exits, len(exits))
            batches.append(
                _Batch(
                    setting=setting,
                    histogram=scorer.histogram(setting, list(exits)),
                    columns=AcceleratorColumns.from_knobs(list(hardware)),
                    rows=np.array([hardware[p.hardware] for p in points], dtype=np.int64),
                    exits=np.array([exits[p.exits] for p in points], dtype=np.int64),
                    places=np.array(places, dtype=np.int64),
                )
            )
        return cls(scorer=scorer, batches=tuple(batches), n_designs=len(designs))

    def under(self, technology: Technology) -> dict[str, FloatArray]:
        """Metrics of the designs, (n_designs,) each; NaN where a design cannot run."""
        scorer = replace(self.scorer, technology=technology)
        found = {name: np.full(self.n_designs, np.nan) for name in scorer.metrics}
        for batch in self.batches:
            scores = scorer.score(batch.setting, batch.histogram, batch.columns)
            for name, values in scores.values.items():
                found[name][batch.places] = values[batch.rows, batch.exits]
        return found
