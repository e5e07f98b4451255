"""Where the values of a run card come from."""

from __future__ import annotations

from pathlib import Path

from dashboards.run_origin import origin_entries
from studies.records import Front
from tests.dashboards.fake_runs import made_up_snapshot, made_up_trials


def test_every_value_has_an_origin(front: Front) -> None:
    """What was asked is of the study or a default, what was found is recorded."""
    shown = dict(origin_entries(made_up_snapshot(front, made_up_trials(3)), Path("runs/a")))
    assert shown["Objectives"] == "accuracy, energy_pj, area_mm2 (study)"
    assert shown["Constraints"] == "deadline_miss_rate <= 0.1 (study)"
    assert shown["Technology"].endswith("(default)")
    assert shown["Commit"].endswith("(recorded)")
    assert all(text.endswith(")") for name, text in shown.items() if name != "Folder")


def test_a_study_without_constraints_and_another_node(front: Front) -> None:
    """None is the default of constraints; a node that the study names is of the study."""
    changes = {"constraints": [], "scenario.envm_preset": "conservative"}
    run = made_up_snapshot(front, made_up_trials(3), changes=changes)
    shown = dict(origin_entries(run, Path("runs/a")))
    assert shown["Constraints"] == "none (default)"
    assert shown["Technology"].endswith("(study)")
