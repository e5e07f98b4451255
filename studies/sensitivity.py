"""Sensitivity: how much a figure of a design moves when one constant does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hw_cost import Constant, Technology
from studies.rescoring import FIGURES, Rescoring

FloatArray = NDArray[np.float64]

STEP: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Sensitivities:
    """Effect of each constant on each design.

    Attributes:
        constants: (n_constants,).
        down: (n_constants, n_figures, n_designs) relative change of each of `FIGURES` when the
            constant is 10 % lower; NaN where the design can then not run.
        up: the same for 10 % higher.
    """

    constants: tuple[Constant, ...]
    down: FloatArray
    up: FloatArray

    def largest(self) -> FloatArray:
        """(n_constants, n_designs) largest effect of a constant on any figure, either way.

        Infinite where a design can then not run.
        """
        both = np.abs(np.stack([self.down, self.up]))
        result: FloatArray = np.where(np.isnan(both), np.inf, both).max(axis=(0, 2))
        return result

    def order(self, design: int = 0) -> list[int]:
        """Constants by falling effect on a design; of equal ones in their own order."""
        effect = self.largest()[:, design]
        return sorted(range(len(self.constants)), key=lambda i: -effect[i])


def sensitivities(
    rescoring: Rescoring, technology: Technology, constants: Sequence[Constant]
) -> Sensitivities:
    """Effect of a tenth of each constant's value, the others unchanged.

    A constant that is 0 moves up by a tenth of its range, and not down. Constants of a memory of
    which all together move nothing are not tried one by one: no design has that memory.

    Args:
        rescoring: feasible designs; its metrics include `FIGURES`.
        technology: the constants' own.
        constants: of that technology, by the names that `Technology.with_values` takes.
    """
    base = _figures(rescoring, technology)
    down, up = (np.zeros((len(constants), *base.shape)) for _ in range(2))
    idle = _unused_memories(rescoring, technology, constants, base)
    for place, constant in enumerate(constants):
        if _memory(constant) in idle:
            continue
        step = STEP * (abs(constant.value) or constant.high - constant.low)
        for effect, value in ((down, constant.value - step), (up, constant.value + step)):
            if step and (constant.value or effect is up):
                variant = technology.with_values({constant.name: value})
                effect[place] = _figures(rescoring, variant) / base - 1
    return Sensitivities(constants=tuple(constants), down=down, up=up)


def _memory(constant: Constant) -> str:
    """The eNVM cell or DRAM that a constant belongs to, such as ``envm.pcm``; else nothing."""
    return constant.name.rpartition(".")[0]


def _unused_memories(
    rescoring: Rescoring, technology: Technology, constants: Sequence[Constant], base: FloatArray
) -> set[str]:
    """Memories whose constants, all raised together, leave every figure as it was."""
    raised: dict[str, dict[str, float]] = {}
    for constant in constants:
        raised.setdefault(_memory(constant), {})[constant.name] = constant.value * (1 + STEP)
    return {
        memory
        for memory, values in raised.items()
        if memory
        and np.array_equal(
            _figures(rescoring, technology.with_values(values)), base, equal_nan=True
        )
    }


def _figures(rescoring: Rescoring, technology: Technology) -> FloatArray:
    """(n_figures, n_designs) values of `FIGURES`."""
    found = rescoring.under(technology)
    return np.stack([found[name] for name in FIGURES])
