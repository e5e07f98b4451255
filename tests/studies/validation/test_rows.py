"""Rows, their texts, and the page that they make."""

from __future__ import annotations

import pytest

from studies.validation import (
    Row,
    Section,
    SourceMark,
    Sources,
    Validation,
    Verdict,
    row_lines,
    validation,
    validation_page,
)
from studies.validation.rows import YES_NO, number_text, percent_text


def row(published: float, ours: float | None, **changes: object) -> Row:
    """A row with a tolerance of 10 %, with some fields replaced."""
    fields: dict[str, object] = {
        "name": "clock",
        "published": published,
        "unit": "MHz",
        "ours": ours,
        "source": "a paper",
        "mark": SourceMark.READ,
        "tolerance": 0.1,
    }
    return Row(**(fields | changes))  # type: ignore[arg-type]  # fields of a row by name


def test_error_and_verdict() -> None:
    """110 for 100 is 10 % off and agrees, 111 does not, and nothing is not compared."""
    assert row(100, 110).relative_error == pytest.approx(0.1)
    assert row(100, 110).verdict is Verdict.AGREES
    assert row(100, 90).verdict is Verdict.AGREES
    assert row(100, 111).verdict is Verdict.FAILS
    assert row(100, None, reason="not run").verdict is Verdict.NOT_COMPARED


def test_yes_and_no() -> None:
    """Yes for yes and no for no agree; yes for no does not."""
    assert row(1, 1, unit=YES_NO, tolerance=0).verdict is Verdict.AGREES
    assert row(0, 0, unit=YES_NO, tolerance=0).verdict is Verdict.AGREES
    assert row(0, 1, unit=YES_NO, tolerance=0).verdict is Verdict.FAILS
    assert row(1, 0, unit=YES_NO, tolerance=0).verdict is Verdict.FAILS


def test_row_without_a_figure_needs_a_reason() -> None:
    """No figure and no reason is a mistake of ours."""
    with pytest.raises(ValueError, match="'clock' has neither a figure nor a reason"):
        row(100, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.026905, "0.0269"),
        (12.345, "12.3"),
        (4184.3, "4,180"),
        (11683584, "11,683,584"),
    ],
)
def test_number_text(value: float, text: str) -> None:
    """Three digits, no exponents, and large whole numbers whole."""
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (-0.0001, "0 %"), (-0.05, "−5.0 %"), (2.26, "+226 %")]
)
def test_percent_text(share: float, text: str) -> None:
    """One decimal below 10 %, none above, and no sign where nothing is left."""
    assert percent_text(share, signed=True) == text


def test_series_share_a_line_where_they_agree() -> None:
    """Two rows that agree become one line with their range and errors; the third stays."""
    rows = [
        row(100, 101, series="clocks"),
        row(200, 198, series="clocks"),
        row(300, 600, series="clocks", reason="another chip"),
    ]
    together, alone = row_lines(rows, Sources())
    assert together.cells[:5] == (
        "clocks: 2 figures",
        "MHz",
        "100 to 200",
        "101 to 198",
        "mean 1.0 %, largest 1.0 %",
    )
    assert (together.failed, alone.failed) == (False, True)
    assert alone.cells[3:5] == ("600", "+100 %")


def test_page_of_a_small_validation() -> None:
    """A page has a table a section, what fails with its reason, and numbered sources."""
    section = Section(title="Clocks", text="Two.", rows=(row(1, 1), row(1, 3, reason="Late.")))
    page = validation_page(Validation(sections=(section,), platforms=()))
    assert "2 figures: 1 agree, 1 do not, 0 without a comparison." in page
    assert "| clock | MHz | 1 | 1 | 0 % | read [1] |  |" in page
    assert "| **clock** | MHz | 1 | 3 | +200 % | read [1] |  |" in page
    assert "* Late. – clock (+200 %)." in page
    assert page.endswith("## Sources\n\n1. a paper\n")


def test_every_row_has_a_source_and_every_failure_a_reason() -> None:
    """No row is without source; none differs without a sentence that says why."""
    rows = validation(None, ()).rows
    assert len(rows) > 250
    for found in rows:
        assert found.source
        if found.verdict is not Verdict.AGREES:
            assert found.reason, found.name
