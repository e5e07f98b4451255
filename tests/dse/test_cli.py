"""The command line: runs, and the page that says what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dse.cli import main
from dse.commands import app
from dse.errors import EXIT_CODES
from dse.evaluation import Evaluation
from dse.outcomes import Outcome
from studies.records import read_front
from studies.spec import read_spec, spec_of
from tests.dse.commands import json_of, text_of
from tests.dse.conftest import MakeStudy
from tests.small_study import small_document, tiny_document, toml_text

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


class TestRun:
    """`dse run` and `dse resume`."""

    def test_run_folder(
        self, make_study: MakeStudy, small_traces: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A run leaves spec, settings, journal, trials, front and report, and says where."""
        printed = text_of(capsys, "run", make_study(), "--traces", str(small_traces))
        folder = Path("runs/tiny-001")
        assert {p.name for p in folder.iterdir()} >= {
            "spec.json",
            "run.json",
            "journal.log",
            "trials.parquet",
            "front.json",
            "report.html",
            "front.svg",
        }
        assert "Report: runs/tiny-001/report.html" in printed
        assert "dse export runs/tiny-001 --select knee" in printed
        front = read_front(folder / "front.json")
        assert f"All {len(front.designs)} designs on the front." in printed
        assert pq.read_table(folder / "trials.parquet").num_rows == 12
        assert read_spec(folder / "spec.json") == spec_of(tiny_document(), "test")
        assert front.provenance["seed"] == 3
        assert front.provenance["data_sha256"] == "0" * 64

    def test_next_run_has_the_next_number(self, make_study: MakeStudy, small_traces: Path) -> None:
        """Runs of one study are numbered."""
        for _ in range(2):
            assert main(["run", make_study(), "--trials", "1", "--traces", str(small_traces)]) == 0
        assert sorted(p.name for p in Path("runs").iterdir()) == ["tiny-001", "tiny-002"]

    def test_flags_replace_the_file(
        self, make_study: MakeStudy, small_traces: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Trials, strategy, seed, workers and the folder are taken from the command line."""
        words = ["run", make_study(), "--traces", str(small_traces), "--out", "mine"]
        words += ["--trials", "5", "--strategy", "joint", "--seed", "8", "--workers", "4"]
        result = json_of(capsys, *words)
        assert result["counts"]["trials"] == 5
        assert Path(result["run"]) == Path("mine").absolute()
        search = read_spec(Path("mine/spec.json")).search
        assert (search.strategy, search.trials, search.seed, search.workers) == ("joint", 5, 8, 4)

    def test_database(
        self, make_study: MakeStudy, small_traces: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Trials may be kept in a database, which a resume finds again."""
        words = ["run", make_study(), "--traces", str(small_traces), "--out", "mine"]
        first = json_of(capsys, *words, "--trials", "2", "--storage", "sqlite:///trials.db")
        assert not Path("mine/journal.log").exists()
        assert json_of(capsys, "resume", "mine") == first

    def test_resume_of_a_finished_run(
        self, finished: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A finished run is not searched again: its records are written anew, the same."""
        front = Path(finished, "front.json").read_bytes()
        Path(finished, "front.json").unlink()
        Path(finished, "report.html").unlink()
        text_of(capsys, "resume", finished)
        assert Path(finished, "front.json").read_bytes() == front
        assert Path(finished, "report.html").is_file()

    def test_interrupted(
        self,
        make_study: MakeStudy,
        small_traces: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Ctrl-C ends with 130; what was told is in trials.parquet, and resume goes on."""
        evaluate, calls = Evaluation.evaluate, iter(range(3))

        def stopping(self: Evaluation, *arguments: Any) -> Outcome:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return evaluate(self, *arguments)

        words = ["run", make_study(), "--traces", str(small_traces), "--out", "mine"]
        with monkeypatch.context() as patch:
            patch.setattr(Evaluation, "evaluate", stopping)
            assert main(words) == 130
        assert "'dse resume mine' goes on" in capsys.readouterr().err.splitlines()[-1]
        told = pq.read_table("mine/trials.parquet").num_rows
        assert told >= 3
        assert "unfinished: dse resume mine" in text_of(capsys, "list", "--root", ".")
        assert "Next: dse resume mine" in text_of(capsys, "show", "mine")
        assert json_of(capsys, "resume", "mine")["counts"]["trials"] == 12


class TestDocumentation:
    """docs/cli.md says what there is."""

    @pytest.fixture
    def page(self, repository: Path) -> str:
        """The page."""
        return (repository / "docs" / "cli.md").read_text()

    def test_commands(self, page: str) -> None:
        """Every command has its row, and every row a command."""
        commands = {
            c.name or (c.callback.__name__ if c.callback else "") for c in app.registered_commands
        }
        assert set(re.findall(r"^\| `dse (\w+)", page, re.MULTILINE)) == commands

    def test_exit_codes(self, page: str) -> None:
        """Every exit code is listed with its meaning."""
        rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE))
        assert {int(code): meaning for code, meaning in rows.items()} == EXIT_CODES

    def test_options_of_run(self, page: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Every option of ``dse run`` is on the page."""
        main(["run", "--help"])
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--json"}
        assert len(options) > 8
        assert all(f"`{option}" in page for option in options)


def test_small_study_as_toml(tmp_path: Path) -> None:
    """The study file that these tests write says the small study."""
    path = tmp_path / "small.toml"
    path.write_text(toml_text(small_document()))
    assert read_spec(path) == spec_of(small_document(), "test")
