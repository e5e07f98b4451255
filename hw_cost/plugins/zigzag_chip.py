"""The chip and a GEMM in ZigZag's words: operational array, memory levels, layer and mapping.

`docs/zigzag.md` says why it is this chip.

* Operational array: n x n MACs in each unit, n deep (K) by n output rows (R); units share either
  the blocks of rows (I) or those of columns (J). The n columns of a tile (C) are the innermost
  temporal loop, so an n x n x n tile takes n cycles. What follows is ZigZag's choice.
* Registers, whose energy is part of that of a MAC: a tile of n x n inputs, one column of n weights
  and n x n partial sums, all twice, one in use while the other is loaded or drained.
* Buffers: the data buffers of a unit hold what the GEMM reads and makes. Weights have what inputs
  and outputs leave, half of it being filled while the other half is in use.
* Store: where weights come from. A GEMM without weights has both operands in the buffers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from hw_cost.arithmetic import mac_energy_pj
from hw_cost.gemm_costs import MatrixProduct, WeightPort
from hw_cost.memory import sram_read_energy_pj, sram_write_energy_pj
from hw_cost.plugins.zigzag_tiling import Sharing, tiling
from hw_cost.technology import Technology
from hw_cost.units import BITS_PER_KIB
from search_space import HardwareKnobs, NumberFormat

UNBOUNDED_BITS: Final = 10**12
"""Capacity of a memory that is not the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigZagAccelerator:
    """What ZigZag is told of a chip. Energies stand for the nominal supply.

    Attributes:
        n: MAC vector size: n rows of n-wide dot products.
        units: processing units.
        data_sram_kib: one data buffer, KiB; a unit has two.
        weight_bits: width of a weight.
        activation_bits: width of an activation.
        accumulator_bits: width of a partial sum.
        mac_pj: energy of a MAC with a weight, registers included.
        activation_mac_pj: energy of a MAC of two activations.
        read_weights_pj: reading n weights from a data buffer.
        write_weights_pj: writing them.
        read_activations_pj: reading n activations from a data buffer.
        write_activations_pj: writing them.
        read_partials_pj: reading n partial sums from a data buffer.
        write_partials_pj: writing them.
        store_bits_per_cycle: bandwidth of the store of the weights.
        store_pj_per_bit: energy of a bit read from it.
    """

    n: int
    units: int
    data_sram_kib: int
    weight_bits: int
    activation_bits: int
    accumulator_bits: int
    mac_pj: float
    activation_mac_pj: float
    read_weights_pj: float
    write_weights_pj: float
    read_activations_pj: float
    write_activations_pj: float
    read_partials_pj: float
    write_partials_pj: float
    store_bits_per_cycle: int
    store_pj_per_bit: float

    def __post_init__(self) -> None:
        """Refuse a store that gives nothing; the rest has been checked as knobs."""
        if self.store_bits_per_cycle < 1:
            raise ValueError(
                f"store_bits_per_cycle {self.store_bits_per_cycle}: expected 1 or more."
            )

    @property
    def buffer_bits(self) -> float:
        """Data buffers of the chip: two for each unit."""
        return 2 * self.data_sram_kib * BITS_PER_KIB * self.units


def zigzag_accelerator(
    knobs: HardwareKnobs,
    port: WeightPort,
    weight_format: NumberFormat,
    activation_format: NumberFormat,
    technology: Technology,
) -> ZigZagAccelerator:
    """The chip of those hardware knobs, with the energies of this project at the nominal supply.

    Args:
        knobs: of the chip; supply, masks, gating and compaction are not looked at.
        port: where weights stream from; its word is rounded to whole bits.
        weight_format: of weights.
        activation_format: of other operands.
        technology: constants.
    """

    def access_pj(bits: int) -> tuple[float, float]:
        """Energies of reading and of writing n values of that width."""
        kib, word = knobs.data_sram_kib, knobs.mac_vector_size * bits
        return (
            float(sram_read_energy_pj(kib, word, technology)),
            float(sram_write_energy_pj(kib, word, technology)),
        )

    def operation_pj(second: NumberFormat) -> float:
        """Energy of a MAC of an activation and that format."""
        width = np.array(knobs.accumulator_bits)
        return float(mac_energy_pj(second, activation_format, technology, width))

    read_weights_pj, write_weights_pj = access_pj(weight_format.bits)
    read_activations_pj, write_activations_pj = access_pj(activation_format.bits)
    read_partials_pj, write_partials_pj = access_pj(knobs.accumulator_bits)
    return ZigZagAccelerator(
        n=knobs.mac_vector_size,
        units=knobs.processing_units,
        data_sram_kib=knobs.data_sram_kib,
        weight_bits=weight_format.bits,
        activation_bits=activation_format.bits,
        accumulator_bits=knobs.accumulator_bits,
        mac_pj=operation_pj(weight_format),
        activation_mac_pj=operation_pj(activation_format),
        read_weights_pj=read_weights_pj,
        write_weights_pj=write_weights_pj,
        read_activations_pj=read_activations_pj,
        write_activations_pj=write_activations_pj,
        read_partials_pj=read_partials_pj,
        write_partials_pj=write_partials_pj,
        store_bits_per_cycle=round(port.word_bits),
        store_pj_per_bit=port.energy_pj_per_bit,
    )


def layer_data(gemm: MatrixProduct, a: ZigZagAccelerator) -> dict[str, Any]:
    """One instance of the GEMM: I, W and O are its two operands and its result."""
    tiles = tiling(gemm, a.n)
    return {
        "id": 0,
        "name": "gemm",
        "operator_type": "Gemm",
        "equation": "O[i][r][j][c]+=I[i][r][k]*W[k][j][c]",
        "dimension_relations": [],
        "loop_dims": ["I", "R", "K", "J", "C"],
        "loop_sizes": [
            tiles.row_blocks,
            tiles.rows_in_block,
            gemm.depth,
            tiles.column_blocks,
            tiles.n,
        ],
        "operand_precision": {
            "I": a.activation_bits,
            "W": a.weight_bits if gemm.has_weights else a.activation_bits,
            "O": a.accumulator_bits,
            "O_final": a.activation_bits,
        },
        "operand_source": {"I": 0, "W": 0},
    }


def mapping_data(
    gemm: MatrixProduct, a: ZigZagAccelerator, sharing: Sharing
) -> list[dict[str, Any]]:
    """Spatial mapping, and the one temporal loop that the array fixes: the columns of a tile."""
    mapping = {
        "spatial_mapping": {
            "D1": [f"K, {min(a.n, gemm.depth)}"],
            "D2": [f"R, {tiling(gemm, a.n).rows_in_block}"],
            "D3": [f"{sharing.loop}, {sharing.units}"],
        },
        "memory_operand_links": {"I": "I1", "W": "I2", "O": "O"},
        "temporal_ordering": [["C", a.n]],
    }
    return [{"name": name, **mapping} for name in ("default", "Gemm")]


def accelerator_data(
    gemm: MatrixProduct, a: ZigZagAccelerator, second_buffer_bits: int, output_buffer_bits: int
) -> dict[str, Any]:
    """The chip in ZigZag's words: array, then memories from the innermost outwards.

    D1 is the depth of the array, D2 its rows, D3 its units. A memory that serves a dimension is
    shared along it; one that serves none stands at every MAC. Directions of a port are from and to
    the memory above (fh, th) and below (fl, tl).

    Args:
        gemm: what will run on it.
        a: the chip.
        second_buffer_bits: of a unit, for weights.
        output_buffer_bits: of a unit, for results; that for inputs is never the limit.
    """
    second_bits = a.weight_bits if gemm.has_weights else a.activation_bits
    word, second_word = a.n * a.activation_bits, a.n * second_bits
    # The store fills a weight buffer at its full bandwidth, in several words a cycle if need be.
    words_in_parallel = -(-a.store_bits_per_cycle // second_word)
    words_in_partials = -(-a.accumulator_bits // a.activation_bits)
    read_second, write_second = (
        (a.read_weights_pj, a.write_weights_pj)
        if gemm.has_weights
        else (a.read_activations_pj, a.write_activations_pj)
    )
    unit, chip = ["D1", "D2"], ["D1", "D2", "D3"]
    memories = {
        "tile_registers": _memory(
            operands=["I1"],
            size_bits=2 * a.activation_bits,
            serves=[],
            is_double=True,
            reads=_port("r", a.activation_bits, "I1, tl"),
            writes=_port("w", a.activation_bits, "I1, fh"),
        ),
        "column_registers": _memory(
            operands=["I2"],
            size_bits=2 * second_bits,
            serves=["D2"],
            is_double=True,
            reads=_port("r", second_bits, "I2, tl"),
            writes=_port("w", second_bits, "I2, fh"),
        ),
        "accumulators": _memory(
            operands=["O"],
            size_bits=2 * a.n * a.accumulator_bits,
            serves=["D1"],
            is_double=True,
            reads=_port("r", a.accumulator_bits, "O, tl"),
            writes=_port("w", a.accumulator_bits, "O, fl"),
            drains=(
                _port("r", a.accumulator_bits, "O, th", number=2),
                _port("w", a.accumulator_bits, "O, fh", number=2),
            ),
        ),
        "input_buffer": _memory(
            operands=["I1"],
            size_bits=UNBOUNDED_BITS,
            serves=unit,
            read_pj=a.read_activations_pj,
            write_pj=a.write_activations_pj,
            reads=_port("r", word, "I1, tl"),
            writes=_port("w", word, "I1, fh"),
        ),
        "second_buffer": _memory(
            operands=["I2"],
            size_bits=second_buffer_bits,
            serves=unit,
            is_double=True,
            read_pj=read_second,
            write_pj=write_second * words_in_parallel,
            reads=_port("r", second_word, "I2, tl"),
            writes=_port("w", second_word, "I2, fh", words=words_in_parallel),
        ),
        "output_buffer": _memory(
            operands=["O"],
            size_bits=output_buffer_bits,
            serves=unit,
            read_pj=a.read_partials_pj,
            write_pj=a.write_partials_pj,
            reads=_port("r", word, "O, tl", "O, th", words=words_in_partials),
            writes=_port("w", word, "O, fl", "O, fh", words=words_in_partials),
        ),
    }
    if gemm.has_weights:
        memories["store"] = _memory(
            operands=["I2"],
            size_bits=UNBOUNDED_BITS,
            serves=chip,
            read_pj=a.store_pj_per_bit * a.store_bits_per_cycle,
            reads=_port("r", 1, "I2, tl", words=a.store_bits_per_cycle),
            writes=_port("w", 1, "I2, fh"),
        )
    mac_pj = a.mac_pj if gemm.has_weights else a.activation_mac_pj
    return {
        "name": "edge",
        "memories": memories,
        "operational_array": {
            "input_precision": [a.activation_bits, second_bits],
            "unit_energy": mac_pj,
            "unit_area": 0.0,
            "dimensions": chip,
            "sizes": [a.n, a.n, a.units],
        },
    }


def _memory(
    *,
    operands: list[str],
    size_bits: int,
    serves: list[str],
    reads: dict[str, Any],
    writes: dict[str, Any],
    drains: tuple[dict[str, Any], ...] = (),
    read_pj: float = 0.0,
    write_pj: float = 0.0,
    is_double: bool = False,
) -> dict[str, Any]:
    """A memory level; energies are those of the widest access of a port."""
    return {
        "size": size_bits,
        "r_cost": read_pj,
        "w_cost": write_pj,
        "area": 0.0,
        "latency": 1,
        "operands": operands,
        "ports": [reads, writes, *drains],
        "served_dimensions": serves,
        "force_double_buffering": is_double,
    }


def _port(
    kind: Literal["r", "w"], word_bits: int, *directions: str, words: int = 1, number: int = 1
) -> dict[str, Any]:
    """A port that moves up to so many words a cycle, whole ones."""
    return {
        "name": f"{kind}_port_{number}",
        "type": {"r": "read", "w": "write"}[kind],
        "bandwidth_min": word_bits,
        "bandwidth_max": word_bits * words,
        "allocation": list(directions),
    }
