"""The published reference point of a front's figures."""

from __future__ import annotations

from dashboards.front_views import Marked
from dashboards.run_views import RunView
from dashboards.titles import metric
from studies.reference_design import TITLE, scored_reference


def published_point(view: RunView) -> Marked | None:
    """Metrics of the published design under this study; None if it has no place in it.

    Raises:
        ValueError: the run's designs cannot be scored here.
    """
    found = scored_reference(view.source.bench(), view.snapshot.spec)
    if found is None:
        return None
    _, metrics = found
    values = {name: value * metric(name, view.task).scale for name, value in metrics.items()}
    return Marked(TITLE, values)
