"""The values that trials were told with, as people read them."""

from __future__ import annotations

from dashboards.titles import metric, mid_sentence, words
from studies.metrics import is_metric, metric_of
from studies.run_snapshot import RunSnapshot


def targets(snapshot: RunSnapshot) -> list[str]:
    """Values of trials that knobs can be compared by: those that stand for the objectives first."""
    found = list(snapshot.trials.values)
    objectives = [o.metric for o in snapshot.spec.objectives]
    if snapshot.spec.search.strategy == "joint":
        found = [name for name in found if name != "own_hypervolume"]
    return sorted(found, key=lambda name: (name not in objectives, found.index(name)))


def first_target(snapshot: RunSnapshot) -> str:
    """The value that knobs are first compared by: a cost, or what a setting is worth."""
    names = targets(snapshot)
    objectives = [o.metric for o in snapshot.spec.objectives[1:]]
    return next((n for n in names if n in objectives), names[0] if names else "")


def value_title(name: str, task: object = None) -> str:
    """Title of a value with its unit.

    >>> value_title("energy_pj"), value_title("own_hypervolume"), value_title("best_accuracy")
    ('Energy per sentence (µJ)', 'Hypervolume of the setting', 'Best accuracy (%)')
    """
    if is_metric(name):
        about = metric(name, task)
        return f"{about.title} ({about.unit})" if about.unit else about.title
    if name == "own_hypervolume":
        return "Hypervolume of the setting"
    stem, _, behind = name.partition(" at ")
    if is_metric(stem) and behind:
        return f"{value_title(stem, task)} at {behind}"
    best = name.removeprefix("best_")
    if best != name and is_metric(best):
        about = metric(best, task)
        text = f"Best {mid_sentence(about.title)}"
        return f"{text} ({about.unit})" if about.unit else text
    return words(name)


def value_scale(name: str) -> float:
    """What a value is multiplied by to get the unit of its title."""
    stem = name.partition(" at ")[0].removeprefix("best_")
    return metric_of(stem).scale if is_metric(stem) else 1.0
