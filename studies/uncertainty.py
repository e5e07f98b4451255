"""Uncertainty: what the ranges of the constants make of a design's figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hw_cost import Constant, Technology
from studies.fronts import non_dominated
from studies.objectives import Constraint, Objective, within
from studies.rescoring import Rescoring

FloatArray = NDArray[np.float64]

INTERVAL: Final = (0.05, 0.95)


def sampled_values(
    constants: Sequence[Constant], n_samples: int, seed: int
) -> dict[str, FloatArray]:
    """Values (n_samples,) of every constant that has a range, by name.

    Each is drawn from a triangular distribution over its range that peaks at its value, in the
    logarithm where the range is above 0 (ranges are factors: x 0.3 to x 3) and else in the value
    itself. Constants are taken to be independent; draws are stratified (a Latin hypercube), and
    those of a constant depend on its name and the seed alone.

    Args:
        constants: of one technology.
        n_samples: at least 1.
        seed: not negative.
    """
    drawn = {}
    for constant in constants:
        if constant.low == constant.high:
            continue
        rng = np.random.default_rng([seed, *constant.name.encode()])
        shares = (rng.permutation(n_samples) + rng.random(n_samples)) / n_samples
        ends = np.array([constant.low, constant.value, constant.high])
        if constant.low > 0:
            values = np.exp(_triangular(shares, np.log(ends)))
        else:
            values = _triangular(shares, ends)
        drawn[constant.name] = np.clip(values, constant.low, constant.high)
    return drawn


def _triangular(shares: FloatArray, ends: FloatArray) -> FloatArray:
    """Quantiles of the triangular distribution with least value, peak and largest value."""
    low, peak, high = ends
    width = high - low
    rising = low + np.sqrt(shares * width * (peak - low))
    falling = high - np.sqrt((1 - shares) * width * (high - peak))
    quantiles: FloatArray = np.where(shares * width < peak - low, rising, falling)
    return quantiles


def sampled_metrics(
    rescoring: Rescoring,
    technology: Technology,
    constants: Sequence[Constant],
    *,
    n_samples: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> dict[str, FloatArray]:
    """Metrics (n_samples, n_designs) under sampled constants; NaN where a design cannot run.

    All designs of a sample are scored under the same constants.

    Args:
        rescoring: the designs.
        technology: constants that have no range are its own.
        constants: of that technology.
        n_samples: at least 1.
        seed: not negative.
        progress: called with the number of samples done.
    """
    drawn = sampled_values(constants, n_samples, seed)
    found = {name: np.empty((n_samples, rescoring.n_designs)) for name in rescoring.scorer.metrics}
    for sample in range(n_samples):
        values = {name: float(column[sample]) for name, column in drawn.items()}
        for name, metric in rescoring.under(technology.with_values(values)).items():
            found[name][sample] = metric
        if progress is not None:
            progress(sample + 1)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where most samples of one figure of a design lie.

    Attributes:
        low: 5 % of the samples in which the design runs lie below; NaN if it runs in none.
        high: 5 % lie above.
    """

    low: float
    high: float


def intervals(samples: FloatArray) -> list[Interval]:
    """The 5-95 % interval of each design's samples (n_samples, n_designs)."""
    found = []
    for column in samples.T:
        runs = column[~np.isnan(column)]
        low, high = np.quantile(runs, INTERVAL) if len(runs) else (np.nan, np.nan)
        found.append(Interval(low=float(low), high=float(high)))
    return found


def shares_kept(samples: Mapping[str, FloatArray], constraints: Sequence[Constraint]) -> FloatArray:
    """(n_designs,) share of the samples in which a design runs and keeps every constraint."""
    share: FloatArray = _kept(samples, constraints).mean(axis=0)
    return share


def shares_on_front(
    samples: Mapping[str, FloatArray],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
) -> FloatArray:
    """(n_designs,) share of the samples in which a design is on the front of these designs.

    A design that cannot run or breaks a constraint in a sample is not on that sample's front.

    Args:
        samples: metrics (n_samples, n_designs), those of objectives and constraints among them.
        objectives: of the study.
        constraints: of the study.
    """
    kept = _kept(samples, constraints)
    values = np.stack([samples[objective.metric] for objective in objectives], axis=2)
    on_front = np.zeros_like(kept)
    for sample, usable in enumerate(kept):
        places = np.flatnonzero(usable)
        on_front[sample, places[non_dominated(values[sample, places], objectives)]] = True
    share: FloatArray = on_front.mean(axis=0)
    return share


def _kept(
    samples: Mapping[str, FloatArray], constraints: Sequence[Constraint]
) -> NDArray[np.bool_]:
    """(n_samples, n_designs) whether a design runs and keeps every constraint."""
    kept = within(dict(samples), constraints)
    for values in samples.values():
        kept &= ~np.isnan(values)
    return kept
