"""Our own sampler of nested studies: it learns the whole inner front of a setting, not two values.

It reads the front of every told setting from its trial, models them all
(`studies.front_surrogate`), and asks for the setting whose expected gain in hypervolume is largest
for what it costs: one that shares its trace with a told setting, and differs in storage alone,
needs no forward pass.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.trial import FrozenTrial, TrialState

from dse.knob_parameters import is_categorical, parameter
from search_space import MODEL_KNOBS, KnobValue, model_knobs
from studies.front_surrogate import Surrogate, attainment, encoded
from studies.fronts import FloatArray
from studies.spec import StudySpec

_MOST_CANDIDATES: Final = 4_096
"""Settings that are looked at for one trial; of more, so many by chance."""

Point = dict[str, KnobValue]


class FrontSampler(BaseSampler):
    """Chooses settings by the hypervolume that their inner fronts are expected to add."""

    def __init__(
        self, spec: StudySpec, seed: int, n_startup_trials: int = 8, shared_trace_cost: float = 0.05
    ) -> None:
        """Of a nested study.

        Args:
            spec: the study.
            seed: of the first settings, and of candidates where the space is large.
            n_startup_trials: settings that are spread over the space before a model is made.
            shared_trace_cost: cost of a setting whose trace has been measured, of one whose has
                not.

        Raises:
            ValueError: an option is out of its range.
        """
        if n_startup_trials < 2:
            raise ValueError(f"n_startup_trials {n_startup_trials}: expected 2 or more")
        if not 0 < shared_trace_cost <= 1:
            raise ValueError(f"shared_trace_cost {shared_trace_cost}: expected above 0, at most 1")
        space = spec.search_space()
        self._objectives = spec.objectives
        self._free = [d for d in (space[n] for n in MODEL_KNOBS) if not d.is_fixed]
        self._fixed = {d.name: d.values[0] for d in (space[n] for n in MODEL_KNOBS) if d.is_fixed}
        self._points = space.points(MODEL_KNOBS)
        self._codes = encoded(self._points, self._free)
        self._traces = [model_knobs(point).trace_key() for point in self._points]
        self._keys = [self._key(point) for point in self._points]
        self._known: dict[int, FloatArray] = {}
        self._surrogate = Surrogate(dimensions=self._free)
        self._n_startup = n_startup_trials
        self._shared_cost = shared_trace_cost
        self._random = LazyRandomState(seed)

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
        trials = [t for t in study.get_trials(deepcopy=False) if "flat" in t.user_attrs]
        told = [t for t in trials if t.state == TrialState.COMPLETE and "outcome" in t.user_attrs]
        tried = {self._key(t.user_attrs["flat"]) for t in trials}
        left = [i for i, key in enumerate(self._keys) if key not in tried]
        if not left:
            left = list(range(len(self._points)))
        if len(left) > _MOST_CANDIDATES:
            drawn = self._random.rng.choice(len(left), _MOST_CANDIDATES, replace=False)
            left = [left[i] for i in sorted(drawn.tolist())]
        chosen = left[
            self._spread(left, trials)
            if len(told) < self._n_startup
            else self._promising(left, told)
        ]
        return dict(parameter(d, self._points[chosen][d.name]) for d in self._free)

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

    def _spread(self, left: list[int], trials: list[FrozenTrial]) -> int:
        """Of settings by chance the one that shares the fewest values with any tried one."""
        drawn = self._random.rng.randint(len(left), size=32)
        if not trials:
            return int(drawn[0])
        tried = encoded([self._whole(t.user_attrs["flat"]) for t in trials], self._free)
        codes = self._codes[[left[i] for i in drawn]]
        differing = (codes[:, None] != tried[None]).sum(axis=2).min(axis=1)
        return int(drawn[int(differing.argmax())])

    def _promising(self, left: list[int], told: list[FrozenTrial]) -> int:
        """The setting with the largest expected gain for its cost."""
        flats = [self._whole(t.user_attrs["flat"]) for t in told]
        attained = np.array([self._attained(t) for t in told])
        gains = self._surrogate.gains(
            encoded(flats, self._free), attained, self._codes[left], attained.min(axis=0)
        )
        measured = {model_knobs(flat).trace_key() for flat in flats}
        shared = [self._traces[i] in measured for i in left]
        return int((gains / np.where(shared, self._shared_cost, 1.0)).argmax())

    def _attained(self, trial: FrozenTrial) -> FloatArray:
        if trial.number not in self._known:
            outcome = trial.user_attrs["outcome"]
            rows = outcome.get("values") or outcome.get("estimate") or []
            values = np.array(rows, dtype=np.float64).reshape(-1, len(self._objectives))
            self._known[trial.number] = attainment(values, self._objectives)
        return self._known[trial.number]

    def _whole(self, flat: Point) -> Point:
        return {**self._fixed, **flat}

    def _key(self, flat: Point) -> tuple[KnobValue, ...]:
        return tuple(flat[d.name] for d in self._free)
