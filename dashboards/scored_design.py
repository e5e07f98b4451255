"""One design scored anew by the code of its study, with what only the scoring knows."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.exits import ExitHistogram
from evaluators.traces import Split
from hw_cost import (
    AcceleratorColumns,
    AnalyticModel,
    ExplainedGemm,
    InfeasibleDesignError,
    explained_gemms,
)
from hw_cost.placement import Placement, placements
from search_space import DesignPoint, KnobValue, design_point
from studies.bench import Bench
from studies.scoring import Scores, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredDesign:
    """One design with the tables behind its metrics.

    Attributes:
        point: the design.
        setting: of its model knobs.
        histogram: of its sentences, one setting.
        scores: of it alone.
        tokens: of the longest sentence, which GEMMs are shown of.
    """

    point: DesignPoint
    setting: Setting
    histogram: ExitHistogram
    scores: Scores
    tokens: int

    @classmethod
    def of(cls, bench: Bench, flat: dict[str, KnobValue]) -> ScoredDesign:
        """A design by its knobs.

        Raises:
            ValueError: its setting cannot be had.
        """
        point, setting = design_point(flat), bench.setting(flat)
        histogram = bench.scorer.histogram(setting, [point.exits])
        columns = AcceleratorColumns.from_knobs([point.hardware])
        padded = bench.scorer.scenario.padded_tokens
        return cls(
            point=point,
            setting=setting,
            histogram=histogram,
            scores=bench.scorer.score(setting, histogram, columns),
            tokens=padded or int(setting.trace.of(Split.SELECT).tokens.max()),
        )

    def gemms(self, bench: Bench) -> tuple[ExplainedGemm, ...]:
        """Every GEMM of its longest sentence through all layers.

        Raises:
            ValueError: the study has another cost model, or the design cannot run.
        """
        if not isinstance(bench.scorer.cost_model, AnalyticModel):
            raise ValueError("The study's cost model does not tell GEMMs apart.")
        columns = AcceleratorColumns.from_knobs([self.point.hardware])
        scenario = bench.scorer.scenario
        try:
            return explained_gemms(
                self.setting.workload, columns, self.tokens, scenario, bench.technology
            )
        except InfeasibleDesignError as error:
            raise ValueError(str(error)) from error

    def placements(self, bench: Bench) -> tuple[Placement, ...]:
        """Which tensors live in which memory."""
        columns = AcceleratorColumns.from_knobs([self.point.hardware])
        return placements(self.setting.workload, columns, bench.technology)
