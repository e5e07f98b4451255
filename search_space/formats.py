"""Number formats by name: the descriptors that knobs, evaluators and the cost model share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_ADAPTIVFLOAT = re.compile(r"adaptivfloat<(\d+),(\d+)>")


class FormatKind(StrEnum):
    """Families of number formats."""

    ADAPTIVFLOAT = "adaptivfloat"
    IEEE = "fp"


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """One number format: ``str()`` gives the name that `parse_number_format` reads.

    Attributes:
        kind: family.
        bits: storage bits of one value, sign included.
        exponent_bits: bits of the exponent field.

    Raises:
        ValueError: the fields do not make a format that the project implements.
    """

    kind: FormatKind
    bits: int
    exponent_bits: int

    def __post_init__(self) -> None:
        """Refuse field widths that leave no room for a value."""
        if self.kind is FormatKind.IEEE:
            if (self.bits, self.exponent_bits) not in {(32, 8), (16, 5)}:
                raise ValueError(
                    f"IEEE format with {self.bits} bits and {self.exponent_bits} exponent bits: "
                    "expected fp32 (8 exponent bits) or fp16 (5)."
                )
        elif not (3 <= self.bits <= 16 and 1 <= self.exponent_bits <= self.bits - 1):
            raise ValueError(
                f"AdaptivFloat format <{self.bits},{self.exponent_bits}>: expected 3 to 16 bits "
                "and 1 to bits - 1 exponent bits."
            )

    @property
    def mantissa_bits(self) -> int:
        """Explicit fraction bits."""
        return self.bits - 1 - self.exponent_bits

    def __str__(self) -> str:
        """Name of the format, for example ``adaptivfloat<8,3>`` or ``fp16``."""
        if self.kind is FormatKind.IEEE:
            return f"fp{self.bits}"
        return f"adaptivfloat<{self.bits},{self.exponent_bits}>"


FP32 = NumberFormat(FormatKind.IEEE, 32, 8)
FP16 = NumberFormat(FormatKind.IEEE, 16, 5)


def adaptivfloat(bits: int, exponent_bits: int) -> NumberFormat:
    """AdaptivFloat<bits, exponent_bits> of Tambe et al., DAC 2020.

    >>> str(adaptivfloat(8, 3))
    'adaptivfloat<8,3>'
    """
    return NumberFormat(FormatKind.ADAPTIVFLOAT, bits, exponent_bits)


def parse_number_format(name: str) -> NumberFormat:
    """The format of that name.

    Raises:
        ValueError: no such format.

    >>> parse_number_format("adaptivfloat<4,2>").mantissa_bits
    1
    """
    if name == "fp32":
        return FP32
    if name == "fp16":
        return FP16
    match = _ADAPTIVFLOAT.fullmatch(name)
    if match is None:
        raise ValueError(
            f"Number format {name!r} is not known: expected 'fp32', 'fp16' or "
            "'adaptivfloat<bits,exponent_bits>' such as 'adaptivfloat<8,3>'."
        )
    return adaptivfloat(int(match[1]), int(match[2]))
