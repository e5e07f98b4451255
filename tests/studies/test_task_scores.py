"""Figures over several tasks: by hand, and against each task scored alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators.testing import made_up_trace
from hw_cost import AcceleratorColumns, load_technology
from search_space import (
    KNOBS,
    ExitKnobs,
    ExitPolicy,
    design_point,
    exit_knobs,
    hardware_knobs,
    model_knobs,
)
from studies.design_details import design_details
from studies.membership import resampled_values
from studies.metrics import METRICS, metric_of, of_task
from studies.records import Figure
from studies.scoring import Scorer, Setting, setting_of
from studies.spec import spec_of
from studies.task_scores import bases_of, figure_over_tasks, over_tasks
from tests.small_study import HEADS, LAYERS, SHAPES, changed, tiny_document

NAMES = tuple(METRICS)


def test_means_and_worst_by_hand() -> None:
    """Averages are means over the tasks, limits those of the worst task; one task's are its own."""
    by_task = {
        "SST-2": {
            "accuracy": np.array([0.9, 0.8]),
            "latency_p99_ns": np.array([1.0, 5.0]),
            "throughput_per_s": np.array([10.0, 3.0]),
        },
        "RTE": {
            "accuracy": np.array([0.6, 0.7]),
            "latency_p99_ns": np.array([2.0, 4.0]),
            "throughput_per_s": np.array([8.0, 4.0]),
        },
    }
    names = ["accuracy", "latency_p99_ns", "throughput_per_s", "accuracy[RTE]"]
    assert bases_of(names) == ("accuracy", "latency_p99_ns", "throughput_per_s")
    found = over_tasks(names, by_task)
    assert found["accuracy"] == pytest.approx([0.75, 0.75])
    assert found["latency_p99_ns"].tolist() == [2.0, 5.0]
    assert found["throughput_per_s"].tolist() == [8.0, 3.0]
    assert found["accuracy[RTE]"].tolist() == [0.6, 0.7]


def test_errors_by_hand() -> None:
    """The error of a mean of two is sqrt(se1^2 + se2^2) / 2; a worst figure keeps its own."""
    figures = {"SST-2": Figure(value=0.9, se=0.03), "RTE": Figure(value=0.6, se=0.04)}
    mean = figure_over_tasks("accuracy", figures)
    assert mean.value == pytest.approx(0.75)
    assert mean.se == pytest.approx(0.025)
    assert figure_over_tasks("latency_p99_ns", figures) == figures["SST-2"]
    assert figure_over_tasks("throughput_per_s", figures) == figures["RTE"]
    unknown = figures | {"RTE": Figure(value=0.6)}
    assert figure_over_tasks("accuracy", unknown).se is None


def test_names_of_metrics_on_a_task() -> None:
    """A metric on a task has the title and unit of that task's own."""
    assert metric_of("accuracy[CoLA]").title == "Matthews correlation, CoLA"
    assert metric_of("energy_pj[RTE]").title == "Energy per sentence, RTE"
    assert metric_of("accuracy", ["SST-2", "CoLA"]).title == "Mean score"


@pytest.fixture
def setting() -> Setting:
    """One setting, measured on two tasks."""
    space = spec_of(tiny_document(), "test").search_space()
    (flat, *_) = space.points(KNOBS)
    knobs, shape = model_knobs(flat), SHAPES["own-layers"]
    spans = ((128,) * HEADS,) * LAYERS
    first, second = (
        setting_of(
            knobs,
            replace(made_up_trace(seed, head_spans=spans, encoder_density=density), task=task),
            shape,
        )
        for seed, density, task in ((1, 1.0, "SST-2"), (2, 0.7, "RTE"))
    )
    return replace(first, others=(second,))


@pytest.fixture
def scorer() -> Scorer:
    """Of every metric, and of two on one task."""
    return Scorer(
        scenario=spec_of(
            changed(tiny_document(), {"scenario.task": ["SST-2", "RTE"]}), "test"
        ).scenario.scenario(),
        technology=load_technology(),
        metrics=(*NAMES, "accuracy[RTE]", "energy_pj[SST-2]"),
    )


def test_scores_are_those_of_each_task_alone(setting: Setting, scorer: Scorer) -> None:
    """Every metric of every design is the mean, or the worst, of the tasks scored one by one."""
    points = spec_of(tiny_document(), "test").search_space().points(KNOBS)
    flats = [p for p in points if p["encoder_storage"] == setting.knobs.encoder_storage.value]
    hardware = list(dict.fromkeys(hardware_knobs(flat) for flat in flats))
    exits = list(dict.fromkeys(exit_knobs(flat) for flat in flats))
    columns = AcceleratorColumns.from_knobs(hardware)
    together = scorer.score(setting, scorer.histogram(setting, exits), columns)
    plain = replace(scorer, metrics=NAMES)
    alone = {}
    for task, each in setting.tasks.items():
        single = replace(each, others=())
        alone[task] = plain.score(single, plain.histogram(single, exits), columns)
    assert together.feasible.any()
    assert together.feasible.tolist() == [
        all(s.feasible[row] for s in alone.values()) for row in range(len(columns))
    ]
    for name in NAMES:
        first, second = (scores.values[name] for scores in alone.values())
        if METRICS[name].over_tasks == "mean":
            expected = (first + second) / 2
        elif METRICS[name].direction == "maximize":
            expected = np.minimum(first, second)
        else:
            expected = np.maximum(first, second)
        np.testing.assert_allclose(together.values[name], expected, rtol=1e-12)
    for name in ("accuracy[RTE]", "energy_pj[SST-2]"):
        base, task = name[:-1].split("[")
        np.testing.assert_array_equal(together.values[name], alone[task].values[base])


def test_details_have_every_task(setting: Setting, scorer: Scorer) -> None:
    """A design's details have the accuracy on each task, means that sum up, and report figures."""
    for flat in spec_of(tiny_document(), "test").search_space().points(KNOBS):
        point = design_point(flat)
        if point.model != setting.knobs:
            continue
        score = scorer.score(
            setting,
            scorer.histogram(setting, [point.exits]),
            AcceleratorColumns.from_knobs([point.hardware]),
        )
        if score.feasible[0]:
            break
    (detail,) = design_details(scorer, setting, [point])
    for name, values in score.values.items():
        assert detail.metrics[name].value == pytest.approx(values[0, 0], rel=1e-12)
    assert sum(detail.breakdown.energy_pj.values()) == pytest.approx(
        detail.metrics["energy_pj"].value
    )
    assert sum(detail.breakdown.area_mm2.values()) == pytest.approx(
        detail.metrics["area_mm2"].value
    )
    assert sum(detail.exit_layer_shares) == pytest.approx(1.0)
    assert sum(detail.voltage_shares.values()) == pytest.approx(1.0)
    report = [detail.report_metrics[of_task("accuracy", t)].value for t in setting.tasks]
    assert detail.report_accuracy.value == pytest.approx(sum(report) / 2)


def test_samples_of_each_task_move_apart(setting: Setting, scorer: Scorer) -> None:
    """Bootstrap samples of the mean score spread as its standard error says."""
    none = ExitKnobs(exit_policy=ExitPolicy.NONE, entropy_threshold=0.0)
    for flat in spec_of(tiny_document(), "test").search_space().points(KNOBS):
        point = design_point(flat)
        if point.model == setting.knobs and point.exits == none:
            break
    (detail,) = design_details(scorer, setting, [point])
    samples = resampled_values(replace(scorer, metrics=("accuracy",)), [(setting, point)])
    error = detail.metrics["accuracy"].se
    assert error is not None
    assert np.std(samples["accuracy"][:, 0]) == pytest.approx(error, rel=0.1)
