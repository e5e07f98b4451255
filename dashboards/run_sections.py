"""Sections of the report that need more than the front: its trials, and its knee scored anew."""

from __future__ import annotations

from typing import Final

import plotly.graph_objects as go

from dashboards.compare_section import compare_body
from dashboards.design_figures import (
    entropy_figure,
    gemm_figure,
    sensitivity_figure,
    slack_figure,
)
from dashboards.knob_figures import (
    contour_figure,
    correlation_figure,
    correlations,
    importance_figure,
    slice_figure,
    text_knobs,
)
from dashboards.progress_figures import duration_figure, state_figure
from dashboards.recommended import recommended_designs
from dashboards.report_parts import (
    Drawing,
    Section,
    drawn_html,
    note_html,
    plain_table_html,
    sentence_html,
)
from dashboards.run_source import RunSource
from dashboards.scored_design import ScoredDesign
from dashboards.trial_values import first_target, targets, value_scale, value_title
from studies.bench import one_at_a_time
from studies.choosing import knee
from studies.health import findings
from studies.records import FrontDesign
from studies.run_snapshot import RunSnapshot
from studies.trial_table import Floats, TrialTable

MOST_CORRELATED: Final = 8
"""Values that knobs are correlated with."""


def run_sections(run: RunSource) -> list[Section]:
    """Recommended designs, knee, search, knobs and health of a run, as the dashboard shows them.

    Raises:
        ValueError: the run is damaged.
    """
    snapshot = run.snapshot()
    return [
        Section(
            "recommended-section",
            "Recommended designs",
            "Recommended designs",
            _recommended_body(snapshot),
        ),
        Section("knee-section", "Knee", "The knee, scored anew", _knee_body(run, snapshot)),
        Section("compare-section", "Compare", "Two designs", compare_body(run, snapshot)),
        Section("search-section", "Search", "Trials of the search", _search_body(snapshot)),
        Section("knobs-section", "Knobs", "What the knobs do", _knobs_body(run, snapshot)),
        Section("health-section", "Health", "Health of the run", _health_body(snapshot)),
    ]


def _recommended_body(snapshot: RunSnapshot) -> str:
    chosen = recommended_designs(snapshot.front)
    if not chosen:
        return sentence_html("There is no design to recommend.")
    rows = [[f"#{each.design.id}", each.title, each.reason] for each in chosen]
    return plain_table_html(["Design", "Why", "Against its neighbour"], rows)


def _knee_body(run: RunSource, snapshot: RunSnapshot) -> str:
    if not snapshot.front.designs:
        return sentence_html("The front has no designs, so it has no knee.")
    design = knee(snapshot.front)
    try:
        bench = run.bench()
        found = ScoredDesign.of(bench, design.knobs)
    except ValueError as error:
        return sentence_html(f"It cannot be scored here: {error}")
    scenario, exits = bench.scorer.scenario, found.point.exits
    drawings: tuple[tuple[str, str, int, Drawing], ...] = (
        (
            "knee-entropy",
            "Entropy against the threshold",
            320,
            lambda: entropy_figure(found.setting, exits, "light"),
        ),
        (
            "knee-slack",
            "Voltage and deadline",
            320,
            lambda: slack_figure(found.histogram, found.scores.table, scenario, "light"),
        ),
        (
            "knee-gemms",
            "Utilisation of each GEMM",
            440,
            lambda: gemm_figure(found.gemms(bench), "light"),
        ),
        ("knee-change", "One knob at a time", 440, lambda: _change_figure(run, snapshot, design)),
    )
    note = f"Design #{design.id}: the nearest to the best of all objectives."
    return note_html(note) + "".join(drawn_html(*drawing) for drawing in drawings)


def _change_figure(run: RunSource, snapshot: RunSnapshot, design: FrontDesign) -> go.Figure:
    changed = one_at_a_time(run.bench(), snapshot.spec.search_space(), design.knobs)
    name, task = snapshot.front.axes()[0], snapshot.front.scenario.get("task")
    return sensitivity_figure(changed, name, design.metrics[name].value, task, "light")


def _search_body(snapshot: RunSnapshot) -> str:
    trials = snapshot.trials
    if not len(trials):
        return sentence_html("No trial has ended.")
    body = drawn_html(
        "search-states", "What became of the trials", 380, lambda: state_figure(trials, "light")
    )
    body += drawn_html(
        "search-times", "Time of each evaluation", 340, lambda: duration_figure(trials, "light")
    )
    reasons = trials.reason_counts()
    if reasons:
        rows = [[f"{count:,}", state, reason] for state, reason, count in reasons[:12]]
        body += plain_table_html(["Trials", "State", "Reason"], rows)
    return body


def _knobs_body(run: RunSource, snapshot: RunSnapshot) -> str:
    trials, task = snapshot.trials, snapshot.front.scenario.get("task")
    varying = [name for name, knob in trials.knobs.items() if len(knob.levels) > 1]
    names = targets(snapshot)
    if not varying or not names:
        return sentence_html("No knob varies over the trials: there is nothing to compare.")
    target = first_target(snapshot)
    title, values = value_title(target, task), trials.values[target] * value_scale(target)
    columns = {name: trials.values[name] for name in names[:MOST_CORRELATED]}
    titles = [value_title(name, task).partition(" (")[0] for name in columns]
    height = 110 + 26 * len(varying)
    body = drawn_html(
        "knob-importances",
        "Importance",
        height,
        lambda: importance_figure(run.importances(target), title, "light"),
    )
    body += drawn_html(
        "knob-correlations",
        "Correlation",
        height,
        lambda: _correlated_figure(trials, columns, titles),
    )
    body += drawn_html(
        "knob-slice", "Slice", 400, lambda: slice_figure(trials, varying[0], values, title, "light")
    )
    if len(varying) > 1:
        body += drawn_html(
            "knob-pair",
            "Two knobs together",
            400,
            lambda: contour_figure(trials, varying[0], varying[1], values, title, "light"),
        )
    return body


def _correlated_figure(
    trials: TrialTable, columns: dict[str, Floats], titles: list[str]
) -> go.Figure:
    """How every knob goes with some values of the trials."""
    knobs, found = correlations(trials, columns)
    return correlation_figure(knobs, titles, found, text_knobs(trials), "light")


def _health_body(snapshot: RunSnapshot) -> str:
    rows = [[f.verdict, f.check, f.text, f.remedy or "–"] for f in findings(snapshot)]
    return plain_table_html(["Verdict", "Check", "What was found", "What to do"], rows)
