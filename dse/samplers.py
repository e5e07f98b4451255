"""Optuna samplers by name, and how knobs become Optuna parameters."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any, Final

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from search_space import Dimension, KnobValue
from studies.spec import StudyFileError
from studies.spec_tables import SamplerTable

_CLASSES: Final[dict[str, type[BaseSampler]]] = {
    "nsga2": NSGAIISampler,
    "nsga3": NSGAIIISampler,
    "tpe": TPESampler,
    "gp": GPSampler,
    "cmaes": CmaEsSampler,
    "random": RandomSampler,
    "qmc": QMCSampler,
}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    # Text knobs are drawn at random by both, which Optuna would say at every trial.
    "cmaes": {"warn_independent_sampling": False},
    "qmc": {"warn_independent_sampling": False, "scramble": True},
}
"""Options that a study file may replace."""


def make_sampler(table: SamplerTable, seed: int, n_values: int) -> BaseSampler:
    """The sampler that a study file names.

    Args:
        table: its name and options.
        seed: of everything random in it.
        n_values: how many values Optuna is told of a trial.

    Raises:
        StudyFileError: the sampler does not know an option, or cannot drive such a study.
    """
    if table.name == "cmaes":
        _check_cmaes(n_values)
    kind = _CLASSES[table.name]
    options = _OPTIONS.get(table.name, {}) | table.options
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return kind(seed=seed, **options)  # type: ignore[call-arg]
    except (TypeError, ValueError) as error:
        raise StudyFileError(f"search.sampler.options for {table.name!r}: {error}.") from error


def heeds_constraints(table: SamplerTable) -> bool:
    """Whether constraints may be told: CMA-ES refuses them; what breaks one is told as bad."""
    return table.name != "cmaes"


def _check_cmaes(n_values: int) -> None:
    if n_values != 1:
        raise StudyFileError(
            f"search.sampler 'cmaes' optimizes one value and would be told {n_values}: give a "
            "nested study one level in search.levels, or choose another sampler."
        )
    if importlib.util.find_spec("cmaes") is None:
        raise StudyFileError(
            "search.sampler 'cmaes' needs a package that is not installed: "
            "pip install edge-dse[cmaes]."
        )


def suggest(trial: optuna.Trial, dimension: Dimension) -> KnobValue:
    """The value that the sampler chooses for a knob.

    Knobs with text are categorical. Numeric ones are ordered: the sampler sees the position in the
    list of values, as parameter ``name[index]``.
    """
    values = dimension.values
    if len(values) == 1:
        return values[0]
    if is_categorical(dimension):
        return str(trial.suggest_categorical(dimension.name, values))
    return values[trial.suggest_int(f"{dimension.name}[index]", 0, len(values) - 1)]


def parameter(dimension: Dimension, value: KnobValue) -> tuple[str, KnobValue]:
    """Optuna's parameter of a knob with more than one value, and what stands for that value.

    Args:
        dimension: of the knob.
        value: one of its values.
    """
    if is_categorical(dimension):
        return dimension.name, value
    return f"{dimension.name}[index]", dimension.values.index(value)


def is_categorical(dimension: Dimension) -> bool:
    """Whether a knob's values have no order."""
    return any(isinstance(value, str) for value in dimension.values)
