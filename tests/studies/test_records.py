"""Stored fronts: what is read is what was written, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.records import Front, RecordError, read_front, write_front
from tests.dse.fronts import make_front


@pytest.fixture
def front() -> Front:
    """A front of two designs."""
    return make_front([(0.9, 1e8, 4.0, 9e6), (0.8, 1e6, 1.0, 6e6)])


def test_round_trip(front: Front, tmp_path: Path) -> None:
    """A front comes back equal, and nothing else is left in the folder."""
    write_front(tmp_path / "front.json", front)
    assert read_front(tmp_path / "front.json") == front
    assert [path.name for path in tmp_path.iterdir()] == ["front.json"]


def test_rows(front: Front) -> None:
    """Each design is one flat row of number, knobs, metrics and report accuracy."""
    rows = list(front.rows())
    assert [row["id"] for row in rows] == [0, 1]
    assert rows[1]["energy_pj"] == 1e6
    assert rows[1]["checkpoint"] == "own-layers"
    assert rows[1]["report_accuracy"] == pytest.approx(0.79)


def test_design_by_number(front: Front) -> None:
    """A design is found by its number; another number is told with those there are."""
    assert front.design(1) == front.designs[1]
    with pytest.raises(RecordError, match=r"^Design id 2 is not on the front: expected 0 to 1\.$"):
        front.design(2)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"format": 2}', b"\xff"])
def test_damaged(content: bytes, tmp_path: Path) -> None:
    """A file that is no front is named in one line, with the command that writes it anew."""
    path = tmp_path / "front.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"not a front record .*'dse resume'") as caught:
        read_front(path)
    assert "\n" not in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    """A front that is not there is told with the command that makes it."""
    with pytest.raises(RecordError, match=r"no such file; .*'dse resume' it"):
        read_front(tmp_path / "front.json")


def test_axes_that_a_front_is_first_drawn_over(front: Front) -> None:
    """The second objective below the first; of accuracies side by side the first cost below one."""
    assert front.axes() == ("energy_pj", "accuracy")
    first, *others = front.objectives
    names = ("accuracy[SST-2]", "accuracy[RTE]")
    several = [first.model_copy(update={"metric": name}) for name in names]
    of_two = front.model_copy(update={"objectives": [*several, *others]})
    assert of_two.axes() == ("energy_pj", "accuracy[SST-2]")
    assert front.model_copy(update={"objectives": several}).axes() == names[::-1]
