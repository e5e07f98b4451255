"""Compiling: the cost model's inner loops, ahead of the first design."""

from __future__ import annotations

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.cost_table import cost_table
from hw_cost.groups import Groups
from hw_cost.technology import load_technology
from hw_cost.workload import EncoderShape, Workload
from search_space import (
    CellKind,
    DvfsPolicy,
    HardwareKnobs,
    IdleAccounting,
    Scenario,
    adaptivfloat,
)


def compile_model() -> None:
    """Compile the inner loops, or load them from numba's cache on disk.

    Takes some ten seconds the first time on a machine and less than one after that. Processes that
    start together should not all do it: call this before them.
    """
    shape = EncoderShape(
        layers=2,
        distinct_layers=1,
        hidden=8,
        heads=2,
        ffn=16,
        embedding_width=4,
        vocabulary=10,
        positions=8,
        token_types=1,
        classes=2,
    )
    workload = Workload(
        shape=shape,
        head_spans=((8, 8),),
        encoder_density=1.0,
        embedding_density=1.0,
        weight_format=adaptivfloat(8, 3),
        activation_format=adaptivfloat(8, 3),
        embedding_storage=CellKind.SRAM,
        encoder_storage=CellKind.SRAM,
    )
    knobs = HardwareKnobs(
        mac_vector_size=4,
        processing_units=1,
        data_sram_kib=4,
        mask_sram_kib=1,
        aux_sram_kib=4,
        envm_mib=0.0,
        min_voltage_v=0.5,
        max_voltage_v=0.8,
        dvfs_policy=DvfsPolicy.LOWEST_FEASIBLE,
    )
    scenario = Scenario(
        task="SST-2",
        padded_tokens=None,
        deadline_ms=1.0,
        sentences_per_hour=1.0,
        idle=IdleAccounting.NONE,
        temperature_k=350.0,
    )
    groups = Groups(np.array([4]), np.array([2]), np.array([1]))
    cost_table(
        workload, AcceleratorColumns.from_knobs([knobs]), groups, scenario, load_technology()
    )
