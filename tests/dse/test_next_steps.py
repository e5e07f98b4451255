"""Every command ends with one command that can be run next."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dse.cli import main
from dse.commands import app
from dse.next_steps import SAID_BY_ITSELF, STEPS
from dse.shown import next_step
from tests.dse.commands import text_of
from tests.dse.conftest import MakeStudy

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


def next_words(printed: str) -> list[str]:
    """Words of the command on the last line."""
    last = printed.splitlines()[-1]
    assert last.startswith("Next:   dse ")
    return shlex.split(last.removeprefix("Next:   dse "))


def test_every_command_has_one() -> None:
    """A command that is added says what follows it, here or by itself."""
    names = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    assert names == STEPS.keys() | SAID_BY_ITSELF
    assert not STEPS.keys() & SAID_BY_ITSELF


@pytest.mark.parametrize(
    "words",
    [
        ["show", "run"],
        ["pareto", "run"],
        ["explain", "run", "--id", "0"],
        ["list", "--root", "."],
        ["spaces"],
        ["export", "run", "--no-model", "--out", "my chip"],
        ["init", "--target", "phone"],
    ],
)
def test_what_is_printed_can_be_run(
    words: list[str], finished: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is a command as a shell takes it, and it works."""
    assert Path(finished).is_dir()
    following = next_words(text_of(capsys, *words))
    if following[0] == "run":
        assert Path(following[1]).is_file()
    else:
        assert main(following) == 0


def test_json_stays_json(finished: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed behind JSON."""
    assert main(["show", finished, "--json"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("}")


def test_words_are_quoted(make_study: MakeStudy, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths with blanks are quoted; the study is named as it was."""
    study = make_study()
    assert next_words(text_of(capsys, "spaces", study)) == ["run", study, "--dry-run"]
    assert next_step("dse", "show", "my run") == "Next:   dse show 'my run'"
