"""Parameters of a design as whole numbers with names: what hardware and firmware are built with.

Voltages are in microvolts or millivolts, entropies in units of 2**-10 nat (UQ6.10), shares in units
of 2**-16, times in nanoseconds; the name says which. Named choices are codes: their order is that
of the enumerations, and new members go to the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dse.exports.design_tables import DVFS_TABLE, SPAN_TABLE
from dse.exports.document import DesignDocument
from dse.exports.tables import Table
from hw_cost.units import NS_PER_MS
from search_space import (
    KNOB_DEFAULTS,
    WITH_ENCODER,
    CellKind,
    Compaction,
    DramKind,
    DvfsPolicy,
    ExitPolicy,
    MappingObjective,
    PruningScope,
    SpecialFunctions,
    ZeroGating,
    parse_number_format,
)

_CELLS: Final = tuple(cell.value for cell in CellKind)


def _values(kind: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in kind)


CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "exit_policy": _values(ExitPolicy),
    "dvfs_policy": _values(DvfsPolicy),
    "embedding_storage": _CELLS,
    "encoder_storage": _CELLS,
    "exit_storage": (*_CELLS, WITH_ENCODER),
    "table_storage": _CELLS,
    "dram": _values(DramKind),
    "zero_gating": _values(ZeroGating),
    "compaction": _values(Compaction),
    "mapping_objective": _values(MappingObjective),
    "special_functions": _values(SpecialFunctions),
    "pruning_scope": _values(PruningScope),
}
"""Values of every knob that is a named choice, in the order of their codes."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A whole number.

    Attributes:
        name: upper case, unit as suffix.
        value: 0 or more, below 2**63.
        note: what it is; plain ASCII text of ours.
        wide: whether it may need more than 32 bits.
    """

    name: str
    value: int
    note: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A named choice.

    Attributes:
        name: of the knob, lower case.
        members: its values, in the order of their codes.
        value: the chosen one.
    """

    name: str
    members: tuple[str, ...]
    value: str

    @property
    def code(self) -> int:
        """Code of the chosen value."""
        return self.members.index(self.value)

    def constant(self, member: str) -> str:
        """Name of a member as a constant: ``EXIT_POLICY_LATENCY_AWARE``."""
        return f"{self.name}_{member}".upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Vector:
    """Whole numbers of one meaning, below 2**32.

    Attributes:
        name: upper case, unit as suffix.
        values: at least one.
        note: what they are.
    """

    name: str
    values: tuple[int, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """All parameters of a design."""

    design_hash: str
    numbers: tuple[Parameter, ...]
    choices: tuple[Choice, ...]
    vectors: tuple[Vector, ...]


def parameters_of(document: DesignDocument, tables: dict[str, Table]) -> Parameters:
    """The parameters of a design, from its document and its tables."""
    knobs = {**KNOB_DEFAULTS, **document.knobs}
    choices = tuple(Choice(name, CHOICES[name], str(knobs[name])) for name in CHOICES)
    spans = tables[SPAN_TABLE]
    vectors = [
        Vector(f"DVFS_{column.name.upper()}", tuple(row[i] for row in tables[DVFS_TABLE].rows), "")
        for i, column in enumerate(tables[DVFS_TABLE].columns)
    ]
    vectors.append(
        Vector("HEAD_SPAN_TOKENS", tuple(row[0] for row in spans.rows), "layer after layer; 0: off")
    )
    numbers = (*_hardware(document, tables), *_exits(document), *_encoder(document))
    return Parameters(document.design_hash, numbers, choices, tuple(vectors))


def _hardware(document: DesignDocument, tables: dict[str, Table]) -> tuple[Parameter, ...]:
    knobs = {**KNOB_DEFAULTS, **document.knobs}

    def number(name: str, factor: float = 1) -> int:
        return round(float(knobs[name]) * factor)

    deadline_ns = round(float(str(document.scenario["deadline_ms"])) * NS_PER_MS)
    return (
        Parameter("MAC_VECTOR_SIZE", number("mac_vector_size"), "n of an n x n MAC unit"),
        Parameter("PROCESSING_UNITS", number("processing_units"), "units"),
        Parameter("DATA_SRAM_BYTES", number("data_sram_kib", 1024), "one of a unit's two buffers"),
        Parameter("MASK_SRAM_BYTES", number("mask_sram_kib", 1024), "one of a unit's two buffers"),
        Parameter("AUX_SRAM_BYTES", number("aux_sram_kib", 1024), "auxiliary buffer of one unit"),
        Parameter("ENVM_BYTES", number("envm_mib", 1024**2), "useful capacity", wide=True),
        Parameter(
            "WEIGHT_SRAM_BYTES", number("weight_sram_kib", 1024), "0: what it holds", wide=True
        ),
        Parameter("ACCUMULATOR_BITS", number("accumulator_bits"), "partial sums"),
        Parameter("DVFS_LEVELS", len(tables[DVFS_TABLE].rows), "rows of the supply table"),
        Parameter("MIN_VOLTAGE_MV", number("min_voltage_v", 1000), "mV"),
        Parameter("MAX_VOLTAGE_MV", number("max_voltage_v", 1000), "mV"),
        Parameter("DEADLINE_NS", deadline_ns, "ns", wide=True),
    )


def _exits(document: DesignDocument) -> tuple[Parameter, ...]:
    knobs = {**KNOB_DEFAULTS, **document.knobs}

    def scaled(name: str, bits: int) -> int:
        return round(float(knobs[name]) * (1 << bits))

    return (
        Parameter("ENTROPY_THRESHOLD_Q10", scaled("entropy_threshold", 10), "nats, UQ6.10"),
        Parameter(
            "NORMALISED_ENTROPY_THRESHOLD_Q16",
            scaled("normalised_entropy_threshold", 16),
            "units of 2**-16 of ln(classes)",
        ),
        Parameter(
            "CONFIDENCE_THRESHOLD_Q16",
            scaled("confidence_threshold", 16),
            "probability, units of 2**-16",
        ),
        Parameter("PATIENCE", scaled("patience", 0), "exits in a row that agree"),
        Parameter(
            "PATIENCE_TOLERANCE_Q10",
            scaled("patience_tolerance", 10),
            "label units, UQ6.10; regressions only",
        ),
    )


def _encoder(document: DesignDocument) -> tuple[Parameter, ...]:
    knobs = {**KNOB_DEFAULTS, **document.knobs}
    weights = parse_number_format(str(knobs["weight_format"]))
    activations = parse_number_format(str(knobs["activation_format"]))
    shape = document.shape
    return (
        Parameter("WEIGHT_BITS", weights.bits, str(weights)),
        Parameter("WEIGHT_EXPONENT_BITS", weights.exponent_bits, ""),
        Parameter("ACTIVATION_BITS", activations.bits, str(activations)),
        Parameter("ACTIVATION_EXPONENT_BITS", activations.exponent_bits, ""),
        Parameter("SPAN_BUDGET_TOKENS", int(knobs["span_budget_tokens"]), "mean over heads"),
        Parameter("LAYERS", shape.layers, "and exits"),
        Parameter("DISTINCT_LAYERS", shape.distinct_layers, "sets of layer weights"),
        Parameter("HEADS", shape.heads, "of a layer"),
        Parameter("HIDDEN", shape.hidden, "width of the hidden state"),
        Parameter("FFN", shape.ffn, "width of the feed-forward layer"),
        Parameter("EMBEDDING_WIDTH", shape.embedding_width, "width of the embeddings"),
        Parameter("VOCABULARY", shape.vocabulary, "token embeddings"),
        Parameter("CLASSES", shape.classes, "outputs of a classifier"),
    )
