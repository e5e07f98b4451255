"""The trials of a run as columns: what figures of the search are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from search_space import KNOBS, KnobValue

STATES: Final = ("complete", "infeasible", "pruned", "failed")
"""What can become of a trial, in the order of `TrialTable.states`."""

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobTrials:
    """One knob of every trial.

    Attributes:
        levels: its different values, in order.
        codes: (n_trials,) index of each trial's value among the levels.
    """

    levels: tuple[KnobValue, ...]
    codes: Integers

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> KnobTrials:
        """Of a column with the value of each trial.

        >>> KnobTrials.of(pa.chunked_array([[16, 4, 16]])).levels
        (4, 16)
        """
        encoded = values.combine_chunks().dictionary_encode()
        found: list[KnobValue] = encoded.dictionary.to_pylist()
        order = sorted(range(len(found)), key=lambda i: (isinstance(found[i], str), found[i]))
        places = np.empty(len(found), dtype=np.intp)
        places[order] = np.arange(len(found))
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.intp)
        return cls(levels=tuple(found[i] for i in order), codes=places[codes])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTable:
    """Told trials, one entry each, in the order in which they were told.

    Attributes:
        numbers: (n_trials,) Optuna's numbers.
        states: (n_trials,) index in `STATES`.
        reasons: (n_trials,) one sentence unless complete; else empty.
        repeated: (n_trials,) whether an earlier trial had the same point.
        started_s: (n_trials,) when it was asked for, seconds since the epoch.
        seconds: (n_trials,) from asking to telling.
        evaluation_s: (n_trials,) that its evaluation took.
        designs_scored: (n_trials,) designs that it stands for; 0 of a repeated one.
        knobs: every knob that was sampled, by name.
        values: (n_trials,) by metric, NaN where a trial has none: of a design every metric, of a
            setting what the sampler was told of it.
        in_flight: trials that were asked for and not told yet.
    """

    numbers: Integers
    states: Integers
    reasons: NDArray[np.object_]
    repeated: NDArray[np.bool_]
    started_s: Floats
    seconds: Floats
    evaluation_s: Floats
    designs_scored: Integers
    knobs: Mapping[str, KnobTrials]
    values: Mapping[str, Floats]
    in_flight: int = 0

    def __len__(self) -> int:
        """Told trials."""
        return len(self.numbers)

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """(n_trials,) whether a trial ended with a design that meets the constraints."""
        return np.asarray(self.states == 0)

    def count(self, state: str) -> int:
        """Trials that ended in a state."""
        return int(np.count_nonzero(self.states == STATES.index(state)))

    def reason_counts(self) -> list[tuple[str, str, int]]:
        """State, reason and number of trials of each reason, the commonest first."""
        found: dict[tuple[int, str], int] = {}
        for state, reason in zip(self.states.tolist(), self.reasons.tolist(), strict=True):
            if reason:
                found[state, reason] = found.get((state, reason), 0) + 1
        ordered = sorted(found.items(), key=lambda entry: -entry[1])
        return [(STATES[state], reason, count) for (state, reason), count in ordered]

    def taken(self, rows: NDArray[Any]) -> TrialTable:
        """Some of the trials, by index or by a mask."""
        own = {"knobs", "values", "in_flight"}
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in own}
        return replace(
            self,
            **columns,
            knobs={
                n: KnobTrials(levels=k.levels, codes=k.codes[rows]) for n, k in self.knobs.items()
            },
            values={name: values[rows] for name, values in self.values.items()},
        )


ROW_FIELDS: Final = (
    *("trial", "state", "reason", "repeated_of", "front_size", "designs_scored"),
    *("designs_pruned", "sentences", "wall_start_s", "wall_seconds", "wall_evaluation_s"),
)
"""Columns of ``trials.parquet`` that are neither knobs nor values."""


def trial_table(table: pa.Table, *, in_flight: int = 0) -> TrialTable:
    """The trials of a table such as ``trials.parquet`` holds.

    Args:
        table: a row for each trial that was told.
        in_flight: trials that are not told yet.

    Raises:
        KeyError: a column is missing.
        ValueError: a column holds what it cannot.
    """
    n = table.num_rows
    present = set(table.column_names)

    def floats(name: str) -> Floats:
        column = table[name].combine_chunks().cast(pa.float64()).fill_null(np.nan)
        return np.asarray(column.to_numpy(zero_copy_only=False))

    def texts(name: str) -> NDArray[np.object_]:
        return np.array([text or "" for text in table[name].to_pylist()], dtype=object)

    states = KnobTrials.of(table["state"])
    unknown = set(states.levels) - set(STATES)
    if unknown:
        raise ValueError(f"state {min(map(str, unknown))!r}: expected one of {', '.join(STATES)}")
    of_state = np.array([STATES.index(str(state)) for state in states.levels], dtype=np.intp)
    knobs = [name for name in KNOBS if name in present]
    rest = {*knobs, *ROW_FIELDS}
    return TrialTable(
        numbers=floats("trial").astype(np.intp),
        states=of_state[states.codes] if n else np.zeros(0, dtype=np.intp),
        reasons=texts("reason"),
        repeated=~np.isnan(floats("repeated_of")),
        started_s=floats("wall_start_s"),
        seconds=floats("wall_seconds"),
        evaluation_s=floats("wall_evaluation_s"),
        designs_scored=np.nan_to_num(floats("designs_scored")).astype(np.intp),
        knobs={name: KnobTrials.of(table[name]) for name in knobs},
        values={name: floats(name) for name in table.column_names if name not in rest},
        in_flight=in_flight,
    )


def no_trials() -> TrialTable:
    """The table of a run that has told none."""
    names = (
        "trial",
        "repeated_of",
        *(f for f in ROW_FIELDS if f.startswith(("designs_s", "wall"))),
    )
    columns = {name: pa.array([], type=pa.float64()) for name in names}
    columns |= {name: pa.array([], type=pa.string()) for name in ("state", "reason")}
    return trial_table(pa.table(columns))
