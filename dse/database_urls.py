"""Database URLs: which driver they mean, and how they are shown and kept without a password."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from dse.errors import UsageError
from dse.interruption import uninterrupted

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_SECRET_PARAMETERS: Final = ("password", "sslpassword")
"""Parameters of libpq that are secrets when they stand behind the question mark of a URL."""
_POSTGRES: Final = ("postgres", "postgresql")
_BACKENDS: Final = ("postgresql", "sqlite")


def database_url(text: str) -> URL:
    """A database URL as SQLAlchemy has it; PostgreSQL by psycopg, SQLite by an absolute path.

    Raises:
        UsageError: it is none. The sentence repeats it only if it cannot hold a password.
    """
    with uninterrupted():
        from sqlalchemy.engine import make_url  # a run with a journal file does without

    try:
        url = make_url(text)
    except Exception:  # its parts may say anything, and so may the errors that quote them
        shown = f" {text!r}" if text.isalnum() else ""
        raise UsageError(
            f"--storage{shown} cannot be opened (not a database URL): expected sqlite:///FILE or "
            "postgresql://USER@HOST/DATABASE, with other signs than letters and digits in "
            "percent-encoding."
        ) from None
    if url.drivername in _POSTGRES:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in _BACKENDS:
        raise UsageError(
            f"--storage of the kind {url.get_backend_name()!r}: drivers share a study in "
            "PostgreSQL or SQLite; expected postgresql://USER@HOST/DATABASE or sqlite:///FILE."
        )
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        url = url.set(database=str(Path(url.database).absolute()))
    return url


def without_password(text: str) -> str:
    """The URL as it may be shown and written: all but what is secret.

    >>> without_password("postgresql://me:secret@db/studies?sslpassword=other&sslmode=require")
    'postgresql://me@db/studies?sslmode=require'

    Raises:
        UsageError: it is no URL.
    """
    url = database_url(text)
    shown = _without(url, user=url.username)
    if url.drivername == "postgresql+psycopg":
        shown = shown.set(drivername="postgresql")
    return shown.render_as_string()


def with_credentials(stored: str | None, given: str | None) -> str | None:
    """The URL to open a run's storage with: the one that was kept, or the same one given anew.

    Args:
        stored: what the run folder holds; None for a journal file.
        given: the same database, with user and password; None to take the stored one.

    Raises:
        UsageError: the two name different databases.
    """
    if given is None:
        return stored
    if stored is None or _place(stored) != _place(given):
        kept = "its own journal file" if stored is None else stored
        raise UsageError(
            f"--storage {without_password(given)!r}: the run is kept in {kept}; give that "
            "database with its user and password, or leave the option out."
        )
    return given


def _place(text: str) -> URL:
    return _without(database_url(text), user=None)


def _without(url: URL, user: str | None) -> URL:
    """The URL without what is secret, and with that user."""
    from sqlalchemy.engine import URL

    query = {name: value for name, value in url.query.items() if name not in _SECRET_PARAMETERS}
    return URL.create(
        url.drivername, user, host=url.host, port=url.port, database=url.database, query=query
    )
