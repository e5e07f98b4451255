"""A few designs of a front that are worth a look, each with the reason in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.titles import metric, mid_sentence
from studies.choosing import knee, losses
from studies.metrics import is_score
from studies.records import Front, FrontDesign, ObjectiveRecord


@dataclass(frozen=True, slots=True)
class Recommended:
    """One design.

    Attributes:
        design: which.
        title: what it is best at.
        reason: what it takes and gives against its neighbour on the front.
    """

    design: FrontDesign
    title: str
    reason: str


def recommended_designs(front: Front) -> list[Recommended]:
    """The knee, then the best of each objective; a design is named once, with all its titles."""
    if not front.designs:
        return []
    task = front.scenario.get("task")
    titles: dict[int, list[str]] = {knee(front).id: ["Best compromise (knee)"]}
    for objective in front.objectives:
        best = _best(front.designs, objective)
        about = metric(objective.metric, task)
        most = "Highest" if objective.maximised else "Lowest"
        titles.setdefault(best.id, []).append(f"{most} {mid_sentence(about.title)}")
    return [
        Recommended(design, ", ".join(names), neighbour_sentence(front, design))
        for design_id, names in titles.items()
        for design in [front.design(design_id)]
    ]


def neighbour_sentence(front: Front, design: FrontDesign) -> str:
    """What a design costs and gains against its neighbour: the nearest other point of the front.

    Distances are Euclidean in the objectives, each scaled to the front. Costs are relative, the
    task's primary metric is absolute.
    """
    columns = [losses(objective, front.designs) for objective in front.objectives]
    rows = list(zip(*columns, strict=True))
    own = rows[[d.id for d in front.designs].index(design.id)]
    others = [(d, row) for d, row in zip(front.designs, rows, strict=True) if row != own]
    if not others:
        return "The only point of the front."
    other = min(others, key=lambda entry: math.dist(own, entry[1]))[0]
    task = front.scenario.get("task")
    costs = [o for o in front.objectives if not is_score(o.metric)]
    gains = [o for o in front.objectives if is_score(o.metric)]
    text, gained = (
        " and ".join(_told([_change(design, other, o, task) for o in each]))
        for each in (costs, gains)
    )
    return f"{text}{' for ' if gained and text else ''}{gained}, against its neighbour #{other.id}."


def _told(changes: list[str]) -> list[str]:
    """Changes of objectives; of more than three only what is not the same, if anything is."""
    if len(changes) <= 3:
        return changes
    return [change for change in changes if not change.startswith("the same ")] or changes


def _change(
    design: FrontDesign, other: FrontDesign, objective: ObjectiveRecord, task: object
) -> str:
    about = metric(objective.metric, task)
    own, old = design.metrics[objective.metric].value, other.metrics[objective.metric].value
    title = mid_sentence(about.title)
    if is_score(objective.metric) or old == 0:
        gain = (own - old) * about.scale
        if abs(gain) < 0.005:
            return f"the same {title}"
        unit = "points" if about.unit == "%" else about.unit
        return " ".join(filter(None, (_signed(gain), unit, f"of {title}")))
    change = own / old - 1
    if abs(change) < 0.0005:
        return f"the same {title}"
    if change >= 1:
        return f"{own / old:.2g}× the {title}"
    return f"{_signed(100 * change)} % {title}"


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−")


def _best(designs: Sequence[FrontDesign], objective: ObjectiveRecord) -> FrontDesign:
    sign = -1 if objective.maximised else 1
    return min(designs, key=lambda d: (sign * d.metrics[objective.metric].value, d.id))
