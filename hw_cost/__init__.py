"""Pure functions: workload groups x accelerator columns x technology -> cost table, area."""

from hw_cost.accelerator import CHOICES, DVFS_POLICIES, AcceleratorColumns, ColumnsError
from hw_cost.breakdown import ENERGY_PARTS, LATENCY_PARTS, Breakdown, breakdown
from hw_cost.cost_model import AnalyticModel, CostModel
from hw_cost.cost_table import CostTable, CostTableError, cost_table
from hw_cost.encoder_shape import EncoderShape, WorkloadError
from hw_cost.explanation import ExplainedGemm, InfeasibleDesignError, explained_gemms
from hw_cost.feasibility import envm_violation
from hw_cost.gemm_costs import GemmCosts, MatrixProduct, WeightPort, gemm_costs
from hw_cost.groups import Groups, GroupsError
from hw_cost.memory_cells import Dram, EnvmCell
from hw_cost.power_on import PowerOnCosts, power_on_costs
from hw_cost.staircase import stair_edges, width_cycles
from hw_cost.technology import (
    ENVM_PRESETS,
    LOGIC_PRESETS,
    NODES_NM,
    Constant,
    Mark,
    Technology,
    TechnologyError,
    load_constants,
    load_technology,
    technology_constants,
)
from hw_cost.updates import UpdateCosts, update_costs
from hw_cost.warm_up import compile_model
from hw_cost.workload import StoredBits, Workload

__all__ = [
    "CHOICES",
    "DVFS_POLICIES",
    "ENERGY_PARTS",
    "ENVM_PRESETS",
    "LATENCY_PARTS",
    "LOGIC_PRESETS",
    "NODES_NM",
    "AcceleratorColumns",
    "AnalyticModel",
    "Breakdown",
    "ColumnsError",
    "Constant",
    "CostModel",
    "CostTable",
    "CostTableError",
    "Dram",
    "EncoderShape",
    "EnvmCell",
    "ExplainedGemm",
    "GemmCosts",
    "Groups",
    "GroupsError",
    "InfeasibleDesignError",
    "Mark",
    "MatrixProduct",
    "PowerOnCosts",
    "StoredBits",
    "Technology",
    "TechnologyError",
    "UpdateCosts",
    "WeightPort",
    "Workload",
    "WorkloadError",
    "breakdown",
    "compile_model",
    "cost_table",
    "envm_violation",
    "explained_gemms",
    "gemm_costs",
    "load_constants",
    "load_technology",
    "power_on_costs",
    "stair_edges",
    "technology_constants",
    "update_costs",
    "width_cycles",
]
