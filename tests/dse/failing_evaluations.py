"""Evaluations that fail in every way that workers do, and what is recorded of them."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from dse.evaluation import Evaluation
from dse.executors import InlineExecutor
from dse.outcomes import Outcome
from tests.dse.conftest import FormulaExecutor, opened, quiet
from tests.dse.reliability import Tally, rows_of
from tests.small_study import small_document, spec_with


class _Unreliable:
    """Evaluations that fail in one of several ways, for designs with a small array."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._formula = FormulaExecutor()
        self.attempts = 0

    def evaluate(self, _kind: str, flat: Any, _rivals: Any) -> Outcome:
        """The formula's outcome, or a fault for designs with a small array."""
        outcome = self._formula.outcome(flat)
        if flat["mac_vector_size"] != 4:
            return outcome
        self.attempts += 1
        if self._way == "raises":
            raise ZeroDivisionError("division by zero")
        if self._way == "runs out of memory":
            raise MemoryError
        if self._way == "hangs":
            time.sleep(60)
        values = {"nan": math.nan, "infinity": -math.inf, "text": "0.5", "a truth value": True}
        metrics: Any = {**outcome.metrics, "accuracy": values.get(self._way, 0.5)}
        if self._way == "too few values":
            return replace(outcome, values=[[0.5]])
        return replace(outcome, state="complete", metrics=metrics)


WAYS: Final[dict[str, tuple[int, str]]] = {
    "raises": (1, "ZeroDivisionError: division by zero"),
    "runs out of memory": (3, "3 attempts failed, the last because MemoryError"),
    "hangs": (3, "3 attempts failed, the last because it took longer than 0.1 s"),
    "nan": (1, "the evaluation gave accuracy nan: expected a finite number"),
    "infinity": (1, "the evaluation gave accuracy -inf: expected a finite number"),
    "text": (1, "the evaluation gave accuracy '0.5': expected a number"),
    "a truth value": (1, "the evaluation gave accuracy True: expected a number"),
    "too few values": (1, "the evaluation gave 1 objective values: expected 3"),
}
"""Attempts and reason of every way to fail."""


def failing_evaluations(folder: Path, trials: int) -> Tally:
    """Evaluations that raise, hang, run out of memory or return what cannot be told."""
    folder.mkdir()
    tally = Tally("an evaluation that raised, hung, ran out of memory or gave what is no result")
    for number, (way, (attempts, reason)) in enumerate(WAYS.items()):
        (folder / str(number)).mkdir()
        evaluation = _Unreliable(way)
        limit_s = 0.1 if way == "hangs" else None
        executor = InlineExecutor(cast(Evaluation, evaluation), limit_s)
        sampler = {"name": "random"}
        spec = spec_with(small_document(), strategy="joint", trials=trials, sampler=sampler)
        search = opened(spec, folder / str(number))
        search.run(executor, quiet)
        first = [told for told in search.told if told.repeated_of is None]
        failed = [told for told in first if told.outcome.state == "failed"]
        right = [told for told in failed if told.outcome.reason.startswith(reason)]
        tally.count += len(failed)
        tally.detected += len(right)
        tally.lost += abs(evaluation.attempts - attempts * len(failed))
        again = rows_of(opened(spec, folder / str(number)))
        tally.lost += again != rows_of(search)
        finite = all(math.isfinite(v) for row in search.archive.values for v in row)
        tally.lost += not finite
    return tally
