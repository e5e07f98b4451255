"""Warm starts: designs that a search tries first, from a finished run or a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dse.runs import RunFolder
from search_space import Dimension, KnobValue, SearchSpace
from studies.design_lists import read_designs
from studies.records import Front
from studies.spec import StudySpec
from studies.thinning import most_hypervolume

Point = dict[str, KnobValue]


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Points to try first.

    Attributes:
        points: knobs with their values, all of the space; the sampler chooses what they lack.
        notes: sentences on what was moved or left to the sampler.
    """

    points: list[Point]
    notes: list[str]


def warm_start(spec: StudySpec, space: SearchSpace, names: Sequence[str]) -> WarmStart:
    """What a study's warm starts make in its space.

    A number that is not in the space becomes the nearest one that is; text that is not is left to
    the sampler. Of the fronts of runs at most as many designs are taken as fill half of the trials:
    those that keep the most hypervolume.

    Args:
        spec: the study.
        space: its space.
        names: knobs that are sampled.

    Raises:
        DesignListError: a list cannot be read.
        RecordError: a run has no front.
        RunFolderError: its front is not what was written.
    """
    points: list[Point] = []
    notes = []
    for source in spec.search.warm_start:
        moved: set[str] = set()
        for design in _designs(source, spec):
            point = {}
            for name in names:
                dimension = space[name]
                if name not in design or dimension.is_fixed:
                    continue
                value = _nearest(dimension, design[name])
                if value != design[name]:
                    moved.add(name)
                if value is not None:
                    point[name] = value
            if point and point not in points:
                points.append(point)
        if moved:
            listed = ", ".join(name for name in names if name in moved)
            notes.append(
                f"warm start {source}: values of {listed} that are not in the space were moved to "
                "the nearest, or left to the sampler where they are text"
            )
    return WarmStart(points, notes)


def _designs(source: str, spec: StudySpec) -> Sequence[Mapping[str, KnobValue]]:
    if not Path(source).is_dir():
        return read_designs(source)
    front = RunFolder(Path(source)).front_record()
    kept = _best(front, max(1, spec.search.trials // 2))
    return [front.designs[place].knobs for place in kept]


def _best(front: Front, most: int) -> list[int]:
    if not front.designs:
        return []
    values = np.array(
        [[d.metrics[o.metric].value for o in front.objectives] for d in front.designs]
    )
    return most_hypervolume(values, front.objectives, most)


def _nearest(dimension: Dimension, value: KnobValue) -> KnobValue | None:
    """The nearest value of a dimension; None for text that it does not have."""
    if value in dimension.values:
        return value
    numbers = [v for v in dimension.values if not isinstance(v, str)]
    if isinstance(value, str) or not numbers:
        return None
    return min(numbers, key=lambda number: abs(number - value))
