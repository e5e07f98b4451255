"""Weights in cells: which part is where, and faults that follow seed and name alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators.codecs.codec import Values
from evaluators.codecs.registry import codec_of
from evaluators.faults.cells import cell_errors
from evaluators.faults.storage import FaultyReader, Part, Storage, is_masked, part_of
from search_space import CellKind, NumberFormat, adaptivfloat, parse_number_format

MLC3 = cell_errors(CellKind.RERAM_MLC3)
NAMES = {
    "backbone.embeddings.word_embeddings.weight": "embedding",
    "backbone.encoder.layer.0.attention.self.query.weight": "encoder",
    "exits.3.classifier.weight": "exit",
}


def _reader(seed: int, *, masked: bool = False, mask_cell: CellKind | None = None) -> FaultyReader:
    parts: tuple[Part, ...] = ("embedding", "encoder", "exit")
    mask_errors = MLC3 if mask_cell is None else cell_errors(mask_cell)
    return FaultyReader(
        storage=Storage(
            errors=dict.fromkeys(parts, MLC3), mask_errors=dict.fromkeys(parts, mask_errors)
        ),
        seed=seed,
        masked=dict.fromkeys(parts, masked),
    )


def _values(number_format: NumberFormat) -> Values:
    x = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float32)
    x[np.abs(x) < 0.5] = 0
    codec = codec_of(number_format)
    return codec.quantise(x, codec.own_scaling(x))


@pytest.mark.parametrize(("name", "part"), NAMES.items())
def test_parts(name: str, part: str) -> None:
    """Embeddings, layers and exits by the names of their tensors."""
    assert part_of(name) == part


@pytest.mark.parametrize(("density", "masked"), [(0.87, True), (0.875, False), (1.0, False)])
def test_masked_where_that_takes_less(density: float, masked: bool) -> None:
    """At 8 bits a mask bit pays below a density of 7/8."""
    assert is_masked(adaptivfloat(8, 3), density) is masked


def test_same_seed_same_faults_whatever_was_read_before() -> None:
    """Faults follow seed and name: not the order of reading; another seed or name has others."""
    number_format = parse_number_format("int8")
    codec, x = codec_of(number_format), _values(number_format)
    scaling = codec.own_scaling(x)
    first, second = _reader(1), _reader(1)
    names = list(NAMES)
    forward = [first.read(name, x, codec, scaling) for name in names]
    backward = [second.read(name, x, codec, scaling) for name in reversed(names)][::-1]
    for one, other in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.misread == second.misread > 0
    assert (forward[0] != forward[1]).any()
    assert (_reader(2).read(names[0], x, codec, scaling) != forward[0]).any()


def test_parts_in_faithful_cells_are_read_as_written() -> None:
    """A part without errors comes back as it is, the same array."""
    reader = replace(_reader(1), storage=Storage(errors={"exit": MLC3}, mask_errors={}))
    codec, x = codec_of(adaptivfloat(8, 3)), _values(adaptivfloat(8, 3))
    embedding, encoder, exits = (
        reader.read(name, x, codec, codec.own_scaling(x)) for name in NAMES
    )
    assert embedding is x
    assert encoder is x
    assert (exits != x).any()


def test_a_mask_in_safer_cells_keeps_zeros_zero() -> None:
    """With the bitmask in SLC, values that were not stored stay 0; with it in MLC3 some do not."""
    codec, x = codec_of(adaptivfloat(8, 3)), _values(adaptivfloat(8, 3))
    name, scaling = next(iter(NAMES)), codec.own_scaling(x)
    safer = _reader(3, masked=True, mask_cell=CellKind.RERAM_SLC).read(name, x, codec, scaling)
    assert (safer != x).any()
    assert not safer[x == 0].any()
    together = _reader(3, masked=True).read(name, x, codec, scaling)
    assert together[x == 0].any()


def test_faithful_storage_says_so() -> None:
    """No part, or parts in cells without errors."""
    assert Storage(errors={}, mask_errors={}).is_faithful
    assert Storage(errors={"exit": cell_errors(CellKind.RERAM_SLC)}, mask_errors={}).is_faithful
    assert not _reader(0).storage.is_faithful
