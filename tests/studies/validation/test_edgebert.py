"""EdgeBERT's headline ratios from its authors' entropies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search_space import IdleAccounting
from studies.validation.accelerator import scenario
from studies.validation.authors import (
    ENTROPIES,
    TABLE,
    AuthorsTrace,
    ReferenceDataError,
    authors_trace,
)
from studies.validation.edgebert import comparison, edgebert_section, layer_rows, ratio_rows
from studies.validation.rows import Row, Verdict


@pytest.fixture(scope="module")
def trace(reference_dir: Path) -> AuthorsTrace:
    """The authors' data."""
    return authors_trace(reference_dir)


@pytest.fixture(scope="module")
def ratios(trace: AuthorsTrace) -> dict[str, Row]:
    """Ratios by name."""
    rows = ratio_rows(trace)
    found = {row.name: row for row in rows}
    assert len(found) == len(rows)
    return found


def test_mean_exit_layers(trace: AuthorsTrace) -> None:
    """Sentences leave after 3.942 and 3.897 layers on average, predicted 4.912, as published."""
    rows = {row.name: row for row in layer_rows(trace)}
    for name, mean in (
        ("Mean exit layer, entropy exit below 0.28 nats", 3.942),
        ("Mean exit layer, latency-aware below 0.16 nats", 3.897),
        ("Mean predicted layer, latency-aware below 0.16 nats", 4.912),
    ):
        assert rows[name].ours == pytest.approx(mean, abs=0.0005)
        assert rows[name].verdict is Verdict.AGREES


def test_every_policy_is_cheaper_than_none(trace: AuthorsTrace) -> None:
    """Exits save energy, nothing is late in 50 ms, and switching counts layers and V squared."""
    found = comparison(trace, ("0.28", "0.16"), scenario(), compressed=False)
    assert found.no_exit.energy_mj > found.unbounded.energy_mj > found.aware.energy_mj
    assert found.no_exit.latency_ms == pytest.approx(48.03, abs=0.05)
    assert found.no_exit.missed == found.aware.missed == 0
    assert found.no_exit.switching == pytest.approx(12)
    assert found.unbounded.switching == pytest.approx(3.942, abs=0.0005)
    lowest = 1 + (3.897 - 1) * (0.5 / 0.8) ** 2  # layer 1 at 0.8 V, all others at 0.5 V
    assert found.aware.switching == pytest.approx(lowest, rel=0.01)


def test_core_saves_more_than_supply(trace: AuthorsTrace) -> None:
    """Behind the regulator a low supply saves more than in front of it; waiting costs a little."""
    found = comparison(trace, ("0.28", "0.16"), scenario(), compressed=True)
    supply = found.no_exit.energy_mj / found.aware.energy_mj
    core = found.no_exit.core_energy_mj / found.aware.core_energy_mj
    assert core > supply
    waiting = comparison(
        trace, ("0.28", "0.16"), scenario(idle=IdleAccounting.LEAKAGE), compressed=True
    )
    assert waiting.aware.energy_mj > found.aware.energy_mj


def test_headline_is_met_on_one_reading_only(ratios: dict[str, Row]) -> None:
    """From a dense base, behind the regulator and at the middle thresholds 7 and 2.5 are met."""
    for title in ("No exit", "Entropy exit below 0.28"):
        name = f"{title} over latency-aware below 0.16, 50 ms, "
        met = ratios[f"{name}dense base, compressed design, idle none, behind the regulator"]
        assert met.verdict is Verdict.AGREES
        for one_network in ("dense", "compressed"):
            row = ratios[f"{name}{one_network}, idle none"]
            assert row.verdict is Verdict.FAILS
            assert row.reason


def test_ratios_without_data_are_not_made_up() -> None:
    """Without the folder every row is there, has no figure, and says what to give."""
    rows = edgebert_section(None).rows
    assert len(rows) > 40
    assert {row.ours for row in rows} == {None}
    assert {row.reason for row in rows} == {"not run: give --reference"}
    assert {row.verdict for row in rows} == {Verdict.NOT_COMPARED}


def test_missing_and_damaged_reference_data(tmp_path: Path) -> None:
    """A missing file, text, and a table of another shape are named with what was expected."""
    with pytest.raises(ReferenceDataError, match=r"entropy\.csv: no such file; expected rows of"):
        authors_trace(tmp_path)
    (tmp_path / ENTROPIES).parent.mkdir()
    (tmp_path / ENTROPIES).write_text("an,entropy\n")
    with pytest.raises(ReferenceDataError, match=r"entropy\.csv: not numbers .*rows of 12 numbers"):
        authors_trace(tmp_path)
    np.savetxt(tmp_path / ENTROPIES, np.zeros((3, 12)), delimiter=",")
    np.savetxt(tmp_path / TABLE, np.zeros((99, 11)), delimiter=",")
    with pytest.raises(ReferenceDataError, match=r"lut\.csv: 99 rows of 11 .*expected 100 rows of"):
        authors_trace(tmp_path)
