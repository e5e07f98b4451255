"""Rounding of activations: every format is calibrated first and then stays as it is."""

from __future__ import annotations

import pytest
import torch

from evaluators.activations import ActivationQuantiser
from search_space import parse_number_format

NAMES = ["fp16", "adaptivfloat<8,3>", "e4m3", "int8", "int8-affine-p99.9", "int4-mse", "posit<8,1>"]


def calibrated(name: str, *batches: torch.Tensor) -> ActivationQuantiser:
    """A quantiser that has seen those batches."""
    quantiser = ActivationQuantiser(parse_number_format(name), calibrating=True)
    for batch in batches:
        assert quantiser(batch) is batch
    quantiser.calibrating = False
    return quantiser


def rows_of(x: torch.Tensor) -> list[torch.Tensor]:
    """Rows (1, width) of a matrix."""
    return [x[i : i + 1] for i in range(len(x))]


@pytest.mark.parametrize("name", [*NAMES, "mxint8", "mxfp4"])
def test_result_does_not_depend_on_batches(name: str) -> None:
    """Batches of calibration and of use may be cut anyhow."""
    x = torch.randn(8, 40, generator=torch.manual_seed(0))
    y = torch.randn(6, 40, generator=torch.manual_seed(1)) * 3
    whole = calibrated(name, x)
    rows = calibrated(name, *rows_of(x.flip(0)))
    expected = whole(y)
    assert torch.equal(torch.cat([rows(row) for row in rows_of(y)]), expected)
    assert not torch.equal(expected, y)


@pytest.mark.parametrize("name", NAMES[1:])
def test_scale_is_that_of_calibration(name: str) -> None:
    """Large activations later on saturate, and do not change how small ones are rounded."""
    x = torch.randn(8, 40, generator=torch.manual_seed(0))
    quantiser = calibrated(name, x)
    before = quantiser(x)
    largest = quantiser(1e6 * x).abs().max()
    assert torch.equal(quantiser(1e9 * x).abs().max(), largest)
    assert torch.equal(quantiser(x), before)


def test_another_format_starts_afresh() -> None:
    """What was seen for one setting plays no part in the next."""
    quantiser = calibrated("int8", torch.tensor([100.0]))
    quantiser.start(parse_number_format("int8"), calibrating=True)
    assert quantiser.max_abs == 0
    quantiser(torch.tensor([1.27]))
    quantiser.calibrating = False
    assert quantiser(torch.tensor([0.304])).tolist() == pytest.approx([0.30])
