"""Figures of one design: where costs go, when sentences leave, at which voltage and how late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import plotly.graph_objects as go

from dashboards.figure_style import styled
from dashboards.palette import CATEGORIES, ordered_colours
from dashboards.stack_data import Part
from dashboards.theme import COLOURS, Theme, themed
from dashboards.titles import knob_text, knob_title, metric, plotly_text, words
from evaluators.exits import ExitHistogram
from hw_cost import CostTable, ExplainedGemm
from search_space import ExitKnobs, ExitPolicy, Scenario
from studies.bench import Changed
from studies.metrics import is_score
from studies.scoring import Setting

MOST_PARTS: Final = 9
_NS_PER_MS: Final = 1e6
_BANDS: Final = ((5, 95, 0.16), (25, 75, 0.32))
_BAND_COLOURS: Final[dict[Theme, str]] = {"light": "0, 114, 178", "dark": "86, 180, 233"}
_BOUND_COLOURS: Final = {"compute": CATEGORIES[0], "special functions": CATEGORIES[3]}


def parts_figure(parts: Sequence[Part], unit: str, theme: Theme) -> go.Figure:
    """Bars of the parts of one cost, the largest on top; small ones are summed."""
    shown = list(parts[:MOST_PARTS])
    rest = parts[MOST_PARTS:]
    if rest:
        name = f"{len(rest)} smaller parts"
        shown.append(Part(name, sum(p.amount for p in rest), sum(p.percent for p in rest)))
    shown.reverse()
    figure = go.Figure(
        go.Bar(
            x=[part.amount for part in shown],
            y=[plotly_text(words(part.name)) for part in shown],
            orientation="h",
            marker={"color": CATEGORIES[0], "line": {"width": 0}},
            text=[f"{part.percent:.0f} %" if part.percent >= 1 else "<1 %" for part in shown],
            textposition="outside",
            cliponaxis=False,
            hovertemplate=f"%{{y}}: %{{x:.4~g}} {plotly_text(unit)}<extra></extra>",
        )
    )
    styled(figure, height=300)
    figure.update_layout(
        xaxis={"title": {"text": plotly_text(unit)}, "rangemode": "tozero", "nticks": 6},
        yaxis={"ticks": "", "showgrid": False},
        margin={"l": 8, "r": 44, "t": 8, "b": 44},
        bargap=0.28,
    )
    return themed(figure, theme)


def exit_bars(shares: Sequence[float], theme: Theme) -> go.Figure:
    """Share of the sentences that leaves after each layer."""
    percents = [100 * share for share in shares]
    figure = go.Figure(
        go.Bar(
            x=list(range(1, len(percents) + 1)),
            y=percents,
            marker={"color": CATEGORIES[0], "line": {"width": 0}},
            text=[f"{p:.0f}" if p >= 0.5 else "" for p in percents],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="Layer %{x}: %{y:.1f} % of the sentences<extra></extra>",
        )
    )
    styled(figure, height=300)
    figure.update_layout(
        xaxis={"title": {"text": "Layer after which a sentence leaves"}, "dtick": 1},
        yaxis={"title": {"text": "Sentences (%)"}, "rangemode": "tozero"},
        margin={"l": 60, "r": 12, "t": 18, "b": 48},
        bargap=0.25,
    )
    figure.update_xaxes(showgrid=False)
    return themed(figure, theme)


def entropy_figure(setting: Setting, exits: ExitKnobs, theme: Theme) -> go.Figure:
    """Entropy of the sentences by exit, with the threshold below which they leave.

    Bands hold the middle 50 and 90 % of all sentences, those that have left included.

    Raises:
        ValueError: the task is a regression, whose exits have no entropy.
    """
    entropy = np.asarray(setting.trace.entropy, dtype=np.float64)
    layers = list(range(1, entropy.shape[1] + 1))
    colours = COLOURS[theme]
    figure = go.Figure()
    for low, high, opacity in _BANDS:
        lower, upper = np.percentile(entropy, (low, high), axis=0)
        figure.add_scatter(
            x=[*layers, *layers[::-1]],
            y=[*upper.tolist(), *lower[::-1].tolist()],
            fill="toself",
            fillcolor=f"rgba({_BAND_COLOURS[theme]}, {opacity})",
            mode="lines",
            line={"width": 0},
            name=f"middle {high - low} %",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=layers,
        y=np.median(entropy, axis=0).tolist(),
        mode="lines+markers",
        line={"color": CATEGORIES[0], "width": 2},
        name="median",
        hovertemplate="Exit %{x}: median %{y:.3f} nats<extra></extra>",
    )
    if exits.exit_policy in (ExitPolicy.ENTROPY, ExitPolicy.LATENCY_AWARE):
        figure.add_hline(
            y=exits.entropy_threshold,
            line={"color": CATEGORIES[1], "width": 1.8, "dash": "dash"},
            annotation={
                "text": f"threshold {exits.entropy_threshold:g}",
                "font": {"color": colours.ink, "size": 12},
            },
        )
    styled(figure, height=300)
    figure.update_layout(
        xaxis={"title": {"text": "Exit (layer)"}, "dtick": 1},
        yaxis={"title": {"text": "Entropy (nats)"}, "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        margin={"l": 60, "r": 12, "t": 30, "b": 48},
    )
    return themed(figure, theme)


def slack_figure(
    histogram: ExitHistogram, table: CostTable, scenario: Scenario, theme: Theme
) -> go.Figure:
    """Time left to the deadline by sentence length, coloured by the voltage of the later layers.

    A dot is a group of sentences of one length with one predicted and one actual exit; its area is
    their number.
    """
    shares = histogram.shares[0]
    own = np.flatnonzero(shares > 0)
    slack_ms = scenario.deadline_ms - table.latency_ns[0, own] / _NS_PER_MS
    voltage = np.round(table.voltage_v[0, own], 3)
    counts = np.round(shares[own] * histogram.n_sentences).astype(int)
    levels = np.unique(voltage)
    figure = go.Figure()
    darkest = int(theme == "dark")  # is not seen on a dark card
    colours = ordered_colours(len(levels) + darkest)[darkest:]
    for level, colour in zip(levels, colours, strict=True):
        mask = voltage == level
        figure.add_scatter(
            x=histogram.tokens[own][mask],
            y=slack_ms[mask],
            mode="markers",
            name=f"{level:g} V",
            marker={
                "color": colour,
                "size": 4 + 2.2 * np.sqrt(counts[mask]),
                "opacity": 0.75,
                "line": {"width": 0},
            },
            customdata=np.column_stack(
                [
                    counts[mask],
                    histogram.predicted_layer[own][mask],
                    histogram.actual_layer[own][mask],
                ]
            ),
            hovertemplate="%{customdata[0]} sentences of %{x} tokens: %{y:.3~g} ms left<br>"
            "predicted exit %{customdata[1]}, actual %{customdata[2]}"
            "<extra>%{fullData.name}</extra>",
        )
    figure.add_hline(y=0, line={"color": CATEGORIES[1], "width": 1.8, "dash": "dash"})
    styled(figure, height=300)
    figure.update_layout(
        xaxis={"title": {"text": "Sentence (tokens)"}},
        yaxis={"title": {"text": "Left to the deadline (ms)"}},
        legend={"title": {"text": "Later layers at"}, "itemsizing": "constant"},
        showlegend=True,
        margin={"l": 64, "r": 12, "t": 12, "b": 48},
    )
    return themed(figure, theme)


def gemm_figure(gemms: Sequence[ExplainedGemm], theme: Theme) -> go.Figure:
    """Utilisation of the arrays in each GEMM of one sentence; width of the time that it takes."""
    shown = [gemm for gemm in gemms if gemm.utilisation is not None]
    labels = [f"{gemm.step}: {gemm.name}" for gemm in shown]
    colours = [_BOUND_COLOURS.get(gemm.bound, CATEGORIES[1]) for gemm in shown]
    figure = go.Figure(
        go.Bar(
            x=[100 * (gemm.utilisation or 0.0) for gemm in shown][::-1],
            y=[plotly_text(label) for label in labels][::-1],
            orientation="h",
            marker={"color": colours[::-1], "line": {"width": 0}},
            customdata=[
                [gemm.runs * gemm.time_ns / 1e3, gemm.bound, gemm.runs * gemm.energy_pj / 1e6]
                for gemm in shown
            ][::-1],
            hovertemplate="%{y}: %{x:.1f} % utilised, bound by %{customdata[1]}<br>"
            "%{customdata[0]:.3~g} µs, %{customdata[2]:.3~g} µJ<extra></extra>",
            showlegend=False,
        )
    )
    for name, colour in (("bound by compute", CATEGORIES[0]), ("bound by memory", CATEGORIES[1])):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=name,
            marker={"color": colour, "symbol": "square", "size": 10},
        )  # fmt: skip
    styled(figure, height=320)
    figure.update_layout(
        xaxis={"title": {"text": "Utilisation of the arrays (%)"}, "rangemode": "tozero"},
        yaxis={"ticks": "", "showgrid": False, "type": "category", "dtick": 1},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 8, "r": 16, "t": 30, "b": 48},
        bargap=0.25,
    )
    return themed(figure, theme)


def sensitivity_figure(
    changed: Sequence[Changed], name: str, value: float, task: object, theme: Theme
) -> go.Figure:
    """What one metric becomes if one knob is changed: a dot for each other value, relative.

    Args:
        changed: of `one_at_a_time`.
        name: of the metric.
        value: of it now.
        task: of the study.
        theme: of the page.
    """
    about = metric(name, task)
    absolute = is_score(name) or value == 0
    names = list(dict.fromkeys(each.knob for each in changed if name in each.metrics))

    def change(each: Changed) -> float:
        new = each.metrics[name]
        return (new - value) * about.scale if absolute else 100 * (new / value - 1)

    reach = {
        knob: max(abs(change(e)) for e in changed if e.knob == knob and name in e.metrics)
        for knob in names
    }
    names = sorted((knob for knob in names if reach[knob] > 0), key=lambda knob: reach[knob])
    figure = go.Figure()
    better = 1 if about.direction == "maximize" else -1
    kinds = (
        ("better", better, CATEGORIES[2], "circle"),
        ("worse", -better, CATEGORIES[1], "diamond"),
    )
    for title, sign, colour, symbol in kinds:
        own = [e for e in changed if name in e.metrics and np.sign(change(e)) == sign]
        figure.add_scatter(
            x=[change(each) for each in own],
            y=[plotly_text(knob_title(each.knob)) for each in own],
            mode="markers",
            name=title,
            marker={"color": colour, "size": 9, "symbol": symbol},
            customdata=[
                [plotly_text(knob_text(e.value)), e.metrics[name] * about.scale] for e in own
            ],
            hovertemplate="%{y} = %{customdata[0]}: %{customdata[1]:.4~g} "
            + plotly_text(about.unit) + "<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": COLOURS[theme].muted, "width": 1})
    styled(figure, height=340)
    unit = (about.unit or "units") if absolute else "%"
    figure.update_layout(
        xaxis={"title": {"text": plotly_text(f"Change of {about.title.lower()} ({unit})")}},
        yaxis={
            "categoryorder": "array",
            "categoryarray": [plotly_text(knob_title(knob)) for knob in names],
            "ticks": "",
            "dtick": 1,
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 8, "r": 16, "t": 30, "b": 48},
    )
    return themed(figure, theme)
