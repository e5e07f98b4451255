"""What EdgeBERT's authors published of SST-2: entropies at every exit, and their exit table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from evaluators.exits import conventional_exits, latency_aware_exits
from evaluators.traces import LUT_ROWS
from hw_cost.units import Floats, Ints
from studies.validation.encoders import ALBERT_BASE

ENTROPIES: Final = Path("edgebert", "sst2_dev_entropy.csv")
TABLE: Final = Path("edgebert", "sst2_exit_lut.csv")


class ReferenceDataError(ValueError):
    """Published data in a folder are missing or damaged."""


@dataclass(frozen=True, slots=True)
class AuthorsTrace:
    """What EdgeBERT's authors published of SST-2.

    Attributes:
        entropy: (872, 12) entropies of the dev sentences at every exit, nats.
        predicted: (100, 10) predicted entropies of exits 2 to 11, by entropy at exit 1.
    """

    entropy: Floats
    predicted: Floats


def authors_trace(folder: Path) -> AuthorsTrace:
    """The published entropies and table.

    Args:
        folder: with `ENTROPIES` and `TABLE` in it.

    Raises:
        ReferenceDataError: a file is missing or has another shape.
    """
    layers = ALBERT_BASE.layers
    entropy = _numbers(folder / ENTROPIES, columns=layers, rows=None)
    table = _numbers(folder / TABLE, columns=layers - 1, rows=LUT_ROWS)
    return AuthorsTrace(entropy, table[:, 1:])


def _numbers(path: Path, *, columns: int, rows: int | None) -> Floats:
    """Comma-separated numbers of that shape."""
    expected = f"{'' if rows is None else f'{rows} '}rows of {columns} numbers"
    if not path.is_file():
        raise ReferenceDataError(f"{path}: no such file; expected {expected}.")
    try:
        numbers: Floats = np.loadtxt(path, delimiter=",", ndmin=2)
    except ValueError as error:
        raise ReferenceDataError(f"{path}: not numbers ({error}); expected {expected}.") from error
    if numbers.shape[1] != columns or (rows is not None and len(numbers) != rows):
        shape = f"{numbers.shape[0]} rows of {numbers.shape[1]}"
        raise ReferenceDataError(f"{path}: {shape} numbers; expected {expected}.")
    return numbers


@dataclass(frozen=True, slots=True)
class Exits:
    """Predicted and actual exit layers of all sentences."""

    predicted: Ints
    actual: Ints


def entropy_exits(trace: AuthorsTrace, threshold: str) -> Exits:
    """Conventional exit; nothing is predicted, so the last layer is counted on."""
    actual = conventional_exits(trace.entropy, np.array([float(threshold)]))[0]
    return Exits(np.full_like(actual, ALBERT_BASE.layers), actual)


def aware_exits(trace: AuthorsTrace, threshold: str) -> Exits:
    """Latency-aware exit."""
    predicted, actual = latency_aware_exits(
        trace.entropy, trace.predicted, np.array([float(threshold)])
    )
    return Exits(predicted[0], actual[0])
