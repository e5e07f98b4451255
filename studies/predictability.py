"""Whether a value can be told from knobs at all."""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

MOST_ROWS: Final = 1_000
_TREES: Final = 40
GROWING: Final = threading.Lock()
"""Held while a forest grows: scikit-learn changes the warning filters of the process meanwhile, and
would complain of those that another thread's forest has set."""


def explained_share(codes: NDArray[Any], values: NDArray[np.floating[Any]]) -> float:
    """Share of a value's variance that knobs explain in rows that were held out (R squared).

    Each row is predicted by those trees of a random forest that did not see it (Breiman, "Random
    Forests", Machine Learning 45, 2001). Below 0 where the mean would predict better.

    Args:
        codes: (n_rows, n_knobs) level of each knob.
        values: (n_rows,) that vary.
    """
    if len(values) > MOST_ROWS:
        rows = np.linspace(0, len(values) - 1, MOST_ROWS).astype(np.intp)
        codes, values = codes[rows], values[rows]
    forest = RandomForestRegressor(_TREES, oob_score=False, bootstrap=True, random_state=0)
    with GROWING:
        forest.fit(codes, values)
    held_out = np.ones((_TREES, len(values)), dtype=bool)
    predicted = np.empty((_TREES, len(values)))
    for tree, rows in enumerate(forest.estimators_samples_):
        held_out[tree, rows] = False
        predicted[tree] = forest.estimators_[tree].predict(codes)
    n_trees = held_out.sum(axis=0)
    told = n_trees > 0
    mean = np.where(held_out, predicted, 0.0).sum(axis=0)[told] / n_trees[told]
    rest = float(np.mean((values[told] - mean) ** 2))
    return 1.0 - rest / float(values[told].var())
