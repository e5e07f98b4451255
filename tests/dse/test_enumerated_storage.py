"""Storage that is enumerated within a trial: one forward pass, the fronts of all its cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.evaluation import Evaluation
from dse.executors import InlineExecutor
from dse.live_front import LiveFront, ToldPoint
from dse.search import Search
from dse.trace_sources import looks_of
from dse.trials_table import trial_rows
from search_space import KNOBS, MODEL_KNOBS, design_point
from studies.fronts import non_dominated
from studies.recorded import RecordedTraces
from studies.scoring import score_one
from studies.spec import StudyFileError, StudySpec, spec_of
from tests.dse.conftest import MakeEvaluation, finished_front, opened, quiet
from tests.small_study import changed, spec_with, tiny_document

TABLES = {"space.table_storage": ["sram", "reram-slc"]}


def enumerating(**search: object) -> StudySpec:
    """The tiny study, four settings that each stand for two cells of weights and two of tables."""
    sampler = {"name": "listed", "options": {}}
    document = changed(tiny_document(), TABLES)
    return spec_with(document, storage="enumerated", trials=4, sampler=sampler, **search)


def searched(spec: StudySpec, folder: Path, evaluation: Evaluation) -> Search:
    """A finished search."""
    folder.mkdir(exist_ok=True)
    search = opened(spec, folder)
    search.run(InlineExecutor(evaluation), quiet)
    return search


def test_same_front_as_sampled(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """Four trials have the front, and the designs scored, of sixteen that sample storage."""
    spec = enumerating()
    sampled = spec_with(
        changed(tiny_document(), TABLES), trials=16, sampler={"name": "listed", "options": {}}
    )
    own = searched(spec, tmp_path / "own", evaluation_of(spec))
    other = searched(sampled, tmp_path / "other", evaluation_of(sampled))
    np.testing.assert_array_equal(
        np.unique(own.archive.values, axis=0), np.unique(other.archive.values, axis=0)
    )
    assert own.archive.designs_scored == other.archive.designs_scored
    assert "encoder_storage" not in own.told[0].flat
    assert not any("table_storage" in row for row in trial_rows(own))


def test_front_names_whole_designs(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """Designs of the front name their cells; scored alone they have the values of the front."""
    spec = enumerating()
    evaluation = evaluation_of(spec)
    search = searched(spec, tmp_path, evaluation)
    front = finished_front(search, evaluation, spec)
    assert {design.knobs["encoder_storage"] for design in front.designs} == {"sram", "reram-mlc2"}
    for design in front.designs:
        assert tuple(design.knobs) == KNOBS
        point = design_point(design.knobs)
        setting = evaluation.setting(design.knobs)
        alone = score_one(evaluation.scorer, setting, point.exits, point.hardware)
        for objective in spec.objectives:
            value = float(alone.values[objective.metric][0, 0])
            assert design.metrics[objective.metric].value == pytest.approx(value, rel=1e-9)


def test_live_front_is_the_same(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """A dashboard that follows the journal shows the designs that the record has in the end."""
    spec = enumerating()
    evaluation = evaluation_of(spec)
    search = searched(spec, tmp_path, evaluation)
    live = LiveFront(spec)
    live.add(
        [
            ToldPoint(number=t.number, flat=t.flat, outcome=t.outcome, place=place)
            for place, t in enumerate(search.told, start=1)
        ]
    )
    shown = live.record(evaluation, {}, {})
    kept = finished_front(search, evaluation, spec)
    assert [design.knobs for design in shown.designs] == [design.knobs for design in kept.designs]


def test_racing_races_all_cells(tmp_path: Path, small_traces: Path) -> None:
    """With racing the front is the same, and a lost setting is lost whatever its cells."""
    racing = {"looks": [15, 30], "risk": 0.05, "accuracy_ceiling": 1.0}
    plain, raced = enumerating(), enumerating(racing=racing)
    searches = [
        searched(each, tmp_path / name, Evaluation(each, RecordedTraces(small_traces, looks)))
        for name, each, looks in (("plain", plain, ()), ("raced", raced, looks_of(raced)))
    ]
    own, other = (np.unique(search.archive.values, axis=0) for search in searches)
    np.testing.assert_array_equal(own, other)
    evaluation = Evaluation(raced, RecordedTraces(small_traces, looks_of(raced)))
    front = finished_front(searches[1], evaluation, raced)
    assert front.counts["sentences"] > 0


def test_conditions_between_cells_and_model(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """A condition that names cells leaves out those of a trial that break it, or the trial."""
    conditions = [
        "checkpoint == 'one-layer' or encoder_storage == 'sram'",
        "weight_format == 'adaptivfloat<8,3>' or table_storage == 'dram'",
    ]
    spec = enumerating().with_overrides({"conditions": conditions})
    evaluation = evaluation_of(spec)
    search = searched(spec, tmp_path, evaluation)
    refused = [told.outcome.reason for told in search.told if told.outcome.reason]
    assert refused == ["conditions forbid all storage that the study lists"] * 2
    for design in finished_front(search, evaluation, spec).designs:
        assert spec.search_space().violation(design.knobs) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("encoder_storage",)),
        ({"space.encoder_storage": ["sram", "reram-mlc3"]}, ()),
        ({"space.encoder_storage": "sram"}, ()),
        (
            {"space.exit_storage": ["encoder", "sram"]},
            ("encoder_storage", "exit_storage"),
        ),
        (
            {"space.exit_storage": ["encoder", "sram"], "space.encoder_storage": "reram-mlc3"},
            (),
        ),
    ],
)
def test_what_is_enumerated(changes: dict[str, object], expected: tuple[str, ...]) -> None:
    """Cells that are read as written are, where there is a choice; those with faults are not."""
    spec = spec_of(
        changed(tiny_document(), {"search.storage": "enumerated"} | dict(changes)), "test"
    )
    assert spec.enumerated_storage() == expected
    assert spec.setting_knobs() == tuple(n for n in MODEL_KNOBS if n not in expected)
    assert spec.with_overrides({"search.storage": "sampled"}).enumerated_storage() == ()


def test_joint_studies_sample_it() -> None:
    """A joint study has no trial that stands for several cells."""
    with pytest.raises(StudyFileError, match="storage is enumerated by nested studies"):
        spec_with(tiny_document(), strategy="joint", storage="enumerated")


def test_listed_order(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """The knob that the file lists first changes last, each from its first value on."""
    document = tiny_document()
    space = dict(document["space"])
    first = {"weight_format": list(reversed(space.pop("weight_format")))}
    spec = spec_with(
        document | {"space": first | space},
        trials=9,
        sampler={"name": "listed", "options": {}},
    )
    search = searched(spec, tmp_path, evaluation_of(spec))
    names = ("weight_format", "checkpoint", "encoder_storage")
    assert [tuple(told.flat[name] for name in names) for told in search.told[:3]] == [
        ("adaptivfloat<6,3>", "own-layers", "sram"),
        ("adaptivfloat<6,3>", "own-layers", "reram-mlc2"),
        ("adaptivfloat<6,3>", "one-layer", "sram"),
    ]
    assert search.told[8].repeated_of == 0
    assert non_dominated(search.archive.values, spec.objectives).all()
