"""Parts of a front's record: what it says of its study, and of each design."""

from __future__ import annotations

from typing import Any

from search_space import KnobValue
from studies.design_details import DesignDetail
from studies.records import FrontDesign, ObjectiveRecord
from studies.spec import StudySpec


def head_of(spec: StudySpec) -> dict[str, Any]:
    """Fields of `studies.records.Front` that follow from the study alone, by name."""
    return {
        "format": 1,
        "title": spec.title,
        "strategy": spec.search.strategy,
        "evaluator": spec.evaluator.kind,
        "scenario": spec.scenario.model_dump(mode="json"),
        "objectives": [
            ObjectiveRecord(
                metric=o.metric,
                direction="maximize" if o.maximised else "minimize",
                axis=o.axis,
                ideal=o.ideal,
                reference=o.reference,
            )
            for o in spec.objectives
        ],
        "constraints": [constraint.text for constraint in spec.constraints],
    }


def front_design(
    rank: int,
    trial: int,
    flat: dict[str, KnobValue],
    detail: DesignDetail,
    *,
    membership: float | None = None,
    accuracy_low: float | None = None,
) -> FrontDesign:
    """The record of one design of a front.

    Args:
        rank: its place on the front, from 0.
        trial: number of the trial that it comes from.
        flat: its knobs.
        detail: what scoring it in full gave.
        membership: share of bootstrap samples in which it is on the front; None while unknown.
        accuracy_low: lower bound of its accuracy; likewise.
    """
    return FrontDesign(
        id=rank,
        trial=trial,
        knobs=flat,
        metrics=detail.metrics,
        report_accuracy=detail.report_accuracy,
        report_metrics=detail.report_metrics,
        breakdown=detail.breakdown,
        exit_layer_shares=detail.exit_layer_shares,
        voltage_shares=detail.voltage_shares,
        membership=membership,
        accuracy_low=accuracy_low,
    )
