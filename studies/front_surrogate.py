"""Attainment: a front as one vector, and a model of the vectors of settings not yet measured.

On the study's hypervolume axes (0 ideal, 1 the reference) a front is described at a grid of places
on all axes but the second objective's: the best second objective that a design reaches which is at
least as good as the place on the others, 1 where none is. The mean of 1 less these values is the
hypervolume but for the width of the grid, and the attainment of two fronts together is the lower of
theirs at each place. So the hypervolume that a setting is expected to add is the mean over places
of what its attainment is expected to lie below the common front's: expected improvements of normal
variables, each in closed form (Jones, Schonlau and Welch, "Efficient global optimization of
expensive black-box functions", J. Global Optimization 13, 1998, eq. 15), whatever their
correlation.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from search_space import Dimension, KnobValue
from studies.fronts import Axis, FloatArray, normalised

_STEPS: Final = {2: 64, 3: 10, 4: 5, 5: 3}
"""Places along each axis, by number of objectives: some hundreds in all."""
_WEIGHTS: Final = (0.03, 0.3, 3.0)
_NOISES: Final = (1e-3, 1e-2)
"""What the model's parameters are chosen from, by likelihood."""
_LIKELIHOOD_PLACES: Final = 25
"""Places that the likelihood is summed over."""


def attainment(values: FloatArray, objectives: Sequence[Axis]) -> FloatArray:
    """Attainment (n_places,) of points, between 0 and 1.

    Args:
        values: (n_points, n_objectives), each in the unit of its metric.
        objectives: two to five, one for each column.
    """
    steps = _STEPS[len(objectives)]
    centres = (np.arange(steps) + 0.5) / steps
    places = np.array(list(itertools.product(centres, repeat=len(objectives) - 1)))
    if len(values) == 0:
        return np.ones(len(places))
    points = normalised(values, objectives).clip(min=0.0)
    others = np.delete(points, 1, axis=1)
    reached = (others[None] <= places[:, None]).all(axis=2)
    best: FloatArray = np.where(reached, points[None, :, 1], 1.0).min(axis=1)
    return np.minimum(best, 1.0)


def encoded(
    points: Sequence[dict[str, KnobValue]], dimensions: Sequence[Dimension]
) -> NDArray[np.int64]:
    """Positions (n_points, n_dimensions) of values in the lists of their knobs."""
    return np.array([[d.values.index(point[d.name]) for d in dimensions] for point in points])


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrogate:
    """A Gaussian process over knobs, one for all places of the attainment.

    The kernel is a product over knobs of (1 + w_j k_j) / (1 + w_j): k_j is 1 for equal values, else
    0 for text and exp(-distance) for numbers, whose first and last value are 1 apart. The larger
    the weight w_j, the more a knob decides. Weights and noise are chosen by likelihood, anew for
    each model: nothing is carried over from one to the next.

    Attributes:
        dimensions: of the knobs, those with one value left out.
    """

    dimensions: Sequence[Dimension]

    def gains(
        self,
        known: NDArray[np.int64],
        attained: FloatArray,
        candidates: NDArray[np.int64],
        front: FloatArray,
    ) -> FloatArray:
        """Hypervolume (n_candidates,) that settings are expected to add to a front.

        Args:
            known: (n_known, n_dimensions) settings measured, as `encoded`.
            attained: (n_known, n_places) their attainments.
            candidates: (n_candidates, n_dimensions) settings not measured.
            front: (n_places,) attainment of the front.
        """
        centre, spread = attained.mean(axis=0), attained.std(axis=0)
        varying = spread > 1e-9
        if not varying.any():
            return np.ones(len(candidates))
        scaled = (attained[:, varying] - centre[varying]) / spread[varying]
        weights, noise = self._likeliest(known, scaled)
        factor = cho_factor(self._kernel(known, known, weights) + noise * np.eye(len(known)))
        across = self._kernel(candidates, known, weights)
        mean = (across @ cho_solve(factor, scaled)) * spread[varying] + centre[varying]
        variance = 1.0 + noise - (across * cho_solve(factor, across.T).T).sum(axis=1)
        sigma = np.sqrt(np.maximum(variance, 1e-12))[:, None] * spread[varying]
        ahead = (front[varying] - mean) / sigma
        density = np.exp(-0.5 * ahead**2) / np.sqrt(2 * np.pi)
        improvements = sigma * (ahead * ndtr(ahead) + density)
        gains: FloatArray = improvements.sum(axis=1) / attained.shape[1]
        return gains

    def _likeliest(self, known: NDArray[np.int64], scaled: FloatArray) -> tuple[FloatArray, float]:
        """Weights (n_dimensions,) and noise of a large likelihood, summed over some of the places.

        One weight after the other is chosen, the others as they are, and the noise in the end.
        """
        some = scaled[:, :: max(1, scaled.shape[1] // _LIKELIHOOD_PLACES)]
        tables = [_likeness(d)[known[:, None, j], known[None, :, j]] for j, d in self._numbered()]
        weights = np.full(len(tables), _WEIGHTS[1])
        for j, table in enumerate(tables):
            others = np.ones_like(table)
            for k, other in enumerate(tables):
                if k != j:
                    others *= _factor(other, weights[k])
            weights[j] = min(
                _WEIGHTS, key=lambda w: _misfit(others * _factor(table, w), _NOISES[0], some)
            )
        kernel = self._kernel(known, known, weights)
        return weights, min(_NOISES, key=lambda noise: _misfit(kernel, noise, some))

    def _numbered(self) -> list[tuple[int, Dimension]]:
        return list(enumerate(self.dimensions))

    def _kernel(
        self, some: NDArray[np.int64], others: NDArray[np.int64], weights: FloatArray
    ) -> FloatArray:
        kernel = np.ones((len(some), len(others)))
        for j, dimension in self._numbered():
            table = _factor(_likeness(dimension), weights[j])
            kernel *= table[some[:, None, j], others[None, :, j]]
        return kernel


def _factor(alike: FloatArray, weight: float) -> FloatArray:
    """What a knob multiplies the kernel by."""
    factor: FloatArray = (1 + weight * alike) / (1 + weight)
    return factor


def _misfit(kernel: FloatArray, noise: float, scaled: FloatArray) -> float:
    """Twice the negative logarithm of the likelihood, but for a constant."""
    factor = cho_factor(kernel + noise * np.eye(len(kernel)))
    fit = float((scaled * cho_solve(factor, scaled)).sum())
    volume = float(np.log(np.diag(factor[0])).sum())
    return fit + 2 * volume * float(scaled.shape[1])


def _likeness(dimension: Dimension) -> FloatArray:
    """Likeness (n_values, n_values) of a knob's values, 1 on the diagonal."""
    n_values = len(dimension.values)
    if any(isinstance(value, str) for value in dimension.values):
        return np.eye(n_values)
    places = np.arange(n_values) / max(1, n_values - 1)
    alike: FloatArray = np.exp(-np.abs(places[:, None] - places[None]))
    return alike
