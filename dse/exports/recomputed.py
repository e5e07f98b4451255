"""A design's figures, worked out from what an export folder holds: knobs, trace and encoder."""

from __future__ import annotations

from dataclasses import dataclass

from dse.exports.document import DesignDocument
from dse.exports.errors import ExportError
from evaluators.traces import ExitTrace
from hw_cost import Technology, Workload, load_technology
from search_space import DesignPoint, KnobValue, design_point
from studies.cost_models import COST_MODELS, model_maker
from studies.design_details import DesignDetail, design_details
from studies.scoring import Scorer, Setting, setting_of
from studies.spec_tables import CostModelTable, ScenarioTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedDesign:
    """An exported design, ready to be scored.

    Attributes:
        point: its knobs.
        setting: its trace and workload.
        scorer: its scenario, constants and cost model; None if that is none of the shipped ones.
        technology: constants of its scenario.
    """

    point: DesignPoint
    setting: Setting
    scorer: Scorer | None
    technology: Technology

    @classmethod
    def of(cls, document: DesignDocument, trace: ExitTrace) -> ExportedDesign:
        """The design of a document with its trace.

        Raises:
            ExportError: scenario, knobs and trace do not fit one another.
        """
        try:
            scenario = ScenarioTable.model_validate(document.scenario)
            technology = load_technology(
                envm=scenario.envm_preset, logic=scenario.logic_preset, node_nm=scenario.node_nm
            )
            knobs: dict[str, KnobValue] = dict(document.knobs)
            point = design_point(knobs)
            model = document.cost_model
            scorer = None
            # A folder names no code to run: cost models of one's own are left to their owner.
            if model.name in COST_MODELS:
                scorer = Scorer(
                    scenario=scenario.scenario(),
                    technology=technology,
                    make_model=model_maker(CostModelTable(name=model.name, options=model.options)),
                )
            setting = setting_of(point.model, trace, document.shape)
        except ValueError as error:
            raise ExportError(f"design.json: {' '.join(str(error).split())[:300]}") from error
        return cls(point=point, setting=setting, scorer=scorer, technology=technology)

    @property
    def workload(self) -> Workload:
        """What the accelerator runs."""
        return self.setting.workload

    def detail(self) -> DesignDetail | None:
        """Every figure of the design; None under a cost model that is not shipped."""
        if self.scorer is None:
            return None
        return design_details(self.scorer, self.setting, [self.point])[0]
