"""Every codec keeps the promises of the protocol, and the kit finds one that does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from evaluators.codecs.codec import Scaling, Values, by_group, n_groups
from evaluators.codecs.integer import IntegerCodec
from evaluators.codecs.registry import CODECS, codec_of
from evaluators.codecs.testing import check_codec
from search_space import FormatKind, integer, mx, parse_number_format

NAMES = [
    *("fp32", "fp16"),
    *("adaptivfloat<8,3>", "adaptivfloat<4,2>", "adaptivfloat<3,2>", "adaptivfloat<12,5>"),
    *("minifloat<8,4>", "minifloat<8,5>", "minifloat<6,3>", "minifloat<6,2>", "minifloat<4,2>"),
    *("minifloat<3,2>", "minifloat<4,1>", "minifloat<2,1>", "minifloat<12,7>", "minifloat<16,5>"),
    *("int8", "int4", "int2", "int16", "int8-affine", "int16-affine", "int8-channel"),
    *("int4-mse", "int8-p99.9", "int8-affine-p99", "int4-affine-channel-mse"),
    *("posit<8,0>", "posit<8,1>", "posit<8,2>", "posit<2,0>", "posit<3,0>", "posit<3,4>"),
    *("posit<5,2>", "posit<9,4>", "posit<12,1>", "posit<16,3>"),
    *("mxint8", "mxfp8-e4m3", "mxfp8-e5m2", "mxfp6-e3m2", "mxfp6-e2m3", "mxfp4"),
]


@pytest.mark.parametrize("name", NAMES)
def test_codec_keeps_its_promises(name: str) -> None:
    """The conformance kit finds nothing."""
    check_codec(codec_of(parse_number_format(name)))


@dataclass(frozen=True)
class _Truncating(IntegerCodec):
    """An integer that is off by one step."""

    def quantise(self, x: Values, scaling: Scaling | None) -> Values:
        scaling = self.own_scaling(x) if scaling is None else scaling
        moved: Values = super().quantise(x, scaling) + scaling.factor[0]
        return moved


def test_kit_finds_a_codec_that_breaks_a_promise() -> None:
    """A codec whose codes move is refused with a sentence."""
    with pytest.raises(AssertionError, match="The value of a code is rounded to another one"):
        check_codec(_Truncating(integer(8)))


def test_every_family_has_a_codec() -> None:
    """No number format that a study can name is without one."""
    assert CODECS.keys() == set(FormatKind)


@pytest.mark.parametrize("name", ["posit<16,4>", "minifloat<16,8>"])
def test_formats_beyond_fp32_are_refused(name: str) -> None:
    """A format whose values fp32 cannot hold is named, with what can be evaluated."""
    with pytest.raises(ValueError, match=f"{name}.*cannot be evaluated: .* beyond fp32; expected"):
        codec_of(parse_number_format(name)).quantise(np.ones(2, dtype=np.float32), None)


def test_groups_of_values_by_hand() -> None:
    """A row is a channel, 32 neighbours are a block, and rows do not share blocks."""
    channel = integer(8, per_channel=True)
    assert n_groups(channel, (2, 3)) == 2
    assert by_group(channel, (2, 3)).tolist() == [[0] * 3, [1] * 3]
    assert n_groups(channel, (3,)) == 1
    assert n_groups(mx(8, 4), (2, 33)) == 4
    expected = [[0] * 32 + [1], [2] * 32 + [3]]
    assert by_group(mx(8, 4), (2, 33)).tolist() == expected
    assert n_groups(integer(8), (2, 3)) == 1
