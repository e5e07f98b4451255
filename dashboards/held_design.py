"""A design that a page holds on to while its run goes on.

On a front that grows, the number of a design is that of another one after a while, and a design may
leave the front. So a page keeps the design itself, as a text with a seal of this server: no page
can ask for the scores of what is not, or was not, a design of a run that is shown.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from dashboards.run_views import RunView
from search_space import KnobValue
from studies.records import FrontDesign

_KEY: Final = secrets.token_bytes(32)
"""Of the seals, for as long as the server runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDesign:
    """A design, and what must be known to score it anew and compare.

    Attributes:
        run: name of its run.
        asked: what the page named it by.
        task: of the study.
        deadline_ms: of the study.
        trial: that found it.
        knobs: of the design, flat.
        values: its metrics by name.
    """

    run: str
    asked: Any
    task: Any
    deadline_ms: float
    trial: int
    knobs: Mapping[str, KnobValue]
    values: Mapping[str, float]

    @classmethod
    def of(cls, view: RunView, design: FrontDesign, asked: Any) -> HeldDesign:
        """A design of a run as it is now.

        Args:
            view: of the run.
            design: which.
            asked: what the page named it by.
        """
        return cls(
            run=view.name,
            asked=asked,
            task=view.task,
            deadline_ms=float(view.snapshot.spec.scenario.deadline_ms),
            trial=design.trial,
            knobs=design.knobs,
            values={name: figure.value for name, figure in design.metrics.items()},
        )

    def stored(self) -> dict[str, str]:
        """For a store of the page: a text, as browsers do not tell 1.0 from 1, and its seal."""
        text = json.dumps(asdict(self))
        return {"text": text, "seal": _seal(text)}

    def name_in(self, view: RunView) -> str:
        """The design by its number on the front as it is now."""
        for design in view.front.designs:
            if design.trial == self.trial and design.knobs == self.knobs:
                return f"Design #{design.id}"
        return f"A design of trial {self.trial:,}, which has left the front"


def held_design(stored: Any) -> HeldDesign | None:
    """The design that a store holds; None without one, or if the seal is not of this server."""
    if not isinstance(stored, dict):
        return None
    text, seal = stored.get("text"), stored.get("seal")
    if not isinstance(text, str) or not isinstance(seal, str):
        return None
    if not hmac.compare_digest(seal.encode(), _seal(text).encode()):
        return None
    return HeldDesign(**json.loads(text))


def _seal(text: str) -> str:
    return hmac.new(_KEY, text.encode(), sha256).hexdigest()
