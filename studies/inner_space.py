"""The grid that a nested study goes through for every setting of the model knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hw_cost import AcceleratorColumns
from search_space import (
    EXIT_KNOBS,
    HARDWARE_KNOBS,
    MODEL_KNOBS,
    Condition,
    KnobValue,
    SearchSpace,
    design_point,
    hardware_knobs,
)
from studies.spec import StudyFileError

MOST_ACCELERATORS: Final = 200_000
"""Accelerators of a grid, which is held whole: about 800 bytes each, 160 MB in all."""


@dataclass(frozen=True, slots=True)
class InnerSpace:
    """The grid that is enumerated for every setting of the model knobs.

    Attributes:
        exits: settings of the exit knobs, flat.
        hardware: settings of the hardware knobs, flat.
        columns: the same as columns.
        joined: further conditions that tie model, exit and hardware knobs together.
        storage: settings of the storage knobs that are enumerated, flat; by default the one that
            says nothing, where a setting names all its cells.
        of_model: conditions on model knobs alone.
    """

    exits: tuple[dict[str, KnobValue], ...]
    hardware: tuple[dict[str, KnobValue], ...]
    columns: AcceleratorColumns
    joined: tuple[Condition, ...]
    storage: tuple[dict[str, KnobValue], ...] = ({},)
    of_model: tuple[Condition, ...] = ()

    @classmethod
    def of(cls, space: SearchSpace, storage: tuple[str, ...] = ()) -> InnerSpace:
        """The inner grid of a search space.

        Args:
            space: of all knobs.
            storage: storage knobs that are enumerated too.

        Raises:
            StudyFileError: it has more than `MOST_ACCELERATORS`.
        """
        kinds = (set(MODEL_KNOBS), set(EXIT_KNOBS), set(HARDWARE_KNOBS))
        joined = tuple(c for c in space.conditions if not any(c.names <= kind for kind in kinds))
        try:
            hardware = tuple(space.points(HARDWARE_KNOBS, MOST_ACCELERATORS))
        except ValueError as error:
            raise StudyFileError(
                f"A nested study enumerates every accelerator, and there are more than "
                f"{MOST_ACCELERATORS:,}: give hardware knobs fewer values, or search jointly."
            ) from error
        columns = AcceleratorColumns.from_knobs([hardware_knobs(h) for h in hardware])
        cells = tuple(space.points(storage))
        of_model = tuple(c for c in space.conditions if c.names <= kinds[0])
        return cls(tuple(space.points(EXIT_KNOBS)), hardware, columns, joined, cells, of_model)

    def settings(self, flat: Mapping[str, KnobValue]) -> dict[int, dict[str, KnobValue]]:
        """The settings that a trial stands for, by row of `storage`; none where conditions forbid.

        Args:
            flat: the model knobs that are not enumerated.
        """
        whole = {row: {**flat, **cells} for row, cells in enumerate(self.storage)}
        return {r: w for r, w in whole.items() if all(holds(w) for holds in self.of_model)}

    def allowed(self, model: dict[str, KnobValue], rows: Sequence[int]) -> NDArray[np.bool_] | None:
        """Which (hardware row, exit setting) pairs the joined conditions allow; None for all."""
        if not self.joined:
            return None
        shape = (len(rows), len(self.exits))
        point: dict[str, Any] = dict(model)
        for name in HARDWARE_KNOBS:
            point[name] = np.array([self.hardware[i][name] for i in rows])[:, None]
        for name in EXIT_KNOBS:
            point[name] = np.array([x[name] for x in self.exits])[None]
        result = np.ones(shape, dtype=bool)
        for condition in self.joined:
            result &= np.broadcast_to(condition(point), shape)
        return result


def flat_design(
    model: dict[str, KnobValue], inner: InnerSpace, hardware: int, exits: int
) -> dict[str, KnobValue]:
    """All knobs of one enumerated design, flat; rows as `InnerFront` has them."""
    storage, accelerator = divmod(hardware, len(inner.hardware))
    chosen = {**inner.storage[storage], **inner.exits[exits], **inner.hardware[accelerator]}
    flat = {**model, **chosen}
    design_point(flat)
    return flat
