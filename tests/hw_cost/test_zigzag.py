"""ZigZag: it is told our chip, and what it then says is what we say."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from hw_cost import AcceleratorColumns, Technology, WeightPort, gemm_costs
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.memory import sram_read_energy_pj, sram_write_energy_pj
from hw_cost.plugins.zigzag import (
    ZigZagAccelerator,
    ZigZagMissingError,
    zigzag_accelerator,
    zigzag_costs,
)
from search_space import DvfsPolicy, HardwareKnobs, MappingObjective, adaptivfloat

BYTE = adaptivfloat(8, 3)


@dataclass(frozen=True)
class Product:
    """GEMMs to cost."""

    rows: int
    depth: int
    columns: int
    count: int = 1
    has_weights: bool = True


def knobs(**changes: Any) -> HardwareKnobs:
    """One unit of 16 x 16 MACs with two data buffers of 128 KiB, with some knobs replaced."""
    fields: dict[str, Any] = {
        "mac_vector_size": 16,
        "processing_units": 1,
        "data_sram_kib": 128,
        "mask_sram_kib": 1,
        "aux_sram_kib": 1,
        "envm_mib": 0.0,
        "min_voltage_v": 0.8,
        "max_voltage_v": 0.8,
        "dvfs_policy": DvfsPolicy.FIXED,
        "mapping_objective": MappingObjective.EDP,
    }
    return HardwareKnobs(**(fields | changes))


def chip(technology: Technology, word_bits: float = 1024, **changes: Any) -> ZigZagAccelerator:
    """Those knobs as ZigZag sees them, with 8-bit operands and a store of 1 pJ a bit."""
    port = WeightPort(word_bits=word_bits, energy_pj_per_bit=1.0)
    return zigzag_accelerator(knobs(**changes), port, BYTE, BYTE, technology)


@pytest.fixture(scope="module")
def _zigzag() -> None:
    """The package, or the test is skipped."""
    pytest.importorskip("zigzag", reason="ZigZag is not installed: pip install edge-dse[zigzag]")


@pytest.mark.usefixtures("_zigzag")
@pytest.mark.parametrize(("units", "n"), [(1, 16), (4, 8), (16, 4)])
def test_a_gemm_that_divides_keeps_every_mac_busy(
    technology: Technology, units: int, n: int
) -> None:
    """With ample bandwidth compute cycles are MACs over the MACs of the chip, without stalls."""
    accelerator = chip(technology, processing_units=units, mac_vector_size=n)
    costs = zigzag_costs([Product(64, 64, 128, count=3)], accelerator, loop_factors=5)
    assert costs.reasons == (None,)
    assert costs.compute_cycles[0] == 3 * 64 * 64 * 128 / 256
    assert costs.stall_cycles[0] == 0
    assert costs.cycles[0] == costs.compute_cycles[0] + costs.loading_cycles[0]


@pytest.mark.usefixtures("_zigzag")
def test_one_tile_by_hand(technology: Technology) -> None:
    """A 16 x 16 x 16 tile reads 16 words of each operand, loads 16 of weights, writes 16."""
    costs = zigzag_costs([Product(16, 16, 16)], chip(technology))
    assert costs.compute_cycles[0] == 16
    assert costs.mac_pj[0] == pytest.approx(4096 * mac_energy_pj(BYTE, BYTE, technology))
    assert costs.store_pj[0] == pytest.approx(16 * 16 * 8)
    assert costs.weight_reads[0] == pytest.approx(1)
    read, write = (f(128, 128, technology) for f in (sram_read_energy_pj, sram_write_energy_pj))
    # Results leave over the 512-bit port of partial sums, a quarter of its width each.
    result = sram_write_energy_pj(128, 512, technology) / 4
    assert costs.buffer_pj[0] == pytest.approx(16 * (2 * read + write + result))
    total = costs.mac_pj[0] + costs.buffer_pj[0] + costs.store_pj[0]
    assert costs.energy_pj[0] == pytest.approx(total)


@pytest.mark.usefixtures("_zigzag")
def test_a_slow_store_sets_the_pace(technology: Technology) -> None:
    """At 2 bits a cycle a GEMM lasts as long as its weights take to arrive, within 10 %."""
    costs = zigzag_costs([Product(32, 64, 64)], chip(technology, word_bits=2), loop_factors=5)
    loads = 64 * 64 * 8 / 2
    assert loads > 4 * costs.compute_cycles[0]
    assert loads <= costs.cycles[0] < 1.1 * loads


@pytest.mark.usefixtures("_zigzag")
def test_a_gemm_without_weights_asks_nothing_of_the_store(technology: Technology) -> None:
    """Both operands of an attention GEMM lie in the buffers."""
    costs = zigzag_costs([Product(50, 32, 50, has_weights=False)], chip(technology))
    assert costs.store_pj[0] == 0
    assert costs.weight_reads[0] == 0
    assert costs.compute_cycles[0] == 4 * 4 * 2 * 16


def test_activations_larger_than_the_buffers_are_a_reason(technology: Technology) -> None:
    """What does not fit is NaN with one sentence, and ZigZag is not even asked."""
    costs = zigzag_costs([Product(512, 512, 512)], chip(technology, data_sram_kib=8))
    assert np.isnan(costs.cycles[0])
    assert np.isnan(costs.energy_pj[0])
    assert costs.reasons == (
        "A GEMM of 512 x 512 x 512 keeps activations that are 496.0 KiB larger than all data "
        "buffers together (16.0 KiB): give it more.",
    )


@pytest.mark.usefixtures("_zigzag")
def test_too_little_room_for_weights_is_a_reason(technology: Technology) -> None:
    """Activations that fill the buffers to the last bit leave nothing to multiply them with."""
    costs = zigzag_costs([Product(120, 64, 64)], chip(technology, data_sram_kib=8))
    assert np.isfinite(costs.cycles[0])
    costs = zigzag_costs([Product(128, 64, 64)], chip(technology, data_sram_kib=8))
    assert costs.reasons == (
        "A GEMM of 128 x 64 x 64 leaves 0.00 KiB of a unit's data buffers for weights: ZigZag "
        "found no order of its loops that fits.",
    )


def test_a_missing_package_is_named(
    technology: Technology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ZigZag, or a package that it needs, the error names the module and the remedy."""
    monkeypatch.setitem(sys.modules, "zigzag.mapping.temporal_mapping", None)
    expected = r"zigzag.*: run `pip install edge-dse\[zigzag\]`"
    with pytest.raises(ZigZagMissingError, match=expected):
        zigzag_costs([Product(16, 16, 16)], chip(technology))


def test_a_store_gives_at_least_a_bit(technology: Technology) -> None:
    """A bandwidth that rounds to nothing is refused."""
    with pytest.raises(ValueError, match="store_bits_per_cycle 0: expected 1 or more"):
        chip(technology, word_bits=0.3)


@pytest.mark.slow
@pytest.mark.usefixtures("_zigzag")
def test_both_models_rank_designs_alike(technology: Technology) -> None:
    """Over arrays, buffers and stores, ranks of cycles and energy agree to 0.9 or better."""
    gemms = [Product(48, 96, 192)]
    ours, theirs = [], []
    for (units, n), kib, word_bits in [
        ((1, 16), 16, 200),
        ((1, 16), 64, 16),
        ((4, 8), 16, 8),
        ((4, 8), 8, 24),
        ((16, 4), 8, 12),
        ((16, 4), 16, 4),
    ]:
        design = knobs(processing_units=units, mac_vector_size=n, data_sram_kib=kib)
        port = WeightPort(word_bits=word_bits, energy_pj_per_bit=16 / word_bits)
        columns = AcceleratorColumns.from_knobs([design])
        mine = gemm_costs(gemms, columns, port, BYTE, BYTE, technology)
        energy = sum(mine.energy_pj[part].sum() for part in ("mac", "sram", "weight_sram"))
        ours.append((mine.cycles.sum(), energy))
        accelerator = zigzag_accelerator(design, port, BYTE, BYTE, technology)
        other = zigzag_costs(gemms, accelerator, objective="edp", loop_factors=5)
        theirs.append((other.cycles.sum(), other.energy_pj.sum()))
    for mine_of, theirs_of in zip(np.array(ours).T, np.array(theirs).T, strict=True):
        assert spearmanr(mine_of, theirs_of).statistic >= 0.9
