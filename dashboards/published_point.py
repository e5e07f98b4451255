"""The published reference point of a front's figures."""

from __future__ import annotations

import numpy as np

from dashboards.front_views import Marked
from dashboards.run_views import RunView
from dashboards.titles import metric
from search_space import design_point
from studies.reference_design import TITLE, reference_design
from studies.scoring import score_one


def published_point(view: RunView) -> Marked | None:
    """Metrics of the published design under this study; None if it has no place in it.

    Raises:
        ValueError: the run's designs cannot be scored here.
    """
    flat = reference_design(view.snapshot.spec)
    if flat is None:
        return None
    bench, point = view.source.bench(), design_point(flat)
    scores = score_one(bench.scorer, bench.setting(flat), point.exits, point.hardware)
    values = {
        name: float(found[0, 0]) * metric(name, view.task).scale
        for name, found in scores.values.items()
    }
    if not np.isfinite(values.get("energy_pj", np.nan)):
        return None
    return Marked(TITLE, values)
