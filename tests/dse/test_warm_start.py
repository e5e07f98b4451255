"""Designs that a search tries first, and rules that end it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from dse.executors import InlineExecutor
from dse.search import Search
from dse.storage import open_storage
from dse.trial_book import REAPED
from dse.warm_start import warm_start
from search_space import KNOBS, MODEL_KNOBS, design_point
from studies.design_lists import DesignListError, design_list_names, read_designs
from studies.presets import load_study
from studies.records import write_front
from studies.spec import StudyFileError, read_spec
from tests.dse.conftest import FormulaExecutor, MakeEvaluation, finished_front, opened, quiet
from tests.small_study import small_document, spec_with, tiny_document, toml_text


def design_file(folder: Path, text: str) -> str:
    """A list of designs in a file."""
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


class TestWarmStart:
    """Points from lists and runs."""

    def test_listed_designs_come_first(self, tmp_path: Path) -> None:
        """The first trials are the listed designs; knobs that they lack are sampled."""
        source = design_file(
            tmp_path,
            "[[designs]]\nmac_vector_size = 16\nenvm_mib = 0.25\nencoder_storage = 'sram'\n"
            "[[designs]]\nmac_vector_size = 4\n",
        )
        spec = spec_with(small_document(), strategy="joint", trials=10, warm_start=[source])
        search = opened(spec, tmp_path)
        search.run(FormulaExecutor(), quiet)
        first, second = search.told[0].flat, search.told[1].flat
        assert (first["mac_vector_size"], first["envm_mib"]) == (16, 0.25)
        assert first["encoder_storage"] == "sram"
        assert second["mac_vector_size"] == 4
        assert len(search.told) == 10
        again = opened(spec, tmp_path)
        assert again.notes == []
        storage = open_storage(None, tmp_path / "journal.log")
        trials = optuna.load_study(study_name="test", storage=storage).trials
        assert len(trials) == 10

    def test_values_outside_the_space(self, tmp_path: Path) -> None:
        """Numbers move to the nearest of the space, text is left out, and both are said."""
        source = design_file(
            tmp_path, "[[designs]]\nmac_vector_size = 15\nenvm_mib = 0.3\nencoder_storage = 'pcm'\n"
        )
        spec = spec_with(small_document(), strategy="joint", warm_start=[source])
        start = warm_start(spec, spec.search_space(), KNOBS)
        assert start.points == [{"mac_vector_size": 16, "envm_mib": 0.25}]
        assert len(start.notes) == 1
        assert "values of encoder_storage, mac_vector_size, envm_mib" in start.notes[0]

    def test_front_of_a_run(self, tmp_path: Path, evaluation_of: MakeEvaluation) -> None:
        """A nested search starts from the settings of a finished front, each once."""
        spec = spec_with(tiny_document(), trials=20, sampler={"name": "random"})
        evaluation = evaluation_of(spec)
        search = opened(spec, tmp_path)
        search.run(InlineExecutor(evaluation), quiet)
        front = finished_front(search, evaluation, spec)
        run = tmp_path / "run"
        run.mkdir()
        write_front(run / "front.json", front)
        warm = spec_with(tiny_document(), trials=8, warm_start=[str(run)])
        start = warm_start(warm, warm.search_space(), MODEL_KNOBS)
        names = ("checkpoint", "weight_format", "encoder_storage")
        settings = {tuple(d.knobs[n] for n in names) for d in front.designs}
        assert {tuple(p[n] for n in names) for p in start.points} <= settings
        assert 1 <= len(start.points) <= 4
        (tmp_path / "warm").mkdir()
        warmed = opened(warm, tmp_path / "warm")
        warmed.run(InlineExecutor(evaluation), quiet)
        for point, told in zip(start.points, warmed.told, strict=False):
            assert point.items() <= told.flat.items()

    def test_shipped_point(self) -> None:
        """EdgeBERT's published design is shipped; it fits the shipped study with few moves."""
        assert design_list_names() == ["edgebert"]
        (design,) = read_designs("edgebert")
        design_point({"checkpoint": "any", **design})
        spec = load_study("edgebert-sst2").with_overrides({"search.warm_start": ["edgebert"]})
        start = warm_start(spec, spec.search_space(), KNOBS)
        assert start.points[0]["mac_vector_size"] == 16
        assert start.points[0]["data_sram_kib"] == 128
        assert "aux_sram_kib" in start.notes[0]

    def test_paths_start_at_the_study_file(self, tmp_path: Path) -> None:
        """A list beside the study file is found from anywhere; shipped names stay names."""
        document = small_document()
        document["search"]["warm_start"] = ["mine.toml", "edgebert"]
        (tmp_path / "study.toml").write_text(toml_text(document))
        spec = read_spec(tmp_path / "study.toml")
        assert spec.search.warm_start == [str(tmp_path / "mine.toml"), "edgebert"]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "expected tables"),
            ("x = 1", "expected tables"),
            ("[[designs]]\n", "design 1: expected a table of knobs"),
            ("[[designs]]\nmac_vectr_size = 4", "did you mean 'mac_vector_size'"),
            ("[[designs]]\nmac_vector_size = 'x'", "design 1: Knob 'mac_vector_size'"),
            ("[[designs", "cannot be read as a list of designs"),
        ],
    )
    def test_wrong_lists(self, tmp_path: Path, text: str, told: str) -> None:
        """What is wrong with a list is told in one sentence."""
        with pytest.raises(DesignListError, match=told):
            read_designs(design_file(tmp_path, text))

    def test_unknown_list(self) -> None:
        """A list that is nowhere is told with the shipped ones."""
        with pytest.raises(DesignListError, match="or one of edgebert"):
            read_designs("edgebrt")


def stopped(folder: Path, **search: Any) -> Search:
    """A joint search by a formula, run until it stops."""
    folder.mkdir()
    spec = spec_with(small_document(), **({"strategy": "joint", "trials": 300} | search))
    found = opened(spec, folder)
    found.run(FormulaExecutor(3), quiet)
    return found


class TestStopping:
    """Rules of the study file."""

    def test_budget(self, tmp_path: Path) -> None:
        """By default all trials are told."""
        search = stopped(tmp_path / "run", trials=20)
        assert (len(search.told), search.stopped) == (20, "all 20 trials are told")

    def test_growth(self, tmp_path: Path) -> None:
        """A search ends when its hypervolume hardly grows; what was in the air is not counted."""
        stop = {"growth": 0.3, "window": 20}
        search = stopped(tmp_path / "run", stop=stop)
        assert 40 <= len(search.told) < 300
        assert search.stopped.startswith("the hypervolume would grow by ")
        storage = open_storage(None, tmp_path / "run" / "journal.log")
        trials = optuna.load_study(study_name="test", storage=storage).trials
        assert all(trial.state.is_finished() for trial in trials)
        abandoned = [trial for trial in trials if REAPED in trial.user_attrs]
        assert len(trials) == len(search.told) + len(abandoned)
        spec = spec_with(small_document(), strategy="joint", trials=300, stop=stop)
        again = opened(spec, tmp_path / "run")
        assert len(again.told) == len(search.told)
        assert again.stopped == search.stopped
        again.run(FormulaExecutor(3), quiet)
        assert len(again.told) == len(search.told)
        assert again.stopped == search.stopped

    def test_nothing_found_is_no_reason_to_end(self, tmp_path: Path) -> None:
        """While no design is feasible the hypervolume is 0, and the search goes on."""
        document = small_document()
        document["space"]["envm_mib"] = 0.0
        spec = spec_with(document, strategy="joint", trials=30, stop={"growth": 0.3, "window": 5})
        search = opened(spec, tmp_path)
        search.run(FormulaExecutor(), quiet)
        assert (len(search.told), search.archive.hypervolume) == (30, 0.0)

    def test_time(self, tmp_path: Path) -> None:
        """After its time a search ends between two trials."""
        search = stopped(tmp_path / "run", stop={"seconds": 1e-9})
        assert len(search.told) == 0
        assert search.stopped == "1e-09 s have passed"

    def test_wrong_rules(self) -> None:
        """A share of 1 or more, and a window of one trial, are refused."""
        for stop in ({"growth": 1.0}, {"window": 1}, {"seconds": 0.0}):
            with pytest.raises(StudyFileError, match=r"search\.stop"):
                spec_with(small_document(), stop=stop)
