"""Workloads: counts by hand, spans by brute force, stored bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_cost import EncoderShape, Workload, WorkloadError
from hw_cost.work import band_tiles, softmax_vectors
from hw_cost.workload import window_pairs
from search_space import adaptivfloat, integer, mx, parse_number_format

MakeWorkload = Callable[..., Workload]


def in_span(tokens: int, span: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The pairs of tokens that a head sees, one by one."""
    distance = np.abs(np.subtract.outer(np.arange(tokens), np.arange(tokens)))
    return distance < span


def test_albert_base_has_the_published_number_of_parameters(albert_base: EncoderShape) -> None:
    """ALBERT-base counts 11,683,584 parameters with one pooler, part by part."""
    assert albert_base.embedding_parameters == 3_906_048
    assert albert_base.projection_parameters == 99_072
    assert albert_base.layer_weights == 7_077_888
    assert albert_base.layer_parameters == 7_087_872
    assert albert_base.pooler_parameters == 590_592
    total = (
        albert_base.embedding_parameters
        + albert_base.projection_parameters
        + albert_base.layer_parameters
        + albert_base.pooler_parameters
    )
    assert total == 11_683_584


def test_bert_base_has_the_published_number_of_parameters(bert_base: EncoderShape) -> None:
    """BERT-base counts 109,482,240 parameters with one pooler and needs no projection."""
    assert bert_base.projection_parameters == 0
    total = bert_base.embedding_parameters + 12 * bert_base.layer_parameters
    assert total + bert_base.pooler_parameters == 109_482_240


def test_layer_of_albert_base_has_the_published_macs(
    albert_base: EncoderShape, make_workload: MakeWorkload
) -> None:
    """A dense layer at 128 tokens is 931,135,488 MACs, GEMM by GEMM."""
    workload = make_workload(shape=albert_base)
    gemms = workload.layer_gemms(workload.layer_kinds[0], np.array([128]))
    assert {g.name: int(g.macs[0]) for g in gemms} == {
        "qkv": 226_492_416,
        "scores": 12_582_912,
        "context": 12_582_912,
        "output": 75_497_472,
        "ffn1": 301_989_888,
        "ffn2": 301_989_888,
    }
    assert sum(int(g.macs[0]) for g in gemms) == 931_135_488


def test_layer_macs_follow_the_closed_form_at_other_lengths(
    albert_base: EncoderShape, make_workload: MakeWorkload
) -> None:
    """A dense layer is 12 S H^2 + 2 S^2 H MACs for F = 4 H."""
    workload = make_workload(shape=albert_base, head_spans=((512,) * 12,))
    tokens = np.array([1, 64, 200, 512])
    gemms = workload.layer_gemms(workload.layer_kinds[0], tokens)
    expected = 12 * tokens * 768**2 + 2 * tokens**2 * 768
    np.testing.assert_array_equal(sum(g.macs for g in gemms), expected)


def test_vector_operations_of_albert_base_match_the_hand_count(
    albert_base: EncoderShape, make_workload: MakeWorkload
) -> None:
    """At 128 tokens a layer has 196,608 softmax, norm and add elements and 393,216 GELU."""
    workload = make_workload(shape=albert_base)
    operations = workload.vector_operations(workload.layer_kinds[0], np.array([128]))
    assert {o.name: (int(o.rows[0]), int(o.elements[0])) for o in operations} == {
        "softmax": (1536, 196_608),
        "layer_norm": (256, 196_608),
        "gelu": (128, 393_216),
        "add": (256, 196_608),
    }


@pytest.mark.parametrize(("off", "reduction"), [(8, 1.220), (7, 1.187)])
def test_heads_that_are_off_save_their_slices_but_not_the_output_projection(
    albert_base: EncoderShape, make_workload: MakeWorkload, off: int, reduction: float
) -> None:
    """EdgeBERT's 8 and 7 heads off reduce a layer's MACs 1.220 and 1.187 times."""
    workload = make_workload(shape=albert_base, head_spans=((128,) * (12 - off) + (0,) * off,))
    gemms = workload.layer_gemms(workload.layer_kinds[0], np.array([128]))
    macs = sum(int(g.macs[0]) for g in gemms)
    assert round(931_135_488 / macs, 3) == reduction


@given(tokens=st.integers(1, 70), span=st.integers(0, 80), n=st.sampled_from([2, 4, 8, 16]))
def test_spans_are_counted_as_pair_by_pair(tokens: int, span: int, n: int) -> None:
    """Pairs, tiles that touch the band, and softmax vectors equal a count of every pair."""
    seen = in_span(tokens, span)
    blocks = -(-tokens // n)
    padded = np.zeros((blocks * n, blocks * n), dtype=np.bool_)
    padded[:tokens, :tokens] = seen
    tiles = padded.reshape(blocks, n, blocks, n).any(axis=(1, 3)).sum()
    assert window_pairs(np.array([tokens]), span)[0] == seen.sum()
    if span:
        assert band_tiles(tokens, span, n) == tiles
        assert softmax_vectors(tokens, span, n) == (-(-seen.sum(1) // n)).sum()


def test_tensors_are_stored_in_the_smaller_form(
    albert_base: EncoderShape, make_workload: MakeWorkload
) -> None:
    """8-bit weights take bitmask and non-zeros below a density of 0.875 and are dense above."""
    below = make_workload(shape=albert_base, embedding_density=0.4, encoder_density=0.87)
    above = make_workload(shape=albert_base, embedding_density=0.9, encoder_density=0.88)
    assert below.embedding_bits == pytest.approx(4.2)
    assert below.has_weight_mask
    assert above.weight_bits == above.embedding_bits == 8
    assert not above.has_weight_mask


def test_stored_bits_of_albert_base(albert_base: EncoderShape, make_workload: MakeWorkload) -> None:
    """Embeddings at 40 % density and a dense encoder with twelve exits match the hand count."""
    bits = make_workload(shape=albert_base, embedding_density=0.4).stored_bits()
    assert bits.embeddings == pytest.approx(30_514 * 128 * 4.2 + 2 * 128 * 8)
    assert bits.encoder == 8 * (99_072 + 7_087_872)
    assert bits.exits == 8 * 12 * (590_592 + 1538)
    assert bits.total == bits.embeddings + bits.encoder + bits.exits


def test_distinct_layers_are_used_in_equal_blocks(
    make_shape: Callable[..., EncoderShape], make_workload: MakeWorkload
) -> None:
    """Six layers with three sets of weights use each set twice; equal spans are one kind."""
    shape = make_shape(distinct_layers=3)
    spans = ((128, 0, 0, 0), (8, 8, 0, 0), (0, 0, 0, 128))
    workload = make_workload(shape=shape, head_spans=spans)
    assert [shape.weight_set(layer) for layer in range(1, 7)] == [0, 0, 1, 1, 2, 2]
    assert workload.layer_kinds == ((128, 0, 0, 0), (8, 8, 0, 0))
    assert workload.kind_of_layer == (0, 0, 1, 1, 0, 0)


def test_positions_before_the_first_are_stored_but_hold_no_token(
    make_shape: Callable[..., EncoderShape],
) -> None:
    """Two positions that no token has cost storage and shorten the longest sentence by two."""
    shape = make_shape(positions=130, first_position=2, token_types=0)
    assert shape.longest_sentence == 128
    assert shape.embedding_parameters == (1000 + 130 + 0 + 2) * 48


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 5}, "hidden 96 with 5 heads: expected a multiple of the heads."),
        ({"distinct_layers": 4}, "distinct_layers 4 of 6 layers: expected a divisor"),
        ({"embedding_width": 97}, "embedding_width 97: expected at most hidden 96."),
        ({"layers": 0}, "layers 0 of an encoder: expected 1 or more."),
        ({"token_types": -1}, "token_types -1 of an encoder: expected 0 or more."),
        ({"first_position": 128}, "first_position 128: expected less than the 128 positions."),
    ],
)
def test_shapes_that_do_not_fit_together_are_refused(
    make_shape: Callable[..., EncoderShape], changes: dict[str, int], message: str
) -> None:
    """A dimension that cannot be is named with its value and what was expected."""
    with pytest.raises(WorkloadError, match=message):
        make_shape(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head_spans": ()}, "head_spans has 0 layers: expected one for each of the 1"),
        ({"head_spans": ((1, 2),)}, "expected 4 spans of 0 tokens or more"),
        ({"encoder_density": 1.5}, "encoder_density 1.5: expected a share from 0 to 1."),
    ],
)
def test_workloads_that_do_not_fit_the_shape_are_refused(
    make_workload: MakeWorkload, changes: dict[str, Any], message: str
) -> None:
    """Spans of the wrong number and impossible densities are named."""
    with pytest.raises(WorkloadError, match=message):
        make_workload(**changes)


def test_fewer_bits_are_never_stored_in_more(make_workload: MakeWorkload) -> None:
    """Stored bits fall with the width of the format at any density."""
    for density in (0.1, 0.5, 0.74, 0.9, 1.0):
        sizes = [
            make_workload(weight_format=adaptivfloat(bits, 2), encoder_density=density)
            .stored_bits()
            .total
            for bits in (4, 5, 6, 8)
        ]
        assert sizes == sorted(sizes)


def test_scales_of_channels_count_in_storage(
    albert_base: EncoderShape, make_workload: MakeWorkload
) -> None:
    """Every row of a matrix adds 32 bits, an affine one 40; what streams stays as it was."""
    plain, channel, affine = (
        make_workload(shape=albert_base, weight_format=f)
        for f in (
            integer(8),
            integer(8, per_channel=True),
            integer(8, per_channel=True, affine=True),
        )
    )
    before, after, more = (w.stored_bits() for w in (plain, channel, affine))
    assert after.embeddings - before.embeddings == 32 * (30_000 + 512 + 2)
    assert after.encoder - before.encoder == 32 * (5 * 768 + 3072 + 768)
    assert after.exits - before.exits == 32 * 12 * (768 + 2)
    assert more.exits - before.exits == 40 * 12 * (768 + 2)
    assert channel.weight_bits == plain.weight_bits == 8


def test_scales_of_blocks_count_in_storage_and_streams(
    albert_base: EncoderShape, make_workload: MakeWorkload
) -> None:
    """A byte for 32 weights is a quarter of a bit each, under a bitmask too."""
    for density, bits in ((1.0, 4.0), (0.5, 3.0)):
        workload = make_workload(shape=albert_base, weight_format=mx(4, 2), encoder_density=density)
        assert workload.weight_bits == bits + 0.25
        assert workload.has_weight_mask == (density < 1)
        stored = workload.stored_bits()
        vectors = 99_072 + 7_087_872 - 7_077_888 - 128 * 768
        assert stored.encoder == (7_077_888 + 128 * 768) * (bits + 0.25) + vectors * 4
        assert stored.embeddings == 30_514 * 128 * 4.25 + 2 * 128 * 4


@pytest.mark.parametrize("name", ["int8", "adaptivfloat<8,3>", "posit<8,1>", "e4m3"])
def test_one_scale_a_tensor_counts_as_none(
    albert_base: EncoderShape, make_workload: MakeWorkload, name: str
) -> None:
    """Eight bits are eight bits, whatever the format."""
    workload = make_workload(shape=albert_base, weight_format=parse_number_format(name))
    assert workload.stored_bits() == make_workload(shape=albert_base).stored_bits()
