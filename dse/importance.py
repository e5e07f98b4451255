"""How much of a value's spread over trials each knob explains."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from studies.predictability import GROWING
from studies.trial_table import KnobTrials, TrialTable

LEAST_TRIALS: Final = 8
MOST_TRIALS: Final = 1_500
"""Trials that forests are grown on; of more, so many in even steps."""
_TREES: Final = 32


def knob_importances(trials: TrialTable, target: str) -> dict[str, float]:
    """Share of the variance of a value that each knob explains alone, the largest first.

    Functional analysis of variance over random forests (Hutter, Hoos and Leyton-Brown, "An
    Efficient Approach for Assessing Hyperparameter Importance", ICML 2014) as Optuna has it; shares
    sum to 1. Knobs of numbers are ordered, those of text are not. Repeated trials count once.

    Args:
        trials: of a run.
        target: name of a column of `TrialTable.values`.

    Raises:
        ValueError: too few trials have a value, or neither it nor a knob varies.
    """
    values = trials.values.get(target, np.full(len(trials), np.nan))
    rows = np.flatnonzero(np.isfinite(values) & ~trials.repeated)
    knobs = {n: knob for n, knob in trials.knobs.items() if len(np.unique(knob.codes[rows])) > 1}
    if len(rows) < LEAST_TRIALS:
        raise ValueError(
            f"{len(rows)} distinct trials have a value: {LEAST_TRIALS} are needed to tell what "
            "their knobs explain."
        )
    if not knobs or np.ptp(values[rows]) == 0:
        raise ValueError("The value is the same for all trials: there is nothing to explain.")
    if len(rows) > MOST_TRIALS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_TRIALS).astype(np.intp)]
    space = {name: _distribution(knob) for name, knob in knobs.items()}
    with GROWING, warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = optuna.create_study()
            study.add_trials(
                [
                    optuna.trial.create_trial(
                        params={name: int(knob.codes[row]) for name, knob in knobs.items()},
                        distributions=space,
                        value=float(values[row]),
                    )
                    for row in rows
                ]
            )
            evaluator = FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_TREES, seed=0)
            found = get_param_importances(study, evaluator=evaluator)
        finally:
            optuna.logging.set_verbosity(verbosity)
    total = sum(found.values())
    return {name: share / total if total else 0.0 for name, share in found.items()}


def _distribution(knob: KnobTrials) -> BaseDistribution:
    n = len(knob.levels)
    if any(isinstance(level, str) for level in knob.levels):
        return CategoricalDistribution(tuple(range(n)))
    return IntDistribution(0, n - 1)
