"""What samplers are told: figures of a setting alone, whatever else was tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from dse.executors import InlineExecutor
from dse.samplers import make_sampler
from dse.search import Search
from dse.storage import open_storage
from dse.strategies import FITS
from dse.trials_table import trial_rows
from search_space import MODEL_KNOBS
from studies.search_tables import SamplerTable
from studies.spec import StudyFileError, StudySpec, spec_of
from tests.dse.conftest import MakeEvaluation, opened, quiet
from tests.small_study import changed, spec_with, tiny_document

LEVELS = [0.55, 0.7, 0.99]


def told_by_setting(
    spec: StudySpec, folder: Path, evaluation_of: MakeEvaluation
) -> dict[tuple[Any, ...], tuple[list[float], dict[str, float]]]:
    """Values and constraints of each setting as the storage has them; the same at every repeat."""
    folder.mkdir()
    search = opened(spec, folder)
    search.run(InlineExecutor(evaluation_of(spec)), quiet)
    storage = open_storage(None, folder / "journal.log")
    found: dict[tuple[Any, ...], tuple[list[float], dict[str, float]]] = {}
    for trial in optuna.load_study(study_name="test", storage=storage).trials:
        flat = trial.user_attrs["flat"]
        key = tuple(flat[name] for name in MODEL_KNOBS)
        what = (trial.values, dict(trial.constraints))
        assert found.setdefault(key, what) == what
    return found


@pytest.mark.parametrize("levels", [[], LEVELS])
def test_what_is_told_depends_on_the_setting_alone(
    levels: list[float], tmp_path: Path, evaluation_of: MakeEvaluation
) -> None:
    """Two searches that go through the settings in other orders are told the same of each."""
    tables = []
    for seed in (1, 2):
        spec = spec_with(
            tiny_document(), trials=40, seed=seed, levels=levels, sampler={"name": "random"}
        )
        tables.append(told_by_setting(spec, tmp_path / str(seed), evaluation_of))
    assert tables[0] == tables[1]
    assert len(tables[0]) == 8


def test_levels(tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
    """At each accuracy the least energy of the setting's front; the reference where none has it."""
    spec = spec_with(tiny_document(), trials=30, levels=LEVELS, sampler={"name": "random"})
    search = opened(spec, tmp_path)
    search.run(InlineExecutor(evaluation_of(spec)), quiet)
    study = optuna.load_study(
        study_name="test", storage=open_storage(None, tmp_path / "journal.log")
    )
    assert study.metric_names == [f"energy_pj at accuracy >= {level:g}" for level in LEVELS]
    assert [d.name for d in study.directions] == ["MINIMIZE"] * 3
    reached = set()
    for trial, told in zip(study.trials, search.told, strict=True):
        assert trial.constraints == {FITS: 0.0 if told.outcome.values else 1.0}
        for level, value in zip(LEVELS, trial.values, strict=True):
            energies = [row[1] for row in told.outcome.values if row[0] >= level]
            assert value == min(energies, default=spec.objectives[1].reference)
            reached.add((level, bool(energies)))
    for row, trial in zip(trial_rows(search), study.trials, strict=True):
        assert [row[name] for name in study.metric_names] == trial.values
    assert (LEVELS[0], True) in reached
    assert (LEVELS[2], False) in reached


def test_levels_are_of_nested_studies() -> None:
    """A joint study has no use for levels."""
    document = changed(tiny_document(), {"search.strategy": "joint", "search.levels": [0.5]})
    with pytest.raises(StudyFileError, match="levels are of nested studies"):
        spec_of(document, "test")


@pytest.mark.parametrize("strategy", ["joint", "nested"])
@pytest.mark.parametrize("sampler", ["nsga3", "qmc"])
def test_further_samplers(
    sampler: str, strategy: str, tmp_path: Path, evaluation_of: MakeEvaluation
) -> None:
    """NSGA-III and quasi-random points drive both strategies, the same ones for the same seed."""
    options = {"population_size": 4} if sampler == "nsga3" else {}
    table = {"name": sampler, "options": options}
    spec = spec_with(tiny_document(), strategy=strategy, trials=12, sampler=table)
    flats = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        search = opened(spec, tmp_path / name)
        search.run(InlineExecutor(evaluation_of(spec)), quiet)
        flats.append([told.flat for told in search.told])
    assert flats[0] == flats[1]
    assert len(flats[0]) == 12


class TestCmaEs:
    """The sampler of one value."""

    def test_several_values_are_refused(self) -> None:
        """A study that tells several values is told what to do."""
        spec = spec_with(tiny_document(), sampler={"name": "cmaes"})
        with pytest.raises(StudyFileError, match="optimizes one value and would be told 2"):
            Search(spec, optuna.storages.InMemoryStorage(), "test")

    def test_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without its package the sentence says how to install it."""
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        with pytest.raises(StudyFileError, match=r"pip install edge-dse\[cmaes\]"):
            make_sampler(SamplerTable(name="cmaes"), 0, 1)

    def test_one_level(self, tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
        """With one level a nested study is one value, which it drives."""
        spec = spec_with(tiny_document(), trials=12, levels=[0.6], sampler={"name": "cmaes"})
        search = opened(spec, tmp_path)
        search.run(InlineExecutor(evaluation_of(spec)), quiet)
        assert len(search.told) == 12
