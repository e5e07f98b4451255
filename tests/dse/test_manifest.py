"""The manifest of a run folder, its inputs, and the journal beside the records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from optuna.exceptions import StorageInternalError

from dse import driver
from dse.cross_check import check_records
from dse.errors import ChangedInputError, RunFolderError
from dse.inputs import input_hashes, origin_of, refuse_changed
from dse.manifest import MANIFEST, damage, read_manifest, write_manifest
from dse.runs import RunFolder
from dse.search import Search
from dse.trials_table import read_trials, write_trials
from studies.recorded import RecordedTraces
from tests.dse.conftest import FormulaExecutor, opened, quiet
from tests.dse.reliability import formula_spec, told_folder
from tests.small_study import small_document, spec_with

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""Published in FIPS 180-2, appendix B.1."""


class TestManifest:
    """What is sealed and compared."""

    def test_by_hand(self, tmp_path: Path) -> None:
        """It holds size and SHA-256 of each file that there is, and the inputs."""
        (tmp_path / "a").write_text("abc")
        write_manifest(tmp_path, {"data set": "1" * 64}, ["a", "b"])
        document = json.loads((tmp_path / MANIFEST).read_text())
        assert document["files"] == {"a": {"size_bytes": 3, "sha256": SHA256_OF_ABC}}
        manifest = read_manifest(tmp_path)
        assert manifest is not None
        assert manifest.inputs == {"data set": "1" * 64}
        assert damage(tmp_path, manifest, "a") is None
        assert damage(tmp_path, manifest, "b") is None
        assert damage(tmp_path, None, "a") is None

    def test_changed_files(self, tmp_path: Path) -> None:
        """A flipped bit, a byte less and a missing file are told."""
        (tmp_path / "a").write_text("abc")
        write_manifest(tmp_path, {}, ["a"])
        manifest = read_manifest(tmp_path)
        for content, told in (("abb", "SHA-256"), ("ab", "has 2 bytes and had 3"), ("abcd", "SHA")):
            (tmp_path / "a").write_text(content)
            assert told in str(damage(tmp_path, manifest, "a"))
        (tmp_path / "a").unlink()
        assert "cannot be read" in str(damage(tmp_path, manifest, "a"))

    def test_a_journal_may_grow(self, tmp_path: Path) -> None:
        """Of a journal the beginning counts."""
        (tmp_path / "journal.log").write_text("abc")
        write_manifest(tmp_path, {}, ["journal.log"])
        manifest = read_manifest(tmp_path)
        (tmp_path / "journal.log").write_text("abcd")
        assert damage(tmp_path, manifest, "journal.log") is None
        (tmp_path / "journal.log").write_text("abbd")
        assert "SHA-256" in str(damage(tmp_path, manifest, "journal.log"))

    def test_every_bit_of_its_own(self, tmp_path: Path) -> None:
        """A manifest with any bit flipped is refused, or says the same as before."""
        (tmp_path / "a").write_text("abc")
        write_manifest(tmp_path, {"data set": "1"}, ["a"])
        whole, manifest = (tmp_path / MANIFEST).read_bytes(), read_manifest(tmp_path)
        refused = 0
        for i in range(len(whole)):
            for bit in range(0, 8, 3):
                flipped = whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :]
                (tmp_path / MANIFEST).write_bytes(flipped)
                try:
                    found = read_manifest(tmp_path)
                except RunFolderError:
                    refused += 1
                else:
                    assert found == manifest
        assert refused > len(whole)

    def test_formats(self, tmp_path: Path) -> None:
        """A folder of an earlier version has none; that of a later one is refused."""
        assert read_manifest(tmp_path) is None
        (tmp_path / MANIFEST).write_text('{"format": 2}')
        with pytest.raises(RunFolderError, match="format 2: this version of dse knows 1; use the"):
            read_manifest(tmp_path)


class TestInputs:
    """What a run measures on."""

    def test_changed(self) -> None:
        """Another hash, or an input that is gone, ends the run with its name and both hashes."""
        before = {"data set": "a" * 64, "checkpoint x": "b" * 64}
        refuse_changed(before, {**before, "new": "c" * 64})
        refuse_changed({}, before)
        with pytest.raises(
            ChangedInputError, match=r"Data set has changed .*aaa.* then, ccc.* now"
        ):
            refuse_changed(before, {**before, "data set": "c" * 64})
        with pytest.raises(ChangedInputError, match=r"Checkpoint x has changed .* gone now"):
            refuse_changed(before, {"data set": "a" * 64})

    def test_of_recorded_traces(self, small_traces: Path) -> None:
        """Data, the study's checkpoints and their arrays are hashed."""
        source = RecordedTraces(small_traces)
        spec = spec_with(small_document())
        found = input_hashes(spec, source, origin_of(spec, source))
        assert set(found) == {
            "data set",
            *(f"checkpoint {name}" for name in ("own-layers", "one-layer")),
            *(f"recorded traces of {name}" for name in ("own-layers", "one-layer")),
        }
        assert all(len(digest) == 64 for digest in found.values())


class TestRunFolder:
    """A run folder that has been changed."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> RunFolder:
        """A new run folder."""
        settings = dict.fromkeys(("storage", "study_name", "data", "traces"))
        return RunFolder.create(tmp_path / "run", formula_spec(), settings)

    @pytest.mark.parametrize("name", ["spec.json", "run.json"])
    def test_edited(self, name: str, folder: RunFolder) -> None:
        """A spec or settings other than those written are refused; without a manifest not."""
        path = folder.path / name
        path.write_text(path.read_text() + " ")
        with pytest.raises(RunFolderError, match=rf"{name}: damaged or changed .*SHA-256"):
            (folder.spec, folder.settings)[name == "run.json"]()
        (folder.path / MANIFEST).unlink()
        assert folder.spec() == formula_spec()
        assert folder.settings()["storage"] is None

    def test_settings_of_another_type(self, folder: RunFolder) -> None:
        """Settings are text or null."""
        (folder.path / MANIFEST).unlink()
        (folder.path / "run.json").write_text(json.dumps(folder.settings() | {"study_name": 3}))
        with pytest.raises(RunFolderError, match="study_name has value 3: expected text or null"):
            folder.settings()

    def test_read_only(self, folder: RunFolder) -> None:
        """A folder that nothing can be written in is told, with what still works."""
        (folder.path / "driver.lock").mkdir()
        with pytest.raises(RunFolderError, match=r"cannot be written .* read"), folder.driven():
            pytest.fail("driven")

    def test_half_made(self, tmp_path: Path, folder: RunFolder) -> None:
        """A folder whose making was killed before the spec was written is made anew."""
        half = tmp_path / "half"
        half.mkdir()
        (half / "run.json").write_text("{}")
        (half / "spec.json.tmp").write_text("{")
        made = RunFolder.create(half, formula_spec(), folder.settings())
        assert made.settings() == folder.settings()
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "spec.json").write_text("{}")
        with pytest.raises(RunFolderError, match="exists already"):
            RunFolder.create(tmp_path / "other", formula_spec(), {})

    def test_storage_gone(self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        """A database that no longer answers is told, with its own word for it."""

        def gone(*_: object) -> None:
            raise StorageInternalError("outer") from OSError("the database is gone")

        monkeypatch.setattr(driver, "_driven", gone)
        with pytest.raises(RunFolderError, match=r"does not answer \(the database is gone\)"):
            driver.drive(folder, driver.DriverOptions(), lambda _: None)

    def test_told_trials_are_never_removed(self, folder: RunFolder) -> None:
        """A folder without records is removed, unless its journal holds a trial that was told."""
        search = opened(formula_spec(), folder.path)
        search.run(FormulaExecutor(), quiet)
        folder.remove_if_unused()
        assert folder.journal.is_file()
        folder.journal.unlink()
        folder.remove_if_unused()
        assert not folder.path.exists()


class TestCrossCheck:
    """trials.parquet beside the journal."""

    @pytest.fixture
    def search(self, tmp_path: Path) -> Search:
        """A finished search in a folder with its records."""
        told_folder(tmp_path / "run", formula_spec(), 6)
        search = opened(formula_spec(), tmp_path / "run")
        write_trials(tmp_path / "trials.parquet", search)
        return search

    def test_agree(self, search: Search, tmp_path: Path) -> None:
        """Records of what was told, or none, agree."""
        assert check_records(tmp_path / "trials.parquet", search) is None
        assert check_records(tmp_path / "nowhere.parquet", search) is None
        search.run(FormulaExecutor(), quiet)
        assert check_records(tmp_path / "trials.parquet", search) is None

    def changed(self, path: Path, change: dict[str, Any]) -> None:
        """Write the records with values of the first one changed."""
        rows = read_trials(path)
        rows[0] |= change
        pq.write_table(pa.Table.from_pylist(rows), path)

    def test_a_trial_is_missing(self, search: Search, tmp_path: Path) -> None:
        """A recorded trial that the journal lacks is told."""
        self.changed(tmp_path / "trials.parquet", {"trial": 99})
        with pytest.raises(RunFolderError, match=r"lacks 1 of the \d+ trials .* trial 99"):
            check_records(tmp_path / "trials.parquet", search)

    def test_a_figure_differs(self, search: Search, tmp_path: Path) -> None:
        """Another figure in one of the two is told with both values."""
        self.changed(tmp_path / "trials.parquet", {"reason": "other", "mac_vector_size": 5})
        with pytest.raises(RunFolderError, match=r"trial 0 has \w+ .* in trials.parquet and .* in"):
            check_records(tmp_path / "trials.parquet", search)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
    def test_damaged(self, search: Search, tmp_path: Path, content: bytes) -> None:
        """Records that cannot be read are told and do not stop the run."""
        (tmp_path / "trials.parquet").write_bytes(content)
        told = check_records(tmp_path / "trials.parquet", search)
        assert told is not None
        assert "writes it anew" in told
        assert "\n" not in told
