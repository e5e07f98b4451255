"""Which codec implements which family of number formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from evaluators.codecs.adaptivfloat import AdaptivFloatCodec
from evaluators.codecs.codec import Codec
from evaluators.codecs.ieee import IeeeCodec
from evaluators.codecs.integer import IntegerCodec
from evaluators.codecs.microscaling import MxCodec
from evaluators.codecs.minifloat import MinifloatCodec
from evaluators.codecs.posit import PositCodec
from search_space import FormatKind, NumberFormat

CODECS: Final[Mapping[FormatKind, Callable[[NumberFormat], Codec]]] = {
    FormatKind.ADAPTIVFLOAT: AdaptivFloatCodec,
    FormatKind.MINIFLOAT: MinifloatCodec,
    FormatKind.INTEGER: IntegerCodec,
    FormatKind.POSIT: PositCodec,
    FormatKind.IEEE: IeeeCodec,
    FormatKind.MX: MxCodec,
}


@lru_cache
def codec_of(number_format: NumberFormat) -> Codec:
    """The codec of a number format.

    Raises:
        ValueError: its values are beyond fp32.
    """
    return CODECS[number_format.kind](number_format)
