"""Failures that a user can see, each with its exit code."""

from __future__ import annotations

from typing import Final

from evaluators.checkpoints import CheckpointError, UnknownCheckpointError
from evaluators.glue import GlueDataError
from evaluators.recipes import RecipeError
from evaluators.tasks import UnknownTaskError
from evaluators.training_stages import TrainingError
from search_space import ConditionError
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


class ChangedInputError(DseError):
    """Data, a checkpoint or recorded traces are not those that a run began with."""

    exit_code = 5


class EvaluationError(DseError):
    """Too many designs could not be evaluated."""

    exit_code = 6


class EmptyFrontError(DseError):
    """No design of the study meets its constraints."""

    exit_code = 7


EXIT_CODES: Final = {
    0: "done",
    1: "unexpected failure (a bug: --debug shows the traceback)",
    2: "wrong command line",
    3: "wrong study file, recipe, knob, condition, cost model or selection",
    4: "run folder or record missing, damaged or in use",
    5: "data, checkpoint or recorded traces missing, damaged or changed",
    6: "too many designs could not be evaluated",
    7: "no design meets the constraints",
    130: "interrupted (SIGINT, Ctrl-C); 'dse resume' goes on",
    143: "told to end (SIGTERM); 'dse resume' goes on",
}
"""Every exit code of the command line, documented in docs/cli.md."""

_CODE_OF: Final[tuple[tuple[type[Exception], int], ...]] = (
    (StudyFileError, 3),
    (ConditionError, 3),
    (RecipeError, 3),
    (TrainingError, 3),
    (UnknownTaskError, 3),
    (RecordError, 4),
    (UnwritableError, 4),
    (RecordedTracesError, 5),
    (GlueDataError, 5),
    (UnknownCheckpointError, 3),
    (CheckpointError, 5),
)


def exit_code_of(error: Exception) -> int | None:
    """Exit code of a failure that a user can see; None for a bug."""
    if isinstance(error, DseError):
        return error.exit_code
    for kind, code in _CODE_OF:
        if isinstance(error, kind):
            return code
    return None
