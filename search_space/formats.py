"""Number formats by name: the descriptors that knobs, evaluators and the cost model share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_WITH_TWO_FIELDS = re.compile(r"(adaptivfloat|minifloat|posit)<(\d+),(\d+)>")
_INTEGER = re.compile(r"int(\d+)")
_NAMES: Final = (
    "'fp32', 'fp16', 'int8', 'e4m3', 'e5m2', 'adaptivfloat<bits,exponent_bits>', "
    "'minifloat<bits,exponent_bits>' or 'posit<bits,es>', such as 'adaptivfloat<8,3>'"
)


class FormatKind(StrEnum):
    """Families of number formats."""

    ADAPTIVFLOAT = "adaptivfloat"
    MINIFLOAT = "minifloat"
    INTEGER = "int"
    POSIT = "posit"
    IEEE = "fp"


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """One number format: ``str()`` gives the name that `parse_number_format` reads.

    Attributes:
        kind: family.
        bits: storage bits of one value, sign included.
        exponent_bits: bits of the exponent field; ``es`` of a posit, 0 for an integer.

    Raises:
        ValueError: the fields do not make a format that the project knows.
    """

    kind: FormatKind
    bits: int
    exponent_bits: int

    def __post_init__(self) -> None:
        """Refuse field widths that leave no room for a value."""
        bits, exponent = self.bits, self.exponent_bits
        if self.kind is FormatKind.IEEE:
            if (bits, exponent) not in {(32, 8), (16, 5)}:
                raise ValueError(
                    f"IEEE format with {bits} bits and {exponent} exponent bits: expected fp32 "
                    "(8 exponent bits) or fp16 (5)."
                )
        elif self.kind is FormatKind.INTEGER:
            if not 2 <= bits <= 16 or exponent:
                raise ValueError(f"Integer format int{bits}: expected 2 to 16 bits.")
        elif self.kind is FormatKind.POSIT:
            if not (2 <= bits <= 16 and 0 <= exponent <= 4):
                raise ValueError(
                    f"Posit format <{bits},{exponent}>: expected 2 to 16 bits and an es of 0 to 4."
                )
        elif not (2 <= bits <= 16 and 1 <= exponent <= bits - 1):
            name = "AdaptivFloat" if self.kind is FormatKind.ADAPTIVFLOAT else "Minifloat"
            raise ValueError(
                f"{name} format <{bits},{exponent}>: expected 2 to 16 bits and 1 to bits - 1 "
                "exponent bits."
            )

    @property
    def mantissa_bits(self) -> int:
        """Explicit fraction bits; of a posit the most that it can have; of an integer all but one.

        >>> posit(8, 1).mantissa_bits
        4
        """
        if self.kind is FormatKind.POSIT:
            return max(self.bits - 3 - self.exponent_bits, 0)
        return self.bits - 1 - self.exponent_bits

    def __str__(self) -> str:
        """Name of the format, for example ``adaptivfloat<8,3>``, ``int8`` or ``fp16``."""
        if self.kind in (FormatKind.IEEE, FormatKind.INTEGER):
            return f"{self.kind.value}{self.bits}"
        return f"{self.kind.value}<{self.bits},{self.exponent_bits}>"


FP32 = NumberFormat(FormatKind.IEEE, 32, 8)
FP16 = NumberFormat(FormatKind.IEEE, 16, 5)


def adaptivfloat(bits: int, exponent_bits: int) -> NumberFormat:
    """AdaptivFloat<bits, exponent_bits> of Tambe et al., DAC 2020.

    >>> str(adaptivfloat(8, 3))
    'adaptivfloat<8,3>'
    """
    return NumberFormat(FormatKind.ADAPTIVFLOAT, bits, exponent_bits)


def minifloat(bits: int, exponent_bits: int) -> NumberFormat:
    """A small IEEE-like float, for example E4M3 as ``minifloat(8, 4)``."""
    return NumberFormat(FormatKind.MINIFLOAT, bits, exponent_bits)


def integer(bits: int) -> NumberFormat:
    """A scaled integer of that many bits.

    >>> str(integer(8))
    'int8'
    """
    return NumberFormat(FormatKind.INTEGER, bits, 0)


def posit(bits: int, es: int) -> NumberFormat:
    """Posit<bits, es> with a power-of-two scale for each tensor.

    >>> str(posit(8, 1))
    'posit<8,1>'
    """
    return NumberFormat(FormatKind.POSIT, bits, es)


_FIXED: Final[Mapping[str, NumberFormat]] = {
    "fp32": FP32,
    "fp16": FP16,
    "e4m3": NumberFormat(FormatKind.MINIFLOAT, 8, 4),
    "e5m2": NumberFormat(FormatKind.MINIFLOAT, 8, 5),
}


def parse_number_format(name: str) -> NumberFormat:
    """The format of that name.

    Raises:
        ValueError: no such format.

    >>> parse_number_format("adaptivfloat<4,2>").mantissa_bits
    1
    >>> str(parse_number_format("e4m3"))
    'minifloat<8,4>'
    """
    if name in _FIXED:
        return _FIXED[name]
    if match := _INTEGER.fullmatch(name):
        return integer(int(match[1]))
    if match := _WITH_TWO_FIELDS.fullmatch(name):
        return NumberFormat(FormatKind(match[1]), int(match[2]), int(match[3]))
    raise ValueError(f"Number format {name!r} is not known: expected {_NAMES}.")
