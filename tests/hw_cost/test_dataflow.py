"""Dataflow: what is read again when buffers are small, and which order wins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
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
from search_space import CellKind, MappingObjective, Scenario, adaptivfloat

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


@dataclass(frozen=True)
class Product:
    """A GEMM that stands alone."""

    rows: int
    depth: int
    columns: int
    count: int = 1
    has_weights: bool = True


def best_by_hand(
    g: Product, n: int, kib: int, port: WeightPort, objective: str, t: Technology
) -> float:
    """Cycles of the best mapping of a GEMM on one unit, candidate by candidate, dense 8 bit."""
    capacity, acc = 2 * kib * 8192, 32
    busy = math.ceil(g.rows / n) * math.ceil(g.columns / n) * math.ceil(g.depth / n) * n
    bits = g.depth * g.columns * 8
    column_blocks = math.ceil(g.columns / n)
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
    for order, m_blocks, parts in itertools.product(
        ("output", "input", "weight"), (1, 2, 4, 8, 16, 32), (1, 2, 4, 8, 16, 32, 64)
    ):
        k = n * math.ceil(math.ceil(g.depth / parts) / n)
        m = g.rows if order == "weight" else min(m_blocks * n, g.rows)
        tile = n * (n if order != "weight" and m_blocks == 1 else k)
        spills = 0 if order == "output" else math.ceil(g.depth / k) - 1
        need = base + 2 * tile * 8
        need += m * g.columns * acc if order == "input" else 0
        need += g.rows * n * acc if order == "weight" and spills else 0
        if (order == "output" and parts > 1) or (order == "input" and parts == 1):
            continue
        if need > capacity:
            continue
        reads = math.ceil(g.rows / m)
        cycles = max(busy, bits * reads / port.word_bits)
        energy = (bits * port.energy_pj_per_bit + write) * reads + spill * spills
        options.append((cycles, energy) if objective == "latency" else (energy, cycles))
    if not options:
        return math.nan
    best = min(options)
    return best[0] if objective == "latency" else best[1]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 100),
    depth=st.integers(1, 300),
    columns=st.integers(1, 300),
    n=st.sampled_from([4, 8, 16]),
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
    kib: int,
    word: float,
) -> None:
    """Chosen by latency, no candidate tried one by one takes fewer cycles."""
    product = Product(rows, depth, columns)
    port, number = WeightPort(word_bits=word, energy_pj_per_bit=0.5), adaptivfloat(8, 3)
    design = make_columns({"mac_vector_size": n, "data_sram_kib": kib})
    costs = gemm_costs([product], design, port, number, number, technology)
    expected = best_by_hand(product, n, kib, port, "latency", technology)
    np.testing.assert_allclose(costs.cycles[0, 0], expected)


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
