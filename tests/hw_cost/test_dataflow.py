"""Dataflow: what is read again when buffers are small, and which order wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_cost import AcceleratorColumns, EncoderShape, Groups, Technology, Workload, cost_table
from hw_cost.array import mac_arrays
from hw_cost.dataflow import Stage, map_stage, resident_bits
from hw_cost.memory import envm_cell
from hw_cost.stores import stores
from search_space import CellKind, Scenario

MakeWorkload = Callable[..., Workload]
MakeColumns = Callable[..., AcceleratorColumns]


def feed_forward(
    workload: Workload, columns: AcceleratorColumns, tokens: int, technology: Technology
) -> Stage:
    """The mapped feed-forward stage of one layer."""
    lengths = np.array([tokens])
    gemms = workload.layer_gemms(workload.layer_kinds[0], lengths)[-2:]
    store = stores(workload, columns.envm_mib, technology).encoder
    arrays = mac_arrays(columns, workload, technology)
    return map_stage("ffn", gemms, arrays, lengths, workload, store, 0.0, technology)


def test_large_buffers_read_every_weight_once(
    make_workload: MakeWorkload, make_columns: MakeColumns, technology: Technology
) -> None:
    """With room for all hidden activations weights are read once and nothing is spilled."""
    stage = feed_forward(make_workload(), make_columns({"data_sram_kib": 256}), 96, technology)
    assert [float(g.weight_reads[0, 0]) for g in stage.gemms] == [1, 1]
    assert [float(g.spills[0, 0]) for g in stage.gemms] == [0, 0]


def test_small_buffers_read_weights_once_for_each_block_of_rows(
    make_workload: MakeWorkload, make_columns: MakeColumns, technology: Technology
) -> None:
    """With room for two blocks of 16 rows of hidden activations, 96 rows read weights 3 times."""
    workload = make_workload()
    # 18 KiB resident, twice 384 x 16 weights, 12 KiB of hidden activations for 32 rows: 42 of 48
    columns = make_columns({"data_sram_kib": 24})
    stage = feed_forward(workload, columns, 96, technology)
    assert resident_bits(workload, np.array([96]))[0] == 18 * 8192
    assert stage.least_bits[0, 0] == (18 + 0.5 + 6) * 8192
    assert [float(g.weight_reads[0, 0]) for g in stage.gemms] == [3, 3]


def test_a_mask_buffer_limits_the_tile_of_sparse_weights(
    make_shape: Callable[..., EncoderShape],
    make_workload: MakeWorkload,
    make_columns: MakeColumns,
    technology: Technology,
) -> None:
    """1 KiB of mask holds 512 x 16 bits: a depth of 1024 is cut and its sums spilled once."""
    workload = make_workload(shape=make_shape(ffn=1024), encoder_density=0.5)
    columns = make_columns(
        {"mask_sram_kib": 1, "data_sram_kib": 512}, {"mask_sram_kib": 2, "data_sram_kib": 512}
    )
    spills = feed_forward(workload, columns, 96, technology).gemms[1].spills[:, 0]
    np.testing.assert_array_equal(spills, [1, 0])


@settings(max_examples=20, deadline=None)
@given(
    n=st.sampled_from([8, 16, 32]),
    units=st.sampled_from([1, 2, 3]),
    tokens=st.integers(2, 128),
    storage=st.sampled_from(list(CellKind)),
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
    latency = table.latency_ns[table.feasible, 0]
    assert (np.diff(latency) <= 1e-9 * latency[:-1]).all()


def test_an_sram_cell_is_no_envm(technology: Technology) -> None:
    """Asking for the eNVM cost of SRAM is refused with the kinds that there are."""
    with pytest.raises(ValueError, match="'sram' is not an eNVM: expected 'reram-slc'"):
        envm_cell(CellKind.SRAM, technology)
