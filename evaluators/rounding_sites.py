"""Where an encoder rounds its activations: each place by name, and what it settled there.

Activations are rounded where an accelerator would store them: after every layer norm and activation
function, the projections, the attention operands, and what goes into a classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from evaluators.activations import ActivationQuantiser
from evaluators.attention import AttentionSite, Rounding, attach_sites
from evaluators.encoders import ExitEncoder, ExitHead
from evaluators.families import LayerParts
from evaluators.settled import Settled
from evaluators.skipping import skip_idle
from evaluators.special_functions import EightBitInput, QuantisedLayerNorm, QuantisedSoftmax
from search_space import NumberFormat, SpecialFunctions


@dataclass(frozen=True, slots=True)
class RoundingSites:
    """The places of one encoder.

    Attributes:
        layers: its distinct layers.
        attention: the attention of each of them.
        layer_norms: by name, in the order of the encoder.
        activations: what rounds each kind of activation, by name.
    """

    layers: Sequence[LayerParts]
    attention: list[AttentionSite]
    layer_norms: dict[str, QuantisedLayerNorm]
    activations: dict[str, ActivationQuantiser]

    @classmethod
    def attach(cls, model: ExitEncoder) -> RoundingSites:
        """Put them into an encoder, which has none yet."""
        layers = model.family.weight_sets(model.backbone)
        sites, operands = attach_sites(model, layers, ActivationQuantiser)
        norms = {name: _attached(norm) for name, norm in _layer_norms(model)}
        stored = attach_rounding(model, layers, ActivationQuantiser)
        names = [*_stored_names(model, len(layers)), *_operand_names(sites)]
        return cls(layers, sites, norms, dict(zip(names, [*stored, *operands], strict=True)))

    def settled(self, special_functions: SpecialFunctions) -> Settled:
        """What was settled by calibration."""
        maxima = {}
        if special_functions is not SpecialFunctions.EXACT:
            maxima = {name: part.max_abs for name, part in self._integer_inputs().items()}
        return Settled(
            head_spans=tuple(tuple(int(s) for s in site.spans) for site in self.attention),
            scales={name: found.scaling() for name, found in self.activations.items()},
            maxima=maxima,
        )

    def settle(
        self, settled: Settled, number_format: NumberFormat, special_functions: SpecialFunctions
    ) -> None:
        """Take over what another encoder of the same checkpoint settled.

        The weights must be there already: idle parts of them are left out from now on.

        Raises:
            ValueError: it is of an encoder with other places.
        """
        is_exact = special_functions is SpecialFunctions.EXACT
        expected = self.activations.keys()
        if settled.scales.keys() != expected or len(settled.head_spans) != len(self.attention):
            raise ValueError(
                f"scales of {len(settled.scales)} activations and spans of "
                f"{len(settled.head_spans)} layers: expected those of this encoder, "
                f"{len(expected)} and {len(self.attention)}."
            )
        for name, quantiser in self.activations.items():
            quantiser.settle(number_format, settled.scales[name])
        for norm in self.layer_norms.values():
            norm.start(active=not is_exact)
        for layer, site, spans in zip(self.layers, self.attention, settled.head_spans, strict=True):
            site.spans = torch.tensor(spans)
            site.softmax = None if is_exact else QuantisedSoftmax()
            site.heads = skip_idle(layer, site.spans)
        if is_exact:
            return
        inputs = self._integer_inputs()
        if settled.maxima.keys() != inputs.keys():
            raise ValueError(
                f"ranges of {len(settled.maxima)} softmax and layer-norm inputs: expected "
                f"{len(inputs)}, one for each of this encoder."
            )
        for name, part in inputs.items():
            part.max_abs, part.calibrating = settled.maxima[name], False

    def _integer_inputs(self) -> dict[str, EightBitInput]:
        found = {name: norm.inputs for name, norm in self.layer_norms.items()}
        for number, site in enumerate(self.attention):
            if site.softmax is not None:
                found[f"weight_set.{number}.softmax"] = site.softmax.scores
        return found


def _layer_norms(model: ExitEncoder) -> Iterator[tuple[str, nn.LayerNorm]]:
    for name, module in model.backbone.named_modules():
        if isinstance(module, nn.LayerNorm):
            yield name, module


def _attached(module: nn.LayerNorm) -> QuantisedLayerNorm:
    """Lets a layer norm be worked out in integers; before its output is rounded."""
    norm = QuantisedLayerNorm()
    module.register_forward_hook(lambda m, args, exact, n=norm: n(m, args[0], exact))
    return norm


def attach_rounding(
    model: ExitEncoder, layers: Sequence[LayerParts], rounding: Callable[[], Rounding]
) -> list[Rounding]:
    """Round the outputs of layer norms, activation functions and the embedding projection."""
    stored: list[nn.Module] = [module for _, module in _layer_norms(model)]
    stored += [parts.activation for parts in layers]
    if model.family.projection is not None:
        stored.append(model.backbone.get_submodule(model.family.projection))
    roundings = []
    for module in stored:
        rounded = rounding()
        module.register_forward_hook(lambda _m, _i, output, q=rounded: q(output))
        roundings.append(rounded)
    for head in model.exits:
        assert isinstance(head, ExitHead)
        rounded = rounding()
        head.classifier.register_forward_pre_hook(lambda _m, args, q=rounded: (q(args[0]),))
        roundings.append(rounded)
    return roundings


def _stored_names(model: ExitEncoder, n_layers: int) -> list[str]:
    """Names of what `attach_rounding` rounds, in its order."""
    names = [name for name, _ in _layer_norms(model)]
    names += [f"weight_set.{number}.activation" for number in range(n_layers)]
    if model.family.projection is not None:
        names.append(model.family.projection)
    return names + [f"exits.{number}.classifier" for number in range(len(model.exits))]


def _operand_names(sites: Sequence[AttentionSite]) -> list[str]:
    """Names of the attention operands, in the order in which `attach_sites` gives them."""
    return [f"weight_set.{n}.{name}" for n, site in enumerate(sites) for name in site.quantisers]
