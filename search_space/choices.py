"""What knobs of a kind can be: cells, policies and other named choices."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

FULL_SPAN_TOKENS = 128
"""Attention span that masks nothing: the longest sequence that the project feeds an encoder."""


class CellKind(StrEnum):
    """Memory cells that can hold a tensor class.

    Those in `FAITHFUL_CELLS` read back what was written, as far as this project has measured or
    assumed: level confusion is below 1e-16 for an SLC and 7.7e-9 for an MLC2 ReRAM cell (optimal
    thresholds on the level distributions of nvmFI); STT-MRAM, PCM and FeFET macros are taken to
    have the error correction that their vendors ship. So these are not part of a trace's key. An
    MLC3 ReRAM cell is misread 3.8e-3 of the time, which changes weights: it is part of the key, and
    a trace is measured with such faults (`evaluators.faults`).
    """

    SRAM = "sram"
    RERAM_SLC = "reram-slc"
    RERAM_MLC2 = "reram-mlc2"
    RERAM_MLC3 = "reram-mlc3"
    STT_MRAM = "stt-mram"
    PCM = "pcm"
    FEFET = "fefet"
    DRAM = "dram"

    @property
    def is_envm(self) -> bool:
        """Whether the cell is embedded and keeps its content without power."""
        return self not in (CellKind.SRAM, CellKind.DRAM)

    @property
    def bits_per_cell(self) -> int:
        """Bits stored in one cell."""
        return {CellKind.RERAM_MLC2: 2, CellKind.RERAM_MLC3: 3}.get(self, 1)


FAITHFUL_CELLS: Final = frozenset(CellKind) - {CellKind.RERAM_MLC3}
"""Cells for which the accuracy measured without faults stands."""


WITH_ENCODER: Final = "encoder"
"""Value of ``exit_storage`` that keeps the exit heads where the encoder weights are."""


class SpecialFunctions(StrEnum):
    """How softmax and layer norm are worked out."""

    EXACT = "exact"
    FULLY_QUANTISED = "fully-quantised"


class PruningScope(StrEnum):
    """What weights compete with when the smallest magnitudes are pruned."""

    MATRIX = "matrix"
    GLOBAL = "global"


class DramKind(StrEnum):
    """Off-chip memory beside the accelerator."""

    NONE = "none"
    LPDDR4 = "lpddr4"
    LPDDR4X = "lpddr4x"
    LPDDR5 = "lpddr5"


class ZeroGating(StrEnum):
    """What a MAC array does with operands that are zero; cycles are the same."""

    NONE = "none"
    VECTOR = "vector"
    LANE = "lane"


class Compaction(StrEnum):
    """Whether an array leaves zero weights out of its cycles."""

    NONE = "none"
    WEIGHTS = "weights"


class MappingObjective(StrEnum):
    """What the mapping of each GEMM is chosen by."""

    LATENCY = "latency"
    ENERGY = "energy"
    EDP = "edp"


class ExitPolicy(StrEnum):
    """When a sentence leaves the encoder; what is behind each is in `evaluators.exits`.

    The order is that of the codes in exported parameters: new policies go to the end.
    """

    NONE = "none"
    ENTROPY = "entropy"
    LATENCY_AWARE = "latency-aware"
    NORMALISED_ENTROPY = "normalised-entropy"
    CONFIDENCE = "confidence"
    PATIENCE = "patience"


KNOBS_OF_EXIT_POLICY: Final[Mapping[ExitPolicy, tuple[str, ...]]] = {
    ExitPolicy.NONE: (),
    ExitPolicy.ENTROPY: ("entropy_threshold",),
    ExitPolicy.LATENCY_AWARE: ("entropy_threshold",),
    ExitPolicy.NORMALISED_ENTROPY: ("normalised_entropy_threshold",),
    ExitPolicy.CONFIDENCE: ("confidence_threshold",),
    ExitPolicy.PATIENCE: ("patience", "patience_tolerance"),
}
"""Exit knobs that each policy looks at, its threshold first; it ignores the others."""


class DvfsPolicy(StrEnum):
    """How the voltage of the layers after the first is chosen for each sentence."""

    FIXED = "fixed"
    LOWEST_FEASIBLE = "lowest-feasible"
    MIN_ENERGY = "min-energy"
