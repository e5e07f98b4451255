"""Softmax and layer norm in integers, and scales of 8 bits.

After FQ-BERT (arXiv:2103.02800, DATE 2021), which gives scale factors 8 bits, softmax 8-bit
numerators from a table of 256 entries and 8-bit results, and layer norm parameters in 8-bit fixed
point. What it leaves open here (signs, rounding, intermediate widths) is as the docstrings say.
Integers are exact: nothing depends on the order of a sum.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from evaluators.codecs.codec import Scaling, Values

LARGEST: Final = 127
"""Largest magnitude of a symmetric 8-bit integer."""

ONE: Final = 255
"""What stands for 1 in numerators and probabilities, unsigned 8-bit integers."""

FRACTION_BITS: Final = 10
"""Fraction bits of a normalised value between the stages of a layer norm."""


def eight_bit_scale(factor: Values) -> Values:
    """Nearest numbers (same shape) m · 2**e with m of 128 ... 255, for numbers above 0.

    Ties go to the even m. Powers of two stay as they are.

    >>> eight_bit_scale(np.array([1.0, 0.3], dtype=np.float32)).tolist()  # 154 / 512
    [1.0, 0.30078125]
    """
    fraction, exponent = np.frexp(factor)
    scale: Values = np.ldexp(np.rint(np.ldexp(fraction, 8)), exponent - 8).astype(np.float32)
    return scale


def eight_bit_scaling(scaling: Scaling) -> Scaling:
    """The same zero points with factors of 8 bits (`eight_bit_scale`)."""
    return Scaling(eight_bit_scale(scaling.factor), scaling.zero_point)


class EightBitInput:
    """Symmetric 8-bit integers of what goes into a function; learns their scale in calibration.

    The scale is the largest magnitude seen over 127, in 8 bits; 1 if nothing but 0 was seen.
    """

    __slots__ = ("calibrating", "max_abs")

    def __init__(self) -> None:
        self.calibrating = True
        self.max_abs = 0.0

    def see(self, x: Tensor) -> None:
        """Look at an input (any shape) while calibrating; infinities do not count."""
        finite = x[x.isfinite()]
        if finite.numel():
            self.max_abs = max(self.max_abs, float(finite.abs().max()))

    @property
    def scale(self) -> float:
        """Value of one step."""
        largest = np.array([self.max_abs / LARGEST], dtype=np.float32)
        return float(eight_bit_scale(largest)[0]) if largest[0] > 0 else 1.0

    def integers(self, x: Tensor) -> Tensor:
        """Nearest integers (same shape, int64) of -127 ... 127; ties go to even."""
        return (x / self.scale).round().clamp(-LARGEST, LARGEST).long()


class QuantisedSoftmax:
    """Softmax of 8-bit scores with 8-bit probabilities.

    Scores x become integers q (`EightBitInput`, scale s). With d = max q - q, 0 ... 254, over the
    visible scores of a row:

    * numerator e = round(255 · exp(-d · s)), from a table of 256 entries; 0 for what is hidden
    * sum E of a row's numerators, a 32-bit integer of at least 255
    * probability p = floor((2 · 255 · e + E) / (2 E)), that is 255 e / E rounded, half up

    and p stands for p / 255. A row need not sum to 255.

    Attributes:
        scores: their integers.
    """

    __slots__ = ("scores",)

    def __init__(self) -> None:
        self.scores = EightBitInput()

    def table(self) -> Tensor:
        """(256,) numerators, int64, by distance from the largest score."""
        distances = torch.arange(ONE + 1, dtype=torch.float64)
        return (ONE * torch.exp(-distances * self.scores.scale)).round().long()

    def __call__(self, scores: Tensor) -> Tensor:
        """Probabilities (..., tokens), fp32, of scores (..., tokens); minus infinity is hidden."""
        if self.scores.calibrating:
            self.scores.see(scores)
            return scores.softmax(-1)
        hidden = scores == -torch.inf
        q = self.scores.integers(scores)
        largest = q.masked_fill(hidden, -LARGEST).amax(-1, keepdim=True)
        numerators = self.table()[(largest - q).clamp(min=0)].masked_fill(hidden, 0)
        total = numerators.sum(-1, keepdim=True)
        shares = torch.div(2 * ONE * numerators + total, 2 * total, rounding_mode="floor")
        return shares.float() / ONE


class QuantisedLayerNorm:
    """Layer norm of 8-bit integers with 8-bit fixed-point parameters.

    Inputs x become integers q (`EightBitInput`, scale s). For n of them, with S their sum and Q
    that of their squares, both exact:

    * root r = floor(sqrt(n Q - S**2 + round(eps n**2 / s**2))), at least 1
    * normalised z = floor((2 · 2**10 (n q - S) + r) / (2 r)): in units of 2**-10, half up
    * output (gamma_q · z · 2**-10) · 2**-f + beta_q · 2**-g, exact until it is rounded to fp32

    gamma_q and beta_q are 8-bit integers in fixed point (`fixed_point`), f and g their fraction
    bits.

    Attributes:
        inputs: their integers.
        active: whether it stands in for the exact layer norm.
    """

    __slots__ = ("active", "inputs")

    def __init__(self) -> None:
        self.inputs = EightBitInput()
        self.active = False

    def start(self, *, active: bool) -> None:
        """Forget what was seen; if active, calibrate from now on."""
        self.inputs = EightBitInput()
        self.active = active

    def __call__(self, module: nn.LayerNorm, x: Tensor, exact: Tensor) -> Tensor:
        """The output (..., width) for an input (..., width) whose exact output is known."""
        if not self.active:
            return exact
        if self.inputs.calibrating:
            self.inputs.see(x)
            return exact
        width, scale = x.shape[-1], self.inputs.scale
        q = self.inputs.integers(x)
        total = q.sum(-1, keepdim=True)
        squares = (q * q).sum(-1, keepdim=True)
        spread = width * squares - total * total + round(module.eps * width**2 / scale**2)
        root = spread.double().sqrt().floor().long().clamp(min=1)  # exact below 2**52
        numerator = (2 << FRACTION_BITS) * (width * q - total) + root
        normalised = torch.div(numerator, 2 * root, rounding_mode="floor")
        gamma, beta = fixed_point(module.weight), fixed_point(module.bias)
        return (gamma * normalised * 2.0**-FRACTION_BITS + beta).float()


def fixed_point(x: Tensor) -> Tensor:
    """Nearest 8-bit fixed-point numbers (same shape, fp64): integers of -127 ... 127 times 2**-f.

    f is the largest whole number with which the largest magnitude fits; ties go to even.

    >>> fixed_point(torch.tensor([1.0, 0.3])).tolist()  # f = 6: 64 / 64, 19 / 64
    [1.0, 0.296875]
    """
    exact = x.detach().double()
    largest = float(exact.abs().max()) if exact.numel() else 0.0
    if largest == 0:
        return exact
    fraction_bits = int(np.floor(np.log2(LARGEST / largest)))
    return (exact * 2.0**fraction_bits).round().clamp(-LARGEST, LARGEST) * 2.0**-fraction_bits
