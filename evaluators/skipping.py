"""Work that changes no result is left out: heads that are off, feed-forward neurons never read.

A head that is off, or whose context meets only zeros in the output projection, needs no query, key
or value; a neuron whose column of the second feed-forward matrix is zero need not be worked out.
The matrices in the model keep their shape: while parts are skipped, a module multiplies by a
smaller copy. Results equal those of the whole matrices but for the rounding of shorter sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from evaluators.families import LayerParts

MOST_NEURONS_KEPT: Final = 0.9
"""Above this share of neurons that are read, all are worked out: odd sizes would cost more."""


@dataclass(frozen=True, slots=True)
class KeptPart:
    """Stands in for the forward pass of a linear map: only some of its outputs or inputs.

    Attributes:
        weight: (kept outputs, kept inputs).
        bias: (kept outputs,).
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The kept outputs (..., kept outputs) of the kept inputs (..., kept inputs)."""
        return functional.linear(x, self.weight, self.bias)


def run_all(parts: LayerParts) -> None:
    """Let a layer work out everything again."""
    for linear in (parts.query, parts.key, parts.value, parts.output, parts.up, parts.down):
        linear.__dict__.pop("forward", None)


def skip_idle(parts: LayerParts, spans: Tensor) -> Tensor:
    """Let a layer skip what its present weights and spans make idle.

    A layer with no head left still projects one, whose output weights are then zero: the library's
    attention wants a head to work on.

    Args:
        parts: of the layer; call again whenever weights or spans change.
        spans: (n_heads,) attention spans, tokens.

    Returns:
        Positions (n_heads_kept,) of the heads that are worked out, in order.
    """
    run_all(parts)
    n_heads = len(spans)
    with torch.no_grad():
        columns = parts.output.weight.any(dim=0)
        on = (spans > 0) & columns.view(n_heads, -1).any(dim=1)
        heads = on.nonzero().flatten()
        if len(heads) < n_heads:
            heads = heads if len(heads) else torch.zeros(1, dtype=torch.long)
            rows = torch.arange(len(columns)).view(n_heads, -1)[heads].flatten()
            for linear in (parts.query, parts.key, parts.value):
                _keep(linear, linear.weight[rows], linear.bias[rows])
            read = parts.output.weight[:, rows] * on[heads].any()
            _keep(parts.output, read, parts.output.bias)
        neurons = parts.down.weight.any(dim=0).nonzero().flatten()
        if len(neurons) <= MOST_NEURONS_KEPT * parts.down.in_features:
            _keep(parts.up, parts.up.weight[neurons], parts.up.bias[neurons])
            _keep(parts.down, parts.down.weight[:, neurons], parts.down.bias)
    return heads


def _keep(linear: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    # On the instance, so that the module's hooks still run and its weights stay whole.
    linear.__dict__["forward"] = KeptPart(weight.detach().contiguous(), bias.detach())
