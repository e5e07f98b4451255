"""Reports of three named accelerators are those that a reviewer has read."""

from __future__ import annotations

import re

import pytest

from tests.hw_cost.golden_reports import ACCELERATORS, FOLDER, report

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.mark.parametrize("name", sorted(ACCELERATORS))
def test_report_is_the_golden_one(name: str) -> None:
    """Words are equal and figures agree to a thousandth; `make golden` writes the reports anew."""
    expected, found = (FOLDER / f"{name}.txt").read_text(encoding="utf-8"), report(name)
    assert NUMBER.sub("#", found).split() == NUMBER.sub("#", expected).split()
    numbers = [[float(x) for x in NUMBER.findall(text)] for text in (found, expected)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-3, abs=1e-9)


def test_every_golden_report_has_its_accelerator() -> None:
    """No report is left over from an accelerator that is gone."""
    assert {path.stem for path in FOLDER.glob("*.txt")} == ACCELERATORS.keys()
