"""What a worker does: one task in, one outcome out, the same inline and in a Ray actor."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dse.racing import Racing, Rivals
from evaluators.codecs.errors import NotFiniteError
from evaluators.traces import ExitTrace
from hw_cost import AnalyticModel, EncoderShape, envm_violation, load_technology
from search_space import (
    DramKind,
    HardwareKnobs,
    KnobValue,
    ModelKnobs,
    design_point,
    model_knobs,
)
from studies.cost_models import model_maker
from studies.enumeration import InnerFront, InnerSpace, inner_front, within
from studies.fronts import hypervolume
from studies.recorded import SHIPPED, RecordedTraces, RecordedTracesError
from studies.scoring import Scorer, Setting, score_one, setting_of
from studies.spec import StudyFileError, StudySpec

Flat = Mapping[str, KnobValue]


class TraceSource(Protocol):
    """Where traces come from."""

    def trace(self, knobs: ModelKnobs) -> ExitTrace:
        """The trace of a setting."""

    def shape(self, checkpoint: str) -> EncoderShape:
        """Shape of a checkpoint's encoder."""

    def stages(self, knobs: ModelKnobs) -> Iterator[ExitTrace]:
        """The trace of a setting as it is measured, the whole one last."""

    def select_tokens(self, checkpoint: str) -> NDArray[np.int64]:
        """Token counts (n_select,) of the ``select`` sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one task.

    Attributes:
        state: ``complete``, ``infeasible`` (a result: the reason says why), ``pruned`` (its race
            was lost) or ``failed``.
        reason: one sentence unless complete.
        metrics: joint: every metric of the design.
        values: objective values: joint one row, nested one row for each point of the inner front.
        hardware: nested: rows of the inner space's hardware.
        exits: nested: rows of its exit settings.
        designs_scored: designs that the outcome is of.
        designs_pruned: nested: those of them that no score was needed for.
        own_hypervolume: nested: hypervolume of this setting's front alone; of a pruned one that of
            the estimate.
        estimate: pruned: values of the inner front on the sentences drawn, if any was.
        sentences: racing: sentences of the setting that were measured.
        seconds: time it took.
        notes: sentences for the user, from a worker that cannot tell them; the executor does.
    """

    state: Literal["complete", "infeasible", "pruned", "failed"]
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    values: list[list[float]] = field(default_factory=list)
    hardware: list[int] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    designs_scored: int = 0
    designs_pruned: int = 0
    own_hypervolume: float = 0.0
    estimate: list[list[float]] = field(default_factory=list)
    sentences: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How a worker makes its trace source; plain data, so that it travels.

    Attributes:
        glue_dir: GLUE folder or ``datasets:NAME``, for live evaluation.
        cache: folder of live traces; None for no cache.
        cache_limit_mib: size that the cache is kept within; None for no limit.
        recorded: folder of recorded traces.
        torch_threads: threads of live evaluation.
    """

    glue_dir: str | None
    cache: str | None
    recorded: str | None
    cache_limit_mib: int | None = None
    torch_threads: int = 1


def on_stderr(text: str) -> None:
    """Tell the user where nothing else shows progress."""
    print(text, file=sys.stderr, flush=True)


def make_source(
    spec: StudySpec, options: SourceOptions, say: Callable[[str], None] = on_stderr
) -> TraceSource:
    """The trace source that a study names.

    Args:
        spec: the study.
        options: where its data and traces are.
        say: receives a sentence on what is damaged and measured again.

    Raises:
        RecordedTracesError: there are no recorded traces, or they are of another task.
    """
    if spec.evaluator.kind == "recorded":
        folder = SHIPPED if options.recorded is None else Path(options.recorded)
        recorded = RecordedTraces(folder, looks_of(spec))
        if recorded.manifest.task != spec.scenario.task:
            raise RecordedTracesError(
                f"Recorded traces are of {recorded.manifest.task}, the study is of "
                f"{spec.scenario.task}: record that task with 'dse record' and give the folder by "
                "--traces, or use --evaluator live."
            )
        return recorded
    from dse.live import LiveSource  # torch: only where sentences are evaluated

    return LiveSource(spec, options, say)


def looks_of(spec: StudySpec) -> tuple[int, ...]:
    """Numbers of drawn sentences after which a study looks at a setting; none without racing."""
    return () if spec.search.racing is None else (0, *spec.search.racing.looks)


class Evaluation:
    """Evaluates tasks of one study: whole settings (nested) or single designs (joint).

    Attributes:
        scorer: of every metric, with the study's cost model.
        asked_scorer: of the metrics that objectives and constraints name.
    """

    def __init__(self, spec: StudySpec, source: TraceSource) -> None:
        self._spec = spec
        self._source = source
        self._settings: dict[tuple[KnobValue, ...], Setting] = {}
        self._traces: dict[tuple[KnobValue, ...], ExitTrace] = {}
        objectives = [objective.metric for objective in spec.objectives]
        constrained = [constraint.metric for constraint in spec.constraints]
        self.technology = load_technology(
            envm=spec.scenario.envm_preset,
            logic=spec.scenario.logic_preset,
            node_nm=spec.scenario.node_nm,
        )
        self.scorer = Scorer(
            scenario=spec.scenario.scenario(),
            technology=self.technology,
            make_model=model_maker(spec.cost_model),
        )
        self.asked_scorer = replace(
            self.scorer, metrics=tuple(dict.fromkeys(objectives + constrained))
        )
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
                self._traces[knobs.trace_key()] = self._source.trace(knobs)
            self._settings[key] = self._checked(knobs, self._traces[knobs.trace_key()])
        return self._settings[key]

    def selected_setting(self, flat: Flat) -> Setting:
        """The same where the ``select`` sentences are enough: racing measures no others."""
        if self._racing is None:
            return self.setting(flat)
        knobs = model_knobs(flat)
        return self._checked(knobs, self._racing.selected(knobs))

    def _checked(self, knobs: ModelKnobs, trace: ExitTrace) -> Setting:
        shape = self._source.shape(knobs.checkpoint)
        padded, longest = self.scorer.scenario.padded_tokens, int(trace.tokens.max())
        if padded is not None and not longest <= padded <= shape.longest_sentence:
            raise StudyFileError(
                f"scenario.sequences 'padded({padded})': expected {longest} (the longest "
                f"sentence) to {shape.longest_sentence} tokens (the positions of "
                f"{knobs.checkpoint})."
            )
        return setting_of(knobs, trace, shape)

    def inner_front(self, setting: Setting, flat: Flat) -> InnerFront:
        """Exact front over all exits and accelerators of a setting."""
        return inner_front(
            self.asked_scorer,
            setting,
            dict(flat),
            self.inner,
            self._spec.objectives,
            self._spec.constraints,
        )

    @property
    def inner(self) -> InnerSpace:
        """The grid that is enumerated for every setting."""
        if self._inner is None:
            self._inner = InnerSpace.of(self._spec.search_space())
        return self._inner

    def evaluate_setting(self, flat: Flat, rivals: Rivals | None = None) -> Outcome:
        """Exact inner front of one setting of the model knobs.

        Args:
            flat: its knobs.
            rivals: the front that it is raced against; None for no race.
        """
        started = time.perf_counter()
        spec = self._spec
        if self._racing is not None and rivals is not None:
            setting, reason, is_fit = self._racing.run(flat, self.inner, rivals)
            if not is_fit:
                seconds = time.perf_counter() - started
                return Outcome(state="infeasible", reason=reason, seconds=seconds)
            if reason:
                return self._lost(flat, setting, reason, started)
        setting = self.selected_setting(flat)
        front = self.inner_front(setting, flat)
        measured = 0 if self._racing is None else len(setting.trace.tokens)
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

    def _lost(self, flat: Flat, setting: Setting, reason: str, started: float) -> Outcome:
        """Outcome of a setting that lost its race, with its front on the sentences drawn."""
        drawn = len(setting.trace.tokens)
        values = self.inner_front(setting, flat).values if drawn else np.zeros((0, 0))
        return Outcome(
            state="pruned",
            reason=reason,
            estimate=values.tolist(),
            own_hypervolume=hypervolume(values, self._spec.objectives),
            sentences=drawn,
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
            reason = scores.table.reason(0) or "infeasible"
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
        return envm_violation(
            setting.workload,
            hardware.envm_mib,
            self.technology,
            has_dram=hardware.dram is not DramKind.NONE,
        )

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


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON values, defaults left out: what the journal keeps."""
    default = Outcome(state="complete")
    return {
        name: getattr(outcome, name)
        for name in Outcome.__dataclass_fields__
        if name == "state" or getattr(outcome, name) != getattr(default, name)
    }
