"""The tables of a design: supplies, what exit 1 foretells, attention spans."""

from __future__ import annotations

from typing import Final

import numpy as np

from dse.exports.tables import Column, FixedPoint, Table
from evaluators.traces import ENTROPY_STEP, ExitTrace
from hw_cost import AcceleratorColumns, Technology
from hw_cost.supply import level_voltages_v, switch_times_ns
from hw_cost.voltage import clock_ghz
from search_space import FULL_SPAN_TOKENS, HardwareKnobs

ENTROPY_FORMAT: Final = FixedPoint(6, 10)
"""Entropies in nats: the 16-bit table words of EdgeBERT's public HLS source."""

DVFS_TABLE: Final = "dvfs"
EXIT_TABLE: Final = "exit_lut"
SPAN_TABLE: Final = "head_spans"
MASK_TABLE: Final = "span_mask"
TABLES: Final = (DVFS_TABLE, EXIT_TABLE, SPAN_TABLE, MASK_TABLE)
_WHOLE: Final = FixedPoint(32, 0)
_KHZ_PER_GHZ: Final = 1e6
_UV_PER_V: Final = 1e6


def design_tables(
    trace: ExitTrace, hardware: HardwareKnobs, technology: Technology
) -> dict[str, Table]:
    """The tables of a design by name, in the order of `TABLES`.

    Args:
        trace: of its setting: the predictor's table and the spans.
        hardware: its chip.
        technology: constants that the clock at a supply follows from.

    Raises:
        ValueError: a predicted entropy does not fit the fixed-point format.
    """
    tables = (
        dvfs_table(hardware, technology),
        exit_table(trace),
        span_table(trace.head_spans),
        mask_table(trace.head_spans),
    )
    return {table.name: table for table in tables}


def dvfs_table(hardware: HardwareKnobs, technology: Technology) -> Table:
    """Supplies, highest first: microvolts, clock in kHz, time of the change from the highest, ns.

    One row where nothing is to be chosen. Clocks and times are those of the cost model.
    """
    columns = AcceleratorColumns.from_knobs([hardware])
    voltage_v = level_voltages_v(columns)[0]
    values = {
        "voltage_uv": voltage_v * _UV_PER_V,
        "clock_khz": clock_ghz(voltage_v, technology) * _KHZ_PER_GHZ,
        "switch_ns": switch_times_ns(voltage_v, np.array(hardware.max_voltage_v), technology),
    }
    words = [_WHOLE.words(column) for column in values.values()]
    return Table(
        DVFS_TABLE,
        "Supplies of the datapath, highest first; row 0 is that of layer 1.",
        tuple(Column(name, _WHOLE, _WHOLE.error(v)) for name, v in values.items()),
        tuple(tuple(int(word) for word in row) for row in zip(*words, strict=True)),
    )


def exit_table(trace: ExitTrace) -> Table:
    """Predicted entropies, nats: row r for an entropy at exit 1 of about r / 100 nats.

    Columns are exits 2 to the one before the last. Of an encoder of two exits, and of a regression,
    it says nothing: then a column of zeros keeps its place.
    """
    predicted = trace.predicted_entropies.astype(np.float64)
    if predicted.shape[1] == 0:
        predicted = np.zeros((len(predicted), 1))
    words = ENTROPY_FORMAT.words(predicted)
    return Table(
        EXIT_TABLE,
        f"Entropies that the entropy at exit 1 foretells; a row for every {ENTROPY_STEP} nats.",
        tuple(
            Column(f"exit_{exit_number}_nats", ENTROPY_FORMAT, ENTROPY_FORMAT.error(column))
            for exit_number, column in enumerate(predicted.T, start=2)
        ),
        tuple(tuple(int(word) for word in row) for row in words),
    )


def span_table(head_spans: tuple[tuple[int, ...], ...]) -> Table:
    """Attention spans, tokens: a row for each distinct layer and head, layer after layer."""
    words = FixedPoint(8, 0)
    return Table(
        SPAN_TABLE,
        "Attention spans, layer after layer: token i sees token j if |i - j| < span; 0 is off.",
        (Column("span_tokens", words),),
        tuple((span,) for layer in head_spans for span in layer),
    )


def mask_table(head_spans: tuple[tuple[int, ...], ...]) -> Table:
    """The same spans as masks: bit d of a row is 1 if tokens at distance d are seen."""
    words = FixedPoint(FULL_SPAN_TOKENS, 0)
    return Table(
        MASK_TABLE,
        "The spans as masks: bit d is 1 if the head sees tokens at distance d.",
        (Column("visible_distances", words),),
        tuple(((1 << span) - 1,) for layer in head_spans for span in layer),
    )
