"""Failures that a user can see, each with its exit code."""

from __future__ import annotations

import errno
import os
from typing import Final

from evaluators.checkpoints import CheckpointError, UnknownCheckpointError
from evaluators.codecs.errors import NotFiniteError
from evaluators.glue import GlueDataError
from evaluators.recipes import RecipeError
from evaluators.tasks import UnknownTaskError
from evaluators.training_stages import TrainingError
from search_space import ConditionError
from studies.design_lists import DesignListError
from studies.recorded import RecordedTracesError
from studies.records import RecordError
from studies.spec import StudyFileError
from studies.whole_files import UnwritableError


class DseError(Exception):
    """A failure that ends a command with one sentence.

    Attributes:
        exit_code: what the command returns.
    """

    exit_code = 1


class UsageError(DseError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class SelectionError(DseError):
    """A selection names no design of the front."""

    exit_code = 3


class RunFolderError(DseError):
    """A run folder is missing, damaged, in use, or already there."""

    exit_code = 4


class UnwritableRunError(RunFolderError):
    """A run folder, or its journal, cannot be read or written."""

    exit_code = 8


class ChangedInputError(DseError):
    """Data, a checkpoint or recorded traces are not those that a run began with."""

    exit_code = 5


class EvaluationError(DseError):
    """Too many designs could not be evaluated."""

    exit_code = 6


class EmptyFrontError(DseError):
    """No design of the study meets its constraints."""

    exit_code = 7


class UnhealthyRunError(DseError):
    """A check of a run's health has failed."""

    exit_code = 9


EXIT_CODES: Final = {
    0: "done",
    1: "unexpected failure (a bug: --debug shows the traceback)",
    2: "wrong command line",
    3: "wrong study file, list of designs, recipe, knob, condition, cost model or selection",
    4: "run folder or record missing, damaged or in use",
    5: "data, checkpoint or recorded traces missing, damaged or changed",
    6: "too many designs could not be evaluated",
    7: "no design meets the constraints",
    8: "file or folder cannot be read or written",
    9: "export that is none, or is not what it says",
    10: "a check of a run's health failed ('dse doctor')",
    130: "interrupted (SIGINT, Ctrl-C); 'dse resume' of a run, or the same command, goes on",
    143: "told to end (SIGTERM); 'dse resume' of a run, or the same command, goes on",
}
"""Every exit code of the command line, documented in docs/cli.md."""

_CODE_OF: Final[tuple[tuple[type[Exception], int], ...]] = (
    (StudyFileError, 3),
    (ConditionError, 3),
    (DesignListError, 3),
    (RecipeError, 3),
    (TrainingError, 3),
    (UnknownTaskError, 3),
    (RecordError, 4),
    (RecordedTracesError, 5),
    (GlueDataError, 5),
    (UnknownCheckpointError, 3),
    (CheckpointError, 5),
    (NotFiniteError, 5),
    (UnwritableError, 8),
)


_OF_FILES: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("EACCES", "EDQUOT", "EEXIST", "EFBIG", "EIO", "EISDIR", "ELOOP", "EMFILE"),
        *("ENAMETOOLONG", "ENOENT", "ENOSPC", "ENOTDIR", "EPERM", "EROFS"),
    )
)
"""System errors that say something of a file, its folder, or the disk under it."""


def exit_code_of(error: Exception) -> int | None:
    """Exit code of a failure that a user can see; None for a bug."""
    if isinstance(error, DseError):
        return error.exit_code
    for kind, code in _CODE_OF:
        if isinstance(error, kind):
            return code
    return 8 if isinstance(error, OSError) and error.errno in _OF_FILES else None


def sentence_of(error: Exception) -> str:
    """What a failure that a user can see says: its own words, or those of a system error's file.

    >>> sentence_of(OSError(errno.ENOSPC, "No space left on device", "runs/a/front.json"))
    'runs/a/front.json: no space left on device; check the path, its permissions and the disk.'
    """
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    reason = (error.strerror or os.strerror(error.errno)).lower()
    name = error.filename or "A file"
    return f"{name}: {reason}; check the path, its permissions and the disk."
