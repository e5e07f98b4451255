"""Racing in a worker: settings measured stage by stage, and stopped where their race is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluators.stages import looks_below
from evaluators.traces import ExitTrace
from hw_cost import EncoderShape
from search_space import KnobValue, ModelKnobs, TraceKey, model_knobs
from studies.fronts import FloatArray
from studies.inner_space import InnerSpace
from studies.racing import Race, Rules, ceilings
from studies.scoring import Scorer, setting_of
from studies.spec import StudySpec

Rivals = Sequence[Sequence[float]]
"""Objective values of the front that a setting is raced against, a row for each design."""


class StagedSource(Protocol):
    """Where traces come from, stage by stage."""

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """A trace for each look, one of all ``select`` sentences, and the whole one."""

    def select_tokens(self, checkpoint: str) -> NDArray[np.int64]:
        """Token counts (n_select,) of the ``select`` sentences."""

    def shape(self, checkpoint: str) -> EncoderShape:
        """Shape of a checkpoint's encoder."""


class StagedTraces:
    """Traces as far as they have been measured: what one asks for is measured once."""

    def __init__(self, source: StagedSource) -> None:
        self._source = source
        self._begun: dict[TraceKey, tuple[list[ExitTrace], Iterator[ExitTrace]]] = {}

    def at(self, knobs: ModelKnobs, stage: int) -> ExitTrace:
        """The trace of a setting after that stage, counted from 0."""
        key = knobs.trace_key()
        if key not in self._begun:
            self._begun[key] = ([], self._source.stages(knobs))
        measured, further = self._begun[key]
        try:
            while len(measured) <= stage:
                measured.append(next(further))
        except BaseException:  # an iterator that was interrupted has ended
            del self._begun[key]
            raise
        return measured[stage]


class Racing:
    """Races of a study's settings against fronts.

    Attributes:
        rules: of the study.
    """

    def __init__(self, spec: StudySpec, scorer: Scorer, source: StagedSource) -> None:
        """Of a study with a table of racing."""
        table = spec.search.racing
        assert table is not None
        self.rules = Rules(
            looks=tuple(table.looks), risk=table.risk, ceiling=table.accuracy_ceiling
        )
        self._spec = spec
        self._scorer = scorer
        self._source = source
        self._traces = StagedTraces(source)
        self._ceilings: dict[tuple[TraceKey, int], FloatArray] = {}

    def selected(self, knobs: ModelKnobs) -> ExitTrace:
        """The trace of all ``select`` sentences of a setting, those of other splits unmeasured."""
        return self._traces.at(knobs, len(self._looks(knobs.checkpoint)) + 1)

    def _looks(self, checkpoint: str) -> tuple[int, ...]:
        return looks_below(len(self._source.select_tokens(checkpoint)), self.rules.looks)

    def run(
        self, flat: Mapping[str, KnobValue], inner: InnerSpace, rivals: Rivals
    ) -> tuple[ExitTrace, str, bool]:
        """Measure a setting from look to look, as long as it may be on the front.

        With enumerated storage it is stopped when that holds whatever its cells.

        Returns:
            The trace as far as it was measured, why it was stopped (empty if it was not), and
            whether a constraint can be kept at all: this is known before the first sentence.

        Args:
            flat: its knobs.
            inner: all exits and accelerators, and storage that is enumerated.
            rivals: the front.
        """
        settings = [model_knobs(whole) for whole in inner.settings(flat).values()]
        knobs = settings[0]
        shape = self._source.shape(knobs.checkpoint)
        tokens = self._source.select_tokens(knobs.checkpoint)
        drawn = self._traces.at(knobs, 0)
        races = [
            Race(
                scorer=self._scorer,
                setting=setting_of(each, drawn, shape),
                tokens=tokens,
                model=dict(whole),
                inner=inner,
                objectives=self._spec.objectives,
                constraints=self._spec.constraints,
                rules=self.rules,
            )
            for each, whole in zip(settings, inner.settings(flat).values(), strict=True)
        ]
        unfit = [race.unfit for race in races if race.unfit is not None]
        if len(unfit) == len(races):
            return drawn, unfit[0], False
        races = [race for race in races if race.unfit is None]
        for stage, count in enumerate((0, *self._looks(knobs.checkpoint))):
            drawn = self._traces.at(knobs, stage)
            key = (knobs.trace_key(), stage)
            if key not in self._ceilings:
                self._ceilings[key] = ceilings(drawn, races[0].exits, len(tokens), self.rules)
            if all(race.lost(drawn, self._ceilings[key], rivals) for race in races):
                reason = f"after {count} of {len(tokens)} sentences no design can be on the front"
                return drawn, reason, True
        return drawn, "", True
