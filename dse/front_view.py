"""What is shown of a front: all of it, the robust part, or the few designs that keep most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from dse.errors import SelectionError
from studies.fronts import FloatArray
from studies.membership import ROBUST, lower_front
from studies.objectives import Constraint
from studies.records import Front, FrontDesign
from studies.thinning import most_hypervolume

ROBUST_KINDS: Final = ("membership", "lower-bound")


def robust_designs(front: Front, kind: str) -> list[FrontDesign]:
    """The designs of a front that other sentences would hardly take from it.

    Args:
        front: with memberships.
        kind: ``membership`` for those on the front in 90 % of the bootstrap samples or more;
            ``lower-bound`` for the front that counts every accuracy at its lower confidence bound.

    Raises:
        SelectionError: the kind is neither, or the front was recorded without memberships.
    """
    if kind not in ROBUST_KINDS:
        raise SelectionError(f"--robust {kind!r}: expected {' or '.join(ROBUST_KINDS)}.")
    lows = [design.accuracy_low for design in front.designs]
    if any(low is None for low in lows):
        raise SelectionError(
            f"--robust {kind}: the front was recorded without memberships; 'dse resume' writes it "
            "anew."
        )
    if kind == "membership":
        return [design for design in front.designs if (design.membership or 0.0) >= ROBUST]
    constraints = [Constraint.model_validate(Constraint.parse(text)) for text in front.constraints]
    kept = lower_front(
        _values(front, front.designs),
        np.array(lows, dtype=np.float64),
        front.objectives,
        constraints,
    )
    return [design for design, is_kept in zip(front.designs, kept, strict=True) if is_kept]


def thinned(front: Front, designs: Sequence[FrontDesign], keep: int) -> list[FrontDesign]:
    """At most ``keep`` designs that together keep much of the hypervolume, in their order.

    See `studies.thinning.most_hypervolume`.
    """
    if not designs:
        return []
    places = most_hypervolume(_values(front, designs), front.objectives, keep)
    return [designs[place] for place in places]


def _values(front: Front, designs: Sequence[FrontDesign]) -> FloatArray:
    """Objective values (n_designs, n_objectives)."""
    rows = [[d.metrics[o.metric].value for o in front.objectives] for d in designs]
    return np.array(rows, dtype=np.float64).reshape(len(designs), len(front.objectives))
