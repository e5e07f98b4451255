"""The successor chip of EdgeBERT (ISSCC 2023), and EdgeBERT's own synthesis estimate."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from hw_cost import load_technology
from hw_cost.arithmetic import mac_energy_pj
from hw_cost.voltage import clock_ghz
from search_space import minifloat
from studies.validation.accelerator import (
    chip_area_mm2,
    chip_knobs,
    edgebert_knobs,
    gemm_ms,
    scenario,
    sentence_cost,
    whole_inference,
)
from studies.validation.cycle import MacUnit, full_cycle
from studies.validation.encoders import ALBERT_BASE, FP8, albert_workload
from studies.validation.fit import CHIP_UNIT, ChipCurve, chip_curve
from studies.validation.published import published
from studies.validation.rows import Row, Section, SourceMark

ENERGY_TOLERANCE: Final = 0.12
CLOCK_TOLERANCE: Final = 0.05
TOLERANCE: Final = 0.15

_ENERGY_FIT: Final = (
    "logic.silicon.residual_energy_pj_per_lane_cycle",
    "logic.silicon.dynamic_exponent",
)
_CLOCK_FIT: Final = ("logic.silicon.nominal_clock_ghz", "logic.silicon.threshold_v")
_FP4: Final = minifloat(4, 3)
_MHZ_PER_GHZ: Final = 1e3

_SLOW_POINT: Final = (
    "The chip's lowest point lies far below any alpha-power curve through the others: its table of "
    "supply and oscillator codes sets that clock, not the logic; it is not fitted."
)
_ONE_RATE: Final = (
    "The chip works off two FP4 MACs for one of FP8 in a lane, while the model keeps n x n MACs a "
    "cycle at every width, so that clock, control and buffer reads are not halved."
)
_LANE: Final = (
    "The published ratio is that of the whole chip at twice the throughput; the MAC alone keeps "
    "the full width of its accumulator."
)
_UTILISATION: Final = (
    "The chip was measured through its SoC's data path at about 1.5 % utilisation; the model "
    "pipelines loads and works at full rate."
)
_AREA: Final = (
    "The chip's area includes the decoupling of its regulator, pads and interconnect, none of "
    "which the model counts."
)
_RECALLED_AREA: Final = (
    "What the recalled estimate includes is not known; more than half of the model's area is "
    "buffers, and interconnect, pads and decoupling are not counted."
)


def energy_rows(curve: ChipCurve) -> tuple[Row, ...]:
    """Energy of a full FP8 cycle at the five points."""
    ours = full_cycle(
        CHIP_UNIT, curve.voltage_v, curve.clock_ghz, load_technology(logic="silicon")
    ).total
    source = published("chip.fp8_efficiency").source
    return tuple(
        Row(
            name=f"FP8 energy of a cycle of 256 MACs at {label} V",
            published=float(published_pj),
            unit="pJ",
            ours=float(ours_pj),
            source=f"{source}; 512 operations over TFLOPS/W",
            mark=SourceMark.COMPUTED,
            tolerance=ENERGY_TOLERANCE,
            fitted=_ENERGY_FIT,
        )
        for label, published_pj, ours_pj in zip(curve.labels, curve.fp8_cycle_pj, ours, strict=True)
    )


def clock_rows(curve: ChipCurve) -> tuple[Row, ...]:
    """Clock at the five points; the lowest one is not fitted."""
    figures = published("chip.clock")
    ours = clock_ghz(curve.voltage_v, load_technology(logic="silicon")) * _MHZ_PER_GHZ
    return tuple(
        figures.row(
            f"Clock at {label} V",
            ours_mhz,
            label=label,
            tolerance=CLOCK_TOLERANCE,
            fitted=_CLOCK_FIT if place else (),
            reason=_SLOW_POINT,
        )
        for place, (label, ours_mhz) in enumerate(zip(curve.labels, ours, strict=True))
    )


def fp4_rows(curve: ChipCurve) -> tuple[Row, ...]:
    """Energy of an FP4 MAC over that of an FP8 one."""
    t = load_technology(logic="silicon")

    def mac_pj(unit: MacUnit) -> float:
        at = np.array([t.nominal_voltage_v])
        return float(full_cycle(unit, at, clock_ghz(at, t), t).total[0]) / unit.macs

    fp8 = full_cycle(CHIP_UNIT, curve.voltage_v, curve.clock_ghz, t).total
    doubled = replace(CHIP_UNIT, macs=512, number_format=_FP4)
    fp4 = full_cycle(doubled, curve.voltage_v, curve.clock_ghz, t).total / 2
    narrow = replace(CHIP_UNIT, operand_bits=64, number_format=_FP4)
    figure = published("chip.fp4_over_fp8")
    source = published("chip.fp4_efficiency").source
    return (
        *(
            Row(
                name=f"FP4 over FP8, two FP4 MACs in the place of one, at {label} V",
                published=float(expected),
                unit="ratio",
                ours=float(ratio),
                source=source,
                mark=SourceMark.COMPUTED,
                tolerance=TOLERANCE,
                note="operands as wide as for FP8, residual and clock shared by twice the MACs",
                series="FP4 over FP8, two FP4 MACs in the place of one, 0.62 to 1.00 V",
            )
            for label, expected, ratio in zip(
                curve.labels, curve.fp4_over_fp8, fp4 / fp8, strict=True
            )
        ),
        figure.row(
            "FP4 over FP8, the MAC alone",
            mac_energy_pj(_FP4, _FP4, t) / mac_energy_pj(FP8, FP8, t),
            tolerance=TOLERANCE,
            reason=_LANE,
        ),
        figure.row(
            "FP4 over FP8, as a design point runs FP4 (256 MACs a cycle), at 0.80 V",
            mac_pj(narrow) / mac_pj(CHIP_UNIT),
            tolerance=TOLERANCE,
            reason=_ONE_RATE,
        ),
    )


def whole_chip_rows() -> tuple[Row, ...]:
    """Latency and area of the chip as a whole."""
    t = load_technology(logic="silicon")
    workload = albert_workload()
    groups, shares = whole_inference(ALBERT_BASE.layers)
    cost = sentence_cost(workload, chip_knobs(), groups, shares, scenario(deadline_ms=1e6), t)
    return (
        published("chip.latency").row(
            "ALBERT-base, twelve layers at 1.00 V",
            cost.latency_ms,
            tolerance=TOLERANCE,
            reason=_UTILISATION,
        ),
        published("chip.area").row(
            "Area of the chip",
            chip_area_mm2(workload, chip_knobs(), t),
            tolerance=TOLERANCE,
            reason=_AREA,
        ),
    )


def chip_section() -> Section:
    """Rows of the chip."""
    curve = chip_curve()
    return Section(
        title="The chip of ISSCC 2023",
        text=(
            "EdgeBERT's successor in 12 nm silicon, with the logic preset `silicon`. A full cycle "
            "has all 256 MACs busy on 16 bytes of each operand from 256 KiB data buffers; two mask "
            "buffers of 32 KiB and 32 KiB of auxiliary SRAM leak. Energy is core energy: MACs, "
            "control, reads, clock generator, and leakage at 350 K over the period of the chip's "
            "own clock, so that an error of the clock does not count twice. The regulator's loss "
            "is left out because the measured energy falls with the square of the supply or "
            "faster: drawn through a regulator from a fixed rail it would fall in step with the "
            "supply. Residual and exponent are fitted to the five energies (least largest error, "
            "exponent held between 2.0 and 2.3), clock and threshold to the upper four clocks "
            "with an exponent of 1.3: `python -m studies.validation.fit`."
        ),
        rows=(*energy_rows(curve), *clock_rows(curve), *fp4_rows(curve), *whole_chip_rows()),
    )


def synthesis_section() -> Section:
    """Rows of EdgeBERT's synthesis estimate and ideal latency."""
    t = load_technology()
    nominal = np.array([t.nominal_voltage_v])
    unit = replace(CHIP_UNIT, data_kib=128, mask_kib=16, number_format=FP8)
    cycle = full_cycle(unit, nominal, clock_ghz(nominal, t), t)
    latencies = published("edgebert.ideal_latency")
    rows = [
        published("edgebert.cycle_energy").row(
            "Energy of a full cycle at 0.8 V and 1 GHz",
            float(cycle.total[0]),
            tolerance=TOLERANCE,
            fitted=("residual_energy_pj_per_lane_cycle",),
        ),
        published("edgebert.area").row(
            "Area without eNVM",
            chip_area_mm2(albert_workload(), edgebert_knobs(), t),
            tolerance=TOLERANCE,
            reason=_RECALLED_AREA,
        ),
        *(
            latencies.row(
                f"GEMMs of ALBERT-base, twelve layers at 1 GHz, n = {n}",
                gemm_ms(albert_workload(), replace(chip_knobs(), mac_vector_size=int(n)), t),
                label=n,
                tolerance=TOLERANCE,
                note="with exits and projection, which the ideal leaves out",
            )
            for n in latencies.values
        ),
    ]
    return Section(
        title="EdgeBERT's synthesis",
        text=(
            "The logic preset `default` at 0.8 V and 1 GHz. The energy of a cycle is what the "
            "residual term was closed to; it is recalled, not read again. Latencies are those of "
            "GEMM cycles alone, with data buffers of 256 KiB: special functions, which overlap "
            "with nothing, bring the sentence to 48 ms at n = 16."
        ),
        rows=tuple(rows),
    )
