"""`dse validate`: what it prints and writes, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import Tensor

from dse import cpu_latency
from dse.cli import main
from dse.cpu_latency import cpu_name, cpu_platform, median_ms
from evaluators.encoders import encoder_shape
from studies.validation import Platform, SourceMark, read_platforms
from studies.validation.encoders import ALBERT_BASE
from tests.dse.commands import failure


@pytest.fixture(autouse=True)
def without_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reference folder in the environment."""
    monkeypatch.delenv("DSE_REFERENCE_DIR", raising=False)


@pytest.mark.slow
def test_page_is_what_the_command_writes(
    repository: Path,
    reference_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """docs/validation.md is what ``dse validate --reference DIR --out FILE`` writes."""
    page = tmp_path / "validation.md"
    assert main(["validate", "--reference", str(reference_dir), "--out", str(page)]) == 0
    assert page.read_text() == (repository / "docs" / "validation.md").read_text()
    assert f"Page: {page}" in capsys.readouterr().out


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """JSON has every row with its figures, error, source, mark, fitted constants and reason."""
    boards = tmp_path / "boards.toml"
    boards.write_text(
        '[[platform]]\nname = "Board"\ntask = "SST-2"\nmodel = "albert-base"\ntokens = 128\n'
        'latency_ms = 96.1\nmeasured_by = "me"\nsource = "bench"\nmark = "measured"\n'
    )
    assert main(["validate", "--json", "--platforms", str(boards)]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for section in found["sections"] for row in section["rows"]}
    clock = rows["Clock at 0.62 V"]
    assert clock["published"] == 76.7
    assert clock["relative_error"] == pytest.approx(clock["ours"] / 76.7 - 1)
    assert (clock["verdict"], clock["mark"], clock["fitted"]) == ("fails", "read", [])
    assert clock["source"]
    assert clock["reason"]
    assert rows["Clock at 0.68 V"]["reason"] == ""
    not_run = rows["Mean exit layer, entropy exit below 0.23 nats"]
    assert (not_run["ours"], not_run["reason"]) == (None, "not run: give --reference")
    board = next(row for row in found["platforms"] if row["name"] == "Board")
    assert board["times_slower"] == pytest.approx(2, rel=0.01)


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The text has tables, what fails and why, sources, and says what it needs for the rest."""
    assert main(["validate"]) == 0
    printed = capsys.readouterr().out
    assert "The chip of ISSCC 2023" in printed
    assert "* not run: give --reference – Mean exit layer" in printed
    assert "[1] Tambe et al., ISSCC 2023" in printed
    assert any("figures: " in line for line in printed.splitlines()[-3:])


def test_folder_without_the_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A reference folder that lacks the files is refused by the first of them."""
    told = failure(capsys, 5, "validate", "--reference", str(tmp_path))
    assert told == (
        f"{tmp_path}/edgebert/sst2_dev_entropy.csv: no such file; expected rows of 12 numbers."
    )


def test_bad_platform_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A wrong platform is named in one sentence, before anything is measured."""
    path = tmp_path / "boards.toml"
    path.write_text('[[platform]]\nname = "Board"\n')
    told = f"{path}: platform 1: key 'task' is missing."
    assert failure(capsys, 5, "validate", "--platforms", str(path)) == told
    assert failure(capsys, 5, "validate", "--measure-cpu", str(path)) == told


def test_measured_cpu_is_written_and_compared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The measurement goes into the file first, and its rows are in the same report."""
    asked: list[int] = []

    def platforms(threads: int) -> list[Platform]:
        asked.append(threads)
        return [
            Platform(
                name="This CPU",
                task="any",
                model="albert-base",
                tokens=128,
                latency_ms=480,
                measured_by="a test",
                source="made up",
                mark=SourceMark.MEASURED,
            )
        ]

    monkeypatch.setattr(cpu_latency, "cpu_platforms", platforms)
    path = tmp_path / "cpu.toml"
    assert main(["validate", "--json", "--measure-cpu", str(path), "--threads", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert asked == [2]
    assert [platform.name for platform in read_platforms(path)] == ["This CPU"]
    row = next(row for row in found["platforms"] if row["name"] == "This CPU")
    assert row["times_slower"] == pytest.approx(10, rel=0.01)


class CountedEncoder:
    """Stands for an encoder; every sentence adds 2 mJ to an energy counter, if there is one."""

    def __init__(self, counter: Path | None) -> None:
        self.backbone = SimpleNamespace(config=SimpleNamespace(vocab_size=100))
        self.counter = counter

    def __call__(self, ids: Tensor, mask: Tensor) -> None:
        """One sentence of 128 tokens."""
        assert ids.shape == mask.shape == (1, 128)
        if self.counter is not None:
            self.counter.write_text(str(int(self.counter.read_text()) + 2000))


def measured(encoder: CountedEncoder, counter: Path) -> Platform:
    """The platform of four sentences on one thread."""
    return cpu_platform("small", encoder, 1, 4, counter)  # type: ignore[arg-type]  # a stand-in


def test_energy_of_a_counter(tmp_path: Path) -> None:
    """What the counter rises by is shared out over the measured sentences, warm-up left out."""
    counter = tmp_path / "energy_uj"
    counter.write_text("5")
    found = measured(CountedEncoder(counter), counter)
    assert found.energy_mj == pytest.approx(2)
    assert found.note == "median of 4 sentences; energy of the whole package"
    assert found.latency_ms is not None
    assert found.name.endswith(", 1 thread")


@pytest.mark.parametrize("text", [None, "12", "not a number"])
def test_no_energy_without_a_counter(tmp_path: Path, text: str | None) -> None:
    """A counter that is not there, stands still or is unreadable gives no energy, and a note."""
    counter = tmp_path / "energy_uj"
    if text is not None:
        counter.write_text(text)
    found = measured(CountedEncoder(None), counter)
    assert found.energy_mj is None
    assert "no power: the energy counter cannot be read" in found.note


def test_albert_base_of_the_measurement_is_the_models() -> None:
    """The encoder that is measured has the shape that the chip runs."""
    assert encoder_shape(cpu_latency.ALBERT_BASE_CONFIG) == ALBERT_BASE


def test_median_and_name(tmp_path: Path) -> None:
    """The median of an instant call is short, and the name is that of the kernel's file."""
    assert 0 <= median_ms(lambda: None, 3) < 100
    info = tmp_path / "cpuinfo"
    info.write_text("processor: 0\nmodel name\t: Small CPU\n")
    assert cpu_name(info) == "Small CPU"
    assert cpu_name(tmp_path / "missing")
