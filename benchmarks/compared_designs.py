"""Designs with the same number of MACs, and the GEMMs of encoder layers that they run."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Sequence
from typing import Final

from hw_cost import WeightPort
from hw_cost.plugins.zigzag import Objective
from hw_cost.units import BITS_PER_KIB
from search_space import DvfsPolicy, HardwareKnobs, MappingObjective, NumberFormat, adaptivfloat

MACS: Final = 256
_ARRAYS: Final = ((1, 16), (4, 8), (16, 4))
_FORMATS: Final = {4: adaptivfloat(4, 2), 8: adaptivfloat(8, 3), 16: adaptivfloat(16, 5)}
_WIDTHS: Final = ((4, 4), (4, 8), (8, 8), (16, 16))
# Bits a cycle at 1 GHz and pJ a bit: a weight SRAM, MLC ReRAM as NVSim has it, a channel of LPDDR4,
# and published SLC ReRAM in 1 to 6 macros read together.
STORES: Final = {
    "sram": WeightPort(word_bits=256, energy_pj_per_bit=0.4),
    "mlc2": WeightPort(word_bits=132, energy_pj_per_bit=0.05),
    "lpddr4": WeightPort(word_bits=51, energy_pj_per_bit=8.0),
    "slc x 6": WeightPort(word_bits=38, energy_pj_per_bit=1.0),
    "slc x 4": WeightPort(word_bits=26, energy_pj_per_bit=1.0),
    "slc x 3": WeightPort(word_bits=19, energy_pj_per_bit=1.0),
    "slc x 2": WeightPort(word_bits=13, energy_pj_per_bit=1.0),
    "slc": WeightPort(word_bits=6, energy_pj_per_bit=1.0),
}
# Data buffers of a chip over the 8-bit activations of its largest GEMM: from what just holds them
# at 4, at 8 and at 16 bit to plenty.
_BUFFER_FACTORS: Final = (0.525, 1.05, 1.25, 2.1, 4.2)
_KIB_STEP: Final = 32


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerGemm:
    """``count`` GEMMs rows x depth x columns of a layer."""

    rows: int
    depth: int
    columns: int
    count: int = 1
    has_weights: bool = True

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all of them."""
        return self.count * self.rows * self.depth * self.columns


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One accelerator."""

    processing_units: int
    mac_vector_size: int
    data_sram_kib: int
    weight_bits: int
    activation_bits: int
    store: str

    @property
    def formats(self) -> tuple[NumberFormat, NumberFormat]:
        """Of weights and of activations."""
        return _FORMATS[self.weight_bits], _FORMATS[self.activation_bits]

    def knobs(self, objective: Objective) -> HardwareKnobs:
        """As hardware knobs; what the comparison does not look at is small."""
        return HardwareKnobs(
            mac_vector_size=self.mac_vector_size,
            processing_units=self.processing_units,
            data_sram_kib=self.data_sram_kib,
            mask_sram_kib=1,
            aux_sram_kib=1,
            envm_mib=0.0,
            min_voltage_v=0.8,
            max_voltage_v=0.8,
            dvfs_policy=DvfsPolicy.FIXED,
            mapping_objective=MappingObjective(objective),
        )


def layer(tokens: int, hidden: int, heads: int, ffn: int) -> tuple[LayerGemm, ...]:
    """Distinct GEMMs of one encoder layer: Q, K, V and output; scores; context; feed-forward."""
    head = hidden // heads
    return (
        LayerGemm(rows=tokens, depth=hidden, columns=hidden, count=4),
        LayerGemm(rows=tokens, depth=head, columns=tokens, count=heads, has_weights=False),
        LayerGemm(rows=tokens, depth=tokens, columns=head, count=heads, has_weights=False),
        LayerGemm(rows=tokens, depth=hidden, columns=ffn),
        LayerGemm(rows=tokens, depth=ffn, columns=hidden),
    )


WORKLOADS: Final = {
    "albert-base (or bert-base), 128 tokens": layer(128, 768, 12, 3072),
    "albert-mini, 128 tokens": layer(128, 384, 12, 1536),
    "albert-mini, 50 tokens": layer(50, 384, 12, 1536),
}


def designs(gemms: Sequence[LayerGemm], count: int, seed: int) -> list[Design]:
    """A seeded sample of those that hold the activations of every GEMM and a tile of weights.

    Half of it is bound by the store even if every weight is read once: other designs with the same
    array take the same cycles, and a rank correlation over ties says nothing.
    """
    elements = max(g.rows * (g.depth + g.columns) for g in gemms)
    found: dict[bool, list[Design]] = {True: [], False: []}
    for (units, n), factor, (weight, activation), store in itertools.product(
        _ARRAYS, _BUFFER_FACTORS, _WIDTHS, STORES
    ):
        chip_kib = _KIB_STEP * -(-elements * 8 * factor // (BITS_PER_KIB * _KIB_STEP))
        tile_bits = 2 * n * n * weight * units
        if elements * activation + tile_bits <= chip_kib * BITS_PER_KIB:
            is_starved = weight / STORES[store].word_bits > gemms[0].rows / MACS
            found[is_starved].append(
                Design(
                    processing_units=units,
                    mac_vector_size=n,
                    data_sram_kib=int(chip_kib) // (2 * units),
                    weight_bits=weight,
                    activation_bits=activation,
                    store=store,
                )
            )
    draw = random.Random(seed)
    starved = draw.sample(found[True], min(count // 2, len(found[True])))
    return starved + draw.sample(found[False], min(count - len(starved), len(found[False])))
