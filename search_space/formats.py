"""Number formats by name: the descriptors that knobs, evaluators and the cost model share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_WITH_TWO_FIELDS = re.compile(r"(adaptivfloat|minifloat|posit)<(\d+),(\d+)>")
_INTEGER = re.compile(r"int(\d+)(-affine)?(-channel)?(?:-(mse)|-p(\d+(?:\.\d+)?))?")
_NAMES: Final = (
    "'fp32', 'fp16', 'int8', 'e4m3', 'e5m2', 'adaptivfloat<bits,exponent_bits>', "
    "'minifloat<bits,exponent_bits>' or 'posit<bits,es>', such as 'adaptivfloat<8,3>'; an integer "
    "with '-affine', '-channel' and '-mse' or '-p99.9' after it, in this order; or 'mxint8', "
    "'mxfp8-e4m3', 'mxfp8-e5m2', 'mxfp6-e3m2', 'mxfp6-e2m3', 'mxfp4'"
)
MX_BLOCK: Final = 32
"""Values that share a scale in a block format: OCP Microscaling Formats (MX) 1.0, section 5.1."""


class FormatKind(StrEnum):
    """Families of number formats."""

    ADAPTIVFLOAT = "adaptivfloat"
    MINIFLOAT = "minifloat"
    INTEGER = "int"
    POSIT = "posit"
    IEEE = "fp"
    MX = "mx"


class Clipping(StrEnum):
    """What sets the range of an integer: the rest of a tensor is clipped to its ends."""

    MAXIMUM = "max"
    PERCENTILE = "percentile"
    MSE = "mse"


class ScaleSharing(StrEnum):
    """Which values have one scale."""

    NONE = "none"
    TENSOR = "tensor"
    CHANNEL = "channel"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """One number format: ``str()`` gives the name that `parse_number_format` reads.

    Attributes:
        kind: family.
        bits: storage bits of one value, sign included, shared scales not.
        exponent_bits: bits of the exponent field; ``es`` of a posit, 0 for an integer.
        affine: whether an integer has a zero point, so that its range need not be symmetric.
        per_channel: whether an integer has a scale for each row of a weight matrix (an output
            channel of a linear map) instead of one for the tensor.
        clipping: what sets the range of an integer.
        percentile: of magnitudes (of values on either side if ``affine``) that the range covers;
            100 unless ``clipping`` is by percentile.

    Raises:
        ValueError: the fields do not make a format that the project knows.
    """

    kind: FormatKind
    bits: int
    exponent_bits: int
    affine: bool = False
    per_channel: bool = False
    clipping: Clipping = Clipping.MAXIMUM
    percentile: float = 100.0

    def __post_init__(self) -> None:
        """Refuse field widths that leave no room for a value, and options that do not apply."""
        self._check_options()
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
        elif self.kind is FormatKind.MX:
            if (bits, exponent) not in _MX_NAMES:
                raise ValueError(
                    f"MX format with {bits} bits and {exponent} exponent bits: expected one of "
                    f"{', '.join(_MX_NAMES.values())}."
                )
        elif not (2 <= bits <= 16 and 1 <= exponent <= bits - 1):
            name = "AdaptivFloat" if self.kind is FormatKind.ADAPTIVFLOAT else "Minifloat"
            raise ValueError(
                f"{name} format <{bits},{exponent}>: expected 2 to 16 bits and 1 to bits - 1 "
                "exponent bits."
            )

    def _check_options(self) -> None:
        optional = self.affine or self.per_channel or self.clipping is not Clipping.MAXIMUM
        if optional and self.kind is not FormatKind.INTEGER:
            raise ValueError(
                f"{self.kind.value} format that is affine, per channel or clipped: expected such "
                "options of an integer alone."
            )
        by_percentile = self.clipping is Clipping.PERCENTILE
        inside = 50 < self.percentile < 100 and float(f"{self.percentile:g}") == self.percentile
        if not (inside if by_percentile else self.percentile == 100):
            raise ValueError(
                f"Clipping {self.clipping.value!r} at percentile {self.percentile}: expected a "
                "percentile between 50 and 100 of at most six digits, and 100 without it."
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

    @property
    def element(self) -> NumberFormat:
        """What a multiplier sees: the format itself, or of an MX format that of its elements.

        >>> str(parse_number_format("mxfp6-e3m2").element)
        'minifloat<6,3>'
        """
        if self.kind is not FormatKind.MX:
            return self
        if self.exponent_bits == 0:
            return integer(self.bits)
        return minifloat(self.bits, self.exponent_bits)

    @property
    def scale_sharing(self) -> ScaleSharing:
        """Which values have one scale: of a block, a row, or the tensor; IEEE formats have none."""
        if self.kind is FormatKind.IEEE:
            return ScaleSharing.NONE
        if self.kind is FormatKind.MX:
            return ScaleSharing.BLOCK
        return ScaleSharing.CHANNEL if self.per_channel else ScaleSharing.TENSOR

    @property
    def scale_bits(self) -> int:
        """Stored bits of one shared scale.

        A power of two is a byte (E8M0 of the MX specification), the scale of an integer is fp32;
        a zero point follows it, in one byte or two.

        >>> parse_number_format("int8-affine").scale_bits
        40
        """
        if self.kind is FormatKind.IEEE:
            return 0
        if self.kind is not FormatKind.INTEGER:
            return 8
        return 32 + (8 * -(-self.bits // 8) if self.affine else 0)

    def __str__(self) -> str:
        """Name of the format, for example ``adaptivfloat<8,3>``, ``int8-channel`` or ``mxfp4``."""
        if self.kind is FormatKind.MX:
            return _MX_NAMES[self.bits, self.exponent_bits]
        if self.kind in (FormatKind.IEEE, FormatKind.INTEGER):
            name = f"{self.kind.value}{self.bits}"
            name += "-affine" if self.affine else ""
            name += "-channel" if self.per_channel else ""
            if self.clipping is Clipping.PERCENTILE:
                return f"{name}-p{self.percentile:g}"
            return name if self.clipping is Clipping.MAXIMUM else f"{name}-{self.clipping.value}"
        return f"{self.kind.value}<{self.bits},{self.exponent_bits}>"


_MX_NAMES: Final[Mapping[tuple[int, int], str]] = {
    (8, 0): "mxint8",
    (8, 4): "mxfp8-e4m3",
    (8, 5): "mxfp8-e5m2",
    (6, 3): "mxfp6-e3m2",
    (6, 2): "mxfp6-e2m3",
    (4, 2): "mxfp4",
}
"""Concrete formats of the MX specification, section 5.2, by bits and exponent bits of elements."""

FP32 = NumberFormat(FormatKind.IEEE, 32, 8)
FP16 = NumberFormat(FormatKind.IEEE, 16, 5)


def adaptivfloat(bits: int, exponent_bits: int) -> NumberFormat:
    """AdaptivFloat<bits, exponent_bits> of Tambe et al., DAC 2020.

    >>> str(adaptivfloat(8, 3))
    'adaptivfloat<8,3>'
    """
    return NumberFormat(FormatKind.ADAPTIVFLOAT, bits, exponent_bits)


def minifloat(bits: int, exponent_bits: int) -> NumberFormat:
    """A small float with a power-of-two scale for each tensor; E4M3 is ``minifloat(8, 4)``."""
    return NumberFormat(FormatKind.MINIFLOAT, bits, exponent_bits)


def integer(
    bits: int,
    *,
    affine: bool = False,
    per_channel: bool = False,
    clipping: Clipping = Clipping.MAXIMUM,
    percentile: float = 100.0,
) -> NumberFormat:
    """A scaled integer of that many bits; see `NumberFormat` for its options.

    >>> str(integer(8))
    'int8'
    >>> str(integer(4, per_channel=True, clipping=Clipping.MSE))
    'int4-channel-mse'
    """
    return NumberFormat(FormatKind.INTEGER, bits, 0, affine, per_channel, clipping, percentile)


def posit(bits: int, es: int) -> NumberFormat:
    """Posit<bits, es> with a power-of-two scale for each tensor.

    >>> str(posit(8, 1))
    'posit<8,1>'
    """
    return NumberFormat(FormatKind.POSIT, bits, es)


def mx(bits: int, exponent_bits: int) -> NumberFormat:
    """An MX block format by the bits of its elements; 0 exponent bits for MXINT8.

    >>> str(mx(8, 4))
    'mxfp8-e4m3'
    """
    return NumberFormat(FormatKind.MX, bits, exponent_bits)


_FIXED: Final[Mapping[str, NumberFormat]] = {
    "fp32": FP32,
    "fp16": FP16,
    "e4m3": minifloat(8, 4),
    "e5m2": minifloat(8, 5),
    **{name: mx(*fields) for fields, name in _MX_NAMES.items()},
    "mxfp4-e2m1": mx(4, 2),
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
        bits, affine, per_channel, mse, percentile = match.groups()
        clipping = Clipping.PERCENTILE if percentile else Clipping.MAXIMUM
        return integer(
            int(bits),
            affine=affine is not None,
            per_channel=per_channel is not None,
            clipping=Clipping.MSE if mse else clipping,
            percentile=float(percentile) if percentile else 100.0,
        )
    if match := _WITH_TWO_FIELDS.fullmatch(name):
        return NumberFormat(FormatKind(match[1]), int(match[2]), int(match[3]))
    raise ValueError(f"Number format {name!r} is not known: expected {_NAMES}.")


def checked_activation_format(number_format: NumberFormat) -> NumberFormat:
    """That format, which activations can have.

    Raises:
        ValueError: it has a scale for each channel, over which a dot product of activations sums.
    """
    if number_format.per_channel:
        raise ValueError(
            f"activation_format {str(number_format)!r}: a dot product sums over the channels of "
            "activations, so they need one scale; expected it without '-channel'."
        )
    return number_format
