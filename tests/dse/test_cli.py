"""The command line: what it prints, and how it fails."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dse import cli
from dse.cli import app, main
from dse.errors import EXIT_CODES
from dse.evaluation import Evaluation, Outcome
from search_space import KNOBS
from studies.metrics import METRICS
from studies.presets import preset_names
from studies.records import read_front
from studies.spec import read_spec, spec_of
from tests.small_study import changed, small_document, tiny_document, toml_text

MakeStudy = Callable[..., str]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in a folder of their own, without a GLUE folder in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLUE_DIR", raising=False)


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Writes the tiny study with some values changed; its path."""

    def make(changes: Mapping[str, Any] | None = None) -> str:
        path = tmp_path / "tiny.toml"
        path.write_text(toml_text(changed(tiny_document(), changes or {})))
        return str(path)

    return make


@pytest.fixture(scope="session")
def finished_once(small_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nested run of the tiny study, made once."""
    folder = tmp_path_factory.mktemp("finished")
    study = folder / "tiny.toml"
    study.write_text(toml_text(tiny_document()))
    out = folder / "run"
    assert main(["run", str(study), "--traces", str(small_traces), "--out", str(out)]) == 0
    return out


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> str:
    """A copy of the finished run, its path relative."""
    shutil.copytree(finished_once, tmp_path / "run")
    return "run"


def json_of(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints with ``--json``; it must succeed."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def text_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints; it must succeed."""
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


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


class TestLooking:
    """Commands that only read."""

    def test_list(self, finished: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Each run with its trials, front and title."""
        (row,) = json_of(capsys, "list", "--root", ".")
        assert (row["run"], row["state"], row["trials"]) == (finished, "finished", 12)
        printed = text_of(capsys, "list", "--root", ".")
        assert re.match(rf"run  12 trials, front {row['front_size']}, hypervolume ", printed)

    def test_no_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a run the list says how to start one."""
        assert "dse run edgebert-sst2" in text_of(capsys, "list")
        assert json_of(capsys, "list") == []

    def test_show(self, finished: str, capsys: pytest.CaptureFixture[str]) -> None:
        """What the run is, its counts, and the designs that selections would choose."""
        shown = json_of(capsys, "show", finished)
        assert shown["finished"]
        assert shown["counts"]["trials"] == 12
        assert spec_of(shown["spec"], "test").title == "A small study"
        printed = text_of(capsys, "show", finished)
        for text in ("A small study", "nested, recorded evaluator", "knee", "max-accuracy"):
            assert text in printed

    def test_pareto(self, finished: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Every design with its number, knobs, metrics with errors, and report accuracy."""
        designs = json_of(capsys, "pareto", finished)
        front = read_front(Path(finished, "front.json"))
        assert [design["id"] for design in designs] == [d.id for d in front.designs]
        for design in designs:
            assert tuple(design["knobs"]) == KNOBS
            assert design["metrics"].keys() == METRICS.keys()
            assert design["metrics"]["accuracy"]["se"] > 0
            assert design["report_accuracy"]["se"] > 0

    @pytest.mark.parametrize("rows", [0, 1, 2, 40])
    def test_pareto_rows(
        self, finished: str, rows: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As many designs as asked for are printed, all for 0."""
        count = len(read_front(Path(finished, "front.json")).designs)
        printed = text_of(capsys, "pareto", finished, "--rows", str(rows))
        shown = min(rows, count) or count
        wanted = f"All {count} designs" if shown == count else f"Shown: {shown} of {count} designs"
        assert wanted in printed
        ids = [line.split()[0] for line in printed.splitlines() if re.match(r"\s*\d+ ", line)]
        assert len(ids) == shown

    def test_export(self, finished: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The files of the design that the selection names."""
        query = "max accuracy where area < 1"
        result = json_of(capsys, "export", finished, "--select", query, "--out", "chip")
        assert result["selected"] == query
        document = json.loads(Path("chip/design.json").read_text())
        front = read_front(Path(finished, "front.json"))
        assert document["knobs"] == front.design(result["id"]).knobs
        printed = text_of(capsys, "export", finished, "--out", "knee")
        assert "knee/edge_dse_params_pkg.sv" in printed

    def test_spaces(self, make_study: MakeStudy, capsys: pytest.CaptureFixture[str]) -> None:
        """Scenario, knobs, values and the exact size; without a name, the presets."""
        found = json_of(capsys, "spaces", make_study())
        space = spec_of(tiny_document(), "test").search_space()
        assert found["size"] == space.size()
        assert found["knobs"] == {d.name: list(d.values) for d in space.dimensions}
        assert found["scenario"]["deadline_ms"] == 0.4
        printed = text_of(capsys, "spaces", make_study())
        assert f"Size of the space: {space.size():,} distinct designs" in printed
        assert all(name in printed for name in KNOBS)
        assert json_of(capsys, "spaces") == preset_names()
        assert "edgebert-sst2" in text_of(capsys, "spaces")


def failure(
    capsys: pytest.CaptureFixture[str], code: int, *words: str, after_progress: bool = False
) -> str:
    """The sentence of a command that fails with that exit code: all that is on stderr.

    Once a search has started its progress is on stderr too: then it is the last line.
    """
    capsys.readouterr()
    assert main(list(words)) == code
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert "Traceback" not in captured.err
    assert lines[-1].startswith("dse: ")
    if not after_progress:
        assert len(lines) == 1
        assert captured.out == ""
    return lines[-1].removeprefix("dse: ")


class TestFailures:
    """Wrong input of any kind: one sentence, an exit code, no traceback."""

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["rnu"], "No such command 'rnu'"),
            (["run"], "Missing argument"),
            (["run", "x", "--trails", "3"], "No such option: --trails"),
            (["run", "x", "--trials", "many"], "Invalid value for '--trials'"),
            (["pareto", "x", "--rows", "-1"], "Invalid value for '--rows'"),
            (["record", "edgebert-sst2", "--out", "o", "--work", "w"], "--data or GLUE_DIR"),
            (["export", "x"], "Missing option '--out'"),
        ],
    )
    def test_command_line(
        self, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Unknown commands and options, and values that cannot be, end with 2."""
        assert told in failure(capsys, 2, *words)

    def test_nothing_asked(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a command the help is shown."""
        main([])
        captured = capsys.readouterr()
        assert "Usage: dse" in captured.out + captured.err

    def test_unknown_recipe(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A recipe that is neither file nor shipped ends with 3 and the nearest name."""
        words = ("train", "minilm-exit", "--out", "o", "--work", "w", "--data", "d")
        assert "did you mean 'minilm-exits'?" in failure(capsys, 3, *words)

    @pytest.mark.parametrize("command", ["run", "spaces"])
    def test_unknown_study(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A study that is neither file nor preset ends with 3 and the nearest preset."""
        assert "did you mean 'edgebert-sst2'?" in failure(capsys, 3, command, "edgebert-sst")

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"titel": "x"}, "did you mean 'title'?"),
            ({"space.mac_vector_sise": 4}, "did you mean 'mac_vector_size'?"),
            ({"conditions": ["mac_vector_size"]}, "expected a comparison"),
            ({"search.sampler": {"name": "random", "options": {"n": 1}}}, "for 'random'"),
        ],
    )
    def test_wrong_study(
        self,
        changes: dict[str, Any],
        told: str,
        make_study: MakeStudy,
        small_traces: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A wrong study file ends with 3."""
        words = ["run", make_study(changes), "--traces", str(small_traces)]
        assert told in failure(capsys, 3, *words)

    @pytest.mark.parametrize("flag", [["--trials", "0"], ["--strategy", "x"], ["--seed", "-1"]])
    def test_wrong_override(
        self, flag: list[str], make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A flag that the study cannot take ends with 3, before a run folder is made."""
        assert "command line: 'search." in failure(capsys, 3, "run", make_study(), *flag)
        assert not Path("runs").exists()

    @pytest.mark.parametrize(
        ("selection", "told"),
        [
            ("kneee", "did you mean 'knee'?"),
            ("min energy where acuracy > 0", "did you mean 'accuracy'?"),
            ("min energy where accuracy > 2", "relax the bound"),
        ],
    )
    def test_wrong_selection(
        self, selection: str, told: str, finished: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A selection that names no design ends with 3, and nothing is written."""
        words = ["export", finished, "--select", selection, "--out", "chip"]
        assert told in failure(capsys, 3, *words)
        assert not Path("chip").exists()

    @pytest.mark.parametrize("command", ["resume", "show", "pareto", "export"])
    @pytest.mark.parametrize("path", ["nowhere", "."])
    def test_not_a_run(self, command: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A folder that is no run ends with 4."""
        more = ["--out", "chip"] if command == "export" else []
        assert "not a run folder" in failure(capsys, 4, command, path, *more)

    def test_folder_is_taken(
        self, finished: str, make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A run or an export never goes into a folder with something in it: 4."""
        assert "exists already" in failure(capsys, 4, "run", make_study(), "--out", finished)
        told = failure(capsys, 4, "export", finished, "--out", finished)
        assert "exists already and is not empty" in told

    @pytest.mark.parametrize("content", [None, "", "{}", '{"format": 9}'])
    @pytest.mark.parametrize("command", ["pareto", "export"])
    def test_no_front(
        self,
        command: str,
        content: str | None,
        finished: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A front that is missing or damaged ends with 4, and resume writes it anew."""
        path = Path(finished, "front.json")
        path.unlink()
        if content is not None:
            path.write_text(content)
        more = ["--out", "chip"] if command == "export" else []
        assert "dse resume" in failure(capsys, 4, command, finished, *more)
        text_of(capsys, "resume", finished)
        text_of(capsys, command, finished, *more)

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("run.json", "{", 4),
            ("run.json", "{}", 4),
            ("journal.log", "{\n{}\n", 4),
            ("spec.json", "{", 3),
            ("spec.json", "[]", 3),
        ],
    )
    @pytest.mark.parametrize("is_sealed", [True, False])
    def test_damaged_run(
        self,
        name: str,
        content: str,
        code: int,
        is_sealed: bool,
        finished: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A damaged file of the run folder is named, in one of an earlier version too."""
        Path(finished, name).write_text(content)
        if is_sealed:
            code = 4
        else:
            Path(finished, "manifest.json").unlink()
        assert name in failure(capsys, code, "resume", finished)

    @pytest.mark.parametrize("damage", ["no folder", "manifest", "arrays", "another checkpoint"])
    def test_traces(
        self,
        damage: str,
        small_traces: Path,
        make_study: MakeStudy,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Traces that are missing or damaged end with 5."""
        folder = Path("traces")
        changes = {}
        if damage != "no folder":
            shutil.copytree(small_traces, folder)
        if damage == "manifest":
            (folder / "manifest.json").write_text("{")
        if damage == "arrays":
            (folder / "own-layers.npz").write_bytes(b"")
            (folder / "one-layer.npz").write_bytes(b"")
        if damage == "another checkpoint":
            changes = {"space.checkpoint": "albert"}
        words = ["run", make_study(changes), "--traces", str(folder)]
        told = failure(capsys, 5, *words, after_progress=damage in {"arrays", "another checkpoint"})
        assert ("albert" if changes else "traces") in told

    @pytest.mark.slow  # imports torch
    def test_live_without_data(
        self, make_study: MakeStudy, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Live evaluation without a GLUE folder ends with 5."""
        told = failure(capsys, 5, "run", make_study(), "--evaluator", "live")
        assert "--data or GLUE_DIR" in told

    @pytest.mark.parametrize("padding", ["padded(8)", "padded(500)"])
    def test_padding(
        self,
        padding: str,
        make_study: MakeStudy,
        small_traces: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Padding below the longest sentence, or beyond the encoder's positions, ends with 3."""
        words = ["run", make_study({"scenario.sequences": padding})]
        told = failure(capsys, 3, *words, "--traces", str(small_traces), after_progress=True)
        assert f"scenario.sequences '{padding}': expected 39 (the longest sentence) to 128" in told

    def test_too_many_failures(
        self,
        make_study: MakeStudy,
        small_traces: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Ten designs in a row that cannot be evaluated end with 6."""
        failed = Outcome(state="failed", reason="no power")
        monkeypatch.setattr(Evaluation, "evaluate", lambda *_: failed)
        words = ["run", make_study(), "--strategy", "joint", "--traces", str(small_traces)]
        told = failure(capsys, 6, *words, "--trials", "90", after_progress=True)
        assert "10 designs in a row could not be evaluated" in told

    @pytest.mark.parametrize("strategy", ["joint", "nested"])
    @pytest.mark.parametrize(
        "changes",
        [
            {"constraints": ["accuracy >= 1.01"]},
            {"space.min_voltage_v": 0.9, "space.dvfs_policy": "min-energy"},
        ],
    )
    def test_no_design(
        self,
        strategy: str,
        changes: dict[str, Any],
        make_study: MakeStudy,
        small_traces: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A study without a design that meets its constraints ends with 7; its records are kept."""
        words = ["run", make_study(changes), "--strategy", strategy, "--out", "mine"]
        told = failure(capsys, 7, *words, "--traces", str(small_traces), after_progress=True)
        assert "no design meets the constraints; the commonest reason is: " in told
        assert read_front(Path("mine/front.json")).designs == []
        assert "nothing to select" in failure(capsys, 7, "export", "mine", "--out", "chip")
        assert "The front is empty" in text_of(capsys, "pareto", "mine")
        text_of(capsys, "show", "mine")

    def test_wrong_database(
        self, make_study: MakeStudy, small_traces: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A database that cannot be opened ends with 2."""
        words = ["run", make_study(), "--traces", str(small_traces), "--storage", "nosuch://x"]
        assert "--storage 'nosuch://x' cannot be opened" in failure(capsys, 2, *words)

    @pytest.mark.parametrize("position", [0, 1])
    def test_debug_shows_where(self, position: int, capsys: pytest.CaptureFixture[str]) -> None:
        """With ``--debug`` anywhere the traceback comes before the same sentence."""
        told = failure(capsys, 4, "show", "nowhere")
        words = ["show", "nowhere"]
        words.insert(position, "--debug")
        assert main(words) == 4
        lines = capsys.readouterr().err.splitlines()
        assert lines[0].startswith("Traceback")
        assert lines[-1] == f"dse: {told}"

    def test_bug(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """What no one foresaw is called a bug in one line, and ends with 1."""

        def broken() -> list[str]:
            raise RuntimeError("the moon is full")

        monkeypatch.setattr(cli, "preset_names", broken)
        told = failure(capsys, 1, "spaces")
        assert told == "unexpected RuntimeError: the moon is full (a bug; --debug shows where)."


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
