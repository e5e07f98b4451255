"""Levels of memory cells: Gray codes by hand, and error rates against figures worked out apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from evaluators.faults.cells import CellErrors, cell_errors, gray_levels, level_errors
from search_space import CellKind

FOUR = ([0, 0.385, 0.722, 1], [0.0086, 0.0335, 0.0274, 0.0034])
EIGHT = (
    [0, 0.078, 0.204, 0.385, 0.542, 0.722, 0.886, 1],
    [0.0086, 0.0135, 0.0304, 0.0335, 0.0248, 0.0274, 0.0372, 0.0034],
)


def test_three_bits_in_gray_code() -> None:
    """Patterns 000, 001, 011, 010, 110, 111, 101, 100 stand for levels 0 to 7."""
    order = [0b000, 0b001, 0b011, 0b010, 0b110, 0b111, 0b101, 0b100]
    assert gray_levels(3)[order].tolist() == list(range(8))


def test_equal_deviations_put_the_threshold_in_the_middle() -> None:
    """Levels 0 and 1 of deviation 0.25 are two deviations from it: 2.275 % are read wrongly."""
    errors = level_errors([0, 1], [0.25, 0.25])
    assert errors.up == pytest.approx((0.0227501, 0), rel=1e-5)
    assert errors.down == pytest.approx((0, 0.0227501), rel=1e-5)


def test_published_levels_give_the_rates_that_go_with_them() -> None:
    """Four levels: 7.9e-9 a cell, at worst 1.7e-8; eight: 3.8e-3, level by level; two: none."""
    four, eight = level_errors(*FOUR), level_errors(*EIGHT)
    assert four.cell_rate == pytest.approx(7.9e-9, rel=0.02)
    assert max(np.add(four.down, four.up)) == pytest.approx(1.7e-8, rel=0.03)
    assert eight.cell_rate == pytest.approx(3.8e-3, rel=0.02)
    by_level = [1.5e-4, 1.4e-3, 5.0e-3, 6.5e-3, 3.1e-3, 4.8e-3, 9.4e-3, 2.3e-4]
    assert np.add(eight.down, eight.up) == pytest.approx(by_level, rel=0.04)
    assert level_errors([0, 1], [0.0086, 0.0034]).cell_rate < 1e-16


def test_crossing_is_the_optimal_threshold() -> None:
    """No other threshold between two levels misreads less, as SciPy's Gaussians tell."""
    low, high = stats.norm(0.3, 0.05), stats.norm(0.6, 0.09)
    errors = level_errors([0.3, 0.6], [0.05, 0.09])
    least = min(low.sf(x) + high.cdf(x) for x in np.linspace(0.3, 0.6, 3001))
    assert errors.up[0] + errors.down[1] == pytest.approx(least, rel=1e-5)
    overlap, _ = integrate.quad(lambda x: min(low.pdf(x), high.pdf(x)), 0.3, 0.6)
    assert errors.up[0] + errors.down[1] == pytest.approx(
        overlap + low.sf(0.6) + high.cdf(0.3), rel=1e-6
    )


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        (CellKind.SRAM, 0),
        (CellKind.DRAM, 0),
        (CellKind.RERAM_SLC, 0),
        (CellKind.RERAM_MLC2, 7.7e-9),
        (CellKind.RERAM_MLC3, 3.8e-3),
        (CellKind.STT_MRAM, 7.5e-7),
    ],
)
def test_cells_of_the_project(kind: CellKind, rate: float) -> None:
    """Every kind has as many bits as it stores and the rate that its source says."""
    errors = cell_errors(kind)
    assert errors.bits == kind.bits_per_cell
    assert errors.cell_rate == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("kind", [CellKind.PCM, CellKind.FEFET])
def test_a_cell_without_a_published_rate_needs_one(kind: CellKind) -> None:
    """No rate is made up."""
    with pytest.raises(ValueError, match=f"'{kind.value}': no error rate of it is published"):
        cell_errors(kind)
    assert cell_errors(kind, 1e-5).cell_rate == pytest.approx(1e-5)


@given(kind=st.sampled_from([kind for kind in CellKind if kind.is_envm]), rate=st.floats(0, 0.1))
def test_a_rate_of_ones_own(kind: CellKind, rate: float) -> None:
    """Altogether so many cells are misread, at the published shares between levels."""
    errors = cell_errors(kind, rate)
    assert errors.cell_rate == pytest.approx(rate)
    assert errors.bit_rate == pytest.approx(rate / kind.bits_per_cell)
    if kind is CellKind.RERAM_MLC3 and rate > 1e-9:
        shares = np.divide(errors.up, cell_errors(kind).up, where=np.arange(8) < 7, out=np.ones(8))
        assert np.ptp(shares[:7]) == pytest.approx(0, abs=1e-9 * shares[0])


@pytest.mark.parametrize("rate", [-0.1, 1.5, math.nan])
def test_rates_that_are_no_share_are_refused(rate: float) -> None:
    """A rate is 0 to 1."""
    with pytest.raises(ValueError, match=r"expected a share from 0 to 1"):
        cell_errors(CellKind.RERAM_MLC3, rate)


def test_rates_beyond_a_level_are_refused() -> None:
    """At half of all cells the worst level of three bits would be misread more than always."""
    with pytest.raises(ValueError, match="misread more than always"):
        cell_errors(CellKind.RERAM_MLC3, 0.5)


@pytest.mark.parametrize(
    ("down", "up"),
    [((0.0,) * 3, (0.0,) * 3), ((0.1, 0.0), (0.0, 0.0)), ((0.0, -0.1), (0.0, 0.0))],
)
def test_impossible_cells_are_refused(down: tuple[float, ...], up: tuple[float, ...]) -> None:
    """Levels are a power of two, and none leads out of the cell."""
    with pytest.raises(ValueError, match="CellErrors"):
        CellErrors(down, up)
