"""What a setting settles beside its weights: spans of heads and scales of activations; no torch.

A chip rounds activations by scales that were found on calibration sentences when it was designed.
With these and the weights a model needs no data any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.codecs.codec import Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Spans, scales and input ranges of one setting of one checkpoint.

    Attributes:
        head_spans: (n_distinct_layers of n_heads) attention spans, tokens; 0 is off.
        scales: of each kind of activation by its place in the encoder; None where every tensor
            brings its own (blocks), or the format has none.
        maxima: largest magnitude of what goes into each softmax and layer norm that is worked out
            in integers (`evaluators.special_functions`), by place; empty if they are exact.
    """

    head_spans: tuple[tuple[int, ...], ...]
    scales: Mapping[str, Scaling | None]
    maxima: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """As JSON values; what `settled_of` reads."""
        return {
            "head_spans": [list(row) for row in self.head_spans],
            "scales": {
                name: None
                if scaling is None or not len(scaling.factor)
                else {
                    "factor": float(scaling.factor[0]),
                    "zero_point": int(scaling.zero_point[0]),
                }
                for name, scaling in self.scales.items()
            },
            "maxima": dict(self.maxima),
        }


def settled_of(document: Mapping[str, Any]) -> Settled:
    """What `Settled.document` was made of.

    Raises:
        LookupError: a part is missing.
        TypeError: a part is of another kind.
        ValueError: likewise.
    """
    scales = {}
    for name, found in document["scales"].items():
        scales[name] = (
            None
            if found is None
            else Scaling(
                np.array([found["factor"]], dtype=np.float32),
                np.array([found["zero_point"]], dtype=np.int32),
            )
        )
    return Settled(
        head_spans=tuple(tuple(int(span) for span in row) for row in document["head_spans"]),
        scales=scales,
        maxima={name: float(value) for name, value in document["maxima"].items()},
    )
