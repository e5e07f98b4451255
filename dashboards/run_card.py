"""The head of the page: what was asked, how it was searched, what was found."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import numpy as np

from dashboards.titles import (
    entry_text,
    entry_title,
    knob_text,
    knob_title,
    metric,
    mid_sentence,
    number_text,
    with_unit,
    words,
)
from studies.membership import ROBUST
from studies.records import Front, Grid, ObjectiveRecord

Entry = tuple[str, str]


def run_card_html(front: Front) -> str:
    """Everything that a figure can be traced by, in three cards."""
    cards = (
        ("Scenario", scenario_entries(front)),
        ("Search", search_entries(front)),
        ("Provenance", provenance_entries(front)),
    )
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><h3>{title}</h3><dl>'
            + "".join(
                f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
                for name, text in entries
            )
            + "</dl></div>"
            for title, entries in cards
        )
        + "</div>"
    )


def scenario_entries(front: Front) -> list[Entry]:
    """What every design is asked to do, and the constraints."""
    entries = _entries(front.scenario)
    if "padded_tokens" in front.scenario:
        tokens = front.scenario["padded_tokens"]
        text = "actual lengths" if tokens is None else f"padded to {tokens} tokens"
        entries = [e for e in entries if e[0] != entry_title("padded_tokens")]
        entries.insert(1, ("Sequences", text))
    return [*entries, ("Constraints", "; ".join(front.constraints) or "none")]


def search_entries(front: Front) -> list[Entry]:
    """How the front was searched, and how its hypervolume is defined."""
    task = front.scenario.get("task")
    checkpoints = {design.knobs.get("checkpoint") for design in front.designs} - {None}
    return [
        ("Evaluator", f"{front.evaluator} traces" if front.evaluator == "recorded" else "live"),
        ("Strategy", front.strategy),
        *((words(name), f"{count:,}") for name, count in front.counts.items()),
        ("Designs on the front", f"{len(front.designs):,}"),
        ("Checkpoints on it", ", ".join(sorted(map(knob_text, checkpoints))) or "none"),  # type: ignore[arg-type]
        *((f"Objective {i}", _objective_text(o, task)) for i, o in enumerate(front.objectives, 1)),
        ("Hypervolume", f"{front.hypervolume:.6g}"),
        *([("Ended because", front.stopped)] if front.stopped else []),
        *([("Ranges", "; ".join(map(_grid_text, front.grids)))] if front.grids else []),
    ]


def provenance_entries(front: Front) -> list[Entry]:
    """Seed, versions, commit, machine and whatever else the record says of its origin."""
    return _entries(front.provenance) or [("Origin", "not recorded")]


def membership_note(front: Front) -> str:
    """How sure the places on the front are, in a sentence or two; empty if it is not recorded."""
    known = [d.membership for d in front.designs if d.membership is not None]
    if front.bootstrap is None or not known:
        return ""
    robust = sum(value >= ROBUST for value in known)
    rivals = front.bootstrap.rivals
    beside = f" and {rivals:,} dominated designs that come nearest" if rivals else ""
    return (
        f"Over {front.bootstrap.samples:,} bootstrap samples of the select sentences, the same "
        f"ones for all designs{beside}, {robust:,} of {len(known):,} designs are on the front in "
        f"{ROBUST:.0%} of the samples or more."
    )


def _grid_text(grid: Grid) -> str:
    steps = "equal ratios" if grid.log else "equal steps"
    return (
        f"{knob_title(grid.knob)} {number_text(grid.low)} to {number_text(grid.high)}, searched at "
        f"{grid.steps:,} values in {steps}"
    )


def found_sentence(front: Front) -> str:
    """What was found, in a sentence."""
    n = len(front.designs)
    if not n:
        return (
            "No design is on the front: nothing was scored yet, or nothing meets the constraints."
        )
    ranges = [
        f"{o_title} {_range_text(values, unit)}"
        for o_title, unit, values in _objective_ranges(front)
    ]
    designs = "1 design is" if n == 1 else f"{n:,} designs are"
    return f"{designs} on the front: {_listed(ranges)}."


def honest_note(front: Front) -> str:
    """What the accuracies, or whatever the task's primary metric is, are and are not."""
    title = metric("accuracy", front.scenario.get("task")).title
    errors = [d.metrics["accuracy"].se for d in front.designs if "accuracy" in d.metrics]
    known = [100 * se for se in errors if se is not None]
    size = f" (here {_range_text(np.array(known), 'points')})" if known else ""
    return (
        f"{title} is on the select split, which designs were chosen by, with one standard error"
        f"{size}; choosing flatters it, so the {mid_sentence(title)} on the report split, which "
        "nothing was chosen by, stands beside it. Energy, latency, area, power and storage come "
        "from a cost model."
    )


def _objective_ranges(front: Front) -> Iterable[tuple[str, str, Any]]:
    for objective in front.objectives:
        about = metric(objective.metric, front.scenario.get("task"))
        values = [d.metrics[about.name].value for d in front.designs if about.name in d.metrics]
        if values:
            yield mid_sentence(about.title), about.unit, np.array(values) * about.scale


def _range_text(values: Any, unit: str) -> str:
    low, high = (number_text(float(f"{end:.3g}")) for end in (values.min(), values.max()))
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _objective_text(objective: ObjectiveRecord, task: object) -> str:
    about = metric(objective.metric, task)
    ideal, reference = (
        number_text(end * about.scale) for end in (objective.ideal, objective.reference)
    )
    return (
        f"{objective.direction} {with_unit(mid_sentence(about.title), about.unit)}, "
        f"{objective.axis} axis from {ideal} (ideal) to {reference} (reference)"
    )


def _entries(record: dict[str, Any]) -> list[Entry]:
    """One entry a key; a nested record becomes one entry for each of its keys."""
    return [(entry_title(name), entry_text(value)) for name, value in record.items()]


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
