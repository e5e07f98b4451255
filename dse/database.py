"""A study in a database that several drivers share and that may restart in mid-study.

`Database` is Optuna's RDB storage with three things added. What a lost connection leaves unknown is
read back before it is written again, so that no trial is made or told twice. A trial has its driver
from the transaction that makes it. And a table of claims says who was first (`Database.holder`).
"""

from __future__ import annotations

import copy
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from dse.database_urls import database_url, without_password
from dse.errors import UsageError
from dse.trials import DRIVER

_ASK: Final = "ask"
"""Trial attribute: a random text of the call that made the trial, by which it is found again."""
OUTAGE_S: Final = 120.0
"""How long a database may be away before the driver gives up."""
BUSY_S: Final = 60.0
"""How long SQLite waits for another process that writes."""
CONNECT_S: Final = 10
"""How long one attempt to connect to PostgreSQL may take."""
_PASSING: Final = ("57P01", "57P02", "57P03", "40001", "40P01")
"""SQLSTATE of shutdowns and starts, and of what was rolled back for another transaction's sake."""
_LONGEST_PAUSE_S: Final = 2.0
_OPENINGS: Final = 5
"""Attempts to make the tables: two drivers that start at once are in each other's way."""

_CLAIMS: Final = sqlalchemy.Table(
    "edge_dse_claims",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("study_id", sqlalchemy.Integer, primary_key=True, autoincrement=False),
    sqlalchemy.Column("what", sqlalchemy.String(128), primary_key=True),
    sqlalchemy.Column("holder", sqlalchemy.String(128), nullable=False),
)

Result = TypeVar("Result")


class Database(RDBStorage):
    """Optuna's trials in a database, written by any number of drivers.

    Attributes:
        driver: name of this driver.
    """

    def __init__(self, url: str, driver: str) -> None:
        """Connect, and make the tables where there are none.

        Args:
            url: database URL.
            driver: name of this driver, the same whenever it goes on.
        """
        place = database_url(url)
        options: dict[str, Any] = {}
        if place.get_backend_name() == "sqlite":
            options = {"connect_args": {"timeout": BUSY_S}}
        elif place.get_backend_name() == "postgresql":
            options = {"connect_args": {"connect_timeout": CONNECT_S}, "pool_pre_ping": True}
        self.driver = driver
        rendered = place.render_as_string(hide_password=False)
        template = rendered.replace("{", "{{").replace("}", "}}")  # Optuna fills in templates
        super().__init__(template, engine_kwargs=options)
        _CLAIMS.create(self.engine, checkfirst=True)

    def close(self) -> None:
        """Close the connections; they are opened again when needed."""
        self.remove_session()
        self.engine.dispose()

    def holder(self, study_id: int, what: str, claimant: str) -> str:
        """Who was first to claim something: the claimant, if nobody was before.

        The table's primary key decides: of any number of drivers exactly one is told its own name.
        """

        def claim() -> str:
            row = {"study_id": study_id, "what": what, "holder": claimant}
            try:
                with self.engine.begin() as connection:
                    connection.execute(sqlalchemy.insert(_CLAIMS).values(**row))
            except IntegrityError:
                pass  # somebody was first, or this driver before an answer was lost
            with self.engine.connect() as connection:
                here = (_CLAIMS.c.study_id == study_id) & (_CLAIMS.c.what == what)
                return str(connection.scalar(sqlalchemy.select(_CLAIMS.c.holder).where(here)))

        return self._lasting(claim)

    def release(self, study_id: int, what: str, claimant: str) -> None:
        """Give a claim back; nothing happens to somebody else's."""
        mine = sqlalchemy.delete(_CLAIMS).where(
            _CLAIMS.c.study_id == study_id, _CLAIMS.c.what == what, _CLAIMS.c.holder == claimant
        )

        def released() -> None:
            with self.engine.begin() as connection:
                connection.execute(mine)

        self._lasting(released)

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Make a study without claims; SQLite gives the number of a deleted one again."""

        def make() -> int:
            try:
                with _create_scoped_session(self.scoped_session) as session:
                    study = models.StudyModel(
                        study_name=study_name,
                        directions=[
                            models.StudyDirectionModel(objective=i, direction=direction)
                            for i, direction in enumerate(directions)
                        ],
                    )
                    session.add(study)
                    session.flush()
                    number = int(study.study_id)
                    session.execute(sqlalchemy.delete(_CLAIMS).where(_CLAIMS.c.study_id == number))
            except IntegrityError as error:
                raise DuplicatedStudyError from error
            return number

        return self._lasting(make)

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        """Make a trial of this driver; one whose answer was lost is found by its `ask`."""
        call = uuid.uuid4().hex
        template = copy.deepcopy(template_trial)
        if template is None:
            template = create_trial(state=TrialState.RUNNING)
            template.datetime_start = datetime.now()
        template.user_attrs |= {_ASK: call}
        if template.state == TrialState.RUNNING:
            template.user_attrs |= {DRIVER: self.driver}

        def make() -> FrozenTrial:
            with _create_scoped_session(self.scoped_session) as session:
                # The lock on the study's row keeps numbers of trials apart.
                models.StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
                trial = self._get_prepared_new_trial(study_id, template, session)
                session.flush()
                return self._build_frozen_trial_from_trial_model(trial)

        def made() -> FrozenTrial | None:
            attribute = models.TrialUserAttributeModel
            with _create_scoped_session(self.scoped_session) as session:
                query = session.query(attribute.trial_id)
                found = query.filter(
                    attribute.key == _ASK, attribute.value_json == json.dumps(call)
                ).one_or_none()
            return None if found is None else RDBStorage.get_trial(self, found[0])

        return self._lasting(make, made)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Tell a trial, or start one that waits; after a lost answer only if it is not stored."""
        if state == TrialState.RUNNING:
            return self._started(trial_id)
        told = super().set_trial_state_values

        def stored() -> bool | None:
            trial = RDBStorage.get_trial(self, trial_id)
            expected = None if values is None else list(values)
            return True if trial.state == state and trial.values == expected else None

        return self._lasting(lambda: told(trial_id, state, values), stored)

    def _started(self, trial_id: int) -> bool:
        """Take a trial that waits for this driver; False if another one has it."""

        def start() -> bool:
            with _create_scoped_session(self.scoped_session) as session:
                trial = models.TrialModel.find_or_raise_by_id(trial_id, session)
                self.check_trial_is_updatable(trial_id, cast(TrialState, trial.state))
                waiting = sqlalchemy.update(models.TrialModel).where(
                    models.TrialModel.trial_id == trial_id,
                    models.TrialModel.state == TrialState.WAITING,
                )
                now = datetime.now(UTC).replace(tzinfo=None)  # as Optuna keeps times in databases
                started = {"state": TrialState.RUNNING, "datetime_start": now}
                if session.connection().execute(waiting.values(**started)).rowcount == 0:
                    attributes = {a.key: json.loads(a.value_json) for a in trial.user_attributes}
                    return bool(attributes.get(DRIVER) == self.driver)
                self._set_trial_attr_without_commit(
                    session, models.TrialUserAttributeModel, trial_id, DRIVER, self.driver
                )
            return True

        return self._lasting(start)

    def _lasting(
        self, act: Callable[[], Result], stored: Callable[[], Result | None] | None = None
    ) -> Result:
        """Do something however often the database goes away meanwhile, `OUTAGE_S` at a time.

        Args:
            act: what to do. Without `stored` it must come to the same when done twice.
            stored: reads back what it has done before the connection was lost; None if nothing.

        Raises:
            StorageInternalError: the database refuses, or is away for longer.
        """
        until: float | None = None
        pause = 0.05
        while True:
            try:
                if until is not None and stored is not None:
                    found = stored()
                    if found is not None:
                        return found
                return act()
            except (StorageInternalError, SQLAlchemyError) as error:
                until = time.monotonic() + OUTAGE_S if until is None else until
                if not is_outage(error) or time.monotonic() >= until:
                    if isinstance(error, StorageInternalError):
                        raise
                    raise StorageInternalError(str(error)) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def open_database(url: str, driver: str) -> Database:
    """The database of a study.

    Args:
        url: with all that is needed to connect.
        driver: name of this driver.

    Raises:
        UsageError: it cannot be opened; what is secret in the URL is left out.
    """
    shown = without_password(url)
    for attempt in range(1, _OPENINGS + 1):
        try:
            return Database(url, driver)
        except Exception as error:  # SQLAlchemy, Alembic and drivers raise many kinds
            raced = isinstance(error, SQLAlchemyError) and "already exists" in str(error)
            if attempt == _OPENINGS or not (raced or isinstance(error, IntegrityError)):
                first = str(error).splitlines()[0]
                if isinstance(error.__cause__, ModuleNotFoundError) or isinstance(
                    error, ModuleNotFoundError
                ):
                    first += "; for PostgreSQL: pip install edge-dse[postgres]"
                raise UsageError(f"--storage {shown!r} cannot be opened ({first}).") from error
        time.sleep(0.2 * attempt)
    raise AssertionError("unreachable")


def is_outage(error: BaseException) -> bool:
    """Whether a failure says that PostgreSQL is away, going or coming, or that another try may do.

    PostgreSQL's are known by their SQLSTATE (its manual, appendix A): class 08 is of connections,
    and an error in connecting bears none. SQLite's is that another process writes for long.
    """
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    if not isinstance(cause, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError):
        return False
    original = cause.orig
    if isinstance(original, sqlite3.OperationalError):
        return original.sqlite_errorname.startswith("SQLITE_BUSY")
    if not type(original).__module__.startswith("psycopg"):
        return False
    state = getattr(original, "sqlstate", None)
    return state is None or state[:2] == "08" or state in _PASSING


def _lasts(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of Optuna's storage that comes to the same when it is done twice, made lasting."""

    def lasting(self: Database, *arguments: Any, **named: Any) -> Any:
        return self._lasting(lambda: method(self, *arguments, **named))

    return lasting


for _name in (
    *("set_study_user_attr", "set_study_system_attr", "set_trial_user_attr"),
    *("set_trial_system_attr", "_set_trial_param", "set_trial_intermediate_value"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_study_directions"),
    *("get_study_user_attrs", "get_study_system_attrs", "get_trial", "_get_trials"),
    "get_trial_id_from_study_id_trial_number",
):  # writes of these are upserts, or rows whose second insertion is ignored
    setattr(Database, _name, _lasts(cast(Callable[..., Any], getattr(RDBStorage, _name))))
