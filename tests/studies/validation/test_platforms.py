"""Files of platforms, and platforms beside the chip."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.validation import (
    SHIPPED_PLATFORMS,
    Platform,
    PlatformFileError,
    SourceMark,
    add_platforms,
    read_platforms,
)
from studies.validation.platforms import platform_rows, platforms_toml


def board(**changes: object) -> Platform:
    """A board that takes 480 ms and 2 W for ALBERT-base, with some fields replaced."""
    fields: dict[str, object] = {
        "name": "Board",
        "task": "SST-2",
        "model": "albert-base",
        "tokens": 128,
        "latency_ms": 480.0,
        "power_mw": 2000.0,
        "measured_by": "me",
        "source": "my bench",
        "mark": SourceMark.MEASURED,
    }
    return Platform.model_validate({k: v for k, v in (fields | changes).items() if v is not None})


def test_board_beside_the_chip() -> None:
    """480 ms at 2 W are 960 mJ: ten times the chip's 48 ms, and about 205 times its energy."""
    (row,) = platform_rows([board()])
    assert row.reason == ""
    assert row.platform.sentence_mj == pytest.approx(960)
    assert row.times_slower == pytest.approx(10, rel=0.01)
    assert row.chip is not None
    assert row.times_energy == pytest.approx(960 / row.chip.energy_mj)


def test_platforms_without_a_comparison_say_why() -> None:
    """A ratio alone, an unknown model and one that the chip cannot hold are answered in words."""
    ratio = board(latency_ms=None, power_mw=None, energy_ratio=53.0)
    rows = platform_rows([ratio, board(model="gpt"), board(model="bert-base"), board(tokens=600)])
    assert [row.times_slower for row in rows] == [None] * 4
    assert "no absolute figure" in rows[0].reason
    assert "'gpt'" in rows[1].reason
    assert "envm_mib" in rows[2].reason
    assert "600" in rows[3].reason


def test_shipped_platforms_are_as_the_project_writes_them() -> None:
    """The shipped file is canonical, has the published 53 without an absolute, and this CPU."""
    platforms = read_platforms(SHIPPED_PLATFORMS)
    assert platforms_toml(platforms) == SHIPPED_PLATFORMS.read_text(encoding="utf-8")
    by_model = {(p.name, p.model): p for p in platforms}
    jetson = by_model["Nvidia Jetson TX2, CUDA", "albert-base"]
    assert (jetson.energy_ratio, jetson.latency_ms, jetson.energy_mj) == (53, None, None)
    measured = [p for p in platforms if p.mark is SourceMark.MEASURED]
    assert {p.model for p in measured} == {"albert-mini", "albert-base"}


def test_measured_platforms_replace_older_ones(tmp_path: Path) -> None:
    """A file keeps what others put there; the same platform and model is written anew."""
    path = tmp_path / "boards.toml"
    add_platforms(path, [board(), board(name="Other")])
    add_platforms(path, [board(latency_ms=500.0)])
    other, again = read_platforms(path)
    assert (other.name, again.name, again.latency_ms) == ("Other", "Board", 500)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[platform", "not a file of platforms"),
        ("name = 3", r"expected tables \[\[platform\]\] and nothing else"),
        ("[[platform]]\nname = 'x'", "platform 1: key 'task' is missing"),
    ],
)
def test_damaged_file(tmp_path: Path, text: str, sentence: str) -> None:
    """A file that is not one of platforms is refused in one sentence."""
    path = tmp_path / "boards.toml"
    path.write_text(text)
    with pytest.raises(PlatformFileError, match=sentence):
        read_platforms(path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("latency_s = 1", "key 'latency_s' is not known.*latency_ms"),
        ("latency_ms = -1", "latency_ms -1: Input should be greater than 0"),
        ("", "expected at least one of latency_ms, power_mw, energy_mj and energy_ratio"),
    ],
)
def test_wrong_platform(tmp_path: Path, line: str, sentence: str) -> None:
    """An unknown key, a wrong value and a platform without figures are named."""
    path = tmp_path / "boards.toml"
    bare = board(latency_ms=None, power_mw=None, energy_ratio=1.0)
    text = platforms_toml([bare]).replace("energy_ratio = 1.0\n", "")
    path.write_text(f"{text}{line}\n")
    with pytest.raises(PlatformFileError, match=sentence):
        read_platforms(path)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is refused by its name."""
    with pytest.raises(PlatformFileError, match=r"none\.toml: not a file of platforms"):
        read_platforms(tmp_path / "none.toml")
