"""Examples that the tests of the cost model share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hw_cost import AcceleratorColumns, EncoderShape, Groups, Technology, Workload, load_technology
from search_space import (
    CellKind,
    DvfsPolicy,
    HardwareKnobs,
    IdleAccounting,
    Scenario,
    adaptivfloat,
)


@pytest.fixture(scope="session")
def technology() -> Technology:
    """The shipped constants."""
    return load_technology()


@pytest.fixture(scope="session")
def albert_base() -> EncoderShape:
    """ALBERT-base with an exit after every layer."""
    return EncoderShape(
        layers=12,
        distinct_layers=1,
        hidden=768,
        heads=12,
        ffn=3072,
        embedding_width=128,
        vocabulary=30000,
        positions=512,
        token_types=2,
        classes=2,
    )


@pytest.fixture(scope="session")
def bert_base() -> EncoderShape:
    """BERT-base with an exit after every layer."""
    return EncoderShape(
        layers=12,
        distinct_layers=12,
        hidden=768,
        heads=12,
        ffn=3072,
        embedding_width=768,
        vocabulary=30522,
        positions=512,
        token_types=2,
        classes=2,
    )


@pytest.fixture(scope="session")
def make_shape() -> Callable[..., EncoderShape]:
    """A small encoder, 6 layers that share weights, with some fields replaced."""

    def make(**changes: Any) -> EncoderShape:
        fields = {
            "layers": 6,
            "distinct_layers": 1,
            "hidden": 96,
            "heads": 4,
            "ffn": 384,
            "embedding_width": 48,
            "vocabulary": 1000,
            "positions": 128,
            "token_types": 2,
            "classes": 2,
        }
        return EncoderShape(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def make_workload(make_shape: Callable[..., EncoderShape]) -> Callable[..., Workload]:
    """A workload on the small encoder, dense, 8 bit and in SRAM, with some fields replaced."""

    def make(**changes: Any) -> Workload:
        shape = changes.pop("shape", make_shape())
        fields = {
            "head_spans": ((128,) * shape.heads,) * shape.distinct_layers,
            "encoder_density": 1.0,
            "embedding_density": 1.0,
            "weight_format": adaptivfloat(8, 3),
            "activation_format": adaptivfloat(8, 3),
            "embedding_storage": CellKind.SRAM,
            "encoder_storage": CellKind.SRAM,
        }
        return Workload(shape=shape, **(fields | changes))

    return make


@pytest.fixture(scope="session")
def make_columns() -> Callable[..., AcceleratorColumns]:
    """Columns of designs, each given by what differs from one that runs the small encoder."""

    def make(*designs: dict[str, Any]) -> AcceleratorColumns:
        fields: dict[str, Any] = {
            "mac_vector_size": 16,
            "processing_units": 1,
            "data_sram_kib": 128,
            "mask_sram_kib": 16,
            "aux_sram_kib": 32,
            "envm_mib": 0.0,
            "min_voltage_v": 0.5,
            "max_voltage_v": 0.8,
            "dvfs_policy": DvfsPolicy.FIXED,
        }
        return AcceleratorColumns.from_knobs([HardwareKnobs(**(fields | d)) for d in designs])

    return make


@pytest.fixture(scope="session")
def make_scenario() -> Callable[..., Scenario]:
    """A scenario with a deadline of 1 ms, with some fields replaced."""

    def make(**changes: Any) -> Scenario:
        fields = {
            "task": "SST-2",
            "padded_tokens": None,
            "deadline_ms": 1.0,
            "sentences_per_hour": 3600.0,
            "idle": IdleAccounting.NONE,
            "temperature_k": 350.0,
        }
        return Scenario(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def make_groups() -> Callable[..., Groups]:
    """Groups of (tokens, predicted layer, actual layer) rows."""

    def make(*rows: tuple[int, int, int]) -> Groups:
        tokens, predicted, actual = np.array(rows, dtype=np.int64).T
        return Groups(tokens, predicted, actual)

    return make
