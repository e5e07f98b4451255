"""Softmax and layer norm in integers: by hand, against exact arithmetic, and in encoders."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from evaluators.activations import ActivationQuantiser
from evaluators.codecs.codec import Scaling
from evaluators.compression import CompressibleEncoder
from evaluators.special_functions import (
    EightBitInput,
    QuantisedLayerNorm,
    QuantisedSoftmax,
    eight_bit_scale,
    eight_bit_scaling,
    fixed_point,
)
from search_space import FP32, ModelKnobs, SpecialFunctions, parse_number_format

FULLY = SpecialFunctions.FULLY_QUANTISED
Floats = list[float]


def softmax_of(largest: float) -> QuantisedSoftmax:
    """A softmax calibrated on scores of that largest magnitude."""
    softmax = QuantisedSoftmax()
    softmax(torch.tensor([[largest, -torch.inf, 0.0]]))
    softmax.scores.calibrating = False
    return softmax


def layer_norm_of(largest: float) -> QuantisedLayerNorm:
    """A layer norm calibrated on inputs of that largest magnitude."""
    norm = QuantisedLayerNorm()
    norm.start(active=True)
    norm(nn.LayerNorm(1), torch.tensor([[-largest]]), torch.zeros(1, 1))
    norm.inputs.calibrating = False
    return norm


class TestEightBitScale:
    """Factors of eight bits."""

    @pytest.mark.parametrize(
        ("factor", "expected"),
        [
            (1.0, 1.0),
            (2.0**-9, 2.0**-9),
            (0.3, 154 / 512),  # 153.6
            (0.9999, 1.0),  # 255.97 of 256 is 256: the next power of two
            (129.5, 130.0),  # a tie goes to the even 130 of 129 and 130
            (128.5, 128.0),
        ],
    )
    def test_by_hand(self, factor: float, expected: float) -> None:
        """Nearest multiple of a power of two by 128 to 255."""
        assert eight_bit_scale(np.array([factor], dtype=np.float32)).tolist() == [expected]

    @given(st.floats(2.0**-100, 2.0**100, width=32))
    def test_has_eight_bits_and_is_near(self, factor: float) -> None:
        """At most half a step of the eighth bit off, and once rounded it stays."""
        rounded = eight_bit_scale(np.array([factor], dtype=np.float32))
        fraction, _ = math.frexp(float(rounded[0]))
        assert (fraction * 256).is_integer()
        assert abs(float(rounded[0]) - factor) <= factor / 256
        assert eight_bit_scale(rounded).tolist() == rounded.tolist()

    def test_zero_points_stay(self) -> None:
        """Only factors are rounded."""
        scaling = Scaling(np.array([0.3, 2], dtype=np.float32), np.array([5, 7], dtype=np.int32))
        rounded = eight_bit_scaling(scaling)
        assert rounded.factor.tolist() == [154 / 512, 2.0]
        assert rounded.zero_point.tolist() == [5, 7]

    def test_of_an_activation(self) -> None:
        """0.3 · 127 seen: int8 steps of 0.3 become steps of 154/512."""
        quantiser = ActivationQuantiser(parse_number_format("int8"), calibrating=True)
        quantiser(torch.tensor([0.3 * 127]))
        quantiser.calibrating, quantiser.eight_bit_scale = False, True
        assert quantiser(torch.tensor([0.9])).tolist() == [3 * 154 / 512]


def test_inputs_by_hand() -> None:
    """With 63.5 seen a step is 1/2: ties go to even, larger values saturate at 127."""
    inputs = EightBitInput()
    assert inputs.scale == 1
    inputs.see(torch.tensor([3.0, -63.5, -torch.inf]))
    assert inputs.scale == 0.5
    x = torch.tensor([0.25, 0.75, -1.1, 63.5, 99.0, -99.0])
    assert inputs.integers(x).tolist() == [0, 2, -2, 127, 127, -127]


class TestSoftmax:
    """Softmax of 8-bit scores."""

    def test_by_hand(self) -> None:
        """Steps of 1/2: numerators 255, 155 and 94, sum 504, so 129, 78 and 48 of 255."""
        softmax = softmax_of(63.5)
        assert softmax.table()[:3].tolist() == [255, 155, 94]
        found = softmax(torch.tensor([[-0.5, 0.0, -1.0]]))
        assert (found * 255).tolist() == [[78, 129, 48]]

    def test_hidden_scores_play_no_part(self) -> None:
        """Minus infinity has probability 0, also where all that is visible is far below 0."""
        found = softmax_of(63.5)(
            torch.tensor([[-torch.inf, -20.0, -20.0], [-9.0, -torch.inf, 9.0]])
        )
        assert (found * 255).tolist() == [[0, 128, 128], [0, 0, 255]]

    def test_equal_scores_round_half_up(self) -> None:
        """Of two equal scores each has 255/2, which becomes 128."""
        assert (softmax_of(1.0)(torch.zeros(1, 2)) * 255).tolist() == [[128, 128]]

    @given(st.lists(st.floats(-40, 40, width=32), min_size=1, max_size=30))
    def test_against_fractions(self, scores: Floats) -> None:
        """Numerators from the table, then exact division, for every row; near the exact softmax."""
        softmax = softmax_of(32.0)
        step = softmax.scores.scale
        q = [
            max(-127, min(127, round(x / step)))
            for x in np.array(scores, dtype=np.float32).tolist()
        ]
        numerators = [round(255 * math.exp(-(max(q) - x) * step)) for x in q]
        expected = [
            math.floor(Fraction(255 * e, sum(numerators)) + Fraction(1, 2)) for e in numerators
        ]
        found = softmax(torch.tensor([scores]))
        assert (found[0] * 255).tolist() == expected

    def test_near_the_exact_one(self) -> None:
        """Over usual scores no probability is off by more than 2 %."""
        scores = torch.randn(50, 20, generator=torch.manual_seed(0)) * 2
        softmax = softmax_of(float(scores.abs().max()))
        assert (softmax(scores) - scores.softmax(-1)).abs().max() < 0.02


class TestLayerNorm:
    """Layer norm of 8-bit integers."""

    def test_by_hand(self) -> None:
        """1 2 3 6 in steps of 1: n Q - S**2 = 4 · 50 - 144 = 56, root 7; then 8-bit parameters."""
        module = nn.LayerNorm(4, eps=1e-12)
        with torch.no_grad():
            module.weight.copy_(torch.tensor([1.0, 1.0, 0.5, 2.0]))
            module.bias.copy_(torch.tensor([0.0, 0.25, 0.0, -1.0]))
        x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
        found = layer_norm_of(127.0)(module, x, module(x).detach())
        expected = [-1170 / 1024, -585 / 1024 + 0.25, 0.0, 2 * 1755 / 1024 - 1]
        assert found.tolist() == [expected]

    def test_a_constant_row_is_the_bias(self) -> None:
        """Nothing to normalise: the root is at least 1, and beta is left."""
        module = nn.LayerNorm(3)
        with torch.no_grad():
            module.bias.fill_(0.5)
        x = torch.full((1, 3), 7.0)
        assert layer_norm_of(127.0)(module, x, x).tolist() == [[0.5, 0.5, 0.5]]

    @given(st.lists(st.integers(-127, 127), min_size=2, max_size=64))
    def test_against_fractions(self, q: list[int]) -> None:
        """Integer root and rounding as exact arithmetic has them."""
        module = nn.LayerNorm(len(q), eps=1e-12)
        width, total = len(q), sum(q)
        root = max(math.isqrt(width * sum(x * x for x in q) - total**2), 1)
        expected = [
            math.floor(Fraction(1024 * (width * x - total), root) + Fraction(1, 2)) / 1024
            for x in q
        ]
        x = torch.tensor([q], dtype=torch.float32)
        assert layer_norm_of(127.0)(module, x, x)[0].tolist() == expected

    def test_eps_counts_in_steps(self) -> None:
        """With steps of 1/1024 an eps of 1e-5 is 10.49 steps squared: 4 · 10.49 rounds to 42."""
        module = nn.LayerNorm(2, eps=1e-5)
        x = torch.tensor([[0.0, 2.0]]) / 1024
        found = layer_norm_of(127 / 1024)(module, x, x)
        root = math.isqrt(2 * 4 - 4 + 42)
        assert found.tolist() == [
            [math.floor(-2048 / root + 0.5) / 1024, math.floor(2048 / root + 0.5) / 1024]
        ]

    def test_near_the_exact_one(self) -> None:
        """Over usual rows the output is off by less than a tenth of its deviation."""
        module, x = nn.LayerNorm(64), torch.randn(20, 64, generator=torch.manual_seed(0))
        exact = module(x).detach()
        found = layer_norm_of(float(x.abs().max()))(module, x, exact)
        assert (found - exact).abs().max() < 0.1

    def test_inactive_hands_the_exact_one_through(self) -> None:
        """Not chosen, it returns the exact output itself."""
        exact = torch.zeros(1, 4)
        assert QuantisedLayerNorm()(nn.LayerNorm(4), torch.ones(1, 4), exact) is exact


def test_fixed_point_by_hand() -> None:
    """At a largest 2.0 there are 5 fraction bits; at 127 none; zeros stay."""
    assert fixed_point(torch.tensor([2.0, 0.02, -0.3])).tolist() == [2.0, 1 / 32, -10 / 32]
    assert fixed_point(torch.tensor([127.0, 0.4])).tolist() == [127.0, 0.0]
    assert fixed_point(torch.zeros(2)).tolist() == [0.0, 0.0]


class TestInEncoders:
    """The knob, at work."""

    @pytest.fixture
    def encoder(self, tiny: Path) -> CompressibleEncoder:
        """A tiny encoder of each family."""
        return CompressibleEncoder(tiny)

    def test_logits_differ_a_little_and_come_back(
        self,
        encoder: CompressibleEncoder,
        batches: list[Tensor],
        make_knobs: Callable[..., ModelKnobs],
    ) -> None:
        """Near the exact logits, not equal; an exact setting afterwards is just as before."""
        encoder.configure(make_knobs(), batches)
        exact = [encoder.logits(batch).clone() for batch in batches]
        encoder.configure(make_knobs(special_functions=FULLY), batches)
        quantised = [encoder.logits(batch).clone() for batch in batches]
        for one, other in zip(exact, quantised, strict=True):
            assert not torch.equal(one, other)
            assert (one - other).abs().mean() < 0.25 * one.abs().mean()
        encoder.configure(make_knobs(), batches)
        for batch, expected in zip(batches, exact, strict=True):
            assert torch.equal(encoder.logits(batch), expected)

    def test_results_do_not_depend_on_batches(
        self,
        encoder: CompressibleEncoder,
        batches: list[Tensor],
        make_knobs: Callable[..., ModelKnobs],
    ) -> None:
        """Scales stay as calibrated: a sentence alone has the logits that it has in company."""
        knobs = make_knobs(
            special_functions=FULLY,
            weight_format=parse_number_format("int8"),
            activation_format=parse_number_format("int8"),
            span_budget_tokens=2,
        )
        encoder.configure(knobs, batches)
        whole = encoder.logits(batches[1])
        alone = torch.cat([encoder.logits(row[None]) for row in batches[1]])
        assert torch.allclose(whole, alone, atol=1e-4)

    def test_weights_have_scales_of_eight_bits(
        self,
        encoder: CompressibleEncoder,
        batches: list[Tensor],
        make_knobs: Callable[..., ModelKnobs],
    ) -> None:
        """Every matrix in int4 is whole steps of one 8-bit scale."""
        int4 = parse_number_format("int4")
        encoder.configure(make_knobs(special_functions=FULLY, weight_format=int4), batches)
        for name, tensor in encoder.model.state_dict().items():
            if tensor.ndim > 1 and tensor.is_floating_point():
                step = float(tensor[tensor != 0].abs().min())
                fraction, _ = math.frexp(step)
                assert (fraction * 256).is_integer(), name
                assert (tensor / step).abs().max() <= 7


def test_knob_is_part_of_the_trace(make_knobs: Callable[..., ModelKnobs]) -> None:
    """Exact settings keep their key; fully quantised ones have one more text."""
    exact, fully = make_knobs(), make_knobs(special_functions=FULLY)
    assert len(exact.trace_key()) == 6
    assert fully.trace_key() == (*exact.trace_key(), "special_functions=fully-quantised")
    assert exact.activation_format == FP32
