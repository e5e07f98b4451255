"""``kill -9`` of the driver in mid-run, and ``dse resume``: no trial is lost or doubled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pyarrow.parquet as pq
import pytest

from dse.storage import open_storage
from studies.records import read_front
from tests.small_study import changed, small_document, toml_text

TRIALS = 200


def dse(*words: str) -> list[str]:
    """The command line of the ``dse`` of this checkout."""
    return [sys.executable, "-c", "from dse.cli import entry; entry()", *words]


@pytest.fixture
def environment(repository: Path) -> dict[str, str]:
    """The environment of the subprocesses, with this checkout first."""
    return {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}


def told_trials(folder: Path) -> dict[int, dict[str, Any]]:
    """Trials that the journal holds as told, by number."""
    copy = Path(shutil.copy(folder / "journal.log", folder.parent / "copy.log"))
    study = optuna.load_study(study_name="edge-dse", storage=open_storage(None, copy))
    return {
        trial.number: {"flat": trial.user_attrs["flat"], "values": trial.values}
        for trial in study.trials
        if trial.state is optuna.trial.TrialState.COMPLETE
    }


def kill_after(process: subprocess.Popen[bytes], journal: Path, size: int) -> None:
    """Kill a driver as soon as its journal has grown to a size."""
    deadline = time.monotonic() + 600  # a busy machine is no fault
    while not (journal.is_file() and journal.stat().st_size >= size):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "the journal does not grow"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_kill_and_resume(environment: dict[str, str], small_traces: Path, tmp_path: Path) -> None:
    """Killed at several moments, a run ends with all trials told before, once, and its budget."""
    study, out = tmp_path / "small.toml", tmp_path / "run"
    document = changed(small_document(), {"search.strategy": "joint", "search.trials": TRIALS})
    study.write_text(toml_text(document))
    journal = out / "journal.log"
    command = dse("run", str(study), "--traces", str(small_traces), "--out", str(out))
    before: dict[int, dict[str, Any]] = {}
    size = 3_000
    for _ in range(4):
        with subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            kill_after(process, journal, size)
        now = told_trials(out)
        assert before.items() <= now.items()
        assert len(now) < TRIALS
        before = now
        size = journal.stat().st_size + 40_001
        command = dse("resume", str(out))
    assert len(before) > 20

    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    after = told_trials(out)
    assert before.items() <= after.items()
    assert len(after) == TRIALS

    table = pq.read_table(out / "trials.parquet").to_pylist()
    assert len(table) == TRIALS
    rows = {row["trial"]: row for row in table}
    assert len(rows) == TRIALS
    objectives = [objective["metric"] for objective in document["objectives"]]
    references = [objective["reference"] for objective in document["objectives"]]
    for number, trial in before.items():
        row = rows[number]
        assert {name: row[name] for name in trial["flat"]} == trial["flat"]
        measured = [row[name] for name in objectives]
        assert trial["values"] == (references if row["accuracy"] is None else measured)
    assert read_front(out / "front.json").counts["trials"] == TRIALS
