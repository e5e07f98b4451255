"""The report is one page: whole, closed to the network, safe against its own records."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from dashboards import write_report
from dashboards.run_card import found_sentence
from studies.metrics import METRICS
from studies.records import Front
from tests.dashboards.conftest import MakeFront, design, three_designs

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class PageReader(HTMLParser):
    """Collects elements with their attributes, figure data and text."""

    def __init__(self, page: str) -> None:
        """Read a page."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.figures: dict[str, Any] = {}
        self.text = ""
        self._in: dict[str, str | None] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        self._in = dict(attrs) if tag in {"script", "style"} else None

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  # the base class has it
        """Leave an element."""
        self._in = None

    def handle_data(self, data: str) -> None:
        """Note figure data or text."""
        if self._in is None:
            self.text += data
        elif self._in.get("type") == "application/json":
            self.figures[str(self._in["id"]).removesuffix("-data")] = json.loads(data)


def own_page(front: Front, folder: Path) -> str:
    """The page without the bundled plotly.js, which has to be in it once."""
    path = folder / "report.html"
    write_report(front, path)
    page = path.read_text(encoding="utf-8")
    bundle = get_plotlyjs()
    before, start, after = page.partition(bundle[:1_000])
    assert start + after[: len(bundle) - 1_000] == bundle
    rest = before + after[len(bundle) - 1_000 :]
    assert start not in rest
    return rest


def test_page_asks_for_nothing(front: Front, tmp_path: Path) -> None:
    """No element points outside the page, no script fetches, and the browser is told to refuse."""
    page = own_page(front, tmp_path)
    reader = PageReader(page)
    assert re.search(r"https?:|//[a-z]+\.[a-z]", page) is None
    assert re.search(r"\bfetch\b|XMLHttpRequest|@import|url\(", page) is None
    for _, attributes in reader.elements:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(a["content"] for t, a in reader.elements if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy


def test_page_does_not_offer_to_upload_figures(front: Front, tmp_path: Path) -> None:
    """Plotly's button that shares a chart with a server is switched off."""
    page = own_page(front, tmp_path)
    assert "showSendToCloud: false" in page
    assert "plotlyServerURL: ''" in page


def test_page_has_every_figure_and_section_in_order(front: Front, tmp_path: Path) -> None:
    """The page goes from the run card over the figures to the table, and links to each section."""
    reader = PageReader(own_page(front, tmp_path))
    assert list(reader.figures) == [
        "front",
        "survival",
        "history",
        "parallel",
        "breakdown-energy_pj",
        "breakdown-latency_ns",
        "breakdown-area_mm2",
        "exits",
        "voltages",
    ]
    places = [a["id"] for t, a in reader.elements if t == "div" and a.get("class") == "figure"]
    assert places == list(reader.figures)
    sections = [a["id"] for t, a in reader.elements if t == "section"]
    links = [a["href"] for t, a in reader.elements if t == "a"]
    assert links == [f"#{section}" for section in sections]


def test_run_card_traces_the_figures(front: Front, tmp_path: Path) -> None:
    """The head names task, deadline, sequences, strategy, constraints, counts, seed and commit."""
    text = PageReader(own_page(front, tmp_path)).text
    for entry in (
        "A small study",
        "SST-2",
        "Deadline (ms)",
        "actual lengths",
        "nested",
        "recorded traces",
        "area_mm2 <= 3",
        "Designs scored",
        "3f2c9a1d",
        "numpy 2.4",
        "albert-mini, minilm-exits",
        "from 1 (ideal) to 1,000 (reference)",
    ):
        assert entry in text
    assert "Accuracy is on the select split" in text


def test_what_was_found_is_a_sentence(front: Front) -> None:
    """The head says how many designs there are and what their objectives range over."""
    assert found_sentence(front) == (
        "3 designs are on the front: accuracy 80 to 90 % and energy per sentence 4 to 40 µJ."
    )


def test_every_unit_is_on_the_page(front: Front, tmp_path: Path) -> None:
    """Every metric stands on the page with its title and unit, in the menu and in the table."""
    reader = PageReader(own_page(front, tmp_path))
    for metric in METRICS.values():
        if metric.name != "accuracy":
            assert reader.text.count(f"{metric.title} ({metric.unit})") >= 2
    assert "Accuracy, report split (%)" in reader.text


def test_table_has_every_design_with_errors(front: Front, tmp_path: Path) -> None:
    """The table has a row for each design, and numbers carry the value that sorts them."""
    page = own_page(front, tmp_path)
    rows = re.findall(r'<tr data-id="(\d+)">(.*?)</tr>', page)
    assert [number for number, _ in rows] == ["0", "1", "2"]
    assert '<td class="n" data-v="10">10.00 ± 0.10</td>' in rows[1][1]
    assert "<td>adaptivfloat&lt;10,3&gt;</td>" in rows[1][1]


def test_table_has_main_metrics_then_knobs_then_the_others(front: Front, tmp_path: Path) -> None:
    """What is asked for and the knobs need no scrolling; every other metric follows."""
    heads = re.findall(r"<button type=\"button\">(.*?)</button>", own_page(front, tmp_path))
    places = [
        heads.index(title)
        for title in (
            "Accuracy, select split (%)",
            "Accuracy, report split (%)",
            "Energy per sentence (µJ)",
            "99th percentile latency (ms)",
            "MAC vector size",
            "Median energy (µJ)",
            "Duty cycle (%)",
            "Trial",
        )
    ]
    assert places == sorted(places)


def test_the_knee_has_a_table_of_its_parts(front: Front, tmp_path: Path) -> None:
    """Beside each breakdown stand the parts of the knee with amounts, percent and their total.

    Design 1 is the knee: half of the accuracy and 0.4 of the decades of energy from the best.
    """
    page = own_page(front, tmp_path)
    tables = re.findall(r'<table class="parts">(.*?)</table>', page)
    texts = [re.sub(r"<[^>]+>", " ", table).split() for table in tables]
    assert [text[:5] for text in texts] == 3 * [["Design", "#1,", "the", "knee", "Part"]]
    assert [" ".join(text[5:]) for text in texts] == [
        "µJ % MAC 30 75.0 SRAM 10 25.0 Total 40 100.0",
        "ms % Compute 2 66.7 Stream 1 33.3 Total 3 100.0",
        "mm² % SRAM 1 66.7 MAC 0.5 33.3 Total 1.5 100.0",
    ]


def test_hostile_texts_stay_text(make_front: MakeFront, tmp_path: Path) -> None:
    """Markup in titles, knobs, parts, counts or provenance is shown, never run."""
    bad = design(1, checkpoint=HOSTILE)
    bad["breakdown"]["energy_pj"] = {HOSTILE: 1.0}
    bad["voltage_shares"] = {HOSTILE: 1.0}
    front = make_front(
        [*three_designs()[:1], bad],
        title=HOSTILE,
        constraints=[HOSTILE],
        scenario={HOSTILE: {HOSTILE: [HOSTILE]}},
        provenance={HOSTILE: HOSTILE},
        counts={HOSTILE: 1},
    )
    page = own_page(front, tmp_path)
    clean = PageReader(own_page(make_front(three_designs()[:2]), tmp_path))
    reader = PageReader(page)
    assert "alert(1)</script>" not in page
    assert {tag for tag, _ in reader.elements} == {tag for tag, _ in clean.elements}
    assert not any("onerror" in attributes for _, attributes in reader.elements)
    assert HOSTILE in reader.text
    for menu in reader.figures["front"]["menus"]:
        for bar in menu["choices"][0]["traces"].get("marker.colorbar", []):
            assert "<img" not in json.dumps(bar)
    cards = reader.figures["front"]["data"][1]["text"]
    assert "<img" not in "".join(cards)


def test_an_empty_front_is_said_to_be_empty(make_front: MakeFront, tmp_path: Path) -> None:
    """Without designs the page has sentences where figures would be, and still the history."""
    reader = PageReader(own_page(make_front([]), tmp_path))
    assert "No design is on the front" in reader.text
    assert list(reader.figures) == ["history"]
    assert sum(a.get("class") == "empty" for _, a in reader.elements) == 6


def test_nothing_at_all_is_a_page(make_front: MakeFront, tmp_path: Path) -> None:
    """A record without designs, history and provenance gives a page of sentences."""
    front = make_front([], history=[], provenance={}, counts={}, constraints=[], objectives=[])
    reader = PageReader(own_page(front, tmp_path))
    assert reader.figures == {}
    assert "no trial was told yet" in reader.text


def test_a_single_design_has_no_parallel_axes(make_front: MakeFront, tmp_path: Path) -> None:
    """One design has a point on each figure, and a sentence instead of parallel coordinates."""
    reader = PageReader(own_page(make_front(three_designs()[:1]), tmp_path))
    assert "1 design is on the front" in reader.text
    assert "fewer than two" in reader.text
    assert "parallel" not in reader.figures
    assert "front" in reader.figures


def test_equal_designs_have_no_parallel_axes(make_front: MakeFront, tmp_path: Path) -> None:
    """Designs with equal knobs have a sentence that says so, and the knobs are listed."""
    reader = PageReader(own_page(make_front([design(0), design(1)]), tmp_path))
    assert "No knob varies over the front" in reader.text
    assert "MAC vector size = 16" in reader.text
    assert "parallel" not in reader.figures


def test_a_record_without_shares_says_so(make_front: MakeFront, tmp_path: Path) -> None:
    """Designs without parts, exit layers or voltages give sentences instead of empty axes."""
    bare = design(0) | {
        "exit_layer_shares": [],
        "voltage_shares": {},
        "breakdown": {"energy_pj": {}, "latency_ns": {}, "area_mm2": {}},
    }
    reader = PageReader(own_page(make_front([bare]), tmp_path))
    assert list(reader.figures) == ["front", "survival", "history"]
    assert "no exit layers" in reader.text
    assert "no parts of the energy per sentence" in reader.text


def test_an_old_page_is_replaced_whole(front: Front, tmp_path: Path) -> None:
    """Writing again replaces the page and leaves nothing else behind."""
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    write_report(front, path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_a_large_front_is_a_page_of_bearable_size(make_front: MakeFront, tmp_path: Path) -> None:
    """2,000 designs of many knobs make a page under 15 MB; more are thinned, and it says so."""
    designs = [
        design(
            i,
            metrics={"accuracy": (0.9 - i / 10_000, 0.01), "energy_pj": (4e7 / (1 + i), 1e5)},
            entropy_threshold=i / 5_000,
            **{f"knob_{k}": (i * k) % 7 for k in range(1, 10)},
        )
        for i in range(2_500)
    ]
    page = own_page(make_front(designs), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 15e6
    assert page.count("2,000 of the front&#x27;s 2,500 designs") == 2
    assert page.count(">500 of the front&#x27;s 2,500 designs") == 1
    assert page.count("<tr data-id=") == 2_000


def test_page_says_how_sure_the_front_is(make_front: MakeFront, tmp_path: Path) -> None:
    """Memberships stand in the table and a sentence; ranges and the search’s end are told."""
    designs = [
        {**one, "membership": share, "accuracy_low": 0.8}
        for one, share in zip(three_designs(), (0.95, 0.5, 0.9), strict=True)
    ]
    front = make_front(
        designs,
        bootstrap={"samples": 1000, "rivals": 7},
        grids=[{"knob": "entropy_threshold", "low": 0.02, "high": 0.68, "steps": 34, "log": False}],
        stopped="all 12 trials are told",
    )
    text = PageReader(own_page(front, tmp_path)).text
    assert "On the front (% of samples)" in text
    assert (
        "Over 1,000 bootstrap samples of the select sentences, the same ones for all designs and 7 "
        "dominated designs that come nearest, 2 of 3 designs are on the front in 90% of the "
        "samples or more."
    ) in text
    assert "0.02 to 0.68, searched at 34 values in equal steps" in text
    assert "all 12 trials are told" in text


def test_page_of_an_older_record_says_nothing_of_it(front: Front, tmp_path: Path) -> None:
    """Without memberships there is no column and no sentence of them."""
    text = PageReader(own_page(front, tmp_path)).text
    assert "bootstrap" not in text
    assert "% of samples" not in text
