"""A study in a database that others look at: each time only the trials that were told since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from dse.database_urls import database_url, without_password
from dse.errors import RunFolderError
from dse.journal_follower import FollowedTrial

CONNECT_S: Final = 5
"""How long one attempt to connect may take: somebody is waiting for a page."""
_AT_ONCE: Final = 500
"""Trials whose attributes are asked for in one statement; SQLite allows 999 values."""
_TAKEN: Final = ("flat", "outcome", "repeated_of", "reaped")
_TOLD: Final = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class DatabaseFollower:
    """The trials of a study, whichever driver has asked for them.

    Only what is selected is asked of the database, and a connection lasts as long as a look.

    Attributes:
        in_flight: trials that were asked for and not told, at the last look.
    """

    def __init__(self, url: str, study_name: str) -> None:
        """Follow a study; nothing is connected yet.

        Args:
            url: of the database, as the run folder has it.
            study_name: in the database.
        """
        self._url, self._study_name = url, study_name
        self._engine: Engine | None = None
        self._study: int | None = None
        self._known: set[int] = set()
        self.in_flight = 0

    def stamp(self) -> object:
        """Something that is another one whenever trials were asked for or told.

        Raises:
            RunFolderError: the database does not answer.
        """
        try:
            with self._connected() as connection:
                return tuple(sorted(self._counts(connection).items()))
        except (SQLAlchemyError, ImportError) as error:
            raise self._away(error) from error

    def advance(self) -> list[FollowedTrial]:
        """Read what was told since the last look; those trials, by number.

        Raises:
            RunFolderError: the database does not answer.
        """
        try:
            with self._connected() as connection:
                self.in_flight = self._counts(connection).get(TrialState.RUNNING.name, 0)
                return [] if self._study is None else self._new(connection)
        except (SQLAlchemyError, ImportError) as error:
            raise self._away(error) from error

    def _connected(self) -> Connection:
        place = database_url(self._url)
        file = place.database if place.get_backend_name() == "sqlite" else None
        if file is not None and not Path(file).is_file():  # SQLite would make it
            raise RunFolderError(
                f"{file}: no such file, and the run keeps its trials there; bring it back."
            )
        if self._engine is None:
            limit = {} if file is not None else {"connect_timeout": CONNECT_S}
            self._engine = sqlalchemy.create_engine(
                place, poolclass=sqlalchemy.NullPool, connect_args=limit
            )
        return self._engine.connect()

    def _counts(self, connection: Connection) -> dict[str, int]:
        """Trials by state; none while the study is not there."""
        if self._study is None:
            if not sqlalchemy.inspect(connection).has_table(models.StudyModel.__tablename__):
                return {}
            study = models.StudyModel
            named = sqlalchemy.select(study.study_id).where(study.study_name == self._study_name)
            self._study = connection.scalar(named)
        trial = models.TrialModel
        counted = (
            sqlalchemy.select(trial.state, sqlalchemy.func.count())
            .where(trial.study_id == self._study)
            .group_by(trial.state)
        )
        return {state.name: count for state, count in connection.execute(counted)}

    def _new(self, connection: Connection) -> list[FollowedTrial]:
        trial = models.TrialModel
        ended = (
            sqlalchemy.select(
                trial.trial_id,
                trial.number,
                trial._datetime_start_utc.label("started"),
                trial._datetime_complete_utc.label("completed"),
            )
            .where(trial.study_id == self._study, trial.state.in_(_TOLD))
            .order_by(trial.number)
        )
        rows = [row for row in connection.execute(ended) if row.trial_id not in self._known]
        found = {
            row.trial_id: FollowedTrial(
                row.number,
                started=_text(row.started),
                completed=_text(row.completed),
            )
            for row in rows
        }
        identities = list(found)
        for start in range(0, len(identities), _AT_ONCE):
            self._read_attributes(connection, identities[start : start + _AT_ONCE], found)
        self._known |= found.keys()
        return list(found.values())

    def _read_attributes(
        self, connection: Connection, identities: Sequence[int], found: dict[int, FollowedTrial]
    ) -> None:
        attribute = models.TrialUserAttributeModel
        kept = sqlalchemy.select(attribute.trial_id, attribute.key, attribute.value_json).where(
            attribute.trial_id.in_(identities), attribute.key.in_(_TAKEN)
        )
        for identity, key, text in connection.execute(kept):
            value: Any = json.loads(text)
            found[identity].attributes[key] = value

    def _away(self, error: Exception) -> RunFolderError:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        return RunFolderError(
            f"{without_password(self._url)}: the run's database does not answer ({cause}); start "
            "it, or give its password as PostgreSQL's client reads it (PGPASSWORD, ~/.pgpass)."
        )


def _text(moment: datetime | None) -> str | None:
    """ISO time of a moment as Optuna keeps it in databases: UTC without saying so."""
    return None if moment is None else moment.replace(tzinfo=UTC).isoformat()
