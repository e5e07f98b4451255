"""A study of several tasks as an export sees it: one of its tasks, whose model the chip holds."""

from __future__ import annotations

from dse.evaluation import Evaluation
from dse.front_records import front_design
from dse.trace_sources import TraceSource
from search_space import design_point
from studies.design_details import design_details
from studies.records import Front, FrontDesign
from studies.spec import StudySpec


def on_task(design: FrontDesign, spec: StudySpec, source: TraceSource) -> FrontDesign:
    """A design with its figures on one task.

    Args:
        design: of the front over all tasks.
        spec: the study on that task alone.
        source: the traces of that task.
    """
    evaluation = Evaluation(spec, source)
    setting = evaluation.setting(design.knobs)
    (detail,) = design_details(evaluation.scorer, setting, [design_point(design.knobs)])
    return front_design(design.id, design.trial, design.knobs, detail)


def front_on_task(front: Front, task: str) -> Front:
    """A front whose provenance is that of one task."""
    shared = {name: value for name, value in front.provenance.items() if name != "tasks"}
    provenance = {**shared, **front.provenance["tasks"][task]}
    return front.model_copy(update={"provenance": provenance})
