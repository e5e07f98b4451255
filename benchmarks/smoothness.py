"""How many pictures a second the front of many designs gives while it is moved, in the browser.

    python benchmarks/smoothness.py RUN [--steps 60] [--json FILE]

Opens the front's page of a run in headless Chromium, drags the figure of designs to and fro, then
turns the wheel on it, a step every 16 ms, and takes the times between the browser's frames. With no
graphics card, as here, the processor draws what WebGL is for: figures are the worst case. Besides,
the time from the address to the drawn figure, and from a press in the figure to the selection that
follows from it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from browser import page_of
from playwright.sync_api import Page

STEP_MS = 16
_PLOT = "document.querySelector('#front-graph .js-plotly-plot')"
_FRAMES = """() => {
  window.frames_at = []; window.is_on = true;
  const note = time => {
    window.frames_at.push(time);
    if (window.is_on) requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with page_of(arguments.run) as (page, address):
        began = time.perf_counter()
        page.goto(f"{address}/front")
        page.wait_for_function(f"{_PLOT}?.data?.length > 1 && {_PLOT}._fullLayout?.xaxis?._length")
        found: dict[str, Any] = {"opened_s": time.perf_counter() - began}
        page.wait_for_timeout(3_000)
        found["selected_s"] = selected_s(page)
        found["dragged"] = frames(page, arguments.steps, wheel=False)
        found["wheel"] = frames(page, arguments.steps, wheel=True)
    for name, figures in found.items():
        print(f"{name:12} {figures}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def centre(page: Page) -> tuple[float, float]:
    """Of the figure of designs, in pixels of the window."""
    box = page.locator("#front-graph .nsewdrag").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def selected_s(page: Page) -> float:
    """Seconds from the end of a lasso around the middle of the figure to the page's count."""
    x, y = centre(page)
    before = page.locator("#front-count").inner_text()
    page.mouse.move(x - 150, y - 100)
    page.mouse.down()
    for across, down in ((150, -100), (150, 100), (-150, 100), (-150, -100)):
        page.mouse.move(x + across, y + down, steps=4)
    began = time.perf_counter()
    page.mouse.up()
    page.wait_for_function(
        "before => document.getElementById('front-count').innerText !== before", arg=before
    )
    return time.perf_counter() - began


def frames(page: Page, steps: int, *, wheel: bool) -> dict[str, float]:
    """Milliseconds between frames while the figure is dragged, or zoomed by the wheel."""
    page.evaluate(f"async () => {{ await Plotly.relayout({_PLOT}, {{dragmode: 'pan'}}); }}")
    page.wait_for_timeout(1_000)
    x, y = centre(page)
    page.mouse.move(x, y)
    page.evaluate(_FRAMES)
    if not wheel:
        page.mouse.down()
    for step in range(steps):
        if wheel:
            page.mouse.wheel(0, -20 if step % 20 < 10 else 20)
        else:
            turn = step % 30
            page.mouse.move(x + 4 * min(turn, 30 - turn), y + 2 * min(turn, 30 - turn))
        page.wait_for_timeout(STEP_MS)
    if not wheel:
        page.mouse.up()
    between = np.diff(page.evaluate("() => { window.is_on = false; return window.frames_at; }"))
    return {
        "frames": len(between),
        "p50_ms": round(float(np.percentile(between, 50)), 1),
        "p95_ms": round(float(np.percentile(between, 95)), 1),
        "max_ms": round(float(between.max()), 1),
    }


if __name__ == "__main__":
    main()
