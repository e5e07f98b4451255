"""Knobs and design points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from search_space import (
    EXIT_KNOBS,
    FULL_SPAN_TOKENS,
    KNOBS,
    KNOBS_OF_EXIT_POLICY,
    CellKind,
    DesignPoint,
    Dimension,
    DvfsPolicy,
    ExitKnobs,
    ExitPolicy,
    HardwareKnobs,
    ModelKnobs,
    PruningScope,
    SpecialFunctions,
    adaptivfloat,
    design_point,
    parse_number_format,
)

MODEL = ModelKnobs(
    checkpoint="albert-mini",
    span_budget_tokens=FULL_SPAN_TOKENS,
    encoder_sparsity=0.5,
    embedding_sparsity=0.6,
    weight_format=adaptivfloat(8, 3),
    activation_format=adaptivfloat(8, 3),
    embedding_storage=CellKind.RERAM_MLC2,
    encoder_storage=CellKind.SRAM,
)
EXITS = ExitKnobs(exit_policy=ExitPolicy.LATENCY_AWARE, entropy_threshold=0.28)
HARDWARE = HardwareKnobs(
    mac_vector_size=16,
    processing_units=1,
    data_sram_kib=128,
    mask_sram_kib=16,
    aux_sram_kib=32,
    envm_mib=2.0,
    min_voltage_v=0.5,
    max_voltage_v=0.8,
    dvfs_policy=DvfsPolicy.LOWEST_FEASIBLE,
)
POINT = DesignPoint(model=MODEL, exits=EXITS, hardware=HARDWARE)


@pytest.mark.parametrize(
    ("cell", "is_envm", "bits_per_cell"),
    [
        (CellKind.SRAM, False, 1),
        (CellKind.DRAM, False, 1),
        (CellKind.RERAM_SLC, True, 1),
        (CellKind.RERAM_MLC2, True, 2),
        (CellKind.RERAM_MLC3, True, 3),
        (CellKind.STT_MRAM, True, 1),
        (CellKind.PCM, True, 1),
        (CellKind.FEFET, True, 1),
    ],
)
def test_cells(cell: CellKind, is_envm: bool, bits_per_cell: int) -> None:
    """Embedded non-volatile cells, and how many bits each holds."""
    assert cell.is_envm is is_envm
    assert cell.bits_per_cell == bits_per_cell


def test_tables_are_not_kept_in_cells_that_are_misread() -> None:
    """A wrong exit or voltage table is no matter of accuracy alone."""
    with pytest.raises(ValueError, match=r"table_storage 'reram-mlc3': 3\.8e-3 of its"):
        replace(MODEL, table_storage=CellKind.RERAM_MLC3)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"embedding_storage": CellKind.RERAM_MLC3}, "embedding_storage=reram-mlc3"),
        (
            {"encoder_storage": CellKind.RERAM_MLC3},
            "encoder_storage=reram-mlc3 exit_storage=reram-mlc3",
        ),
        (
            {"encoder_storage": CellKind.RERAM_MLC3, "exit_storage": CellKind.SRAM},
            "encoder_storage=reram-mlc3",
        ),
        (
            {
                "exit_storage": CellKind.RERAM_MLC3,
                "special_functions": SpecialFunctions.FULLY_QUANTISED,
            },
            "exit_storage=reram-mlc3 special_functions=fully-quantised",
        ),
        ({"pruning_scope": PruningScope.GLOBAL}, "pruning_scope=global"),
        ({"head_sparsity": 0.5}, "head_sparsity=0.5"),
    ],
)
def test_what_else_changes_a_logit_is_named_in_one_more_text(
    changes: dict[str, Any], text: str
) -> None:
    """Cells that are misread and functions that are not exact; other keys stay as they were."""
    assert replace(MODEL, **changes).trace_key() == (*MODEL.trace_key(), text)


def test_key_of_a_setting_without_faults() -> None:
    """The six knobs, as traces have been recorded by."""
    cells = {"embedding_storage": CellKind.STT_MRAM, "encoder_storage": CellKind.PCM}
    model = replace(MODEL, **cells, table_storage=CellKind.FEFET)  # type: ignore[arg-type]
    formats = ("adaptivfloat<8,3>", "adaptivfloat<8,3>")
    assert model.trace_key() == ("albert-mini", 128, 0.5, 0.6, *formats)


def test_exits_are_stored_with_the_encoder_unless_told_otherwise() -> None:
    """The exit heads lie in the encoder's cells by default."""
    assert MODEL.cell_of_exits is CellKind.SRAM
    assert replace(MODEL, exit_storage=CellKind.PCM).cell_of_exits is CellKind.PCM


@pytest.mark.parametrize("knob", ["encoder_sparsity", "embedding_sparsity"])
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_sparsity_is_a_share_below_one(knob: str, value: float) -> None:
    """A sparsity below 0, of 1 or more, or that is no number is refused by name and value."""
    changes: dict[str, Any] = {knob: value}
    with pytest.raises(ValueError, match=rf"{knob} {value}: expected a share"):
        replace(MODEL, **changes)


@pytest.mark.parametrize("value", [-1, FULL_SPAN_TOKENS + 1])
def test_span_stays_within_the_longest_sequence(value: int) -> None:
    """A span budget below 0 or above the longest sequence is refused."""
    with pytest.raises(ValueError, match=rf"span_budget_tokens {value}: expected 0 to 128"):
        replace(MODEL, span_budget_tokens=value)


def test_threshold_is_not_negative() -> None:
    """Entropies are 0 or more, so is their threshold."""
    with pytest.raises(ValueError, match=r"entropy_threshold -0.1: expected 0 or more"):
        replace(EXITS, entropy_threshold=-0.1)


@pytest.mark.parametrize(
    ("knob", "value", "expected"),
    [
        ("normalised_entropy_threshold", -0.01, "0 to 1"),
        ("normalised_entropy_threshold", 30.0, "0 to 1"),
        ("confidence_threshold", 90.0, "0 to 1"),
        ("confidence_threshold", -0.5, "0 to 1"),
        ("patience", 0, "1 or more"),
        ("patience_tolerance", 0.0, "more than 0"),
    ],
)
def test_exit_knobs_stay_in_their_range(knob: str, value: float, expected: str) -> None:
    """Shares above 1, no patience and a tolerance of 0 are refused by name."""
    changes: dict[str, Any] = {knob: value}
    with pytest.raises(ValueError, match=rf"{knob} {value}: expected {expected}"):
        replace(EXITS, **changes)


def test_exit_knobs_of_each_policy() -> None:
    """Every policy says which exit knobs it looks at, and every one but `none` has a threshold."""
    assert set(KNOBS_OF_EXIT_POLICY) == set(ExitPolicy)
    named = {name for names in KNOBS_OF_EXIT_POLICY.values() for name in names}
    assert named == set(EXIT_KNOBS) - {"exit_policy"}
    assert [policy for policy, names in KNOBS_OF_EXIT_POLICY.items() if not names] == ["none"]


def test_codes_of_exit_policies_stay() -> None:
    """Exported codes count the policies, so that new ones are at the end."""
    assert [policy.value for policy in ExitPolicy][:3] == ["none", "entropy", "latency-aware"]


@pytest.mark.parametrize(
    "knob",
    [
        "mac_vector_size",
        "processing_units",
        "data_sram_kib",
        "mask_sram_kib",
        "aux_sram_kib",
        "min_voltage_v",
        "max_voltage_v",
    ],
)
def test_sizes_are_positive(knob: str) -> None:
    """A size or voltage of 0 is refused by name."""
    changes: dict[str, Any] = {knob: 0}
    with pytest.raises(ValueError, match=rf"{knob} 0: expected more than 0"):
        replace(HARDWARE, **changes)


def test_a_chip_may_lack_envm() -> None:
    """An eNVM capacity of 0 is a chip without it; a negative one is refused."""
    assert replace(HARDWARE, envm_mib=0.0).envm_mib == 0
    with pytest.raises(ValueError, match=r"envm_mib -1.0: expected 0 or more"):
        replace(HARDWARE, envm_mib=-1.0)


def test_flat_point_has_every_knob_in_order() -> None:
    """A flat design point names all knobs, in the order of the vocabulary, as plain values."""
    flat = POINT.as_flat()
    assert tuple(flat) == KNOBS
    assert {type(value) for value in flat.values()} <= {str, int, float}
    assert flat["weight_format"] == "adaptivfloat<8,3>"
    assert flat["embedding_storage"] == "reram-mlc2"


def test_flat_and_typed_points_are_inverse() -> None:
    """A design point that is flattened and read again is the same design point."""
    assert design_point(POINT.as_flat()) == POINT


@pytest.mark.parametrize(
    ("knob", "value", "changes_a_logit"),
    [
        ("checkpoint", "minilm-exits", True),
        ("span_budget_tokens", 16, True),
        ("encoder_sparsity", 0.0, True),
        ("embedding_sparsity", 0.0, True),
        ("weight_format", adaptivfloat(6, 3), True),
        ("activation_format", adaptivfloat(6, 3), True),
        ("embedding_storage", CellKind.SRAM, False),
        ("encoder_storage", CellKind.RERAM_SLC, False),
    ],
)
def test_trace_key_changes_with_what_changes_a_logit(
    knob: str, value: object, changes_a_logit: bool
) -> None:
    """Two settings share a trace if they differ in cells that are read as written alone."""
    changes: dict[str, Any] = {knob: value}
    assert (replace(MODEL, **changes).trace_key() != MODEL.trace_key()) is changes_a_logit


def test_activations_have_no_scale_for_each_channel() -> None:
    """Channels of activations are summed over, so only weights may have a scale for each."""
    channel = parse_number_format("int8-channel")
    assert replace(MODEL, weight_format=channel).weight_format == channel
    with pytest.raises(ValueError, match="activation_format 'int8-channel': a dot product sums"):
        replace(MODEL, activation_format=channel)
    with pytest.raises(ValueError, match="expected it without '-channel'"):
        Dimension("activation_format", ("int8", "int8-channel"))
