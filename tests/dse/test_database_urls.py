"""Database URLs: what they mean, and that no password is shown or kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.database_urls import database_url, with_credentials, without_password
from dse.errors import UsageError

SECRET = "s3cr:t/@{x}"
QUOTED = "s3cr%3At%2F%40%7Bx%7D"


def test_driver_of_postgresql() -> None:
    """PostgreSQL is spoken to by psycopg unless the URL names another driver."""
    assert database_url("postgresql://h/d").drivername == "postgresql+psycopg"
    assert database_url("postgres://h/d").drivername == "postgresql+psycopg"
    assert database_url("postgresql+pg8000://h/d").drivername == "postgresql+pg8000"


def test_sqlite_files_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is resumed from any folder."""
    monkeypatch.chdir(tmp_path)
    assert without_password("sqlite:///trials.db") == f"sqlite:///{tmp_path}/trials.db"
    assert database_url("sqlite:///:memory:").database == ":memory:"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{QUOTED}@db:5432/studies?sslmode=require",
        f"postgresql://me@db:5432/studies?sslmode=require&password={QUOTED}",
    ],
)
def test_passwords_are_left_out(url: str) -> None:
    """What is written has the user, the place and the options, wherever the password stood."""
    assert without_password(url) == "postgresql://me@db:5432/studies?sslmode=require"
    assert database_url(url).password in (SECRET, None)


@pytest.mark.parametrize("url", [f"{SECRET}", f"postgresql://me:{SECRET}@h:p{SECRET}/d"])
def test_what_is_no_url_is_not_repeated(url: str) -> None:
    """A word that cannot be read may be a password: the sentence does not show it."""
    with pytest.raises(UsageError, match="--storage cannot be opened") as told:
        database_url(url)
    assert "s3cr" not in str(told.value)


def test_other_databases_are_refused_by_name() -> None:
    """Only what was tested is offered; a missing driver of another kind is not asked for."""
    with pytest.raises(UsageError, match="of the kind 'mysql': drivers share a study in Post"):
        database_url("mysql://me:hush@h/d")
    with pytest.raises(UsageError, match="of the kind 'nonsense'") as told:
        database_url("nonsense://me:hush@h/d")
    assert "hush" not in str(told.value)


def test_credentials_are_given_anew() -> None:
    """A resumed run takes the same database with a password, and no other one."""
    kept, given = "postgresql://me@db/studies", "postgresql://you:hush@db/studies"
    assert with_credentials(kept, None) == kept
    assert with_credentials(kept, given) == given
    with pytest.raises(UsageError, match="the run is kept in postgresql://me@db/studies; give"):
        with_credentials(kept, "postgresql://me:hush@db/others")
    with pytest.raises(UsageError, match="the run is kept in its own journal file") as told:
        with_credentials(None, given)
    assert "hush" not in str(told.value)
