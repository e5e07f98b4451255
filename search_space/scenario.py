"""The scenario: what a study is for. Requirements, never searched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IdleAccounting(StrEnum):
    """What is charged between the end of a sentence and its deadline."""

    NONE = "none"
    LEAKAGE = "leakage"


class PowerMode(StrEnum):
    """What stays powered between sentences.

    ``always-on``: everything, at the lowest supply. ``retained``: SRAM that holds weights,
    embeddings or tables, at its floor voltage; the rest is gated and wakes up for each sentence.
    ``off``: nothing but a DRAM in self-refresh; volatile contents are loaded again each time.
    """

    ALWAYS_ON = "always-on"
    RETAINED = "retained"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What every design of a study is asked to do.

    Attributes:
        task: GLUE task, for example ``SST-2``.
        padded_tokens: every sentence is padded to that many tokens; None for actual lengths.
        deadline_ms: a sentence must be answered within that time, ms.
        sentences_per_hour: load that power figures assume.
        idle: what is charged up to the deadline.
        temperature_k: junction temperature that the constants are meant for, K.
        power_mode: what stays powered between sentences.
    """

    task: str
    padded_tokens: int | None
    deadline_ms: float
    sentences_per_hour: float
    idle: IdleAccounting
    temperature_k: float
    power_mode: PowerMode = PowerMode.RETAINED

    def __post_init__(self) -> None:
        """Refuse times, loads and lengths that are not positive."""
        for name in ("deadline_ms", "sentences_per_hour", "temperature_k"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} {getattr(self, name)}: expected more than 0.")
        if self.padded_tokens is not None and self.padded_tokens <= 0:
            raise ValueError(f"padded_tokens {self.padded_tokens}: expected more than 0.")
