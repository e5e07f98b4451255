"""The staircase of latency against width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_cost import (
    AcceleratorColumns,
    Technology,
    WeightPort,
    gemm_costs,
    stair_edges,
    width_cycles,
)
from search_space import adaptivfloat


@dataclass(frozen=True)
class Product:
    """A GEMM that stands alone."""

    rows: int
    depth: int
    columns: int
    count: int = 1
    has_weights: bool = True


def test_edges_by_hand() -> None:
    """One unit climbs at every multiple of n; four that share 2 row blocks at multiples of n."""
    one = {"rows": 32, "depth": 64, "mac_vector_size": 16, "processing_units": 1}
    np.testing.assert_array_equal(stair_edges(60, 100, **one), [64, 80, 96])
    # three row blocks on four units: shared by rows each unit takes all columns of one block;
    # shared by columns, three blocks for every four of columns: cheaper from the fifth on
    four = {"rows": 48, "depth": 16, "mac_vector_size": 16, "processing_units": 4}
    np.testing.assert_array_equal(
        width_cycles(np.arange(16, 145, 16), **four) // 16, [1, 2, 3, 3, 5, 6, 6, 6, 9]
    )


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 100),
    depth=st.integers(1, 200),
    n=st.integers(2, 64),
    units=st.integers(1, 8),
    low=st.integers(1, 100),
)
def test_edges_are_where_one_more_column_costs_more(
    make_columns: Callable[..., AcceleratorColumns],
    technology: Technology,
    rows: int,
    depth: int,
    n: int,
    units: int,
    low: int,
) -> None:
    """The helper's cycles are those of the cost model, and its edges where they rise."""
    columns = make_columns({"mac_vector_size": n, "processing_units": units, "data_sram_kib": 4096})
    port, number = WeightPort(word_bits=1e9, energy_pj_per_bit=0.0), adaptivfloat(8, 3)
    widths = np.arange(low, low + 30)
    products = [Product(rows, depth, int(w)) for w in widths]
    cycles = gemm_costs(products, columns, port, number, number, technology).cycles[0]
    shared = {"rows": rows, "depth": depth, "mac_vector_size": n, "processing_units": units}
    np.testing.assert_array_equal(width_cycles(widths, **shared), cycles)
    edges = stair_edges(low, low + 28, **shared)
    np.testing.assert_array_equal(edges, widths[:-1][np.diff(cycles) > 0])


def test_a_range_that_is_none_is_refused() -> None:
    """Widths must be positive and in order."""
    with pytest.raises(ValueError, match=r"Widths from 9 to 8: expected 1 <= low <= high\."):
        stair_edges(9, 8, rows=1, depth=1, mac_vector_size=4, processing_units=1)
