"""Optuna storage: a journal file by default, a database by URL."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from dse.errors import RunFolderError
from dse.interruption import uninterrupted
from dse.journal import GroupCommitJournal


def open_storage(url: str | None, journal: Path, driver: str = "") -> BaseStorage:
    """The storage of a run whose driver lock is held.

    Args:
        url: database URL; None for the journal file.
        journal: absolute path of the journal file.
        driver: name of the driver in a database.

    Raises:
        UsageError: the URL cannot be opened.
        RunFolderError: the journal is damaged other than at its end, or cannot be written.
    """
    if url is not None:
        with uninterrupted():
            from dse.database import open_database  # a run with a journal file does without

        return open_database(url, driver)
    backend = GroupCommitJournal(journal)
    try:
        return JournalStorage(backend)
    except Exception as error:  # records of a version without checksums may say anything
        raise RunFolderError(
            f"{journal}: its records do not make a study ({type(error).__name__}: {error}); "
            "restore the file from a backup."
        ) from error


def require_study(storage: BaseStorage, study_name: str, run: Path) -> None:
    """Require a storage to have the study of a run that has begun.

    Without this a database that was lost, or made anew, would begin the study again unsaid.

    Raises:
        RunFolderError: it has no such study.
    """
    try:
        storage.get_study_id_from_name(study_name)
    except KeyError:
        raise RunFolderError(
            f"{run}: study {study_name!r} is not in its storage any more; restore the storage from "
            "a backup, or remove manifest.json and trials.parquet to begin the study again."
        ) from None


def notes(storage: BaseStorage) -> list[str]:
    """Sentences for the user on what was mended when the storage was opened."""
    backend = getattr(storage, "_backend", None)
    return backend.notes if isinstance(backend, GroupCommitJournal) else []


def commit(storage: BaseStorage) -> None:
    """Put on the disk what the storage still holds; databases hold nothing back."""
    backend = getattr(storage, "_backend", None)
    if isinstance(backend, GroupCommitJournal):
        backend.commit()


def close(storage: BaseStorage) -> None:
    """Close connections to a database; a journal file is open only while it is written."""
    if not isinstance(storage, RDBStorage):
        return
    from dse.database import Database

    if isinstance(storage, Database):
        storage.close()
