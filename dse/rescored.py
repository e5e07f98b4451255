"""Designs of a study with its constants, ready to be scored under other values of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.progress import Progress

from dse.evaluation import Evaluation
from dse.runs import RunFolder
from dse.trace_sources import SourceOptions, TraceSource, make_source
from hw_cost import Constant, Technology
from hw_cost.technology import technology_constants
from search_space import KnobValue, design_point
from studies.rescoring import FIGURES, FloatArray, Rescoring
from studies.spec import StudySpec
from studies.uncertainty import sampled_metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class RescoredDesigns:
    """Designs of one study.

    Attributes:
        technology: of the study's scenario.
        constants: where each of its values comes from.
        rescoring: the designs.
    """

    technology: Technology
    constants: tuple[Constant, ...]
    rescoring: Rescoring

    @classmethod
    def of(
        cls, spec: StudySpec, source: TraceSource, designs: Sequence[Mapping[str, KnobValue]]
    ) -> RescoredDesigns:
        """Designs given by their knobs; their metrics are those that `spec` and `FIGURES` name."""
        chosen = (spec.scenario.envm_preset, spec.scenario.logic_preset, spec.scenario.node_nm)
        asked = [o.metric for o in spec.objectives] + [c.metric for c in spec.constraints]
        evaluation = Evaluation(spec, source)
        scorer = replace(evaluation.scorer, metrics=tuple(dict.fromkeys([*FIGURES, *asked])))
        measured = [(evaluation.setting(flat), design_point(flat)) for flat in designs]
        return cls(
            technology=evaluation.technology,
            constants=technology_constants(*chosen),
            rescoring=Rescoring.of(scorer, measured),
        )

    def sampled(self, n_samples: int, seed: int) -> dict[str, FloatArray]:
        """Metrics (n_samples, n_designs) under sampled constants, with progress on stderr."""
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Samples", total=n_samples)
            return sampled_metrics(
                self.rescoring,
                self.technology,
                self.constants,
                n_samples=n_samples,
                seed=seed,
                progress=lambda done: bar.update(task, completed=done),
            )


def source_of_run(run: RunFolder) -> TraceSource:
    """The traces that a run was made with."""
    settings, spec = run.settings(), run.spec()
    options = SourceOptions(
        glue_dir=settings["data"],
        cache=str(run.cache_of(spec)),
        recorded=settings["traces"],
        cache_limit_mib=spec.evaluator.cache_mib,
    )
    return make_source(spec, options)


def number(value: float) -> float | None:
    """The value for JSON, which knows no NaN."""
    return None if value != value else float(value)
