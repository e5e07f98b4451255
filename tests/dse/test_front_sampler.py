"""Our own sampler: it tries what gains, spares forward passes, and goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.executors import InlineExecutor
from dse.search import Search
from dse.trials_table import trial_rows
from search_space import MODEL_KNOBS, model_knobs
from studies.spec import StudyFileError, StudySpec, spec_of
from tests.dse.conftest import MakeEvaluation, opened, quiet
from tests.small_study import changed, spec_with, tiny_document

FRONTS = {"name": "fronts", "options": {"n_startup_trials": 2}}


def searched(spec: StudySpec, folder: Path, evaluation_of: MakeEvaluation) -> Search:
    """A finished search."""
    folder.mkdir(exist_ok=True)
    search = opened(spec, folder)
    search.run(InlineExecutor(evaluation_of(spec)), quiet)
    return search


def test_every_setting_once(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """As many trials as settings try each of them, and a further one still has an answer."""
    spec = spec_with(tiny_document(), trials=9, sampler=FRONTS)
    settings = spec.search_space().points(MODEL_KNOBS)
    search = searched(spec, tmp_path, evaluation_of)
    assert len({str(told.flat) for told in search.told[:8]}) == len(settings) == 8
    assert search.told[8].repeated_of is not None


def test_shared_traces_are_preferred(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """With traces that are shared at hardly any cost, no more are measured than at full cost."""
    counts = []
    for cost in (1e-6, 1.0):
        options = {"n_startup_trials": 2, "shared_trace_cost": cost}
        spec = spec_with(tiny_document(), trials=5, sampler={"name": "fronts", "options": options})
        search = searched(spec, tmp_path / str(cost), evaluation_of)
        keys = [model_knobs(told.flat).trace_key() for told in search.told]
        assert len(set(keys[:2])) == 2  # the least compressed setting of each checkpoint
        counts.append(len(set(keys)))
    assert counts[0] <= counts[1]


def test_seed_decides(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """The same seed gives the same trials; another one others."""
    tried = []
    sampler = {"name": "fronts", "options": {"n_startup_trials": 4}}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        spec = spec_with(tiny_document(), trials=5, seed=seed, sampler=sampler)
        search = searched(spec, tmp_path / name, evaluation_of)
        tried.append([str(told.flat) for told in search.told])
    assert tried[0] == tried[1] != tried[2]


def test_least_compressed_first(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """It begins with the setting of most bits of each checkpoint, in the order of the space."""
    spec = spec_with(tiny_document(), trials=2, sampler=FRONTS)
    search = searched(spec, tmp_path, evaluation_of)
    names = ("checkpoint", "weight_format")
    assert [tuple(told.flat[name] for name in names) for told in search.told] == [
        ("own-layers", "adaptivfloat<8,3>"),
        ("one-layer", "adaptivfloat<8,3>"),
    ]


def test_goes_on_where_it_was(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """A search of three trials that is given five more has the trials of one with eight."""
    whole = searched(
        spec_with(tiny_document(), trials=8, sampler=FRONTS), tmp_path / "whole", evaluation_of
    )
    for trials in (1, 3, 8):
        spec = spec_with(tiny_document(), trials=trials, sampler=FRONTS)
        part = searched(spec, tmp_path / "part", evaluation_of)
    assert [told.flat for told in part.told] == [told.flat for told in whole.told]
    states = [row["state"] for row in trial_rows(part)]
    assert states == [row["state"] for row in trial_rows(whole)]


def test_warm_starts_leave_knobs_open(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """A design that names some knobs is tried first, the others chosen by chance."""
    designs = tmp_path / "designs.toml"
    designs.write_text('[[designs]]\ncheckpoint = "one-layer"\n')
    spec = spec_with(tiny_document(), trials=3, sampler=FRONTS, warm_start=[str(designs)])
    search = searched(spec, tmp_path / "run", evaluation_of)
    assert search.told[0].flat["checkpoint"] == "one-layer"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search.strategy": "joint"}, "'fronts' learns inner fronts"),
        ({"search.sampler.options": {"n_startup_trials": 1}}, "expected 2 or more"),
        ({"search.sampler.options": {"shared_trace_cost": 0.0}}, "expected above 0, at most 1"),
        ({"search.sampler.options": {"population_size": 8}}, "unexpected keyword"),
    ],
)
def test_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    """Joint studies, and options that it does not have."""
    document = changed(tiny_document(), {"search.sampler": FRONTS})
    with pytest.raises(StudyFileError, match=message):
        opened(spec_of(changed(document, changes), "test"), tmp_path)
