"""Commands that fail: the sentence that they say, and their exit codes."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from dse import preparation_commands
from dse.cli import main
from dse.evaluation import Evaluation
from dse.outcomes import Outcome
from studies.records import read_front
from tests.dse.commands import failure, text_of
from tests.dse.conftest import MakeStudy

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


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

    def test_address_of_no_cluster(self, capsys: pytest.CaptureFixture[str]) -> None:
        """What is no address of a cluster ends with 2, and leaves no run."""
        assert main(["run", "edgebert-sst2", "--address", "foo"]) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert "--address 'foo': no Ray cluster can be joined there; expected HOST:PORT" in told
        assert not list(Path("runs").glob("*"))

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
        """A database that cannot be opened ends with 2, and so does one of an unknown kind."""
        words = ["run", make_study(), "--traces", str(small_traces), "--storage"]
        missing = "sqlite:////no/such/folder/x.db"
        assert f"--storage {missing!r} cannot be opened" in failure(capsys, 2, *words, missing)
        assert "--storage of the kind 'nosuch'" in failure(capsys, 2, *words, "nosuch://x")

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

    def test_system_error_names_its_file(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A full disk is no bug: the file and the reason are told, and the code is 8."""

        def full() -> list[str]:
            raise OSError(errno.ENOSPC, "No space left on device", "runs/x/front.json")

        monkeypatch.setattr(preparation_commands, "preset_names", full)
        assert failure(capsys, 8, "spaces") == (
            "runs/x/front.json: no space left on device; check the path, its permissions and the "
            "disk."
        )

    def test_bug(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """What no one foresaw is called a bug in one line, and ends with 1."""

        def broken() -> list[str]:
            raise RuntimeError("the moon is full")

        monkeypatch.setattr(preparation_commands, "preset_names", broken)
        told = failure(capsys, 1, "spaces")
        assert told == "unexpected RuntimeError: the moon is full (a bug; --debug shows where)."
