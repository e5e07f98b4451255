"""The constants of the logic preset ``silicon``, fitted to the chip of ISSCC 2023.

Three constants are fitted, each group to least largest relative error:

* ``residual_energy_pj_per_lane_cycle`` and ``dynamic_exponent`` to the energy of a full cycle at
  all five points of the V-f-efficiency curve. The exponent is held between 2.0 (the square law)
  and 2.3 (the steepest that the curve alone suggests); it comes out at the upper end.
* ``nominal_clock_ghz`` to the clock at the upper four points, the threshold staying at 0.455 V.

``python -m studies.validation.fit`` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hw_cost import load_technology
from hw_cost.units import Floats
from hw_cost.voltage import clock_ghz
from search_space import minifloat
from studies.validation.cycle import MacUnit, full_cycle
from studies.validation.published import published

CHIP_UNIT: Final = MacUnit(
    n=16,
    data_kib=256,
    mask_kib=32,
    aux_kib=32,
    operand_bits=128,
    macs=256,
    number_format=minifloat(8, 4),
)
"""The chip's MAC unit on FP8: a cycle reads 16 bytes of each operand."""

UPPER_POINTS: Final = slice(1, None)
"""Points of the curve that the clock is fitted to: all but the lowest supply."""

_OPERATIONS_A_MAC: Final = 2
_MHZ_PER_GHZ: Final = 1e3
_EXPONENTS: Final = np.round(np.arange(2.0, 2.3001, 0.01), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipCurve:
    """The measured curve; (n_points,) arrays by rising supply.

    Attributes:
        labels: supplies as the figures name them.
        voltage_v: supplies.
        clock_ghz: clocks.
        fp8_cycle_pj: energy of a cycle of 256 FP8 MACs.
        fp4_over_fp8: energy of an FP4 operation over that of an FP8 one.
    """

    labels: tuple[str, ...]
    voltage_v: Floats
    clock_ghz: Floats
    fp8_cycle_pj: Floats
    fp4_over_fp8: Floats


def chip_curve() -> ChipCurve:
    """The published points; 1 / (TFLOPS/W) is pJ an operation, and a MAC is two operations."""
    clock = published("chip.clock")
    fp8, fp4 = published("chip.fp8_efficiency"), published("chip.fp4_efficiency")
    labels = tuple(clock.values)
    fp8_tflops_per_w = np.array([fp8.values[label] for label in labels])
    fp4_tflops_per_w = np.array([fp4.values[label] for label in labels])
    return ChipCurve(
        labels=labels,
        voltage_v=np.array([float(label) for label in labels]),
        clock_ghz=np.array([clock.values[label] for label in labels]) / _MHZ_PER_GHZ,
        fp8_cycle_pj=_OPERATIONS_A_MAC * CHIP_UNIT.macs / fp8_tflops_per_w,
        fp4_over_fp8=fp8_tflops_per_w / fp4_tflops_per_w,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SiliconFit:
    """Fitted constants with what they reach.

    Attributes:
        residual_energy_pj_per_lane_cycle: at 0.8 V.
        dynamic_exponent: of the supply in switching energy.
        nominal_clock_ghz: at 0.8 V.
        largest_energy_error: over the five points.
        largest_clock_error: over the upper four points.
    """

    residual_energy_pj_per_lane_cycle: float
    dynamic_exponent: float
    nominal_clock_ghz: float
    largest_energy_error: float
    largest_clock_error: float


def least_largest_error(base: Floats, slope: Floats) -> tuple[float, float]:
    """The x with the least largest abs(base + slope x - 1), and that error.

    The largest of straight lines is least where two of them cross, so only crossings are tried.

    Args:
        base: (n_points,) ratio to the published figure that is there anyway.
        slope: (n_points,) what x adds to it.

    >>> least_largest_error(np.array([0.0, 0.0]), np.array([1.0, 3.0]))
    (0.5, 0.5)
    """
    lines = np.concatenate([slope, -slope]), np.concatenate([base - 1, 1 - base])
    rise = lines[0][:, None] - lines[0][None]
    gap = lines[1][None] - lines[1][:, None]
    crossings = (gap[rise != 0] / rise[rise != 0]).ravel()
    errors = np.abs(base[:, None] + slope[:, None] * crossings - 1).max(axis=0)
    best = int(errors.argmin())
    return float(crossings[best]), float(errors[best])


def silicon_fit() -> SiliconFit:
    """The constants, fitted anew.

    Leakage is that of the model at 350 K over the period of the chip's own clock.
    """
    technology, curve = load_technology(logic="silicon"), chip_curve()
    fits = []
    for exponent in _EXPONENTS:
        totals = [
            full_cycle(
                CHIP_UNIT,
                curve.voltage_v,
                curve.clock_ghz,
                technology.with_values(
                    {
                        "dynamic_exponent": float(exponent),
                        "residual_energy_pj_per_lane_cycle": residual,
                    }
                ),
            ).total
            / curve.fp8_cycle_pj
            for residual in (0.0, 1.0)
        ]
        residual, error = least_largest_error(totals[0], totals[1] - totals[0])
        fits.append((error, residual, float(exponent)))
    error, residual, exponent = min(fits)
    unit_clock = technology.with_values({"nominal_clock_ghz": 1.0})
    ratio = (clock_ghz(curve.voltage_v, unit_clock) / curve.clock_ghz)[UPPER_POINTS]
    nominal, clock_error = least_largest_error(np.zeros_like(ratio), ratio)
    return SiliconFit(
        residual_energy_pj_per_lane_cycle=residual,
        dynamic_exponent=exponent,
        nominal_clock_ghz=nominal,
        largest_energy_error=error,
        largest_clock_error=clock_error,
    )


if __name__ == "__main__":
    print(silicon_fit())
