"""Dataflow: what is read again when buffers are small, and which order wins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_cost import (
    AcceleratorColumns,
    EncoderShape,
    ExplainedGemm,
    Groups,
    InfeasibleDesignError,
    Technology,
    WeightPort,
    Workload,
    cost_table,
    explained_gemms,
    gemm_costs,
)
from hw_cost.memory import sram_read_energy_pj, sram_write_energy_pj
from search_space import CellKind, DramKind, MappingObjective, Scenario, adaptivfloat

MakeWorkload = Callable[..., Workload]
MakeColumns = Callable[..., AcceleratorColumns]
Explain = Callable[..., dict[str, ExplainedGemm]]


@pytest.fixture(scope="session")
def explain(make_scenario: Callable[..., Scenario], technology: Technology) -> Explain:
    """GEMMs of the first kind of layer by name, on one design."""

    def gemms(
        workload: Workload, columns: AcceleratorColumns, tokens: int
    ) -> dict[str, ExplainedGemm]:
        found = explained_gemms(workload, columns, tokens, make_scenario(), technology)
        return {gemm.name: gemm for gemm in reversed(found) if gemm.step != "start"}

    return gemms


def test_large_buffers_read_every_weight_once(
    make_workload: MakeWorkload, make_columns: MakeColumns, explain: Explain
) -> None:
    """With room for all hidden activations weights are read once."""
    gemms = explain(make_workload(), make_columns({"data_sram_kib": 256}), 96)
    assert {g.weight_reads for g in gemms.values()} == {1, None}


def test_small_buffers_read_weights_once_for_each_block_of_rows(
    make_workload: MakeWorkload, make_columns: MakeColumns, explain: Explain
) -> None:
    """With room for two blocks of 16 rows of hidden activations, 96 rows read weights 3 times.

    18 KiB resident, twice 384 x 16 weights, 12 KiB of hidden activations for 32 rows: 42 of 48.
    """
    gemms = explain(make_workload(), make_columns({"data_sram_kib": 24}), 96)
    for name in ("ffn1", "ffn2"):
        assert gemms[name].weight_reads == 3
        assert gemms[name].order == "output-stationary"
        assert gemms[name].tile_rows == 32


def test_a_mask_buffer_limits_the_tile_of_sparse_weights(
    make_shape: Callable[..., EncoderShape],
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    explain: Explain,
) -> None:
    """1 KiB of mask holds 512 x 16 bits: a depth of 1024 is cut, 2 KiB hold it whole."""
    workload = make_workload(shape=make_shape(ffn=1024), encoder_density=0.5)
    depths = [
        explain(workload, make_columns({"mask_sram_kib": kib, "data_sram_kib": 512}), 96)[
            "ffn2"
        ].tile_depth
        for kib in (1, 2)
    ]
    assert depths == [512, 1024]


@settings(max_examples=20, deadline=None)
@given(
    n=st.sampled_from([8, 16, 32]),
    units=st.sampled_from([1, 2, 3]),
    tokens=st.integers(2, 128),
    storage=st.sampled_from([CellKind.SRAM, CellKind.RERAM_SLC, CellKind.STT_MRAM, CellKind.PCM]),
)
def test_more_buffer_never_costs_time(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
    n: int,
    units: int,
    tokens: int,
    storage: CellKind,
) -> None:
    """Latency does not rise as the data buffers grow, and a size that runs goes on running."""
    shared: dict[str, Any] = {
        "mac_vector_size": n,
        "processing_units": units,
        "envm_mib": 2.0 * storage.is_envm,
    }
    columns = make_columns(*(shared | {"data_sram_kib": kib} for kib in (8, 16, 32, 64, 128)))
    table = cost_table(
        make_workload(encoder_storage=storage),
        columns,
        make_groups((tokens, 6, 6)),
        make_scenario(),
        technology,
    )
    assert (np.diff(table.feasible.astype(int)) >= 0).all()
    # The wake-up of a larger gated area costs energy, not time.
    latency = table.latency_ns[table.feasible, 0]
    assert (np.diff(latency) <= 1e-9 * latency[:-1]).all()


@settings(max_examples=40, deadline=None)
@given(
    n=st.sampled_from([8, 16, 32]),
    units=st.sampled_from([1, 2, 3]),
    tokens=st.integers(2, 128),
    kib=st.sampled_from([8, 12, 16, 24, 32, 64]),
)
def test_a_dram_to_pass_through_is_used_only_where_it_helps(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_groups: Callable[..., Groups],
    make_scenario: Callable[..., Scenario],
    technology: Technology,
    n: int,
    units: int,
    tokens: int,
    kib: int,
) -> None:
    """Mapped by latency, a design with a DRAM beside it is never slower, and runs if it ran."""
    shared: dict[str, Any] = {
        "mac_vector_size": n,
        "processing_units": units,
        "data_sram_kib": kib,
        "mapping_objective": MappingObjective.LATENCY,
    }
    columns = make_columns(shared, shared | {"dram": DramKind.LPDDR4})
    groups = make_groups((tokens, 6, 6))
    table = cost_table(make_workload(), columns, groups, make_scenario(), technology)
    assert table.feasible[1] or not table.feasible[0]
    if table.feasible[0]:
        assert table.latency_ns[1, 0] <= table.latency_ns[0, 0] * (1 + 1e-9)


@dataclass(frozen=True)
class Product:
    """A GEMM that stands alone."""

    rows: int
    depth: int
    columns: int
    count: int = 1
    has_weights: bool = True


def best_by_hand(
    g: Product, n: int, units: int, kib: int, port: WeightPort, objective: str, t: Technology
) -> tuple[float, float]:
    """Cycles and energy of the best mapping of a GEMM, candidate by candidate, dense 8 bit.

    The energy is that of weights and spills, which the mapping decides.
    """
    capacity, acc = 2 * kib * 8192 * units, 32
    row_blocks, column_blocks = math.ceil(g.rows / n), math.ceil(g.columns / n)
    tile_cycles = math.ceil(g.depth / n) * n
    bits = g.depth * g.columns * 8
    write = float(sram_write_energy_pj(kib, n * 8, t)) * g.depth * column_blocks
    spill = (
        g.rows
        * column_blocks
        * (
            float(sram_read_energy_pj(kib, n * acc, t))
            + float(sram_write_energy_pj(kib, n * acc, t))
        )
    )
    base = g.rows * (g.depth + g.columns) * 8
    options = []
    for shared, order, m_blocks, parts in itertools.product(
        ("rows", "columns"),
        ("output", "input", "weight"),
        (1, 2, 4, 8, 16, 32),
        (1, 2, 4, 8, 16, 32, 64),
    ):
        of_unit = math.ceil(row_blocks / units)
        if shared == "rows":
            busy = of_unit * column_blocks * tile_cycles
            copies, block, rows = min(units, row_blocks), n * units, min(of_unit * n, g.rows)
        else:
            busy = row_blocks * math.ceil(column_blocks / units) * tile_cycles
            copies, block, rows = 1, n, g.rows
        k = n * math.ceil(math.ceil(g.depth / parts) / n)
        m = g.rows if order == "weight" else min(m_blocks * block, g.rows)
        tile = n * (n if order != "weight" and m_blocks == 1 else k)
        spills = 0 if order == "output" else math.ceil(g.depth / k) - 1
        need = base + 2 * tile * 8 * units
        need += m * g.columns * acc if order == "input" else 0
        need += rows * n * acc * units if order == "weight" and spills else 0
        if (order == "output" and parts > 1) or (order == "input" and parts == 1):
            continue
        if need > capacity:
            continue
        reads = math.ceil(g.rows / m)
        cycles = max(busy, bits * reads / port.word_bits)
        energy = (bits * port.energy_pj_per_bit + copies * write) * reads + spill * spills
        energy = float(f"{energy:.9g}")  # equal but for rounding is equal
        options.append((cycles, energy))
    by = (lambda o: o) if objective == "latency" else (lambda o: o[::-1])
    return min(options, key=by, default=(math.nan, math.nan))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 100),
    depth=st.integers(1, 300),
    columns=st.integers(1, 300),
    n=st.sampled_from([4, 8, 16]),
    units=st.sampled_from([1, 2, 3, 8]),
    kib=st.sampled_from([2, 4, 8, 16, 64]),
    word=st.sampled_from([1.0, 8.0, 64.0, 1024.0]),
)
def test_the_mapping_is_the_best_of_all_candidates(
    make_columns: MakeColumns,
    technology: Technology,
    rows: int,
    depth: int,
    columns: int,
    n: int,
    units: int,
    kib: int,
    word: float,
) -> None:
    """Chosen by latency, no candidate tried one by one takes fewer cycles or, if as many, less."""
    product = Product(rows, depth, columns)
    port, number = WeightPort(word_bits=word, energy_pj_per_bit=0.5), adaptivfloat(8, 3)
    knobs = {"mac_vector_size": n, "processing_units": units, "data_sram_kib": kib}
    design = make_columns(knobs | {"mapping_objective": MappingObjective.LATENCY})
    costs = gemm_costs([product], design, port, number, number, technology)
    cycles, energy = best_by_hand(product, n, units, kib, port, "latency", technology)
    np.testing.assert_allclose(costs.cycles[0, 0], cycles)
    # Reads of operands and writes of results are in the same part, and no mapping changes them.
    results, row = rows * math.ceil(columns / n), n * 8
    total = math.ceil(rows / n) * math.ceil(columns / n) * math.ceil(depth / n) * n
    fixed = total * 2 * float(sram_read_energy_pj(kib, row, technology))
    fixed += results * float(sram_write_energy_pj(kib, row, technology))
    found = sum(costs.energy_pj[part][0, 0] for part in ("sram", "weight_sram"))
    np.testing.assert_allclose(found, energy + fixed, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 100),
    depth=st.integers(1, 300),
    columns=st.integers(1, 300),
    units=st.sampled_from([1, 2, 3, 8]),
    kib=st.sampled_from([2, 4, 16]),
)
def test_energy_weighs_what_sharing_rows_loads(
    make_columns: MakeColumns,
    technology: Technology,
    rows: int,
    depth: int,
    columns: int,
    units: int,
    kib: int,
) -> None:
    """Where neither MACs, clock nor leakage depend on it, energy chooses the least of all."""
    product = Product(rows, depth, columns)
    port, number = WeightPort(word_bits=1e6, energy_pj_per_bit=0.5), adaptivfloat(8, 3)
    knobs = {"mac_vector_size": 8, "processing_units": units, "data_sram_kib": kib}
    design = make_columns(knobs | {"mapping_objective": MappingObjective.ENERGY})
    quiet = replace(technology, logic_leakage_mw_per_mm2=0.0, sram_leakage_mw_per_mbit=0.0)
    costs = gemm_costs([product], design, port, number, number, quiet)
    cycles, _ = best_by_hand(product, 8, units, kib, port, "energy", technology)
    np.testing.assert_allclose(costs.cycles[0, 0], cycles)


@settings(max_examples=20, deadline=None)
@given(tokens=st.integers(2, 128), kib=st.integers(20, 64), n=st.sampled_from([8, 16, 32]))
def test_each_objective_wins_by_its_own_figure(
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    make_scenario: Callable[..., Scenario],
    technology: Technology,
    tokens: int,
    kib: int,
    n: int,
) -> None:
    """Mapped by latency a layer is never slower than mapped by energy, or by their product."""
    workload = make_workload(encoder_storage=CellKind.RERAM_MLC2)
    times = {}
    for objective in MappingObjective:
        design = make_columns(
            {
                "mac_vector_size": n,
                "data_sram_kib": kib,
                "envm_mib": 1.0,
                "mapping_objective": objective,
            }
        )
        try:
            gemms = explained_gemms(workload, design, tokens, make_scenario(), technology)
        except InfeasibleDesignError:
            return
        times[objective] = sum(gemm.time_ns for gemm in gemms)
    fastest = times[MappingObjective.LATENCY] * (1 - 1e-9)
    assert fastest <= times[MappingObjective.ENERGY]
    assert fastest <= times[MappingObjective.EDP]
