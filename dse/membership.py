"""Membership of a search's front: its designs and their nearest rivals on resampled sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from dse.archive import Member
from dse.evaluation import Evaluation, Flat
from dse.search import Search
from search_space import design_point
from studies.inner_space import InnerSpace, flat_design
from studies.membership import Membership, nearest_rivals, resampled_values
from studies.spec import StudySpec

MOST_RIVALS: Final = 300
"""Dominated designs that take part: more cost seconds and hardly change a probability."""


def front_membership(
    search: Search, evaluation: Evaluation, spec: StudySpec, inner: InnerSpace | None
) -> tuple[Membership, int]:
    """Membership of the front's designs, in the archive's order, and how many rivals took part.

    Rivals are dominated designs that the search knows one by one: of a nested search those on the
    fronts of their own settings.
    """
    members = list(search.archive.members)
    others = _dominated(search)
    values = np.array([row for _, row in others]).reshape(len(others), len(spec.objectives))
    nearest = nearest_rivals(search.archive.values, values, spec.objectives, MOST_RIVALS)
    members += [others[place][0] for place in nearest]
    flats = flats_of(search, inner, members)
    asked = [o.metric for o in spec.objectives] + [c.metric for c in spec.constraints]
    scorer = replace(evaluation.scorer, metrics=tuple(dict.fromkeys([*asked, "accuracy"])))
    designs = [(evaluation.selected_setting(flat), design_point(flat)) for flat in flats]
    whole = Membership.of(resampled_values(scorer, designs), spec.objectives, spec.constraints)
    n_front = len(search.archive.members)
    return (
        Membership(
            probability=whole.probability[:n_front], accuracy_low=whole.accuracy_low[:n_front]
        ),
        len(nearest),
    )


def flats_of(search: Search, inner: InnerSpace | None, members: Sequence[Member]) -> list[Flat]:
    """All knobs of some members of a search."""
    return [
        search.told_by_number[trial].flat
        if inner is None
        else flat_design(search.told_by_number[trial].flat, inner, hardware, exits)
        for trial, hardware, exits in members
    ]


def _dominated(search: Search) -> list[tuple[Member, list[float]]]:
    """Known designs that are not on the front, with their values."""
    kept = set(search.archive.members)
    return [
        ((told.number, h, x), values)
        for told in search.told
        if told.repeated_of is None
        for h, x, values in zip(
            told.outcome.hardware, told.outcome.exits, told.outcome.values, strict=True
        )
        if (told.number, h, x) not in kept
    ]
