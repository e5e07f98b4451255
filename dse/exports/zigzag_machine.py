"""The machine of a design as ZigZag reads it: an accelerator in YAML.

Operational array and memories are those of `hw_cost.plugins.zigzag_chip`, for GEMMs with weights at
the nominal supply. There, how much of the data buffers each operand has follows from the GEMM; a
file that stands alone gives inputs and results the activation buffer of a unit, weights the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hw_cost import AcceleratorColumns, Technology, WeightPort, Workload
from hw_cost.plugins.zigzag_chip import accelerator_data, zigzag_accelerator
from hw_cost.stores import TENSOR_CLASSES, stores
from hw_cost.units import BITS_PER_KIB
from hw_cost.voltage import clock_ghz
from search_space import CellKind, HardwareKnobs

_ENCODER = TENSOR_CLASSES.index("encoder")


@dataclass(frozen=True, slots=True)
class WithWeights:
    """Stands for every GEMM with weights: the machine does not depend on its size."""

    rows: int = 1
    depth: int = 1
    columns: int = 1
    count: int = 1
    has_weights: bool = True


def zigzag_yaml(
    workload: Workload, hardware: HardwareKnobs, technology: Technology, design_hash: str
) -> bytes:
    """``accelerator.yaml``: JSON behind a comment, which is YAML too; energies in pJ."""
    port = encoder_port(workload, hardware, technology)
    chip = zigzag_accelerator(
        hardware, port, workload.weight_format, workload.activation_format, technology
    )
    buffer_bits = int(hardware.data_sram_kib * BITS_PER_KIB)
    machine = accelerator_data(WithWeights(), chip, buffer_bits, buffer_bits)
    machine["memories"]["input_buffer"]["size"] = buffer_bits
    text = json.dumps(machine, indent=2, allow_nan=False)
    return f"# edge-dse design {design_hash}\n{text}\n".encode("ascii")


def encoder_port(workload: Workload, hardware: HardwareKnobs, technology: Technology) -> WeightPort:
    """What streams encoder weights: bits of a cycle at the highest supply, and their energy."""
    columns = AcceleratorColumns.from_knobs([hardware])
    held = stores(workload, columns, technology)
    clock = float(clock_ghz(columns.max_voltage_v, technology)[0])
    if workload.cells[_ENCODER] is CellKind.DRAM:
        bits_per_cycle = 1 / float(held.dram.ns_per_bit[0]) / clock
        energy = float(held.dram.read_pj_per_bit[0])
    else:
        cycles = float(held.word_cycles[_ENCODER]) + float(held.word_ns[0, _ENCODER]) * clock
        bits_per_cycle = float(held.word_bits[_ENCODER]) / cycles
        energy = float(held.read_pj_per_bit[0, _ENCODER])
    return WeightPort(word_bits=max(bits_per_cycle, 1.0), energy_pj_per_bit=energy)
