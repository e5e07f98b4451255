"""The folder of an export: where it goes, and what a run of somebody else's can do to it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.errors import RunFolderError
from dse.exports.building import refuse_used
from dse.exports.document import DesignDocument
from dse.exports.readme import readme
from dse.exports.tables import Table
from dse.exports.text import in_markdown, one_line
from dse.exports.verification import verify_export
from tests.dse.commands import failure

HOSTILE = "<script>alert(1)</script>\n*/ endpackage `x` ](http://x) | # \x1b[31m"


class TestPlace:
    """Where an export goes."""

    def test_other_content_is_not_touched(self, tmp_path: Path) -> None:
        """A folder with anything in it, a file, or a link in its place is refused as it is."""
        full = tmp_path / "full"
        full.mkdir()
        (full / "notes.txt").write_text("mine")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        for path in (full, full / "notes.txt", tmp_path / "link"):
            with pytest.raises(RunFolderError, match="exists already and is not empty"):
                refuse_used(path)
        assert [p.name for p in full.iterdir()] == ["notes.txt"]

    @pytest.mark.usefixtures("in_an_empty_folder")
    def test_new_and_empty_folders_are_filled(
        self, finished: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Parents are made; an empty folder is filled; nothing else is left beside it."""
        Path("empty").mkdir()
        for out in ("a/b", "empty"):
            assert main(["export", finished, "--no-model", "--out", out]) == 0
            assert Path(out, "design.json").is_file()
        assert sorted(p.name for p in Path().iterdir()) == ["a", "empty", "run"]
        capsys.readouterr()

    @pytest.mark.usefixtures("in_an_empty_folder")
    def test_cannot_be_written(self, finished: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A folder that cannot be made is told with the reason: 8."""
        Path("file").write_text("")
        told = failure(
            capsys, 8, "export", finished, "--no-model", "--out", "file/chip", after_progress=True
        )
        assert "cannot be written" in told

    @pytest.mark.usefixtures("in_an_empty_folder")
    def test_model_that_cannot_be_made(
        self, finished: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """By default the export is of the hardware alone and says why; --model fails instead."""
        assert main(["export", finished, "--out", "chip"]) == 0
        assert "Without the model: " in capsys.readouterr().out
        document = json.loads(Path("chip/design.json").read_text())
        assert document["model"] is None
        assert "own-layers" in document["no_model"] or "one-layer" in document["no_model"]
        assert main(["export", finished, "--model", "--out", "other"]) in (3, 5)
        assert not Path("other").exists()
        capsys.readouterr()


class TestHostileRun:
    """A run folder whose texts are markup, code and control characters."""

    @pytest.mark.usefixtures("in_an_empty_folder")
    def test_texts_end_no_comment_and_mark_up_nothing(
        self, finished: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The title is in the README as text alone, and in no file of code."""
        for name in ("spec.json", "front.json"):
            path = Path(finished, name)
            plain: dict[str, Any] = json.loads(path.read_text())
            plain["title"] = HOSTILE
            plain.get("provenance", {})["machine"] = HOSTILE
            path.write_text(json.dumps(plain))
        Path(finished, "manifest.json").unlink()
        assert main(["export", finished, "--no-model", "--out", "chip"]) == 0
        for path in Path("chip").rglob("*"):
            if path.is_file() and path.suffix in (".sv", ".h", ".rdl", ".csv", ".mem", ".yaml"):
                assert "alert" not in path.read_text()
        page = Path("chip/README.md").read_text()
        assert "<script>" not in page
        assert "\x1b" not in page
        assert "](http" not in page
        assert verify_export(Path("chip")).holds
        capsys.readouterr()

    def test_text_of_a_user(self) -> None:
        """One line, printable, of bounded length; marks of Markdown and HTML are shown as such."""
        assert one_line("a\nb\x00c") == "a?b?c"
        assert len(one_line("x" * 10_000)) == 600
        assert in_markdown("<b>|`") == "\\<b\\>\\|\\`"

    def test_selection_with_markup(
        self, document: DesignDocument, tables: dict[str, Table]
    ) -> None:
        """The reason of the selection is text too."""
        changed = document.model_copy(update={"selected": HOSTILE, "no_model": HOSTILE})
        assert "<script>" not in readme(changed, tables, [])


def test_zigzag_loads_the_machine(hardware_once: Path, document: DesignDocument) -> None:
    """ZigZag's own reader takes the YAML; array and buffers are those of the design."""
    from hw_cost.plugins.zigzag import ZigZagMissingError, imported_zigzag

    try:
        zigzag = imported_zigzag()
    except ZigZagMissingError:
        pytest.skip("ZigZag is not installed: `make zigzag` installs it.")
    plain = import_module("yaml").safe_load(
        (hardware_once / "zigzag" / "accelerator.yaml").read_text()
    )
    validator = zigzag.AcceleratorValidator(plain)
    assert validator.validate()
    machine = zigzag.AcceleratorFactory(validator.normalized_data).create()
    assert machine is not None
    n, units = document.knobs["mac_vector_size"], document.knobs["processing_units"]
    assert plain["operational_array"]["sizes"] == [n, n, units]
    bits = int(document.knobs["data_sram_kib"]) * 1024 * 8
    assert plain["memories"]["second_buffer"]["size"] == bits
    assert plain["memories"]["input_buffer"]["size"] == bits
