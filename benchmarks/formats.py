"""Speed of rounding to number formats, in ns a value, and beside AdaptivFloat<8,3>.

``python benchmarks/formats.py [--values N] [--repeats N] [--formats NAME ...] [--json]``

One tensor of 512 columns, normally distributed, is rounded on one core under scales that are given,
as activations are (blocks of MX formats find their own, as they always do).
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Final

import numpy as np
import torch
from figures import fastest, parsed

from evaluators.codecs.calibration import Calibration
from evaluators.codecs.registry import codec_of
from evaluators.formats import quantise
from search_space import parse_number_format

_COLUMNS: Final = 512
_BASELINE: Final = "adaptivfloat<8,3>"
FORMATS: Final = (
    _BASELINE,
    "minifloat<8,4>",
    "minifloat<8,5>",
    "int8",
    "int8-affine",
    "int8-channel",
    "posit<8,0>",
    "posit<8,1>",
    "posit<8,2>",
    "mxint8",
    "mxfp8-e4m3",
    "mxfp8-e5m2",
    "mxfp6-e3m2",
    "mxfp4",
    "fp16",
)


def ns_a_value(names: tuple[str, ...], values: int, repeats: int) -> dict[str, float]:
    """Least time to round one value to each format, ns; formats take turns."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((values // _COLUMNS, _COLUMNS)).astype(np.float32)
    tensor, works = torch.from_numpy(x), {}
    for name in names:
        codec = codec_of(parse_number_format(name))
        seen = Calibration(distribution=codec.needs_distribution)
        seen.add(x)
        per_channel = codec.number_format.per_channel
        scaling = codec.own_scaling(x) if per_channel else codec.calibrated_scaling(seen)
        works[name] = partial(quantise, tensor, codec.number_format, scaling=scaling)
    return {name: least / x.size * 1e9 for name, least in fastest(works, repeats).items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=1 << 20)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    args = parsed(parser)
    torch.set_num_threads(1)
    found = ns_a_value((_BASELINE, *args.formats), args.values, args.repeats)
    if args.json:
        result = {
            name: {"ns_a_value": ns, "ratio": ns / found[_BASELINE]} for name, ns in found.items()
        }
        print(json.dumps({"values": args.values, "formats": result}))
        return
    for name, ns in found.items():
        print(f"{name:18} {ns:6.2f} ns a value  {ns / found[_BASELINE]:5.2f} x AdaptivFloat")


if __name__ == "__main__":
    main()
