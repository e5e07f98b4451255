"""Counts, span savings, processing elements, SRAM and eNVM against published figures."""

from __future__ import annotations

import pytest

from hw_cost import load_technology
from search_space import integer
from studies.validation.arithmetic import element_rows, operation_fj
from studies.validation.encoders import count_rows, embedding_megabytes, span_rows
from studies.validation.memories import array_row, embedding_rows, envm_section, sram_section
from studies.validation.published import array_figures
from studies.validation.rows import Row, Verdict


def by_name(rows: tuple[Row, ...]) -> dict[str, Row]:
    """Rows by name; no name is there twice."""
    found = {row.name: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_counts_are_exact() -> None:
    """Parameters and MACs of ALBERT-base and BERT-base equal the hand count."""
    rows = by_name(count_rows())
    assert {row.relative_error for row in rows.values()} == {0.0}
    assert rows["ALBERT-base, parameters"].ours == 11_683_584
    assert rows["BERT-base, parameters"].ours == 109_482_240
    assert rows["ALBERT-base, MACs of a layer at 128 tokens"].ours == 931_135_488


def test_span_savings_by_hand() -> None:
    """With 8 heads off a layer keeps 763,363,328 MACs: 1.220; with 7 off 784,334,848: 1.187."""
    eight, seven = span_rows()
    assert eight.ours == pytest.approx(931_135_488 / 763_363_328)
    assert seven.ours == pytest.approx(931_135_488 / 784_334_848)
    assert (round(eight.ours or 0, 3), round(seven.ours or 0, 3)) == (1.220, 1.187)


def test_sparse_embeddings_fit_and_dense_ones_do_not() -> None:
    """2 MiB hold 3,905,792 weights at 1 + 0.4 x 8 bit and a norm, but not at 8 bit."""
    assert embedding_megabytes(sparse=True) == pytest.approx((3_905_792 * 4.2 / 8 + 256) / 1e6)
    size, sparse, dense = embedding_rows()
    assert size.ours is not None
    assert size.ours < 2 * 1024**2 / 1e6
    assert (sparse.ours, dense.ours) == (1.0, 0.0)
    assert (sparse.ours_text, dense.ours_text) == ("yes", "no")


def test_sram_is_within_the_errors_of_its_fits() -> None:
    """Over 30 accesses reads err by 11 % and at most 40 %, writes 8 and 23, areas at most 18."""
    rows = [row for row in sram_section().rows if row.fitted]
    for kind, mean, largest in (("read", 0.11, 0.40), ("write", 0.08, 0.23)):
        errors = [
            abs(row.relative_error or 0) for row in rows if row.name.startswith(f"SRAM {kind},")
        ]
        assert len(errors) == 30
        assert sum(errors) / len(errors) == pytest.approx(mean, abs=0.005)
        assert max(errors) == pytest.approx(largest, abs=0.011)
    areas = [abs(row.relative_error or 0) for row in rows if row.name.startswith("SRAM area,")]
    assert len(areas) == 10
    assert max(areas) < 0.185
    assert {row.verdict for row in rows} == {Verdict.AGREES}


def test_sram_access_by_hand() -> None:
    """A 128 bit read of 128 KiB costs 0.0329 x 128^0.573 x 128^0.627 pJ at 22 nm."""
    row = by_name(sram_section().rows)["SRAM read, 128 KiB, 128 bit"]
    assert row.published == 11.8
    assert row.ours == pytest.approx(0.0329 * 128**0.573 * 128**0.627, rel=1e-4)


def test_element_by_hand() -> None:
    """An INT8 operation is half of 1.15 x 0.12 pJ, moved from 12 to 16 nm."""
    at_12_nm = load_technology()
    assert operation_fj(integer(8), at_12_nm) == pytest.approx(1.15 * 120 / 2)
    rows = by_name(element_rows())
    assert len(rows) == 12
    assert rows["INT8 element, K = 4"].published == 227.61
    int8 = {rows[f"INT8 element, K = {k}"].ours for k in (4, 8, 16)}
    assert len(int8) == 1  # the model's MAC does not know K
    assert (int8.pop() or 0) > 1.15 * 120 / 2


def test_array_row_is_a_figure_of_an_array_of_that_size() -> None:
    """6.52 pJ of a word of 2 MiB stand beside 4.61 x 2^0.486 pJ, and name the constant."""
    figure = next(f for f in array_figures() if f.name == "ReRAM SLC, 2 MiB array, read of a word")
    row = array_row(figure)
    assert row.published == 6.52
    assert row.ours == pytest.approx(4.61 * 2**0.486, rel=1e-4)
    assert row.tolerance == pytest.approx(0.015)
    assert row.fitted == ("envm.reram-slc.optimistic.read_energy_pj_per_bit",)


def test_constants_taken_from_an_array_agree_with_it() -> None:
    """A row whose constant is the published figure never differs."""
    rows = [row for row in envm_section().rows if row.fitted]
    assert len(rows) > 40
    assert {row.verdict for row in rows} == {Verdict.AGREES}
