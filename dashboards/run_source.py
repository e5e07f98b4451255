"""What a dashboard asks of a run; `dse.watched_run` has it of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from studies.bench import Bench
from studies.run_snapshot import RunSnapshot


class RunSource(Protocol):
    """One run, finished or going on."""

    @property
    def name(self) -> str:
        """Of the run, different for every run of a dashboard."""

    @property
    def path(self) -> Path:
        """Of its folder, as the user gave it."""

    def snapshot(self) -> RunSnapshot:
        """What is known now: the same object while nothing changes; ValueError if damaged."""

    def bench(self) -> Bench:
        """What scores its designs; ValueError with the reason if they cannot be scored."""

    def importances(self, target: str) -> Mapping[str, float]:
        """Share of a trial value's variance by knob, largest first; ValueError if unknown."""

    def exported(self, design_id: int) -> Mapping[str, bytes]:
        """Files of a design's export folder by name; ValueError if it cannot be exported."""
