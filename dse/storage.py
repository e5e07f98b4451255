"""Optuna storage: a journal file by default, a database by URL, and repair after a killed driver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from dse.errors import RunFolderError, UsageError

REAPED: Final = "reaped"


def open_storage(url: str | None, journal: Path) -> BaseStorage:
    """The storage of a run whose driver lock is held.

    Args:
        url: database URL; None for the journal file.
        journal: absolute path of the journal file.

    Raises:
        UsageError: the URL cannot be opened.
        RunFolderError: the journal is damaged other than at its end.
    """
    if url is not None:
        try:
            return RDBStorage(url)
        except Exception as error:  # SQLAlchemy and drivers raise many kinds
            raise UsageError(f"--storage {url!r} cannot be opened ({error}).") from error
    _repair(journal)
    return JournalStorage(JournalFileBackend(str(journal)))


def _repair(journal: Path) -> None:
    """Cut a torn last record off and remove the lock of a dead driver.

    A driver killed in the middle of a write leaves a record without its end; Optuna would glue the
    next one to it and never load the study again. What is cut was never acknowledged.
    """
    journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
    if not journal.is_file():
        return
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            json.loads(line)
        except ValueError as error:
            raise RunFolderError(
                f"{journal}, record {number}: damaged ({error}); restore the file from a backup."
            ) from error
    if whole != content:
        with journal.open("r+b") as file:
            file.truncate(len(whole))


def reap(study: optuna.Study) -> list[FrozenTrial]:
    """Close trials that a dead driver left running, and queue their points again.

    Call only while no other driver works on the study.

    Returns:
        The trials that were closed.
    """
    orphans = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in orphans:
        study._storage.set_trial_user_attr(trial._trial_id, REAPED, True)
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs={"retry_of": trial.number})
    return orphans
