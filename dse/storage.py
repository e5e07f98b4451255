"""Optuna storage: a journal file by default, a database by URL."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from dse.errors import RunFolderError, UsageError
from dse.journal import GroupCommitJournal


def open_storage(url: str | None, journal: Path) -> BaseStorage:
    """The storage of a run whose driver lock is held.

    Args:
        url: database URL; None for the journal file.
        journal: absolute path of the journal file.

    Raises:
        UsageError: the URL cannot be opened.
        RunFolderError: the journal is damaged other than at its end, or cannot be written.
    """
    if url is not None:
        try:
            return RDBStorage(url)
        except Exception as error:  # SQLAlchemy and drivers raise many kinds
            first = str(error).splitlines()[0]
            raise UsageError(f"--storage {url!r} cannot be opened ({first}).") from error
    backend = GroupCommitJournal(journal)
    try:
        return JournalStorage(backend)
    except Exception as error:  # records of a version without checksums may say anything
        raise RunFolderError(
            f"{journal}: its records do not make a study ({type(error).__name__}: {error}); "
            "restore the file from a backup."
        ) from error


def notes(storage: BaseStorage) -> list[str]:
    """Sentences for the user on what was mended when the storage was opened."""
    backend = getattr(storage, "_backend", None)
    return backend.notes if isinstance(backend, GroupCommitJournal) else []


def commit(storage: BaseStorage) -> None:
    """Put on the disk what the storage still holds; databases hold nothing back."""
    backend = getattr(storage, "_backend", None)
    if isinstance(backend, GroupCommitJournal):
        backend.commit()
