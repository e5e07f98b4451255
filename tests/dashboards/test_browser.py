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
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboards.pages import front
from dashboards.selection import ids_of_text
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
    half_done(made, root / "running")
    damaged = root / "damaged"
    damaged.mkdir()
    (damaged / "spec.json").write_text('{"title": "<img src=x onerror=alert(1)>"}')
    return root


def half_done(finished: Path, path: Path) -> Path:
    """A copy of a run as it was after half of its journal."""
    shutil.copytree(finished, path)
    for name in ("front.json", "front.parquet", "trials.parquet", "manifest.json"):
        (path / name).unlink()
    content = (path / "journal.log").read_bytes()
    (path / "journal.log").write_bytes(content[: content.index(b"\n", len(content) // 2) + 1])
    return path


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


def serious_faults(axe: Axe, page: Page) -> list[str]:
    """What the accessibility checker finds on a page as it is."""
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:160]}"
        for violation in axe.run(page)["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("path", FIGURES)
def test_page(watched: Watched, axe: Axe, path: str) -> None:
    """Every page draws its figures, is free of serious accessibility faults and not too wide."""
    page = watched.open(path)
    for figure in FIGURES[path]:
        watched.drawn(figure)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280
    assert serious_faults(axe, page) == []
    page.locator("#other-theme").click()
    page.wait_for_function("document.documentElement.dataset.mantineColorScheme === 'dark'")
    page.wait_for_timeout(300)  # colours change gradually
    assert serious_faults(axe, page) == []


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
    watched.drawn("front-graph")
    page.wait_for_timeout(3_000)
    expect(page.locator("#front-count")).to_contain_text("2 of")  # drawing it clears nothing
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


# Where a point of the three axes is on the screen, as Plotly's scene projects it.
_ON_SCREEN = """row => {
  const plot = document.querySelector('#front-graph .js-plotly-plot');
  const trace = plot.data.find(t => t.name === 'front');
  const scene = plot._fullLayout.scene._scene, camera = scene.glplot.cameraParams;
  const axes = ['x', 'y', 'z'].map(n => scene.fullSceneLayout[n + 'axis']);
  let v = ['x', 'y', 'z'].map((n, i) => axes[i].d2l(trace[n][row]) * scene.dataScale[i]).concat(1);
  for (const m of [camera.model, camera.view, camera.projection]) {
    v = [0, 1, 2, 3].map(i => m[i] * v[0] + m[i + 4] * v[1] + m[i + 8] * v[2] + m[i + 12] * v[3]);
  }
  const box = scene.container.getBoundingClientRect();
  return [box.x + box.width * (0.5 + 0.5 * v[0] / v[3]),
          box.y + box.height * (0.5 - 0.5 * v[1] / v[3])];
}"""


def test_three_axes_select_by_clicks(watched: Watched) -> None:
    """With a third axis a mouse's click selects a design for all, the next one lets it go again."""
    page = watched.open("/front")
    watched.drawn("front-graph")
    page.locator("#front-z").click()
    page.get_by_role("option", name="Area (mm²)").click()
    plot = "document.querySelector('#front-graph .js-plotly-plot')"
    trace = f"{plot}.data.find(t => t.name === 'front')"
    page.wait_for_function(f"{trace}.type === 'scatter3d' && {plot}._fullLayout.scene?._scene")
    page.locator("#front-graph").scroll_into_view_if_needed()
    page.wait_for_timeout(2_000)  # the camera comes to rest
    row = page.evaluate(f"{trace}.customdata.indexOf(1)")
    hover = page.locator("#front-graph .hovertext")
    for _ in range(2):
        x, y = page.evaluate(_ON_SCREEN, row)
        page.mouse.move(x - 40, y - 40)
        page.mouse.move(x, y, steps=4)
        expect(hover.first).to_contain_text("Design #1", timeout=PATIENCE_MS)
        page.mouse.down()
        page.wait_for_timeout(100)  # a scene looks at the mouse once a frame
        page.mouse.up()
        if page.evaluate("location.search.includes('select=')"):
            break
        expect(page.locator("#front-command")).to_contain_text("id == 1", timeout=PATIENCE_MS)
        page.wait_for_function("location.search.includes('select=1')")
        page.wait_for_function(f"{trace}.marker.size[{row}] > {trace}.marker.size[{row} ? 0 : 1]")
        expect(page.locator("#front-grid [row-id='1'].ag-row-selected").first).to_be_visible()
    expect(page.locator("#front-count")).to_contain_text("none selected", timeout=PATIENCE_MS)


def test_ranges_on_parallel_axes_select(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range dragged along an axis of the bulk figure selects for all; clearing lets it go."""
    monkeypatch.setattr(front, "MOST_LINES", 1)
    watched.page.set_viewport_size({"width": 1280, "height": 600})  # the lines are far below
    page = watched.open("/front")
    watched.drawn("front-graph")
    lines = page.locator("#front-parallel")
    assert lines.locator(".axis-brush").count() == 0  # thousands of lines wait to be looked at
    lines.scroll_into_view_if_needed()
    watched.drawn("front-parallel")
    page.wait_for_timeout(1_500)  # axes can be dragged a moment after they are drawn
    plot = "document.querySelector('#front-parallel .js-plotly-plot')"
    axis = page.locator("#front-parallel .axis-brush .background").first
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + 0.35 * box["height"])
    page.wait_for_timeout(300)
    page.mouse.down()
    page.wait_for_timeout(300)
    page.mouse.move(x, y + 0.6 * box["height"], steps=4)
    page.mouse.move(x, y + box["height"] - 3, steps=4)
    page.wait_for_timeout(300)
    page.mouse.up()
    expect(page.locator("#front-count")).to_contain_text("designs selected", timeout=PATIENCE_MS)
    page.wait_for_function("location.search.includes('select=')")
    ids = ids_of_text(page.url.partition("select=")[2], 1_000)
    dimension = f"{plot}._fullData[0].dimensions[0]"
    low, high, values = page.evaluate(
        f"[...[{dimension}.constraintrange].flat(2).slice(0, 2), [...{dimension}.values]]"
    )
    assert ids == [i for i, value in enumerate(values) if low <= value <= high]
    assert 0 < len(ids) < len(values)
    ticked = "document.querySelectorAll('#front-grid .ag-row-selected').length > 0"
    page.wait_for_function(ticked)
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("#front-count")).to_contain_text("none selected", timeout=PATIENCE_MS)
    page.wait_for_function(f"!{dimension}.constraintrange")


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
    line = "document.querySelector('#what-if-curve .js-plotly-plot').layout.shapes[0].x0"
    page.wait_for_function(f"{line} === 0")
    page.get_by_role("button", name="Back to the design").click()
    expect(facts).not_to_contain_text("+", timeout=PATIENCE_MS)
    page.wait_for_function(f"{line} > 0")


def test_sliders_end_where_they_stand(watched: Watched) -> None:
    """However fast a slider moves, the last answer is that of where it stands."""
    page = watched.open("/what-if")
    told = page.locator("#what-if-values")
    expect(told).to_contain_text("scored in", timeout=PATIENCE_MS)
    thumb = page.get_by_role("slider").first
    thumb.focus()
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    value = float(thumb.get_attribute("aria-valuenow") or "nan")
    expect(told).to_contain_text(f" {value:g}, deadline", timeout=PATIENCE_MS)


def test_sliders_stay_while_the_run_goes_on(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """News of a running study leave sliders and figures as they stand; the sliders still answer."""
    run = half_done(folder / "finished", tmp_path / "growing")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    with (
        served(watched_runs([run], tmp_path)) as address,
        (run / "driver.lock").open() as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        watched = Watched(context.new_page(), address)
        page = watched.open("/what-if?run=growing")
        told = page.locator("#what-if-values")
        expect(told).to_contain_text("scored in", timeout=PATIENCE_MS)
        expect(page.locator("#state")).not_to_contain_text("12 of 12")
        thumb = page.get_by_role("slider").first
        thumb.focus()
        page.keyboard.press("Home")
        expect(told).to_contain_text(" 0, deadline", timeout=PATIENCE_MS)
        facts = page.locator("#what-if-facts").inner_text()
        thumb.evaluate("thumb => { window.thumb = thumb; }")
        (run / "journal.log").write_bytes((folder / "finished" / "journal.log").read_bytes())
        expect(page.locator("#state")).to_contain_text("12 of 12", timeout=PATIENCE_MS)
        page.wait_for_timeout(3_000)
        assert page.evaluate("window.thumb.isConnected")
        expect(thumb).to_have_attribute("aria-valuenow", "0")
        assert page.locator("#what-if-facts").inner_text() == facts
        page.keyboard.press("ArrowRight")
        expect(told).not_to_contain_text(" 0, deadline", timeout=PATIENCE_MS)
        context.close()  # before the server, which the page would go on asking
    assert watched.complaints == []


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
    unasked: list[str] = []
    page.on("download", lambda download: unasked.append(download.suggested_filename))
    page = watched.open("/front?run=finished&select=0,2")
    watched.drawn("front-graph")
    expect(page.locator("#front-count")).to_contain_text("2 of", timeout=PATIENCE_MS)
    assert unasked == []
    with page.expect_download() as selection:
        page.locator("#front-export").click()
    selection.value.save_as(tmp_path / "selection.zip")
    with zipfile.ZipFile(tmp_path / "selection.zip") as archive:
        for number in (0, 2):
            assert f"finished-selection/design-{number}/design.json" in archive.namelist()
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("#front-count")).to_contain_text("none selected", timeout=PATIENCE_MS)
    page.locator("#front-export").click()
    expect(page.locator("#front-exported")).to_contain_text("Select 1 to 8", timeout=PATIENCE_MS)
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
