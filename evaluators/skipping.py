"""Work that changes no result is left out: heads that are off, feed-forward neurons never read.

A head that is off, or whose context meets only zeros in the output projection, needs no query, key
or value; a neuron whose column of the second feed-forward matrix is zero need not be worked out.
The matrices in the model keep their shape: a module multiplies by a copy of what is kept. The exits
read the first token alone, so that behind the attention of the last layer that is run no other
token is worked out. Results equal those of the whole matrices but for the rounding of sums of other
lengths or in another order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from evaluators.families import LayerParts

MOST_NEURONS_KEPT: Final = 0.9
"""Above this share of neurons that are read, all are worked out: odd sizes would cost more."""


@dataclass(frozen=True, slots=True)
class Product:
    """Stands in for the forward pass of a linear map, or of some of its outputs or inputs.

    A product and then a sum take less time than the library's product onto a copy of the bias, and
    the weights lie as the product reads them.

    Attributes:
        weight: (kept inputs, kept outputs), contiguous.
        bias: (kept outputs,).
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The kept outputs (..., kept outputs) of the kept inputs (..., kept inputs)."""
        product = torch.mm(x.flatten(0, -2), self.weight).add_(self.bias)
        return product.view(*x.shape[:-1], len(self.bias))


def run_all(parts: LayerParts) -> None:
    """Let a layer work out everything again, by the weights in the model."""
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
        heads = heads if len(heads) else torch.zeros(1, dtype=torch.long)
        rows = torch.arange(len(columns)).view(n_heads, -1)[heads].flatten()
        for linear in (parts.query, parts.key, parts.value):
            _multiply(linear, linear.weight[rows], linear.bias[rows])
        read = parts.output.weight[:, rows] * on[heads].any()
        _multiply(parts.output, read, parts.output.bias)
        neurons = parts.down.weight.any(dim=0).nonzero().flatten()
        if len(neurons) > MOST_NEURONS_KEPT * parts.down.in_features:
            neurons = torch.arange(parts.down.in_features)
        _multiply(parts.up, parts.up.weight[neurons], parts.up.bias[neurons])
        _multiply(parts.down, parts.down.weight[:, neurons], parts.down.bias)
    return heads


@contextmanager
def first_token_alone(parts: LayerParts) -> Iterator[None]:
    """Let a layer work out no more than its first token behind the attention.

    Its output is then (batch, 1, width).
    """
    handle = parts.norm.register_forward_pre_hook(lambda _m, args: (args[0][:, :1], *args[1:]))
    try:
        yield
    finally:
        handle.remove()


def _multiply(linear: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    # On the instance, so that the module's hooks still run and its weights stay whole.
    linear.__dict__["forward"] = Product(weight.detach().T.contiguous(), bias.detach())
