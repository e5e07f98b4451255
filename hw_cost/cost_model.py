"""Cost models: what scoring asks of one, and the one of this project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.breakdown import Breakdown, breakdown
from hw_cost.cost_table import CostTable, cost_table
from hw_cost.groups import Groups
from hw_cost.technology import Technology
from hw_cost.units import Floats
from hw_cost.workload import Workload
from search_space import Scenario


@runtime_checkable
class CostModel(Protocol):
    """What a sentence costs on many designs; `hw_cost.testing` checks what is promised here.

    A design either runs every sentence or none: whether it can is decided by the longest one that
    takes every layer. What a group costs does not depend on the other groups or designs. A sentence
    that leaves after layer 1 costs no more, in energy and in time, than one of as many tokens that
    takes more layers: bounds on designs that need not be scored rest on it.
    """

    @property
    def name(self) -> str:
        """What the model is called in messages."""

    def cost_table(
        self, workload: Workload, columns: AcceleratorColumns, groups: Groups, scenario: Scenario, /
    ) -> CostTable:
        """Costs of every design (rows) and group (columns); `CostTable.of` makes one."""

    def breakdown(
        self,
        workload: Workload,
        columns: AcceleratorColumns,
        groups: Groups,
        weights: Floats,
        scenario: Scenario,
        /,
    ) -> Breakdown:
        """Parts that add up to the means of the table, for shares (n_groups,) of the sentences."""


@dataclass(frozen=True, slots=True)
class AnalyticModel:
    """The analytic model of this project: `hw_cost.cost_table` and `hw_cost.breakdown`.

    Attributes:
        technology: its constants.
    """

    name: ClassVar[str] = "edge-dse"
    technology: Technology

    def cost_table(
        self, workload: Workload, columns: AcceleratorColumns, groups: Groups, scenario: Scenario
    ) -> CostTable:
        """See `hw_cost.cost_table.cost_table`."""
        return cost_table(workload, columns, groups, scenario, self.technology)

    def breakdown(
        self,
        workload: Workload,
        columns: AcceleratorColumns,
        groups: Groups,
        weights: Floats,
        scenario: Scenario,
    ) -> Breakdown:
        """See `hw_cost.breakdown.breakdown`."""
        return breakdown(workload, columns, groups, weights, scenario, self.technology)


MakeModel = Callable[[Technology], CostModel]
"""A model as it is under any constants."""
