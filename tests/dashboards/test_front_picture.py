"""The still picture is a small, well-formed SVG of the front."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from dashboards import write_front_svg
from dashboards.palette import CATEGORIES
from studies.records import Front
from tests.dashboards.conftest import MakeFront, design, three_designs

SVG = "{http://www.w3.org/2000/svg}"


def picture(front: Front, folder: Path) -> ElementTree.Element:
    """The root of the picture of a front."""
    path = folder / "front.svg"
    write_front_svg(front, path)
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def texts(root: ElementTree.Element) -> list[str]:
    """All texts of a picture."""
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def dots(root: ElementTree.Element, colour: str) -> list[tuple[float, float]]:
    """Places of the dots of a colour inside the axes."""
    paths = [p for p in root.iter(f"{SVG}path") if p.get("stroke") == colour]
    found = [m for p in paths for m in re.findall(r"M(\S+) (\S+?)h", p.get("d") or "")]
    return [(float(x), float(y)) for x, y in found if float(y) > 60]


def test_picture_has_units_ticks_and_a_legend(front: Front, tmp_path: Path) -> None:
    """Axes have titles with units and round ticks, the legend names the checkpoints."""
    shown = texts(picture(front, tmp_path))
    assert "Energy per sentence (µJ), log scale" in shown
    assert "Accuracy (%), ± standard error" in shown
    assert {
        "albert-mini",
        "minilm-exits",
        "dominated",
        "3 designs, front of 2 objectives",
        "5",
        "10",
        "20",
    } <= set(shown)


def test_dots_are_where_the_designs_are(front: Front, tmp_path: Path) -> None:
    """A more accurate design is higher, one that needs more energy is further right."""
    root = picture(front, tmp_path)
    (albert,) = dots(root, CATEGORIES[0])
    most, middle = dots(root, CATEGORIES[1])
    assert albert[0] < middle[0] < most[0]
    assert albert[1] > middle[1] > most[1]


def test_dots_keep_inside_the_axes(make_front: MakeFront, tmp_path: Path) -> None:
    """Dominated designs far outside the window are not drawn over the axes."""
    dominated = {
        "columns": ["accuracy", "energy_pj"],
        "rows": [[0.7, 5e9], [0.1, 1e7], [0.84, 3e7]],
        "of": 3,
    }
    root = picture(make_front(three_designs(), dominated=dominated), tmp_path)
    assert len(dots(root, "#c3cad3")) == 1


def test_hostile_title_stays_text(make_front: MakeFront, tmp_path: Path) -> None:
    """Markup and quotes in a title leave the picture well-formed."""
    title = '"><script>alert(1)</script>&'
    root = picture(make_front(three_designs(), title=title), tmp_path)
    assert root.get("aria-label") == title
    assert title in texts(root)
    assert not list(root.iter(f"{SVG}script"))


def test_an_empty_front_is_a_sentence(make_front: MakeFront, tmp_path: Path) -> None:
    """Without designs the picture says so."""
    assert "No design is on the front." in texts(picture(make_front([]), tmp_path))


def test_a_large_front_is_a_small_picture(make_front: MakeFront, tmp_path: Path) -> None:
    """A picture of many designs stays below 100 kB and says how many it shows."""
    designs = [
        design(i, metrics={"accuracy": (0.9 - i / 1e5, 0.01), "energy_pj": (1e9 / (i + 1), None)})
        for i in range(3_000)
    ]
    root = picture(make_front(designs), tmp_path)
    assert (tmp_path / "front.svg").stat().st_size < 100_000
    assert "400 of 3,000 designs, front of 2 objectives" in texts(root)
