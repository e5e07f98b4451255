"""The validation: every section, and the platforms beside the chip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.validation.arithmetic import arithmetic_section
from studies.validation.edgebert import edgebert_section
from studies.validation.encoders import encoder_section
from studies.validation.memories import envm_section, sram_section
from studies.validation.platforms import Platform, PlatformRow, platform_rows
from studies.validation.rows import Row, Section, Verdict
from studies.validation.silicon import chip_section, synthesis_section


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The model against published figures.

    Attributes:
        sections: rows by subject.
        platforms: other platforms beside the model's chip.
    """

    sections: tuple[Section, ...]
    platforms: tuple[PlatformRow, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Rows of all sections."""
        return tuple(row for section in self.sections for row in section.rows)

    @property
    def summary(self) -> str:
        """How many rows agree, in a sentence."""
        counts = Counter(row.verdict for row in self.rows)
        return (
            f"{len(self.rows)} figures: {counts[Verdict.AGREES]} agree, "
            f"{counts[Verdict.FAILS]} do not, {counts[Verdict.NOT_COMPARED]} without a comparison."
        )

    def failures(self) -> dict[str, list[Row]]:
        """Rows that do not agree, by the reason why."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.verdict is not Verdict.AGREES:
                found.setdefault(row.reason, []).append(row)
        return found

    def as_json(self) -> dict[str, Any]:
        """The validation as JSON values."""
        return {
            "summary": self.summary,
            "sections": [section.as_json() for section in self.sections],
            "platforms": [row.as_json() for row in self.platforms],
        }


def validation(reference: Path | None, platforms: Iterable[Platform]) -> Validation:
    """Every comparison.

    Args:
        reference: folder with data of EdgeBERT's authors; without it their rows are not run.
        platforms: to set beside the chip.

    Raises:
        ReferenceDataError: the folder lacks the data.
    """
    return Validation(
        sections=(
            chip_section(),
            synthesis_section(),
            edgebert_section(reference),
            encoder_section(),
            arithmetic_section(),
            sram_section(),
            envm_section(),
        ),
        platforms=platform_rows(platforms),
    )
