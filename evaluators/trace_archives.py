"""Archives of traces: ``.npz`` bytes of a setting, measured whole or part-way."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from evaluators.faults.trials import FaultTrials

Arrays = Mapping[str, NDArray[Any]]

_DAMAGE: Final = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, TypeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise on bad bytes; RuntimeError: a header that asks for a password or an
unknown kind of archive; TypeError, IndexError: arrays of another shape."""


class Measured(Protocol):
    """What is known of a setting beside its sentences: as in `evaluators.traces.ExitTrace`."""

    @property
    def predicted_entropies(self) -> NDArray[np.float16]:
        """Table of predicted entropies."""

    @property
    def head_spans(self) -> tuple[tuple[int, ...], ...]:
        """Attention span of each head, tokens."""

    @property
    def encoder_density(self) -> float:
        """Share of encoder weights that are not zero."""

    @property
    def embedding_density(self) -> float:
        """Share of embedding weights that are not zero."""

    @property
    def faults(self) -> FaultTrials | None:
        """Trials of faults; None if there were none."""


class MeasuredFields(TypedDict):
    """The fields of `Measured`, read back."""

    predicted_entropies: NDArray[np.float16]
    head_spans: tuple[tuple[int, ...], ...]
    encoder_density: float
    embedding_density: float
    faults: FaultTrials | None


def archive_bytes(sentences: Arrays, measured: Measured, **more: NDArray[Any]) -> bytes:
    """An ``.npz`` archive.

    Args:
        sentences: arrays with one entry for each sentence.
        measured: what is known of the setting besides.
        more: further arrays.
    """
    if measured.faults is not None:
        more["fault_scores"] = np.array(measured.faults.scores)
    arrays = {
        **sentences,
        "predicted_entropies": measured.predicted_entropies,
        "head_spans": np.array(measured.head_spans, dtype=np.int64),
        "densities": np.array([measured.encoder_density, measured.embedding_density]),
        **more,
    }
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # may be allow_pickle, as NumPy is typed
    return file.getvalue()


@contextmanager
def opened_archive(content: bytes, what: str) -> Iterator[Arrays]:
    """The arrays of an archive, to be read and checked inside the ``with``.

    Raises:
        ValueError: damaged ``what``: the bytes are no archive, or what is made of its arrays is
            refused.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            yield stored
    except _DAMAGE as error:
        raise ValueError(f"damaged {what} ({error})") from error


def measured_fields(stored: Arrays) -> MeasuredFields:
    """What `archive_bytes` was told of the setting."""
    scores = stored["fault_scores"] if "fault_scores" in stored else None  # noqa: SIM401 - no get
    return {
        "predicted_entropies": stored["predicted_entropies"],
        "head_spans": tuple(tuple(int(s) for s in row) for row in stored["head_spans"]),
        "encoder_density": float(stored["densities"][0]),
        "embedding_density": float(stored["densities"][1]),
        "faults": None if scores is None else FaultTrials(tuple(float(s) for s in scores)),
    }
