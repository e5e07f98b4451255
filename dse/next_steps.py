"""The one command that follows each command, printed at its end unless it printed JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from dse.runs import open_run, run_folders
from dse.shown import next_step
from evaluators.checkpoints import trained_task
from evaluators.tasks import SST2
from studies.presets import preset_names

Arguments = Mapping[str, Any]
Words = tuple[str | Path, ...]
P = ParamSpec("P")
R = TypeVar("R")


def _after_list(given: Arguments) -> Words:
    runs = run_folders(given["root"])
    return ("dse", "show", runs[0].path) if runs else ()


def _after_show(given: Arguments) -> Words:
    run = open_run(given["run_dir"])
    return ("dse", "pareto", run.path) if run.front.is_file() else ()


def _after_pareto(given: Arguments) -> Words:
    run = open_run(given["run_dir"])
    if not run.front_record().designs:
        return ("dse", "show", run.path)
    return ("dse", "explain", run.path, "--id", "0")


def _after_explain(given: Arguments) -> Words:
    path, number = open_run(given["run_dir"]).path, given["design_id"]
    out = path.with_name(f"{path.name}-{number}")
    return ("dse", "export", path, "--select", f"id={number}", "--out", out)


def _after_thresholds(given: Arguments) -> Words:
    path = Path(given["subject"]).absolute()
    known = (path / "spec.json").is_file()
    return ("dse", "pareto", path) if known else ("dse", "spaces", preset_names()[0])


def _after_spaces(given: Arguments) -> Words:
    study = given["study"]
    words = ("dse", "spaces", preset_names()[0])
    return words if study is None else ("dse", "run", study, "--dry-run")


def _after_train(given: Arguments) -> Words:
    return ("dse", "init", "--task", trained_task(given["out"]) or SST2.name)


STEPS: Final[dict[str, Callable[[Arguments], Words]]] = {
    "list": _after_list,
    "show": _after_show,
    "pareto": _after_pareto,
    "explain": _after_explain,
    "thresholds": _after_thresholds,
    "spaces": _after_spaces,
    "doctor": lambda given: ("dse", "dashboard", open_run(given["run_dir"]).path),
    "report": lambda given: ("dse", "dashboard", open_run(given["run_dir"]).path),
    "sources": lambda _: ("dse", "validate"),
    "validate": lambda _: ("dse", "sources"),
    "cache": lambda _: ("dse", "list"),
    "faults": lambda given: ("dse", "init", "--task", given["task"]),
    "train": _after_train,
    "record": lambda given: ("dse", "run", given["grids"][0], "--traces", given["out"].absolute()),
    "predict": lambda given: ("dse", "verify", given["folder"].absolute()),
}
"""By command, what follows from its arguments; nothing if the command has said it."""

SAID_BY_ITSELF: Final = frozenset(
    {"run", "resume", "refine", "export", "verify", "init", "dashboard"}
)
"""Commands that print their own; a dashboard ends with Ctrl-C."""


def followed(name: str, command: Callable[P, R]) -> Callable[P, R]:
    """The command, which prints its next step when it has ended well."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        result = command(*args, **kwargs)
        if not kwargs.get("as_json"):
            words = STEPS[name](kwargs)
            if words:
                print(next_step(*words))
        return result

    return wrapped
