"""The report's sections on trials, knobs, knee and health: what the dashboard shows of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards import write_report
from dashboards.run_sections import run_sections
from dse.watched_run import WatchedRun
from studies.records import Front
from tests.dashboards.conftest import MakeFront
from tests.dashboards.fake_runs import FakeRun, made_up_snapshot, made_up_trials
from tests.dashboards.test_report import HOSTILE, PageReader
from tests.dse.commands import finished_run
from tests.small_study import changed, tiny_document

OF_THE_FRONT = {
    *("front", "survival", "history", "parallel", "exits", "voltages"),
    *("breakdown-energy_pj", "breakdown-latency_ns", "breakdown-area_mm2"),
}
OF_THE_RUN = {
    *("knee-entropy", "knee-slack", "knee-gemms", "knee-change", "search-states", "search-times"),
    *("compare-energy_pj", "compare-latency_ns", "compare-area_mm2", "compare-roofline"),
    "compare-ablation",
    *("knob-importances", "knob-correlations", "knob-slice", "knob-pair"),
}


@pytest.mark.slow
def test_report_of_a_run_has_all_figures(small_traces: Path, tmp_path: Path) -> None:
    """The figures of the front, of the search and of its knee, each with something drawn."""
    document = changed(tiny_document(), {"search.strategy": "joint", "search.trials": 40})
    run = WatchedRun("run", finished_run(document, tmp_path, small_traces))
    front = run.snapshot().front
    write_report(front, tmp_path / "report.html", run)
    reader = PageReader((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert reader.figures.keys() == OF_THE_FRONT | OF_THE_RUN
    for name, figure in reader.figures.items():
        assert figure["data"], name
        assert figure["layout"]["height"] >= 300, name
    assert "Best compromise (knee)" in reader.text
    assert "What to do" in reader.text


def test_what_cannot_be_scored_says_why(front: Front, tmp_path: Path) -> None:
    """Sections stand without traces and with few trials; each says in a sentence what it lacks."""
    run = FakeRun("run", made_up_snapshot(front, made_up_trials(5, infeasible=1)))
    write_report(front, tmp_path / "report.html", run)
    reader = PageReader((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert {"search-states", "search-times"} <= reader.figures.keys()
    assert "It cannot be scored here: nothing can be scored here" in reader.text
    assert "No knob varies over the trials" in reader.text
    assert "no room" in reader.text


def test_records_stay_text(make_front: MakeFront) -> None:
    """A reason like markup is text in the tables."""
    trials = made_up_trials(1, infeasible=1, reason=[HOSTILE])
    run = FakeRun("run", made_up_snapshot(make_front([], hypervolume=0.0, history=[]), trials))
    bodies = "".join(section.body for section in run_sections(run))
    assert "alert(1)" in bodies
    assert "<img" not in bodies
    assert "<script>alert" not in bodies
    assert "it has no knee" in bodies
