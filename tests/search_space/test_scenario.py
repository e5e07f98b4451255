"""What a study is for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_space import IdleAccounting, Scenario

SCENARIO = Scenario(
    task="SST-2",
    padded_tokens=None,
    deadline_ms=5.0,
    sentences_per_hour=1000.0,
    idle=IdleAccounting.LEAKAGE,
    temperature_k=300.0,
)


@pytest.mark.parametrize(
    "field", ["deadline_ms", "sentences_per_hour", "temperature_k", "padded_tokens"]
)
@pytest.mark.parametrize("value", [0, -1])
def test_quantities_must_be_positive(field: str, value: int) -> None:
    """A time, load, temperature or length of 0 or less is refused by name and value."""
    with pytest.raises(ValueError, match=rf"{field} {value}: expected more than 0"):
        replace(SCENARIO, **{field: value})  # type: ignore[arg-type]  # any field, by its name


def test_padding_is_optional() -> None:
    """Sentences keep their own length, or all have one."""
    assert SCENARIO.padded_tokens is None
    assert replace(SCENARIO, padded_tokens=128).padded_tokens == 128
