"""Tiles of a matrix product on our array, and how units share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw_cost.gemm_costs import MatrixProduct


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Blocks of a GEMM's result that the array works on.

    Attributes:
        row_blocks: blocks of at most n rows.
        rows_in_block: rows of each when they are filled evenly.
        column_blocks: blocks of n columns.
        n: columns of each.
    """

    row_blocks: int
    rows_in_block: int
    column_blocks: int
    n: int

    @property
    def rows(self) -> int:
        """Rows of all blocks, padding included."""
        return self.row_blocks * self.rows_in_block

    @property
    def columns(self) -> int:
        """Columns of all blocks, padding included."""
        return self.column_blocks * self.n


def tiling(gemm: MatrixProduct, n: int) -> Tiling:
    """Blocks of that GEMM on an n x n array."""
    row_blocks = -(-gemm.rows // n)
    return Tiling(
        row_blocks=row_blocks,
        rows_in_block=-(-gemm.rows // row_blocks),
        column_blocks=-(-gemm.columns // n),
        n=n,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Which blocks units share, and what one of them then has of the result.

    Attributes:
        loop: ZigZag's name of the loop over those blocks.
        units: how many units have work.
        rows: rows of one unit.
        columns: columns of one unit.
    """

    loop: Literal["I", "J"]
    units: int
    rows: int
    columns: int


def sharings(tiles: Tiling, units: int) -> list[Sharing]:
    """Units share the blocks of rows, or those of columns."""
    by_rows = Sharing(
        loop="I",
        units=min(units, tiles.row_blocks),
        rows=-(-tiles.row_blocks // units) * tiles.rows_in_block,
        columns=tiles.columns,
    )
    by_columns = Sharing(
        loop="J",
        units=min(units, tiles.column_blocks),
        rows=tiles.rows,
        columns=-(-tiles.column_blocks // units) * tiles.n,
    )
    return [by_rows, by_columns] if units > 1 else [by_rows]
