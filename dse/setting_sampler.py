"""Samplers of nested studies that choose among the settings that are left, one by one."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.trial import FrozenTrial

from dse.knob_parameters import is_categorical, parameter
from search_space import KnobValue
from studies.spec import StudySpec

FLAT: Final = "flat"
"""Trial attribute that has a trial's point."""

Point = dict[str, KnobValue]


class SettingSampler(BaseSampler):
    """Gives each setting of a nested study once, in an order that a subclass decides."""

    def __init__(self, spec: StudySpec, seed: int) -> None:
        """Of a nested study.

        Args:
            spec: the study.
            seed: of what is left to chance.
        """
        space = spec.search_space()
        names = spec.setting_knobs()
        self._free = [d for d in (space[n] for n in names) if not d.is_fixed]
        self._fixed = {d.name: d.values[0] for d in (space[n] for n in names) if d.is_fixed}
        self._points = self._ordered(space.points(names), spec)
        self._keys = [self._key(point) for point in self._points]
        self._random = LazyRandomState(seed)

    @abstractmethod
    def chosen(self, left: list[int], trials: list[FrozenTrial]) -> int:
        """The setting to try next, one of ``left``.

        Args:
            left: rows of the settings that no trial has, or all if each has been tried.
            trials: that have been asked for.
        """

    def _ordered(self, points: list[Point], spec: StudySpec) -> list[Point]:  # noqa: ARG002 - for subclasses
        return points

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002 - of Optuna's interface
        trial: FrozenTrial,  # noqa: ARG002 - likewise
    ) -> dict[str, BaseDistribution]:
        """Every knob with more than one value."""
        found: dict[str, BaseDistribution] = {}
        for dimension in self._free:
            name, _ = parameter(dimension, dimension.values[0])
            if is_categorical(dimension):
                found[name] = CategoricalDistribution([str(v) for v in dimension.values])
            else:
                found[name] = IntDistribution(0, len(dimension.values) - 1)
        return found

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002 - of Optuna's interface
        search_space: dict[str, BaseDistribution],  # noqa: ARG002 - likewise
    ) -> dict[str, Any]:
        """The parameters of the next setting; any one where all have been tried."""
        trials = [t for t in study.get_trials(deepcopy=False) if FLAT in t.user_attrs]
        tried = {self._key(t.user_attrs[FLAT]) for t in trials}
        left = [i for i, key in enumerate(self._keys) if key not in tried]
        point = self._points[self.chosen(left or list(range(len(self._points))), trials)]
        return dict(parameter(d, point[d.name]) for d in self._free)

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002 - of Optuna's interface
        trial: FrozenTrial,  # noqa: ARG002 - likewise
        param_name: str,  # noqa: ARG002 - likewise
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value by chance: of a knob that a warm start leaves open."""
        if isinstance(param_distribution, CategoricalDistribution):
            choices = param_distribution.choices
            return choices[self._random.rng.randint(len(choices))]
        assert isinstance(param_distribution, IntDistribution)
        return int(self._random.rng.randint(param_distribution.high + 1))

    def _key(self, flat: Point) -> tuple[KnobValue, ...]:
        return tuple(flat[d.name] for d in self._free)


class ListedSampler(SettingSampler):
    """Tries settings in the order in which the study file lists their values.

    The knob that is listed first changes last, so that the first values of all knobs come first.
    """

    def chosen(self, left: list[int], trials: list[FrozenTrial]) -> int:  # noqa: ARG002 - as declared
        """The first that is left."""
        return left[0]

    def _ordered(self, points: list[Point], spec: StudySpec) -> list[Point]:
        listed = [d for name in spec.space for d in self._free if d.name == name]
        return sorted(points, key=lambda p: [d.values.index(p[d.name]) for d in listed])
