"""Weights as rounded and as read back from cells, in tiny encoders of every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluators.compression import CompressibleEncoder
from evaluators.faults.cells import CellErrors, cell_errors
from evaluators.faults.storage import Part, Storage, part_of, storage_of
from evaluators.formats import quantise
from evaluators.weights import rounded_weights
from search_space import CellKind, ModelKnobs, SpecialFunctions, adaptivfloat, parse_number_format

MakeKnobs = Callable[..., ModelKnobs]
PARTS: tuple[Part, ...] = ("embedding", "encoder", "exit")
MANY = cell_errors(CellKind.RERAM_MLC3, 0.05)


def stored_in(errors: CellErrors, *parts: Part) -> Storage:
    """Storage of those parts, masks with their codes."""
    cells = dict.fromkeys(parts, errors)
    return Storage(errors=cells, mask_errors=cells)


def weights(encoder: CompressibleEncoder) -> dict[str, Tensor]:
    """A copy of all weights by name."""
    return {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}


def changed(before: dict[str, Tensor], encoder: CompressibleEncoder) -> set[str]:
    """Names of tensors that differ."""
    now = encoder.model.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, now[name])}


@pytest.mark.parametrize("name", ["fp32", "fp16", "adaptivfloat<6,3>", "int4-channel-mse", "mxfp4"])
def test_without_cells_weights_are_rounded(name: str, make_knobs: MakeKnobs) -> None:
    """As `quantise` rounds them; with 8-bit scales they are off by little more."""
    x = torch.randn(6, 70, generator=torch.manual_seed(0))
    number_format = parse_number_format(name)
    rounded = rounded_weights("encoder.weight", x, make_knobs(weight_format=number_format))
    assert torch.equal(rounded, quantise(x, number_format))
    fully = make_knobs(
        weight_format=number_format, special_functions=SpecialFunctions.FULLY_QUANTISED
    )
    scaled = rounded_weights("encoder.weight", x, fully)
    assert (scaled - x).norm() < 1.05 * (rounded - x).norm() + 1e-6
    assert torch.equal(scaled, rounded) is (number_format.scale_bits in (0, 8))


@pytest.mark.parametrize("sparsity", [0.0, 0.6])
def test_reading_back_without_faults_changes_nothing(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, sparsity: float
) -> None:
    """Rate 0 gives the logits of the setting bit for bit, dense and with bitmasks."""
    encoder = CompressibleEncoder(tiny)
    knobs = make_knobs(
        weight_format=adaptivfloat(8, 3),
        activation_format=adaptivfloat(8, 3),
        encoder_sparsity=sparsity,
        embedding_sparsity=sparsity,
    )
    encoder.configure(knobs, batches)
    expected = [encoder.logits(batch).clone() for batch in batches]
    assert encoder.read_back(knobs, stored_in(cell_errors(CellKind.RERAM_SLC), *PARTS), 0) == 0
    for batch, logits in zip(batches, expected, strict=True):
        assert torch.equal(encoder.logits(batch), logits)


@pytest.mark.parametrize("part", PARTS)
def test_faults_stay_in_their_part(
    tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs, part: Part
) -> None:
    """Matrices of the part change, nothing else does, and faithful cells bring all of them back."""
    encoder = CompressibleEncoder(tiny)
    knobs = make_knobs(weight_format=parse_number_format("int8"))
    encoder.configure(knobs, batches)
    written = weights(encoder)
    assert encoder.read_back(knobs, stored_in(MANY, part), 1) > 0
    names = changed(written, encoder)
    assert names
    assert {part_of(name) for name in names} == {part}
    assert all(written[name].ndim > 1 for name in names)
    encoder.read_back(knobs, stored_in(cell_errors(CellKind.RERAM_SLC), *PARTS), 1)
    assert changed(written, encoder) == set()


def test_same_trial_same_logits(tiny: Path, batches: list[Tensor], make_knobs: MakeKnobs) -> None:
    """Seed 1 again gives the logits of seed 1; seed 2 others; pruned weights can come alive."""
    encoder = CompressibleEncoder(tiny)
    knobs = make_knobs(
        weight_format=parse_number_format("int8"),
        encoder_sparsity=0.7,
        embedding_sparsity=0.7,
    )
    encoder.configure(knobs, batches)
    written = weights(encoder)
    logits = []
    for seed in (1, 2, 1):
        encoder.read_back(knobs, stored_in(MANY, *PARTS), seed)
        logits.append(encoder.logits(batches[1]).clone())
    assert torch.equal(logits[0], logits[2])
    assert not torch.equal(logits[0], logits[1])
    now = encoder.model.state_dict()
    assert any(((written[name] == 0) & (now[name] != 0)).any() for name in now)


def test_cells_that_the_knobs_name(make_knobs: MakeKnobs) -> None:
    """Only those that are not read as written; exits follow the encoder unless told otherwise."""
    mlc3 = cell_errors(CellKind.RERAM_MLC3)
    assert storage_of(make_knobs(encoder_storage=CellKind.RERAM_MLC2)).is_faithful
    found = storage_of(make_knobs(encoder_storage=CellKind.RERAM_MLC3))
    assert found.errors == found.mask_errors == {"encoder": mlc3, "exit": mlc3}
    found = storage_of(
        make_knobs(
            embedding_storage=CellKind.RERAM_MLC3,
            encoder_storage=CellKind.RERAM_MLC3,
            exit_storage=CellKind.SRAM,
        )
    )
    assert set(found.errors) == {"embedding", "encoder"}
