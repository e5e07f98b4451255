"""Sampling: draws follow from a seed, and what no setting can have is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.sampling import DENSE, Anchor, Sampling
from search_space import FP32, FULL_SPAN_TOKENS, adaptivfloat, parse_number_format

AF8, AF4 = adaptivfloat(8, 3), adaptivfloat(4, 2)
SAMPLING = Sampling(
    dense_share=0.25,
    span_budget_tokens=(FULL_SPAN_TOKENS, 8),
    encoder_sparsity=(0.0, 0.5),
    embedding_sparsity=(0.6,),
    weight_format=(AF8, AF4),
    activation_format=(FP32, AF8),
)


def test_draw_follows_from_its_seed() -> None:
    """The same seed draws the same setting, and seeds differ."""
    drawn = [SAMPLING.drawn(seed).trace_key() for seed in range(50)]
    assert drawn == [SAMPLING.drawn(seed).trace_key() for seed in range(50)]
    assert len(set(drawn)) > 8


def test_every_value_is_drawn_in_its_share() -> None:
    """A quarter of the steps is dense; of the others, each value of a list is as frequent."""
    drawn = [SAMPLING.drawn(seed) for seed in range(4_000)]
    dense = [knobs for knobs in drawn if knobs.embedding_sparsity == 0]
    assert len(dense) / 4_000 == pytest.approx(0.25, abs=0.03)
    assert all(getattr(knobs, name) == value for knobs in dense for name, value in DENSE.items())
    for name, value in {
        "span_budget_tokens": 8,
        "encoder_sparsity": 0.5,
        "weight_format": AF4,
    }.items():
        count = sum(getattr(knobs, name) == value for knobs in drawn)
        assert count / 4_000 == pytest.approx(0.375, abs=0.03)


def test_anchor_has_its_share() -> None:
    """Four of ten steps train the anchor, a quarter is dense; the others draw as without it."""
    anchor = Anchor(
        share=0.4,
        encoder_sparsity=0.6,
        embedding_sparsity=0.5,
        weight_format=AF8,
        activation_format=AF8,
    )
    anchored = replace(SAMPLING, anchor=anchor)
    drawn = [anchored.drawn(seed) for seed in range(4_000)]
    keys = [knobs.trace_key() for knobs in drawn]
    wanted = anchor.knobs()
    assert (wanted.encoder_sparsity, wanted.embedding_sparsity) == (0.6, 0.5)
    assert (wanted.weight_format, wanted.span_budget_tokens) == (AF8, FULL_SPAN_TOKENS)
    assert keys.count(wanted.trace_key()) / 4_000 == pytest.approx(0.4, abs=0.03)
    dense = sum(knobs.embedding_sparsity == 0 for knobs in drawn)
    assert dense / 4_000 == pytest.approx(0.25, abs=0.03)
    plain = [SAMPLING.drawn(seed).trace_key() for seed in range(4_000)]
    same = [a == b for a, b in zip(keys, plain, strict=True) if a != wanted.trace_key()]
    assert all(same)
    assert anchored.values("encoder_sparsity") == {0.0, 0.5, 0.6}
    assert SAMPLING.values("encoder_sparsity") == {0.0, 0.5}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"share": -0.1}, "share -0.1 of an anchor: expected a share"),
        ({"share": 0.1, "encoder_sparsity": 1.0}, "encoder_sparsity 1.0: expected a share"),
        (
            {"share": 0.1, "activation_format": parse_number_format("posit<8,1>")},
            "from a distribution",
        ),
    ],
)
def test_what_is_no_anchor_is_refused(changes: dict[str, object], told: str) -> None:
    """An anchor is a setting with a share."""
    with pytest.raises(ValueError, match=told):
        Anchor(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dense_share": 0.7, "anchor": Anchor(share=0.4)}, "expected 1 at most together"),
        ({"dense_share": 1.5}, "dense_share 1.5: expected a share"),
        ({"weight_format": ()}, "weight_format of a sampling is empty"),
        ({"encoder_sparsity": (0.5, 1.0)}, "encoder_sparsity 1.0: expected a share"),
        ({"span_budget_tokens": (200,)}, "span_budget_tokens 200: expected 0 to 128"),
        ({"activation_format": (parse_number_format("int8-channel"),)}, "need one scale"),
        ({"activation_format": (parse_number_format("int8-p99.9"),)}, "from a distribution"),
        ({"activation_format": (parse_number_format("posit<8,1>"),)}, "from a distribution"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes: dict[str, object], told: str) -> None:
    """Shares, sparsities, spans and formats that no setting can have are errors that say so."""
    with pytest.raises(ValueError, match=told):
        Sampling(**changes)  # type: ignore[arg-type]
