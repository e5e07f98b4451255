"""Tables of a design: whole numbers in a stated fixed-point format, as JSON, CSV and $readmemh.

A line of a memory file is one row in hexadecimal: the first column in the lowest bits, the others
above it in order. Words wider than 53 bits are hexadecimal text in JSON and CSV, whose readers may
hold numbers as doubles.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dse.exports.document import content_sha256, json_bytes
from dse.exports.errors import ExportError

_EXACT_BITS: Final = 53


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """Unsigned fixed point: a word is a whole number of units of 2**-fraction_bits.

    Attributes:
        integer_bits: bits above the point.
        fraction_bits: bits below it.
    """

    integer_bits: int
    fraction_bits: int

    @property
    def word_bits(self) -> int:
        """Bits of a word."""
        return self.integer_bits + self.fraction_bits

    def __str__(self) -> str:
        """As it is written: UQ6.10 has 6 bits above the point and 10 below."""
        return f"UQ{self.integer_bits}.{self.fraction_bits}"

    def words(self, values: ArrayLike) -> NDArray[np.int64]:
        """Nearest words (same shape), ties to even.

        Raises:
            ValueError: a value is negative or beyond the largest word.
        """
        found = np.rint(np.asarray(values, dtype=np.float64) * 2.0**self.fraction_bits)
        if found.size and (found.min() < 0 or found.max() >= 2.0**self.word_bits):
            raise ValueError(
                f"Values from {found.min() / 2**self.fraction_bits:g} to "
                f"{found.max() / 2**self.fraction_bits:g} in {self}: expected 0 to below "
                f"{2.0**self.integer_bits:g}."
            )
        return found.astype(np.int64)

    def error(self, values: ArrayLike) -> float:
        """Largest magnitude by which the words differ from the values."""
        exact = np.asarray(values, dtype=np.float64)
        return float(np.abs(self.words(exact) * 2.0**-self.fraction_bits - exact).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: with its unit as suffix.
        fixed_point: what a word stands for.
        error: largest rounding error, in the column's unit.
    """

    name: str
    fixed_point: FixedPoint
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: of its files.
        title: what it is, one sentence.
        columns: what a row consists of.
        rows: (n_rows of n_columns) words.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        """Require a word that fits for every column of every row."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"Table {self.name}: {len(row)} words in a row of {self.columns}.")
            for word, column in zip(row, self.columns, strict=True):
                if not 0 <= word < 1 << column.fixed_point.word_bits:
                    raise ValueError(
                        f"Table {self.name}: word {word} in column {column.name}, expected 0 to "
                        f"below 2**{column.fixed_point.word_bits}."
                    )

    @property
    def row_bits(self) -> int:
        """Bits of a row."""
        return sum(column.fixed_point.word_bits for column in self.columns)

    def values(self) -> NDArray[np.float64]:
        """What the words stand for, (n_rows, n_columns), in the columns' units."""
        steps = [2.0**-column.fixed_point.fraction_bits for column in self.columns]
        words = np.array(self.rows, dtype=np.float64).reshape(-1, len(steps))
        values: NDArray[np.float64] = words * np.array(steps)
        return values

    def content(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "columns": [
                {
                    "name": column.name,
                    "integer_bits": column.fixed_point.integer_bits,
                    "fraction_bits": column.fixed_point.fraction_bits,
                    "error": column.error,
                }
                for column in self.columns
            ],
            "rows": [[self._shown(*pair) for pair in self._pairs(row)] for row in self.rows],
        }

    def content_hash(self) -> str:
        """SHA-256 of the content."""
        return content_sha256(self.content())

    def json_bytes(self, design_hash: str) -> bytes:
        """The table as JSON."""
        return json_bytes({"design_hash": design_hash, **self.content()})

    def csv_bytes(self, design_hash: str) -> bytes:
        """The table as CSV, words as whole numbers; a comment line with the design before it."""
        lines = [f"# edge-dse design {design_hash}", ",".join(c.name for c in self.columns)]
        lines += [",".join(str(self._shown(*p)) for p in self._pairs(row)) for row in self.rows]
        return ("\n".join(lines) + "\n").encode("ascii")

    def mem_bytes(self, design_hash: str) -> bytes:
        """The table for ``$readmemh``."""
        layout, low = [], 0
        for column in self.columns:
            bits = column.fixed_point.word_bits
            layout.append(f"// [{low + bits - 1}:{low}] {column.name}, {column.fixed_point}")
            low += bits
        lines = [
            f"// edge-dse design {design_hash}",
            f"// {self.name}: {len(self.rows)} rows of {self.row_bits} bits",
            *layout,
            *self.packed_rows(),
        ]
        return ("\n".join(lines) + "\n").encode("ascii")

    def packed_rows(self) -> list[str]:
        """Each row as one hexadecimal number, its first column in the lowest bits."""
        digits = -(-self.row_bits // 4)
        return [f"{self._packed(row):0{digits}x}" for row in self.rows]

    def _packed(self, row: Sequence[int]) -> int:
        whole, low = 0, 0
        for word, column in self._pairs(row):
            whole |= word << low
            low += column.fixed_point.word_bits
        return whole

    def _pairs(self, row: Sequence[int]) -> list[tuple[int, Column]]:
        return list(zip(row, self.columns, strict=True))

    @staticmethod
    def _shown(word: int, column: Column) -> int | str:
        return word if column.fixed_point.word_bits <= _EXACT_BITS else f"{word:#x}"


def table_of(plain: Any, where: str) -> Table:
    """The table that `Table.json_bytes` was made of, from its JSON values.

    Raises:
        ExportError: it is none.
    """
    try:
        columns = tuple(
            Column(
                str(c["name"]),
                FixedPoint(int(c["integer_bits"]), int(c["fraction_bits"])),
                float(c["error"]),
            )
            for c in plain["columns"]
        )
        rows = tuple(tuple(int(str(word), 0) for word in row) for row in plain["rows"])
        return Table(str(plain["name"]), str(plain["title"]), columns, rows)
    except (LookupError, TypeError, ValueError) as error:
        raise ExportError(f"{where}: not a table ({error}); export the design anew.") from error


def read_table(content: bytes, where: str) -> Table:
    """The table in a JSON file.

    Raises:
        ExportError: it is none.
    """
    try:
        return table_of(json.loads(content), where)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{where}: not JSON ({error}); export the design anew.") from error


def words_of_mem(content: bytes) -> list[int]:
    r"""The rows of a ``$readmemh`` file as whole numbers.

    >>> words_of_mem(b"// comment\n00ff\n0100 // more\n")
    [255, 256]
    """
    lines = (line.split("//")[0].split() for line in content.decode("ascii").splitlines())
    return [int(word, 16) for words in lines for word in words]
