"""What a worker does: one task in, one outcome out, the same inline and in a Ray actor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from dse.outcomes import Outcome
from dse.racing import Racing, Rivals
from dse.trace_sources import TaskSources, TraceSource
from evaluators.codecs.errors import NotFiniteError
from evaluators.traces import ExitTrace
from hw_cost import AnalyticModel, envm_violation, load_technology
from search_space import (
    DramKind,
    HardwareKnobs,
    KnobValue,
    ModelKnobs,
    design_point,
    model_knobs,
)
from studies.cost_models import model_maker
from studies.enumeration import InnerFront, inner_front, joined_front
from studies.fronts import hypervolume
from studies.inner_space import InnerSpace
from studies.metrics import METRICS, of_task
from studies.objectives import within
from studies.scoring import Scorer, Setting, score_one, setting_of
from studies.spec import StudyFileError, StudySpec

Flat = Mapping[str, KnobValue]


def _every_metric(spec: StudySpec) -> tuple[str, ...]:
    """All metrics, and of several tasks the accuracy on each and what the study names."""
    tasks = spec.scenario.tasks
    of_tasks = [of_task("accuracy", task) for task in tasks] if len(tasks) > 1 else []
    return tuple(dict.fromkeys([*METRICS, *of_tasks, *spec.metric_names()]))


class Evaluation:
    """Evaluates tasks of one study: whole settings (nested) or single designs (joint).

    Attributes:
        scorer: of every metric, with the study's cost model.
        asked_scorer: of the metrics that objectives and constraints name.
    """

    def __init__(self, spec: StudySpec, source: TraceSource) -> None:
        self._spec = spec
        self._source = source
        self._sources: list[TraceSource] = (
            list(source.by_task.values()) if isinstance(source, TaskSources) else [source]
        )
        self._settings: dict[tuple[KnobValue, ...], Setting] = {}
        self._traces: dict[tuple[KnobValue, ...], list[ExitTrace]] = {}
        self.technology = load_technology(
            envm=spec.scenario.envm_preset,
            logic=spec.scenario.logic_preset,
            node_nm=spec.scenario.node_nm,
        )
        self.scorer = Scorer(
            scenario=spec.scenario.scenario(),
            technology=self.technology,
            make_model=model_maker(spec.cost_model),
            metrics=_every_metric(spec),
        )
        self.asked_scorer = replace(self.scorer, metrics=spec.metric_names())
        self._inner: InnerSpace | None = None
        self._racing = (
            None if spec.search.racing is None else Racing(spec, self.asked_scorer, source)
        )

    def setting(self, flat: Flat) -> Setting:
        """The measured setting of a flat point's model knobs."""
        knobs = model_knobs(flat)
        cells = (knobs.embedding_storage, knobs.encoder_storage, knobs.cell_of_exits)
        key = (*knobs.trace_key(), *cells, knobs.table_storage)
        if key not in self._settings:
            if knobs.trace_key() not in self._traces:
                self._traces[knobs.trace_key()] = [each.trace(knobs) for each in self._sources]
            traces = self._traces[knobs.trace_key()]
            first, *others = (
                self._checked(knobs, trace, source)
                for trace, source in zip(traces, self._sources, strict=True)
            )
            self._settings[key] = replace(first, others=tuple(others))
        return self._settings[key]

    def selected_setting(self, flat: Flat) -> Setting:
        """The same where the ``select`` sentences are enough: racing measures no others."""
        if self._racing is None:
            return self.setting(flat)
        knobs = model_knobs(flat)
        return self._checked(knobs, self._racing.selected(knobs))

    def _checked(
        self, knobs: ModelKnobs, trace: ExitTrace, source: TraceSource | None = None
    ) -> Setting:
        """The setting on one task, by default that of a study of one."""
        shape = (source or self._source).shape(knobs.checkpoint)
        padded, longest = self.scorer.scenario.padded_tokens, int(trace.tokens.max())
        if padded is not None and not longest <= padded <= shape.longest_sentence:
            raise StudyFileError(
                f"scenario.sequences 'padded({padded})': expected {longest} (the longest "
                f"sentence) to {shape.longest_sentence} tokens (the positions of "
                f"{knobs.checkpoint})."
            )
        return setting_of(knobs, trace, shape)

    def inner_front(self, flat: Flat, drawn: ExitTrace | None = None) -> InnerFront:
        """Exact front over all exits, accelerators and enumerated storage of a setting.

        Args:
            flat: its model knobs but for enumerated storage.
            drawn: its trace as far as it was measured; None for all that the front needs.
        """
        spec = self._spec
        fronts = {}
        for row, whole in self.inner.settings(flat).items():
            setting = (
                self.selected_setting(whole)
                if drawn is None
                else self._checked(model_knobs(whole), drawn)
            )
            fronts[row] = inner_front(
                self.asked_scorer, setting, whole, self.inner, spec.objectives, spec.constraints
            )
        return joined_front(fronts, self.inner, spec.objectives)

    @property
    def inner(self) -> InnerSpace:
        """The grid that is enumerated for every setting."""
        if self._inner is None:
            storage = self._spec.enumerated_storage()
            self._inner = InnerSpace.of(self._spec.search_space(), storage)
        return self._inner

    def evaluate_setting(self, flat: Flat, rivals: Rivals | None = None) -> Outcome:
        """Exact inner front of one setting of the model knobs.

        Args:
            flat: its knobs.
            rivals: the front that it is raced against; None for no race.
        """
        started = time.perf_counter()
        spec = self._spec
        if not self.inner.settings(flat):
            reason = "conditions forbid all storage that the study lists"
            return Outcome(state="infeasible", reason=reason)
        if self._racing is not None and rivals is not None:
            drawn, reason, is_fit = self._racing.run(flat, self.inner, rivals)
            if not is_fit:
                seconds = time.perf_counter() - started
                return Outcome(state="infeasible", reason=reason, seconds=seconds)
            if reason:
                return self._lost(flat, drawn, reason, started)
        front = self.inner_front(flat)
        measured = 0 if self._racing is None else self._n_selected(flat)
        seconds = time.perf_counter() - started
        if front.designs_feasible == 0:
            commonest = max(front.reasons, key=lambda r: front.reasons[r], default="")
            return Outcome(
                state="infeasible",
                reason=commonest or "every design breaks a constraint",
                designs_scored=front.designs_scored,
                designs_pruned=front.designs_pruned,
                sentences=measured,
                seconds=seconds,
            )
        return Outcome(
            state="complete",
            values=front.values.tolist(),
            hardware=front.hardware.tolist(),
            exits=front.exits.tolist(),
            designs_scored=front.designs_scored,
            designs_pruned=front.designs_pruned,
            own_hypervolume=hypervolume(front.values, spec.objectives),
            sentences=measured,
            seconds=seconds,
        )

    def _n_selected(self, flat: Flat) -> int:
        """Sentences of the ``select`` split."""
        return len(self._source.select_tokens(str(flat["checkpoint"])))

    def _lost(self, flat: Flat, drawn: ExitTrace, reason: str, started: float) -> Outcome:
        """Outcome of a setting that lost its race, with its front on the sentences drawn."""
        n_drawn = len(drawn.tokens)
        values = self.inner_front(flat, drawn).values if n_drawn else np.zeros((0, 0))
        return Outcome(
            state="pruned",
            reason=reason,
            estimate=values.tolist(),
            own_hypervolume=hypervolume(values, self._spec.objectives),
            sentences=n_drawn,
            seconds=time.perf_counter() - started,
        )

    def evaluate_design(self, flat: Flat) -> Outcome:
        """Metrics of one design."""
        started = time.perf_counter()
        design = design_point(flat)
        setting = self.setting(flat)
        unsuited = self._unsuited(setting, design.hardware)
        if unsuited is not None:
            return Outcome(
                state="infeasible",
                reason=unsuited,
                designs_scored=1,
                seconds=time.perf_counter() - started,
            )
        scores = score_one(self.scorer, setting, design.exits, design.hardware)
        seconds = time.perf_counter() - started
        if not scores.feasible[0]:
            reason = scores.reason(0) or "infeasible"
            return Outcome(state="infeasible", reason=reason, designs_scored=1, seconds=seconds)
        metrics = {name: float(values[0, 0]) for name, values in scores.values.items()}
        broken = [
            constraint.text
            for constraint in self._spec.constraints
            if not bool(within(scores.values, [constraint])[0, 0])
        ]
        return Outcome(
            state="infeasible" if broken else "complete",
            reason=f"constraint '{broken[0]}' does not hold" if broken else "",
            metrics=metrics,
            values=[] if broken else [[metrics[o.metric] for o in self._spec.objectives]],
            hardware=[] if broken else [0],
            exits=[] if broken else [0],
            designs_scored=1,
            seconds=seconds,
        )

    def _unsuited(self, setting: Setting, hardware: HardwareKnobs) -> str | None:
        """Why an eNVM does not suit a setting, where our own cost model would say so at length."""
        if not isinstance(self.scorer.cost_model, AnalyticModel):
            return None
        has_dram = hardware.dram is not DramKind.NONE
        found = (
            envm_violation(each.workload, hardware.envm_mib, self.technology, has_dram=has_dram)
            for each in setting.tasks.values()
        )
        return next((reason for reason in found if reason), None)

    def evaluate(
        self, kind: Literal["setting", "design"], flat: Flat, rivals: Rivals | None = None
    ) -> Outcome:
        """One task; an encoder that overflows under its setting is a failed one, with the reason.

        Args:
            kind: of task.
            flat: its point.
            rivals: the front that a setting is raced against; None for no race.

        Raises:
            ValueError: the trace cannot be had: recorded traces or data are missing or damaged.
        """
        started = time.perf_counter()
        try:
            if kind == "setting":
                return self.evaluate_setting(flat, rivals)
            return self.evaluate_design(flat)
        except NotFiniteError as error:
            return Outcome(state="failed", reason=str(error), seconds=time.perf_counter() - started)
