"""Our own sampler of nested studies: it learns the whole inner front of a setting, not two values.

It reads the front of every told setting from its trial, models them all
(`studies.front_surrogate`), and asks for the setting whose expected gain in hypervolume is largest
for what it costs: one that shares its trace with a told setting, and differs in storage alone,
needs no forward pass. Where storage is enumerated there are no such settings left.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from dse.setting_sampler import FLAT, Point, SettingSampler
from search_space import FULL_SPAN_TOKENS, KnobValue, TraceKey, model_knobs
from studies.front_surrogate import Surrogate, encoded
from studies.fronts import FloatArray, normalised
from studies.spec import StudySpec

_MOST_CANDIDATES: Final = 1_024
"""Settings that are looked at for one trial; of more, so many by chance."""
_OUTCOME: Final = "outcome"


class FrontSampler(SettingSampler):
    """Chooses settings by the hypervolume that their inner fronts are expected to add."""

    def __init__(
        self, spec: StudySpec, seed: int, n_startup_trials: int = 4, shared_trace_cost: float = 0.05
    ) -> None:
        """Of a nested study.

        Args:
            spec: the study.
            seed: of the first settings, and of candidates where the space is large.
            n_startup_trials: settings that are tried before a model is made: of each checkpoint the
                one that is compressed least, and others that are spread over the space.
            shared_trace_cost: cost of a setting whose trace has been measured, of one whose has
                not.

        Raises:
            ValueError: an option is out of its range.
        """
        if n_startup_trials < 2:
            raise ValueError(f"n_startup_trials {n_startup_trials}: expected 2 or more")
        if not 0 < shared_trace_cost <= 1:
            raise ValueError(f"shared_trace_cost {shared_trace_cost}: expected above 0, at most 1")
        super().__init__(spec, seed)
        space = spec.search_space()
        self._objectives = spec.objectives
        self._storage = {n: space[n].values[0] for n in spec.enumerated_storage()}
        self._codes = encoded(self._points, self._free)
        self._traces = [self._trace_key(point) for point in self._points]
        self._known: dict[int, FloatArray] = {}
        self._surrogate = Surrogate(dimensions=self._free)
        self._n_startup = n_startup_trials
        self._anchors = self._least_compressed()
        self._shared_cost = shared_trace_cost

    def chosen(self, left: list[int], trials: list[FrozenTrial]) -> int:
        """The most promising setting, once some that are spread over the space are told."""
        if len(left) > _MOST_CANDIDATES:
            drawn = self._random.rng.choice(len(left), _MOST_CANDIDATES, replace=False)
            left = [left[i] for i in sorted(drawn.tolist())]
        told = [t for t in trials if t.state == TrialState.COMPLETE and _OUTCOME in t.user_attrs]
        if len(told) < self._n_startup:
            anchors = [row for row in self._anchors if row in left]
            return anchors[0] if anchors else left[self._spread(left, trials)]
        return left[self._promising(left, told)]

    def _least_compressed(self) -> list[int]:
        """Of each checkpoint the setting with the longest spans, most bits and fewest zeros.

        How accurate a checkpoint can be at best is what others least tell of it.
        """
        best: dict[KnobValue, int] = {}
        for row, point in enumerate(self._points):
            name = point["checkpoint"]
            if name not in best or self._effort(point) > self._effort(self._points[best[name]]):
                best[name] = row
        return list(best.values())

    def _effort(self, point: Point) -> float:
        """How little a setting is compressed: a sum of shares of what its knobs could leave."""
        knobs = model_knobs({**point, **self._storage})
        kept = knobs.span_budget_tokens / FULL_SPAN_TOKENS - knobs.head_sparsity
        kept -= knobs.encoder_sparsity + knobs.embedding_sparsity
        return kept + (knobs.weight_format.bits + knobs.activation_format.bits) / 32

    def _spread(self, left: list[int], trials: list[FrozenTrial]) -> int:
        """Of settings by chance the one that shares the fewest values with any tried one."""
        drawn = self._random.rng.randint(len(left), size=32)
        if not trials:
            return int(drawn[0])
        tried = encoded([self._whole(t.user_attrs[FLAT]) for t in trials], self._free)
        codes = self._codes[[left[i] for i in drawn]]
        differing = (codes[:, None] != tried[None]).sum(axis=2).min(axis=1)
        return int(drawn[int(differing.argmax())])

    def _promising(self, left: list[int], told: list[FrozenTrial]) -> int:
        """The setting with the largest expected gain for its cost."""
        flats = [self._whole(t.user_attrs[FLAT]) for t in told]
        fronts = [self._front(t) for t in told]
        gains = self._surrogate.gains(encoded(flats, self._free), fronts, self._codes[left])
        measured = {self._trace_key(flat) for flat in flats}
        shared = [self._traces[i] in measured for i in left]
        return int((gains / np.where(shared, self._shared_cost, 1.0)).argmax())

    def _front(self, trial: FrozenTrial) -> FloatArray:
        """The inner front of a told trial on the hypervolume axes; no point if it has none."""
        if trial.number not in self._known:
            outcome = trial.user_attrs[_OUTCOME]
            rows = outcome.get("values") or outcome.get("estimate") or []
            values = np.array(rows, dtype=np.float64).reshape(-1, len(self._objectives))
            self._known[trial.number] = normalised(values, self._objectives)
        return self._known[trial.number]

    def _trace_key(self, flat: Point) -> TraceKey:
        return model_knobs({**flat, **self._storage}).trace_key()

    def _whole(self, flat: Point) -> Point:
        return {**self._fixed, **flat}
