"""Which tensors live in which memory of a design, and how full it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hw_cost import AcceleratorColumns, Technology, Workload
from hw_cost.placement import Placement, placements
from search_space import CellKind, DramKind

MakeWorkload = Callable[..., Workload]
MakeColumns = Callable[..., AcceleratorColumns]


@pytest.fixture
def of(
    make_workload: MakeWorkload, make_columns: MakeColumns, technology: Technology
) -> Callable[..., dict[str, Placement]]:
    """Placements by memory of embeddings in eNVM and an encoder in SRAM, on one chip."""

    def found(**hardware: object) -> dict[str, Placement]:
        workload = make_workload(
            embedding_storage=CellKind.RERAM_SLC,
            encoder_storage=CellKind.SRAM,
            exit_storage=CellKind.SRAM,
        )
        columns = make_columns(hardware)
        return {each.memory: each for each in placements(workload, columns, technology)}

    return found


def test_each_class_in_its_memory(
    of: Callable[..., dict[str, Placement]], make_workload: MakeWorkload
) -> None:
    """What is placed in a memory is what its classes store; an SRAM as large as need be is full."""
    found = of(envm_mib=16.0)
    bits = make_workload(embedding_storage=CellKind.RERAM_SLC).stored_bits()
    assert found["eNVM"].tensors == ("embeddings",)
    assert found["eNVM"].need_bits == pytest.approx(bits.embeddings)
    assert found["eNVM"].fill == pytest.approx(bits.embeddings / (16 * 2**23))
    assert found["weight SRAM"].tensors == ("encoder", "exits")
    assert found["weight SRAM"].fill == pytest.approx(1.0)
    assert "DRAM" not in found


def test_overflow_lives_in_the_dram(of: Callable[..., dict[str, Placement]]) -> None:
    """Half of what does not fit an eNVM of half the size is in the DRAM, which has no fill."""
    need = of(envm_mib=16.0)["eNVM"].need_bits
    found = of(envm_mib=need / 2**24, dram=DramKind.LPDDR4)
    assert found["eNVM"].fill == pytest.approx(2.0)
    assert found["DRAM"].need_bits == pytest.approx(need / 2)
    assert found["DRAM"].tensors == ("embeddings",)
    assert found["DRAM"].fill is None


def test_one_design_at_a_time(
    make_workload: MakeWorkload, make_columns: MakeColumns, technology: Technology
) -> None:
    """Several designs are refused."""
    with pytest.raises(ValueError, match="2 designs to place"):
        placements(make_workload(), make_columns({}, {}), technology)
