"""Samplers by name: Optuna's and our own."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

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

from dse.interruption import uninterrupted
from dse.setting_sampler import ListedSampler
from studies.search_tables import SamplerTable
from studies.spec import StudyFileError, StudySpec

_CLASSES: Final[dict[str, type[BaseSampler]]] = {
    "nsga2": NSGAIISampler,
    "nsga3": NSGAIIISampler,
    "tpe": TPESampler,
    "gp": GPSampler,
    "cmaes": CmaEsSampler,
    "random": RandomSampler,
    "qmc": QMCSampler,
}


def _front_sampler(spec: StudySpec, seed: int, **options: Any) -> BaseSampler:
    with uninterrupted():
        from dse.front_sampler import FrontSampler  # its model needs scipy, which nothing else does

    return FrontSampler(spec, seed, **options)


_OWN: Final[Mapping[str, Callable[..., BaseSampler]]] = {
    "fronts": _front_sampler,
    "listed": ListedSampler,
}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    # Text knobs are drawn at random by both, which Optuna would say at every trial.
    "cmaes": {"warn_independent_sampling": False},
    "qmc": {"warn_independent_sampling": False, "scramble": True},
}
"""Options that a study file may replace."""


def sampler_of(spec: StudySpec, seed: int, n_values: int) -> BaseSampler:
    """The sampler that a study names: our own, or one of Optuna's.

    Args:
        spec: the study.
        seed: of everything random in it.
        n_values: how many values Optuna is told of a trial.

    Raises:
        StudyFileError: the sampler does not know an option, or cannot drive such a study.
    """
    table = spec.search.sampler
    own = _OWN.get(table.name)
    if own is None:
        return make_sampler(table, seed, n_values)
    try:
        return own(spec, seed, **table.options)
    except (TypeError, ValueError) as error:
        raise _refused(table, error) from error


def make_sampler(table: SamplerTable, seed: int, n_values: int) -> BaseSampler:
    """The sampler of Optuna that a study file names.

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
        raise _refused(table, error) from error


def _refused(table: SamplerTable, error: Exception) -> StudyFileError:
    return StudyFileError(f"search.sampler.options for {table.name!r}: {error}.")


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
