"""Attention by hand, token by token."""

import pytest
import torch

from evaluators.activations import ActivationQuantiser
from evaluators.attention import AttentionSite
from evaluators.formats import quantise
from search_space import FP16, adaptivfloat

AF8 = adaptivfloat(8, 3)


@pytest.mark.parametrize("spans", [(2, 128), (1, 3), (0, 2), (128, 128)])
def test_attention_equals_a_loop_over_tokens(spans: tuple[int, int]) -> None:
    """Each token mixes the values of those nearer than its head's span, softmax over these alone.

    Both kernels do so: the fused one, and the one that rounds probabilities.
    """
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(3, 2, 2, 6, 8, generator=generator)
    expected = torch.zeros(2, 2, 6, 8)
    for head, span in enumerate(spans):
        for i in range(6):
            near = [j for j in range(6) if abs(i - j) < span]
            if near:
                scores = query[:, head, i, None] @ key[:, head, near].transpose(1, 2) * 0.25
                expected[:, head, i] = (scores.softmax(-1) @ value[:, head, near])[:, 0]
    site = AttentionSite(torch.zeros(16, 16), torch.tensor(spans))
    assert torch.allclose(site.attend(query, key, value, 0.25), expected, atol=1e-6)
    site.quantisers["probs"].number_format = FP16
    assert torch.allclose(site.attend(query, key, value, 0.25), expected, atol=2e-3)


def test_attention_operands_are_rounded() -> None:
    """Query, key, value, probabilities and context are each rounded with a scale of their own."""
    names = ("query", "key", "value", "probs", "context")
    quantisers = {name: ActivationQuantiser(AF8, calibrating=True) for name in names}
    site = AttentionSite(torch.zeros(16, 16), torch.tensor([128, 128]), quantisers)
    generator = torch.Generator().manual_seed(1)
    query, key, value = torch.randn(3, 2, 2, 6, 8, generator=generator)
    site.attend(query, key, value, 0.25)
    for quantiser in quantisers.values():
        quantiser.calibrating = False
    found = site.attend(query, key, value, 0.25)
    scales = {name: quantiser.max_abs for name, quantiser in quantisers.items()}
    assert scales["query"] == float(query.abs().max())
    q, k, v = (quantise(x, AF8, float(x.abs().max())) for x in (query, key, value))
    probabilities = quantise((q @ k.transpose(2, 3) * 0.25).softmax(-1), AF8, scales["probs"])
    assert torch.equal(found, quantise(probabilities @ v, AF8, scales["context"]))
