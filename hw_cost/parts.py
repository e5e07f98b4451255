"""Parts of the chip that energy is kept apart by."""

from __future__ import annotations

from typing import Final

LOGIC_PARTS: Final = ("mac", "special_functions", "control")
SRAM_PARTS: Final = ("sram", "weight_sram")
DIRECT_PARTS: Final = ("envm", "dram")
PARTS: Final = (*LOGIC_PARTS, *SRAM_PARTS, *DIRECT_PARTS)
"""Energy of logic and of SRAM follows the chosen supply, each by its own law; the rest does not."""

MAC, SPECIAL, CONTROL, SRAM, WEIGHT_SRAM, ENVM, DRAM = range(len(PARTS))
"""Index of each part, for compiled functions."""
