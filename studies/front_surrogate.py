"""What the fronts of settings not yet measured may be: those of measured ones, moved.

On the study's hypervolume axes (0 ideal, 1 the reference) the inner fronts of two settings of one
study look alike: less sparse weights move a front to better accuracy and higher costs, and leave
its shape. So a setting is described by its *ideal point*, the best value on each axis that any of
its designs reaches. A Gaussian process for each axis predicts the ideal point of a setting from its
knobs; its front is taken to be that of the measured setting most like it, moved by the difference
of their ideal points. The hypervolume that it is expected to add to the common front is the mean
over a few draws of its ideal point, and exact for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import moocore
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtri

from search_space import Dimension, KnobValue, parse_number_format
from studies.fronts import FloatArray, volume

_WEIGHTS: Final = (0.03, 0.1, 0.3, 1.0, 3.0)
"""What the weights of the kernel are chosen from, by likelihood."""
_FIRST_WEIGHT: Final = 0.3
_SWEEPS: Final = 2
_NOISE: Final = 1e-3
"""Variance of what knobs do not explain, of the process's own."""
_DOUBT: Final = 0.6
"""Deviations are that share of what the likeliest process has. Of 2, 1, 0.6 and 0.3, tried on eight
seeds of three shipped studies, 0.6 found 99 % of the exact fronts with the fewest settings: a large
deviation of one axis alone makes a setting promise a corner that no design reaches."""
_PAIRS_OF_DRAWS: Final = 4
_MOST_POINTS: Final = {2: 2_000, 3: 400, 4: 60, 5: 30}
"""Points that a front is represented by, by number of objectives: hypervolumes stay fast."""


def encoded(
    points: Sequence[dict[str, KnobValue]], dimensions: Sequence[Dimension]
) -> NDArray[np.int64]:
    """Positions (n_points, n_dimensions) of values in the lists of their knobs."""
    return np.array([[d.values.index(point[d.name]) for d in dimensions] for point in points])


def thinned(points: FloatArray) -> FloatArray:
    """At most as many points (n_points, n_objectives) as hypervolumes are worked out with.

    Those that are kept are evenly spaced in the order of the first objective.
    """
    most = _MOST_POINTS[points.shape[1]]
    if len(points) <= most:
        return points
    kept: FloatArray = points[np.argsort(points[:, 0], kind="stable")]
    return kept[np.linspace(0, len(points) - 1, most).round().astype(np.int64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """Gaussian processes over knobs, one for each objective.

    The kernel is a product over knobs of (1 + w_j k_j) / (1 + w_j). k_j is 1 for equal values; else
    it is exp(-distance) for numbers, whose first and last value are 1 apart, and for formats, whose
    least and most bits are; and 0 for other text. The larger the weight w_j, the more a knob
    decides. Mean and variance have closed forms and weights are chosen by likelihood, anew for each
    model: nothing is carried over from one to the next.

    Attributes:
        dimensions: of the knobs, those with one value left out.
    """

    dimensions: Sequence[Dimension]

    def gains(
        self,
        known: NDArray[np.int64],
        fronts: Sequence[FloatArray],
        candidates: NDArray[np.int64],
    ) -> FloatArray:
        """Hypervolume (n_candidates,) that settings are expected to add to the common front.

        Args:
            known: (n_known, n_dimensions) settings measured, as `encoded`.
            fronts: of each of them (n_points, n_objectives) on the hypervolume axes; a setting that
                has no feasible design has no point.
            candidates: (n_candidates, n_dimensions) settings not measured.
        """
        n_objectives = fronts[0].shape[1]
        ideals = np.array([f.min(axis=0) if len(f) else np.ones(n_objectives) for f in fronts])
        mean, deviation, alike = self._ideals(known, ideals, candidates)
        common = np.concatenate(fronts)
        common = thinned(common[moocore.is_nondominated(common)]) if len(common) else common
        fronts = [thinned(front) for front in fronts]
        before = volume(common)
        draws = normal_draws(n_objectives)
        nearest = alike.argmax(axis=1)
        gains = np.zeros(len(candidates))
        for place, base in enumerate(nearest):
            for draw in draws:
                moved = fronts[base] + (mean[place] + draw * deviation[place] - ideals[base])
                gains[place] += volume(np.concatenate([common, moved])) - before
        result: FloatArray = gains / len(draws)
        return result

    def _ideals(
        self, known: NDArray[np.int64], ideals: FloatArray, candidates: NDArray[np.int64]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Ideal points of candidates, and how much they are like known settings.

        Returns:
            Mean and deviation (n_candidates, n_objectives), likeness (n_candidates, n_known).
        """
        means, deviations = [], []
        alike = np.zeros((len(candidates), len(known)))
        for column in ideals.T:
            weights = self._likeliest(known, column)
            factor = cho_factor(self._kernel(known, known, weights) + _NOISE * np.eye(len(known)))
            centre, variance, solved = _fitted(factor, column)
            across = self._kernel(candidates, known, weights)
            means.append(centre + across @ solved)
            left = 1.0 + _NOISE - (across * cho_solve(factor, across.T).T).sum(axis=1)
            deviations.append(_DOUBT * np.sqrt(variance * np.maximum(left, 1e-9)))
            alike += across
        return np.stack(means, axis=1), np.stack(deviations, axis=1), alike

    def _likeliest(self, known: NDArray[np.int64], values: FloatArray) -> FloatArray:
        """Weights (n_dimensions,) of a large likelihood: one after the other is chosen, twice."""
        tables = [
            likeness(dimension)[known[:, None, j], known[None, :, j]]
            for j, dimension in enumerate(self.dimensions)
        ]
        weights = np.full(len(tables), _FIRST_WEIGHT)
        for _ in range(_SWEEPS):
            for j, table in enumerate(tables):
                others = np.ones_like(table)
                for k, other in enumerate(tables):
                    if k != j:
                        others *= _factor(other, weights[k])
                weights[j] = min(_WEIGHTS, key=_misfit_by_weight(others, table, values))
        return weights

    def _kernel(
        self, some: NDArray[np.int64], others: NDArray[np.int64], weights: FloatArray
    ) -> FloatArray:
        kernel = np.ones((len(some), len(others)))
        for j, dimension in enumerate(self.dimensions):
            table = _factor(likeness(dimension), weights[j])
            kernel *= table[some[:, None, j], others[None, :, j]]
        return kernel


def normal_draws(n_objectives: int) -> FloatArray:
    """Draws (n_draws, n_objectives) of independent normal variables, with a mean of exactly 0.

    They are spread evenly: an additive recurrence of the generalised golden ratio, mirrored.
    """
    ratio = 2.0
    for _ in range(60):  # the root of x**(d + 1) = x + 1
        ratio = (1 + ratio) ** (1 / (n_objectives + 1))
    steps = ratio ** -np.arange(1.0, n_objectives + 1)
    shares = (0.5 + np.arange(1, _PAIRS_OF_DRAWS + 1)[:, None] * steps) % 1
    draws = ndtri(shares)
    both: FloatArray = np.concatenate([draws, -draws])
    return both


def likeness(dimension: Dimension) -> FloatArray:
    """Likeness (n_values, n_values) of a knob's values, 1 on the diagonal."""
    n_values = len(dimension.values)
    if dimension.name.endswith("_format"):
        places = np.array([parse_number_format(str(v)).bits for v in dimension.values], dtype=float)
    elif any(isinstance(value, str) for value in dimension.values):
        return np.eye(n_values)
    else:
        places = np.arange(n_values, dtype=float)
    apart = np.abs(places[:, None] - places[None]) / max(1.0, float(np.ptp(places)))
    alike: FloatArray = np.exp(-apart)
    return alike


def _factor(alike: FloatArray, weight: float) -> FloatArray:
    """What a knob multiplies the kernel by."""
    factor: FloatArray = (1 + weight * alike) / (1 + weight)
    return factor


def _misfit_by_weight(
    others: FloatArray, table: FloatArray, values: FloatArray
) -> Callable[[float], float]:
    """Twice the negative logarithm of the likelihood of a knob's weight, but for a constant."""

    def misfit(weight: float) -> float:
        kernel = others * _factor(table, weight) + _NOISE * np.eye(len(values))
        factor = cho_factor(kernel)
        _, variance, _ = _fitted(factor, values)
        volume = float(np.log(np.diag(factor[0])).sum())
        return len(values) * math.log(variance) + 2 * volume

    return misfit


def _fitted(factor: tuple[FloatArray, bool], values: FloatArray) -> tuple[float, float, FloatArray]:
    """The likeliest mean and variance of a process, and its kernel's inverse times what is left."""
    ones = np.ones(len(values))
    of_ones = cho_solve(factor, ones)
    centre = float(of_ones @ values / (of_ones @ ones))
    left = values - centre
    solved: FloatArray = cho_solve(factor, left)
    return centre, float(left @ solved) / len(values) + 1e-12, solved
