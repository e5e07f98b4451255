"""The report's section that sets two designs side by side, as the dashboard's page does."""

from __future__ import annotations

from functools import partial

import plotly.graph_objects as go

from dashboards.compare_figures import ablation_figure, roofline_figure, waterfall_figure
from dashboards.report_parts import Drawing, drawn_html, note_html, sentence_html
from dashboards.run_source import RunSource
from dashboards.scored_design import ScoredDesign
from dashboards.stack_data import COSTS, parts_of
from dashboards.titles import metric
from studies.ablation import ablation_path
from studies.choosing import knee
from studies.metrics import is_score
from studies.records import FrontDesign
from studies.reference_design import scored_reference
from studies.run_snapshot import RunSnapshot


def compare_body(run: RunSource, snapshot: RunSnapshot) -> str:
    """The knee beside the design that is first by the first objective, and how one came to it."""
    front = snapshot.front
    if len(front.designs) < 2:
        return sentence_html("The front has no two designs to compare.")
    pair = (knee(front), front.designs[0])
    if pair[0].id == pair[1].id:
        pair = (front.designs[1], front.designs[0])
    drawings: list[tuple[str, str, int, Drawing]] = [
        (f"compare-{field}", title, 340, partial(_waterfall, pair, field))
        for field, (_, title) in COSTS.items()
    ]
    drawings += [
        ("compare-roofline", "Roofline", 380, lambda: _roofline(run, pair)),
        (
            "compare-ablation",
            f"From the published design to #{pair[0].id}",
            460,
            lambda: _ablation(run, snapshot, pair[0]),
        ),
    ]
    note = f"Design #{pair[0].id} and design #{pair[1].id}: which block makes the difference."
    return note_html(note) + "".join(drawn_html(*drawing) for drawing in drawings)


def _names(pair: tuple[FrontDesign, FrontDesign]) -> tuple[str, str]:
    return f"#{pair[0].id}", f"#{pair[1].id}"


def _waterfall(pair: tuple[FrontDesign, FrontDesign], field: str) -> go.Figure:
    name, title = COSTS[field]
    first, second = ({p.name: p.amount for p in parts_of(d, field, name)} for d in pair)
    return waterfall_figure(first, second, _names(pair), title, metric(name).unit, "light")


def _roofline(run: RunSource, pair: tuple[FrontDesign, FrontDesign]) -> go.Figure:
    bench, shown = run.bench(), {}
    for name, design in zip(_names(pair), pair, strict=True):
        scored = ScoredDesign.of(bench, design.knobs)
        shown[name] = (scored.gemms(bench), scored.point.model.weight_format)
    return roofline_figure(shown, "light")


def _ablation(run: RunSource, snapshot: RunSnapshot, design: FrontDesign) -> go.Figure:
    bench, spec = run.bench(), snapshot.spec
    reference = scored_reference(bench, spec)
    if reference is None:
        raise ValueError("The published design is of SST-2 and has no place in this study's space.")
    costs = [o.metric for o in snapshot.front.objectives if not is_score(o.metric)]
    name = costs[0] if costs else "energy_pj"
    steps = ablation_path(bench, reference[0], design.knobs, name)
    return ablation_figure(steps, name, snapshot.front.scenario.get("task"), "light")
