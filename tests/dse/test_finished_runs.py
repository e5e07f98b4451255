"""Commands that look at finished runs and at what there is to run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dse.manifest import damage, read_manifest
from search_space import KNOBS
from studies.metrics import METRICS
from studies.presets import preset_names
from studies.records import read_front
from studies.spec import spec_of
from tests.dse.commands import json_of, text_of
from tests.dse.conftest import MakeStudy
from tests.small_study import tiny_document

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


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
        assert "files in knee; README.md" in printed
        assert printed.endswith("Next:   dse verify knee\n")

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


def test_every_file_is_sealed(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifest has each file of a finished run; a damaged front.parquet is written anew."""
    folder = Path(finished)
    manifest = read_manifest(folder)
    assert manifest is not None
    apart = {"manifest.json", "journal.tail", "driver.lock"}
    assert manifest.files.keys() == {path.name for path in folder.iterdir()} - apart
    whole = pq.read_table(folder / "front.parquet").to_pylist()
    content = (folder / "front.parquet").read_bytes()
    (folder / "front.parquet").write_bytes(content[:-1] + b"x")
    assert damage(folder, manifest, "front.parquet") is not None
    text_of(capsys, "resume", finished)
    assert damage(folder, read_manifest(folder), "front.parquet") is None
    assert pq.read_table(folder / "front.parquet").to_pylist() == whole
