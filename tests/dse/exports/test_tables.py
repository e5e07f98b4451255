"""Fixed point and tables: words by hand, and every file of a table read back."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.exports.design_tables import dvfs_table, exit_table, mask_table, span_table
from dse.exports.errors import ExportError
from dse.exports.tables import Column, FixedPoint, Table, read_table, words_of_mem
from evaluators.testing import made_up_trace
from hw_cost import load_technology
from search_space import DvfsPolicy, HardwareKnobs

NAME = "0123456789abcdef"
Q10 = FixedPoint(6, 10)


def chip(**changes: object) -> HardwareKnobs:
    """A chip with three supplies from 0.5 V to 0.8 V."""
    values: dict[str, object] = {
        "mac_vector_size": 8,
        "processing_units": 1,
        "data_sram_kib": 64,
        "mask_sram_kib": 4,
        "aux_sram_kib": 4,
        "envm_mib": 0.5,
        "min_voltage_v": 0.5,
        "max_voltage_v": 0.8,
        "dvfs_policy": DvfsPolicy.MIN_ENERGY,
        "dvfs_levels": 3,
    }
    return HardwareKnobs(**(values | changes))  # type: ignore[arg-type]


class TestFixedPoint:
    """Unsigned fixed point."""

    def test_by_hand(self) -> None:
        """0.3 nats is 307 / 1024, off by 0.0002; ties go to the even word."""
        assert Q10.words([0.3, 0.0, 1.0]).tolist() == [307, 0, 1024]
        assert Q10.error([0.3]) == pytest.approx(0.3 - 307 / 1024)
        assert FixedPoint(4, 0).words([0.5, 1.5, 2.5]).tolist() == [0, 2, 2]
        assert (str(Q10), Q10.word_bits) == ("UQ6.10", 16)

    @given(st.lists(st.floats(0, 63.9), min_size=1))
    def test_error_is_at_most_half_a_step(self, values: list[float]) -> None:
        """No value is further from its word than half of 2**-10."""
        assert Q10.error(values) <= 2.0**-11

    @pytest.mark.parametrize("value", [-0.1, 64.0])
    def test_out_of_range(self, value: float) -> None:
        """What does not fit is refused, never clipped."""
        with pytest.raises(ValueError, match=r"in UQ6.10: expected 0 to below 64"):
            Q10.words([value])


class TestFiles:
    """JSON, CSV and memory files."""

    def test_memory_file_by_hand(self) -> None:
        """The first column is in the lowest bits; comments name design and layout."""
        columns = (Column("a", FixedPoint(4, 0)), Column("b", FixedPoint(8, 4)))
        table = Table("t", "Two columns.", columns, ((1, 0xABC), (0xF, 2)))
        lines = table.mem_bytes(NAME).decode().splitlines()
        assert lines == [
            f"// edge-dse design {NAME}",
            "// t: 2 rows of 16 bits",
            "// [3:0] a, UQ4.0",
            "// [15:4] b, UQ8.4",
            "abc1",
            "002f",
        ]
        assert table.values().tolist() == [[1.0, 0xABC / 16], [15.0, 2 / 16]]

    @given(
        st.lists(
            st.tuples(st.integers(0, 2**10 - 1), st.integers(0, 2**128 - 1)), min_size=1, max_size=9
        )
    )
    def test_each_file_is_read_back(self, rows: list[tuple[int, int]]) -> None:
        """JSON, CSV and memory file each hold the same words, wide ones included."""
        columns = (Column("narrow", FixedPoint(0, 10), 0.01), Column("wide", FixedPoint(128, 0)))
        table = Table("t", "Rows.", columns, tuple(rows))
        assert read_table(table.json_bytes(NAME), "t.json") == table
        packed = [low | high << 10 for low, high in rows]
        assert words_of_mem(table.mem_bytes(NAME)) == packed
        text = io.StringIO(table.csv_bytes(NAME).decode())
        assert next(text) == f"# edge-dse design {NAME}\n"
        found = [(int(r["narrow"], 0), int(r["wide"], 0)) for r in csv.DictReader(text)]
        assert found == rows

    def test_hash_is_of_the_content(self) -> None:
        """Another word is another content; another design hash is not."""
        column = (Column("a", FixedPoint(4, 0)),)
        first, other = (Table("t", "T.", column, ((word,),)) for word in (1, 2))
        assert first.content_hash() != other.content_hash()
        again = read_table(first.json_bytes("f" * 16), "t.json")
        assert again.content_hash() == first.content_hash()

    @pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"columns": 3, "rows": []}'])
    def test_damaged_table(self, content: bytes) -> None:
        """What is no table is refused with the file's name."""
        with pytest.raises(ExportError, match=r"t\.json: not "):
            read_table(content, "t.json")

    def test_words_that_do_not_fit(self) -> None:
        """A table with a word beyond its column cannot be made."""
        with pytest.raises(ValueError, match=r"word 16 in column a, expected 0 to below 2\*\*4"):
            Table("t", "T.", (Column("a", FixedPoint(4, 0)),), ((16,),))


class TestDesignTables:
    """The tables of a design."""

    def test_supplies_by_hand(self) -> None:
        """Three levels: 0.8, 0.65 and 0.5 V; 1 GHz or what the technology says at 0.8 V."""
        technology = load_technology()
        table = dvfs_table(chip(), technology)
        assert [row[0] for row in table.rows] == [800_000, 650_000, 500_000]
        clock = technology.nominal_clock_ghz * 1e6
        assert table.rows[0][1] == pytest.approx(clock, abs=1)
        assert table.rows[0][2] == 0
        slower = [row[1] for row in table.rows]
        assert slower == sorted(slower, reverse=True)
        one = dvfs_table(chip(dvfs_policy=DvfsPolicy.FIXED), technology)
        assert [row[0] for row in one.rows] == [800_000]

    def test_predicted_entropies(self) -> None:
        """A row for every 0.01 nats, a column for every exit between the first and the last."""
        trace = made_up_trace(seed=1)
        table = exit_table(trace)
        exact = trace.predicted_entropies.astype(np.float64)
        assert table.values().shape == (100, 4)
        assert np.abs(table.values() - exact).max() == max(c.error for c in table.columns)
        assert max(c.error for c in table.columns) <= 2.0**-11

    def test_spans_and_masks(self) -> None:
        """Spans 0, 1, 5 and 128 are masks of so many ones, the lowest bit for the token itself."""
        spans = ((0, 1), (5, 128))
        assert span_table(spans).rows == ((0,), (1,), (5,), (128,))
        assert [row[0].bit_count() for row in mask_table(spans).rows] == [0, 1, 5, 128]
        assert mask_table(spans).rows[2] == (0b11111,)
