"""Steps: cycles, loads and energies at the nominal supply, and the tally that adds them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hw_cost.array import GemmCycles, MacArrays, gemm_cycles
from hw_cost.dataflow import MappedGemm
from hw_cost.stores import Store
from hw_cost.technology import Technology
from hw_cost.units import Floats, Ints, ceil_div
from hw_cost.workload import Gemm, Workload

LOGIC_PARTS: Final = ("mac", "special_functions", "control")
SRAM_PARTS: Final = ("sram", "weight_sram")
DIRECT_PARTS: Final = ("envm",)


@dataclass(frozen=True, slots=True)
class Fetch:
    """Work that overlaps with loads; (n_arrays, n_token_counts) arrays.

    Attributes:
        compute_cycles: of the busiest unit.
        load_cycles: of the weight SRAM, at the datapath clock; 0 for eNVM.
        load_ns: of the eNVM; 0 for SRAM.
    """

    compute_cycles: Floats
    load_cycles: Floats
    load_ns: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a sentence; (n_arrays, n_token_counts) arrays.

    Attributes:
        fetches: GEMMs with weights, and look-ups.
        gemm_cycles: GEMMs without weights.
        special_cycles: special functions.
        energy_pj: by part, at the nominal supply.
        envm_leakage_mw: (n_arrays, 1) of the eNVM that is powered.
    """

    fetches: tuple[Fetch, ...]
    gemm_cycles: Floats
    special_cycles: Floats
    energy_pj: dict[str, Floats]
    envm_leakage_mw: Floats


class Tally:
    """Running sums of one step."""

    def __init__(self, shape: tuple[int, int], workload: Workload, t: Technology) -> None:
        self.workload, self.t = workload, t
        self.energy_pj = {
            part: np.zeros(shape) for part in (*LOGIC_PARTS, *SRAM_PARTS, *DIRECT_PARTS)
        }
        self.fetches: list[Fetch] = []
        self.gemm_cycles = np.zeros(shape)
        self.special_cycles = np.zeros(shape)

    def add_gemm(self, arrays: MacArrays, gemm: Gemm, cycles: GemmCycles | None = None) -> None:
        """MAC, operand, result and control energy of a GEMM."""
        total = (cycles or self._cycles(arrays, gemm)).total
        results = gemm.count * gemm.rows * ceil_div(gemm.columns, arrays.n)
        self.add_macs(arrays, total, gemm.macs, gemm.density, gemm.has_weights, results)

    def add_macs(
        self,
        arrays: MacArrays,
        total_cycles: Floats,
        macs: Ints,
        density: float,
        has_weights: bool,
        results: Floats | Ints,
    ) -> None:
        """Energy of MAC cycles: lanes with a zero operand, or with none, cost the gated share."""
        gated = self.t.gated_mac_share
        lanes = total_cycles * arrays.n**2
        working = macs * density
        self.energy_pj["mac"] += arrays.mac_pj * (working + gated * (lanes - working))
        self.energy_pj["control"] += total_cycles * arrays.cycle_pj
        second = arrays.read_weights_pj if has_weights else arrays.read_activations_pj
        self.energy_pj["sram"] += total_cycles * (arrays.read_activations_pj + second)
        self.energy_pj["sram"] += results * arrays.write_activations_pj

    def add_weights(self, arrays: MacArrays, store: Store, mapped: MappedGemm) -> None:
        """A GEMM with stored weights: its energy, loads, spills and overlap."""
        gemm, cycles = mapped.gemm, mapped.cycles
        self.add_gemm(arrays, gemm, cycles)
        bits = gemm.count * gemm.depth * gemm.columns * self.workload.weight_bits
        bits = bits * mapped.weight_reads
        words = bits / store.word_bits
        self.energy_pj[store.energy_part] += bits * store.energy_pj_per_bit
        column_blocks = gemm.count * ceil_div(gemm.columns, arrays.n)
        loads = mapped.weight_reads * cycles.copies * gemm.depth * column_blocks
        self.energy_pj["sram"] += loads * arrays.write_weights_pj
        self.energy_pj["sram"] += mapped.spills * gemm.rows * column_blocks * arrays.spill_pj
        self.fetches.append(Fetch(cycles.busiest, words * store.word_cycles, words * store.word_ns))

    def add_plain_weights(self, arrays: MacArrays, store: Store, gemm: Gemm) -> None:
        """A GEMM whose weights are read once and need no mapping."""
        cycles = self._cycles(arrays, gemm)
        ones = np.ones_like(cycles.total)
        mapped = MappedGemm(gemm=gemm, cycles=cycles, weight_reads=ones, spills=0 * ones)
        self.add_weights(arrays, store, mapped)

    def add_special(
        self,
        arrays: MacArrays,
        *,
        busiest_cycles: Floats,
        total_cycles: Floats,
        pj: Floats | Ints,
        reads: Floats | Ints,
        writes: Floats | Ints,
        table_reads: Floats | Ints | int = 0,
    ) -> None:
        """Special functions: cycles, arithmetic energy, and vectors moved."""
        self.special_cycles += busiest_cycles
        self.energy_pj["special_functions"] += pj
        self.energy_pj["control"] += total_cycles * arrays.idle_cycle_pj
        self.energy_pj["sram"] += reads * arrays.read_activations_pj
        self.energy_pj["sram"] += writes * arrays.write_activations_pj
        self.energy_pj["sram"] += table_reads * arrays.table_pj

    def add_rows(self, arrays: MacArrays, name: str, rows: Ints, width: int) -> None:
        """One of ``layer_norm``, ``add``, ``gelu`` or ``entropy`` on rows of that width."""
        t = self.t
        vectors = ceil_div(np.array(width), arrays.n)
        per_vector, per_row, pj, reads, writes, table_reads = {
            "layer_norm": (
                t.layer_norm_cycles_per_vector,
                t.layer_norm_cycles_per_row,
                t.layer_norm_energy_pj_per_element,
                3,
                1,
                2,
            ),
            "add": (
                t.add_cycles_per_vector,
                t.add_cycles_per_row,
                t.add_energy_pj_per_element,
                2,
                1,
                0,
            ),
            # on the output path of the GEMM: no trip of its own through the buffers
            "gelu": (t.gelu_cycles_per_vector, 0.0, t.gelu_energy_pj_per_element, 0, 0, 0),
            "entropy": (
                t.entropy_cycles_per_vector,
                t.entropy_cycles_per_row,
                t.softmax_energy_pj_per_element,
                3,
                0,
                1,
            ),
        }[name]
        row_cycles = per_vector * vectors + per_row
        self.add_special(
            arrays,
            busiest_cycles=ceil_div(rows, arrays.units) * row_cycles,
            total_cycles=rows * row_cycles,
            pj=(rows * width).astype(np.float64) * pj,
            reads=reads * rows * vectors,
            writes=writes * rows * vectors,
            table_reads=table_reads * rows * vectors,
        )

    def step(self, envm_leakage_mw: Floats) -> Step:
        """The sums as a value."""
        return Step(
            fetches=tuple(self.fetches),
            gemm_cycles=self.gemm_cycles,
            special_cycles=self.special_cycles,
            energy_pj=self.energy_pj,
            envm_leakage_mw=envm_leakage_mw,
        )

    def _cycles(self, arrays: MacArrays, gemm: Gemm) -> GemmCycles:
        return gemm_cycles(arrays, gemm.rows, gemm.depth, gemm.columns, gemm.count, self.t)
