"""The three kinds of knobs, and the design point that they make together.

The cut is by what a knob can change: `ModelKnobs` can change a logit (they are the key of a trace),
`ExitKnobs` are arithmetic on a trace, `HardwareKnobs` are arithmetic on a workload.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Literal

from search_space.choices import (
    FAITHFUL_CELLS,
    FULL_SPAN_TOKENS,
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
)
from search_space.formats import NumberFormat, checked_activation_format


def checked_sparsity(name: str, value: float) -> float:
    """The value of a sparsity: the share of weights that are zero, never all of them.

    Raises:
        ValueError: it is not from 0 to below 1.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} {value}: expected a share from 0 to below 1.")
    return value


TraceKey = tuple[str, int, float, float, str, str] | tuple[str, int, float, float, str, str, str]
"""What identifies a trace: see `ModelKnobs.trace_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKnobs:
    """What can change a logit.

    Attributes:
        checkpoint: name of the encoder.
        span_budget_tokens: mean attention span over all heads, tokens; `FULL_SPAN_TOKENS` masks
            nothing, 0 switches every head off.
        encoder_sparsity: share of encoder weights that are zero, 0 to below 1.
        embedding_sparsity: share of embedding weights that are zero, 0 to below 1.
        weight_format: number format of all weight matrices.
        activation_format: number format of all GEMM operands that are not weights; its scale cannot
            be per channel, since channels of activations are summed over.
        embedding_storage: cells that hold the embeddings.
        encoder_storage: cells that hold the encoder weights.
        exit_storage: cells that hold poolers and classifiers of the exits, or ``encoder`` for
            those of the encoder weights.
        table_storage: cells that keep exit, DVFS and span tables while the chip is off; they are
            copied to the auxiliary SRAM when it wakes. ``sram`` keeps them there, powered.
        special_functions: how softmax and layer norm are worked out; ``fully-quantised`` does so in
            integers and gives every scale 8 bits. They cost the same.
        pruning_scope: whether a sparsity is that of every matrix, or of all matrices together:
            then those of small weights lose more.
        head_sparsity: share of attention heads that are off whatever the span budget, those that
            pass on least, 0 to below 1; rounded down to whole heads.
    """

    checkpoint: str
    span_budget_tokens: int
    encoder_sparsity: float
    embedding_sparsity: float
    weight_format: NumberFormat
    activation_format: NumberFormat
    embedding_storage: CellKind
    encoder_storage: CellKind
    exit_storage: CellKind | Literal["encoder"] = WITH_ENCODER
    table_storage: CellKind = CellKind.SRAM
    special_functions: SpecialFunctions = SpecialFunctions.EXACT
    pruning_scope: PruningScope = PruningScope.MATRIX
    head_sparsity: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares and spans outside their range, and cells whose faults change tables."""
        if self.table_storage not in FAITHFUL_CELLS:
            raise ValueError(
                f"table_storage {str(self.table_storage)!r}: 3.8e-3 of its cells are misread, and "
                "exit and voltage tables need them right; expected another kind of cell."
            )
        checked_activation_format(self.activation_format)
        for name in ("encoder_sparsity", "embedding_sparsity", "head_sparsity"):
            checked_sparsity(name, getattr(self, name))
        if not 0 <= self.span_budget_tokens <= FULL_SPAN_TOKENS:
            raise ValueError(
                f"span_budget_tokens {self.span_budget_tokens}: expected 0 to {FULL_SPAN_TOKENS}."
            )

    @property
    def cell_of_exits(self) -> CellKind:
        """Cells that hold the exit heads."""
        return self.encoder_storage if self.exit_storage == WITH_ENCODER else self.exit_storage

    @property
    def faulty_storage(self) -> dict[str, CellKind]:
        """Cells that are not read as written, by the knob that names them."""
        cells = {
            "embedding_storage": self.embedding_storage,
            "encoder_storage": self.encoder_storage,
            "exit_storage": self.cell_of_exits,
        }
        return {name: cell for name, cell in cells.items() if cell not in FAITHFUL_CELLS}

    def trace_key(self) -> TraceKey:
        """What identifies the logits: every field but the cells that are read as written.

        Cells that are not, special functions that are not exact, pruning over all matrices and
        heads that are off are named in one more text, ``knob=value`` after ``knob=value``, which
        settings without them do not have.
        """
        key = (
            self.checkpoint,
            self.span_budget_tokens,
            self.encoder_sparsity,
            self.embedding_sparsity,
            str(self.weight_format),
            str(self.activation_format),
        )
        others = [f"{name}={cell}" for name, cell in self.faulty_storage.items()]
        if self.special_functions is not SpecialFunctions.EXACT:
            others.append(f"special_functions={self.special_functions}")
        if self.pruning_scope is not PruningScope.MATRIX:
            others.append(f"pruning_scope={self.pruning_scope}")
        if self.head_sparsity:
            others.append(f"head_sparsity={self.head_sparsity}")
        return (*key, " ".join(others)) if others else key


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitKnobs:
    """What is arithmetic on a trace.

    Each policy looks at its own knobs (`KNOBS_OF_EXIT_POLICY`); a default only fills the place of
    a knob that the policy ignores.

    Attributes:
        exit_policy: when a sentence leaves.
        entropy_threshold: a sentence leaves at the first exit whose entropy (nats) is below it;
            0 or more, and at 0 none leaves early.
        normalised_entropy_threshold: the same for the entropy as a share of its largest value,
            the logarithm of the number of classes; 0 to 1.
        confidence_threshold: a sentence leaves at the first exit whose largest softmax probability
            is at or above it; 0 to 1.
        patience: a sentence leaves at the first exit that is the last of so many in a row which
            each agree with the exit before them; 1 or more.
        patience_tolerance: answers of a regression agree if they differ by less, in the unit of
            the labels; more than 0. Classes agree if they are the same, whatever it says.
    """

    exit_policy: ExitPolicy
    entropy_threshold: float = 0.0
    normalised_entropy_threshold: float = 0.0
    confidence_threshold: float = 1.0
    patience: int = 6
    patience_tolerance: float = 0.5

    def __post_init__(self) -> None:
        """Refuse thresholds outside their range."""
        if self.entropy_threshold < 0:
            raise ValueError(f"entropy_threshold {self.entropy_threshold}: expected 0 or more.")
        for name in ("normalised_entropy_threshold", "confidence_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected 0 to 1.")
        if self.patience < 1:
            raise ValueError(f"patience {self.patience}: expected 1 or more.")
        if self.patience_tolerance <= 0:
            raise ValueError(f"patience_tolerance {self.patience_tolerance}: expected more than 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareKnobs:
    """What is arithmetic on a workload.

    Attributes:
        mac_vector_size: n of an n x n MAC unit (n rows of n-wide dot products, n * n MACs a cycle).
        processing_units: units on the chip.
        data_sram_kib: data buffer of one unit, KiB (two such buffers, one for each operand).
        mask_sram_kib: bitmask buffer of one unit, KiB (two such buffers).
        aux_sram_kib: look-up tables, spans and layer-norm parameters of one unit, KiB.
        envm_mib: capacity of the eNVM, MiB of useful bits; 0 for a chip without it.
        min_voltage_v: lowest supply of the datapath, V.
        max_voltage_v: nominal supply of the datapath, V: layer 1 runs at it.
        dvfs_policy: how the supply of the later layers is chosen.
        dvfs_levels: supplies of the DVFS table, evenly spaced from the lowest to the highest.
        weight_sram_kib: shared weight SRAM, KiB; 0 for exactly what is placed in it. What does not
            fit is streamed from the DRAM.
        dram: off-chip memory; it takes what the chip's own memories cannot hold.
        zero_gating: which lanes rest on a zero operand.
        compaction: whether zero weights take no cycles, by a unit of its own.
        accumulator_bits: width of a partial sum.
        mapping_objective: what the mapping of each GEMM is chosen by.
    """

    mac_vector_size: int
    processing_units: int
    data_sram_kib: int
    mask_sram_kib: int
    aux_sram_kib: int
    envm_mib: float
    min_voltage_v: float
    max_voltage_v: float
    dvfs_policy: DvfsPolicy
    dvfs_levels: int = 16
    weight_sram_kib: int = 0
    dram: DramKind = DramKind.NONE
    zero_gating: ZeroGating = ZeroGating.LANE
    compaction: Compaction = Compaction.NONE
    accumulator_bits: int = 32
    mapping_objective: MappingObjective = MappingObjective.LATENCY

    def __post_init__(self) -> None:
        """Refuse sizes that are not positive."""
        for name in (
            "mac_vector_size",
            "processing_units",
            "data_sram_kib",
            "mask_sram_kib",
            "aux_sram_kib",
            "min_voltage_v",
            "max_voltage_v",
            "dvfs_levels",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} {getattr(self, name)}: expected more than 0.")
        for name in ("envm_mib", "weight_sram_kib"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}: expected 0 or more.")
        if not 2 <= self.mac_vector_size <= 64:
            raise ValueError(f"mac_vector_size {self.mac_vector_size}: expected 2 to 64.")
        if not 8 <= self.accumulator_bits <= 64:
            raise ValueError(f"accumulator_bits {self.accumulator_bits}: expected 8 to 64.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignPoint:
    """One candidate: how the model is compressed, when it exits and what it runs on."""

    model: ModelKnobs
    exits: ExitKnobs
    hardware: HardwareKnobs

    def as_flat(self) -> dict[str, str | int | float]:
        """Every knob by name, number formats and enumerations as text."""
        flat: dict[str, str | int | float] = {}
        for part in (self.model, self.exits, self.hardware):
            for name, value in asdict(part).items():
                original = getattr(part, name)
                flat[name] = (
                    str(original) if isinstance(original, NumberFormat | StrEnum) else value
                )
        return flat
