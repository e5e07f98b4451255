"""The dashboard in a real browser, over a finished run, a running one and a damaged one."""

from __future__ import annotations

import fcntl
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect, sync_playwright

from dse.watched_run import watched_runs
from tests.dashboards.browser import PATIENCE_MS, Watched, served
from tests.dse.commands import finished_run
from tests.small_study import tiny_document

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FIGURES = {
    "/": ("overview-front",),
    "/front": ("front-graph", "front-parallel"),
    "/design": ("design-energy_pj", "design-exits", "design-change"),
    "/compare": ("compare-waterfall", "compare-fronts"),
    "/what-if": ("what-if-curve",),
    "/progress": ("progress-growth",),
    "/knobs": ("knobs-correlation",),
    "/health": (),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_traces: Path) -> Path:
    """A folder with a finished run, a running one (half of its journal) and a damaged one."""
    made = finished_run(tiny_document(), tmp_path_factory.mktemp("made"), small_traces)
    root = tmp_path_factory.mktemp("runs")
    shutil.copytree(made, root / "finished")
    running = root / "running"
    shutil.copytree(made, running)
    for name in ("front.json", "front.parquet", "trials.parquet", "manifest.json"):
        (running / name).unlink()
    content = (running / "journal.log").read_bytes()
    (running / "journal.log").write_bytes(content[: content.index(b"\n", len(content) // 2) + 1])
    damaged = root / "damaged"
    damaged.mkdir()
    (damaged / "spec.json").write_text('{"title": "<img src=x onerror=alert(1)>"}')
    return root


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Of the dashboard."""
    runs = watched_runs([folder / name for name in ("finished", "running", "damaged")], folder)
    with served(runs) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[Watched]:
    """A new page; whatever it complains of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    found = Watched(context.new_page(), address)
    yield found
    context.close()
    assert found.complaints == []


@pytest.fixture(scope="module")
def axe() -> Axe:
    """The accessibility checker."""
    return Axe()


@pytest.mark.parametrize("path", FIGURES)
def test_page(watched: Watched, axe: Axe, path: str) -> None:
    """Every page draws its figures, is free of serious accessibility faults and not too wide."""
    page = watched.open(path)
    for figure in FIGURES[path]:
        watched.drawn(figure)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280
    found = axe.run(page)
    serious = [
        f"{violation['id']}: {violation['nodes'][0]['html'][:160]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_selection_is_one(watched: Watched) -> None:
    """A ticked row is in the address, the command and the figure; the address brings it back."""
    page = watched.open("/front")
    watched.drawn("front-graph")
    page.locator("#front-grid [row-id='1'] .ag-checkbox-input").first.click()
    expect(page.locator("#front-command")).to_contain_text("id == 1", timeout=PATIENCE_MS)
    page.wait_for_function("location.search.includes('select=1')")
    selected = "document.querySelector('#front-graph .js-plotly-plot').data.find("
    selected += "t => t.name === 'front').selectedpoints"
    page.wait_for_function(f"JSON.stringify({selected}) === '[1]'")
    page.goto(page.url.replace("select=1", "select=0,2"))
    expect(page.locator("#front-command")).to_contain_text(
        "id == 0 or id == 2", timeout=PATIENCE_MS
    )
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("#front-count")).to_contain_text("none selected", timeout=PATIENCE_MS)


def test_brush(watched: Watched) -> None:
    """Designs that are dragged around are selected."""
    page = watched.open("/front")
    watched.drawn("front-graph")
    plot = page.locator("#front-graph .nsewdrag.drag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    left, top = box["x"] + 3, box["y"] + 3
    right, bottom = box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 4)):
        page.mouse.move(x, y, steps=6)
    page.mouse.up()
    expect(page.locator("#front-count")).to_contain_text("designs selected", timeout=PATIENCE_MS)


def test_click_through(watched: Watched) -> None:
    """A design that is pointed at shows its card; clicked, it is opened."""
    page = watched.open("/front")
    watched.drawn("front-graph")
    page.locator("#front-graph").scroll_into_view_if_needed()
    place = page.evaluate(
        """() => { const plot = document.querySelector('#front-graph .js-plotly-plot');
        const t = plot.data.find(t => t.name === 'front'), l = plot._fullLayout;
        const box = plot.getBoundingClientRect();
        return [box.x + l.xaxis._offset + l.xaxis.d2p(t.x[0]),
                box.y + l.yaxis._offset + l.yaxis.d2p(t.y[0])]; }"""
    )
    page.mouse.move(place[0] - 1, place[1])
    page.mouse.move(*place)
    expect(page.locator("#front-graph .hoverlayer")).to_contain_text("Design #")
    page.mouse.down()
    page.mouse.up()
    expect(page.locator("main h1")).to_have_text(re.compile(r"Design #\d"), timeout=PATIENCE_MS)


def test_sliders(watched: Watched) -> None:
    """A threshold of zero, set by keyboard, keeps every sentence to the end: more energy."""
    page = watched.open("/what-if")
    watched.drawn("what-if-curve")
    facts = page.locator("#what-if-facts")
    expect(facts).to_contain_text("as in the design", timeout=PATIENCE_MS)
    thumb = page.get_by_role("slider").first
    thumb.focus()
    page.keyboard.press("Home")
    expect(facts).to_contain_text(re.compile(r"Energy per sentence, \+"), timeout=PATIENCE_MS)
    page.get_by_role("button", name="Back to the design").click()
    expect(facts).not_to_contain_text("+", timeout=PATIENCE_MS)


def test_downloads(watched: Watched, tmp_path: Path) -> None:
    """A design is exported as the command does it; a figure and the table are saved as files."""
    page = watched.open("/design?run=finished&design=2")
    expect(page.locator("main h1")).to_have_text("Design #2", timeout=PATIENCE_MS)
    with page.expect_download() as export:
        page.locator("#design-export").click()
    export.value.save_as(tmp_path / "design.zip")
    with zipfile.ZipFile(tmp_path / "design.zip") as archive:
        assert "finished-design-2/design.json" in archive.namelist()
    watched.drawn("design-exits")
    for kind in ("PNG", "SVG"):
        with page.expect_download() as figure:
            page.get_by_role("button", name=f"Save Exits as {kind}").click()
        assert figure.value.suggested_filename == f"design-exits.{kind.lower()}"
    page = watched.open("/front")
    with page.expect_download() as table:
        page.locator("#front-csv").click()
    table.value.save_as(tmp_path / "front.csv")
    assert (tmp_path / "front.csv").read_text().startswith("Design,")


def test_themes(watched: Watched) -> None:
    """The theme changes page, table and figures, and is kept for the next visit."""
    page = watched.open("/")
    watched.drawn("overview-front")
    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    colour = "document.querySelector('#overview-front .js-plotly-plot').layout.font.color"
    page.wait_for_function(f"{colour} === '#d9dee4'")
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-ag-theme-mode", "dark")


def test_keyboard(watched: Watched) -> None:
    """Tab leads from the start of the page through the frame; Enter follows a link."""
    page = watched.open("/")
    for _ in range(14):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Health":
            break
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("Health", timeout=PATIENCE_MS)
    expect(page.locator(".tabs a[aria-current=page]")).to_have_text("Health")


def test_damaged_run(watched: Watched) -> None:
    """A damaged run says what is wrong, as text, and the next run is shown as ever."""
    page = watched.page
    page.goto(watched.address + "/?run=damaged")
    expect(page.get_by_role("alert")).to_contain_text("spec.json", timeout=PATIENCE_MS)
    assert page.locator("main img").count() == 0
    page.locator("#run").click()
    page.get_by_role("option", name="finished").click()
    watched.drawn("overview-front")


def test_running_study(watched: Watched, folder: Path) -> None:
    """While a driver writes the journal the page follows, without a click."""
    journal = folder / "running" / "journal.log"
    whole = (folder / "finished" / "journal.log").read_bytes()
    with (folder / "running" / "driver.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page = watched.open("/progress?run=running")
        expect(page.locator("#state")).to_contain_text("running", timeout=PATIENCE_MS)
        expect(page.locator("#state")).not_to_contain_text("12 of 12")
        journal.write_bytes(whole)
        expect(page.locator("#state")).to_contain_text("12 of 12", timeout=PATIENCE_MS)
        expect(page.locator("#progress-head")).to_contain_text("12 of 12", timeout=PATIENCE_MS)
    expect(page.locator("#state")).to_contain_text("unfinished", timeout=PATIENCE_MS)
