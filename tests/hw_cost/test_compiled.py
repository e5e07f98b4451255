"""Compiling ahead: what is compiled is what every later call uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hw_cost import (
    AcceleratorColumns,
    Groups,
    Technology,
    Workload,
    breakdown,
    compile_model,
    cost_table,
)
from hw_cost.execution import _run
from hw_cost.sentence import sentence_costs
from search_space import CellKind, DramKind, Scenario


def test_one_compilation_serves_every_call(
    make_workload: Callable[..., Workload],
    make_columns: Callable[..., AcceleratorColumns],
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
) -> None:
    """One design or many, any store, table or breakdown: types are those compiled ahead."""
    compile_model()
    groups, scenario = make_groups((20, 3, 2), (9, 6, 6)), make_scenario()
    designs = [{"mac_vector_size": n, "dram": kind} for n in (4, 8) for kind in DramKind]
    for storage in (CellKind.SRAM, CellKind.DRAM):
        for columns in (make_columns(designs[1]), make_columns(*designs)):
            workload = make_workload(encoder_storage=storage)
            cost_table(workload, columns, groups, scenario, technology, with_core_energy=True)
            breakdown(workload, columns, groups, np.full(2, 0.5), scenario, technology)
    assert len(_run.signatures) == 1
    assert len(sentence_costs.signatures) == 1
