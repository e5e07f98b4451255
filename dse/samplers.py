"""Optuna samplers by name, and how knobs become Optuna parameters."""

from __future__ import annotations

import warnings
from typing import Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from search_space import Dimension, KnobValue
from studies.spec import StudyFileError
from studies.spec_tables import SamplerTable

_CLASSES: Final[dict[str, type[BaseSampler]]] = {
    "nsga2": NSGAIISampler,
    "tpe": TPESampler,
    "gp": GPSampler,
    "random": RandomSampler,
}


def make_sampler(table: SamplerTable, seed: int) -> BaseSampler:
    """The sampler that a study file names.

    Raises:
        StudyFileError: the sampler does not know an option.
    """
    kind = _CLASSES[table.name]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return kind(seed=seed, **table.options)  # type: ignore[call-arg]
    except (TypeError, ValueError) as error:
        raise StudyFileError(f"search.sampler.options for {table.name!r}: {error}.") from error


def suggest(trial: optuna.Trial, dimension: Dimension) -> KnobValue:
    """The value that the sampler chooses for a knob.

    Knobs with text are categorical. Numeric ones are ordered: the sampler sees the position in the
    list of values, as parameter ``name[index]``.
    """
    values = dimension.values
    if len(values) == 1:
        return values[0]
    if any(isinstance(value, str) for value in values):
        return str(trial.suggest_categorical(dimension.name, values))
    return values[trial.suggest_int(f"{dimension.name}[index]", 0, len(values) - 1)]
