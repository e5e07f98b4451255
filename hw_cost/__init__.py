"""Pure functions: workload groups x accelerator columns x technology -> cost table, area."""

from hw_cost.accelerator import CHOICES, DVFS_POLICIES, AcceleratorColumns, ColumnsError
from hw_cost.breakdown import ENERGY_PARTS, LATENCY_PARTS, Breakdown, breakdown
from hw_cost.cost_model import AnalyticModel, CostModel
from hw_cost.cost_table import CostTable, CostTableError, cost_table
from hw_cost.explanation import ExplainedGemm, InfeasibleDesignError, explained_gemms
from hw_cost.feasibility import envm_violation
from hw_cost.gemm_costs import GemmCosts, MatrixProduct, WeightPort, gemm_costs
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
    "CHOICES",
    "DVFS_POLICIES",
    "ENERGY_PARTS",
    "ENVM_PRESETS",
    "LATENCY_PARTS",
    "AcceleratorColumns",
    "AnalyticModel",
    "Breakdown",
    "ColumnsError",
    "Constant",
    "CostModel",
    "CostTable",
    "CostTableError",
    "EncoderShape",
    "ExplainedGemm",
    "GemmCosts",
    "Groups",
    "GroupsError",
    "InfeasibleDesignError",
    "Mark",
    "MatrixProduct",
    "StoredBits",
    "Technology",
    "TechnologyError",
    "WeightPort",
    "Workload",
    "WorkloadError",
    "breakdown",
    "cost_table",
    "envm_violation",
    "explained_gemms",
    "gemm_costs",
    "load_constants",
    "load_technology",
]
