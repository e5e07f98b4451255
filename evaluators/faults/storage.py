"""Weights of an encoder in memory cells: which part is in which, and what is read of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluators.codecs.codec import Codec, Scaling, Values
from evaluators.faults.cells import CellErrors, cell_errors
from evaluators.faults.images import image_of, read_image
from search_space import CellKind, ModelKnobs, NumberFormat

Part = Literal["embedding", "encoder", "exit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Cells of each part of the weights.

    Vectors (biases, layer norms), scales and addresses are read as written.

    Attributes:
        errors: of the cells with the codes of a part; a part that is missing is read as written.
        mask_errors: of the cells with its bitmask, if it is stored with one.
    """

    errors: dict[Part, CellErrors]
    mask_errors: dict[Part, CellErrors]

    @property
    def is_faithful(self) -> bool:
        """Whether everything is read as written."""
        return all(e.cell_rate == 0 for e in (*self.errors.values(), *self.mask_errors.values()))


def storage_of(knobs: ModelKnobs) -> Storage:
    """The cells that model knobs name, bitmasks with their codes; those that are faithful left out.

    Cells outside `search_space.FAITHFUL_CELLS` alone have faults: the accuracy measured without
    any stands for the others.
    """
    knob_of: dict[Part, str] = {
        "embedding": "embedding_storage",
        "encoder": "encoder_storage",
        "exit": "exit_storage",
    }
    faulty = knobs.faulty_storage
    cells = {part: cell_errors(faulty[knob]) for part, knob in knob_of.items() if knob in faulty}
    return Storage(errors=cells, mask_errors=cells)


def part_of(name: str) -> Part:
    """The part that a tensor of an encoder with exits belongs to, by its name.

    >>> part_of("exits.0.pooler.weight")
    'exit'
    """
    if name.startswith("exits."):
        return "exit"
    return "embedding" if ".embeddings." in name else "encoder"


def is_masked(number_format: NumberFormat, density: float) -> bool:
    """Whether a mask bit and the non-zeros of a matrix take less than all its codes.

    As in `hw_cost.workload.Workload`: for all matrices of a part together, by their density.
    """
    return 1 + density * number_format.bits < number_format.bits


@dataclass(slots=True, kw_only=True)
class FaultyReader:
    """Reads matrices back from their cells, with the faults of one trial.

    Faults depend on seed, name and content of a matrix alone, not on the order of reading.

    Attributes:
        storage: cells of each part.
        seed: of the faults: the number of the trial.
        masked: whether each part is stored with a bitmask.
        misread: cells misread so far.
    """

    storage: Storage
    seed: int
    masked: dict[Part, bool]
    misread: int = 0

    def read(self, name: str, x: Values, codec: Codec, scaling: Scaling) -> Values:
        """What is read (same shape) of a matrix that the codec rounded under those scales."""
        part = part_of(name)
        errors, mask_errors = (
            found.get(part, cell_errors(CellKind.SRAM))
            for found in (self.storage.errors, self.storage.mask_errors)
        )
        masked = self.masked[part]
        if errors.cell_rate == 0 and (mask_errors.cell_rate == 0 or not masked):
            return x
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        image = image_of(x, codec, scaling, masked=masked)
        values, misread = read_image(image, codec, errors, mask_errors, rng)
        self.misread += misread
        return values
