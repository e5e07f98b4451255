"""Pure functions: workload groups x accelerator columns x technology -> cost table, area."""

from hw_cost.accelerator import DVFS_POLICIES, AcceleratorColumns, ColumnsError
from hw_cost.breakdown import ENERGY_PARTS, LATENCY_PARTS, Breakdown, breakdown
from hw_cost.cost_table import CostTable, cost_table
from hw_cost.feasibility import envm_violation
from hw_cost.groups import Groups, GroupsError
from hw_cost.technology import (
    ENVM_PRESETS,
    Constant,
    Mark,
    Technology,
    TechnologyError,
    load_constants,
    load_technology,
)
from hw_cost.workload import EncoderShape, StoredBits, Workload, WorkloadError

__all__ = [
    "DVFS_POLICIES",
    "ENERGY_PARTS",
    "ENVM_PRESETS",
    "LATENCY_PARTS",
    "AcceleratorColumns",
    "Breakdown",
    "ColumnsError",
    "Constant",
    "CostTable",
    "EncoderShape",
    "Groups",
    "GroupsError",
    "Mark",
    "StoredBits",
    "Technology",
    "TechnologyError",
    "Workload",
    "WorkloadError",
    "breakdown",
    "cost_table",
    "envm_violation",
    "load_constants",
    "load_technology",
]
