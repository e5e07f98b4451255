"""What racing spared a study: settings stopped, sentences measured and sentences saved."""

from __future__ import annotations

from dse.evaluation import Evaluation, Flat
from dse.search import Search
from search_space import ModelKnobs, TraceKey, model_knobs


def race_counts(search: Search, evaluation: Evaluation) -> dict[str, int]:
    """Counts of a finished search with racing; empty of one without.

    A trace serves all settings that differ in storage alone and is counted once. Sentences of the
    other splits are measured for the settings on the front, and count for these. What a condition
    forbids has no sentences that could be saved.

    Returns:
        ``pruned`` settings; ``sentences`` measured; ``sentences_saved`` of those that all traces
        would have had.
    """
    if search.spec.search.racing is None:
        return {}
    measured: dict[TraceKey, int] = {}
    for told in search.told:
        is_setting = search.space.violation(told.flat) is None
        if is_setting and told.repeated_of is None and told.outcome.state != "failed":
            key = _knobs(told.flat, evaluation).trace_key()
            measured[key] = max(measured.get(key, 0), told.outcome.sentences)
    pruned = sum(told.outcome.state == "pruned" for told in search.told)
    flats = [search.told_by_number[trial].flat for trial, _, _ in search.archive.members]
    if not flats:
        return {"pruned": pruned, "sentences": sum(measured.values())}
    whole = len(evaluation.setting({**flats[0], **evaluation.inner.storage[0]}).trace.tokens)
    measured |= {_knobs(flat, evaluation).trace_key(): whole for flat in flats}
    spent = sum(measured.values())
    return {
        "pruned": pruned,
        "sentences": spent,
        "sentences_saved": whole * len(measured) - spent,
    }


def _knobs(flat: Flat, evaluation: Evaluation) -> ModelKnobs:
    """The model knobs of a trial; of enumerated storage the first, all of which share a trace."""
    return model_knobs({**flat, **evaluation.inner.storage[0]})
