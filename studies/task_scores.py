"""Figures of a study of several tasks, from those on each task.

The chip is set up for one task at a time: its memories hold the weights of that one. So what is an
average (score, energy, mean latency, power, duty cycle) is the mean over the tasks, each as much as
another; everything else is the figure of the task where it is worst, which every task keeps to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from studies.metrics import METRICS, parts_of
from studies.records import Figure

FloatArray = NDArray[np.float64]


def bases_of(names: Iterable[str]) -> tuple[str, ...]:
    """Metrics that have to be known on each task, each once, for metrics of the study."""
    return tuple(dict.fromkeys(parts_of(name)[0] for name in names))


def over_tasks(
    names: Iterable[str], by_task: Mapping[str, Mapping[str, FloatArray]]
) -> dict[str, FloatArray]:
    """Metrics of the study from arrays of one shape; NaN where a task has NaN.

    Args:
        names: of the metrics: ``NAME[TASK]`` is that on the task alone.
        by_task: `bases_of` the names on each task, by the task's name.
    """
    found = {}
    for name in names:
        base, task = parts_of(name)
        if task is not None:
            found[name] = by_task[task][base]
            continue
        each = np.stack([values[base] for values in by_task.values()])
        about = METRICS[base]
        if about.over_tasks == "mean":
            found[name] = each.mean(axis=0)
        else:
            found[name] = each.min(axis=0) if about.direction == "maximize" else each.max(axis=0)
    return found


def figure_over_tasks(name: str, by_task: Mapping[str, Figure]) -> Figure:
    """A metric of the study with its standard error; the tasks' sentences are independent.

    The error of a mean over T tasks is that of a sum of independent terms: sqrt(sum se^2) / T. The
    worst task's figure has the error that it has there.

    Args:
        name: of the metric, without a task.
        by_task: the figure on each task.
    """
    figures = list(by_task.values())
    about = METRICS[name]
    if about.over_tasks == "worst":
        sign = -1 if about.direction == "maximize" else 1
        return max(figures, key=lambda figure: sign * figure.value)
    errors = [figure.se for figure in figures if figure.se is not None]
    whole = len(errors) == len(figures)
    return Figure(
        value=float(np.mean([figure.value for figure in figures])),
        se=float(np.sqrt(np.sum(np.square(errors)))) / len(figures) if whole else None,
    )
