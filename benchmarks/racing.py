"""What racing saves, and whether the front is the same: nested studies with and without it.

``python benchmarks/racing.py FRONTS [--seeds 10] [--looks 250 500] [--study NAME]
[--sampler NAME] [--trials N] [--json]``

Sentences are replayed from recorded traces in the order in which they are drawn; inner fronts of
settings that go on come from the folder FRONTS (`exact_fronts`), which is made if need be. Each
seed runs the study twice. Counted are sentences of distinct traces: all of them without racing;
with it those drawn until a setting was stopped, all of the select split of the others, and the
report split of settings on the front.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from exact_fronts import ExactFronts, ReplayedEvaluation, trace_of
from figures import parsed

from dse.evaluation import Evaluation, Flat
from dse.executors import InlineExecutor
from dse.outcomes import Outcome
from dse.race_counts import race_counts
from dse.racing import Rivals
from dse.search import Search
from dse.storage import open_storage
from dse.trace_sources import looks_of
from studies.presets import load_study
from studies.recorded import SHIPPED, RecordedTraces
from studies.spec import StudySpec


class RacedReplay(Evaluation):
    """Races settings on recorded traces; what goes on has the inner front that is known."""

    def __init__(self, spec: StudySpec, traces: Path, fronts: ExactFronts) -> None:
        super().__init__(spec, RecordedTraces(traces, looks_of(spec)))
        self._fronts = fronts
        self._n_select = len(RecordedTraces(traces).select_tokens(str(spec.space["checkpoint"][0])))

    def evaluate_setting(self, flat: Flat, rivals: Rivals | None = None) -> Outcome:
        """A lost race, or the inner front."""
        assert self._racing is not None
        assert rivals is not None
        drawn, reason, is_fit = self._racing.run(flat, self.inner, rivals)
        if not is_fit:
            return Outcome(state="infeasible", reason=reason)
        if reason:  # the estimate for the sampler is the front of all sentences: near enough here
            known = self._fronts[flat].outcome
            return Outcome(
                state="pruned",
                reason=reason,
                estimate=known.values,
                own_hypervolume=known.own_hypervolume,
                sentences=len(drawn.tokens),
            )
        return replace(self._fronts[flat].outcome, sentences=self._n_select)


def searched(spec: StudySpec, evaluation: Evaluation) -> Search:
    """A finished search in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        search = Search(spec, open_storage(None, Path(folder) / "journal.log"), "benchmark")
        search.run(InlineExecutor(evaluation), lambda _: None)
    return search


def compared(
    spec: StudySpec,
    traces: Path,
    fronts: ExactFronts,
    raced: RacedReplay,
    looks: Sequence[int],
    seed: int,
) -> dict[str, Any]:
    """One seed with and without racing."""
    plain_spec = spec.with_overrides({"search.seed": seed})
    plain = searched(plain_spec, ReplayedEvaluation(plain_spec, traces, fronts))
    with_racing = searched(plain_spec.with_overrides({"search.racing.looks": looks}), raced)
    counts = race_counts(with_racing, raced)
    whole = counts["sentences"] + counts["sentences_saved"]
    flats = [told.flat for told in with_racing.told]
    measured: dict[tuple[Any, ...], int] = defaultdict(int)
    for told in with_racing.told:
        if with_racing.space.violation(told.flat) is not None:
            continue
        trace = trace_of(told.flat, spec)
        measured[trace] = max(measured[trace], told.outcome.sentences)
    n_select = max(measured.values())
    n_begun = [n for n in measured.values() if n < n_select]
    on_both = _rows(plain) & _rows(with_racing)
    tried = {json.dumps(flat, sort_keys=True) for flat in flats}
    same_tried = tried == {json.dumps(told.flat, sort_keys=True) for told in plain.told}
    exact = {tuple(row) for row in fronts.front_of(flats).tolist()}
    return {
        "seed": seed,
        "traces": len(measured),
        "traces_not_begun": sum(n == 0 for n in n_begun),
        "traces_stopped_at_a_look": sum(n > 0 for n in n_begun),
        "settings_stopped": counts["pruned"],
        "share_saved_at_looks": round(sum(n_select - n for n in n_begun if n) / whole, 4),
        "share_saved": round(counts["sentences_saved"] / whole, 4),
        "hypervolume": with_racing.archive.hypervolume,
        "without_racing": plain.archive.hypervolume,
        "same_settings_tried": same_tried,
        "front": len(_rows(with_racing)),
        "front_in_both": len(on_both),
        "lost_of_front": len(exact - _rows(with_racing)),
    }


def _rows(search: Search) -> set[tuple[float, ...]]:
    return {tuple(row) for row in search.archive.values.tolist()}


def main() -> None:
    """Print a row for each seed, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fronts", type=Path)
    parser.add_argument("--study", default="edgebert-sst2")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--looks", type=int, nargs="*", default=[250, 500])
    parser.add_argument("--sampler", help="instead of the study's own")
    parser.add_argument("--trials", type=int, help="instead of the study's own")
    parser.add_argument("--traces", type=Path, default=SHIPPED)
    arguments = parsed(parser)
    spec = load_study(arguments.study)
    changes: dict[str, Any] = {}
    if arguments.sampler is not None:
        changes["search.sampler"] = {"name": arguments.sampler}
    if arguments.trials is not None:
        changes["search.trials"] = arguments.trials
    spec = spec.with_overrides(changes)
    fronts = ExactFronts.of(arguments.fronts, spec, arguments.traces)
    raced = RacedReplay(
        spec.with_overrides({"search.racing.looks": arguments.looks}), arguments.traces, fronts
    )
    rows = []
    for seed in range(arguments.seeds):
        rows.append(compared(spec, arguments.traces, fronts, raced, arguments.looks, seed))
        print(rows[-1], file=sys.stderr, flush=True)
    saved = [row["share_saved"] for row in rows]
    result = {
        "seeds": rows,
        "share_saved": [round(float(v), 4) for v in (np.mean(saved), np.min(saved), np.max(saved))],
        "designs_of_fronts_lost": sum(row["lost_of_front"] for row in rows),
    }
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    mean, least, most = result["share_saved"]
    print(
        f"saved {mean:.1%} of the sentences ({least:.1%} to {most:.1%}); designs lost from fronts: "
        f"{result['designs_of_fronts_lost']}"
    )


if __name__ == "__main__":
    main()
