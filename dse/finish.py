"""From a finished search to its records: ``front.json`` and ``front.parquet``."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from dse.archive import Member
from dse.evaluation import Evaluation
from dse.front_records import front_design, head_of
from dse.membership import front_membership
from dse.race_counts import race_counts
from dse.search import Search
from dse.trials_table import write_table
from evaluators.bootstrap import RESAMPLES
from search_space import KNOBS, MODEL_KNOBS, KnobValue, design_point
from studies.design_details import design_details
from studies.inner_space import InnerSpace, flat_design
from studies.records import (
    Bootstrap,
    Dominated,
    Figure,
    Front,
    FrontDesign,
    Grid,
)
from studies.spec import StudySpec
from studies.spec_tables import Range

DOMINATED_SHOWN: Final = 1_500
HISTORY_SHOWN: Final = 1_000


def write_front_table(path: Path, front: Front) -> None:
    """Write ``front.parquet``: every design of the front as a row, whole or not at all.

    Columns are id, trial, knobs, metrics with their standard errors (``NAME_se``), the accuracy on
    the report split with its own, the lower bound of the accuracy, and the membership.

    Raises:
        UnwritableError: it cannot be written.
    """
    rows = [
        {
            "id": design.id,
            "trial": design.trial,
            **design.knobs,
            **_figure_columns(design.metrics),
            **_figure_columns({"report_accuracy": design.report_accuracy}),
            "accuracy_low": design.accuracy_low,
            "membership": design.membership,
        }
        for design in front.designs
    ]
    names = list(rows[0]) if rows else []
    write_table(path, pa.table({name: pa.array([row[name] for row in rows]) for name in names}))


def _figure_columns(figures: Mapping[str, Figure]) -> dict[str, float | None]:
    """A column for each figure, and one for its standard error."""
    columns: dict[str, float | None] = {}
    for name, figure in figures.items():
        columns |= {name: figure.value, f"{name}_se": figure.se}
    return columns


def front_of(
    search: Search, evaluation: Evaluation, spec: StudySpec, provenance: dict[str, Any]
) -> Front:
    """The front of a search with everything that is shown of it."""
    is_nested = spec.search.strategy == "nested"
    inner = InnerSpace.of(search.space, spec.enumerated_storage()) if is_nested else None
    points = [(member, _flat(search, inner, member)) for member in search.archive.members]
    first = spec.objectives[0]
    sign = -1 if first.maximised else 1
    order = sorted(
        range(len(points)),
        key=lambda i: (sign * search.archive.values[i, 0], *search.archive.values[i, 1:]),
    )
    by_setting: dict[tuple[KnobValue, ...], list[int]] = defaultdict(list)
    for rank, index in enumerate(order):
        flat = points[index][1]
        by_setting[tuple(flat[name] for name in MODEL_KNOBS)].append(rank)
    membership, n_rivals = (
        front_membership(search, evaluation, spec, inner) if points else (None, 0)
    )
    designs: dict[int, FrontDesign] = {}
    for ranks in by_setting.values():
        flats = [points[order[rank]][1] for rank in ranks]
        details = design_details(
            evaluation.scorer,
            evaluation.setting(flats[0]),
            [design_point(flat) for flat in flats],
        )
        for rank, flat, detail in zip(ranks, flats, details, strict=True):
            assert membership is not None
            designs[rank] = front_design(
                *(rank, points[order[rank]][0][0], flat, detail),
                membership=float(membership.probability[order[rank]]),
                accuracy_low=float(membership.accuracy_low[order[rank]]),
            )
    states = [told.outcome.state for told in search.told]
    stride = max(1, len(search.history) // HISTORY_SHOWN)
    history = search.history[::stride]
    if search.history and history[-1] != search.history[-1]:
        history.append(search.history[-1])
    return Front(
        **head_of(spec),
        hypervolume=search.archive.hypervolume,
        history=history,
        counts={
            "trials": len(search.told),
            "distinct": sum(told.repeated_of is None for told in search.told),
            "complete": states.count("complete"),
            "infeasible": states.count("infeasible"),
            "failed": states.count("failed"),
            "designs_scored": search.archive.designs_scored,
            **race_counts(search, evaluation),
        },
        provenance=provenance,
        designs=[designs[rank] for rank in range(len(designs))],
        dominated=_dominated(search, inner, spec),
        bootstrap=Bootstrap(samples=RESAMPLES, rivals=n_rivals) if points else None,
        grids=_grids(spec),
        stopped=search.stopped,
    )


def _grids(spec: StudySpec) -> list[Grid]:
    """Ranges of the study file, as the steps that were searched."""
    space = spec.search_space()
    return [
        Grid(
            knob=name,
            low=choice.low,
            high=float(space[name].values[-1]),
            steps=len(space[name].values),
            log=choice.log,
        )
        for name, choice in spec.space.items()
        if isinstance(choice, Range)
    ]


def _flat(search: Search, inner: InnerSpace | None, member: Member) -> dict[str, KnobValue]:
    trial, hardware, exits = member
    flat = search.told_by_number[trial].flat
    if inner is None:
        return {name: flat[name] for name in KNOBS}
    enumerated = flat_design(flat, inner, hardware, exits)
    return {name: enumerated[name] for name in KNOBS}


def _dominated(search: Search, inner: InnerSpace | None, spec: StudySpec) -> Dominated:
    """A sample of scored designs that some front design dominates.

    Of a nested search only each setting's own best are known one by one.
    """
    kept = set(search.archive.members)
    candidates: list[tuple[Member, list[float]]] = []
    for told in search.told:
        if told.repeated_of is not None:
            continue
        outcome = told.outcome
        for h, x, values in zip(outcome.hardware, outcome.exits, outcome.values, strict=True):
            if (told.number, h, x) not in kept:
                candidates.append(((told.number, h, x), values))
    rng = random.Random(spec.search.seed)
    shown = (
        rng.sample(candidates, DOMINATED_SHOWN) if len(candidates) > DOMINATED_SHOWN else candidates
    )
    names = [objective.metric for objective in spec.objectives]
    return Dominated(
        columns=[*names, "trial", *KNOBS],
        rows=[
            [*values, member[0], *_flat(search, inner, member).values()] for member, values in shown
        ],
        of=len(candidates),
    )
