"""Straight-through gradients, by hand."""

from __future__ import annotations

import pytest
import torch

from evaluators.activations import ActivationQuantiser
from evaluators.formats import quantise
from evaluators.straight_through import RANGE_DECAY, TrainingRounding, pass_through
from evaluators.training_stages import TrainingError
from search_space import FP16, adaptivfloat, parse_number_format

NAMES = ["fp16", "adaptivfloat<8,3>", "e4m3", "int8", "int8-affine", "mxint8", "mxfp4"]


def test_gradient_passes_the_compressed_value_by() -> None:
    """Of y = w², w rounded from 0.6 to 0.5 and from 0.1 to 0: dy/dw is 2 × the rounded value."""
    dense = torch.tensor([0.6, 0.1], requires_grad=True)
    compressed = torch.tensor([0.5, 0.0])
    passed = pass_through(compressed, dense)
    assert torch.equal(passed, compressed)
    passed.square().sum().backward()  # type: ignore[no-untyped-call]
    assert dense.grad is not None
    assert dense.grad.tolist() == [1.0, 0.0]


def test_gradient_is_that_of_the_detached_sum() -> None:
    """Values and gradients equal those of dense + (compressed - dense).detach()."""
    dense = torch.randn(40, generator=torch.manual_seed(0)).requires_grad_()
    compressed = quantise(dense.detach(), adaptivfloat(4, 2))
    weights = torch.randn(40, generator=torch.manual_seed(1))
    gradients = []
    for value in (pass_through(compressed, dense), dense + (compressed - dense).detach()):
        assert torch.allclose(value, compressed, atol=1e-6)
        (gradient,) = torch.autograd.grad((value.exp() * weights).sum(), dense)
        gradients.append(gradient)
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_first_batch_is_rounded_as_a_calibrated_quantiser_does(name: str) -> None:
    """With the same range, training rounds what evaluation rounds."""
    x = torch.randn(6, 40, generator=torch.manual_seed(0))
    quantiser = ActivationQuantiser(parse_number_format(name), calibrating=True)
    quantiser(x)
    quantiser.calibrating = False
    rounding = TrainingRounding(parse_number_format(name))
    assert torch.equal(rounding(x), quantiser(x))
    assert not torch.equal(rounding(x), x)


def test_gradient_of_a_rounded_activation_is_one() -> None:
    """Whatever the format, each activation passes its gradient on."""
    x = torch.randn(6, 40, generator=torch.manual_seed(0)).requires_grad_()
    for name in NAMES:
        (gradient,) = torch.autograd.grad(TrainingRounding(parse_number_format(name))(x).sum(), x)
        assert torch.equal(gradient, torch.ones_like(x))


def test_running_range_covers_and_fades() -> None:
    """From [-1, 4], a batch in [-3, 2] makes it [-3, 3.96]; fp32 and fp16 need no range."""
    rounding = TrainingRounding(adaptivfloat(8, 3))
    rounding(torch.tensor([-1.0, 4.0]))
    rounding(torch.tensor([-3.0, 2.0]))
    assert (rounding.least, rounding.greatest) == (-3.0, 4 * RANGE_DECAY)
    rounding.number_format = FP16
    rounding(torch.tensor([-9.0, 9.0]))
    assert rounding.greatest == 4 * RANGE_DECAY


def test_activations_that_overflow_are_refused() -> None:
    """An activation that is not finite ends training with a sentence."""
    with pytest.raises(TrainingError, match="expected finite numbers"):
        TrainingRounding(adaptivfloat(8, 3))(torch.tensor([1.0, float("inf")]))
