"""An example: a small encoder on a few designs, to try a cost model with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw_cost.accelerator import AcceleratorColumns
from hw_cost.encoder_shape import EncoderShape
from hw_cost.groups import Groups
from hw_cost.workload import Workload
from search_space import (
    CellKind,
    DvfsPolicy,
    HardwareKnobs,
    IdleAccounting,
    Scenario,
    adaptivfloat,
)


def example_inputs() -> tuple[Workload, AcceleratorColumns, Groups, Scenario]:
    """A small encoder on six designs, one of them without room, in groups of three lengths."""
    shape = EncoderShape(
        layers=6,
        distinct_layers=1,
        hidden=96,
        heads=4,
        ffn=384,
        embedding_width=48,
        vocabulary=1000,
        positions=128,
        token_types=2,
        classes=2,
    )
    workload = Workload(
        shape=shape,
        head_spans=((128, 64, 16, 0),),
        encoder_density=0.5,
        embedding_density=0.4,
        weight_format=adaptivfloat(8, 3),
        activation_format=adaptivfloat(8, 3),
        embedding_storage=CellKind.RERAM_SLC,
        encoder_storage=CellKind.RERAM_MLC2,
    )
    fixed = HardwareKnobs(
        mac_vector_size=16,
        processing_units=1,
        data_sram_kib=64,
        mask_sram_kib=16,
        aux_sram_kib=32,
        envm_mib=1.0,
        min_voltage_v=0.5,
        max_voltage_v=0.8,
        dvfs_policy=DvfsPolicy.FIXED,
    )
    designs = [
        fixed,
        replace(fixed, mac_vector_size=8, dvfs_policy=DvfsPolicy.LOWEST_FEASIBLE),
        replace(fixed, data_sram_kib=1),
        replace(fixed, dvfs_policy=DvfsPolicy.MIN_ENERGY),
        replace(fixed, mac_vector_size=4),
        replace(fixed, processing_units=2, max_voltage_v=1.0),
    ]
    rows = [(t, p, a) for t in (7, 30, 64) for p in (1, 4, 6) for a in sorted({1, p})]
    tokens, predicted, actual = np.array(rows, dtype=np.int64).T
    scenario = Scenario(
        task="SST-2",
        padded_tokens=None,
        deadline_ms=0.5,
        sentences_per_hour=3600.0,
        idle=IdleAccounting.LEAKAGE,
        temperature_k=350.0,
    )
    groups = Groups(tokens, predicted, actual)
    return workload, AcceleratorColumns.from_knobs(designs), groups, scenario
